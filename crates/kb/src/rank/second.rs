//! The second stage: every candidate of both legs is weighed again, by what was left out so far.
//!
//! The legs say how common words and how near meanings are; this adds whether the question's words
//! stand together, gives candidates of one leg the cosine the other did not look at, compares the best token by token
//! and lets them speak for one another. Invariant: scores lie in 0..=1 and fall along the list.

use super::neighbours::Neighbours;
use crate::Error;
use crate::view::Snapshot;
use quarry_index::{Evidence, Fused, Hit, QueryWords, TokenMatch, TokenQuery, Wording};
use std::collections::HashMap;

/// Passages of fewer words name something and say nothing of it.
const TERSE_WORDS: usize = 3;
/// What is left of their score: a bare heading stands behind the sentences under it.
const TERSE: f32 = 0.9;
/// Best passages that are looked at closely: by their tokens, and with their neighbours.
pub(super) const CLOSELY: usize = 64;
/// Steps from asking for what is looked at until it is.
const AHEAD: usize = 6;

/// What each kind of evidence adds; `docs/RETRIEVAL.md` tells how they were chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weights {
    /// BM25, stretched to 0..=1 over its leg.
    pub(crate) lexical: f32,
    /// Cosine.
    pub(crate) dense: f32,
    /// Words of the question side by side.
    pub(crate) adjacent: f32,
    /// Words of the question in one sentence.
    pub(crate) sentence: f32,
    /// Words of the question at all.
    pub(crate) covered: f32,
    /// Tokens of the question, each by the nearest of the passage.
    pub(crate) matched: f32,
    /// The tokens it comes least near to.
    pub(crate) weakest: f32,
    /// Best cosine from which words begin to count less, and where they count least. A passage that
    /// near says nearly the same as the question: then meaning decides better than words.
    pub(crate) sure: (f32, f32),
    /// Share of the word evidence that is left out there.
    pub(crate) discount: f32,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            lexical: 0.85,
            dense: super::SearchTuning::default().dense_weight,
            adjacent: 1.3,
            sentence: 1.4,
            covered: 0.7,
            matched: 4.4,
            weakest: 1.3,
            sure: (0.65, 0.95),
            discount: 0.8,
        }
    }
}

/// What the second stage saw of one passage.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Weighed {
    /// 0..=1 over the lexical leg.
    pub(crate) lexical: f32,
    /// Cosine; 0 without a vector.
    pub(crate) cosine: f32,
    pub(crate) evidence: Evidence,
    /// By tokens; of the best alone, and where all of them and the question have any.
    pub(crate) tokens: Option<TokenMatch>,
    /// The score by words and cosine alone, to which neighbours add nothing.
    pub(crate) plain: f32,
    /// What its neighbours, and it itself, said for it.
    pub(crate) neighbours: f32,
    /// Whether it has too few words to say anything.
    pub(crate) terse: bool,
}

/// What a passage is weighed against.
pub(crate) struct Question<'q> {
    pub(crate) words: &'q QueryWords,
    pub(crate) tokens: &'q TokenQuery,
    pub(crate) vector: &'q [f32],
}

