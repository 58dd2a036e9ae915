//! Which sentences answer the question, and how sure that is.
//!
//! A sentence is judged by meaning (cosine to the question), by the question's words that it, its
//! neighbours and its headings hold (weighted by how rare they are among the sentences at hand), by
//! whether it has what the question asks for (a number, a date, …) and by its passage's score.

use super::Meaning;
use super::expect::{Expected, asks_for_steps};
use super::extent::{announced_by, announcing, grown, with_announced};
use super::met::beyond_joining;
use super::sentences::{blocks, is_item, sentences, table_header};
use super::terms::{asked_kind, emphasised, named, terms, with_measures};
use super::tongue::{Tongue, words};
use crate::search::Match;
use quarry_embed::Embedded;
use quarry_index::{TokenMatch, TokenQuery};
use quarry_types::{CharRange, PassageKind};
use std::collections::{HashMap, HashSet};
use unicode_segmentation::UnicodeSegmentation;

/// Answers below this confidence are not given unless the caller asks otherwise.
pub const LEAST_CONFIDENCE: f32 = 0.35;
/// Sentences compared by meaning, the most promising ones; `scripts/eval_questions` and
/// `scripts/eval_answers` printed no better answers with 16.
const EMBEDDED: usize = 8;
/// Sentences read for what the question asks for before those are picked.
const READ: usize = 24;
/// What a sentence loses whose passage holds none of the names and codes asked about while another does.
const OTHER_NAME: f32 = 0.15;
/// Most quotes of an answer.
const MOST: usize = 3;
/// A further sentence must score at least this share of the best one.
const NEAR_BEST: f32 = 0.90;
/// The same for a sentence of another file.
const NEAR_BEST_ELSEWHERE: f32 = 0.94;
/// What a sentence gains whose heading asks the same, or a row whose first cell the question names.
const NAMED_SO: f32 = 0.1;
/// Share of the question's words a heading holds that asks the same.
const SAME_QUESTION: f32 = 0.7;

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
    /// What says what it is about, told before it: the line that announces the list it is an item of, or its heading.
    pub(crate) above: Option<String>,
    /// What to quote when it is quoted alone: it with what explains it.
    pub(crate) grown: Option<CharRange>,
    /// Whether that is a list or a paragraph which answers whole.
    is_whole: bool,
    /// The file, by its first match.
    pub(crate) file: usize,
    lead: String,
    terms: HashSet<String>,
    around: HashSet<String>,
    /// Share of the question's words in the sentence itself.
    own: f32,
    /// The same with its neighbours and headings.
    coverage: f32,
    /// Share of the words of its heading, or of the first cell of its row, that the question has.
    named_so: f32,
    passage_score: f32,
    /// Whether it has what is asked for; `None` when that is nothing in particular.
    met: Option<bool>,
    /// Share of the names asked about that its passage does not hold.
    astray: f32,
    /// Its score without its own meaning.
    prior: f32,
    /// Cosine of the passage to the question; 0 when it was found by words alone.
    passage_cosine: f32,
    /// How near the passage's tokens come to the question's.
    passage_tokens: Option<TokenMatch>,
}

