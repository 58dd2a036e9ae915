//! Recall against time of every way to search one set of vectors, for choosing settings.

use super::graph::HnswIndex;
use super::{Query, VectorIndex, VectorSnapshot};
use crate::candidates::Best;
use crate::error::Result;
use crate::{Candidates, Error};
use std::time::Instant;

/// Hits compared with the exact ones.
const DEPTH: usize = 10;

/// One way to search and what it gave.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepPoint {
    /// Breadth of the walk (`ef`); `None` for the exact scan.
    pub breadth: Option<usize>,
    /// Share of the true ten nearest that was found.
    pub recall: f64,
    /// Median time of one search, in milliseconds.
    pub p50_ms: f64,
    /// Bytes of memory per vector, those of the exact index included.
    pub bytes_per_vector: usize,
}

impl VectorSnapshot {
    /// Builds a graph over these vectors and searches all of `queries` with each breadth, on the calling
    /// thread. Vectors that no graph can hold give the point of the exact scan alone.
    ///
    /// # Errors
    /// As [`VectorIndex::search`] and [`HnswIndex::build`].
    pub fn sweep(&self, queries: &[Vec<f32>], breadths: &[usize]) -> Result<Vec<SweepPoint>> {
        let exact = self.exact();
        let (mut truth, mut times) = (Vec::new(), Vec::new());
        for query in queries {
            let begun = Instant::now();
            truth.push(exact.search(query, DEPTH, &Candidates::All)?);
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        let per_vector = |bytes: usize| bytes / exact.len().max(1);
        let bytes = per_vector(exact.heap_bytes());
        let mut points =
            vec![SweepPoint { breadth: None, recall: 1.0, p50_ms: median(times), bytes_per_vector: bytes }];
        let graph = match HnswIndex::build(exact, &|| false) {
            Ok(graph) => graph,
            // These vectors are scanned in operation too: that is all there is to choose.
            Err(Error::Unreachable { .. }) => return Ok(points),
            Err(error) => return Err(error),
        };
        let both = bytes + per_vector(graph.heap_bytes());
        for breadth in breadths {
            let (mut found, mut wanted, mut times) = (0, 0, Vec::new());
            for (query, truth) in queries.iter().zip(&truth) {
                let begun = Instant::now();
                let mut best = Best::new(DEPTH);
                if let Some(query) = Query::new(query, exact.dims())? {
                    let (near, _) = graph.nearest(&query, *breadth, usize::MAX, |_| true);
                    exact.rescore(&query, &mut near.into_iter(), &mut best);
                }
                let hits = best.into_hits();
                times.push(begun.elapsed().as_secs_f64() * 1000.0);
                let last = truth.last().map_or(f32::NEG_INFINITY, |hit| hit.score);
                found += hits.iter().filter(|hit| hit.score >= last).count().min(truth.len());
                wanted += truth.len();
            }
            points.push(SweepPoint {
                breadth: Some(*breadth),
                recall: if wanted == 0 { 1.0 } else { found as f64 / wanted as f64 },
                p50_ms: median(times),
                bytes_per_vector: both,
            });
        }
        Ok(points)
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}
