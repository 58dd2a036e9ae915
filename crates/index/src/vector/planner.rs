//! Chooses between the scan and the graph from counts alone.

/// How a vector search is run; shown by `explain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// The allowed vectors are scanned.
    Exact {
        /// Allowed live vectors.
        candidates: usize,
    },
    /// The graph is walked, keeping what is allowed; newer vectors are scanned.
    Graph {
        /// Allowed live vectors.
        candidates: usize,
        /// Breadth of the walk (`ef`): the candidates it keeps.
        breadth: usize,
        /// Looked-at points past which the filter goes against the query's neighbourhood and the scan
        /// is run after all.
        visits: usize,
        /// Allowed vectors outside the graph.
        delta: usize,
    },
}

/// What the planner knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation {
    /// Live vectors that are allowed.
    pub(super) candidates: usize,
    /// Allowed vectors outside the graph.
    pub(super) delta: usize,
    /// Points in the graph, dead ones included, and the breadth that reaches the recall target;
    /// `None` without a graph.
    pub(super) graph: Option<(usize, usize)>,
    /// Steps by which walks are to be broader than that, for searches of late missed the target.
    pub(super) more: usize,
}

/// Points a walk looks at per candidate it keeps.
const LOOKED_PER_KEPT: f64 = 20.0;
/// Scanned vectors that take as long as one point looked at: those lie side by side, this anywhere. Under filters of 1
/// in 4 `vector_sweep --planned` gave 3.5 (a million vectors) to 7 (100,000).
const SCANNED_PER_LOOKED: f64 = 4.0;
/// Times the expected points a walk may look at.
const PATIENCE: f64 = 3.0;
/// Points near a query from which the share a filter keeps of them is no accident.
const NEAR_MIN: usize = 64;
/// Part of the expected share below which the filter goes against the query's neighbourhood.
const SCARCE: f64 = 0.5;

/// Share of the graph's points that a search may return; the others are looked at in vain.
pub(super) fn useful(at: &Situation) -> f64 {
    let points = at.graph.map_or(0, |(points, _)| points).max(1);
    (at.candidates.saturating_sub(at.delta) as f64 / points as f64).clamp(1e-6, 1.0)
}

/// Whether a filter kept far fewer of the points near the query than of all.
pub(super) fn is_scarce(near: usize, kept: usize, useful: f64) -> bool {
    near >= NEAR_MIN && (kept as f64) < near as f64 * useful * SCARCE
}

pub(super) fn choose(at: &Situation, k: usize) -> Plan {
    let exact = Plan::Exact { candidates: at.candidates };
    let Some((_, breadth)) = at.graph else { return exact };
    // Codes order by a few places wrong: some more than asked for.
    let floor = k.saturating_add(k / 5);
    let breadth = breadth.max(floor.saturating_add((floor / 2).saturating_mul(at.more)));
    let looked = breadth as f64 * LOOKED_PER_KEPT / useful(at);
    let walk_cost = looked * SCANNED_PER_LOOKED + at.delta as f64;
    if walk_cost >= at.candidates as f64 {
        return exact;
    }
    let visits = (looked * PATIENCE).ceil() as usize;
    Plan::Graph { candidates: at.candidates, breadth, visits, delta: at.delta }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(candidates: usize, delta: usize, graph: Option<usize>) -> Situation {
        Situation { candidates, delta, graph: graph.map(|points| (points, 64)), more: 0 }
    }

    #[test]
    fn small_or_narrow_sets_are_scanned() {
        let exact = |s: Situation| matches!(choose(&s, 10), Plan::Exact { .. });
        assert!(exact(at(200_000, 200_000, None)), "no graph");
        assert!(exact(at(3_000, 0, Some(3_000))), "few");
        assert!(exact(at(10_000, 0, Some(1_000_000))), "narrow");
        assert!(!exact(at(100_000, 0, Some(1_000_000))), "a tenth of many");
        assert!(exact(at(10_000, 0, Some(100_000))), "a tenth of some");
        assert!(exact(at(200_000, 190_000, Some(50_000))), "mostly new");
        assert!(!exact(at(200_000, 100, Some(200_000))));
        assert!(matches!(choose(&at(200_000, 0, Some(200_000)), 100_000), Plan::Exact { .. }));
    }

    #[test]
    fn the_walk_is_as_broad_as_wanted_and_more_patient_under_a_filter() {
        let plan = |s: Situation, k: usize| match choose(&s, k) {
            Plan::Graph { breadth, visits, .. } => (breadth, visits),
            Plan::Exact { .. } => (0, 0),
        };
        assert_eq!(plan(at(200_000, 0, Some(200_000)), 10), (64, 3_840));
        assert_eq!(plan(at(100_000, 0, Some(200_000)), 10), (64, 7_680));
        assert_eq!(plan(at(200_000, 0, Some(200_000)), 100).0, 120);
        let missing = Situation { more: 2, ..at(200_000, 0, Some(200_000)) };
        assert_eq!(
            (plan(missing, 100).0, plan(missing, 10).0),
            (240, 64),
            "deep searches become broader too"
        );
    }

    #[test]
    fn a_filter_against_the_neighbourhood_is_noticed() {
        let half = useful(&at(100_000, 0, Some(200_000)));
        assert!((half - 0.5).abs() < 1e-9);
        assert!(is_scarce(200, 20, half) && !is_scarce(200, 90, half));
        assert!(!is_scarce(20, 0, half), "too few to tell");
    }
}
