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
use roaring::RoaringBitmap;
use std::sync::Arc;
use tokio::runtime::Handle;

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

/// Passages from which the two legs run side by side: handing one to another thread takes some microseconds.
const SIDE_BY_SIDE: usize = 2_000;

/// Ranks the passages of the files the filter lets through. Must run where the runtime lets threads block.
pub(crate) fn rank(
    snapshot: &Snapshot,
    search: &Search,
    vector: &Arc<Vec<f32>>,
    tuning: &SearchTuning,
) -> Result<Ranked, Error> {
    let now = Timestamp::now();
    let filtered = !search.tags.is_empty() || search.files.is_some() || search.bases.is_some();
    let allowed = if snapshot.holds_expired(now) {
        Some(Arc::new(snapshot.ordinals(|file| !is_expired(file, now) && search.admits(file))))
    } else {
        filtered.then(|| snapshot.allowed.of(snapshot, search))
    };
    let depth = tuning.candidates.max(2 * search.limit);
    let plan = snapshot.vectors.plan(depth, &these(&allowed));
    let dense = {
        let (vectors, vector, allowed) = (snapshot.vectors.clone(), vector.clone(), allowed.clone());
        move || vectors.search(&vector, depth, &these(&allowed))
    };
    let words = || snapshot.lexical.search(&search.query, depth, &these(&allowed));
    let (lexical, dense) = match Handle::try_current() {
        Ok(runtime)
            if allowed.as_ref().map_or(snapshot.places.len(), |few| few.len() as usize) >= SIDE_BY_SIDE =>
        {
            let dense = runtime.spawn_blocking(dense);
            (words()?, runtime.block_on(dense)??)
        }
        _ => (words()?, dense()?),
    };
    let fused = fuse(&lexical, &dense, &FuseOptions::default());
    let words = snapshot.lexical.query_words(&search.query)?;
    let weights = Weights { dense: tuning.dense_weight, ..Weights::default() };
    let mut last = rerank(snapshot, &words, vector, &fused, &weights)?;
    repeats_last(snapshot, &mut last, 2 * search.limit);
    Ok(Ranked { lexical, dense, fused, last, words, plan })
}

fn these(allowed: &Option<Arc<RoaringBitmap>>) -> Candidates<'_> {
    allowed.as_deref().map_or(Candidates::All, Candidates::Only)
}
