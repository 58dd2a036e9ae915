//! One atomic set of row changes: drafted against a snapshot, committed with the preconditions that
//! make the drafting true.
//!
//! Invariant: a value of the key column belongs to at most one row, in the batch and in the store.

use crate::api::TablesOptions;
use crate::catalog::Entry;
use crate::record::{self, KeyValue, StoredRow};
use crate::view::{RowChange, Snapshot, View};
use bytes::{Bytes, BytesMut};
use quarry_store::{Commit, ExpectKey, Seq};
use quarry_types::{Counter, Scope};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Bytes of row data per unit of factor.
pub(crate) const FACTOR_BYTES: usize = 4_096;

/// Room for encoded rows that is asked for at once, at most.
const ARENA_BYTES: usize = 64 * 1024;

/// The record a row has in the store.
#[derive(Debug, Clone, Copy)]
struct Stored {
    seq: Seq,
    len: Option<u64>,
}

impl Stored {
    fn of(seq: Seq, row: &StoredRow) -> Self {
        Self { seq, len: Some(u64::from(row.stored_len)).filter(|len| *len > 0) }
    }
}

/// A row as the batch leaves it so far, to be changed and given to [`Batch::replace`].
pub(crate) struct Taken {
    pub(crate) row: StoredRow,
    before: Option<Stored>,
}

impl Taken {
    /// A row no batch has changed.
    pub(crate) fn stored(snapshot: &Snapshot, id: u32) -> Option<Self> {
        snapshot.read(id).map(Self::of)
    }

    fn of((seq, row): (Seq, StoredRow)) -> Self {
        let before = Some(Stored::of(seq, &row));
        Self { row, before }
    }

    /// As [`Taken::stored`] for many rows, in their order.
    pub(crate) fn stored_many(snapshot: &Snapshot, ids: &[Option<u32>]) -> Vec<Option<Self>> {
        snapshot.read_many(ids).into_iter().map(|found| found.map(Self::of)).collect()
    }
}

struct Draft {
    before: Option<Stored>,
    now: Option<Arc<StoredRow>>,
    encoded: Bytes,
}

/// Encoded rows, many in one piece of memory.
#[derive(Default)]
struct Arena {
    row: Vec<u8>,
    room: BytesMut,
    asked: usize,
}

impl Arena {
    fn encode(&mut self, row: &StoredRow) -> Bytes {
        self.row.clear();
        row.encode_into(&mut self.row);
        if self.room.capacity() < self.row.len() {
            self.asked = (self.asked * 2).clamp(self.row.len(), ARENA_BYTES.max(self.row.len()));
            self.room = BytesMut::with_capacity(self.asked);
        }
        self.room.extend_from_slice(&self.row);
        self.room.split().freeze()
    }
}

pub(crate) struct Batch<'a> {
    entry: &'a Entry,
    snapshot: &'a Snapshot,
    drafts: BTreeMap<u32, Draft>,
    /// Rows read from the snapshot; `None` = not there.
    read: HashMap<u32, Option<(Seq, Arc<StoredRow>)>>,
    /// Owners of key values as this batch leaves them.
    keys: HashMap<KeyValue, Option<u32>>,
    arena: Arena,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(entry: &'a Entry, snapshot: &'a Snapshot) -> Self {
        let (drafts, read, keys) = (BTreeMap::new(), HashMap::new(), HashMap::new());
        Self { entry, snapshot, drafts, read, keys, arena: Arena::default() }
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

    /// As [`Batch::owner`], given what the snapshot says.
    pub(crate) fn owner_over(&self, value: &KeyValue, stored: Option<u32>) -> Option<u32> {
        self.keys.get(value).copied().unwrap_or(stored)
    }

    fn key_of(&self, row: &StoredRow) -> Option<KeyValue> {
        row.cell(self.entry.record().key_column?)?.key_value()
    }

    /// A row of one's own to change; unlike [`Batch::row`], reading it once costs no second copy.
    pub(crate) fn take(&self, id: u32) -> Option<Taken> {
        if let Some(draft) = self.drafts.get(&id) {
            let row = StoredRow::clone(draft.now.as_deref()?);
            return Some(Taken { row, before: draft.before });
        }
        Taken::stored(self.snapshot, id)
    }

    /// As [`Batch::take`], given what the snapshot has.
    pub(crate) fn take_over(&self, id: u32, stored: Option<Taken>) -> Option<Taken> {
        let fits = |stored: &Taken| stored.row.id == id && !self.drafts.contains_key(&id);
        stored.filter(fits).or_else(|| self.take(id))
    }

    /// Replaces the row that was taken, and sets cells of it.
    ///
    /// # Errors
    /// As [`Batch::put`].
    pub(crate) fn replace(
        &mut self,
        taken: Taken,
        set: impl FnOnce(&mut StoredRow),
        sets_key: bool,
    ) -> Result<(), String> {
        let Taken { mut row, before } = taken;
        let key_before = if sets_key { self.key_of(&row) } else { None };
        set(&mut row);
        let rekeyed = sets_key.then_some(key_before);
        self.draft(row, before, rekeyed)
    }

    /// Adds a row whose id was never used.
    ///
    /// # Errors
    /// As [`Batch::put`].
    pub(crate) fn add(&mut self, row: StoredRow) -> Result<(), String> {
        self.draft(row, None, Some(None))
    }

    /// Adds or replaces a row.
    ///
    /// # Errors
    /// For the row's caller: it is too large, or another row has its key value.
    pub(crate) fn put(&mut self, row: StoredRow) -> Result<(), String> {
        let key_before = self.row(row.id).and_then(|before| self.key_of(&before));
        let before = self.before(row.id);
        self.draft(row, before, Some(key_before))
    }

    /// `key_before` is the key value of the row as the batch left it so far, unless that stays.
    fn draft(
        &mut self,
        mut row: StoredRow,
        before: Option<Stored>,
        key_before: Option<Option<KeyValue>>,
    ) -> Result<(), String> {
        let encoded = self.arena.encode(&row);
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
        if let Some(key_before) = key_before {
            let key = self.key_of(&row);
            // Most changes leave the key as it was: then it is this row's already.
            if key != key_before {
                self.take_key(id, key, key_before)?;
            }
        }
        row.stored_len = u32::try_from(encoded.len()).unwrap_or(0);
        self.drafts.insert(id, Draft { before, now: Some(Arc::new(row)), encoded });
        Ok(())
    }

    /// Gives a row another key value, or none.
    fn take_key(&mut self, id: u32, key: Option<KeyValue>, before: Option<KeyValue>) -> Result<(), String> {
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
        self.release_key(id, before);
        if let Some(key) = key {
            self.keys.insert(key, Some(id));
        }
        Ok(())
    }

    /// Deletes a row; answers whether it was there.
    pub(crate) fn delete(&mut self, id: u32) -> bool {
        let Some(row) = self.row(id) else { return false };
        self.release_key(id, self.key_of(&row));
        let before = self.before(id);
        self.drafts.insert(id, Draft { before, now: None, encoded: Bytes::new() });
        true
    }

    fn before(&mut self, id: u32) -> Option<Stored> {
        match self.drafts.get(&id) {
            Some(draft) => draft.before,
            None => self.stored(id).map(|(seq, row)| Stored::of(seq, &row)),
        }
    }

    fn release_key(&mut self, id: u32, key: Option<KeyValue>) {
        if let Some(key) = key
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
        commit.expect_keys.reserve(self.drafts.len() + self.keys.len());
        commit.put.reserve(self.drafts.len() + self.keys.len());
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
