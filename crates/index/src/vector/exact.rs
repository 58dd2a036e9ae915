//! Exact search: int8 codes scanned, the best rescored in half precision. Of many vectors the signs are
//! looked at first, and only the codes of those that may be among the best.
//!
//! Immutable; a changed copy shares every untouched block with its ancestor. A block holds the
//! items of one range of [`BLOCK`] ids, live rows only, so a delete leaves nothing behind.

mod by_signs;

use super::signs::{Line, lines, signs};
use super::simd::{Kernel, Step, dot_halves, prefetch};
use super::{Query, VectorIndex, normalise, quantise, steps};
use crate::candidates::Best;
use crate::error::Result;
use crate::{Candidates, Error, Hit};
use half::f16;
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Ids per block: what one changed vector costs to copy (0.6 MB at 384 dimensions).
const BLOCK: u32 = 512;
/// Rows rescored beside those asked for, at least; the int8 order is off by a few places among near-equal
/// scores only.
const RESCORED_BESIDE: usize = 30;
/// How many of the nearest by code are compared exactly to find the nearest `k`.
fn rescored_for(k: usize) -> usize {
    k.saturating_add((k / 2).max(RESCORED_BESIDE))
}

/// Rows asked of the memory before they are needed.
const AHEAD: usize = 12;

/// Immutable exact index. Memory: 3 bytes per dimension, 64 bytes for the signs of up
/// to 448 dimensions (128 up to 960), 8 bytes per vector.
#[derive(Clone)]
pub struct ExactInt8 {
    dims: usize,
    blocks: Vec<Arc<Block>>, // ascending by number
    present: Arc<RoaringBitmap>,
}

#[derive(Clone, Default)]
struct Block {
    number: u32,
    /// The first id, where none between it and the last is missing.
    dense_from: Option<u32>,
    ids: Vec<u32>, // ascending
    codes: Vec<Step>,
    scales: Vec<f32>,
    signs: Vec<Line>,
    full: Vec<f16>,
}

/// The new vectors of one block; `None` deletes.
type Edits<'a> = BTreeMap<u32, Option<&'a [f32]>>;

impl ExactInt8 {
    /// An empty index.
    #[must_use]
    pub fn new(dims: usize) -> Self {
        Self { dims, blocks: Vec::new(), present: Arc::default() }
    }

    /// Dimensions of its vectors.
    #[must_use]
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// The ids indexed.
    #[must_use]
    pub fn ids(&self) -> &RoaringBitmap {
        &self.present
    }

    /// A copy that knows its ids and no vector.
    pub(super) fn ids_only(&self) -> Self {
        Self { dims: self.dims, blocks: Vec::new(), present: Arc::clone(&self.present) }
    }

    /// One that knows ids and no vector.
    pub(super) fn of_ids(dims: usize, ids: RoaringBitmap) -> Self {
        Self { dims, blocks: Vec::new(), present: Arc::new(ids) }
    }

    /// Code row and scale of an item.
    pub(super) fn code(&self, id: u32) -> Option<(&[Step], f32)> {
        let (block, row, _) = self.place(id)?;
        Some((block.code(row, self.dims)?, *block.scales.get(row)?))
    }

    /// See [`super::VectorSnapshot::nearness`].
    pub(super) fn nearness(&self, to: &[usize], ids: &[u32]) -> Vec<Vec<f32>> {
        let kernel = Kernel::best();
        let rows: Vec<Option<(&[Step], f32)>> = ids.iter().map(|id| self.code(*id)).collect();
        let cosine = |a: &Option<(&[Step], f32)>, b: &Option<(&[Step], f32)>| match (a, b) {
            (Some((a, by)), Some((b, and))) => (kernel.dot(a, b) as f32 * by * and).clamp(-1.0, 1.0),
            _ => 0.0,
        };
        let of = |place: &usize| {
            let row = rows.get(*place).unwrap_or(&None);
            rows.iter().map(|other| cosine(row, other)).collect()
        };
        to.iter().map(of).collect()
    }

