//! The words of a question that must be covered by an answer.

use super::asking::WHICH;
use super::tongue::{Tongue, words};
use std::collections::HashSet;
use unicode_segmentation::UnicodeSegmentation;

/// Lower-cased content words, lightly stemmed; numbers and codes as they are.
pub(crate) fn terms(text: &str, tongue: Tongue) -> HashSet<String> {
    let lower = text.to_lowercase();
    words(&lower).filter(|word| !tongue.is_small(word)).map(|word| tongue.stem(word)).collect()
}

/// Puts the nouns of measures beside the words of a text that state them, and in the place of those of a question that
/// ask for them: "How heavy is it?" is answered by its weight, and by what it weighs.
pub(crate) fn with_measures(
    mut terms: HashSet<String>,
    text: &str,
    tongue: Tongue,
    is_question: bool,
) -> HashSet<String> {
    let lower = text.to_lowercase();
    for word in words(&lower) {
        if let Some(noun) = tongue.measure(word) {
            if is_question {
                terms.remove(&tongue.stem(word));
            }
            terms.insert(tongue.stem(noun));
        }
    }
    terms
}

/// What a question asks for out of several, as [`terms`] writes it: the version of "which version".
pub(crate) fn asked_kind(question: &str, tongue: Tongue) -> Option<String> {
    let lower = question.to_lowercase();
    let mut after = words(&lower).skip_while(|word| !WHICH.contains(word)).skip(1);
    after.next().filter(|word| !tongue.is_small(word)).map(|word| tongue.stem(word))
}

/// Small words that a question writes with a capital in its middle: "the Down programme" is not "down".
pub(crate) fn emphasised(question: &str, tongue: Tongue) -> HashSet<String> {
    let upper = |word: &str| word.chars().next().is_some_and(char::is_uppercase);
    let all: Vec<&str> = words(question).collect();
    let titled = all.iter().filter(|word| upper(word)).count() * 2 > all.len();
    if titled || tongue.capitals_nouns() {
        return HashSet::new();
    }
    let inner = question.split_sentence_bounds().flat_map(|sentence| words(sentence).skip(1));
    let capital = inner.filter(|word| word.chars().count() > 1 && upper(word));
    capital.map(str::to_lowercase).filter(|word| tongue.is_small(word)).collect()
}

