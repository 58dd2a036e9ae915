//! Which of the measured settings to recommend.
//!
//! Invariant: the current setting stays unless another one is clearly better on the same queries, or it is too slow.

use crate::cli::eval::figures::{Figures, to_f64};
use quarry_kb::SearchTuning;

/// nDCG that no one would notice: among settings this near to the best the one of fewest candidates is recommended.
const ALIKE: f64 = 0.002;

/// One setting and what it gave.
pub(super) struct Tried {
    pub(super) tuning: SearchTuning,
    pub(super) figures: Figures,
    /// nDCG@10 of each query, in one order for all settings.
    pub(super) each: Vec<f64>,
    pub(super) p50_ms: f64,
}

/// What a setting gains over another, in nDCG@10.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gain {
    pub(super) mean: f64,
    /// Two standard errors of the differences of single queries; infinite for a single query.
    pub(super) margin: f64,
}

impl Gain {
    pub(super) fn of(one: &Tried, over: &Tried) -> Self {
        let differences: Vec<f64> = one.each.iter().zip(&over.each).map(|(one, other)| one - other).collect();
        let count = to_f64(differences.len());
        let mean = differences.iter().fold(0.0, |sum, each| sum + each) / count.max(1.0);
        if count < 2.0 {
            return Self { mean, margin: f64::INFINITY };
        }
        let spread: f64 = differences.iter().map(|each| (each - mean).powi(2)).sum();
        Self { mean, margin: 2.0 * (spread / (count - 1.0) / count).sqrt() }
    }

    /// Whether it is more than chance explains.
    fn is_clear(self) -> bool {
        self.mean > 0.0 && self.mean > self.margin
    }
}

/// The current setting, or a clearly better one within `max_ms`; where the current one is slower than that, the best
/// within it, and the fastest of all when none is.
pub(super) fn recommend<'a>(tried: &'a [Tried], current: &'a Tried, max_ms: f64) -> &'a Tried {
    let is_fast = |one: &Tried| one.p50_ms <= max_ms;
    let better: Vec<&Tried> = tried
        .iter()
        .filter(|one| is_fast(one) && (!is_fast(current) || Gain::of(one, current).is_clear()))
        .collect();
    let best = better.iter().map(|one| one.figures.ndcg_10).fold(f64::NEG_INFINITY, f64::max);
    let fewest = |a: &&Tried, b: &&Tried| {
        a.tuning.candidates.cmp(&b.tuning.candidates).then(b.figures.ndcg_10.total_cmp(&a.figures.ndcg_10))
    };
    let chosen = better.into_iter().filter(|one| one.figures.ndcg_10 >= best - ALIKE).min_by(fewest);
    let quickest = || tried.iter().min_by(|a, b| a.p50_ms.total_cmp(&b.p50_ms));
    chosen.or_else(|| if is_fast(current) { None } else { quickest() }).unwrap_or(current)
}

/// Whether no other is both faster and better.
pub(super) fn on_front(one: &Tried, tried: &[Tried]) -> bool {
    !tried.iter().any(|other| {
        (other.p50_ms < one.p50_ms && other.figures.ndcg_10 >= one.figures.ndcg_10)
            || (other.p50_ms <= one.p50_ms && other.figures.ndcg_10 > one.figures.ndcg_10)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(candidates: usize, each: &[f64], p50_ms: f64) -> Tried {
        let ndcg_10 = each.iter().sum::<f64>() / to_f64(each.len());
        let tuning = SearchTuning { candidates, ..SearchTuning::default() };
        Tried { tuning, figures: Figures { ndcg_10, ..Figures::default() }, each: each.to_vec(), p50_ms }
    }

    #[test]
    fn a_gain_is_weighed_against_the_spread_of_single_queries() {
        let (low, high) = (tried(50, &[0.0, 0.5, 0.5, 0.0], 1.0), tried(50, &[0.1, 0.6, 0.6, 0.3], 1.0));
        let gain = Gain::of(&high, &low);
        assert!((gain.mean - 0.15).abs() < 1e-12 && (gain.margin - 0.1).abs() < 1e-12, "{gain:?}");
        assert!(gain.is_clear() && !Gain::of(&low, &high).is_clear() && !Gain::of(&low, &low).is_clear());
        assert!(
            !Gain::of(&tried(50, &[1.0], 1.0), &tried(50, &[0.0], 1.0)).is_clear(),
            "one query tells nothing"
        );
    }

    #[test]
    fn the_current_setting_stays_unless_another_is_clearly_better() {
        let all = [
            tried(100, &[0.5; 8], 1.0),
            // Better by two queries that may be chance.
            tried(50, &[1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], 0.5),
            tried(200, &[0.7; 8], 2.0),
            tried(150, &[0.699; 8], 2.5),
            tried(300, &[0.9; 8], 9.0),
        ];
        let chosen = |max_ms: f64| recommend(&all, &all[0], max_ms).tuning.candidates;
        assert_eq!(chosen(1.5), 100, "nothing is clearly better");
        assert_eq!(chosen(3.0), 150, "fewer candidates among equals");
        assert_eq!(chosen(10.0), 300);
        assert_eq!(chosen(0.7), 50, "the current one is too slow");
        assert_eq!(chosen(0.1), 50, "none is fast enough");
        assert_eq!(recommend(&all[..1], &all[0], 3.0).tuning.candidates, 100);
    }

    #[test]
    fn the_front_holds_what_nothing_beats() {
        let all = [tried(50, &[0.5], 0.5), tried(50, &[0.4], 0.6), tried(50, &[0.9], 9.0)];
        assert_eq!([0, 1, 2].map(|at: usize| on_front(&all[at], &all)), [true, false, true]);
    }
}
