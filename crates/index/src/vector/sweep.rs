//! Recall against time of every way to search one set of vectors, for choosing settings.

use super::graph::HnswIndex;
use super::{Query, VectorIndex, VectorSnapshot};
use crate::candidates::Best;
use crate::error::Result;
use crate::{Candidates, Error, Hit};
use std::fmt;
use std::time::Instant;

/// Hits compared with the exact ones.
const DEPTH: usize = 10;

/// A way to search vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepBy {
    /// All of them: by int8 codes, of many those that their signs do not rule out, the best again in half
    /// precision. What small sets are searched by.
    Scan,
    /// All of them, by int8 codes alone.
    Codes,
    /// All of them, in half precision, looked up one by one.
    Halves,
    /// A graph.
    Graph {
        /// Links per point (`M`).
        links: usize,
        /// Breadth of the walk (`ef`).
        breadth: usize,
    },
}

impl SweepBy {
    /// Links and breadth of a graph.
    #[must_use]
    pub fn graph(self) -> Option<(usize, usize)> {
        match self {
            Self::Graph { links, breadth } => Some((links, breadth)),
            _ => None,
        }
    }
}

impl fmt::Display for SweepBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scan => f.pad("scan"),
            Self::Codes => f.pad("int8 alone"),
            Self::Halves => f.pad("f16 alone"),
            Self::Graph { links, breadth } => f.pad(&format!("M {links} ef {breadth}")),
        }
    }
}

/// One way to search and what it gave.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepPoint {
    /// How the vectors were searched.
    pub by: SweepBy,
    /// Share of the true ten nearest that was found.
    pub recall: f64,
    /// Median time of one search, in milliseconds.
    pub p50_ms: f64,
    /// Bytes of memory per vector, those of the exact index included.
    pub bytes_per_vector: usize,
}

impl VectorSnapshot {
    /// Searches all of `queries` by every way there is: scans, and graphs of each of `links` with each
    /// breadth, built for this on the calling thread. Vectors that no graph can hold give scans alone.
    ///
    /// # Errors
    /// As [`VectorIndex::search`] and [`HnswIndex::build`].
    pub fn sweep(
        &self,
        queries: &[Vec<f32>],
        links: &[usize],
        breadths: &[usize],
    ) -> Result<Vec<SweepPoint>> {
        let exact = self.exact();
        let checked = queries.iter().filter_map(|query| Query::new(query, exact.dims()).transpose());
        let queries = checked.collect::<Result<Vec<Query>>>()?;
        let truth: Vec<Vec<Hit>> = queries.iter().map(|query| exact.scan_halves(query, DEPTH)).collect();
        let sweep = Sweep { queries, truth };
        let all = exact.heap_bytes();
        let scan = |query: &Query| {
            let mut best = Best::new(DEPTH);
            exact.scan(query, DEPTH, &Candidates::All, &mut best);
            best.into_hits()
        };
        let codes = |query: &Query| {
            let coarse = exact.scan_codes(query, DEPTH, &Candidates::All).into_hits();
            // Only the order is the codes': what counts as found is told by the cosine.
            exact.rescored(query, coarse.iter().map(|hit| hit.id), DEPTH)
        };
        let halves = |query: &Query| exact.scan_halves(query, DEPTH);
        let mut points = vec![
            sweep.point(SweepBy::Scan, exact.len(), all, scan),
            sweep.point(SweepBy::Codes, exact.len(), all - exact.half_bytes() - exact.sign_bytes(), codes),
            sweep.point(SweepBy::Halves, exact.len(), all - exact.code_bytes() - exact.sign_bytes(), halves),
        ];
        for links in links {
            let graph = match HnswIndex::build(exact, *links, &|| false) {
                Ok(graph) => graph,
                // These vectors are scanned in operation too: that is all there is to choose.
                Err(Error::Unreachable { .. }) => continue,
                Err(error) => return Err(error),
            };
            for breadth in breadths {
                // As in operation: what the graph does not reach is scanned beside every walk.
                let walk = |query: &Query| {
                    let reached = |id: u32| !graph.unreachable().contains(id);
                    let (near, _) = graph.nearest(query, *breadth, usize::MAX, reached);
                    let mut best = Best::new(DEPTH);
                    exact.rescore_nearest(query, &near, DEPTH, &mut best);
                    exact.scan(query, DEPTH, &Candidates::Only(graph.unreachable()), &mut best);
                    best.into_hits()
                };
                let by = SweepBy::Graph { links: *links, breadth: *breadth };
                points.push(sweep.point(by, exact.len(), all + graph.heap_bytes(), walk));
            }
        }
        Ok(points)
    }
}

/// Questions with their true answers.
struct Sweep {
    queries: Vec<Query>,
    truth: Vec<Vec<Hit>>,
}

impl Sweep {
    fn point(
        &self,
        by: SweepBy,
        vectors: usize,
        bytes: usize,
        search: impl Fn(&Query) -> Vec<Hit>,
    ) -> SweepPoint {
        let (mut found, mut wanted, mut times) = (0, 0, Vec::new());
        for (query, truth) in self.queries.iter().zip(&self.truth) {
            let begun = Instant::now();
            let hits = search(query);
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
            let last = truth.last().map_or(f32::NEG_INFINITY, |hit| hit.score);
            found += hits.iter().filter(|hit| hit.score >= last).count().min(truth.len());
            wanted += truth.len();
        }
        SweepPoint {
            by,
            recall: if wanted == 0 { 1.0 } else { found as f64 / wanted as f64 },
            p50_ms: median(times),
            bytes_per_vector: bytes / vectors.max(1),
        }
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}
