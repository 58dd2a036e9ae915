//! Ends the indexing of a file on its owner's word.

use crate::files::{entry, put_file};
use crate::ingest::worker::{Stop, current};
use crate::kb::{Inner, Kb};
use crate::records::Job;
use crate::{Error, File, publish};
use quarry_types::{FileStatus, Scope, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often a running job asks whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(200);

impl Kb {
    /// Takes a file out of indexing: it fails with `cancelled`. Its job ends where it is.
    ///
    /// # Errors
    /// `NotFound` when no file of that id or key is on its way into the index.
    pub async fn cancel_indexing(&self, scope: &Scope, id_or_key: &str) -> Result<Arc<File>, Error> {
        let inner = &self.inner;
        let gone = || Error::NotFound { what: "job", id: id_or_key.to_owned() };
        let view = inner.views.of(scope).await?;
        let publishing = inner.publishing.lock(scope.bot()).await;
        let (id, after) = inner
            .transact(scope, |snapshot, commit| {
                let old = entry(snapshot, id_or_key).map_err(|_| gone())?;
                if old.file.status != FileStatus::IndexingPending {
                    return Err(gone());
                }
                let mut file = File::clone(&old.file);
                publish::retire(&publishing, snapshot, commit, view.vectors(), &file);
                file.published = None;
                // A generation of its own: the job's is no longer the file's.
                file.generation += 1;
                file.status = FileStatus::IndexingFailed;
                file.failed_reason = Some("cancelled; upload the file again to index it".to_owned());
                file.updated_at = Timestamp::now();
                put_file(commit, Some(old), &file)?;
                Ok(file.id)
            })
            .await?;
        entry(&after, id.as_str()).map(|entry| entry.file.clone())
    }
}

impl Inner {
    /// Takes a step of a job, and drops it as soon as the file is cancelled, deleted or uploaded anew, or the deadline
    /// of the attempt that began then has passed. For steps that write nothing.
    pub(super) async fn while_wanted<T>(
        &self,
        scope: &Scope,
        job: &Job,
        began: Instant,
        step: impl Future<Output = Result<T, Stop>>,
    ) -> Result<T, Stop> {
        let unwanted = async {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                // A view that was closed since has seen no change; the end of the job looks again.
                let view = self.views.opened_of(scope);
                if view.is_some_and(|view| current(&view.snapshot(), job).is_err()) {
                    return;
                }
            }
        };
        let deadline = self.settings.attempt_deadline;
        let late = format!(
            "indexing took longer than {} min; split the file into smaller ones",
            deadline.as_secs().max(1).div_ceil(60)
        );
        tokio::select! {
            biased;
            done = Box::pin(step) => done,
            () = unwanted => Err(Stop::Obsolete),
            () = tokio::time::sleep_until(began + deadline) => Err(Stop::Failed(late)),
        }
    }
}
