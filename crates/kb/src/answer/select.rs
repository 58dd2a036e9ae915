//! Which sentences answer the question, and how sure that is.
//!
//! A sentence is judged by meaning (cosine to the question), by the question's words that it, its
//! neighbours and its headings hold (weighted by how rare they are among the sentences at hand), by
//! whether it has what the question asks for (a number, a date, …) and by its passage's score.

use super::expect::Expected;
use super::sentences::{sentences, table_header};
use super::terms::{named, terms};
use crate::search::Match;
use quarry_types::{CharRange, PassageKind};
use std::collections::{HashMap, HashSet};

/// Answers below this confidence are not given unless the caller asks otherwise.
pub(crate) const DEFAULT_THRESHOLD: f32 = 0.25;
/// Sentences compared by meaning; more cost time and hardly ever win.
const EMBEDDED: usize = 16;
/// What a sentence loses whose passage holds none of the names and codes asked about while another does.
const OTHER_NAME: f32 = 0.15;
/// Most quotes of an answer.
const MOST: usize = 3;
/// A further sentence must score at least this share of the best one.
const NEAR_BEST: f32 = 0.90;
/// Longest quote in characters when a lead-in line pulls its list along.
const MAX_QUOTE_CHARS: u32 = 700;
/// A best sentence shorter than this many characters takes the one that follows it along.
const SHORT_CHARS: u32 = 120;
/// Longest answer in characters that is grown that way.
const GROWN_CHARS: u32 = 320;

/// A sentence that may answer.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Index of its match.
    pub(crate) passage: usize,
    /// Where it stands in the file's text.
    pub(crate) range: CharRange,
    /// The exact slice.
    pub(crate) text: String,
    /// The row that names its columns, for a row of a table.
    pub(crate) header: Option<String>,
    /// End of the sentence after it, in the file's text, when that follows in the same passage.
    next_end: Option<u32>,
    lead: String,
    terms: HashSet<String>,
    around: HashSet<String>,
    /// Share of the question's words in the sentence itself.
    own: f32,
    /// The same with its neighbours and headings.
    coverage: f32,
    passage_score: f32,
    /// Cosine of the passage to the question; 0 when it was found by words alone.
    passage_cosine: f32,
}

/// The question's words and the sentences at hand.
pub(crate) struct Evidence {
    candidates: Vec<Candidate>,
    expected: Expected,
    /// Cosine of the nearest passage.
    dense: f32,
    /// Share of the question's words that no passage at hand holds.
    absent: f32,
    /// Names and codes of the question that some passage holds.
    named: Vec<Named>,
}

/// A name or code of the question.
struct Named {
    /// Whether it is no mere number.
    worded: bool,
    /// The passages that hold it.
    places: HashSet<usize>,
}

/// The sentences chosen, in order of reading, and how sure they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choice {
    pub(crate) sentences: Vec<Candidate>,
    pub(crate) confidence: f32,
}

impl Evidence {
    /// Collects the sentences of the matches, most promising first.
    pub(crate) fn gather(question: &str, matches: &[Match]) -> Self {
        let wanted = terms(question);
        let mut candidates = Vec::new();
        let mut passages: Vec<HashSet<String>> = Vec::with_capacity(matches.len());
        for (passage, found) in matches.iter().enumerate() {
            let record = &found.record.passage;
            let header = table_header(record).map(str::to_owned);
            let title = found.file.metadata.get("title").and_then(serde_json::Value::as_str).unwrap_or("");
            let above = terms(&format!(
                "{} {title} {}",
                record.heading_path.join(" "),
                header.as_deref().unwrap_or("")
            ));
            let lead = header.clone().or_else(|| record.heading_path.last().cloned()).unwrap_or_default();
            let all = sentences(record);
            let words: Vec<HashSet<String>> = all.iter().map(|(_, text)| terms(text)).collect();
            for (at, (range, _)) in all.iter().enumerate() {
                let (range, text) = with_list(&record.text, record.range.start, *range, &all, at);
                let mut around = above.clone();
                for near in words.iter().skip(at.saturating_sub(1)).take(if at == 0 { 2 } else { 3 }) {
                    around.extend(near.iter().cloned());
                }
                let prose = !matches!(record.kind, PassageKind::Table | PassageKind::Code);
                let next = all.get(at + 1).filter(|(next, _)| prose && next.start >= range.end);
                candidates.push(Candidate {
                    passage,
                    range,
                    terms: terms(&text),
                    text,
                    header: header.clone(),
                    next_end: next.map(|(next, _)| next.end),
                    lead: lead.clone(),
                    around,
                    own: 0.0,
                    coverage: 0.0,
                    passage_score: found.fused.score,
                    passage_cosine: found.fused.dense.map_or(0.0, |(_, cosine)| cosine),
                });
            }
            let mut whole = terms(&record.text);
            whole.extend(above);
            whole.extend(terms(&found.file.key.replace(['-', '_', '/', '.'], " ")));
            passages.push(whole);
        }
        weigh(&wanted, &mut candidates);
        candidates.sort_by(|a, b| (b.coverage + b.passage_score).total_cmp(&(a.coverage + a.passage_score)));
        candidates.truncate(EMBEDDED);
        let cosines = matches.iter().filter_map(|found| found.fused.dense);
        let dense = cosines.map(|(_, cosine)| cosine).fold(0.0, f32::max);
        let holding = |word: &String| -> HashSet<usize> {
            let holds = passages.iter().enumerate().filter(|(_, words)| words.contains(word));
            holds.map(|(passage, _)| passage).collect()
        };
        let absent = wanted.iter().filter(|word| holding(word).is_empty()).count() as f32;
        let placed =
            |word: String| Named { worded: word.chars().any(char::is_alphabetic), places: holding(&word) };
        Self {
            named: named(question).into_iter().map(placed).filter(|name| !name.places.is_empty()).collect(),
            candidates,
            expected: Expected::of(question),
            dense,
            absent: absent / wanted.len().max(1) as f32,
        }
    }