/// Is shown the ranking between two steps.
pub(crate) type Watch<'w> = &'w mut dyn FnMut(&'static str, &[(Fused, Weighed)]);

/// Ranks the candidates anew; `fused` keeps ranks and scores of the legs.
pub(crate) fn rerank(
    snapshot: &Snapshot,
    question: &Question<'_>,
    fused: &[Fused],
    weights: &Weights,
    watch: Watch<'_>,
) -> Result<Vec<(Fused, Weighed)>, Error> {
    // What the dense leg found has its cosine already.
    let of_words_alone: Vec<u32> = fused.iter().filter(|hit| hit.dense.is_none()).map(|hit| hit.id).collect();
    let cosines = snapshot.vectors.cosines(question.vector, &of_words_alone)?;
    let weighed = weigh(snapshot, question.words, &cosines, fused);
    let nearest = weighed.iter().map(|weighed| weighed.cosine).fold(0.0, f32::max);
    let mut ranked: Vec<(Fused, Weighed)> = fused
        .iter()
        .zip(weighed)
        .map(|(hit, weighed)| {
            let plain = weights.score(&weighed, nearest);
            (Fused { score: plain, ..*hit }, Weighed { plain, ..weighed })
        })
        .collect();
    // Where this stage sees no difference the order before it stands.
    ranked.sort_by(|(a, _), (b, _)| b.score.total_cmp(&a.score));
    watch("words", &ranked);
    // Neighbours without tokens lower some kinds of questions: both or neither.
    let compared = match_tokens(snapshot, question.tokens, &mut ranked, weights, nearest);
    watch("tokens", &ranked);
    if compared {
        Neighbours::default().raise(snapshot, &mut ranked, weights.sure(nearest));
    }
    Ok(ranked)
}

/// Weighs the best again by their tokens; the rest stays behind them. Whether it did: only where all of the best have
/// tokens, for those that were indexed before there were any could not be compared with the others.
fn match_tokens(
    snapshot: &Snapshot,
    tokens: &TokenQuery,
    ranked: &mut [(Fused, Weighed)],
    weights: &Weights,
    nearest: f32,
) -> bool {
    let few = ranked.len().min(CLOSELY);
    let (best, rest) = ranked.split_at_mut(few);
    let codes = best.iter().map(|(hit, _)| snapshot.places.get(hit.id)?.tokens.as_ref());
    let Some(codes) = codes.collect::<Option<Vec<_>>>().filter(|_| !tokens.is_empty()) else { return false };
    for ((hit, weighed), codes) in best.iter_mut().zip(prefetched(&codes, |codes| codes.prefetch())) {
        // A passage without a telling word speaks of nothing.
        weighed.tokens = Some(tokens.matched(codes).unwrap_or_default());
        hit.score = weights.score(weighed, nearest);
    }
    best.sort_by(|(a, _), (b, _)| b.score.total_cmp(&a.score));
    let lowest = best.last().map_or(1.0, |(hit, _)| hit.score);
    rest.iter_mut().for_each(|(hit, _)| hit.score = hit.score.min(lowest));
    true
}

impl Weights {
    /// How sure meaning is where the nearest passage has this cosine: 0..=1.
    fn sure(&self, nearest: f32) -> f32 {
        let (from, to) = self.sure;
        ((nearest - from) / (to - from).max(f32::EPSILON)).clamp(0.0, 1.0)
    }

    fn score(&self, of: &Weighed, nearest: f32) -> f32 {
        let words = 1.0 - self.discount * self.sure(nearest);
        let found = &of.evidence;
        let said = self.lexical * of.lexical
            + self.adjacent * found.adjacent
            + self.sentence * found.sentence
            + self.covered * found.covered;
        let most = self.lexical + self.adjacent + self.sentence + self.covered;
        // What has no tokens is weighed by the rest alone.
        let (matched, by_tokens) = of.tokens.map_or((0.0, 0.0), |tokens| {
            let near = self.matched * tokens.whole.max(0.0) + self.weakest * tokens.weakest.max(0.0);
            (near, self.matched + self.weakest)
        });
        let sum = self.dense * of.cosine.max(0.0) + words * said + matched;
        let whole = (sum / (self.dense + words * most + by_tokens).max(f32::EPSILON)).clamp(0.0, 1.0);
        if of.terse { whole * TERSE } else { whole }
    }
}

/// Walks over what lies apart in memory, `prefetch` asking for later ones meanwhile.
fn prefetched<T>(all: &[T], prefetch: impl Fn(&T)) -> impl Iterator<Item = &T> {
    all.iter().take(AHEAD).for_each(&prefetch);
    all.iter().enumerate().map(move |(at, one)| {
        if let Some(later) = all.get(at + AHEAD) {
            prefetch(later);
        }
        one
    })
}

/// `cosines` are those the dense leg did not find.
fn weigh(snapshot: &Snapshot, words: &QueryWords, cosines: &[Hit], fused: &[Fused]) -> Vec<Weighed> {
    let cosines: HashMap<u32, f32> = cosines.iter().map(|hit| (hit.id, hit.score)).collect();
    let scores = || fused.iter().filter_map(|hit| hit.lexical).map(|(_, score)| score);
    let low = scores().fold(f32::INFINITY, f32::min);
    let span = scores().fold(f32::NEG_INFINITY, f32::max) - low;
    let stretched = |score: f32| if span > 0.0 { (score - low) / span } else { 1.0 };
    let wordings: Vec<Option<&Wording>> =
        fused.iter().map(|hit| snapshot.places.get(hit.id).map(|place| &place.wording)).collect();
    let prefetch = |wording: &Option<&Wording>| wording.iter().for_each(|wording| wording.prefetch());
    fused
        .iter()
        .zip(prefetched(&wordings, prefetch))
        .map(|(hit, wording)| {
            let cosine = hit.dense.map(|(_, score)| score).or_else(|| cosines.get(&hit.id).copied());
            Weighed {
                lexical: hit.lexical.map_or(0.0, |(_, score)| stretched(score)),
                cosine: cosine.unwrap_or(0.0),
                evidence: wording.map_or_else(Evidence::default, |wording| words.evidence(wording)),
                tokens: None,
                plain: 0.0,
                neighbours: 0.0,
                terse: wording.is_some_and(|wording| !wording.has_words(TERSE_WORDS)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_evidence_is_one_and_none_is_nothing() {
        let weights = Weights::default();
        let evidence = Evidence { covered: 1.0, sentence: 1.0, adjacent: 1.0 };
        let tokens = Some(TokenMatch { whole: 1.0, weakest: 1.0 });
        let all = Weighed { lexical: 1.0, cosine: 1.0, evidence, tokens, ..Weighed::default() };
        let heading = Weighed { terse: true, ..all };
        for nearest in [0.0, 0.7, 1.0] {
            assert!((weights.score(&all, nearest) - 1.0).abs() < 1e-6);
            assert!(weights.score(&heading, nearest) < weights.score(&all, nearest));
            assert_eq!(weights.score(&Weighed::default(), nearest), 0.0);
            let opposed = Weighed { cosine: -1.0, ..Weighed::default() };
            assert_eq!(weights.score(&opposed, nearest), 0.0);
        }
    }

    #[test]
    fn words_count_less_where_a_passage_says_nearly_the_same() {
        let weights = Weights::default();
        let evidence = Evidence { covered: 1.0, sentence: 1.0, adjacent: 1.0 };
        let worded = Weighed { lexical: 1.0, cosine: 0.6, evidence, ..Weighed::default() };
        let meant = Weighed { lexical: 0.2, cosine: 0.9, ..Weighed::default() };
        assert!(weights.score(&worded, 0.6) > weights.score(&meant, 0.6));
        assert!(weights.score(&worded, 0.97) < weights.score(&meant, 0.97));
    }
}
