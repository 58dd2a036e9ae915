//! From a ticket to a report: one run of a source, or its removal.

use crate::sources::crawl::Outcome;
use crate::sources::face::Inner;
use crate::sources::page_file::{self, Content};
use crate::sources::record::{self, Counts, Run, RunReport, RunStatus, Source, SourceKind};
use crate::sources::runner::{Handle, Phase, Ticket};
use crate::{Error, records};
use bytes::Bytes;
use quarry_store::Commit;
use quarry_types::{ErrorKind, FileStatus, Scope, Timestamp};
use std::time::Duration;

/// Times a run may be begun; more, and it is what ends the process.
const MAX_ATTEMPTS: u32 = 30;
const LOOK_AT_FILES: Duration = Duration::from_millis(200);
const BATCH: usize = 500;

/// How the work of a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    Completed,
    Failed(String),
    /// It let others have its place, and goes on when it is its turn again.
    Paused,
}

impl Inner {
    /// Works one ticket off; `Err` = to be tried again.
    pub(super) async fn work(&self, ticket: &Ticket, handle: &Handle) -> Result<(), Error> {
        let scope = &ticket.scope;
        let Some((source, _)) = self.read(scope, &ticket.source).await? else { return Ok(()) };
        if source.deleting {
            return self.remove(scope, &source, handle).await;
        }
        let bases = self.kb.inner.views.snapshot(scope).await?;
        let base = bases.bases.get(source.base.as_str()).map(|(base, _)| base.clone());
        let begun = self.change(scope, &source.id, |source| {
            if let Some(run) = &mut source.run {
                run.attempts += 1;
            }
            if let Some(base) = &base {
                source.base_name.clone_from(&base.name);
            }
            Ok(())
        });
        let source = begun.await?;
        let Some(run) = source.run.clone() else { return Ok(()) };
        let outcome = if run.cancelled {
            Ok(Outcome { ending: Ending::Completed, counts: Counts::default() })
        } else if base.is_none() {
            let reason = "its knowledge base is gone; delete the source or make it again for another one";
            Ok(Outcome { ending: Ending::Failed(reason.to_owned()), counts: Counts::default() })
        } else if run.attempts > MAX_ATTEMPTS {
            let reason = format!("the server ended {MAX_ATTEMPTS} times while it was at it");
            Ok(Outcome { ending: Ending::Failed(reason), counts: handle.progress().counts })
        } else {
            self.bring_up_to_date(scope, &source, &run, handle).await
        };
        let paused = match &outcome {
            Ok(Outcome { ending: Ending::Paused, counts }) => Some(counts.retired),
            _ => None,
        };
        // Stopped by the end of the server: goes on at the next start.
        if paused.is_some() || self.runner.is_closed() {
            self.change(scope, &source.id, |source| {
                if let Some(run) = &mut source.run {
                    run.attempts = run.attempts.saturating_sub(1);
                    run.retired = paused.unwrap_or(run.retired);
                }
                Ok(())
            })
            .await?;
            return Ok(());
        }
        let outcome = outcome.unwrap_or_else(|error| {
            tracing::warn!(bot = %scope.bot(), source = %source.id, %error, "source not brought up to date");
            Outcome { ending: Ending::Failed(told(&error)), counts: handle.progress().counts }
        });
        self.report(scope, &source.id, outcome).await
    }

    async fn bring_up_to_date(
        &self,
        scope: &Scope,
        source: &Source,
        run: &Run,
        handle: &Handle,
    ) -> Result<Outcome, Error> {
        let mut outcome = match &source.kind {
            SourceKind::Text { content, title } => {
                let content = Content {
                    key: page_file::whole_key(source),
                    content_type: "text/markdown".to_owned(),
                    bytes: Bytes::from(content.clone()),
                    facts: vec![("title", title.clone())],
                };
                self.take_whole(scope, source, content).await?
            }
            SourceKind::Table { table } => {
                let tables = self.tables.as_ref().ok_or_else(|| Error::Internal("no tables here".into()))?;
                let (name, bytes) = tables.csv(scope, table).await?;
                let content = Content {
                    key: page_file::whole_key(source),
                    content_type: "text/csv".to_owned(),
                    bytes,
                    facts: vec![("title", name.clone()), ("tableName", name)],
                };
                self.take_whole(scope, source, content).await?
            }
            _ => self.crawl(scope, source, run, handle).await?,
        };
        if !handle.is_stopped() && outcome.ending != Ending::Paused {
            // One that cannot go on is reported now: the pages it has not seen must not be retired later.
            let may_pause = outcome.ending == Ending::Completed && !source.kind.is_quick();
            if self.wait_indexed(scope, source, handle, may_pause).await? {
                outcome.ending = Ending::Paused;
            }
        }
        Ok(outcome)
    }

