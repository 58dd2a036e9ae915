//! Vector search by cosine: exact over int8 codes for small sets, a graph for large ones.
//!
//! Knows nothing of texts or models. Invariant: every score returned is the cosine of the query
//! with the stored (half precision) vector, whatever plan found the item.

mod exact;
mod graph;
mod planner;
mod probe;
mod set;
mod signs;
pub(crate) mod simd;
mod sweep;

pub use exact::ExactInt8;
pub use graph::HnswIndex;
pub use planner::Plan;
pub use set::{GraphBuild, Recall, VectorOptions, VectorSet, VectorSnapshot};
pub use sweep::{SweepBy, SweepPoint};

use crate::error::Result;
use crate::{Candidates, Error, Hit};
use simd::{STEP, Step};

/// Nearest items by cosine. Two implementations: [`ExactInt8`] and [`HnswIndex`].
pub trait VectorIndex: Send + Sync {
    /// The best `k` of the allowed items, best first, ties by id. A query of zeros finds nothing.
    ///
    /// # Errors
    /// When the query has the wrong number of dimensions or holds values that are not finite.
    fn search(&self, query: &[f32], k: usize, allowed: &Candidates<'_>) -> Result<Vec<Hit>>;

    /// Number of indexed vectors.
    fn len(&self) -> usize;

    /// Whether nothing is indexed.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory held, parts shared with other snapshots included.
    fn heap_bytes(&self) -> usize;
}

/// A query of length one in both precisions, checked; `None` when it is all zeros.
struct Query {
    full: Vec<f32>,
    code: Vec<Step>,
    scale: f32,
}

impl Query {
    fn new(query: &[f32], dims: usize) -> Result<Option<Self>> {
        if query.len() != dims {
            return Err(Error::QueryDimensions { got: query.len(), want: dims });
        }
        if query.iter().any(|x| !x.is_finite()) {
            return Err(Error::QueryNotFinite);
        }
        let mut full = query.to_vec();
        if !normalise(&mut full) {
            return Ok(None);
        }
        let mut code = vec![Step::ZERO; steps(dims)];
        let scale = quantise(&full, &mut code);
        Ok(Some(Self { full, code, scale }))
    }
}

/// Steps of one row of codes; the last is filled up with zeros.
fn steps(dims: usize) -> usize {
    dims.div_ceil(STEP)
}

/// Brings a finite vector to length one; `false` when it is (next to) zero and was made all zeros.
fn normalise(vector: &mut [f32]) -> bool {
    // In f64, so that neither huge nor tiny finite values overflow the sum.
    let norm = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if norm < 1e-30 {
        vector.fill(0.0);
        return false;
    }
    for x in vector.iter_mut() {
        *x = (f64::from(*x) / norm) as f32;
    }
    true
}

/// Writes codes in −127..=127 and returns the scale: `vector[i] ≈ code[i] × scale`.
fn quantise(vector: &[f32], code: &mut [Step]) -> f32 {
    let largest = vector.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    if largest == 0.0 {
        return 0.0;
    }
    let up = 127.0 / largest;
    for (to, part) in code.iter_mut().zip(vector.chunks(STEP)) {
        for (to, x) in to.0.iter_mut().zip(part) {
            *to = (x * up).round().clamp(-127.0, 127.0) as i8;
        }
    }
    largest / 127.0
}