    /// A copy without `deletes` and with `adds` (an id already present is replaced; of an id twice
    /// in `adds` the last counts). `self` is not changed. Cost: the touched blocks.
    ///
    /// # Errors
    /// When a vector has other dimensions or is not finite; then nothing is built.
    pub fn with_changes(&self, adds: &[(u32, &[f32])], deletes: &[u32]) -> Result<Self> {
        let mut edits: BTreeMap<u32, Edits<'_>> = BTreeMap::new();
        for id in deletes {
            edits.entry(id / BLOCK).or_default().insert(*id, None);
        }
        for (id, vector) in adds {
            if vector.len() != self.dims {
                return Err(Error::Dimensions { id: *id, got: vector.len(), want: self.dims });
            }
            if vector.iter().any(|x| !x.is_finite()) {
                return Err(Error::NotFinite { id: *id });
            }
            edits.entry(id / BLOCK).or_default().insert(*id, Some(vector));
        }
        let mut present = (*self.present).clone();
        let mut blocks = Vec::with_capacity(self.blocks.len() + edits.len());
        let mut old = self.blocks.iter().peekable();
        for (number, edits) in &edits {
            while let Some(block) = old.next_if(|block| block.number < *number) {
                blocks.push(Arc::clone(block));
            }
            let before = old.next_if(|block| block.number == *number);
            let block = Block::edited(*number, before.map(Arc::as_ref), edits, self.dims);
            for (id, vector) in edits {
                match vector {
                    Some(_) => present.insert(*id),
                    None => present.remove(*id),
                };
            }
            if !block.ids.is_empty() {
                blocks.push(Arc::new(block));
            }
        }
        blocks.extend(old.cloned());
        Ok(Self { dims: self.dims, blocks, present: Arc::new(present) })
    }

    /// Ids whose vector here is another than in `old` (or new), and ids of `old` that are gone.
    pub(super) fn changes_since(&self, old: &Self) -> (RoaringBitmap, RoaringBitmap) {
        let mut changed = self.present.as_ref() - old.present.as_ref();
        let mut before = old.blocks.iter().peekable();
        for block in &self.blocks {
            while before.next_if(|b| b.number < block.number).is_some() {}
            let Some(other) = before.next_if(|b| b.number == block.number) else { continue };
            if Arc::ptr_eq(block, other) {
                continue;
            }
            changed.extend(block.ids.iter().enumerate().filter_map(|(row, id)| {
                let was = other.ids.binary_search(id).ok()?;
                (block.full(row, self.dims) != other.full(was, self.dims)).then_some(*id)
            }));
        }
        (changed, old.present.as_ref() - self.present.as_ref())
    }

    /// The code row and scale of an item.
    pub(super) fn codes(&self) -> impl Iterator<Item = (u32, &[Step], f32)> {
        let steps = steps(self.dims);
        self.blocks.iter().flat_map(move |block| {
            let rows = block.codes.chunks_exact(steps.max(1)).zip(&block.scales);
            block.ids.iter().zip(rows).map(|(id, (code, scale))| (*id, code, *scale))
        })
    }

    /// Exact scores of the given items; absent ones are left out.
    pub(super) fn rescore(&self, query: &Query, ids: &mut dyn Iterator<Item = u32>, best: &mut Best) {
        let places: Vec<(&Block, usize, u32)> = ids.filter_map(|id| self.place(id)).collect();
        for (at, (block, row, id)) in places.iter().enumerate() {
            if let Some((block, row, _)) = places.get(at + AHEAD / 2) {
                prefetch(block.full(*row, self.dims));
            }
            let cosine = dot_halves(&query.full, block.full(*row, self.dims));
            best.push(Hit { id: *id, score: cosine.clamp(-1.0, 1.0) });
        }
    }

    /// Exact scores of as many items as it takes to know the nearest `k`, of items ordered by their codes, nearest first.
    pub(super) fn rescore_nearest(&self, query: &Query, nearest: &[u32], k: usize, best: &mut Best) {
        self.rescore(query, &mut nearest.iter().copied().take(rescored_for(k)), best);
    }

    /// Where an item lies.
    fn place(&self, id: u32) -> Option<(&Block, usize, u32)> {
        let number = id / BLOCK;
        // Nearly always no block is missing: then its place is its number.
        let at = match self.blocks.get(number as usize) {
            Some(block) if block.number == number => number as usize,
            _ => self.blocks.binary_search_by_key(&number, |block| block.number).ok()?,
        };
        let block = self.blocks.get(at)?;
        Some((block, block.row(id)?, id))
    }

