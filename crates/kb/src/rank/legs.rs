//! The two legs and what becomes of them.

use super::SearchTuning;
use super::repeats::repeats_last;
use super::second::{Question, Watch, Weighed, Weights, rerank};
use crate::Error;
use crate::files::is_expired;
use crate::search::Search;
use crate::view::Snapshot;
use parking_lot::Mutex;
use quarry_embed::Embedded;
use quarry_index::{
    Candidates, FuseOptions, Fused, Hit, LexicalSearch, Plan, QueryWords, TokenQuery, VectorIndex, fuse,
};
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
    asked: &Arc<Embedded>,
    tuning: &SearchTuning,
    watch: Watch<'_>,
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
        let (vectors, asked, allowed) = (snapshot.vectors.clone(), asked.clone(), allowed.clone());
        move || vectors.search(&asked.vector, depth, &these(&allowed))
    };
    // Beside the other leg, which takes longer, the question's words and tokens are read as well.
    let words = || {
        let hits = snapshot.lexical.search(&search.query, depth, &these(&allowed))?;
        let words = snapshot.lexical.query_words(&search.query)?;
        let worth = snapshot.lexical.worth_of(&asked.tokens.words, &words)?;
        Ok::<_, Error>((hits, words, TokenQuery::new(&asked.tokens.numbers, &worth)))
    };
    let many = allowed.as_ref().map_or(snapshot.places.len(), |few| few.len() as usize) >= SIDE_BY_SIDE;
    let (lexical, dense) = if many { side_by_side(words, dense)? } else { (words(), dense()) };
    let ((lexical, words, tokens), dense) = (lexical?, dense?);
    let fused = fuse(&lexical, &dense, &FuseOptions::default());
    let weights = Weights { dense: tuning.dense_weight, ..Weights::default() };
    let question = Question { words: &words, tokens: &tokens, vector: &asked.vector };
    let mut last = rerank(snapshot, &question, &fused, &weights, watch)?;
    repeats_last(snapshot, &mut last, 2 * search.limit);
    Ok(Ranked { lexical, dense, fused, last, words, plan })
}

/// Runs both, the second on another thread of the runtime when one is free before the first is done: nobody
/// waits for work that has not begun, so that threads never all wait for one another.
fn side_by_side<A, B: Send + 'static>(
    first: impl FnOnce() -> A,
    second: impl FnOnce() -> B + Send + 'static,
) -> Result<(A, B), Error> {
    let Ok(runtime) = Handle::try_current() else { return Ok((first(), second())) };
    let work = Arc::new(Mutex::new(Some(second)));
    let taken = work.clone();
    let helper = runtime.spawn_blocking(move || {
        let second = taken.lock().take();
        second.map(|second| second())
    });
    let first = first();
    let left = work.lock().take();
    let second = match left {
        Some(second) => Some(second()),
        None => runtime.block_on(helper)?,
    };
    second.map(|second| (first, second)).ok_or_else(|| Error::Internal("a leg of the search was lost".into()))
}

fn these(allowed: &Option<Arc<RoaringBitmap>>) -> Candidates<'_> {
    allowed.as_deref().map_or(Candidates::All, Candidates::Only)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Duration;

    #[test]
    fn both_legs_end_however_few_threads_there_are() {
        let slow = |n: u32| {
            std::thread::sleep(Duration::from_millis(2));
            n
        };
        assert_eq!(side_by_side(|| slow(1), move || slow(2)).unwrap(), (1, 2), "outside a runtime");
        for threads in [1, 2, 8] {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            let runtime = builder.worker_threads(1).max_blocking_threads(threads).build().unwrap();
            let search = |n: u32| {
                let both = move || side_by_side(|| slow(n), move || slow(n + 1)).unwrap();
                runtime.spawn_blocking(both)
            };
            let searches: Vec<_> = (0..40).map(search).collect();
            for (search, n) in searches.into_iter().zip(0..) {
                assert_eq!(runtime.block_on(search).unwrap(), (n, n + 1));
            }
        }
    }
}
