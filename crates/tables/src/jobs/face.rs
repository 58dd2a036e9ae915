//! What callers do with jobs: start, list, look at, cancel, wait for.

use super::record::{Job, JobRecord, JobStatus, Work};
use super::runner::{MAX_UNFINISHED, Ticket};
use crate::Error;
use crate::api::{DeleteRows, Deleted};
use crate::filter;
use crate::query::Query;
use crate::record::{self, TableRecord};
use crate::schema::{Column, ColumnId};
use crate::tables::Tables;
use quarry_store::Commit;
use quarry_types::{Scope, TableId, Timestamp};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

const MAX_TRIES: usize = 20;
const PAGE: usize = 1_000;
/// Longer than any delete takes.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

impl Tables {
    /// Deletes rows and answers how many, however long it takes.
    ///
    /// # Errors
    /// As [`Tables::remove_rows`]; [`Error::Conflict`] when a large delete was cancelled.
    pub async fn delete_rows(&self, scope: &Scope, table: &str, which: DeleteRows) -> Result<u64, Error> {
        let deleted = self.remove_rows(scope, table, which, FOREVER).await?;
        match deleted.job.filter(|job| job.status == JobStatus::Failed) {
            None => Ok(deleted.rows),
            Some(job) => Err(Error::Conflict(job.error.unwrap_or_default())),
        }
    }

    /// Deletes rows, all at once: no reader sees a part of it. Over 20,000 are deleted by a job,
    /// which is waited for no longer than `wait`; one that fails has deleted none.
    ///
    /// # Errors
    /// [`Error::Invalid`] for over 1,000 ids, [`Error::InvalidQuery`] for a bad filter.
    pub async fn remove_rows(
        &self,
        scope: &Scope,
        table: &str,
        which: DeleteRows,
        wait: Duration,
    ) -> Result<Deleted, Error> {
        let entry = self.catalog.entry(scope, table).await?;
        let table = entry.record().id.as_str();
        let filter = match which {
            DeleteRows::Ids(ids) => return self.delete_ids(scope, table, ids).await,
            DeleteRows::Filter(json) if json.is_object() => Some(json),
            DeleteRows::Filter(_) => {
                let message = "filter: must be an object of columns and conditions";
                return Err(Error::InvalidQuery(message.into()));
            }
            DeleteRows::All => None,
        };
        let parsed = filter::parse(filter.as_ref().unwrap_or(&Value::Null), &entry.record().schema)?;
        let view = self.catalog.view(scope, &entry.record().id);
        let below = self.store.head(scope.bot(), &view.coll).await?.next_id;
        let snapshot = view.snapshot(entry.record().key_column).await?;
        let found_at = snapshot.seq;
        let query = Query::new(Arc::clone(&entry), snapshot, parsed.clone());
        let ids = self.run(query.rows(), move || query.ids()).await?;
        if ids.len() <= self.jobs.sizes.at_once {
            let still = filter.is_some().then_some((&parsed, found_at));
            let rows = self.delete_found(scope, table, &ids, still).await?;
            return Ok(Deleted { rows, job: None });
        }
        let mut job = JobRecord::new(&entry.record().id, Work::DeleteRows { filter, below, out: false });
        job.total = Some(ids.len() as u64);
        drop(ids);
        let job = self.start_job(scope, job, Commit::new(scope.bot())).await?;
        let job = self.wait_for_job(scope, table, &job.id, wait).await?;
        Ok(Deleted { rows: job.rows, job: Some(job) })
    }

    /// Whether a job of the bot waits or runs.
    #[must_use]
    pub fn has_unfinished_jobs(&self, scope: &Scope) -> bool {
        self.jobs.unfinished(scope.bot()) > 0
    }

