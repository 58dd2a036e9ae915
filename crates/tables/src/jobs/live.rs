//! A running job: its record, moved on by the same commits that do its work.

use super::record::{JobRecord, JobStatus, Work};
use super::runner::{Ending, Handle, Ticket};
use crate::Error;
use crate::record;
use crate::tables::Tables;
use quarry_store::{Commit, Committed, Seq};
use quarry_types::{ErrorKind, Scope, TableId, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// Finished jobs kept per table.
const KEPT_JOBS: usize = 100;
const MAX_TRIES: usize = 20;
/// Before a job that could not be ended is tried again: the first time, and at most.
const RETRY_PAUSE: Duration = if cfg!(test) { Duration::from_millis(20) } else { Duration::from_secs(1) };
const MAX_RETRY_PAUSE: Duration = RETRY_PAUSE.saturating_mul(64);

/// Twice as long each time.
fn retry_pause(tries: u32) -> Duration {
    RETRY_PAUSE.saturating_mul(2_u32.saturating_pow(tries)).min(MAX_RETRY_PAUSE)
}

/// Why work ends early.
pub(super) enum Halt {
    /// The record or the process says stop.
    Stopped,
    /// The job's record is gone, with its table.
    Gone,
    /// It cannot go on.
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<quarry_store::Error> for Halt {
    fn from(cause: quarry_store::Error) -> Self {
        Self::Failed(cause.into())
    }
}

impl From<tokio::task::JoinError> for Halt {
    fn from(cause: tokio::task::JoinError) -> Self {
        Self::Failed(cause.into())
    }
}

pub(super) struct Live {
    pub(super) scope: Scope,
    pub(super) record: JobRecord,
    seq: Seq,
    pub(super) handle: Arc<Handle>,
}

impl Live {
    /// Call it between steps.
    pub(super) fn check(&self) -> Result<(), Halt> {
        if self.handle.is_stopped() { Err(Halt::Stopped) } else { Ok(()) }
    }
}

impl Tables {
    /// Puts a job in the queue and sees to it that somebody works on it.
    pub(super) fn enqueue(&self, ticket: Ticket) {
        if self.jobs.add(ticket) {
            let tables = self.clone();
            tokio::spawn(async move {
                while let Some((ticket, handle)) = tables.jobs.next() {
                    let (work, again) = (tables.clone(), ticket.clone());
                    // On a task of its own: a panic ends the job and not the worker.
                    let ended = tokio::spawn(async move {
                        let _ending = Ending { runner: &work.jobs, job: ticket.job.clone() };
                        work.run_job(&ticket, handle).await
                    });
                    match ended.await {
                        Ok(true) => {}
                        Ok(false) => tables.enqueue_later(again),
                        Err(_) => tracing::error!("a table job panicked; it goes on at the next start"),
                    }
                }
            });
        }
    }

    /// Puts a job back in the queue after a pause, unless the process stops meanwhile.
    fn enqueue_later(&self, ticket: Ticket) {
        let tables = self.clone();
        tokio::spawn(async move {
            let pause = retry_pause(ticket.tries);
            if tokio::time::timeout(pause, tables.jobs.stopping()).await.is_err() {
                tables.enqueue(Ticket { tries: ticket.tries.saturating_add(1), ..ticket });
            }
        });
    }

    pub(super) async fn read_job(
        &self,
        scope: &Scope,
        table: &TableId,
        job: &str,
    ) -> Result<Option<(JobRecord, Seq)>, Error> {
        let keys = [record::job_key(table, job)];
        let found = self.store.get(scope.bot(), &record::jobs(), &keys).await?;
        let found = found.into_iter().flatten().next();
        found.map(|found| Ok((JobRecord::decode(&found.value)?, found.seq))).transpose()
    }

    /// Works on a job; false when it could not be ended and has to be tried again.
    async fn run_job(&self, ticket: &Ticket, handle: Arc<Handle>) -> bool {
        let Ticket { scope, table, job, .. } = ticket;
        let ended = async {
            let Some((record, seq)) = self.read_job(scope, table, job).await? else { return Ok(()) };
            let mut live = Live { scope: scope.clone(), record, seq, handle };
            if live.record.status.is_finished() {
                return Ok(());
            }
            if live.record.error.is_none() {
                match self.work(&mut live).await {
                    Err(Halt::Gone | Halt::Failed(Error::NoTable(_))) if live.record.is_done_for() => {
                        return self.drop_job(&live).await;
                    }
                    Ok(()) | Err(Halt::Gone) => return Ok(()),
                    Err(Halt::Stopped) if self.jobs.is_stopping() => return Ok(()),
                    Err(Halt::Stopped) => self.reload(&mut live).await?,
                    Err(Halt::Failed(error)) => match self.mark_failed(&mut live, error).await {
                        // Cancelled at the same moment: that reason stands.
                        Err(Halt::Stopped) => self.reload(&mut live).await?,
                        other => other?,
                    },
                }
            }
            self.take_back(&mut live).await
        };
        let done = match ended.await {
            Ok(()) | Err(Halt::Gone) => true,
            Err(Halt::Stopped) => self.jobs.is_stopping(),
            Err(Halt::Failed(error)) => {
                tracing::error!(%error, job, "a table job could not be ended; it is tried again");
                false
            }
        };
        if let Err(error) = self.prune_jobs(scope, table).await {
            tracing::warn!(%error, "old table jobs not removed");
        }
        done
    }

    /// Deletes the record of a job whose table is gone.
    async fn drop_job(&self, live: &Live) -> Result<(), Halt> {
        let mut commit = Commit::new(live.scope.bot());
        commit.del(&record::jobs(), record::job_key(&live.record.table, &live.record.id));
        self.store.commit(commit).await?;
        self.jobs.changed();
        Ok(())
    }

    async fn work(&self, live: &mut Live) -> Result<(), Halt> {
        live.check()?;
        if live.record.status == JobStatus::Pending {
            live.record.status = JobStatus::InProgress;
            self.save(live).await?;
        }
        match live.record.work.clone() {
            Work::Import { file, content, .. } => self.import_rows(live, &file, &content).await,
            Work::Export { format, compress } => self.export_rows(live, &format, compress).await,
            Work::ClearColumn { columns, .. } => self.clear_columns(live, &columns).await,
            Work::ClearVectors => self.drop_vectors(live).await,
            Work::DeleteRows { filter, below, out } => {
                self.delete_matching(live, filter.as_ref(), below, out).await
            }
            Work::Duplicate { target, arrival } => self.copy_rows(live, &target, arrival).await,
        }
    }

    /// Commits a step together with the job's record; `None` = a race with other writers was lost
    /// and nothing is changed.
    pub(super) async fn commit_step(
        &self,
        live: &mut Live,
        mut commit: Commit,
    ) -> Result<Option<Committed>, Halt> {
        let coll = record::jobs();
        let key = record::job_key(&live.record.table, &live.record.id);
        live.record.updated_at = Timestamp::now();
        commit.expect_key(&coll, key.clone(), Some(live.seq));
        commit.put(&coll, key, live.record.encode()?);
        match self.store.commit(commit).await {
            Ok(committed) => {
                live.seq = committed.seq(&coll).unwrap_or(live.seq);
                self.jobs.changed();
                Ok(Some(committed))
            }
            Err(quarry_store::Error::Conflict { .. }) => {
                let before = live.seq;
                let Some((record, seq)) =
                    self.read_job(&live.scope, &live.record.table, &live.record.id).await?
                else {
                    return Err(Halt::Gone);
                };
                if seq == before {
                    return Ok(None);
                }
                (live.record, live.seq) = (record, seq);
                Err(Halt::Stopped)
            }
            Err(error) => Err(Halt::Failed(error.into())),
        }
    }

    /// Saves the record alone.
    pub(super) async fn save(&self, live: &mut Live) -> Result<(), Halt> {
        let commit = Commit::new(live.scope.bot());
        match self.commit_step(live, commit).await? {
            Some(_) => Ok(()),
            None => Err(Halt::Failed(Error::Busy(live.record.table.to_string()))),
        }
    }

    /// Takes over what a cancel wrote.
    async fn reload(&self, live: &mut Live) -> Result<(), Halt> {
        let found = self.read_job(&live.scope, &live.record.table, &live.record.id).await?;
        (live.record, live.seq) = found.ok_or(Halt::Gone)?;
        match live.record.error {
            Some(_) => Ok(()),
            None => Err(Halt::Stopped),
        }
    }

    /// Writes why a job fails; one that cannot fail, by its stored record, keeps the error as it is.
    async fn mark_failed(&self, live: &mut Live, error: Error) -> Result<(), Halt> {
        let found = self.read_job(&live.scope, &live.record.table, &live.record.id).await?;
        let refused = std::mem::take(&mut live.record.refused_rows);
        (live.record, live.seq) = found.ok_or(Halt::Gone)?;
        if live.record.is_done_for() {
            return Err(Halt::Failed(error));
        }
        live.record.refused = live.record.refused.max(refused.len() as u64);
        live.record.refused_rows = refused;
        if live.record.error.is_none() {
            live.record.error = Some(match error.kind() {
                ErrorKind::Internal | ErrorKind::Corrupt => {
                    tracing::error!(%error, job = live.record.id, "table job failed");
                    "internal failure; the server's log says more".to_owned()
                }
                _ => error.to_string(),
            });
        }
        live.record.status = JobStatus::Finalizing;
        self.save(live).await
    }

    /// Removes what the job made and ends it as failed.
    async fn take_back(&self, live: &mut Live) -> Result<(), Halt> {
        let mut ending = Commit::new(live.scope.bot());
        if let Some((table, arrival)) = live.record.arrival().map(|(table, arrival)| (table.clone(), arrival))
        {
            match self.remove_arrival(live, &table, arrival).await {
                Ok(()) => {}
                Err(Halt::Failed(Error::NoTable(_))) => {
                    return self.end(live, JobStatus::Failed, ending).await;
                }
                Err(halt) => return Err(halt),
            }
            if table != live.record.table && self.delete_if_empty(&live.scope, &table).await? {
                return self.end(live, JobStatus::Failed, ending).await;
            }
            for _ in 0..MAX_TRIES {
                self.stage_arrival_end(&live.scope, &table, arrival, &mut ending).await?;
                live.record.rows = 0;
                if self.finish(live, JobStatus::Failed, ending).await? {
                    return Ok(());
                }
                ending = Commit::new(live.scope.bot());
            }
            return Err(Halt::Failed(Error::Busy(table.to_string())));
        }
        self.end(live, JobStatus::Failed, ending).await
    }

    /// Ends the job with a commit that cannot lose races.
    pub(super) async fn end(&self, live: &mut Live, status: JobStatus, commit: Commit) -> Result<(), Halt> {
        match self.finish(live, status, commit).await? {
            true => Ok(()),
            false => Err(Halt::Failed(Error::Busy(live.record.table.to_string()))),
        }
    }

    /// Ends the job; false when the commit lost a race.
    pub(super) async fn finish(
        &self,
        live: &mut Live,
        status: JobStatus,
        commit: Commit,
    ) -> Result<bool, Halt> {
        let before = live.record.clone();
        live.record.status = status;
        if status == JobStatus::Completed {
            live.record.progress = 100;
        }
        let done = self.commit_step(live, commit).await?.is_some();
        if !done {
            live.record = before;
        }
        Ok(done)
    }

    async fn prune_jobs(&self, scope: &Scope, table: &TableId) -> Result<(), Error> {
        let coll = record::jobs();
        let all = self.store.scan(scope.bot(), &coll, &record::jobs_of(table), None, KEPT_JOBS * 3).await?;
        let over = all.len().saturating_sub(KEPT_JOBS);
        let mut commit = Commit::new(scope.bot());
        for old in all.iter().take(over) {
            if JobRecord::decode(&old.value)?.status.is_finished() {
                commit.expect_key(&coll, old.key.clone(), Some(old.seq));
                commit.del(&coll, old.key.clone());
            }
        }
        if !commit.del.is_empty() {
            self.store.commit(commit).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let pauses = [0, 1, 2, 6, 7, 40, u32::MAX]
            .map(|tries| retry_pause(tries).as_millis() / RETRY_PAUSE.as_millis());
        assert_eq!(pauses, [1, 2, 4, 64, 64, 64, 64]);
    }
}