    /// The one file of a text or a table.
    async fn take_whole(&self, scope: &Scope, source: &Source, content: Content) -> Result<Outcome, Error> {
        let hash = page_file::hash_of(&content.bytes);
        let mut counts = Counts { found: 1, ..Counts::default() };
        match self.kb.file(scope, &content.key).await {
            Ok(file)
                if page_file::is_sound(&file)
                    && file.metadata.get("hash").and_then(|known| known.as_str()) == Some(&hash) =>
            {
                page_file::retag(&self.kb, scope, source, &file).await?;
                counts.unchanged = 1;
            }
            Ok(_) | Err(Error::NotFound { .. }) => {
                page_file::store(&self.kb, scope, source, content).await?;
                counts.fetched = 1;
            }
            Err(error) => return Err(error),
        }
        Ok(Outcome { ending: Ending::Completed, counts })
    }

    /// A run is over when what it took can be searched; whether it lets others have its place before.
    async fn wait_indexed(
        &self,
        scope: &Scope,
        source: &Source,
        handle: &Handle,
        may_pause: bool,
    ) -> Result<bool, Error> {
        handle.set(|progress| progress.phase = Phase::Indexing);
        while !handle.is_stopped() {
            let (indexing, _, _) = self.files_of(scope, &source.id).await?;
            handle.set(|progress| progress.indexing = indexing);
            if indexing == 0 {
                break;
            }
            if may_pause && self.runner.is_over(handle) {
                return Ok(true);
            }
            handle.pause(LOOK_AT_FILES).await;
        }
        Ok(false)
    }

    /// Files of a source: (on their way into the index, searchable, failed).
    pub(super) async fn files_of(&self, scope: &Scope, id: &str) -> Result<(usize, usize, usize), Error> {
        let snapshot = self.kb.inner.views.snapshot(scope).await?;
        let (mut on_the_way, mut searchable, mut failed) = (0, 0, 0);
        for entry in snapshot.files.values() {
            if entry.file.tags.get("dsId").is_none_or(|known| known != id) {
                continue;
            }
            match entry.file.status {
                FileStatus::IndexingPending => on_the_way += 1,
                FileStatus::IndexingCompleted => searchable += 1,
                FileStatus::IndexingFailed | FileStatus::UploadFailed => failed += 1,
                FileStatus::UploadPending | FileStatus::UploadCompleted => {}
            }
        }
        Ok((on_the_way, searchable, failed))
    }

    async fn report(&self, scope: &Scope, id: &str, outcome: Outcome) -> Result<(), Error> {
        let now = (self.now)();
        let changed = self.change(scope, id, |source| {
            let Some(run) = source.run.take() else { return Ok(()) };
            let (status, error) = match &outcome.ending {
                _ if run.cancelled => (RunStatus::Cancelled, None),
                Ending::Completed | Ending::Paused => (RunStatus::Completed, None),
                Ending::Failed(reason) => (RunStatus::Failed, Some(reason.clone())),
            };
            source.last = Some(RunReport {
                id: run.id,
                started_at: run.started_at,
                ended_at: now,
                status,
                error,
                counts: outcome.counts,
            });
            source.next_refresh_at = source.refresh_every_ms.map(|every| Timestamp(now.as_ms() + every));
            Ok(())
        });
        let source = changed.await?;
        if !source.deleting {
            self.runner.schedule(scope, id, source.next_refresh_at);
        }
        let Counts { fetched, unchanged, skipped, failed, retired, .. } = outcome.counts;
        tracing::info!(bot = %scope.bot(), source = %id, fetched, unchanged, skipped, failed, retired, "source brought up to date");
        Ok(())
    }

    /// Removes the files of a source, its pages and itself; can be repeated from anywhere.
    async fn remove(&self, scope: &Scope, source: &Source, handle: &Handle) -> Result<(), Error> {
        handle.set(|progress| progress.phase = Phase::Deleting);
        let snapshot = self.kb.inner.views.snapshot(scope).await?;
        let prefix = page_file::key_prefix(source);
        let keys: Vec<String> =
            snapshot.keys.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
        drop(snapshot);
        for key in keys {
            if self.runner.is_closed() {
                return Ok(());
            }
            page_file::remove(&self.kb, scope, &key).await?;
        }
        let store = self.kb.inner.store.as_ref();
        let pages =
            records::scan_all(store, scope, &record::sources(), &record::page_prefix(&source.id)).await?;
        for batch in pages.chunks(BATCH) {
            let mut commit = Commit::new(scope.bot());
            for page in batch {
                commit.del(&record::sources(), page.key.clone());
            }
            store.commit(commit).await?;
        }
        let mut commit = Commit::new(scope.bot());
        commit.del(&record::sources(), record::source_key(&source.id));
        store.commit(commit).await?;
        tracing::info!(bot = %scope.bot(), source = %source.id, "source removed");
        Ok(())
    }
}

/// The words of an error that its owner may read.
fn told(error: &Error) -> String {
    match error.kind() {
        ErrorKind::Internal | ErrorKind::Corrupt => {
            "an internal failure ended the run; refresh the source to go on".to_owned()
        }
        _ => error.to_string(),
    }
}
