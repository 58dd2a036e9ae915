//! Follow-up questions made whole: "How loud is it?" after "How heavy is the Brook W740?" becomes
//! "How loud is the Brook W740?".
//!
//! By rules over English words, the same every time; a question that stands alone, or is in another
//! language, stays as it is. Knows no documents.

use crate::ask::MAX_QUESTION_BYTES;

const LEADS: &[&[&str]] = &[
    &["what", "about"],
    &["how", "about"],
    &["and", "what", "about"],
    &["and", "how", "about"],
    &["and", "also"],
    &["and"],
    &["but"],
    &["or"],
    &["also"],
    &["then"],
    &["same", "for"],
];
const THINGS: &[&str] = &["it", "they", "them", "this", "that", "these", "those", "he", "she", "him", "one"];
const OWNERS: &[&str] = &["its", "their", "his", "her"];
const DETERMINERS: &[&str] = &["the", "a", "an", "my", "your", "our", "this", "that", "these", "those"];
const PREPOSITIONS: &[&str] =
    &["for", "on", "of", "in", "with", "at", "from", "to", "by", "under", "about", "as"];
/// Words that begin or carry a question of its own.
const VERBS: &[&str] = &[
    "is", "are", "was", "were", "do", "does", "did", "can", "could", "may", "must", "should", "will",
    "would", "has", "have", "had", "need", "needs", "cost", "costs", "work", "works", "take", "takes", "use",
    "uses", "last", "lasts", "hold", "holds", "mean", "means", "get", "gets", "be", "been", "run", "runs",
    "come", "comes", "go", "goes", "require", "requires", "weigh", "weighs", "include", "includes", "apply",
    "applies", "expire", "expires", "support", "supports", "happen", "happens", "start", "starts", "end",
    "ends", "sell", "sells", "offer", "offers", "stay", "stays", "stand", "stands", "fit", "fits", "contain",
    "contains", "allow", "allows",
];
const QUESTION_WORDS: &[&str] = &["what", "which", "who", "whom", "whose", "when", "where", "why", "how"];
/// Words that begin a question in other languages, which is left alone.
const FOREIGN: &[&str] = &[
    "wie", "was", "wer", "wo", "wann", "warum", "welche", "welcher", "welches", "wieviel", "ist", "kann",
    "gibt", "comment", "quel", "quelle", "quels", "quelles", "combien", "où", "quand", "pourquoi", "qui",
    "est-ce", "qué", "cuál", "cuáles", "cuánto", "cuánta", "cuántos", "cuántas", "dónde", "cómo", "quién",
    "cuándo", "come", "quanto", "quanta", "quanti", "quante", "dove", "perché", "quale", "quali", "hoe",
    "wat", "waar", "wanneer", "waarom", "welke", "quantos", "quantas", "onde", "como", "qual", "quais",
];
/// What a thing has: "the price of the lamp" is a question about the lamp.
const ATTRIBUTES: &[&str] = &[
    "price",
    "cost",
    "weight",
    "height",
    "width",
    "size",
    "colour",
    "color",
    "load",
    "capacity",
    "temperature",
    "speed",
    "name",
    "number",
    "status",
    "rating",
    "stock",
    "date",
    "length",
    "power",
    "noise",
    "volume",
];
/// Longest follow-up in words that is read as a mere piece of a question.
const PIECE_WORDS: usize = 4;

struct Word<'a> {
    /// As written, punctuation around it included.
    text: &'a str,
    /// Lower-cased letters and digits.
    bare: String,
}

fn words(text: &str) -> Vec<Word<'_>> {
    text.split_whitespace()
        .map(|text| Word {
            text,
            bare: text.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase().replace('’', "'"),
        })
        .collect()
}

fn is_in(word: &Word<'_>, list: &[&str]) -> bool {
    list.contains(&word.bare.as_str())
}

/// The question made whole with the earlier ones (oldest first); `None` when it stands alone.
pub(crate) fn standalone(question: &str, earlier: &[&str]) -> Option<String> {
    let mut subject: Option<String> = None;
    for one in earlier {
        subject = Some(match &subject {
            Some(before) => resolved(one, before).unwrap_or_else(|| (*one).to_owned()),
            None => (*one).to_owned(),
        });
    }
    let whole = resolved(question, &subject?)?;
    (whole.len() <= MAX_QUESTION_BYTES).then_some(whole)
}