/// The question's words and the sentences at hand.
pub(crate) struct Evidence {
    candidates: Vec<Candidate>,
    /// Cosine of the nearest passage.
    dense: f32,
    /// Share of the question's words that no passage at hand holds.
    absent: f32,
    /// Names and codes of the question that some passage holds.
    named: Vec<Named>,
    /// How many names and codes no passage at hand holds.
    strange: usize,
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
        let tongue = Tongue::of(question);
        let kept = emphasised(question, tongue);
        let plain = |text: &str| {
            let mut found = terms(text, tongue);
            if !kept.is_empty() {
                found.extend(
                    words(&text.to_lowercase()).filter(|word| kept.contains(*word)).map(str::to_owned),
                );
            }
            found
        };
        let wanted = with_measures(plain(question), question, tongue, true);
        let terms = |text: &str| with_measures(plain(text), text, tongue, false);
        let steps = asks_for_steps(question);
        let kind = asked_kind(question, tongue);
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
            let heading = terms(record.heading_path.last().map_or("", String::as_str));
            let same = shared(&wanted, &heading) >= SAME_QUESTION;
            let alike = match shared(&heading, &wanted) + shared(&wanted, &heading) {
                0.0 => 0.0,
                both => (2.0 * shared(&heading, &wanted) * shared(&wanted, &heading) / both).powi(2),
            };
            let file = matches.iter().position(|other| other.file.id == found.file.id).unwrap_or(passage);
            let all = sentences(record);
            let blocks = blocks(record);
            let each: Vec<HashSet<String>> = all.iter().map(|(_, text)| terms(text)).collect();
            for (at, (range, sentence)) in all.iter().enumerate() {
                let Some((range, text)) = announcing(record, *range, sentence) else { continue };
                let mut around = above.clone();
                for near in each.iter().skip(at.saturating_sub(1)).take(if at == 0 { 2 } else { 3 }) {
                    around.extend(near.iter().cloned());
                }
                let prose = !matches!(record.kind, PassageKind::Table | PassageKind::Code);
                let key = header.as_ref().map(|_| terms(text.split('|').next().unwrap_or_default()));
                let key = key.unwrap_or_default();
                let grown = prose.then(|| grown(&blocks, &all, range, steps, same)).flatten();
                let grown = grown.map(|(range, whole)| (with_announced(record, range), whole));
                let own = terms(&text);
                let in_heading =
                    kind.as_ref().is_some_and(|kind| heading.contains(kind) && !own.contains(kind));
                let item = is_item(&text);
                let announced = item.then(|| announced_by(record, range)).flatten();
                let headed = (item || in_heading).then(|| record.heading_path.last().map(String::as_str));
                let above = announced.or_else(|| headed.flatten()).map(str::to_owned);
                candidates.push(Candidate {
                    passage,
                    range,
                    above,
                    terms: own,
                    text,
                    header: header.clone(),
                    grown: grown.map(|(range, _)| range),
                    is_whole: grown.is_some_and(|(_, whole)| whole),
                    file,
                    lead: lead.clone(),
                    around,
                    named_so: if header.is_some() { shared(&key, &wanted) } else { alike },
                    own: 0.0,
                    coverage: 0.0,
                    met: None,
                    astray: 0.0,
                    prior: 0.0,
                    passage_score: found.weighed.plain,
                    passage_tokens: found.weighed.tokens,
                    passage_cosine: found.fused.dense.map_or(0.0, |(_, cosine)| cosine),
                });
            }
            let mut whole = terms(&record.text);
            whole.extend(above);
            whole.extend(terms(&found.file.key.replace(['-', '_', '/', '.'], " ")));
            passages.push(whole);
        }
        weigh(&wanted, &mut candidates);
        let cosines = matches.iter().filter_map(|found| found.fused.dense);
        let dense = cosines.map(|(_, cosine)| cosine).fold(0.0, f32::max);
        let holding = |word: &String| -> HashSet<usize> {
            let holds = passages.iter().enumerate().filter(|(_, words)| words.contains(word));
            holds.map(|(passage, _)| passage).collect()
        };
        let absent = wanted.iter().filter(|word| holding(word).is_empty()).count() as f32;
        let placed =
            |word: String| Named { worded: word.chars().any(char::is_alphabetic), places: holding(&word) };
        let (named, strange): (Vec<Named>, Vec<Named>) =
            named(question, tongue).into_iter().map(placed).partition(|name| !name.places.is_empty());
        let expected = Expected::of(question);
        for candidate in &mut candidates {
            candidate.astray = astray(&named, candidate.passage);
            candidate.prior = 0.2 * candidate.own
                + 0.15 * candidate.coverage
                + 0.2 * candidate.passage_cosine
                + 0.2 * candidate.passage_score
                + NAMED_SO * candidate.named_so
                - OTHER_NAME * candidate.astray;
        }
        candidates.sort_by(|a, b| b.prior.total_cmp(&a.prior));
        candidates.truncate(READ);
        for candidate in &mut candidates {
            // A time or a name may stand above it; a number there counts chapters.
            let timed = matches!(expected, Expected::Moment | Expected::Person | Expected::Place);
            let said = match candidate.above.as_ref().filter(|_| timed) {
                Some(above) => format!("{}\n{}", beyond_joining(above), candidate.text),
                None => candidate.text.clone(),
            };
            let all = matches!(expected, Expected::Person | Expected::Place);
            candidate.met = expected.is_met_by(&beyond(question, &said, all));
            candidate.prior += candidate.met.map_or(0.0, |met| if met { 0.1 } else { -0.1 });
        }
        candidates.sort_by(|a, b| b.prior.total_cmp(&a.prior));
        candidates.truncate(EMBEDDED);
        Self { candidates, dense, absent: absent / wanted.len().max(1) as f32, named, strange: strange.len() }
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
    pub(crate) fn select(self, asked: &Embedded, meanings: &[Meaning]) -> Choice {
        let Self { candidates, dense, absent, named, strange } = self;
        let cosine =
            |meaning: &Meaning| -> f32 { asked.vector.iter().zip(&meaning.vector).map(|(a, b)| a * b).sum() };
        let mut scored: Vec<(f32, &Meaning, Candidate)> = candidates
            .into_iter()
            .zip(meanings)
            .map(|(candidate, meaning)| (0.5 * cosine(meaning) + candidate.prior, meaning, candidate))
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        let Some((best, meaning, first)) = scored.first() else { return Choice::default() };
        let sentence = TokenQuery::new(&asked.tokens.numbers, &[]).matched(&meaning.tokens);
        let signs = Signs {
            cosine: cosine(meaning),
            coverage: first.coverage,
            dense,
            absent,
            elsewhere: named.iter().filter(|name| !name.places.contains(&first.passage)).count().min(2)
                as f32,
            unmet: f32::from(u8::from(first.met == Some(false))),
            strange: strange.min(2) as f32,
            // A sentence without a telling word speaks of nothing.
            tokens: first.passage_tokens.map(|passage| (sentence.unwrap_or_default(), passage)),
        };
        let (best, leading) = (*best, first.passage);
        let mut chosen: Vec<Candidate> = Vec::new();
        for (score, _, candidate) in scored {
            if chosen.len() == MOST || score < best * NEAR_BEST {
                break;
            }
            // Beside a list or a paragraph that answers whole nothing else is said.
            let whole = chosen.first().is_some_and(|first| first.is_whole);
            if whole || chosen.iter().any(|taken| repeats(taken, &candidate)) {
                continue;
            }
            // A row that has less of what was asked than the best one is another row.
            let poorer = |first: &Candidate| {
                first.header.is_some()
                    && first.passage == candidate.passage
                    && (candidate.own < first.own || candidate.named_so < first.named_so)
            };
            if chosen.first().is_some_and(poorer) {
                continue;
            }
            // Nor is what is about another product than the one asked about.
            if chosen.first().is_some_and(|first| candidate.astray > first.astray) {
                continue;
            }
            // Another file is quoted beside the first when it answers the same question as well.
            let elsewhere = chosen.first().is_some_and(|first| first.file != candidate.file);
            if elsewhere && (candidate.met == Some(false) || score < best * NEAR_BEST_ELSEWHERE) {
                continue;
            }
            chosen.push(candidate);
        }
        let ranks: Vec<usize> = chosen.iter().map(|candidate| candidate.passage).collect();
        let rank = |passage: usize| ranks.iter().position(|at| *at == passage).unwrap_or(ranks.len());
        chosen.sort_by_key(|candidate| {
            (candidate.passage != leading, rank(candidate.passage), candidate.range.start)
        });
        Choice { sentences: chosen, confidence: signs.confidence() }
    }
}

