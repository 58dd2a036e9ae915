//! The words of a question that must be covered by an answer.

use std::collections::HashSet;
use unicode_segmentation::UnicodeSegmentation;

const STOP_WORDS: &[&str] = &[
    "a", "about", "above", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as", "at",
    "be", "because", "been", "before", "being", "below", "between", "both", "but", "by", "can", "could",
    "did", "do", "does", "doing", "down", "each", "few", "for", "from", "further", "get", "give", "had",
    "has", "have", "having", "he", "her", "here", "hers", "him", "his", "how", "i", "if", "in", "into", "is",
    "it", "its", "just", "long", "many", "may", "me", "might", "more", "most", "much", "must", "my", "no",
    "nor", "not", "of", "off", "often", "on", "once", "only", "or", "other", "our", "out", "over", "own",
    "please", "same", "shall", "she", "should", "so", "some", "such", "tell", "than", "that", "the", "their",
    "them", "then", "there", "these", "they", "this", "those", "through", "to", "too", "under", "until",
    "up", "very", "was", "we", "were", "what", "when", "where", "which", "while", "who", "whom", "whose",
    "why", "will", "with", "would", "you", "your",
];

/// Lower-cased content words, lightly stemmed; numbers and codes as they are.
pub(crate) fn terms(text: &str) -> HashSet<String> {
    let words = text.unicode_words().map(str::to_lowercase);
    words.filter(|word| !STOP_WORDS.contains(&word.as_str())).map(|word| stem(&word).to_owned()).collect()
}

/// The names and codes of a question, as [`terms`] writes them: words with a digit, and words with a
/// capital that do not merely begin it.
pub(crate) fn named(question: &str) -> HashSet<String> {
    let words = question.unicode_words().enumerate();
    let marked = |(at, word): &(usize, &str)| {
        word.bytes().any(|byte| byte.is_ascii_digit())
            || (*at > 0 && word.chars().next().is_some_and(char::is_uppercase))
    };
    words.filter(marked).flat_map(|(_, word)| terms(word)).collect()
}

/// Takes common English endings off, so that `filters`, `filter` and `filtering` meet.
fn stem(word: &str) -> &str {
    if !word.is_ascii() || word.len() < 4 || word.bytes().any(|b| b.is_ascii_digit()) {
        return word;
    }
    let word = word.strip_suffix("'s").unwrap_or(word);
    for ending in
        ["ations", "ation", "ings", "ing", "edly", "ied", "ies", "ed", "es", "ly", "ys", "s", "e", "y"]
    {
        if let Some(stem) = word.strip_suffix(ending)
            && stem.len() >= 3
        {
            return stem;
        }
    }
    word
}

/// The numbers of a text as written, without signs around them: `4.6`, `1,000`, `20`.
pub(crate) fn numbers(text: &str) -> HashSet<String> {
    let digits = |word: &&str| word.bytes().any(|byte| byte.is_ascii_digit());
    text.split(|c: char| !c.is_alphanumeric() && c != '.' && c != ',')
        .map(|word| word.trim_matches(['.', ',']))
        .filter(digits)
        .map(|word| ungrouped(&word.to_lowercase()))
        .collect()
}

/// A number without the commas between its groups of three digits; another comma is a decimal point.
fn ungrouped(number: &str) -> String {
    let (whole, rest) = number.split_once('.').unwrap_or((number, ""));
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or("");
    let digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let grouped = (1..=3).contains(&first.len())
        && digits(first)
        && !first.starts_with('0')
        && groups.all(|group| group.len() == 3 && digits(group))
        && !rest.contains(',');
    number.replace(',', if grouped { "" } else { "." })
}

/// A text with the numbers from zero to twenty in digits.
pub(crate) fn in_digits(text: &str) -> String {
    const NAMES: [&str; 21] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
    ];
    let mut written = String::with_capacity(text.len());
    for word in text.split_word_bounds() {
        match NAMES.iter().position(|name| name.eq_ignore_ascii_case(word)) {
            Some(number) => written.push_str(&number.to_string()),
            None => written.push_str(word),
        }
    }
    written
}

/// Whether a text denies something.
pub(crate) fn denies(text: &str) -> bool {
    const WORDS: [&str; 22] = [
        "not", "no", "never", "cannot", "without", "none", "neither", "nor", "nobody", "nothing", "nicht",
        "kein", "keine", "keinen", "keinem", "keiner", "keines", "nie", "niemals", "ohne", "false", "non",
    ];
    let text = text.trim_start();
    // "No, it holds 4 litres" denies what was asked, not what it tells.
    let reply = ["no", "nein"].iter().find(|word| {
        text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
            && text.get(word.len()..).is_some_and(|rest| rest.starts_with(','))
    });
    let told = reply.and_then(|word| text.get(word.len()..)).unwrap_or(text);
    told.unicode_words().any(|word| {
        let word = word.to_lowercase();
        WORDS.contains(&word.as_str()) || word.ends_with("n't") || word.ends_with("n’t")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_meet_and_small_words_go() {
        let set = |text: &str| terms(text);
        assert_eq!(set("cleaning the filters"), set("How do I clean a filter?"));
        assert!(set("what is the").is_empty());
        assert!(set("error E42 at 60").contains("e42") && set("error E42 at 60").contains("60"));
    }

    #[test]
    fn numbers_in_their_spellings() {
        for (text, number) in [
            ("1,000", "1000"),
            ("1,234,567.5", "1234567.5"),
            ("4,6", "4.6"),
            ("0,125", "0.125"),
            ("12,5", "12.5"),
            ("4.6", "4.6"),
        ] {
            assert_eq!(numbers(text), HashSet::from([number.to_owned()]), "{text}");
        }
        assert_eq!(in_digits("Twenty cycles, stone two."), "20 cycles, stone 2.");
    }

    #[test]
    fn denials_are_seen() {
        for text in ["Do not wash it.", "It can't.", "It doesn’t.", "Kein Dampf.", "Never bleach"] {
            assert!(denies(text), "{text}");
        }
        for text in ["No, it holds 4 litres.", "Nothing2 notes", "Wash it at 30 degrees."] {
            assert!(!denies(text), "{text}");
        }
    }
}
