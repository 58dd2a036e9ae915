//! Which sentences answer the question, and how sure that is.
//!
//! A sentence is judged by meaning (cosine to the question), by the question's words it holds
//! (weighted by how rare they are among the sentences at hand) and by its passage's rank.

use super::sentences::{sentences, table_header};
use super::terms::terms;
use crate::search::Match;
use quarry_types::CharRange;
use std::collections::{HashMap, HashSet};

/// Answers below this confidence are not given unless the caller asks otherwise.
pub(crate) const DEFAULT_THRESHOLD: f32 = 0.5;
/// Sentences compared by meaning; more cost time and hardly ever win.
const EMBEDDED: usize = 16;
/// Most sentences of an answer.
const MOST: usize = 3;
/// A further sentence must score at least this share of the best one.
const NEAR_BEST: f32 = 0.92;
/// Longest quote in characters when a lead-in line pulls its list along.
const MAX_QUOTE_CHARS: u32 = 700;

/// A sentence that may answer.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Index of its match.
    pub(crate) passage: usize,
    /// Where it stands in the file's text.
    pub(crate) range: CharRange,
    /// The exact slice.
    pub(crate) text: String,
    heading: String,
    terms: HashSet<String>,
    coverage: f32,
    passage_score: f32,
}

/// The question's words and the sentences at hand.
pub(crate) struct Evidence {
    candidates: Vec<Candidate>,
    /// Cosine of the nearest passage.
    dense: f32,
}

impl Evidence {
    /// Collects the sentences of the matches, most promising first.
    pub(crate) fn gather(question: &str, matches: &[Match]) -> Self {
        let wanted = terms(question);
        let mut candidates = Vec::new();
        for (passage, found) in matches.iter().enumerate() {
            let record = &found.record.passage;
            let columns = table_header(record).map(str::to_owned);
            let heading = columns.or_else(|| record.heading_path.last().cloned()).unwrap_or_default();
            let above = terms(&record.heading_path.join(" "));
            let all = sentences(record);
            for (at, (range, _)) in all.iter().enumerate() {
                let (range, text) = with_list(&record.text, record.range.start, *range, &all, at);
                let mut held = terms(&text);
                held.extend(above.iter().cloned());
                candidates.push(Candidate {
                    passage,
                    range,
                    text,
                    heading: heading.clone(),
                    terms: held,
                    coverage: 0.0,
                    passage_score: found.fused.score,
                });
            }
        }
        let weights = rarity(&wanted, &candidates);
        let whole: f32 = weights.values().sum();
        for candidate in &mut candidates {
            let held: f32 = weights
                .iter()
                .filter(|(word, _)| candidate.terms.contains(*word))
                .map(|(_, weight)| weight)
                .sum();
            candidate.coverage = if whole > 0.0 { held / whole } else { 0.0 };
        }
        candidates.sort_by(|a, b| (b.coverage + b.passage_score).total_cmp(&(a.coverage + a.passage_score)));
        candidates.truncate(EMBEDDED);
        let cosines = matches.iter().filter_map(|found| found.fused.dense);
        let dense = cosines.map(|(_, cosine)| cosine).fold(0.0, f32::max);
        Self { candidates, dense }
    }

    /// What is to be compared with the question: each sentence under its heading.
    pub(crate) fn texts_to_embed(&self) -> Vec<String> {
        self.candidates
            .iter()
            .map(|candidate| match candidate.heading.is_empty() {
                true => candidate.text.clone(),
                false => format!("{}: {}", candidate.heading, candidate.text),
            })
            .collect()
    }

    /// The answer's sentences in reading order of their rank, and the confidence.
    pub(crate) fn select(self, question: &[f32], vectors: &[Vec<f32>]) -> (Vec<Candidate>, f32) {
        let mut scored: Vec<(f32, f32, Candidate)> = self
            .candidates
            .into_iter()
            .zip(vectors)
            .map(|(candidate, vector)| {
                let cosine: f32 = question.iter().zip(vector).map(|(a, b)| a * b).sum();
                let score = 0.55 * cosine + 0.30 * candidate.coverage + 0.15 * candidate.passage_score;
                (score, cosine, candidate)
            })
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        let Some((best, _, _)) = scored.first() else { return (Vec::new(), 0.0) };
        let best = *best;
        let cosine = scored.iter().map(|(_, cosine, _)| *cosine).fold(0.0, f32::max);
        let coverage = scored.iter().map(|(_, _, candidate)| candidate.coverage).fold(0.0, f32::max);
        let confidence = confidence(cosine, coverage, self.dense);
        let mut chosen: Vec<Candidate> = Vec::new();
        for (score, _, candidate) in scored {
            if chosen.len() == MOST || score < best * NEAR_BEST {
                break;
            }
            if !chosen.iter().any(|taken| repeats(taken, &candidate)) {
                chosen.push(candidate);
            }
        }
        (chosen, confidence)
    }
}

/// How likely the documents hold the answer: a logistic regression on the sample questions
/// (`scripts/eval_questions`) and on XQuAD (English, half of the paragraphs left out), both classes
/// weighted alike, so that 0.5 is the balanced threshold.
fn confidence(cosine: f32, coverage: f32, dense: f32) -> f32 {
    1.0 / (1.0 + (-(6.4 * cosine + 7.0 * coverage + 6.6 * dense - 9.4)).exp())
}

/// Weight of each wanted word: rarer among the sentences at hand counts more; a word that none
/// holds counts most, for its absence is what tells an answer from a look-alike.
fn rarity(wanted: &HashSet<String>, candidates: &[Candidate]) -> HashMap<String, f32> {
    let count = candidates.len() as f32;
    let weight = |word: &String| {
        let holding = candidates.iter().filter(|candidate| candidate.terms.contains(word)).count() as f32;
        let rarity = (1.0 + (count - holding + 0.5) / (holding + 0.5)).ln();
        // A model number or an error code is what the question is about.
        if word.bytes().any(|b| b.is_ascii_digit()) { 2.0 * rarity } else { rarity }
    };
    wanted.iter().map(|word| (word.clone(), weight(word))).collect()
}

/// A lead-in that ends with a colon is quoted with the lines it announces.
fn with_list(
    text: &str,
    text_start: u32,
    range: CharRange,
    all: &[(CharRange, &str)],
    at: usize,
) -> (CharRange, String) {
    let local = |range: CharRange| CharRange { start: range.start - text_start, end: range.end - text_start };
    let mut quoted = range;
    if local(range).slice(text).ends_with(':') {
        for (next, _) in all.iter().skip(at + 1) {
            if next.end - range.start > MAX_QUOTE_CHARS {
                break;
            }
            quoted.end = next.end;
        }
    }
    (quoted, local(quoted).slice(text).to_owned())
}

fn repeats(taken: &Candidate, other: &Candidate) -> bool {
    let same_place = taken.passage == other.passage
        && taken.range.start < other.range.end
        && other.range.start < taken.range.end;
    let shared = taken.terms.intersection(&other.terms).count() as f32;
    let all = taken.terms.union(&other.terms).count().max(1) as f32;
    same_place || shared / all > 0.8
}
