//! Rows that arrive unseen: written in chunks under a batch number, then published with one commit
//! or removed again.
//!
//! Invariant: the quota counts each row in the commit that writes it; a key value belongs to one row,
//! seen or not.

use super::live::{Halt, Live};
use super::record::{Arrival, JobRecord, JobStatus, RefusedRow};
use crate::Error;
use crate::batch::FACTOR_BYTES;
use crate::catalog::Entry;
use crate::record::{self, Batches, KeyValue, StoredRow};
use crate::removal;
use crate::rows::MAX_ID;
use crate::tables::Tables;
use crate::view::RowChange;
use quarry_store::{Coll, Commit, Key, Seq};
use quarry_types::{Counter, Scope, TableId};
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

/// Bytes of a file that make one commit, about.
pub(super) const CHUNK_BYTES: u64 = 8 << 20;
/// Races after which a writer takes the table alone.
const SHARED_TRIES: usize = 3;
const MAX_TRIES: usize = 40;

/// Where the ids of arriving rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    /// The table gives them out.
    New,
    /// Rows keep theirs, which are known to be free.
    Kept,
}

/// A checked row and where it comes from.
#[derive(Debug)]
pub(super) struct Arriving {
    pub(super) line: u64,
    pub(super) row: StoredRow,
}

/// One commit's worth of rows, drafted.
struct Drafted {
    commit: Commit,
    /// What a loaded view applies; `None` = none was loaded when the rows were drafted.
    changes: Option<Vec<RowChange>>,
    refused: Vec<RefusedRow>,
    taken: u64,
}

/// What a draft works on.
struct Draft {
    entry: Arc<Entry>,
    coll: Coll,
    commit: Commit,
    keys: Vec<Option<(KeyValue, Key)>>,
    owners: HashMap<Key, u32>,
    /// Index entries of rows that are leaving: free, but still there.
    leaving: HashMap<Key, Seq>,
    first_id: u64,
    /// Whether a view wants to hear of the rows.
    watched: bool,
}

impl Tables {
    /// Begins a batch: later rows with its number are unseen.
    pub(super) async fn stage_arrival(
        &self,
        scope: &Scope,
        entry: &Entry,
        commit: &mut Commit,
    ) -> Result<Arrival, Error> {
        let table = &entry.record().id;
        let coll = record::rows_of(table);
        commit.expect_key(&record::tables(), record::meta_key(table), Some(entry.meta.seq));
        let first_id = self.store.head(scope.bot(), &coll).await?.next_id;
        let (mut batches, seq) = self.batches(scope, &coll).await?;
        let batch = batches.begin();
        commit.expect_key(&coll, record::BATCHES_KEY, seq);
        commit.put(&coll, record::BATCHES_KEY, batches.encode()?);
        Ok(Arrival { batch, first_id })
    }

    async fn batches(&self, scope: &Scope, coll: &Coll) -> Result<(Batches, Option<Seq>), Error> {
        let found = self.store.get(scope.bot(), coll, &[record::BATCHES_KEY.to_vec()]).await?;
        match found.into_iter().flatten().next() {
            None => Ok((Batches::default(), None)),
            Some(found) => Ok((Batches::decode(&found.value)?, Some(found.seq))),
        }
    }

    /// Adds what makes a batch public: every row of it is seen from this commit on. After a
    /// removal there is none.
    pub(super) async fn stage_arrival_end(
        &self,
        scope: &Scope,
        table: &TableId,
        arrival: Arrival,
        commit: &mut Commit,
    ) -> Result<(), Error> {
        let entry = self.catalog.entry(scope, table.as_str()).await?;
        let coll = record::rows_of(table);
        let (mut batches, seq) = self.batches(scope, &coll).await?;
        batches.end(arrival.batch);
        commit.expect_key(&record::tables(), record::meta_key(table), Some(entry.meta.seq));
        commit.expect_key(&coll, record::BATCHES_KEY, seq);
        commit.put(&coll, record::BATCHES_KEY, batches.encode()?);
        Ok(())
    }

    /// Shows all rows of a batch and ends the job with the same commit.
    pub(super) async fn publish_arrival(
        &self,
        live: &mut Live,
        table: &TableId,
        arrival: Arrival,
    ) -> Result<(), Halt> {
        live.record.status = JobStatus::Finalizing;
        for _ in 0..MAX_TRIES {
            live.check()?;
            let mut commit = Commit::new(live.scope.bot());
            self.stage_arrival_end(&live.scope, table, arrival, &mut commit).await?;
            if self.finish(live, JobStatus::Completed, commit).await? {
                // The rows are there now: to be found by words and to be computed over.
                let entry = self.catalog.entry(&live.scope, table.as_str()).await?;
                self.indexes.wake(&live.scope, entry.record());
                self.compute.touched(&live.scope, &entry);
                return Ok(());
            }
        }
        Err(Halt::Failed(Error::Busy(table.to_string())))
    }

