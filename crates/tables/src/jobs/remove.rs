//! Deletes too large for one commit of rows.
//!
//! One commit names the rows (a removal) and takes them out of every answer; their records go after
//! it, chunk by chunk. Invariant: before that commit nothing is deleted, after it all is, and the job
//! cannot fail or be cancelled any more.

use super::clear::percent;
use super::live::{Halt, Live};
use super::record::{JobStatus, Work};
use crate::Error;
use crate::filter;
use crate::query::Query;
use crate::record::{self, StoredRow};
use crate::removal::Removal;
use crate::tables::Tables;
use quarry_store::{Commit, Key};
use quarry_types::Counter;
use roaring::RoaringBitmap;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

const MAX_TRIES: usize = 40;
/// Races after which a chunk takes the table alone.
const SHARED_TRIES: u32 = 3;
/// Between two tries of a chunk that loses even so.
const PAUSE: Duration = Duration::from_millis(10);

impl Tables {
    /// Deletes the rows below an id that a filter matches; `out` when they are out already.
    pub(super) async fn delete_matching(
        &self,
        live: &mut Live,
        filter: Option<&Value>,
        below: u64,
        out: bool,
    ) -> Result<(), Halt> {
        if !out && !self.take_out(live, filter, below).await? {
            return self.end(live, JobStatus::Completed, Commit::new(live.scope.bot())).await;
        }
        self.clear_removed(live).await
    }

    /// Takes the rows out with one commit; false when there are none.
    async fn take_out(&self, live: &mut Live, filter: Option<&Value>, below: u64) -> Result<bool, Halt> {
        let table = live.record.table.clone();
        for _ in 0..MAX_TRIES {
            live.check()?;
            let entry = self.catalog.entry(&live.scope, table.as_str()).await?;
            let view = self.catalog.view(&live.scope, &table);
            // Alone from the choice to the commit: what was chosen is what goes.
            let _alone = view.writers.write().await;
            let key = entry.record().key_column;
            let snapshot = view.snapshot(key).await?;
            let seq = snapshot.seq;
            let filter = filter::parse(filter.unwrap_or(&Value::Null), &entry.record().schema)?;
            let query = Query::new(Arc::clone(&entry), snapshot, filter);
            let rows_looked_at = query.rows();
            let chosen = move || {
                let ids = query.ids()?.into_iter().filter(|id| u64::from(*id) < below);
                Ok(ids.collect::<RoaringBitmap>())
            };
            let ids = self.run(rows_looked_at, chosen).await?;
            if ids.is_empty() {
                return Ok(false);
            }
            let mut commit = Commit::new(live.scope.bot());
            commit.expect_key(&record::tables(), record::meta_key(&table), Some(entry.meta.seq));
            commit.expect.push((view.coll.clone(), seq));
            let rows = ids.len();
            let released = i64::try_from(rows).unwrap_or(i64::MAX) * i64::from(entry.record().factor);
            commit.quota(Counter::TableRows, -released, self.options.row_quota);
            let removal = Removal { seq, key, ids };
            commit.put(&view.coll, record::removal_key(&live.record.id), removal.encode()?);
            let before = live.record.clone();
            live.record.status = JobStatus::Finalizing;
            (live.record.rows, live.record.total) = (rows, Some(rows));
            if let Work::DeleteRows { out, .. } = &mut live.record.work {
                *out = true;
            }
            match self.commit_step(live, commit).await {
                Ok(Some(committed)) => {
                    if let Some(seq) = committed.seq(&view.coll) {
                        view.at_least(seq, key).await?;
                    }
                    return Ok(true);
                }
                Ok(None) => live.record = before,
                Err(halt) => {
                    // Whether the rows are out, the stored record says; what halted may have read it.
                    if matches!(halt, Halt::Failed(_)) {
                        live.record = before;
                    }
                    return Err(halt);
                }
            }
        }
        Err(Halt::Failed(Error::Busy(table.to_string())))
    }

    /// Deletes the records of rows that are out, then the removal that names them.
    async fn clear_removed(&self, live: &mut Live) -> Result<(), Halt> {
        let table = live.record.table.clone();
        let coll = record::rows_of(&table);
        let name = record::removal_key(&live.record.id);
        let found = self.store.get(live.scope.bot(), &coll, std::slice::from_ref(&name)).await?;
        let Some(found) = found.into_iter().flatten().next() else { return Err(Halt::Gone) };
        let removal = Removal::decode(&found.value)?;
        let mut ids = removal.ids.iter();
        let mut done = 0;
        loop {
            let chunk: Vec<u32> = ids.by_ref().take(self.jobs.sizes.in_place).collect();
            if chunk.is_empty() {
                break;
            }
            self.clear_chunk(live, &removal, &chunk).await?;
            done += chunk.len() as u64;
            live.record.progress = percent(done, live.record.total);
        }
        let entry = self.catalog.entry(&live.scope, table.as_str()).await?;
        let mut commit = Commit::new(live.scope.bot());
        commit.del(&coll, name);
        self.end(live, JobStatus::Completed, commit).await?;
        self.indexes.wake(&live.scope, entry.record());
        Ok(())
    }

    /// Deletes the records of some of the rows, however many races it takes.
    async fn clear_chunk(&self, live: &mut Live, removal: &Removal, ids: &[u32]) -> Result<(), Halt> {
        let table = live.record.table.clone();
        let mut lost = 0;
        loop {
            live.check()?;
            let entry = self.catalog.entry(&live.scope, table.as_str()).await?;
            let view = self.catalog.view(&live.scope, &table);
            // Writers of the whole table, who lose to every commit, keep chunks out.
            let shared = if lost < SHARED_TRIES { Some(view.writers.read().await) } else { None };
            let alone = if shared.is_none() { Some(view.writers.write().await) } else { None };
            let keys: Vec<Key> = ids.iter().map(|id| record::row_key(*id)).collect();
            let rows = self.store.get(live.scope.bot(), &view.coll, &keys).await?;
            let mut commit = Commit::new(live.scope.bot());
            let mut entries: Vec<(Key, u32)> = Vec::new();
            for (id, stored) in ids.iter().zip(rows) {
                let Some(stored) = stored.filter(|stored| removal.holds(*id, stored.seq)) else { continue };
                let row = StoredRow::decode(*id, &stored.value)?;
                let value = removal.key.and_then(|column| Some((column, row.cell(column)?.key_value()?)));
                entries.extend(value.map(|(column, value)| (record::index_key(column, &value), *id)));
                commit.expect_key(&view.coll, stored.key.clone(), Some(stored.seq));
                commit.del(&view.coll, stored.key);
            }
            if commit.del.is_empty() {
                return Ok(());
            }
            let names: Vec<Key> = entries.iter().map(|(name, _)| name.clone()).collect();
            let found = self.store.get(live.scope.bot(), &view.coll, &names).await?;
            for ((name, id), found) in entries.into_iter().zip(found) {
                // A younger row may have the value by now; its entry stays.
                if let Some(found) = found.filter(|found| record::owner(&found.value) == Some(id)) {
                    commit.expect_key(&view.coll, name.clone(), Some(found.seq));
                    commit.del(&view.coll, name);
                }
            }
            if let Some(committed) = self.commit_step(live, commit).await? {
                if let Some(seq) = committed.seq(&view.coll) {
                    let changes = ids.iter().map(|id| (*id, None)).collect();
                    view.follow(seq, Some(changes), entry.record().key_column).await?;
                }
                self.indexes.wake(&live.scope, entry.record());
                return Ok(());
            }
            drop((shared, alone));
            lost += 1;
            if lost > SHARED_TRIES {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