/// The names and codes of a question, as [`terms`] writes them: words with a digit, and words with a
/// capital that do not merely begin it. Where all nouns have a capital, one alone is no name.
pub(crate) fn named(question: &str, tongue: Tongue) -> HashSet<String> {
    let all: Vec<&str> = words(question).collect();
    let digit = |word: &str| word.bytes().any(|byte| byte.is_ascii_digit());
    let loud = |word: &&&str| !word.chars().any(char::is_lowercase);
    // WHO SHOUTS NAMES NOTHING.
    let shouted = all.iter().filter(loud).count() * 2 > all.len();
    let marked = |at: usize| {
        at > 0
            && !shouted
            && all.get(at).is_some_and(|word| {
                word.chars().next().is_some_and(char::is_uppercase) && !tongue.is_small(&word.to_lowercase())
            })
    };
    let beside = |at: usize| {
        let near = |at: usize| marked(at) || all.get(at).is_some_and(|word| digit(word));
        near(at.wrapping_sub(1)) || near(at + 1)
    };
    let is_name =
        |at: usize, word: &str| digit(word) || (marked(at) && (!tongue.capitals_nouns() || beside(at)));
    let names = all.iter().enumerate().filter(|(at, word)| is_name(*at, word));
    names.flat_map(|(_, word)| terms(word, tongue)).collect()
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

/// Whether a text denies something. Words that mean another thing in another language ("mai", "sin") are
/// left out.
pub(crate) fn denies(text: &str) -> bool {
    const WORDS: [&str; 34] = [
        "not", "no", "never", "cannot", "without", "none", "neither", "nor", "nobody", "nothing", "nicht",
        "kein", "keine", "keinen", "keinem", "keiner", "keines", "nie", "niemals", "ohne", "false", "non",
        "nunca", "jamás", "ningún", "ninguna", "pas", "jamais", "sans", "aucun", "aucune", "senza", "nessun",
        "não",
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
        let set = |text: &str| terms(text, Tongue::English);
        assert_eq!(set("cleaning the filters"), set("How do I clean a filter?"));
        assert!(set("what is the").is_empty());
        assert!(set("error E42 at 60").contains("e42") && set("error E42 at 60").contains("60"));
    }

    #[test]
    fn a_measure_is_asked_for_by_its_adjective_and_stated_by_its_noun() {
        for (tongue, question, text) in [
            (Tongue::English, "How heavy is it?", "Weight: 71 kg"),
            (Tongue::English, "What is the weight?", "It weighs 71 kg."),
            (Tongue::English, "How wide is it?", "Width: 60 cm"),
            (Tongue::German, "Wie schwer ist sie?", "Gewicht: 71 kg"),
            (Tongue::German, "Welches Gewicht hat sie?", "Sie wiegt 71 kg."),
            (Tongue::Spanish, "¿Cuánto pesa?", "Peso: 71 kg"),
            (Tongue::French, "Combien pèse-t-elle ?", "Poids : 71 kg"),
            (Tongue::Italian, "Quanto pesa?", "Peso: 71 kg"),
            (Tongue::Portuguese, "Quanto pesa?", "Peso: 71 kg"),
            (Tongue::Dutch, "Hoe zwaar is hij?", "Gewicht: 71 kg"),
        ] {
            let asked = with_measures(terms(question, tongue), question, tongue, true);
            let said = with_measures(terms(text, tongue), text, tongue, false);
            let missing: Vec<_> = asked.difference(&said).collect();
            assert!(missing.is_empty(), "{question} {missing:?} {said:?}");
        }
        // What is high, heavy or called so is found as it was.
        let text = "High Street, heavy load";
        let said = with_measures(terms(text, Tongue::English), text, Tongue::English, false);
        assert!(terms(text, Tongue::English).is_subset(&said));
        let black = with_measures(terms("Schwarz", Tongue::German), "Schwarz", Tongue::German, false);
        assert!(!black.contains("gewich"), "{black:?}");
    }

    #[test]
    fn a_capital_makes_a_small_word_count() {
        let of = |text: &str| emphasised(text, Tongue::of(text));
        assert_eq!(of("What is the load of the Down programme?"), HashSet::from(["down".to_owned()]));
        assert!(
            of("May I wash it if I am in?").is_empty()
                && of("Wie wird Sie gepflegt und was ist das?").is_empty()
        );
        assert!(
            of("HOW DO I WASH IT DOWN").is_empty()
                && of("It is locked inside. How do I get it out?").is_empty()
        );
    }

    #[test]
    fn what_is_asked_for_out_of_several() {
        for (question, kind) in [
            ("Which version added the flat white?", Some("version")),
            ("On what days are you open?", Some("day")),
            ("What is the price?", None),
            ("In welchem Stock ist das Labor?", Some("stock")),
            ("How long?", None),
        ] {
            assert_eq!(asked_kind(question, Tongue::of(question)).as_deref(), kind, "{question}");
        }
    }

    #[test]
    fn names_are_told_from_nouns() {
        let names = |text: &str| named(text, Tongue::of(text));
        assert_eq!(names("How heavy is the Veya V4?"), HashSet::from(["veya".into(), "v4".into()]));
        assert_eq!(names("WHAT DOES ERROR E7 MEAN?"), HashSet::from(["e7".into()]));
        assert!(names("Wie lange gilt die Garantie?").is_empty());
        assert!(names("Wie schwer ist die Brook W740?").contains("brook"));
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
        for text in [
            "Do not wash it.",
            "It can't.",
            "It doesn’t.",
            "Kein Dampf.",
            "Never bleach",
            "Die Messe ist nicht im Mai.",
        ] {
            assert!(denies(text), "{text}");
        }
        for text in
            ["No, it holds 4 litres.", "Nothing2 notes", "Wash it at 30 degrees.", "Die Messe ist im Mai."]
        {
            assert!(!denies(text), "{text}");
        }
    }
}
