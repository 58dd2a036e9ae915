//! A block with the rows of it that are still alive; blocks of like size become one.

use super::block::Block;
use crate::compute::Rules;
use crate::record::{KeyValue, StoredRow};
use crate::schema::ColumnId;
use arrow::buffer::{BooleanBuffer, Buffer};
use std::sync::Arc;

/// A block with the rows that are still alive.
#[derive(Debug, Clone)]
pub(crate) struct Slab {
    pub(crate) block: Arc<Block>,
    /// Bit per row; `None` = all alive.
    alive: Option<Arc<Vec<u64>>>,
    pub(crate) live: usize,
}

impl Slab {
    pub(super) fn whole(block: Block) -> Self {
        let live = block.len();
        Self { block: Arc::new(block), alive: None, live }
    }

    pub(crate) fn is_alive(&self, row: usize) -> bool {
        match &self.alive {
            None => row < self.block.len(),
            Some(words) => words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1),
        }
    }

    pub(super) fn kill(&mut self, row: usize) {
        let len = self.block.len();
        let words = self.alive.get_or_insert_with(|| Arc::new(vec![u64::MAX; len.div_ceil(64)]));
        if let Some(word) = Arc::make_mut(words).get_mut(row / 64) {
            *word &= !(1 << (row % 64));
            self.live -= 1;
        }
    }

    pub(super) fn take(&mut self, row: usize) -> Removed {
        self.kill(row);
        Removed::Slab { block: Arc::clone(&self.block), row }
    }

    /// The living rows, a bit each; `None` = all.
    pub(crate) fn alive_words(&self) -> Option<&[u64]> {
        self.alive.as_ref().map(|words| words.as_slice())
    }

    pub(super) fn waiting(&self, rules: &Rules) -> BooleanBuffer {
        let waiting = self.block.waiting(rules);
        let Some(alive) = self.alive_words() else { return waiting };
        let alive = BooleanBuffer::new(Buffer::from_vec(alive.to_vec()), 0, self.block.len());
        &waiting & &alive
    }

    pub(super) fn find(&self, id: u32) -> Option<usize> {
        let ids = self.block.ids();
        // Where it is when no id before it is missing, as in most tables.
        let dense = id.checked_sub(self.block.first_id())? as usize;
        let row = if ids.get(dense) == Some(&id) { dense } else { ids.binary_search(&id).ok()? };
        self.is_alive(row).then_some(row)
    }

    pub(super) fn living(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.block.len()).filter(|row| self.is_alive(*row))
    }
}

/// A row that is no longer alive.
pub(super) enum Removed {
    Active(Arc<StoredRow>),
    Slab { block: Arc<Block>, row: usize },
}

impl Removed {
    pub(super) fn key(&self, column: ColumnId) -> Option<KeyValue> {
        match self {
            Self::Active(row) => row.cell(column)?.key_value(),
            Self::Slab { block, row } => block.key_value(column, *row),
        }
    }
}

/// Appends a block, merging it with predecessors of like size: each row is copied a logarithmic
/// number of times.
pub(super) fn push_merging(slabs: &mut Vec<Slab>, mut slab: Slab) {
    while let Some(before) = slabs.last() {
        let like = before.live <= slab.live * 2 && before.live + slab.live <= Block::MAX_ROWS;
        if !like {
            break;
        }
        let blocks = [before.block.as_ref(), slab.block.as_ref()];
        let mut rows: Vec<(u32, (usize, usize))> = Vec::with_capacity(before.live + slab.live);
        for (at, one) in [before, &slab].into_iter().enumerate() {
            rows.extend(one.living().filter_map(|row| Some((*one.block.ids().get(row)?, (at, row)))));
        }
        rows.sort_unstable();
        let rows: Vec<(usize, usize)> = rows.into_iter().map(|(_, place)| place).collect();
        let merged = Slab::whole(Block::gather(&blocks, &rows));
        slabs.pop();
        slab = merged;
    }
    slabs.push(slab);
}
