//! One atomic set of row changes: drafted against a snapshot, committed with the preconditions that
//! make the drafting true.
//!
//! Invariant: a value of the key column belongs to at most one row, in the batch and in the store.

use crate::api::TablesOptions;
use crate::catalog::Entry;
use crate::record::{self, KeyValue, StoredRow};
use crate::view::{RowChange, Snapshot, View};
use quarry_store::{Commit, ExpectKey, Seq};
use quarry_types::{Counter, Scope};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Bytes of row data per unit of factor.
pub(crate) const FACTOR_BYTES: usize = 4_096;

/// The record a row has in the store.
#[derive(Debug, Clone, Copy)]
struct Stored {
    seq: Seq,
    len: Option<u64>,
}

struct Draft {
    before: Option<Stored>,
    now: Option<Arc<StoredRow>>,
    encoded: bytes::Bytes,
}

pub(crate) struct Batch<'a> {
    entry: &'a Entry,
    snapshot: &'a Snapshot,
    drafts: BTreeMap<u32, Draft>,
    /// Rows read from the snapshot; `None` = not there.
    read: HashMap<u32, Option<(Seq, Arc<StoredRow>)>>,
    /// Owners of key values as this batch leaves them.
    keys: HashMap<KeyValue, Option<u32>>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(entry: &'a Entry, snapshot: &'a Snapshot) -> Self {
        Self { entry, snapshot, drafts: BTreeMap::new(), read: HashMap::new(), keys: HashMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.drafts.is_empty()
    }

    /// A row as the batch leaves it.
    pub(crate) fn row(&mut self, id: u32) -> Option<Arc<StoredRow>> {
        match self.drafts.get(&id) {
            Some(draft) => draft.now.clone(),
            None => self.stored(id).map(|(_, row)| row),
        }
    }

    fn stored(&mut self, id: u32) -> Option<(Seq, Arc<StoredRow>)> {
        self.read.entry(id).or_insert_with(|| self.snapshot.get(id)).clone()
    }

    /// The row that holds a key value as the batch leaves it.
    pub(crate) fn owner(&self, value: &KeyValue) -> Option<u32> {
        self.keys.get(value).copied().unwrap_or_else(|| self.snapshot.by_key(value))
    }

    fn key_of(&self, row: &StoredRow) -> Option<KeyValue> {
        row.cell(self.entry.record().key_column?)?.key_value()
    }

    /// Adds or replaces a row.
    ///
    /// # Errors
    /// For the row's caller: it is too large, or another row has its key value.
    pub(crate) fn put(&mut self, row: StoredRow) -> Result<(), String> {
        let encoded = row.encode();
        let factor = usize::from(self.entry.record().factor);
        let bytes = encoded.len().saturating_sub(row.states_bytes());
        if bytes > factor * FACTOR_BYTES {
            return Err(format!(
                "the row has {} bytes, the limit is {} (factor {factor} × 4 KB); shorten it or raise the table's factor",
                bytes,
                factor * FACTOR_BYTES
            ));
        }
        let id = row.id;
        let before = self.row(id);
        let key = self.key_of(&row);
        // Most changes leave the key as it was: then it is this row's already.
        if key.is_none() || before.as_ref().and_then(|before| self.key_of(before)) != key {
            self.take_key(id, key)?;
        }
        let mut row = row;
        row.stored_len = u32::try_from(encoded.len()).unwrap_or(0);
        let before = self.before(id);
        self.drafts.insert(id, Draft { before, now: Some(Arc::new(row)), encoded });
        Ok(())
    }

    /// Gives a row another key value, or none.
    fn take_key(&mut self, id: u32, key: Option<KeyValue>) -> Result<(), String> {
        if let Some(owner) = key.as_ref().and_then(|key| self.owner(key))
            && owner != id
        {
            let column = self.entry.record().key_column_name().unwrap_or_default();
            return Err(format!("row {owner} has the same value in key column {column:?}"));
        }
        if key.as_ref().is_some_and(|key| self.snapshot.is_reserved(key)) {
            let column = self.entry.record().key_column_name().unwrap_or_default();
            return Err(format!(
                "a running import holds the same value in key column {column:?}; wait for its job or cancel it"
            ));
        }
        self.release_key(id);
        if let Some(key) = key {
            self.keys.insert(key, Some(id));
        }
        Ok(())
    }

    /// Deletes a row; answers whether it was there.
    pub(crate) fn delete(&mut self, id: u32) -> bool {
        if self.row(id).is_none() {
            return false;
        }
        self.release_key(id);
        let before = self.before(id);
        self.drafts.insert(id, Draft { before, now: None, encoded: bytes::Bytes::new() });
        true
    }

    fn before(&mut self, id: u32) -> Option<Stored> {
        match self.drafts.get(&id) {
            Some(draft) => draft.before,
            None => self.stored(id).map(|(seq, row)| {
                let len = Some(u64::from(row.stored_len)).filter(|len| *len > 0);
                Stored { seq, len }
            }),
        }
    }

    fn release_key(&mut self, id: u32) {
        if let Some(key) = self.row(id).and_then(|row| self.key_of(&row))
            && self.owner(&key) == Some(id)
        {
            self.keys.insert(key, None);
        }
    }

    /// The commit, and the changes a view applies once it is through.
    pub(crate) fn into_commit(
        self,
        scope: &Scope,
        view: &View,
        options: &TablesOptions,
    ) -> (Commit, Vec<RowChange>) {
        let record = self.entry.record();
        let coll = &view.coll;
        let mut commit = Commit::new(scope.bot());
        commit.expect_key(&record::tables(), record::meta_key(&record.id), Some(self.entry.meta.seq));
        commit.read_at.push((coll.clone(), self.snapshot.seq));
        for (key, owner) in &self.keys {
            let Some(column) = record.key_column else { continue };
            let (before, key_name) = (self.snapshot.by_key(key), record::index_key(column, key));
            match (before, owner) {
                (before, owner) if before == *owner => {}
                // A former owner is in this batch, and its own precondition guards the entry.
                (before, Some(owner)) => {
                    if before.is_none() {
                        commit.expect_key(coll, key_name.clone(), None);
                    }
                    commit.put(coll, key_name, owner.to_be_bytes().to_vec());
                }
                (_, None) => {
                    commit.del(coll, key_name);
                }
            }
        }
        let (mut added, mut next_id) = (0_i64, 0_u64);
        let mut changes = Vec::with_capacity(self.drafts.len());
        for (id, draft) in self.drafts {
            let key = record::row_key(id);
            if draft.before.is_none() && draft.now.is_none() {
                continue;
            }
            commit.expect_keys.push(ExpectKey {
                coll: coll.clone(),
                key: key.clone(),
                seq: draft.before.map(|stored| stored.seq),
                len: draft.before.and_then(|stored| stored.len),
            });
            match &draft.now {
                Some(_) => {
                    commit.put(coll, key, draft.encoded);
                }
                None => {
                    commit.del(coll, key);
                }
            }
            added += i64::from(draft.now.is_some()) - i64::from(draft.before.is_some());
            if draft.before.is_none() {
                next_id = next_id.max(u64::from(id) + 1);
            }
            changes.push((id, draft.now));
        }
        if next_id > 0 {
            commit.next_id.push((coll.clone(), next_id));
        }
        commit.quota(Counter::TableRows, added * i64::from(record.factor), options.row_quota);
        (commit, changes)
    }
}
