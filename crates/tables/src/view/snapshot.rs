//! One consistent state of a table's rows; immutable, so readers hold it without locks.
//!
//! Like a small log-structured tree: the main run of blocks is disjoint and ascending by id; side
//! blocks hold newer versions of older ids; the newest changes are plain rows, turned into a block
//! by the first reader. Invariant: each live id is alive in exactly one place.

use super::block::Block;
use super::hidden::Hidden;
use super::slab::{Removed, Slab, push_merging};
use crate::compute::Rules;
use crate::record::{Batches, KeyValue, StoredRow};
use crate::removal::Removals;
use crate::schema::ColumnId;
use imbl::{HashMap, OrdMap};
use quarry_store::Seq;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

/// Changed rows kept as plain rows. The first read after a write turns them into a block, so this
/// bounds what a write costs the next reader.
const ACTIVE_MAX: usize = 256;
const SIDE_MAX_BLOCKS: usize = 16;

/// Where a row lives.
enum Place {
    Active,
    Slab { slab: usize, row: usize },
}

#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// The watermark.
    pub(crate) seq: Seq,
    /// Live rows.
    pub(crate) rows: usize,
    slabs: Vec<Slab>,
    /// How many of the slabs are the main run.
    main: usize,
    active: OrdMap<u32, (Seq, Arc<StoredRow>)>,
    tail: OnceLock<Option<Slab>>,
    key_column: Option<ColumnId>,
    /// Owners of key values, rows of unpublished imports included.
    pub(super) keys: HashMap<KeyValue, u32>,
    pub(super) hidden: Hidden,
    pub(super) removals: Arc<Removals>,
}

impl Snapshot {
    /// An empty snapshot, to be filled page by page.
    pub(crate) fn load(seq: Seq, batches: Batches, removals: Arc<Removals>) -> Self {
        Self { seq, hidden: Hidden::new(batches), removals, ..Self::default() }
    }

    /// Adds rows with ids above all present ones (the load goes page by page).
    pub(crate) fn extend(&mut self, mut rows: Vec<(Seq, Arc<StoredRow>)>) {
        if self.has_removals() {
            rows.retain(|(seq, row)| !self.is_removed(row.id, *seq));
        }
        let apart = rows.extract_if(.., |(_, row)| self.hidden.holds(row)).collect();
        self.hide(apart);
        self.slabs.extend(rows.chunks(Block::MAX_ROWS).map(|chunk| Slab::whole(Block::from_rows(chunk))));
        self.main = self.slabs.len();
        self.rows += rows.len();
    }

