//! Whole rankings of every stage, for measuring retrieval.

use super::{Ranked, SearchTuning, rank};
use crate::kb::Kb;
use crate::search::Search;
use crate::view::Snapshot;
use crate::{Error, File};
use quarry_types::Scope;
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
    /// Time of everything after that, reading the passages excluded.
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
        let begun = Instant::now();
        let asked = self.inner.embed_query(&search.query).await?;
        let embedding = begun.elapsed();
        let snapshot = self.inner.views.snapshot(scope).await?;
        let ranking = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let ranked = rank(&snapshot, &search, &asked, &tuning)?;
            let searching = begun.elapsed();
            Ok::<_, Error>(Ranking { stages: stages(&snapshot, &ranked), embedding, searching })
        });
        ranking.await?
    }
}

fn stages(snapshot: &Snapshot, ranked: &Ranked) -> Vec<(&'static str, Vec<RankedPassage>)> {
    let place = |id: u32, score: f32| {
        let place = snapshot.places.get(&id)?;
        let file = snapshot.files.get(&place.generation.file)?.file.clone();
        Some(RankedPassage { file, position: place.position, score })
    };
    let leg = |hits: &[quarry_index::Hit]| hits.iter().filter_map(|hit| place(hit.id, hit.score)).collect();
    vec![
        ("bm25", leg(&ranked.lexical)),
        ("dense", leg(&ranked.dense)),
        ("fused", ranked.fused.iter().filter_map(|hit| place(hit.id, hit.score)).collect()),
        ("second", ranked.last.iter().filter_map(|(hit, _)| place(hit.id, hit.score)).collect()),
    ]
}