    /// Calls `see` with the block, row and id of each of `ids` that is here, ascending. Rows that lie apart
    /// come from memory one by one, so they are asked for some steps before they are seen.
    fn each_row<'a>(&'a self, ids: &RoaringBitmap, mut see: impl FnMut(&'a Block, usize, u32)) {
        let mut blocks = self.blocks.iter();
        let mut block: Option<&Arc<Block>> = blocks.next();
        let mut ahead: VecDeque<(&Block, usize, u32)> = VecDeque::with_capacity(AHEAD + 1);
        for id in ids {
            while block.is_some_and(|block| block.number < id / BLOCK) {
                block = blocks.next();
            }
            let Some(here) = block else { break };
            let Some(row) = here.row(id) else { continue };
            if let Some(code) = here.code(row, self.dims) {
                prefetch(code);
            }
            ahead.push_back((here, row, id));
            if ahead.len() > AHEAD
                && let Some((block, row, id)) = ahead.pop_front()
            {
                see(block, row, id);
            }
        }
        ahead.into_iter().for_each(|(block, row, id)| see(block, row, id));
    }

    /// The scan: the best `k` allowed items by code, of many those whose signs let them be among them; then
    /// by exact cosine.
    pub(super) fn scan(&self, query: &Query, k: usize, allowed: &Candidates<'_>, best: &mut Best) {
        self.scan_by(query, k, allowed, best, true);
    }

    /// The scan of every code: what other searches are measured by.
    pub(super) fn scan_all(&self, query: &Query, k: usize, allowed: &Candidates<'_>, best: &mut Best) {
        self.scan_by(query, k, allowed, best, false);
    }

    fn scan_by(&self, query: &Query, k: usize, allowed: &Candidates<'_>, best: &mut Best, by_signs: bool) {
        if k == 0 || self.present.is_empty() {
            return;
        }
        let most = rescored_for(k).min(self.len());
        let coarse = if by_signs && self.signs_pay(most, allowed) {
            self.scan_signs(query, most, allowed)
        } else {
            self.scan_codes(query, most, allowed)
        };
        let coarse: Vec<u32> = coarse.into_hits().into_iter().map(|hit| hit.id).collect();
        self.rescore_nearest(query, &coarse, k, best);
    }

    /// The best `k` allowed items by code alone.
    pub(super) fn scan_codes(&self, query: &Query, k: usize, allowed: &Candidates<'_>) -> Best {
        let mut coarse = Best::new(k);
        let kernel = Kernel::best();
        match allowed {
            Candidates::All => {
                let mut dots = [0i32; BLOCK as usize];
                for block in &self.blocks {
                    kernel.dot_rows(&query.code, &block.codes, &mut dots);
                    let mut floor = coarse.floor();
                    for ((id, scale), dot) in block.ids.iter().zip(&block.scales).zip(&dots) {
                        let score = *dot as f32 * (scale * query.scale);
                        if score > floor {
                            coarse.push(Hit { id: *id, score });
                            floor = coarse.floor();
                        }
                    }
                }
            }
            Candidates::Only(allowed) => {
                let mut floor = coarse.floor();
                self.each_row(allowed, |block, row, id| {
                    let (Some(code), Some(scale)) = (block.code(row, self.dims), block.scales.get(row))
                    else {
                        return;
                    };
                    let score = kernel.dot(&query.code, code) as f32 * (scale * query.scale);
                    if score > floor {
                        coarse.push(Hit { id, score });
                        floor = coarse.floor();
                    }
                });
            }
        }
        coarse
    }

    /// The best `k` of all items by exact cosine alone.
    pub(super) fn scan_halves(&self, query: &Query, k: usize) -> Vec<Hit> {
        self.rescored(query, self.present.iter(), k)
    }

    /// The best `k` of some items by exact cosine.
    pub(super) fn rescored(&self, query: &Query, mut ids: impl Iterator<Item = u32>, k: usize) -> Vec<Hit> {
        let mut best = Best::new(k);
        self.rescore(query, &mut ids, &mut best);
        best.into_hits()
    }

