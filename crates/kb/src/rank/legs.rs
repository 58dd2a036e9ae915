//! The two legs and what becomes of them.

use super::SearchTuning;
use super::repeats::lower_repeats;
use super::second::{Question, Watch, Weighed, Weights, rerank};
use crate::Error;
use crate::files::is_expired;
use crate::search::Search;
use crate::view::Snapshot;
use quarry_embed::Embedded;
use quarry_index::{
    Candidates, FuseOptions, Fused, Hit, LexicalSearch, Plan, QueryWords, TokenQuery, VectorIndex, fuse,
};
use quarry_types::Timestamp;
use roaring::RoaringBitmap;
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

/// A question to the passages of one cut, at one moment: files that end later are there.
#[derive(Clone, Copy)]
pub(crate) struct Task<'t> {
    pub(crate) snapshot: &'t Snapshot,
    pub(crate) search: &'t Search,
    pub(crate) tuning: &'t SearchTuning,
    pub(crate) now: Timestamp,
}

/// What the words of a question found: the leg that needs no vector, and so need not wait for one.
#[derive(Debug)]
pub(crate) struct Worded {
    hits: Vec<Hit>,
    words: QueryWords,
    /// What the filter lets through; `None`: everything.
    allowed: Option<Arc<RoaringBitmap>>,
}

impl Task<'_> {
    /// Looks for the question's words in the passages of the files the filter lets through.
    pub(crate) fn look_for_words(&self) -> Result<Worded, Error> {
        let Self { snapshot, search, now, .. } = *self;
        let allowed = if snapshot.holds_expired(now) {
            Some(Arc::new(snapshot.ordinals(|file| !is_expired(file, now) && search.admits(file))))
        } else {
            (!search.admits_all()).then(|| snapshot.allowed.of(snapshot, search))
        };
        let asked = snapshot.lexical.spelled(&search.query)?;
        let hits = snapshot.lexical.search(&asked, self.depth(), &these(&allowed))?;
        Ok(Worded { hits, words: snapshot.lexical.query_words(&asked)?, allowed })
    }

    /// Ranks the passages of the files the filter lets through. `worded` gives the other leg, and may wait for it.
    pub(crate) fn rank(
        &self,
        asked: &Embedded,
        worded: impl FnOnce() -> Result<Worded, Error>,
        watch: Watch<'_>,
    ) -> Result<Ranked, Error> {
        let Self { snapshot, search, tuning, .. } = *self;
        let depth = self.depth();
        let nearest = |allowed: &Candidates<'_>| {
            let plan = snapshot.vectors.plan(depth, allowed);
            Ok::<_, Error>((plan, snapshot.vectors.search(&asked.vector, depth, allowed)?))
        };
        // This leg waits for the other one only where that has to read what the filter lets through.
        let known = if snapshot.holds_expired(self.now) {
            None
        } else if search.admits_all() {
            Some(None)
        } else {
            snapshot.allowed.known(search).map(Some)
        };
        let by_vector = known.map(|allowed| nearest(&these(&allowed))).transpose()?;
        let Worded { hits: lexical, words, allowed } = worded()?;
        let (plan, dense) = match by_vector {
            Some(found) => found,
            None => nearest(&these(&allowed))?,
        };
        let worth = snapshot.lexical.worth_of(&asked.tokens.words, &words)?;
        let tokens = TokenQuery::new(&asked.tokens.numbers, &worth);
        let fused = fuse(&lexical, &dense, &FuseOptions::default());
        let weights = Weights { dense: tuning.dense_weight, ..Weights::default() };
        let question = Question { words: &words, tokens: &tokens, vector: &asked.vector };
        let mut last = rerank(snapshot, &question, &fused, &weights, watch)?;
        lower_repeats(snapshot, &words, &mut last, 2 * search.limit);
        Ok(Ranked { lexical, dense, fused, last, words, plan })
    }

    /// Hits each leg hands on.
    fn depth(&self) -> usize {
        self.tuning.candidates.max(2 * self.search.limit)
    }
}

fn these(allowed: &Option<Arc<RoaringBitmap>>) -> Candidates<'_> {
    allowed.as_deref().map_or(Candidates::All, Candidates::Only)
}