    /// Writes a chunk of unseen rows in one commit with the job's record, which `advance` moves on.
    /// Rows that do not fit are refused and the others written.
    pub(super) async fn write_arriving(
        &self,
        live: &mut Live,
        table: &TableId,
        (arrival, ids): (Arrival, Ids),
        rows: Arc<Vec<Arriving>>,
        advance: impl Fn(&mut JobRecord),
    ) -> Result<(), Halt> {
        for attempt in 0..MAX_TRIES {
            live.check()?;
            let entry = self.catalog.entry(&live.scope, table.as_str()).await?;
            let view = self.catalog.view(&live.scope, table);
            let shared = if attempt < SHARED_TRIES { Some(view.writers.read().await) } else { None };
            let _alone = if shared.is_none() { Some(view.writers.write().await) } else { None };
            let key = entry.record().key_column;
            let keys: Vec<Option<(KeyValue, Key)>> = rows
                .iter()
                .map(|arriving| {
                    let (column, value) = (key?, arriving.row.cell(key?)?.key_value()?);
                    let name = record::index_key(column, &value);
                    Some((value, name))
                })
                .collect();
            let (owners, leaving) = self.owners(&live.scope, &view.coll, &keys).await?;
            let first_id = match ids {
                Ids::New => view.allocate_fresh(rows.len()).await?,
                Ids::Kept => 0,
            };
            if first_id + rows.len() as u64 > MAX_ID {
                let message = format!("the table has used all {MAX_ID} row ids; copy it into a new one");
                return Err(Halt::Failed(Error::Limit(message)));
            }
            let (coll, commit) = (view.coll.clone(), Commit::new(live.scope.bot()));
            let watched = view.is_loaded();
            let draft = Draft { entry, coll, commit, keys, owners, leaving, first_id, watched };
            let (batch, limit, shared_rows) = (arrival.batch, self.options.row_quota, Arc::clone(&rows));
            let drafted =
                tokio::task::spawn_blocking(move || draft.run(&shared_rows, (batch, ids), limit)).await?;
            let before = live.record.clone();
            live.record.rows += drafted.taken;
            live.record.refuse(drafted.refused);
            advance(&mut live.record);
            match self.commit_step(live, drafted.commit).await? {
                None => live.record = before,
                Some(committed) => {
                    if let Some(seq) = committed.seq(&view.coll) {
                        view.follow(seq, drafted.changes, key).await?;
                    }
                    return Ok(());
                }
            }
        }
        Err(Halt::Failed(Error::Busy(table.to_string())))
    }

    /// The rows, seen or not, that own some key values; and the entries of those that are leaving.
    async fn owners(
        &self,
        scope: &Scope,
        coll: &Coll,
        keys: &[Option<(KeyValue, Key)>],
    ) -> Result<(HashMap<Key, u32>, HashMap<Key, Seq>), Error> {
        let names: Vec<Key> = keys.iter().flatten().map(|(_, name)| name.clone()).collect();
        if names.is_empty() {
            return Ok((HashMap::new(), HashMap::new()));
        }
        // In this order: an entry that is still there after its removal was read is known to be free.
        let removals = removal::removals(self.store.as_ref(), scope.bot(), coll).await?;
        let found = self.store.get(scope.bot(), coll, &names).await?;
        let (mut owners, mut leaving) = (HashMap::new(), HashMap::new());
        for (name, found) in names.into_iter().zip(found) {
            let Some(found) = found else { continue };
            let Some(id) = record::owner(&found.value) else { continue };
            if removals.values().any(|removal| removal.ids.contains(id)) {
                leaving.insert(name, found.seq);
            } else {
                owners.insert(name, id);
            }
        }
        Ok((owners, leaving))
    }

