//! Rows of imports that are not public yet: held beside the snapshot's own rows, shown to no reader.
//!
//! A row names its import (`batch`); one record of the table's collection says which imports are
//! public. Invariant: rows of an unpublished import are in no answer, while their key values stay
//! taken; publishing shows all of them with one change of state.

use super::block::Block;
use super::slab::{Removed, Slab, push_merging};
use super::snapshot::Snapshot;
use crate::record::{Batches, KeyValue, StoredRow};
use crate::schema::ColumnId;
use quarry_store::Seq;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The unpublished rows of one table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hidden {
    batches: Batches,
    slabs: BTreeMap<u32, Vec<Slab>>,
    rows: usize,
}

impl Hidden {
    pub(super) fn new(batches: Batches) -> Self {
        Self { batches, ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(super) fn holds(&self, row: &StoredRow) -> bool {
        !self.batches.is_public(row.batch)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.slabs.values().flatten().map(|slab| slab.block.heap_bytes()).sum()
    }

    fn each(&self) -> impl Iterator<Item = &Slab> {
        self.slabs.values().flatten()
    }
}

impl Snapshot {
    /// Rows of the store, those of unpublished imports included: what the quota counts.
    pub(crate) fn stored_rows(&self) -> usize {
        self.rows + self.hidden.rows
    }

    /// Whether a row of an unpublished import has this value in the key column.
    pub(crate) fn is_reserved(&self, value: &KeyValue) -> bool {
        !self.hidden.is_empty() && self.keys.get(value).is_some_and(|id| !self.contains(*id))
    }

    /// As [`Snapshot::values_of`], rows of unpublished imports included.
    pub(crate) fn stored_values_of(&self, column: ColumnId) -> BTreeMap<KeyValue, Vec<u32>> {
        let mut values = self.values_of(column);
        for slab in self.hidden.each() {
            for row in slab.living() {
                if let (Some(value), Some(id)) =
                    (slab.block.key_value(column, row), slab.block.ids().get(row))
                {
                    values.entry(value).or_default().push(*id);
                }
            }
        }
        values
    }

    /// Adds rows of unpublished imports.
    pub(super) fn hide(&mut self, rows: Vec<(Seq, Arc<StoredRow>)>) {
        let mut batches: BTreeMap<u32, Vec<(Seq, Arc<StoredRow>)>> = BTreeMap::new();
        for (seq, row) in rows {
            if let Some(value) = self.key_column().and_then(|column| row.cell(column)?.key_value()) {
                self.keys.insert(value, row.id);
            }
            batches.entry(row.batch).or_default().push((seq, row));
        }
        for (batch, mut rows) in batches {
            rows.sort_unstable_by_key(|(_, row)| row.id);
            self.hidden.rows += rows.len();
            let slabs = self.hidden.slabs.entry(batch).or_default();
            for chunk in rows.chunks(Block::MAX_ROWS) {
                push_merging(slabs, Slab::whole(Block::from_rows(chunk)));
            }
        }
    }

    /// Forgets an unpublished row, which is answered.
    pub(super) fn remove_hidden(&mut self, id: u32) -> Option<Removed> {
        let slabs = self.hidden.slabs.values_mut().flatten();
        let spans = |slab: &&mut Slab| slab.block.first_id() <= id && id <= slab.block.last_id();
        let (slab, row) = slabs.filter(spans).find_map(|slab| slab.find(id).map(|row| (slab, row)))?;
        let removed = slab.take(row);
        self.hidden.rows -= 1;
        Some(removed)
    }

    /// This state once it is known which imports are public: their rows join the others.
    pub(crate) fn with_batches(&self, batches: Batches) -> Self {
        let mut next = self.copy();
        next.hidden.batches = batches;
        let public: Vec<u32> =
            next.hidden.slabs.keys().copied().filter(|batch| next.hidden.batches.is_public(*batch)).collect();
        for batch in public {
            let mut slabs = next.hidden.slabs.remove(&batch).unwrap_or_default();
            slabs.retain(|slab| slab.live > 0);
            let rows: usize = slabs.iter().map(|slab| slab.live).sum();
            next.hidden.rows -= rows;
            next.rows += rows;
            next.show(slabs);
        }
        next.settle();
        next
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::record::Cell;
    use proptest::prelude::*;
    use quarry_types::Timestamp;

    const KEY: ColumnId = ColumnId(16);

    fn row(id: u32, batch: u32) -> Arc<StoredRow> {
        let mut row = StoredRow::new(id, Timestamp(1), Timestamp(2));
        row.set(KEY, Some(Cell::Number(f64::from(id))));
        row.batch = batch;
        Arc::new(row)
    }

    fn key(id: u32) -> KeyValue {
        KeyValue::number(f64::from(id))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
        // Plain rows and two imports take turns, rows of all three are deleted, one import is
        // published and the other not.
        #[test]
        fn only_published_rows_are_seen(steps in proptest::collection::vec((0..3_u32, 1..3_000_u32, any::<bool>()), 1..12)) {
            let mut snapshot = Snapshot::load(1, Batches { next: 3, hidden: vec![1, 2] }, Arc::default()).with_key(Some(KEY));
            let mut model: BTreeMap<u32, u32> = BTreeMap::new();
            let (mut next, mut seq) = (1_u32, 1);
            for (batch, count, delete) in steps {
                seq += 1;
                let mut changes: Vec<_> = (next..next + count).map(|id| (id, seq, Some(row(id, batch)))).collect();
                model.extend((next..next + count).map(|id| (id, batch)));
                next += count;
                if delete {
                    let gone: Vec<u32> = model.keys().copied().step_by(7).collect();
                    changes.retain(|(id, ..)| !gone.contains(id));
                    changes.extend(gone.iter().map(|id| (*id, seq, None)));
                    model.retain(|id, _| !gone.contains(id));
                }
                snapshot = snapshot.apply(changes, seq);
                let seen: Vec<u32> = model.iter().filter(|(_, batch)| **batch == 0).map(|(id, _)| *id).collect();
                prop_assert_eq!(&snapshot.ids(), &seen);
                prop_assert_eq!((snapshot.rows, snapshot.stored_rows()), (seen.len(), model.len()));
            }
            for (id, batch) in &model {
                prop_assert_eq!(snapshot.is_reserved(&key(*id)), *batch != 0);
                prop_assert_eq!(snapshot.by_key(&key(*id)), (*batch == 0).then_some(*id));
            }
            let snapshot = snapshot.with_batches(Batches { next: 3, hidden: vec![1] });
            let seen: Vec<u32> = model.iter().filter(|(_, batch)| **batch != 1).map(|(id, _)| *id).collect();
            prop_assert_eq!(&snapshot.ids(), &seen);
            prop_assert_eq!((snapshot.rows, snapshot.stored_rows()), (seen.len(), model.len()));
            let main: Vec<u32> = snapshot.main().iter().flat_map(|slab| slab.block.ids().to_vec()).collect();
            prop_assert!(main.is_sorted(), "the main run ascends");
            for id in seen {
                let (found, made) = (snapshot.get(id).unwrap().1, row(id, 0));
                prop_assert_eq!(found.cell(KEY), made.cell(KEY));
                prop_assert_eq!(snapshot.by_key(&key(id)), Some(id));
            }
        }
    }

    #[test]
    fn an_import_nobody_announced_yet_is_hidden() {
        let snapshot =
            Snapshot::load(1, Batches::default(), Arc::default()).apply([(1, 2, Some(row(1, 1)))], 2);
        assert_eq!((snapshot.rows, snapshot.stored_rows()), (0, 1));
        let snapshot = snapshot.with_batches(Batches { next: 2, hidden: vec![] });
        assert_eq!(snapshot.ids(), [1]);
    }
}
