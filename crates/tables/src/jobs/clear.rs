//! Jobs that take away values of columns that are gone.

use super::live::{Halt, Live};
use super::record::{JobStatus, Work};
use crate::Error;
use crate::batch::Batch;
use crate::schema::ColumnId;
use crate::tables::Tables;
use quarry_store::Commit;
use std::sync::Arc;

/// Races after which a chunk takes the table alone.
const SHARED_TRIES: usize = 3;
const MAX_TRIES: usize = 40;

impl Tables {
    /// Rewrites the rows that hold values of columns the schema has no more. Nobody sees such
    /// values; this gives their bytes back.
    pub(super) async fn clear_columns(&self, live: &mut Live, columns: &[ColumnId]) -> Result<(), Halt> {
        let table = live.record.table.clone();
        let mut lost = 0;
        loop {
            live.check()?;
            let Work::ClearColumn { after, .. } = live.record.work else { return Err(Halt::Gone) };
            let entry = self.catalog.entry(&live.scope, table.as_str()).await?;
            let view = self.catalog.view(&live.scope, &table);
            let shared = if lost < SHARED_TRIES { Some(view.writers.read().await) } else { None };
            let _alone = if shared.is_none() { Some(view.writers.write().await) } else { None };
            let key = entry.record().key_column;
            let snapshot = view.snapshot(key).await?;
            let dead: Vec<ColumnId> =
                columns.iter().copied().filter(|id| entry.columns().iter().all(|c| c.id != *id)).collect();
            live.record.total = Some(snapshot.rows as u64);
            let (scope, options) = (live.scope.clone(), Arc::clone(&self.options));
            let (drafting, most) = ((Arc::clone(&entry), Arc::clone(&view)), self.jobs.sizes.in_place);
            let drafted = tokio::task::spawn_blocking(move || {
                let (entry, view) = drafting;
                let ids = snapshot.ids();
                let from = ids.partition_point(|id| *id <= after);
                let ids: Vec<u32> = ids.into_iter().skip(from).take(most).collect();
                let mut batch = Batch::new(&entry, &snapshot);
                for id in &ids {
                    let Some(row) = batch.row(*id) else { continue };
                    let has = |column: &ColumnId| {
                        row.cell(*column).is_some() || row.computed.iter().any(|(id, _)| id == column)
                    };
                    if dead.iter().any(has) {
                        let mut row = row.as_ref().clone();
                        row.cells.retain(|(column, _)| !dead.contains(column));
                        row.computed.retain(|(column, _)| !dead.contains(column));
                        // It only shrinks and keeps its key, so nothing can refuse it.
                        let _ = batch.put(row);
                    }
                }
                let last = ids.last().copied();
                let (commit, changes) = batch.into_commit(&scope, &view, &options);
                (last, ids.len(), commit, changes)
            });
            let (last, count, commit, changes) = drafted.await?;
            let Some(last) = last else {
                return self.end(live, JobStatus::Completed, Commit::new(live.scope.bot())).await;
            };
            let before = live.record.clone();
            if let Work::ClearColumn { after, .. } = &mut live.record.work {
                *after = last;
            }
            live.record.rows += count as u64;
            live.record.progress = percent(live.record.rows, live.record.total);
            match self.commit_step(live, commit).await? {
                Some(committed) => {
                    lost = 0;
                    if let Some(seq) = committed.seq(&view.coll) {
                        view.offer(seq, changes);
                        view.at_least(seq, key).await?;
                    }
                    self.indexes.wake(&live.scope, entry.record());
                }
                None if lost == MAX_TRIES => return Err(Halt::Failed(Error::Busy(table.to_string()))),
                None => {
                    lost += 1;
                    live.record = before;
                }
            }
        }
    }

    /// Deletes the vectors of a table whose columns left row search. Where others are still searched
    /// the index renews the rows by itself, and there is nothing to do here.
    pub(super) async fn drop_vectors(&self, live: &mut Live) -> Result<(), Halt> {
        let table = live.record.table.clone();
        loop {
            live.check()?;
            let most = self.jobs.sizes.in_place;
            let cleared = self.clear_vectors(&live.scope, table.as_str(), most).await?;
            live.record.rows += cleared.rows;
            if !cleared.more {
                return self.end(live, JobStatus::Completed, Commit::new(live.scope.bot())).await;
            }
            self.save(live).await?;
        }
    }
}

/// How much of the work is done, never quite all.
pub(super) fn percent(done: u64, total: Option<u64>) -> u8 {
    let part = total.and_then(|total| done.saturating_mul(100).checked_div(total)).unwrap_or(0);
    u8::try_from(part.min(99)).unwrap_or(99)
}
