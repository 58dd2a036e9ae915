//! The two legs and what becomes of them.

use super::SearchTuning;
use super::repeats::repeats_last;
use super::second::{Weighed, Weights, rerank};
use crate::Error;
use crate::files::is_expired;
use crate::search::Search;
use crate::view::Snapshot;
use quarry_index::{Candidates, FuseOptions, Fused, Hit, LexicalSearch, Plan, QueryWords, VectorIndex, fuse};
use quarry_types::Timestamp;
use std::sync::Arc;

/// All that one question found, best first.
#[derive(Debug, Clone)]
pub(crate) struct Ranked {
    pub(crate) lexical: Vec<Hit>,
    pub(crate) dense: Vec<Hit>,
    /// Both joined.
    pub(crate) fused: Vec<Fused>,
    /// Weighed again: what a search shows.
    pub(crate) last: Vec<(Fused, Weighed)>,
    /// The question's words.
    pub(crate) words: QueryWords,
    /// How the vectors were searched.
    pub(crate) plan: Plan,
}

/// Ranks the passages of the files the filter lets through.
pub(crate) fn rank(
    snapshot: &Snapshot,
    search: &Search,
    vector: &[f32],
    tuning: &SearchTuning,
) -> Result<Ranked, Error> {
    let now = Timestamp::now();
    let filtered = !search.tags.is_empty() || search.files.is_some() || search.bases.is_some();
    let allowed = if snapshot.holds_expired(now) {
        Some(Arc::new(snapshot.ordinals(|file| !is_expired(file, now) && search.admits(file))))
    } else {
        filtered.then(|| snapshot.allowed.of(snapshot, search))
    };
    let candidates = allowed.as_deref().map_or(Candidates::All, Candidates::Only);
    let depth = tuning.candidates.max(2 * search.limit);
    let lexical = snapshot.lexical.search(&search.query, depth, &candidates)?;
    let plan = snapshot.vectors.plan(depth, &candidates);
    let dense = snapshot.vectors.search(vector, depth, &candidates)?;
    let fused = fuse(&lexical, &dense, &FuseOptions::default());
    let words = snapshot.lexical.query_words(&search.query)?;
    let weights = Weights { dense: tuning.dense_weight, ..Weights::default() };
    let mut last = rerank(snapshot, &words, vector, &fused, &weights)?;
    repeats_last(snapshot, &mut last, 2 * search.limit);
    Ok(Ranked { lexical, dense, fused, last, words, plan })
}
