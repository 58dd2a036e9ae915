//! Texts cut into pieces the model can read.
//!
//! Invariants: no piece is over the model's limit, and together the pieces are the whole text but
//! for white space between them.

use quarry_types::TokenCounter;

/// Most pieces of one row: more than the largest row (30 × 4 KB) needs with a model that reads 128
/// tokens or more. What is beyond is found by words only.
pub(crate) const MAX_PASSAGES: usize = 1_024;

/// The pieces of a text, and whether they are all of it.
pub(crate) fn passages<'t>(text: &'t str, counter: &dyn TokenCounter) -> (Vec<&'t str>, bool) {
    let mut pieces = Vec::new();
    let mut rest = vec![text];
    while let Some(text) = rest.pop() {
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        let tokens = counter.count_tokens(text);
        if tokens <= counter.max_tokens() {
            if pieces.len() == MAX_PASSAGES {
                return (pieces, false);
            }
            pieces.push(text);
            continue;
        }
        let Some((left, right)) = cut(text, tokens, counter.max_tokens()) else { return (pieces, false) };
        rest.push(right);
        rest.push(left);
    }
    (pieces, true)
}

/// Two parts of a text that is over the limit, so that both need a whole number of passages if
/// tokens lie evenly; `None` when it is a single character.
fn cut(text: &str, tokens: usize, max: usize) -> Option<(&str, &str)> {
    // Passages are aimed at a little less than the limit, so that a cut may fall after its target.
    let aim = (max - max / 16).max(1);
    let needed = tokens.div_ceil(aim).clamp(2, text.len().max(2));
    let target = text.len() * needed.div_ceil(2) / needed;
    let passage = text.len() / needed;
    let from = text.floor_char_boundary(target.saturating_sub(passage / 4));
    let to = text.floor_char_boundary(target + passage / 16);
    let window = text.get(from..to).unwrap_or_default();
    let after = |at: usize, mark: &str| from + at + mark.len();
    let marks = ["\n", ". ", "! ", "? ", "; ", ", "];
    let at = marks.iter().find_map(|mark| window.rfind(mark).map(|at| after(at, mark)));
    let at = at.or_else(|| window.rfind(char::is_whitespace).map(|at| from + at)).unwrap_or(to);
    let first = text.chars().next().map_or(0, char::len_utf8);
    let at = if at == 0 { first } else { at };
    (at < text.len()).then(|| text.split_at(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use quarry_embed::Embedder;
    use quarry_embed::testing::HashEmbedder;

    /// Counts characters, so that even words must be cut.
    struct Letters(usize);

    impl TokenCounter for Letters {
        fn count_tokens(&self, text: &str) -> usize {
            text.chars().count() + 2
        }

        fn max_tokens(&self) -> usize {
            self.0
        }
    }

    fn letters(text: &str) -> String {
        text.chars().filter(|c| !c.is_whitespace()).collect()
    }

    proptest! {
        #[test]
        fn pieces_fit_and_lose_nothing(text in "(\\PC|[ \\n.,]){0,400}", max in 3..80_usize) {
            let counter = Letters(max);
            let (pieces, whole) = passages(&text, &counter);
            prop_assert!(whole);
            prop_assert!(pieces.iter().all(|piece| counter.count_tokens(piece) <= max));
            prop_assert_eq!(letters(&pieces.concat()), letters(&text));
        }
    }

    #[test]
    fn even_texts_make_few_pieces_and_prefer_sentences() {
        let counter = HashEmbedder::new(8, 64).token_counter();
        let text = "Seven words stand in this short sentence. ".repeat(90);
        let (pieces, whole) = passages(&text, counter.as_ref());
        assert!(whole && (11..=14).contains(&pieces.len()), "{} pieces for 630 words", pieces.len());
        assert!(pieces.iter().all(|piece| piece.ends_with('.')));
        assert_eq!(passages("one line", counter.as_ref()).0, ["one line"]);
        assert!(passages(" \n ", counter.as_ref()).0.is_empty());
    }

    #[test]
    fn a_counter_that_fails_ends_in_nothing_not_in_a_loop() {
        struct Broken;
        impl TokenCounter for Broken {
            fn count_tokens(&self, _: &str) -> usize {
                usize::MAX
            }
            fn max_tokens(&self) -> usize {
                256
            }
        }
        assert_eq!(passages(&"word ".repeat(1_000), &Broken), (vec![], false));
        let long = "a".repeat(10_000);
        let (pieces, whole) = passages(&long, &Letters(3));
        assert_eq!((pieces.len(), whole), (MAX_PASSAGES, false));
    }
}
