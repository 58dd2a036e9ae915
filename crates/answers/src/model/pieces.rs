//! Cuts a growing text into sentences with the tokens that follow them.
//!
//! Invariant: the pieces together are the text; a piece is given once it can no longer change.

/// Longest text kept back; a "sentence" without end is given in parts.
const MAX_HELD: usize = 2_000;

/// A text on its way.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    held: String,
}

impl Pieces {
    /// Takes more text and gives the sentences that are complete.
    pub(crate) fn push(&mut self, text: &str) -> Vec<String> {
        self.held.push_str(text);
        let mut ready = Vec::new();
        while let Some(end) = boundary(&self.held) {
            let rest = self.held.split_off(end);
            ready.push(std::mem::replace(&mut self.held, rest));
        }
        ready
    }

    /// What is left.
    pub(crate) fn finish(self) -> Option<String> {
        Some(self.held).filter(|held| !held.trim().is_empty())
    }
}

/// The byte after the first complete sentence: a line's end, or a full stop with its tokens and space
/// once something else follows.
fn boundary(text: &str) -> Option<usize> {
    let mut after_stop = false;
    let mut spaced = false;
    let mut in_token = false;
    for (at, c) in text.char_indices() {
        match c {
            '\n' => return Some(at + 1),
            '【' => in_token = true,
            '】' => in_token = false,
            _ if in_token => {}
            '.' | '!' | '?' | '。' | '！' | '？' => (after_stop, spaced) = (true, !c.is_ascii()),
            c if c.is_whitespace() => spaced |= after_stop,
            '"' | '\'' | ')' | '”' | '’' if !spaced => {}
            _ if after_stop && spaced && !abbreviated(text.get(..at).unwrap_or_default()) => return Some(at),
            _ => (after_stop, spaced) = (false, false),
        }
        if at > MAX_HELD {
            return Some(at);
        }
    }
    None
}

/// Whether the full stop before belongs to an abbreviation or a list number.
fn abbreviated(text: &str) -> bool {
    let word = text.trim_end().rsplit(char::is_whitespace).next().unwrap_or("");
    let bare = word.trim_end_matches('.').to_lowercase();
    word.ends_with('.')
        && (["e.g", "i.e", "approx", "no", "fig", "vs", "dr", "mr", "ms", "st", "z.b", "ca"]
            .contains(&bare.as_str())
            || (bare.len() <= 2 && !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(text: &str) -> Vec<String> {
        let mut pieces = Pieces::default();
        let mut all: Vec<String> = text.chars().flat_map(|c| pieces.push(&c.to_string())).collect();
        all.extend(pieces.finish());
        all
    }

    #[test]
    fn tokens_stay_with_their_sentence() {
        assert_eq!(
            pieces("It is 4.6 l.【1】 Clean it.【2, 3】\nDone"),
            ["It is 4.6 l.【1】 ", "Clean it.【2, 3】\n", "Done"]
        );
        assert_eq!(
            pieces("It is 5. 【1】 Yes, e.g. now【2】. No"),
            ["It is 5. 【1】 ", "Yes, e.g. now【2】. ", "No"]
        );
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in "[a-z.!? 【】1\n]{0,200}") {
            let all = pieces(&text).concat();
            prop_assert_eq!(all.trim_end(), text.trim_end());
        }
    }
}