    pub(super) fn copy(&self) -> Self {
        Self {
            seq: self.seq,
            rows: self.rows,
            slabs: self.slabs.clone(),
            main: self.main,
            active: self.active.clone(),
            tail: OnceLock::new(),
            key_column: self.key_column,
            keys: self.keys.clone(),
            hidden: self.hidden.clone(),
            removals: Arc::clone(&self.removals),
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let blocks: usize = self.slabs.iter().map(|slab| slab.block.heap_bytes()).sum();
        blocks + self.active.len() * 1_024 + self.keys.len() * 96 + self.hidden.heap_bytes()
    }

    /// The blocks of the main run: disjoint, ascending by id.
    pub(crate) fn main(&self) -> &[Slab] {
        self.slabs.get(..self.main).unwrap_or_default()
    }

    /// The other blocks, whose ids may lie anywhere.
    pub(crate) fn side(&self) -> impl Iterator<Item = &Slab> {
        self.slabs.get(self.main..).unwrap_or_default().iter().chain(self.tail())
    }

    pub(crate) fn slabs(&self) -> impl Iterator<Item = &Slab> {
        self.slabs.iter().chain(self.tail())
    }

    fn tail(&self) -> Option<&Slab> {
        let build = || {
            let rows: Vec<_> = self.active.values().cloned().collect();
            (!rows.is_empty()).then(|| Slab::whole(Block::from_rows(&rows)))
        };
        self.tail.get_or_init(build).as_ref()
    }

    fn locate(&self, id: u32) -> Option<Place> {
        if self.active.contains_key(&id) {
            return Some(Place::Active);
        }
        let main = self.main();
        let after = main.partition_point(|slab| slab.block.first_id() <= id);
        let in_main = after.checked_sub(1).and_then(|at| Some((at, main.get(at)?.find(id)?)));
        let in_side =
            || (self.main..self.slabs.len()).find_map(|at| Some((at, self.slabs.get(at)?.find(id)?)));
        in_main.or_else(in_side).map(|(slab, row)| Place::Slab { slab, row })
    }

    /// A row of one's own with the commit that wrote it.
    pub(crate) fn read(&self, id: u32) -> Option<(Seq, StoredRow)> {
        match self.locate(id)? {
            Place::Active => self.active.get(&id).map(|(seq, row)| (*seq, StoredRow::clone(row))),
            Place::Slab { slab, row } => {
                let block = &self.slabs.get(slab)?.block;
                Some((block.seq(row), block.row(row)))
            }
        }
    }

    /// As [`Snapshot::read`] for many rows, in their order.
    pub(crate) fn read_many(&self, ids: &[Option<u32>]) -> Vec<Option<(Seq, StoredRow)>> {
        let mut found: Vec<Option<(Seq, StoredRow)>> = ids.iter().map(|_| None).collect();
        // (slab, row, place in `ids`)
        let mut placed: Vec<(usize, usize, usize)> = Vec::with_capacity(ids.len());
        for ((at, id), found) in ids.iter().enumerate().zip(&mut found) {
            let Some(id) = id else { continue };
            match self.locate(*id) {
                None => {}
                Some(Place::Active) => {
                    *found = self.active.get(id).map(|(seq, row)| (*seq, StoredRow::clone(row)));
                }
                Some(Place::Slab { slab, row }) => placed.push((slab, row, at)),
            }
        }
        placed.sort_unstable();
        for placed in placed.chunk_by(|a, b| a.0 == b.0) {
            let Some(slab) = placed.first().and_then(|(slab, ..)| self.slabs.get(*slab)) else { continue };
            let rows: Vec<usize> = placed.iter().map(|(_, row, _)| *row).collect();
            for ((_, row, at), stored) in placed.iter().zip(slab.block.rows(&rows)) {
                if let Some(found) = found.get_mut(*at) {
                    *found = Some((slab.block.seq(*row), stored));
                }
            }
        }
        found
    }

    /// A row with the commit that wrote it.
    pub(crate) fn get(&self, id: u32) -> Option<(Seq, Arc<StoredRow>)> {
        match self.locate(id)? {
            Place::Active => self.active.get(&id).cloned(),
            Place::Slab { slab, row } => {
                let block = &self.slabs.get(slab)?.block;
                Some((block.seq(row), Arc::new(block.row(row))))
            }
        }
    }

    /// The commit that wrote a row.
    pub(super) fn get_seq(&self, id: u32) -> Option<Seq> {
        match self.locate(id)? {
            Place::Active => self.active.get(&id).map(|(seq, _)| *seq),
            Place::Slab { slab, row } => self.slabs.get(slab).map(|slab| slab.block.seq(row)),
        }
    }

    pub(crate) fn contains(&self, id: u32) -> bool {
        self.locate(id).is_some()
    }

    pub(crate) fn key_column(&self) -> Option<ColumnId> {
        self.key_column
    }

    /// The row that holds a value in the key column.
    pub(crate) fn by_key(&self, value: &KeyValue) -> Option<u32> {
        let id = self.keys.get(value).copied()?;
        (self.hidden.is_empty() || self.contains(id)).then_some(id)
    }

    /// Values of any column with the rows that hold them, ascending by row.
    pub(crate) fn values_of(&self, column: ColumnId) -> BTreeMap<KeyValue, Vec<u32>> {
        let mut values: BTreeMap<KeyValue, Vec<u32>> = BTreeMap::new();
        for slab in self.slabs() {
            for row in slab.living() {
                if let (Some(value), Some(id)) =
                    (slab.block.key_value(column, row), slab.block.ids().get(row))
                {
                    values.entry(value).or_default().push(*id);
                }
            }
        }
        values.values_mut().for_each(|ids| ids.sort_unstable());
        values
    }

    /// This state with another key column indexed.
    pub(crate) fn with_key(&self, column: Option<ColumnId>) -> Self {
        let mut next = self.copy();
        next.key_column = column;
        next.keys = HashMap::new();
        if let Some(column) = column {
            for (value, ids) in self.stored_values_of(column) {
                if let Some(id) = ids.first() {
                    next.keys.insert(value, *id);
                }
            }
        }
        next
    }

    /// The ids of all live rows, ascending.
    pub(crate) fn ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self
            .slabs()
            .flat_map(|slab| slab.living().filter_map(|row| slab.block.ids().get(row).copied()))
            .collect();
        ids.sort_unstable();
        ids
    }

