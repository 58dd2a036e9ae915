//! Rows that a delete has taken out at once, though their records still lie in the store.
//!
//! Invariant: a row of a known removal is nowhere in the snapshot, and no key value names it.

use super::snapshot::Snapshot;
use crate::removal::Removal;
use quarry_store::{Key, Seq};
use roaring::RoaringBitmap;
use std::sync::Arc;

impl Snapshot {
    /// Whether rows are out whose records are still there.
    pub(crate) fn has_removals(&self) -> bool {
        !self.removals.is_empty()
    }

    /// Whether a row is out and its record may still be there.
    pub(crate) fn is_leaving(&self, id: u32) -> bool {
        self.removals.values().any(|removal| removal.ids.contains(id))
    }

    /// How many of these rows are out while their records may still be there.
    pub(crate) fn leaving(&self, ids: &RoaringBitmap) -> u64 {
        let mut out = RoaringBitmap::new();
        self.removals.values().for_each(|removal| out |= &removal.ids);
        out.intersection_len(ids)
    }

    /// Whether a version of a row belongs to a removal.
    pub(super) fn is_removed(&self, id: u32, seq: Seq) -> bool {
        self.removals.values().any(|removal| removal.holds(id, seq))
    }

    /// This state once removals were made or have done their work.
    pub(crate) fn with_removals(&self, changes: Vec<(Key, Option<Arc<Removal>>)>) -> Self {
        let mut next = self.copy();
        for (name, removal) in changes {
            let Some(removal) = removal else {
                Arc::make_mut(&mut next.removals).remove(&name);
                continue;
            };
            for id in &removal.ids {
                if next.get_seq(id).is_some_and(|seq| removal.holds(id, seq)) {
                    next.take_out(id);
                }
            }
            Arc::make_mut(&mut next.removals).insert(name, removal);
        }
        next.settle();
        next
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::record::{Batches, Cell, StoredRow};
    use crate::schema::ColumnId;
    use quarry_types::Timestamp;

    const KEY: ColumnId = ColumnId(16);

    fn row(id: u32) -> Arc<StoredRow> {
        let mut row = StoredRow::new(id, Timestamp(1), Timestamp(2));
        row.set(KEY, Some(Cell::Number(f64::from(id))));
        Arc::new(row)
    }

    #[test]
    fn rows_of_a_removal_are_gone_with_their_keys_whichever_comes_first() {
        let rows: Vec<_> = (1..=5_000).map(|id| (id, 7, Some(row(id)))).collect();
        let removal = Arc::new(Removal { seq: 7, key: Some(KEY), ids: (1..=5_000).step_by(2).collect() });
        let news = vec![(b"d/1".to_vec(), Some(removal))];
        let empty = Snapshot::load(1, Batches::default(), Arc::default()).with_key(Some(KEY));
        let rows_first = empty.apply(rows.clone(), 7).with_removals(news.clone());
        let removal_first = empty.with_removals(news.clone()).apply(rows.clone(), 8);
        let mut loaded = Snapshot::load(1, Batches::default(), Arc::clone(&rows_first.removals));
        loaded.extend(rows.iter().map(|(_, seq, row)| (*seq, row.clone().unwrap())).collect());
        for snapshot in [rows_first, removal_first, loaded.with_key(Some(KEY))] {
            assert_eq!(
                (snapshot.rows, snapshot.ids()),
                (2_500, (2..=5_000).step_by(2).collect::<Vec<u32>>())
            );
            for id in 1..=5_000 {
                let key = row(id).cell(KEY).unwrap().key_value().unwrap();
                assert_eq!(snapshot.by_key(&key), id.is_multiple_of(2).then_some(id));
            }
            assert!(snapshot.is_leaving(1) && !snapshot.is_leaving(2));
            let done = snapshot.with_removals(vec![(b"d/1".to_vec(), None)]);
            assert!(!done.has_removals() && done.rows == 2_500);
        }
    }
}
