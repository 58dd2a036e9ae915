//! The scan of many vectors: signs first, then the codes of those that may be among the best.

use super::{AHEAD, BLOCK, Block, ExactInt8};
use crate::candidates::{Best, each_of};
use crate::vector::signs::SignQuery;
use crate::vector::simd::{Kernel, prefetch};
use crate::vector::{Query, VectorIndex};
use crate::{Candidates, Hit};
use std::ops::Range;
use std::sync::Arc;

/// Dimensions up to which codes are as short as signs.
const LEAST_DIMS: usize = 64;
/// Vectors of an index from which signs pay: the codes of fewer lie in the caches of the CPU.
const AMONG: usize = 8_000;
/// Allowed vectors for each one wanted from which they do.
const PER_WANTED: usize = 16;
/// Times the vectors wanted that are seen before a floor is set.
const FIRST_SEEN: usize = 4;
/// Part of the vectors, one in so many, that signs must not leave to be seen: seeing all would take less time.
const USELESS: usize = 2;
/// Blocks asked of the memory before they are needed.
const BLOCKS_AHEAD: usize = 4;
/// Bounds of which one is looked at to find a place among them.
const SAMPLED: usize = 16;

/// A row that may be among the best, and the bound above its cosine.
struct Row<'a> {
    block: &'a Block,
    at: usize,
    bound: f32,
}

impl ExactInt8 {
    /// Whether the best `k` of the allowed items are found sooner this way.
    pub(super) fn signs_pay(&self, k: usize, allowed: &Candidates<'_>) -> bool {
        let allowed = match allowed {
            Candidates::All => self.len(),
            Candidates::Only(allowed) => allowed.len() as usize,
        };
        self.dims() > LEAST_DIMS && self.len() >= AMONG && allowed / PER_WANTED >= k
    }

    /// The best `k` allowed items by code, but for some in a thousand whose signs mislead (copies of one vector
    /// together): which, depends on `k` and the filter.
    pub(super) fn scan_signs(&self, query: &Query, k: usize, allowed: &Candidates<'_>) -> Best {
        let asked = SignQuery::new(&query.full);
        let (mut blocks, mut rows, mut bounds) =
            (Vec::<(&Arc<Block>, Range<usize>)>::new(), Vec::new(), Vec::new());
        let look_at = |blocks: &[(&Arc<Block>, Range<usize>)], rows: &[u32], bounds: &mut Vec<f32>| {
            if let Some((block, range)) = blocks.last() {
                asked.bounds(&block.signs, rows.get(range.clone()).unwrap_or(&[]), bounds);
            }
        };
        let wanted = match allowed {
            Candidates::All => None,
            Candidates::Only(allowed) => {
                let mut ids = Vec::with_capacity(allowed.len() as usize);
                each_of(allowed, |some| ids.extend_from_slice(some));
                Some(ids)
            }
        };
        let mut wanted = wanted.as_deref();
        let count = wanted.map_or(self.len(), |ids| ids.len().min(self.len()));
        rows.reserve(count);
        bounds.reserve(count);
        for (at, block) in self.blocks.iter().enumerate() {
            if let Some(ahead) = self.blocks.get(at + BLOCKS_AHEAD) {
                prefetch(std::slice::from_ref(ahead.as_ref()));
            }
            let from = rows.len();
            match &mut wanted {
                None => rows.extend(0..block.ids.len() as u32),
                Some(ids) => {
                    let others = ids.iter().take_while(|id| **id / BLOCK < block.number).count();
                    let (_, here) = ids.split_at(others);
                    let (mine, rest) =
                        here.split_at(here.iter().take_while(|id| **id / BLOCK == block.number).count());
                    rows.extend(mine.iter().filter_map(|id| Some(block.row(*id)? as u32)));
                    *ids = rest;
                }
            }
            // While these come from memory, those of the block before are looked at.
            asked.ask_for(&block.signs, rows.get(from..).unwrap_or(&[]));
            look_at(&blocks, &rows, &mut bounds);
            blocks.push((block, from..rows.len()));
        }
        look_at(&blocks, &rows, &mut bounds);
        // What looks best is seen first: it raises the floor that the others have to reach.
        let mut coarse = Best::new(k);
        let mut below = f32::INFINITY;
        for least in [nth_largest(&bounds, FIRST_SEEN * k), f32::NEG_INFINITY] {
            let floor = least.max(coarse.floor());
            let mut promising = Vec::new();
            for (block, range) in &blocks {
                let (Some(rows), Some(bounds)) = (rows.get(range.clone()), bounds.get(range.clone())) else {
                    continue;
                };
                for (row, bound) in rows.iter().zip(bounds) {
                    if *bound >= floor && *bound < below {
                        promising.push(Row { block, at: *row as usize, bound: *bound });
                    }
                }
            }
            // Vectors that all point one way are not told apart by signs.
            if promising.len() > bounds.len() / USELESS {
                return self.scan_codes(query, k, allowed);
            }
            see(query, &promising, &mut coarse);
            below = least;
        }
        coarse
    }
}

/// Compares the codes of rows whose bound still reaches what was found.
fn see(query: &Query, rows: &[Row<'_>], best: &mut Best) {
    let (kernel, dims) = (Kernel::best(), query.full.len());
    let mut floor = best.floor();
    for (step, Row { block, at, bound }) in rows.iter().enumerate() {
        if let Some(Row { block, at, .. }) = rows.get(step + AHEAD) {
            prefetch(block.code(*at, dims).unwrap_or(&[]));
            prefetch(block.scales.get(*at..=*at).unwrap_or(&[]));
            prefetch(block.ids.get(*at..=*at).unwrap_or(&[]));
        }
        if *bound >= floor
            && let (Some(code), Some(scale), Some(id)) =
                (block.code(*at, dims), block.scales.get(*at), block.ids.get(*at))
        {
            let score = kernel.dot(&query.code, code) as f32 * (scale * query.scale);
            best.push(Hit { id: *id, score });
            floor = best.floor();
        }
    }
}

/// About the `n`th largest, by a sample.
fn nth_largest(values: &[f32], n: usize) -> f32 {
    let mut sample: Vec<f32> = values.iter().step_by(SAMPLED).copied().collect();
    let n = n / SAMPLED;
    if n >= sample.len() {
        return f32::NEG_INFINITY;
    }
    *sample.select_nth_unstable_by(n, |a, b| b.total_cmp(a)).1
}