/// Share of the names and codes that a passage does not hold although another one does.
fn astray(named: &[Named], passage: usize) -> f32 {
    let worded = named.iter().filter(|name| name.worded);
    let missing = worded.clone().filter(|name| !name.places.contains(&passage)).count();
    missing as f32 / worded.count().max(1) as f32
}

/// What tells an answer from a look-alike.
struct Signs {
    cosine: f32,
    coverage: f32,
    dense: f32,
    absent: f32,
    elsewhere: f32,
    unmet: f32,
    strange: f32,
    /// How near the tokens of the sentence and of its passage come to the question's.
    tokens: Option<(TokenMatch, TokenMatch)>,
}

impl Signs {
    /// How likely the documents hold the answer: a logistic regression on half of the paragraphs of
    /// XQuAD (English; each question once with and once without its paragraph), the sample questions and
    /// the `dev` half of `testdata/strangers`, both classes of each weighted alike. `scripts/eval_questions` and
    /// `scripts/eval_answers` print how well it separates and how well it is calibrated.
    fn confidence(&self) -> f32 {
        let sum = match self.tokens {
            Some((sentence, passage)) => {
                7.13 * self.cosine + 5.77 * self.coverage + 1.23 * self.dense
                    - 1.51 * self.elsewhere
                    - 2.66 * self.unmet
                    - 0.66 * self.strange
                    + 1.33 * sentence.whole
                    + 2.39 * sentence.weakest
                    + 3.05 * passage.whole
                    + 2.57 * passage.weakest
                    - 11.26
            }
            // Of a model without a token space, and of passages indexed before there was one; fitted without them, and
            // raised so that what was 0.25, the bound then, is the bound now.
            None => {
                6.5 * self.cosine + 5.17 * self.coverage + 3.38 * self.dense
                    - 1.21 * self.absent
                    - 1.42 * self.elsewhere
                    - 2.56 * self.unmet
                    - self.strange
                    - 5.73
            }
        };
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

/// A sentence without the numbers and codes that the question itself holds ("the Oro 800" tells no price), or with
/// something else in the place of each of its words: who leads the Oro is not told by "the Oro".
fn beyond(question: &str, sentence: &str, all: bool) -> String {
    let lower = question.to_lowercase();
    let digit = |word: &&str| word.bytes().any(|byte| byte.is_ascii_digit());
    let given: HashSet<&str> = words(&lower).filter(|word| all || digit(word)).collect();
    if given.is_empty() {
        return sentence.to_owned();
    }
    let known = |word: &str| given.contains(word.to_lowercase().as_str());
    let left = |word| match known(word) {
        false => word,
        true if all => "x",
        true => "",
    };
    sentence.split_word_bounds().map(left).collect()
}

/// Share of the words that the others hold too.
fn shared(words: &HashSet<String>, others: &HashSet<String>) -> f32 {
    words.intersection(others).count() as f32 / words.len().max(1) as f32
}

fn repeats(taken: &Candidate, other: &Candidate) -> bool {
    let same_place = taken.passage == other.passage
        && taken.range.start < other.range.end
        && other.range.start < taken.range.end;
    let shared = taken.terms.intersection(&other.terms).count() as f32;
    let all = taken.terms.union(&other.terms).count().max(1) as f32;
    same_place || shared / all > 0.8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_rises_with_what_speaks_for_an_answer_and_falls_with_what_does_not() {
        let tokens = |sentence: f32, passage: f32| {
            let of = |near: f32| TokenMatch { whole: near, weakest: near - 0.1 };
            Some((of(sentence), of(passage)))
        };
        let signs = || Signs {
            cosine: 0.5,
            coverage: 0.4,
            dense: 0.5,
            absent: 0.2,
            elsewhere: 0.0,
            unmet: 0.0,
            strange: 0.0,
            tokens: tokens(0.6, 0.6),
        };
        for base in [signs(), Signs { tokens: None, ..signs() }] {
            let of = |change: &dyn Fn(&mut Signs)| {
                let mut other = Signs { ..base };
                change(&mut other);
                other.confidence()
            };
            let now = base.confidence();
            assert!((0.1..0.9).contains(&now), "{now}");
            assert!(of(&|signs| signs.cosine = 0.7) > now && of(&|signs| signs.coverage = 0.6) > now);
            assert!(of(&|signs| signs.unmet = 1.0) < now && of(&|signs| signs.elsewhere = 1.0) < now);
            assert!(of(&|signs| signs.strange = 1.0) < now);
        }
        let by_tokens =
            |sentence, passage| Signs { tokens: tokens(sentence, passage), ..signs() }.confidence();
        assert!(by_tokens(0.8, 0.6) > by_tokens(0.6, 0.6) && by_tokens(0.6, 0.8) > by_tokens(0.6, 0.6));
        assert!(by_tokens(0.4, 0.4) < LEAST_CONFIDENCE && by_tokens(0.8, 0.8) > LEAST_CONFIDENCE);
    }
}
