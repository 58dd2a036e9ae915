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
        .map(|word| word.to_lowercase().replace(',', ""))
        .collect()
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
}
