//! The words of a question that must be covered by an answer.

use std::collections::HashSet;
use unicode_segmentation::UnicodeSegmentation;

const STOP_WORDS: &[&str] = &[
    "a", "about", "above", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as", "at",
    "be", "because", "been", "before", "being", "below", "between", "both", "but", "by", "can", "could",
    "did", "do", "does", "doing", "down", "each", "few", "for", "from", "further", "get", "give", "had",
    "has", "have", "having", "he", "her", "here", "hers", "him", "his", "how", "i", "if", "in", "into", "is",
    "it", "its", "just", "many", "may", "me", "might", "more", "most", "much", "must", "my", "no", "nor",
    "not", "of", "off", "on", "once", "only", "or", "other", "our", "out", "over", "own", "please", "same",
    "shall", "she", "should", "so", "some", "such", "tell", "than", "that", "the", "their", "them", "then",
    "there", "these", "they", "this", "those", "through", "to", "too", "under", "until", "up", "very", "was",
    "we", "were", "what", "when", "where", "which", "while", "who", "whom", "whose", "why", "will", "with",
    "would", "you", "your",
];

/// Lower-cased content words, lightly stemmed; numbers and codes as they are.
pub(crate) fn terms(text: &str) -> HashSet<String> {
    let words = text.unicode_words().map(str::to_lowercase);
    words.filter(|word| !STOP_WORDS.contains(&word.as_str())).map(|word| stem(&word).to_owned()).collect()
}

/// Takes common English endings off, so that `filters`, `filter` and `filtering` meet.
fn stem(word: &str) -> &str {
    if !word.is_ascii() || word.len() < 4 || word.bytes().any(|b| b.is_ascii_digit()) {
        return word;
    }
    let word = word.strip_suffix("'s").unwrap_or(word);
    for ending in ["ations", "ation", "ings", "ing", "edly", "ied", "ies", "ed", "es", "ly", "s", "e", "y"] {
        if let Some(stem) = word.strip_suffix(ending)
            && stem.len() >= 3
        {
            return stem;
        }
    }
    word
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
