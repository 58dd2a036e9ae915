//! Chooses between the scan and the graph from counts alone.

/// How a vector search is run; shown by `explain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Every allowed vector is scored.
    Exact {
        /// Allowed live vectors.
        candidates: usize,
    },
    /// The graph is walked and filtered afterwards; newer vectors are scored exactly.
    Graph {
        /// Allowed live vectors.
        candidates: usize,
        /// Ids taken from the graph.
        fetch: usize,
        /// Allowed ids among them below which the filter goes against the query's neighbourhood and
        /// the scan is run after all.
        expect: usize,
        /// Breadth of the walk.
        ef: usize,
        /// Allowed vectors outside the graph.
        delta: usize,
    },
}

/// What the planner knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation {
    /// Live vectors.
    pub(super) live: usize,
    /// Live vectors that are allowed.
    pub(super) candidates: usize,
    /// Allowed vectors outside the graph.
    pub(super) delta: usize,
    /// Points in the graph, dead ones included; `None` without a graph.
    pub(super) graph: Option<usize>,
    /// Candidates up to which the scan is faster.
    pub(super) crossover: usize,
}

/// Below this share of the live vectors a filtered walk costs more than the scan of what is left.
const NARROW: f64 = 0.2;
/// A walk this broad costs as much as a scan.
const FETCH_MAX: usize = 2048;

pub(super) fn choose(at: &Situation, k: usize) -> Plan {
    let exact = Plan::Exact { candidates: at.candidates };
    let Some(points) = at.graph else { return exact };
    if at.candidates <= at.crossover || (at.candidates as f64) < at.live as f64 * NARROW {
        return exact;
    }
    // Dead and forbidden points take places in the walk: ask for as many more.
    let useful = (at.candidates.saturating_sub(at.delta)) as f64 / points.max(1) as f64;
    let wanted = k.saturating_mul(4).max(64);
    let fetch = (wanted as f64 / useful.clamp(0.001, 1.0)).ceil() as usize;
    if fetch > FETCH_MAX || fetch >= points || at.delta * 2 > at.candidates {
        return exact;
    }
    Plan::Graph { candidates: at.candidates, fetch, expect: wanted / 2, ef: fetch * 2, delta: at.delta }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(live: usize, candidates: usize, delta: usize, graph: Option<usize>) -> Situation {
        Situation { live, candidates, delta, graph, crossover: 50_000 }
    }

    #[test]
    fn small_or_narrow_sets_are_scanned() {
        let exact = |s: Situation| matches!(choose(&s, 10), Plan::Exact { .. });
        assert!(exact(at(200_000, 200_000, 200_000, None)), "no graph");
        assert!(exact(at(200_000, 50_000, 0, Some(200_000))), "crossover");
        assert!(exact(at(1_000_000, 150_000, 0, Some(1_000_000))), "narrow");
        assert!(exact(at(200_000, 200_000, 150_000, Some(50_000))), "mostly new");
        assert!(!exact(at(200_000, 200_000, 100, Some(200_000))));
        assert!(matches!(choose(&at(200_000, 200_000, 0, Some(200_000)), 100_000), Plan::Exact { .. }));
    }

    #[test]
    fn dead_and_forbidden_points_widen_the_walk() {
        let fetch = |s: Situation| match choose(&s, 10) {
            Plan::Graph { fetch, .. } => fetch,
            Plan::Exact { .. } => 0,
        };
        assert_eq!(fetch(at(200_000, 200_000, 0, Some(200_000))), 64);
        assert_eq!(fetch(at(200_000, 100_000, 0, Some(200_000))), 128);
        assert_eq!(fetch(at(200_000, 200_000, 0, Some(250_000))), 80);
    }
}
