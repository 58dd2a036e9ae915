//! A message that asks several things: taken apart, and the answers put together.
//!
//! Invariant: tokens of the whole are numbered from 1 in the order of the text, and name the citations they named.

use crate::reply::{Flag, Reply, Source};
use quarry_kb::{Excerpt, SearchHit};
use std::collections::HashSet;
use unicode_segmentation::UnicodeSegmentation;

/// Most things asked at once.
const MOST: usize = 3;
/// A part of fewer words asks nothing by itself ("When and where …").
const WORDS: usize = 3;
/// What joins two questions to a sentence, and the words that the second begins with.
const JOINED: &[(&str, &[&str])] = &[
    (" and ", &["what", "what's", "when", "where", "who", "which", "how", "why"]),
    (" und ", &["was", "wann", "wo", "wer", "welche", "welcher", "welches", "wie", "warum"]),
    (" y ", &["qué", "cuándo", "dónde", "quién", "cuál", "cómo", "cuánto", "cuántos", "cuántas"]),
    (" et ", &["quand", "où", "qui", "quel", "quelle", "comment", "combien", "pourquoi"]),
    (" e ", &["che", "quando", "dove", "chi", "quale", "come", "quanto", "quanti", "qual", "onde", "quem"]),
];

/// The questions of a message that asks nothing but two or three; empty for any other.
pub(crate) fn parts(message: &str) -> Vec<String> {
    let sentences = message.split_sentence_bounds().map(str::trim).filter(|part| !part.is_empty());
    let mut found: Vec<String> = Vec::new();
    for sentence in sentences {
        let Some(asked) = sentence.strip_suffix(['?', '？']) else { return Vec::new() };
        found.extend(joined(asked).into_iter().map(|part| format!("{part}?")));
    }
    let whole = found.iter().all(|part| part.unicode_words().count() >= WORDS);
    if whole && (2..=MOST).contains(&found.len()) { found } else { Vec::new() }
}

/// A sentence without its end, cut where a second question begins.
fn joined(asked: &str) -> Vec<&str> {
    for (joint, begins) in JOINED {
        let mut places = asked.match_indices(joint).filter(|(at, _)| {
            let first = asked.get(at + joint.len()..).and_then(|rest| rest.unicode_words().next());
            first.is_some_and(|word| begins.contains(&word.to_lowercase().as_str()))
        });
        if let Some((at, _)) = places.next() {
            let (one, other) =
                (asked.get(..at).unwrap_or_default(), asked.get(at + joint.len()..).unwrap_or_default());
            return vec![one.trim_end_matches([',', ' ']), other];
        }
    }
    vec![asked]
}

/// What is returned beside the answers, the best of each first: at most `limit`, each once.
pub(crate) fn united(found: &[(&[SearchHit], &[Excerpt])], limit: usize) -> (Vec<SearchHit>, Vec<Excerpt>) {
    let deepest = found.iter().map(|(passages, _)| passages.len()).max().unwrap_or(0);
    let mut seen = HashSet::new();
    let pairs = (0..deepest).flat_map(|rank| {
        found.iter().filter_map(move |(passages, excerpts)| Some((passages.get(rank)?, excerpts.get(rank)?)))
    });
    pairs
        .filter(|(_, excerpt)| seen.insert(&excerpt.passage_id))
        .take(limit)
        .map(|(passage, excerpt)| (passage.clone(), excerpt.clone()))
        .unzip()
}

/// All that was found, each passage once.
pub(crate) fn once(found: &[(&[SearchHit], &[Excerpt])]) -> Vec<Excerpt> {
    let mut seen = HashSet::new();
    let excerpts = found.iter().flat_map(|(_, excerpts)| excerpts.iter());
    excerpts.filter(|excerpt| seen.insert(&excerpt.passage_id)).cloned().collect()
}

