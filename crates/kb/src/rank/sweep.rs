//! Recall against time over a bot's own vectors.

use crate::Error;
use crate::kb::Kb;
use quarry_embed::TextKind;
use quarry_index::SweepPoint;
use quarry_types::Scope;
use std::time::Duration;

/// Links per point tried.
const LINKS: [usize; 3] = [8, 16, 32];
/// Breadths tried.
const BREADTHS: [usize; 9] = [10, 16, 24, 32, 64, 96, 128, 256, 512];

impl Kb {
    /// Returns once no graph is due over the bot's vectors, or the one that is due was refused: from then
    /// on searches run as they do in a server that has been up for a while.
    ///
    /// # Errors
    /// When the model or the store does not answer.
    pub async fn graph_settled(&self, scope: &Scope) -> Result<(), Error> {
        let view = self.inner.views.of(scope).await?;
        self.inner.views.changed(scope.bot(), &view);
        while view.is_building_graph() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Searches the bot's vectors for each question by every way there is; the graphs
    /// are built for this, takes
    /// a part of a millisecond per vector and holds one core.
    ///
    /// # Errors
    /// When the model or the store does not answer.
    pub async fn sweep_vectors(
        &self,
        scope: &Scope,
        questions: Vec<String>,
    ) -> Result<Vec<SweepPoint>, Error> {
        let vectors = self.inner.embedder.embed(questions, TextKind::Query).await?;
        let snapshot = self.inner.views.snapshot(scope).await?;
        let sweep = tokio::task::spawn_blocking(move || snapshot.vectors.sweep(&vectors, &LINKS, &BREADTHS));
        Ok(sweep.await??)
    }
}
