//! Measures of a ranking against grades: nDCG@10, recall, MRR@10.
//!
//! Invariant: every figure lies in 0..=1 and is 1 for the ideal ranking (recall: when it fits).

use serde::Serialize;
use std::collections::HashMap;

/// Means over queries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Figures {
    pub(crate) ndcg_10: f64,
    pub(crate) recall_5: f64,
    pub(crate) recall_10: f64,
    pub(crate) recall_100: f64,
    pub(crate) mrr_10: f64,
}

impl Figures {
    /// Of one ranking, documents best first without repeats. Gains are the grades themselves,
    /// discounted by the logarithm of the rank.
    pub(crate) fn of(ranking: &[usize], relevant: &HashMap<usize, f64>) -> Self {
        let mut ideal: Vec<f64> = relevant.values().copied().collect();
        ideal.sort_by(|a, b| b.total_cmp(a));
        let best = gain(ideal.iter().copied());
        let grade = |doc: &usize| relevant.get(doc).copied().unwrap_or(0.0);
        let recall = |depth: usize| {
            let found = ranking.iter().take(depth).filter(|doc| relevant.contains_key(doc)).count();
            ratio(found, relevant.len())
        };
        let first = ranking.iter().take(10).position(|doc| relevant.contains_key(doc));
        Self {
            ndcg_10: if best > 0.0 { gain(ranking.iter().map(grade)) / best } else { 0.0 },
            recall_5: recall(5),
            recall_10: recall(10),
            recall_100: recall(100),
            mrr_10: first.map_or(0.0, |at| ratio(1, at + 1)),
        }
    }

    pub(crate) fn mean(all: &[Self]) -> Self {
        let mean = |figure: fn(&Self) -> f64| {
            let sum = all.iter().map(figure).fold(0.0, |sum, each| sum + each);
            if all.is_empty() { 0.0 } else { sum / to_f64(all.len()) }
        };
        Self {
            ndcg_10: mean(|of| of.ndcg_10),
            recall_5: mean(|of| of.recall_5),
            recall_10: mean(|of| of.recall_10),
            recall_100: mean(|of| of.recall_100),
            mrr_10: mean(|of| of.mrr_10),
        }
    }
}

fn gain(grades: impl Iterator<Item = f64>) -> f64 {
    // Not `sum`, which begins at minus zero.
    grades.take(10).zip(2_u32..).fold(0.0, |sum, (grade, place)| sum + grade / f64::from(place).log2())
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { to_f64(part) / to_f64(whole) }
}

#[allow(clippy::cast_precision_loss, reason = "counts of documents and queries")]
pub(crate) fn to_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_by_hand() {
        let relevant = HashMap::from([(1, 2.0), (2, 1.0), (9, 1.0)]);
        let ideal = Figures::of(&[1, 2, 9], &relevant);
        assert_eq!(
            ideal,
            Figures { ndcg_10: 1.0, recall_5: 1.0, recall_10: 1.0, recall_100: 1.0, mrr_10: 1.0 }
        );
        let some = Figures::of(&[5, 1, 6, 7, 8, 2], &relevant);
        let wanted = (2.0 / 3f64.log2() + 1.0 / 7f64.log2()) / (2.0 + 1.0 / 3f64.log2() + 1.0 / 4f64.log2());
        assert!((some.ndcg_10 - wanted).abs() < 1e-12, "{some:?}");
        assert!((some.recall_5 - 1.0 / 3.0).abs() < 1e-12 && (some.recall_10 - 2.0 / 3.0).abs() < 1e-12);
        assert!((some.mrr_10 - 0.5).abs() < 1e-12);
        let late: Vec<usize> = (100..110).chain([1]).collect();
        let late = Figures::of(&late, &relevant);
        assert_eq!((late.ndcg_10, late.mrr_10), (0.0, 0.0));
        let none = Figures::of(&[], &relevant);
        assert!(none.ndcg_10.is_sign_positive() && Figures::mean(&[none]).ndcg_10.is_sign_positive());
        assert!(late.recall_100 > 0.3);
    }
}