/// Adds the answer to one part. What says the same again is left out; a part without an answer is told in the flags.
pub(crate) fn add(whole: &mut Reply, part: &str, reply: Reply) {
    if !reply.responded {
        whole.flags.push(Flag { sentence: part.to_owned(), problem: "not answered" });
        return;
    }
    if !whole.responded || reply.confidence < whole.confidence {
        (whole.confidence, whole.min_confidence) = (reply.confidence, reply.min_confidence);
    }
    whole.responded = true;
    whole.plan = whole.plan.take().or(reply.plan);
    let said = |source: &Source| whole.citations.iter().any(|known| is_same(known, source));
    if !reply.citations.is_empty() && reply.citations.iter().all(said) {
        return;
    }
    if !whole.answer.is_empty() {
        whole.answer.push('\n');
    }
    let before = whole.citations.len();
    let mut pieces = reply.answer.as_str();
    let mut citations = reply.citations.into_iter().zip(before + 1..);
    // Every token stands behind what it names, in order.
    for (mut source, number) in citations.by_ref() {
        let token = format!("【{number}】");
        if let Some((text, rest)) = pieces.split_once(source.token()) {
            whole.answer.push_str(text);
            whole.answer.push_str(&token);
            pieces = rest;
        }
        match &mut source {
            Source::Passage(citation) => citation.token = token,
            Source::Row(citation) => citation.token = token,
        }
        whole.citations.push(source);
    }
    whole.answer.push_str(pieces);
}

/// Whether both quote the same place of a text. What is told of a row depends on what was asked.
fn is_same(one: &Source, other: &Source) -> bool {
    match (one, other) {
        (Source::Passage(one), Source::Passage(other)) => {
            (&one.passage_id, one.start, one.end) == (&other.passage_id, other.start, other.end)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_several_questions_are_taken_apart() {
        for (message, found) in [
            (
                "How long is the warranty? How much is shipping?",
                &["How long is the warranty?", "How much is shipping?"][..],
            ),
            (
                "How much is the tiramisu, and when do you open?",
                &["How much is the tiramisu?", "when do you open?"],
            ),
            ("Was kostet der Kurs und wann beginnt er?", &["Was kostet der Kurs?", "wann beginnt er?"]),
            ("When and where do you meet?", &[]),
            ("How long is the warranty?", &[]),
            ("My display shows E7. What now?", &[]),
            ("Do you sell salt and pepper?", &[]),
            ("Which orders are paid and are not shipped?", &[]),
            ("Really? How long is the warranty?", &[]),
            ("", &[]),
        ] {
            assert_eq!(parts(message), found, "{message}");
        }
    }

    fn reply(text: &str, quotes: &[&str], confidence: f32) -> Reply {
        let citation = |(at, quote): (usize, &&str)| {
            let token = format!("【{}】", at + 1);
            Source::Row(crate::RowCitation {
                token,
                table: "t".into(),
                row_id: 1,
                column: None,
                quote: (*quote).into(),
            })
        };
        let citations = quotes.iter().enumerate().map(citation).collect();
        let responded = !text.is_empty();
        Reply {
            answer: text.to_owned(),
            citations,
            responded,
            confidence,
            ..Reply::new(crate::Mode::Extractive, vec![], None)
        }
    }

    #[test]
    fn answers_are_put_together_with_tokens_that_count_on() {
        let mut whole = reply("", &[], 0.0);
        add(&mut whole, "a?", reply("One.【1】 Two.【2】", &["one", "two"], 0.9));
        add(&mut whole, "b?", reply("", &[], 0.1));
        add(&mut whole, "c?", reply("Two again.【1】", &["two"], 0.8));
        add(&mut whole, "d?", reply("Three: 【1】 and more.", &["three"], 0.6));
        assert_eq!(whole.answer, "One.【1】 Two.【2】\nTwo again.【3】\nThree: 【4】 and more.");
        assert_eq!(
            whole.citations.iter().map(Source::token).collect::<Vec<_>>(),
            ["【1】", "【2】", "【3】", "【4】"]
        );
        assert!(whole.responded && (whole.confidence - 0.6).abs() < 1e-6);
        assert_eq!(whole.flags, [Flag { sentence: "b?".into(), problem: "not answered" }]);
    }
}