    /// Deletes the unseen rows of a batch and gives their quota back, chunk by chunk.
    pub(super) async fn remove_arrival(
        &self,
        live: &Live,
        table: &TableId,
        arrival: Arrival,
    ) -> Result<(), Halt> {
        let first = u32::try_from(arrival.first_id).unwrap_or(u32::MAX);
        let mut after = Some(record::row_key(first.saturating_sub(1)));
        let mut lost = 0;
        while let Some(from) = after.take() {
            if self.jobs.is_stopping() {
                return Err(Halt::Stopped);
            }
            let entry = self.catalog.entry(&live.scope, table.as_str()).await?;
            let view = self.catalog.view(&live.scope, table);
            let _shared = view.writers.read().await;
            let prefix = record::ROW_PREFIX;
            let page = self
                .store
                .scan(live.scope.bot(), &view.coll, prefix, Some(&from), self.jobs.sizes.arriving)
                .await?;
            let Some(last) = page.last().map(|record| record.key.clone()) else { break };
            let mut commit = Commit::new(live.scope.bot());
            commit.expect_key(&record::tables(), record::meta_key(table), Some(entry.meta.seq));
            let mut changes: Vec<RowChange> = Vec::new();
            for stored in page {
                let Some(id) = record::parse_row_key(&stored.key) else { continue };
                let row = StoredRow::decode(id, &stored.value)?;
                if row.batch != arrival.batch {
                    continue;
                }
                if let Some(column) = entry.record().key_column
                    && let Some(value) = row.cell(column).and_then(|cell| cell.key_value())
                {
                    commit.del(&view.coll, record::index_key(column, &value));
                }
                commit.expect_key(&view.coll, stored.key.clone(), Some(stored.seq));
                commit.del(&view.coll, stored.key);
                changes.push((id, None));
            }
            after = Some(last);
            if changes.is_empty() {
                continue;
            }
            let released = changes.len() as i64 * i64::from(entry.record().factor);
            commit.quota(Counter::TableRows, -released, self.options.row_quota);
            match self.store.commit(commit).await {
                Ok(committed) => {
                    if let Some(seq) = committed.seq(&view.coll) {
                        view.follow(seq, Some(changes), entry.record().key_column).await?;
                    }
                    self.indexes.wake(&live.scope, entry.record());
                }
                Err(quarry_store::Error::Conflict { .. }) if lost < MAX_TRIES => {
                    lost += 1;
                    after = Some(from);
                }
                Err(error) => return Err(Halt::Failed(error.into())),
            }
        }
        Ok(())
    }
}

impl Draft {
    /// Encodes the rows that fit. Runs on a blocking thread.
    fn run(mut self, rows: &[Arriving], (batch, ids): (u32, Ids), quota: u64) -> Drafted {
        let record = self.entry.record();
        let column = record.key_column_name().unwrap_or_default().to_owned();
        let (factor, max_bytes) = (record.factor, usize::from(record.factor) * FACTOR_BYTES);
        let table = record::tables();
        self.commit.expect_key(&table, record::meta_key(&record.id), Some(self.entry.meta.seq));
        let mut next_id = self.first_id;
        let mut changes = self.watched.then(Vec::new);
        let mut refused = Vec::new();
        let mut taken = 0_u64;
        for (arriving, key) in rows.iter().zip(std::mem::take(&mut self.keys)) {
            let mut row = arriving.row.clone();
            row.batch = batch;
            let encoded = row.encode();
            if encoded.len() > max_bytes {
                refused.push(RefusedRow {
                    line: arriving.line,
                    column: None,
                    reason: format!(
                        "the row has {} bytes, the limit is {max_bytes} (factor {factor} × 4 KB); shorten it or raise the table's factor",
                        encoded.len()
                    ),
                });
                continue;
            }
            row.stored_len = u32::try_from(encoded.len()).unwrap_or(0);
            if ids == Ids::New {
                row.id = u32::try_from(next_id).unwrap_or(u32::MAX);
            }
            if let Some((_, name)) = key {
                match self.owners.entry(name.clone()) {
                    Slot::Occupied(owner) => {
                        refused.push(RefusedRow {
                            line: arriving.line,
                            column: Some(column.clone()),
                            reason: format!(
                                "row {} has the same value in key column {column:?}",
                                owner.get()
                            ),
                        });
                        continue;
                    }
                    Slot::Vacant(free) => {
                        free.insert(row.id);
                    }
                }
                let leaving = self.leaving.get(&name).copied();
                self.commit.expect_key(&self.coll, name.clone(), leaving);
                self.commit.put(&self.coll, name, row.id.to_be_bytes().to_vec());
            }
            next_id += 1;
            taken += 1;
            let name = record::row_key(row.id);
            self.commit.expect_key(&self.coll, name.clone(), None);
            self.commit.put(&self.coll, name, encoded);
            if let Some(changes) = &mut changes {
                changes.push((row.id, Some(Arc::new(row))));
            }
        }
        if taken > 0 {
            if ids == Ids::New {
                self.commit.next_id.push((self.coll.clone(), next_id));
            }
            let rows = i64::try_from(taken).unwrap_or(i64::MAX);
            self.commit.quota(Counter::TableRows, rows * i64::from(factor), quota);
        }
        Drafted { commit: self.commit, changes, refused, taken }
    }
}