    /// How many rows have computed values waiting.
    pub(crate) fn waiting(&self, rules: &Rules) -> usize {
        if rules.is_empty() {
            return 0;
        }
        self.slabs().map(|slab| slab.waiting(rules).count_set_bits()).sum()
    }

    /// Goes through the rows with computed values waiting.
    pub(crate) fn each_waiting(
        &self,
        rules: &Rules,
        mut each: impl FnMut(u32) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for slab in self.slabs() {
            for row in slab.waiting(rules).set_indices() {
                if let Some(id) = slab.block.ids().get(row) {
                    each(*id)?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// The state after some changes; `None` deletes.
    pub(crate) fn apply(
        &self,
        changes: impl IntoIterator<Item = (u32, Seq, Option<Arc<StoredRow>>)>,
        upto: Seq,
    ) -> Self {
        let mut next = self.copy();
        next.seq = upto;
        let mut apart: BTreeMap<u32, (Seq, Arc<StoredRow>)> = BTreeMap::new();
        // Rows as long as they ascend, as those of one commit do.
        let mut fresh: Vec<(Seq, Arc<StoredRow>)> = Vec::new();
        for (id, seq, row) in changes {
            if fresh.last().is_some_and(|(_, last)| id <= last.id) {
                next.active.extend(fresh.drain(..).map(|(seq, row)| (row.id, (seq, row))));
            }
            let row = row.filter(|_| !next.is_removed(id, seq));
            apart.remove(&id);
            let now = row.as_ref().and_then(|row| row.cell(next.key_column?)?.key_value());
            // Most changes leave the key as it was.
            if now.as_ref().is_some_and(|value| next.keys.get(value) == Some(&id)) {
                next.remove(id);
            } else {
                next.take_out(id);
                if let Some(value) = now {
                    next.keys.insert(value, id);
                }
            }
            match row {
                Some(row) if next.hidden.holds(&row) => drop(apart.insert(id, (seq, row))),
                Some(row) => {
                    fresh.push((seq, row));
                    next.rows += 1;
                }
                None => {}
            }
        }
        next.hide(apart.into_values().collect());
        if fresh.len() > ACTIVE_MAX {
            next.freeze(fresh);
        } else {
            next.active.extend(fresh.into_iter().map(|(seq, row)| (row.id, (seq, row))));
        }
        next.settle();
        next
    }

    /// Adds whole blocks of rows: behind the main run when they ascend from its end, else beside it.
    pub(super) fn show(&mut self, slabs: Vec<Slab>) {
        let mut last = self.main().last().map(|slab| slab.block.last_id());
        let ascends = slabs.iter().all(|slab| {
            let before = last.replace(slab.block.last_id());
            before.is_none_or(|before| before < slab.block.first_id())
        });
        if ascends {
            let main = self.main;
            self.main += slabs.len();
            self.slabs.splice(main..main, slabs);
        } else {
            self.slabs.extend(slabs);
        }
    }

    /// Takes a row out, but not its key.
    fn remove(&mut self, id: u32) -> Option<Removed> {
        match self.locate(id) {
            None if self.hidden.is_empty() => None,
            None => self.remove_hidden(id),
            Some(place) => {
                self.rows -= 1;
                match place {
                    Place::Active => self.active.remove(&id).map(|(_, row)| Removed::Active(row)),
                    Place::Slab { slab, row } => Some(self.slabs.get_mut(slab)?.take(row)),
                }
            }
        }
    }

    /// Takes a row out with its key.
    pub(super) fn take_out(&mut self, id: u32) {
        let key = self.remove(id).and_then(|removed| removed.key(self.key_column?));
        if let Some(value) = key
            && self.keys.get(&value) == Some(&id)
        {
            self.keys.remove(&value);
        }
    }

    /// Freezes plain rows and folds what lies beside the main run, when either has grown.
    pub(super) fn settle(&mut self) {
        if self.slabs.iter().any(|slab| slab.live == 0) {
            self.main = self.main().iter().filter(|slab| slab.live > 0).count();
            self.slabs.retain(|slab| slab.live > 0);
        }
        if self.active.len() > ACTIVE_MAX {
            self.freeze(Vec::new());
        }
        let side = self.slabs.get(self.main..).unwrap_or_default();
        let side_rows: usize = side.iter().map(|slab| slab.live).sum();
        let dead: usize = self.slabs.iter().map(|slab| slab.block.len() - slab.live).sum();
        if side_rows > Block::MAX_ROWS.max(self.rows / 8)
            || side.len() > SIDE_MAX_BLOCKS
            || dead > Block::MAX_ROWS.max(self.rows / 2)
        {
            self.fold();
        }
    }

    #[cfg(test)]
    pub(crate) fn freeze_for_tests(&mut self) {
        self.tail = OnceLock::new();
        self.freeze(Vec::new());
    }

    /// Makes blocks of the plain rows and of `fresh`, which has none of their ids.
    fn freeze(&mut self, fresh: Vec<(Seq, Arc<StoredRow>)>) {
        let last = self.main().last().map(|slab| slab.block.last_id());
        let mut rows = fresh;
        rows.extend(std::mem::take(&mut self.active).into_iter().map(|(_, row)| row));
        rows.sort_by_key(|(_, row)| row.id);
        let split = rows.partition_point(|(_, row)| last.is_some_and(|last| row.id <= last));
        let (older, newer) = rows.split_at(split);
        let mut side = self.slabs.split_off(self.main);
        for chunk in newer.chunks(Block::MAX_ROWS) {
            push_merging(&mut self.slabs, Slab::whole(Block::from_rows(chunk)));
        }
        for chunk in older.chunks(Block::MAX_ROWS) {
            push_merging(&mut side, Slab::whole(Block::from_rows(chunk)));
        }
        self.main = self.slabs.len();
        self.slabs.append(&mut side);
    }

    /// Moves side rows to their places in the main run and drops dead rows.
    fn fold(&mut self) {
        let side = self.slabs.split_off(self.main);
        let main = std::mem::take(&mut self.slabs);
        let blocks: Vec<&Block> = main.iter().chain(&side).map(|slab| slab.block.as_ref()).collect();
        let mut loose: Vec<(u32, (usize, usize))> = Vec::new();
        for (at, slab) in side.iter().enumerate() {
            let rows = slab.living().map(|row| (slab.block.ids().get(row).copied(), row));
            loose.extend(rows.filter_map(|(id, row)| Some((id?, (main.len() + at, row)))));
        }
        loose.sort_unstable();
        let mut folded: Vec<Slab> = Vec::new();
        let mut rest = loose.as_slice();
        for (at, slab) in main.iter().enumerate() {
            let next = main.get(at + 1).map(|slab| slab.block.first_id());
            let (mine, others) =
                rest.split_at(rest.partition_point(|(id, _)| next.is_none_or(|next| *id < next)));
            rest = others;
            if mine.is_empty() && slab.live * 2 >= slab.block.len() {
                folded.push(slab.clone());
                continue;
            }
            let own = slab.living().filter_map(|row| Some((*slab.block.ids().get(row)?, (at, row))));
            let mut rows: Vec<(u32, (usize, usize))> = own.chain(mine.iter().copied()).collect();
            rows.sort_unstable();
            gather_even(&blocks, &rows, &mut folded);
        }
        gather_even(&blocks, rest, &mut folded);
        self.main = folded.len();
        self.slabs = folded;
    }
}

/// Appends blocks of about equal size, none over the limit.
fn gather_even(blocks: &[&Block], rows: &[(u32, (usize, usize))], out: &mut Vec<Slab>) {
    if rows.is_empty() {
        return;
    }
    let pieces = rows.len().div_ceil(Block::MAX_ROWS);
    for chunk in rows.chunks(rows.len().div_ceil(pieces)) {
        let chunk: Vec<(usize, usize)> = chunk.iter().map(|(_, place)| *place).collect();
        push_merging(out, Slab::whole(Block::gather(blocks, &chunk)));
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

    fn row(id: u32, key: u32) -> Arc<StoredRow> {
        let mut row = StoredRow::new(id, Timestamp(1), Timestamp(2));
        row.set(KEY, Some(Cell::Text(format!("k{key}").into())));
        Arc::new(row)
    }

    fn check(snapshot: &Snapshot, model: &BTreeMap<u32, (Seq, Arc<StoredRow>)>) {
        assert_eq!(snapshot.rows, model.len());
        assert_eq!(snapshot.ids(), model.keys().copied().collect::<Vec<_>>());
        for (id, (seq, row)) in model {
            let found = snapshot.get(*id).unwrap();
            assert_eq!((found.0, &found.1), (*seq, row));
            assert_eq!(snapshot.by_key(&row.cell(KEY).unwrap().key_value().unwrap()), Some(*id));
        }
        // Descending, some twice, some absent.
        let many: Vec<Option<u32>> =
            model.keys().rev().flat_map(|id| [Some(*id), None, Some(id / 2), Some(id + 7_000_000)]).collect();
        let one_by_one: Vec<_> = many.iter().map(|id| snapshot.read((*id)?)).collect();
        assert_eq!(snapshot.read_many(&many), one_by_one);
        assert_eq!(snapshot.keys.len(), model.len());
        let main: Vec<u32> = snapshot.main().iter().flat_map(|slab| slab.block.ids().to_vec()).collect();
        assert!(main.is_sorted(), "the main run ascends");
        assert!(snapshot.slabs().all(|slab| slab.block.len() <= Block::MAX_ROWS));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
        // Batches large enough to freeze, merge and fold; keys move with their rows.
        #[test]
        fn any_history_equals_a_map(batches in proptest::collection::vec((0..3_u8, 1..900_u32, 1..6_000_u32), 1..25)) {
            let mut snapshot = Snapshot::default().with_key(Some(KEY));
            let mut model = BTreeMap::new();
            let mut next = 1;
            for (at, (what, count, stride)) in batches.into_iter().enumerate() {
                let seq = at as Seq + 1;
                let mut changes: Vec<(u32, Seq, Option<Arc<StoredRow>>)> = Vec::new();
                for i in 0..count {
                    let (id, now) = match what {
                        0 => { next += 1; (next, true) }
                        1 => ((i * stride) % (next + 1) + 1, true),
                        _ => ((i * stride) % (next + 1) + 1, false),
                    };
                    next = next.max(id);
                    if changes.iter().any(|(other, ..)| *other == id) {
                        continue;
                    }
                    let row = now.then(|| row(id, id * 2 + u32::from(seq.is_multiple_of(2))));
                    changes.push((id, seq, row.clone()));
                    match row {
                        Some(row) => { model.insert(id, (seq, row)); }
                        None => { model.remove(&id); }
                    }
                }
                snapshot = snapshot.apply(changes, seq);
            }
            check(&snapshot, &model);
        }
    }

    #[test]
    fn keys_move_between_rows_of_blocks() {
        let mut snapshot = Snapshot::load(1, Batches::default(), Arc::default());
        snapshot.extend((1..=3_000).map(|id| (1, row(id, id))).collect());
        let mut snapshot = snapshot.with_key(Some(KEY));
        let mut model: BTreeMap<u32, _> = (1..=3_000).map(|id| (id, (1, row(id, id)))).collect();
        for seq in 2..6 {
            // Each row gets the key the next one had, the last of each hundred goes.
            let key = |id: u32| (id + seq as u32 - 1) % 3_000;
            let mut changes: Vec<(u32, Seq, Option<Arc<StoredRow>>)> = Vec::new();
            for id in model.keys().copied().collect::<Vec<u32>>() {
                let gone = id % 100 == 99 - seq as u32;
                changes.push((id, seq, (!gone).then(|| row(id, key(id)))));
            }
            for (id, seq, row) in &changes {
                match row {
                    Some(row) => model.insert(*id, (*seq, Arc::clone(row))),
                    None => model.remove(id),
                };
            }
            snapshot = snapshot.apply(changes, seq);
            check(&snapshot, &model);
        }
    }

    #[test]
    fn spread_updates_fold_back_into_the_main_run() {
        let mut snapshot = Snapshot::load(1, Batches::default(), Arc::default());
        let rows: Vec<_> = (1..=40_000).map(|id| (1, row(id, id))).collect();
        snapshot.extend(rows.clone());
        let mut snapshot = snapshot.with_key(Some(KEY));
        let mut model: BTreeMap<u32, _> = rows.into_iter().map(|(seq, row)| (row.id, (seq, row))).collect();
        for seq in 2..40 {
            let changes: Vec<_> = (0..500)
                .map(|i| (i * 79 + seq as u32) % 40_000 + 1)
                .collect::<std::collections::BTreeSet<u32>>()
                .into_iter()
                .map(|id| (id, seq, Some(row(id, id))))
                .collect();
            model.extend(changes.iter().map(|(id, seq, row)| (*id, (*seq, row.clone().unwrap()))));
            snapshot = snapshot.apply(changes, seq);
        }
        check(&snapshot, &model);
        let beside: usize = snapshot.side().map(|slab| slab.live).sum();
        assert!(beside <= Block::MAX_ROWS + ACTIVE_MAX, "{beside} rows beside the main run");
    }
}
