//! Words cut at the end of a line, put together again.

use std::collections::HashSet;

/// Most different words remembered.
const MAX_WORDS: usize = 200_000;

/// Line ends looked at.
const MAX_ENDS: usize = 20_000;

/// Longest word looked at, in bytes.
const MAX_WORD: usize = 64;

/// What joins two words of which the first is shortened: "main and side entrance" in German is "Haupt- und
/// Nebeneingang".
const BETWEEN: [&str; 8] = ["and", "or", "und", "oder", "bis", "bzw", "sowie", "ou"];

/// Words of a document, to tell a hyphen of the word from one of the line break.
#[derive(Debug)]
pub(crate) struct Words {
    words: HashSet<String>,
    /// Whether words are cut at line ends here at all; programs that wrap text break after hyphens only.
    cuts: bool,
}

impl Words {
    /// The words of a document's lines, in their order. Whether words are cut at line ends, as `usual` of such
    /// documents, may be told by how it spells them elsewhere.
    pub(crate) fn of<'a>(lines: impl Iterator<Item = &'a str>, usual: bool) -> Self {
        let mut words = HashSet::new();
        let mut ends: Vec<(&str, &str)> = Vec::new();
        let mut before = "";
        for line in lines {
            if is_cut(before, line) && ends.len() < MAX_ENDS {
                ends.extend(last_word(before).zip(first_word(line)));
            }
            for word in line.split_whitespace() {
                if words.len() < MAX_WORDS {
                    words.insert(normal(word));
                }
            }
            before = line;
        }
        let whole = |(head, tail): &&(&str, &str)| words.contains(&joined(head, tail));
        let parted = |(head, tail): &&(&str, &str)| words.contains(&normal(&format!("{head}{tail}")));
        let (whole, parted) = (ends.iter().filter(whole).count(), ends.iter().filter(parted).count());
        Self { words, cuts: whole > parted || (whole == parted && usual) }
    }

    /// Adds what goes on in the next line, with or without the hyphen between.
    pub(crate) fn append(&self, text: &mut String, more: &str) {
        if text.ends_with('\u{ad}') {
            text.pop();
            text.push('-');
        }
        let apart = || more.starts_with(' ') || text == "-" || text.ends_with(" -") || goes_between(more);
        if text.ends_with('-') && self.joins(text, more) {
            text.pop();
        } else if !text.ends_with('-') || apart() {
            text.push(' ');
        }
        text.push_str(more);
    }

    /// Whether a line that ends with a hyphen is joined to the next without it.
    fn joins(&self, before: &str, after: &str) -> bool {
        let Some((head, tail)) = last_word(before).zip(first_word(after)) else { return false };
        let Some(stem) = head.strip_suffix('-').filter(|stem| !stem.ends_with('-')) else { return false };
        let joined = joined(head, tail);
        let shouted = |word: &str| word.chars().filter(|c| c.is_alphabetic()).all(char::is_uppercase);
        if shouted(stem) && tail.chars().next().is_some_and(char::is_uppercase) {
            return self.words.contains(&joined);
        }
        let first = tail.chars().next();
        if !first.is_some_and(char::is_lowercase) || !stem.ends_with(char::is_alphabetic) {
            return false;
        }
        // The document itself knows how it spells the word.
        let hyphened = normal(&format!("{head}{tail}"));
        let plain = !stem.contains(['-', '/', ':', '@', '.']) && !goes_between(after);
        self.words.contains(&joined) || (self.cuts && plain && !self.words.contains(&hyphened))
    }
}

/// Whether a text begins with what joins two words; "to" does before a word that is shortened itself.
fn goes_between(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let word = words.next().map(|word| word.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default());
    let shortened = words.next().is_some_and(|next| next.contains('-'));
    word.is_some_and(|word| BETWEEN.contains(&word) || (word == "to" && shortened))
}

/// Whether a line ends with a letter and a hyphen and the next goes on with a small letter.
fn is_cut(line: &str, next: &str) -> bool {
    let stem = line.trim_end().strip_suffix(['-', '\u{ad}']);
    stem.is_some_and(|stem| stem.ends_with(char::is_alphabetic)) && next.starts_with(char::is_lowercase)
}

fn first_word(text: &str) -> Option<&str> {
    text.split_whitespace().next().filter(|word| word.len() <= MAX_WORD)
}

fn last_word(text: &str) -> Option<&str> {
    let text = text.trim_end();
    // One byte more tells a longer word.
    let from = (text.len().saturating_sub(MAX_WORD + 1)..text.len()).find(|at| text.is_char_boundary(*at))?;
    text.get(from..)?.split_whitespace().next_back().filter(|word| word.len() <= MAX_WORD)
}

/// Two parts of a word without the hyphen between.
fn joined(head: &str, tail: &str) -> String {
    normal(&format!("{}{tail}", head.trim_end_matches(['-', '\u{ad}'])))
}

fn normal(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(lines: &[&str], rest: &str, usual: bool) -> String {
        let words = Words::of(lines.iter().copied().chain(rest.lines()), usual);
        let mut text = String::new();
        for line in lines {
            if text.is_empty() { text.push_str(line) } else { words.append(&mut text, line) }
        }
        text
    }

    #[test]
    fn words_cut_at_line_ends_are_put_together() {
        let joined = |lines: &[&str], rest: &str| joined(lines, rest, true);
        assert_eq!(joined(&["more infor-", "mation here"], ""), "more information here");
        assert_eq!(joined(&["more infor\u{ad}", "mation"], ""), "more information");
        assert_eq!(joined(&["a well-", "known name"], "it is well-known"), "a well-known name");
        assert_eq!(joined(&["from 1990-", "2000 on", "and -", "so"], ""), "from 1990-2000 on and - so");
        assert_eq!(joined(&["Haupt-", "und/oder Nebeneingang"], ""), "Haupt- und/oder Nebeneingang");
        assert_eq!(joined(&["two-", "to three-week"], ""), "two- to three-week");
        assert_eq!(joined(&["an err-", "or"], "error 5"), "an error");
        assert_eq!(joined(&["DATEN-", "BANK"], "datenbank"), "DATENBANK");
        assert_eq!(joined(&["state-of-the-", "art"], ""), "state-of-the-art");
        assert_eq!(joined(&["he waited--", "then left"], ""), "he waited--then left");
        let long = format!("{}-", "a".repeat(100));
        assert_eq!(joined(&[&long, "bcd"], ""), format!("{long}bcd"));
        assert_eq!(
            joined(&["Feri-", "en, toma-", "to and aujour-", "d'hui"], ""),
            "Ferien, tomato and aujourd'hui"
        );
    }

    #[test]
    fn text_keeps_its_hyphens_unless_it_spells_words_without() {
        let joined = |lines: &[&str], rest: &str| joined(lines, rest, false);
        assert_eq!(joined(&["a long-", "term plan"], ""), "a long-term plan");
        assert_eq!(joined(&["see example.com/my-", "file"], ""), "see example.com/my-file");
        assert_eq!(
            joined(&["more infor-", "mation, wash-", "ing"], "information"),
            "more information, washing"
        );
    }
}
