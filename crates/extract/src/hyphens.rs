//! Words cut at the end of a line, put together again.

use std::collections::HashSet;

/// Most different words remembered.
const MAX_WORDS: usize = 200_000;

/// Line ends looked at.
const MAX_ENDS: usize = 20_000;

/// One line in so many that ends within a word shows that words are cut at line ends.
const CUTTING: usize = 50;

/// What joins two words of which the first is shortened: "main and side entrance" in German is "Haupt- und
/// Nebeneingang".
const BETWEEN: [&str; 7] = ["and", "or", "und", "oder", "bis", "et", "ou"];

/// Words of a document, to tell a hyphen of the word from one of the line break.
#[derive(Debug)]
pub(crate) struct Words {
    words: HashSet<String>,
    /// Whether words are cut at line ends here at all; most programs that wrap text break after hyphens only.
    cuts: bool,
}

impl Words {
    /// The words of a document's lines, in their order.
    pub(crate) fn of<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut words = HashSet::new();
        let mut ends: Vec<(&str, &str)> = Vec::new();
        let (mut count, mut before) = (0, "");
        for line in lines {
            count += 1;
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
        // What the document spells otherwise elsewhere tells more than how often lines end so.
        let whole = |(head, tail): &&(&str, &str)| words.contains(&joined(head, tail));
        let parted = |(head, tail): &&(&str, &str)| words.contains(&normal(&format!("{head}{tail}")));
        let (whole, parted) = (ends.iter().filter(whole).count(), ends.iter().filter(parted).count());
        let cuts = whole > parted || (whole == parted && ends.len() * CUTTING >= count);
        Self { words, cuts }
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
        let stem = head.trim_end_matches('-');
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
        self.words.contains(&joined) || (self.cuts && !goes_between(after) && !self.words.contains(&hyphened))
    }
}

/// Whether a text begins with what joins two words.
fn goes_between(text: &str) -> bool {
    first_word(text).is_some_and(|word| BETWEEN.contains(&word))
}

/// Whether a line ends with a letter and a hyphen and the next goes on with a small letter.
fn is_cut(line: &str, next: &str) -> bool {
    let stem = line.trim_end().strip_suffix(['-', '\u{ad}']);
    stem.is_some_and(|stem| stem.ends_with(char::is_alphabetic)) && next.starts_with(char::is_lowercase)
}

fn first_word(text: &str) -> Option<&str> {
    text.split_whitespace().next()
}

fn last_word(text: &str) -> Option<&str> {
    text.split_whitespace().next_back()
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

    fn joined(lines: &[&str], rest: &str) -> String {
        let words = Words::of(lines.iter().copied().chain(rest.lines()));
        let mut text = String::new();
        for line in lines {
            if text.is_empty() { text.push_str(line) } else { words.append(&mut text, line) }
        }
        text
    }

    #[test]
    fn words_cut_at_line_ends_are_put_together() {
        assert_eq!(joined(&["more infor-", "mation here"], ""), "more information here");
        assert_eq!(joined(&["more infor\u{ad}", "mation"], ""), "more information");
        assert_eq!(joined(&["a well-", "known name"], "it is well-known"), "a well-known name");
        assert_eq!(joined(&["from 1990-", "2000 on", "and -", "so"], ""), "from 1990-2000 on and - so");
        assert_eq!(joined(&["Haupt-", "und Nebeneingang"], ""), "Haupt- und Nebeneingang");
        assert_eq!(joined(&["an err-", "or"], "error 5"), "an error");
        assert_eq!(joined(&["DATEN-", "BANK"], "datenbank"), "DATENBANK");
    }

    #[test]
    fn text_that_is_not_cut_keeps_its_hyphens() {
        let rest = "one line of many\n".repeat(60);
        assert_eq!(joined(&["a well-", "known name"], &rest), "a well-known name");
        assert_eq!(joined(&["more infor-", "mation"], &format!("information\n{rest}")), "more information");
    }
}
