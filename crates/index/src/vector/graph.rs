//! HNSW over int8 codes for large sets: a sealed, read-only graph.
//!
//! The graph crate knows neither delete nor update, so this never changes once built; the set
//! around it drops dead ids and searches newer vectors exactly. Its own inner-product distance
//! asserts on rounding, hence the clamped metric here. Dead ends are found at build time: items a
//! search for their own vector does not reach are listed and searched exactly.

use super::exact::ExactInt8;
use super::simd::Kernel;
use super::{Query, VectorIndex};
use crate::candidates::Best;
use crate::error::Result;
use crate::{Candidates, Error, Hit};
use hnsw_rs::prelude::{Distance, Hnsw};
use roaring::RoaringBitmap;

/// Links per point and layer, and candidates kept while building: the measured set of settings
/// (M 16, ef 200) that other HNSW engines use as well.
const LINKS: usize = 16;
const EF_BUILD: usize = 200;
const LAYERS: usize = 16;
/// Share of points that may be unreachable before the whole graph is refused.
const UNREACHABLE_MAX: f64 = 0.05;
/// Bytes per point besides its code (links, locks, reference counts): `search_speed 20000 --graph`
/// printed 2,903 resident bytes per vector, 388 of them the code.
const POINT_OVERHEAD: usize = 2515;

/// Clamped cosine distance of rows made by [`row`].
#[derive(Clone, Copy)]
struct CodeCosine {
    kernel: Kernel,
}

/// A point as the graph stores it: the code, then its scale as four bytes.
fn row(code: &[i8], scale: f32, out: &mut Vec<i8>) {
    out.clear();
    out.extend_from_slice(code);
    out.extend(scale.to_le_bytes().map(|byte| byte as i8));
}

fn split(row: &[i8]) -> (&[i8], f32) {
    let (code, scale) = row.split_at(row.len().saturating_sub(4));
    let mut bytes = [0u8; 4];
    for (to, byte) in bytes.iter_mut().zip(scale) {
        *to = *byte as u8;
    }
    (code, f32::from_le_bytes(bytes))
}

impl Distance<i8> for CodeCosine {
    fn eval(&self, a: &[i8], b: &[i8]) -> f32 {
        let ((a, a_scale), (b, b_scale)) = (split(a), split(b));
        (1.0 - self.kernel.dot(a, b) as f32 * (a_scale * b_scale)).max(0.0)
    }
}

/// A sealed graph over the vectors of one moment.
pub struct HnswIndex {
    graph: Hnsw<'static, i8, CodeCosine>,
    vectors: ExactInt8,
    unreachable: RoaringBitmap,
}

impl HnswIndex {
    /// Builds over all of `vectors`, on the calling thread: about 2 CPU milliseconds per vector.
    /// `stop` is asked now and then.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when told to stop; [`Error::Unreachable`] when the graph does not find
    /// its own points.
    pub fn build(vectors: &ExactInt8, stop: &dyn Fn() -> bool) -> Result<Self> {
        let metric = CodeCosine { kernel: Kernel::best() };
        let graph = Hnsw::new(LINKS, vectors.len().max(1), LAYERS, EF_BUILD, metric);
        let mut point = Vec::new();
        for (done, (id, code, scale)) in vectors.codes().enumerate() {
            if done.is_multiple_of(128) && stop() {
                return Err(Error::Cancelled);
            }
            row(code, scale, &mut point);
            graph.insert((&point, id as usize));
        }
        let mut built = Self { graph, vectors: vectors.clone(), unreachable: RoaringBitmap::new() };
        built.check(stop)?;
        Ok(built)
    }

    /// Searches every point by its own vector.
    fn check(&mut self, stop: &dyn Fn() -> bool) -> Result<()> {
        let mut unreachable = RoaringBitmap::new();
        let mut point = Vec::new();
        for (done, (id, code, scale)) in self.vectors.codes().enumerate() {
            if done.is_multiple_of(128) && stop() {
                return Err(Error::Cancelled);
            }
            row(code, scale, &mut point);
            if !self.graph.search(&point, 10, 64).iter().any(|found| found.d_id == id as usize) {
                unreachable.insert(id);
            }
        }
        let (points, lost) = (self.vectors.len(), unreachable.len() as usize);
        // Many equal vectors hide one another in any ranking; that alone is no damage, as the
        // unreachable are searched exactly. Past this share the graph is not worth having.
        if lost as f64 > points as f64 * UNREACHABLE_MAX {
            return Err(Error::Unreachable { found: points - lost, points });
        }
        self.unreachable = unreachable;
        Ok(())
    }

    /// The vectors the graph was built over.
    pub(super) fn vectors(&self) -> &ExactInt8 {
        &self.vectors
    }

    /// Items only an exact search is sure to find.
    pub(super) fn unreachable(&self) -> &RoaringBitmap {
        &self.unreachable
    }

    /// About `count` nearest ids by code.
    pub(super) fn nearest(&self, query: &Query, count: usize, ef: usize) -> impl Iterator<Item = u32> {
        let mut point = Vec::new();
        row(&query.code, query.scale, &mut point);
        let found = if self.vectors.is_empty() {
            Vec::new()
        } else {
            self.graph.search(&point, count, ef.max(count))
        };
        found.into_iter().filter_map(|near| u32::try_from(near.d_id).ok())
    }
}

impl VectorIndex for HnswIndex {
    /// Approximate: over-fetches and drops what is not allowed, so it may come back short under a
    /// narrow filter. [`super::VectorSet`] plans around that.
    fn search(&self, query: &[f32], k: usize, allowed: &Candidates<'_>) -> Result<Vec<Hit>> {
        let mut best = Best::new(k);
        if let Some(query) = Query::new(query, self.vectors.dims())?
            && k > 0
        {
            let count = k.saturating_mul(4).max(64).min(self.vectors.len());
            let mut ids = self
                .nearest(&query, count, count * 2)
                .filter(|id| !self.unreachable.contains(*id))
                .chain(self.unreachable.iter())
                .filter(|id| allowed.contains(*id));
            self.vectors.rescore(&query, &mut ids, &mut best);
        }
        Ok(best.into_hits())
    }

    fn len(&self) -> usize {
        self.vectors.len()
    }

    /// The links and codes of the graph; the vectors are counted by the set that shares them.
    fn heap_bytes(&self) -> usize {
        self.vectors.len() * (super::stride(self.vectors.dims()) + 4 + POINT_OVERHEAD)
    }
}