fn resolved(question: &str, before: &str) -> Option<String> {
    let all = words(question);
    let lead = LEADS
        .iter()
        .filter(|lead| all.len() > lead.len() && lead.iter().zip(&all).all(|(a, b)| *a == b.bare))
        .map(|lead| lead.len())
        .max()
        .unwrap_or(0);
    let rest = all.get(lead..).unwrap_or_default();
    let is_question = rest.iter().any(|word| is_in(word, VERBS) || is_in(word, QUESTION_WORDS));
    let foreign = lead == 0 && rest.first().is_some_and(|word| is_in(word, FOREIGN));
    let piece = !rest.is_empty() && !is_question && !foreign && (lead > 0 || rest.len() <= PIECE_WORDS);
    if piece && !rest.iter().any(|word| is_in(word, THINGS)) {
        return Some(swapped(before, rest));
    }
    pronouns(rest, before)
}

/// Puts the subject of the question before in the place of the pronouns.
fn pronouns(rest: &[Word<'_>], before: &str) -> Option<String> {
    let mut said: Vec<String> = Vec::with_capacity(rest.len());
    let mut replaced = false;
    let subject = subject(before)?;
    for (at, word) in rest.iter().enumerate() {
        let next = rest.get(at + 1);
        let tail: String = word.text.chars().rev().take_while(|c| !c.is_alphanumeric()).collect();
        let tail: String = tail.chars().rev().collect();
        // "this filter" points at a filter; "it" before "to …" stands for what follows.
        let alone =
            next.is_none_or(|next| is_in(next, VERBS) || is_in(next, PREPOSITIONS) || !tail.is_empty());
        let empty = word.bare == "it"
            && rest.iter().skip(at + 1).any(|word| word.bare == "to" || word.bare == "that");
        let points = matches!(word.bare.as_str(), "it" | "they" | "them" | "he" | "she" | "him");
        if !replaced && is_in(word, THINGS) && (points || alone) && !empty && (alone || word.bare != "one") {
            said.push(format!("{subject}{tail}"));
            replaced = true;
        } else if !replaced && is_in(word, OWNERS) {
            said.push(format!("{subject}'s"));
            replaced = true;
        } else {
            said.push(word.text.to_owned());
        }
    }
    replaced.then(|| said.join(" "))
}

/// What a question is about: from its first article on, or its names, or its last words.
fn subject(question: &str) -> Option<String> {
    let all = words(question);
    let stop = |word: &Word<'_>| is_in(word, VERBS) || is_in(word, QUESTION_WORDS);
    let phrase = |from: usize| -> Vec<&str> {
        let mut said = Vec::new();
        for (at, word) in all.iter().enumerate().skip(from) {
            if at > from && stop(word) {
                break;
            }
            said.push(word.text);
        }
        said
    };
    let article = all.iter().enumerate().find(|(at, word)| {
        is_in(word, DETERMINERS)
            && all.get(at + 1).is_some_and(|next| !stop(next) && !is_in(next, PREPOSITIONS))
    });
    let found = match article {
        Some((at, _)) => phrase(at),
        None => match all.iter().position(|word| is_name(word)).filter(|at| *at > 0) {
            Some(at) => phrase(at),
            None => {
                let from = all.iter().rposition(stop).map_or(0, |at| at + 1);
                phrase(from)
            }
        },
    };
    let of = found.iter().position(|word| *word == "of").filter(|of| *of + 1 < found.len());
    let attribute = |of: &usize| {
        found.get(of.saturating_sub(1)).is_some_and(|word| ATTRIBUTES.contains(&word.to_lowercase().as_str()))
    };
    let from = of.filter(attribute).map_or(0, |of| of + 1);
    let text = found.get(from..).unwrap_or_default().join(" ");
    let text = text.trim_matches(|c: char| c.is_whitespace() || "?!.,;:".contains(c));
    (!text.is_empty()).then(|| text.to_owned())
}

fn is_name(word: &Word<'_>) -> bool {
    let inner = word.text.trim_matches(|c: char| !c.is_alphanumeric());
    inner.chars().next().is_some_and(char::is_uppercase) || inner.bytes().any(|byte| byte.is_ascii_digit())
}

/// The question before with its last part replaced by the piece: by the same preposition, else name for
/// name, else the last noun phrase; with the piece appended when nothing fits.
fn swapped(before: &str, piece: &[Word<'_>]) -> String {
    let all = words(before);
    let join = |from: usize, to: usize| {
        all.get(from..to).unwrap_or_default().iter().map(|word| word.text).collect::<Vec<_>>().join(" ")
    };
    let new: Vec<&str> = piece.iter().map(|word| word.text).collect();
    let new = new.join(" ");
    let new = new.trim_end_matches(|c: char| "?!.,;:".contains(c));
    let glue = |head: String, tail: String| {
        let text = format!("{} {new} {}", head.trim(), tail.trim());
        format!("{}?", text.trim().trim_end_matches(['?', '.', '!', ' ']))
    };
    let first = piece.first();
    if let Some(preposition) = first.filter(|word| is_in(word, PREPOSITIONS)) {
        let same = all.iter().rposition(|word| word.bare == preposition.bare);
        let any = || all.iter().rposition(|word| is_in(word, PREPOSITIONS));
        return match same.or_else(any).filter(|at| *at > 0) {
            Some(at) => glue(join(0, at), String::new()),
            None => glue(join(0, all.len()).trim_end_matches('?').to_owned(), String::new()),
        };
    }
    // A name takes the place of a name, its article with it.
    let names: Vec<usize> = (1..all.len()).filter(|at| all.get(*at).is_some_and(is_name)).collect();
    if let (Some(from), Some(to), true) = (names.first(), names.last(), piece.iter().any(is_name)) {
        let article = all.get(from - 1).is_some_and(|word| is_in(word, DETERMINERS));
        let from =
            if article && first.is_some_and(|word| is_in(word, DETERMINERS)) { from - 1 } else { *from };
        return glue(join(0, from), join(to + 1, all.len()));
    }
    // "how many chairs are there" and "tables": what is counted is replaced.
    let counted = all.iter().position(|word| matches!(word.bare.as_str(), "many" | "much" | "which"));
    if let Some(at) = counted.filter(|_| !first.is_some_and(|word| is_in(word, DETERMINERS)))
        && let Some(end) =
            (at + 2..all.len()).find(|end| all.get(*end).is_some_and(|word| is_in(word, VERBS)))
    {
        return glue(join(0, at + 1), join(end, all.len()));
    }
    let article = all.iter().rposition(|word| is_in(word, DETERMINERS)).filter(|at| *at > 0);
    match article {
        Some(at) => {
            let end = all
                .iter()
                .enumerate()
                .skip(at + 1)
                .find(|(_, word)| is_in(word, VERBS) || is_in(word, PREPOSITIONS))
                .map_or(all.len(), |(end, _)| end);
            let named = first.is_some_and(|word| is_in(word, DETERMINERS));
            glue(join(0, if named { at } else { at + 1 }), join(end, all.len()))
        }
        None => glue(join(0, all.len()).trim_end_matches('?').to_owned(), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn follow_ups_carry_their_subject() {
        for (before, question, whole) in [
            ("How heavy is the Brook W740?", "How loud is it?", "How loud is the Brook W740?"),
            ("How heavy is the Brook W740?", "And the W900?", "How heavy is the W900?"),
            ("How heavy is the Brook W740?", "And Brook W900?", "How heavy is the Brook W900?"),
            (
                "How long is the warranty on the dryer?",
                "Can it be extended?",
                "Can the warranty on the dryer be extended?",
            ),
            (
                "How long is the warranty on the dryer?",
                "And on the dishwasher?",
                "How long is the warranty on the dishwasher?",
            ),
            (
                "How long is the warranty on the dryer?",
                "What about the dishwasher?",
                "How long is the warranty on the dishwasher?",
            ),
            ("How do I clean the filter?", "How often must I do that?", "How often must I do the filter?"),
            (
                "What is the price of the Ember E340?",
                "What is its weight?",
                "What is the Ember E340's weight?",
            ),
            ("Do you sell robots?", "How much do they cost?", "How much do robots cost?"),
            ("how many chairs are there?", "and tables?", "how many tables are there?"),
        ] {
            assert_eq!(standalone(question, &[before]).as_deref(), Some(whole), "{before} / {question}");
        }
    }

    #[test]
    fn whole_questions_stay() {
        for question in [
            "How much does it cost to have an integrated dishwasher fitted?",
            "Does the Wren R90 have a camera?",
            "How do I clean this filter?",
            "Wie lange gilt die Garantie?",
            "What does error code F12 mean?",
        ] {
            assert_eq!(standalone(question, &["How heavy is the Brook W740?"]), None, "{question}");
        }
        assert_eq!(standalone("How loud is it?", &[]), None);
    }

    #[test]
    fn chains_go_on() {
        let earlier = ["How heavy is the Brook W740?", "And the Cinder D620?"];
        assert_eq!(standalone("How loud is it?", &earlier).as_deref(), Some("How loud is the Cinder D620?"));
    }

    proptest! {
        #[test]
        fn any_text_is_read(question in ".{0,80}", before in ".{0,80}") {
            let _ = standalone(&question, &[&before]);
        }

        #[test]
        fn any_words_are_read(question in "(and |what about )?((it|the|is|for|W740|dryer|that)[ ?]){0,8}",
                              before in "((how|is|the|it|for|W740|dryer|that|of)[ ?]){0,9}") {
            let _ = standalone(&question, &[&before]);
        }
    }
}
