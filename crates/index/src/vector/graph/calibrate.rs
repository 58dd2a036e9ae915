//! How broad a walk must be for a wanted recall, measured on the graph itself.
//!
//! Invariant: breadths and their recalls rise together, and the last breadth is always offered.

use super::HnswIndex;
use crate::candidates::Best;
use crate::error::Result;
use crate::vector::exact::ExactInt8;
use crate::vector::{Query, VectorIndex};
use crate::{Candidates, Error};

/// Breadths tried, narrow to broad.
const BREADTHS: [usize; 12] = [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768];
/// Queries each breadth is tried with.
const QUERIES: usize = 100;
/// Hits compared with the exact ones.
const DEPTH: usize = 10;
/// No target asks for more: the steps after it are not measured.
const ENOUGH: f64 = 0.9995;

/// Measured recall@10 by breadth.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calibration {
    steps: Vec<(usize, f64)>,
}

impl Calibration {
    /// Asks with indexed vectors, pushed aside so far that they are no member's own vector any more.
    pub(super) fn measure(graph: &HnswIndex, stop: &dyn Fn() -> bool) -> Result<Self> {
        let vectors = graph.vectors();
        let mut asked = Vec::new();
        for query in queries(vectors) {
            if stop() {
                return Err(Error::Cancelled);
            }
            if let Some(query) = Query::new(&query, vectors.dims())? {
                let mut truth = Best::new(DEPTH);
                vectors.scan_all(&query, DEPTH, &Candidates::All, &mut truth);
                // What is searched exactly beside every walk is no merit of its breadth.
                let mut beside = Best::new(DEPTH);
                vectors.scan(&query, DEPTH, &Candidates::Only(graph.unreachable()), &mut beside);
                asked.push((query, truth.into_hits(), beside.into_hits()));
            }
        }
        let mut steps: Vec<(usize, f64)> = Vec::new();
        for breadth in BREADTHS {
            let (mut found, mut wanted) = (0, 0);
            for (query, truth, beside) in &asked {
                if stop() {
                    return Err(Error::Cancelled);
                }
                let (near, _) =
                    graph.nearest(query, breadth, usize::MAX, |id| !graph.unreachable().contains(id));
                let mut best = Best::new(DEPTH);
                beside.iter().for_each(|hit| best.push(*hit));
                vectors.rescore_nearest(query, &near, DEPTH, &mut best);
                let hits = best.into_hits();
                // Equal cosines may stand for one another.
                let last = truth.last().map_or(f32::NEG_INFINITY, |hit| hit.score);
                found += hits.iter().filter(|hit| hit.score >= last).count().min(truth.len());
                wanted += truth.len();
            }
            let recall = if wanted == 0 { 1.0 } else { found as f64 / wanted as f64 };
            let before = steps.last().map_or(0.0, |(_, recall)| *recall);
            steps.push((breadth, recall.max(before)));
            if recall >= ENOUGH {
                break;
            }
        }
        Ok(Self { steps })
    }

    pub(super) fn steps(&self) -> &[(usize, f64)] {
        &self.steps
    }

    pub(super) fn of_steps(steps: Vec<(usize, f64)>) -> Self {
        Self { steps }
    }

    /// The narrowest breadth that reaches `target`, or the broadest there is, `more` steps further; with
    /// its measured recall.
    pub(crate) fn breadth(&self, target: f64, more: usize) -> (usize, f64) {
        let reaching = self.steps.iter().position(|(_, recall)| *recall >= target);
        let last = self.steps.len().saturating_sub(1);
        let at = reaching.unwrap_or(last).saturating_add(more);
        match self.steps.get(at).or(self.steps.last()) {
            // Past what was measured: twice as broad per further step.
            Some((breadth, recall)) => (breadth << at.saturating_sub(last).min(4), *recall),
            None => (64, 1.0),
        }
    }
}

/// Every so-many-th vector with noise of half again its own length, the same at each call: about as far from
/// it (cosine .55) as a question from the passage that answers it.
fn queries(vectors: &ExactInt8) -> Vec<Vec<f32>> {
    let step = (vectors.len() / QUERIES).max(1);
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut noise = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 / (1u64 << 24) as f32) - 0.5
    };
    let rows = vectors.codes().step_by(step).take(QUERIES);
    rows.map(|(_, code, scale)| {
        let dims = vectors.dims();
        let aside = 5.2 / (dims as f32).sqrt();
        code.iter()
            .flat_map(|step| step.0)
            .take(dims)
            .map(|x| f32::from(x) * scale + noise() * aside)
            .collect()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_breadth_that_reaches_the_target_is_taken() {
        let measured = Calibration { steps: vec![(16, 0.9), (24, 0.97), (32, 0.995)] };
        assert_eq!(measured.breadth(0.95, 0), (24, 0.97));
        assert_eq!(measured.breadth(0.95, 1), (32, 0.995));
        assert_eq!(measured.breadth(0.99, 0).0, 32);
        assert_eq!(measured.breadth(0.999, 0).0, 32, "the best there is");
        assert_eq!(measured.breadth(0.999, 2).0, 128, "beyond what was measured");
        assert_eq!(Calibration::default().breadth(0.9, 0).0, 64);
    }
}