    /// Bytes of the codes and their scales.
    pub(super) fn code_bytes(&self) -> usize {
        self.blocks.iter().map(|block| size_of_val(block.codes.as_slice()) + block.scales.len() * 4).sum()
    }

    /// Bytes of the signs.
    pub(super) fn sign_bytes(&self) -> usize {
        self.blocks.iter().map(|block| size_of_val(block.signs.as_slice())).sum()
    }

    /// Bytes of the half precision vectors.
    pub(super) fn half_bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.full.len() * 2).sum()
    }
}

impl VectorIndex for ExactInt8 {
    fn search(&self, query: &[f32], k: usize, allowed: &Candidates<'_>) -> Result<Vec<Hit>> {
        let mut best = Best::new(k);
        if let Some(query) = Query::new(query, self.dims)? {
            self.scan(&query, k, allowed, &mut best);
        }
        Ok(best.into_hits())
    }

    fn len(&self) -> usize {
        self.present.len() as usize
    }

    fn heap_bytes(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(|block| block.heap_bytes() + 8).sum();
        blocks + self.present.serialized_size()
    }
}

impl Block {
    fn edited(number: u32, before: Option<&Self>, edits: &Edits<'_>, dims: usize) -> Self {
        let steps = steps(dims);
        let old_ids = before.map_or(&[][..], |block| &block.ids);
        let mut order: BTreeMap<u32, Option<usize>> = // row in the old block, or a new vector
            old_ids.iter().enumerate().map(|(row, id)| (*id, Some(row))).collect();
        for (id, vector) in edits {
            match vector {
                Some(_) => order.insert(*id, None),
                None => order.remove(id),
            };
        }
        let rows = order.len();
        let mut block = Self {
            number,
            dense_from: None,
            ids: Vec::with_capacity(rows),
            codes: Vec::with_capacity(rows * steps),
            scales: Vec::with_capacity(rows),
            signs: Vec::with_capacity(rows * lines(dims)),
            full: Vec::with_capacity(rows * dims),
        };
        let mut unit = vec![0.0f32; dims];
        for (id, row) in order {
            block.ids.push(id);
            if let (Some(row), Some(before)) = (row, before) {
                block.codes.extend_from_slice(before.code(row, dims).unwrap_or(&[]));
                block.scales.extend(before.scales.get(row));
                let wide = lines(dims);
                block.signs.extend_from_slice(before.signs.get(row * wide..(row + 1) * wide).unwrap_or(&[]));
                block.full.extend_from_slice(before.full(row, dims));
            } else if let Some(Some(vector)) = edits.get(&id) {
                unit.copy_from_slice(vector);
                normalise(&mut unit);
                let start = block.codes.len();
                block.codes.resize(start + steps, Step::ZERO);
                block.scales.push(quantise(&unit, block.codes.get_mut(start..).unwrap_or(&mut [])));
                signs(&unit, &mut block.signs);
                block.full.extend(unit.iter().map(|x| f16::from_f32(*x)));
            }
        }
        let ends = block.ids.first().zip(block.ids.last());
        let dense = |(first, last): &(&u32, &u32)| (*last - *first) as usize + 1 == rows;
        block.dense_from = ends.filter(dense).map(|(first, _)| *first);
        block
    }

    /// Where an item lies. Most blocks lack no id: then its place follows from the first, without a look at the others.
    fn row(&self, id: u32) -> Option<usize> {
        match self.dense_from {
            Some(first) => Some(id.checked_sub(first)? as usize).filter(|row| *row < self.ids.len()),
            None => {
                let direct = id.checked_sub(*self.ids.first()?)? as usize;
                let is_there = self.ids.get(direct) == Some(&id);
                if is_there { Some(direct) } else { self.ids.binary_search(&id).ok() }
            }
        }
    }

    fn code(&self, row: usize, dims: usize) -> Option<&[Step]> {
        let steps = steps(dims);
        self.codes.get(row * steps..(row + 1) * steps)
    }

    fn full(&self, row: usize, dims: usize) -> &[f16] {
        self.full.get(row * dims..(row + 1) * dims).unwrap_or(&[])
    }

    fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + self.ids.len() * 8
            + size_of_val(self.codes.as_slice())
            + self.signs.len() * size_of::<Line>()
            + self.full.len() * 2
    }
}

#[cfg(test)]
mod tests;