    /// The jobs of a table, the youngest first; of the finished ones the last 100 are kept.
    ///
    /// # Errors
    /// [`Error::NoTable`].
    pub async fn jobs(&self, scope: &Scope, table: &str) -> Result<Vec<Job>, Error> {
        let entry = self.catalog.entry(scope, table).await?;
        let prefix = record::jobs_of(&entry.record().id);
        let found = self.store.scan(scope.bot(), &record::jobs(), &prefix, None, PAGE).await?;
        found.iter().rev().map(|found| Ok(self.shown(&JobRecord::decode(&found.value)?))).collect()
    }

    /// One job.
    ///
    /// # Errors
    /// [`Error::NoTable`], [`Error::NoJob`].
    pub async fn job(&self, scope: &Scope, table: &str, job: &str) -> Result<Job, Error> {
        let entry = self.catalog.entry(scope, table).await?;
        let found = self.read_job(scope, &entry.record().id, job).await?;
        let (record, _) = found.ok_or_else(|| no_job(job))?;
        Ok(self.shown(&record))
    }

    /// Asks a job to end; it fails with "cancelled" once all it made is taken back. One that has
    /// ended, or is failing already, stays as it is; so does a delete whose rows are out.
    ///
    /// # Errors
    /// [`Error::NoTable`], [`Error::NoJob`].
    pub async fn cancel_job(&self, scope: &Scope, table: &str, job: &str) -> Result<Job, Error> {
        let entry = self.catalog.entry(scope, table).await?;
        let table = &entry.record().id;
        for _ in 0..MAX_TRIES {
            let found = self.read_job(scope, table, job).await?;
            let (mut record, seq) = found.ok_or_else(|| no_job(job))?;
            if record.status.is_finished() || record.error.is_some() || record.is_done_for() {
                return Ok(self.shown(&record));
            }
            record.error = Some("cancelled".into());
            record.updated_at = Timestamp::now();
            record.status = match (record.status, record.arrival()) {
                (JobStatus::Pending, None) => JobStatus::Failed,
                _ => JobStatus::Finalizing,
            };
            let (coll, key) = (record::jobs(), record::job_key(table, job));
            let mut commit = Commit::new(scope.bot());
            commit.expect_key(&coll, key.clone(), Some(seq)).put(&coll, key, record.encode()?);
            match self.store.commit(commit).await {
                Ok(_) => {
                    self.jobs.poke(job);
                    self.jobs.changed();
                    // It may belong to an earlier process that nobody has resumed yet.
                    self.enqueue(Ticket::new(scope, table, job));
                    return Ok(self.shown(&record));
                }
                Err(quarry_store::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy(table.to_string()))
    }

    /// A job once it has ended, or as it is after `wait`.
    ///
    /// # Errors
    /// As [`Tables::job`].
    pub async fn wait_for_job(
        &self,
        scope: &Scope,
        table: &str,
        job: &str,
        wait: Duration,
    ) -> Result<Job, Error> {
        let mut changes = self.jobs.watch();
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let now = self.job(scope, table, job).await?;
            if now.status.is_finished() {
                return Ok(now);
            }
            match tokio::time::timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                _ => return Ok(now),
            }
        }
    }

