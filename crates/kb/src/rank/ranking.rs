//! Whole rankings of every stage, for measuring retrieval.

use super::second::Weighed;
use super::{Ranked, SearchTuning, Task};
use crate::kb::Kb;
use crate::search::Search;
use crate::view::Snapshot;
use crate::{Error, File};
use quarry_index::{Fused, Hit};
use quarry_types::{Scope, Timestamp};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One passage of a ranking.
#[derive(Debug, Clone)]
pub struct RankedPassage {
    /// Its file.
    pub file: Arc<File>,
    /// Its place in the file, from 0.
    pub position: u32,
    /// Comparable within one ranking only.
    pub score: f32,
}

/// What each stage found for one question, best first.
#[derive(Debug, Clone, Default)]
pub struct Ranking {
    /// Name of the stage and its list, in the order in which they run; the last is what a search shows.
    pub stages: Vec<(&'static str, Vec<RankedPassage>)>,
    /// Time of embedding the question.
    pub embedding: Duration,
    /// Time of everything else, one step after another, reading the passages excluded. (A search looks for words while
    /// it embeds.)
    pub searching: Duration,
}

impl Kb {
    /// Ranks as [`Kb::search`] does and tells what each stage made of it; reads no passage texts. With
    /// `tuning` in place of the settings' (its recall target and links aside, which the index is opened with).
    ///
    /// # Errors
    /// As [`Kb::search`].
    pub async fn ranking(
        &self,
        scope: &Scope,
        search: Search,
        tuning: Option<SearchTuning>,
    ) -> Result<Ranking, Error> {
        search.check()?;
        let tuning = tuning.unwrap_or(self.inner.settings.search);
        tuning.check()?;
        let snapshot = self.inner.views.snapshot(scope).await?;
        let begun = Instant::now();
        let asked = self.inner.embedder.embed_query(search.query.clone(), std::convert::identity).await?;
        let embedding = begun.elapsed();
        let ranking = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let mut between = Vec::new();
            let now = Timestamp::now();
            let task = Task { snapshot: &snapshot, search: &search, tuning: &tuning, now };
            let mut watch = |name, list: &[_]| between.push((name, hits(list)));
            let ranked = task.rank(&asked, || task.look_for_words(), &mut watch)?;
            let searching = begun.elapsed();
            Ok::<_, Error>(Ranking { stages: stages(&snapshot, &ranked, between), embedding, searching })
        });
        ranking.await?
    }
}

fn hits(ranked: &[(Fused, Weighed)]) -> Vec<Hit> {
    ranked.iter().map(|(hit, _)| Hit { id: hit.id, score: hit.score }).collect()
}

fn stages(
    snapshot: &Snapshot,
    ranked: &Ranked,
    between: Vec<(&'static str, Vec<Hit>)>,
) -> Vec<(&'static str, Vec<RankedPassage>)> {
    let place = |id: u32, score: f32| {
        let place = snapshot.places.get(id)?;
        let file = snapshot.files.get(&place.generation.file)?.file.clone();
        Some(RankedPassage { file, position: place.position, score })
    };
    let all = |hits: &[Hit]| hits.iter().filter_map(|hit| place(hit.id, hit.score)).collect();
    let mut stages = vec![
        ("bm25", all(&ranked.lexical)),
        ("dense", all(&ranked.dense)),
        ("fused", ranked.fused.iter().filter_map(|hit| place(hit.id, hit.score)).collect()),
    ];
    stages.extend(between.iter().map(|(name, hits)| (*name, all(hits))));
    stages.push(("second", all(&hits(&ranked.last))));
    stages
}