    /// What is to be compared with the question: each sentence under its heading.
    pub(crate) fn texts_to_embed(&self) -> Vec<String> {
        self.candidates
            .iter()
            .map(|candidate| match candidate.lead.is_empty() {
                true => candidate.text.clone(),
                false => format!("{}: {}", candidate.lead, candidate.text),
            })
            .collect()
    }

    /// The answer's sentences, the best passage's first and within a passage as they stand there.
    pub(crate) fn select(self, question: &[f32], vectors: &[Vec<f32>]) -> Choice {
        let Self { candidates, expected, dense, absent, named } = self;
        let codes: Vec<&Named> = named.iter().filter(|name| name.worded).collect();
        let astray = |candidate: &Candidate| {
            let missing = codes.iter().filter(|name| !name.places.contains(&candidate.passage)).count();
            missing as f32 / codes.len().max(1) as f32
        };
        let mut scored: Vec<(f32, f32, Candidate)> = candidates
            .into_iter()
            .zip(vectors)
            .map(|(candidate, vector)| {
                let cosine: f32 = question.iter().zip(vector).map(|(a, b)| a * b).sum();
                let fits =
                    expected.is_met_by(&candidate.text).map_or(0.0, |met| if met { 0.1 } else { -0.1 });
                let score = 0.5 * cosine
                    + 0.2 * candidate.own
                    + 0.15 * candidate.coverage
                    + 0.2 * candidate.passage_cosine
                    + 0.2 * candidate.passage_score
                    + fits
                    - OTHER_NAME * astray(&candidate);
                (score, cosine, candidate)
            })
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        let Some((best, cosine, first)) = scored.first() else { return Choice::default() };
        let signs = Signs {
            cosine: *cosine,
            coverage: first.coverage,
            dense,
            absent,
            elsewhere: named.iter().filter(|name| !name.places.contains(&first.passage)).count().min(2)
                as f32,
            unmet: f32::from(u8::from(expected.is_met_by(&first.text) == Some(false))),
        };
        let (best, leading) = (*best, first.passage);
        let mut chosen: Vec<Candidate> = Vec::new();
        for (score, _, candidate) in scored {
            if chosen.len() == MOST || score < best * NEAR_BEST {
                break;
            }
            if !chosen.iter().any(|taken| repeats(taken, &candidate)) {
                chosen.push(candidate);
            }
        }
        let ranks: Vec<usize> = chosen.iter().map(|candidate| candidate.passage).collect();
        let rank = |passage: usize| ranks.iter().position(|at| *at == passage).unwrap_or(ranks.len());
        chosen.sort_by_key(|candidate| {
            (candidate.passage != leading, rank(candidate.passage), candidate.range.start)
        });
        Choice { sentences: chosen, confidence: signs.confidence() }
    }
}

impl Candidate {
    /// A short sentence reads better with the one that explains it; `None` when it stands alone.
    pub(crate) fn grown(&self) -> Option<CharRange> {
        let end = self.next_end?;
        let short = self.range.end.saturating_sub(self.range.start) < SHORT_CHARS;
        let fits = end.saturating_sub(self.range.start) <= GROWN_CHARS;
        (short && fits).then_some(CharRange { start: self.range.start, end })
    }
}

/// What tells an answer from a look-alike.
struct Signs {
    cosine: f32,
    coverage: f32,
    dense: f32,
    absent: f32,
    elsewhere: f32,
    unmet: f32,
}

impl Signs {
    /// How likely the documents hold the answer: a logistic regression on half of the paragraphs of
    /// XQuAD (English; each question once with and once without its paragraph) and the sample
    /// questions, both classes weighted alike. `scripts/eval_questions` and `scripts/eval_answers`
    /// print how well it separates and how well it is calibrated.
    fn confidence(&self) -> f32 {
        let sum = 5.47 * self.cosine + 4.32 * self.coverage + 4.25 * self.dense
            - 3.37 * self.absent
            - 1.79 * self.elsewhere
            - 0.57 * self.unmet
            - 5.51;
        1.0 / (1.0 + (-sum).exp())
    }
}

/// Fills in the share of the wanted words each sentence holds. Rarer among the sentences at hand
/// counts more; a word that none holds counts most, for its absence is what tells an answer from a
/// look-alike.
fn weigh(wanted: &HashSet<String>, candidates: &mut [Candidate]) {
    let count = candidates.len() as f32;
    let weight = |word: &String| {
        let holds =
            |candidate: &&Candidate| candidate.terms.contains(word) || candidate.around.contains(word);
        let holding = candidates.iter().filter(holds).count() as f32;
        let rarity = (1.0 + (count - holding + 0.5) / (holding + 0.5)).ln();
        // A model number or an error code is what the question is about.
        if word.bytes().any(|b| b.is_ascii_digit()) { 2.0 * rarity } else { rarity }
    };
    let weights: HashMap<&String, f32> = wanted.iter().map(|word| (word, weight(word))).collect();
    let whole: f32 = weights.values().sum();
    if whole <= 0.0 {
        return;
    }
    for candidate in candidates {
        let share = |in_it: &dyn Fn(&str) -> bool| -> f32 {
            weights.iter().filter(|(word, _)| in_it(word)).map(|(_, weight)| weight).sum::<f32>() / whole
        };
        let own = share(&|word| candidate.terms.contains(word));
        let coverage = share(&|word| candidate.terms.contains(word) || candidate.around.contains(word));
        (candidate.own, candidate.coverage) = (own, coverage);
    }
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