    /// Queues the unfinished jobs of all bots; call it once after a start. Answers how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resume_jobs(&self) -> Result<usize, Error> {
        let mut resumed = 0;
        for bot in self.store.bots().await? {
            let scope = Scope::of(bot);
            let mut after: Option<Vec<u8>> = None;
            loop {
                let coll = record::jobs();
                let page = self.store.scan(scope.bot(), &coll, b"", after.as_deref(), PAGE).await?;
                for found in &page {
                    // A job of a newer version is left to it.
                    let Ok(job) = JobRecord::decode(&found.value) else { continue };
                    if !job.status.is_finished() {
                        resumed += 1;
                        self.enqueue(Ticket::new(&scope, &job.table, &job.id));
                    }
                }
                let Some(last) = page.last().filter(|_| page.len() == PAGE) else { break };
                after = Some(last.key.clone());
            }
        }
        Ok(resumed)
    }

    /// Lets running jobs reach a safe place; they go on after the next start.
    pub async fn stop_jobs(&self) {
        self.jobs.stop().await;
    }

    /// Adds the jobs that tidy up after a schema change: one drops the values of columns that are
    /// gone, one the vectors of columns that are searched no more. Nobody sees either from the change
    /// on; the jobs only give their room back.
    pub(crate) async fn stage_clearing(
        &self,
        scope: &Scope,
        before: &TableRecord,
        next: &TableRecord,
        commit: &mut Commit,
    ) -> Result<Vec<JobRecord>, Error> {
        let gone = before.schema.columns.iter().map(|column| column.id);
        let columns: Vec<ColumnId> =
            gone.filter(|id| next.schema.columns.iter().all(|column| column.id != *id)).collect();
        let searched_no_more = before.schema.columns.iter().any(|column| {
            let now = next.schema.columns.iter().find(|now| now.id == column.id);
            column.is_searchable() && !now.is_some_and(Column::is_searchable)
        });
        let mut works = Vec::new();
        if !columns.is_empty() {
            works.push(Work::ClearColumn { columns, after: 0 });
        }
        if searched_no_more {
            works.push(Work::ClearVectors);
        }
        let rows = record::rows_of(&before.id);
        let unfinished = self.jobs.unfinished(scope.bot());
        if works.is_empty()
            || self.store.head(scope.bot(), &rows).await?.records == 0
            || unfinished + works.len() > MAX_UNFINISHED
        {
            // Without the jobs values leave with the next write of their row, and the index tidies
            // up by itself.
            return Ok(Vec::new());
        }
        let jobs: Vec<JobRecord> = works.into_iter().map(|work| JobRecord::new(&before.id, work)).collect();
        for job in &jobs {
            self.stage_job(scope, job, commit)?;
        }
        Ok(jobs)
    }

    pub(crate) fn begin_clearing(&self, scope: &Scope, jobs: Vec<JobRecord>) {
        for job in jobs {
            self.enqueue(Ticket::new(scope, &job.table, &job.id));
        }
    }

    /// Adds the removal of all jobs of a table that is deleted.
    pub(crate) async fn stage_jobs_removal(
        &self,
        scope: &Scope,
        table: &TableId,
        commit: &mut Commit,
    ) -> Result<(), Error> {
        let coll = record::jobs();
        let prefix = record::jobs_of(table);
        for found in self.store.scan(scope.bot(), &coll, &prefix, None, PAGE).await? {
            commit.del(&coll, found.key);
        }
        Ok(())
    }

    /// Commits a new job together with what begins it, and queues it.
    pub(super) async fn start_job(
        &self,
        scope: &Scope,
        job: JobRecord,
        mut commit: Commit,
    ) -> Result<Job, Error> {
        self.stage_job(scope, &job, &mut commit)?;
        self.store.commit(commit).await?;
        self.enqueue(Ticket::new(scope, &job.table, &job.id));
        Ok(self.shown(&job))
    }

    fn stage_job(&self, scope: &Scope, job: &JobRecord, commit: &mut Commit) -> Result<(), Error> {
        let unfinished = self.jobs.unfinished(scope.bot());
        if unfinished >= MAX_UNFINISHED {
            return Err(Error::Limit(format!(
                "the bot has {unfinished} unfinished jobs, the limit is {MAX_UNFINISHED}; wait for some or cancel them"
            )));
        }
        let (coll, key) = (record::jobs(), record::job_key(&job.table, &job.id));
        commit.expect_key(&coll, key.clone(), None).put(&coll, key, job.encode()?);
        Ok(())
    }

    fn shown(&self, record: &JobRecord) -> Job {
        record.to_job(self.jobs.progress(&record.id))
    }
}

fn no_job(job: &str) -> Error {
    Error::NoJob(job.chars().take(100).collect())
}
