//! Recall as searches really have it: now and then a walk is checked against a scan of every code.
//!
//! Invariant: figures are of the graph in use; a new graph starts with none.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// One walk in so many is checked.
const EVERY: u64 = 256;
/// Hits compared before the breadth is judged.
const JUDGED: u64 = 200;
/// Hits compared past which the older ones count less and less.
const REMEMBERED: u64 = 2000;
/// Most steps the breadth is raised.
const STEPS_MAX: usize = 6;
/// How far below the target is no accident.
const SLACK: f64 = 0.003;

/// Counts of checked walks.
#[derive(Debug, Default)]
pub(super) struct Probe {
    walks: AtomicU64,
    wanted: AtomicU64,
    found: AtomicU64,
    more: AtomicUsize,
}

impl Probe {
    /// Whether this walk is to be checked.
    pub(super) fn is_due(&self) -> bool {
        self.walks.fetch_add(1, Ordering::Relaxed).is_multiple_of(EVERY)
    }

    /// Takes one check in; raises the breadth when the walks of late miss the target.
    pub(super) fn record(&self, found: usize, wanted: usize, target: f64) {
        let found = self.found.fetch_add(found as u64, Ordering::Relaxed) + found as u64;
        let wanted = self.wanted.fetch_add(wanted as u64, Ordering::Relaxed) + wanted as u64;
        if wanted >= JUDGED && (found as f64) < wanted as f64 * (target - SLACK) {
            if self.more() < STEPS_MAX {
                let more = self.more.fetch_add(1, Ordering::Relaxed) + 1;
                tracing::info!(found, wanted, more, "vector recall is below its target; walking broader");
            }
            // The old figures are of the old breadth.
            self.found.store(0, Ordering::Relaxed);
            self.wanted.store(0, Ordering::Relaxed);
        } else if wanted >= REMEMBERED {
            self.found.store(found / 2, Ordering::Relaxed);
            self.wanted.store(wanted / 2, Ordering::Relaxed);
        }
    }

    /// Steps the breadth is raised by.
    pub(super) fn more(&self) -> usize {
        self.more.load(Ordering::Relaxed)
    }

    /// Share found of all hits compared so far.
    pub(super) fn recall(&self) -> Option<f64> {
        let wanted = self.wanted.load(Ordering::Relaxed);
        (wanted > 0).then(|| (self.found.load(Ordering::Relaxed) as f64 / wanted as f64).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misses_make_walks_broader_and_hits_do_not() {
        let probe = Probe::default();
        assert!(probe.is_due() && !probe.is_due());
        assert_eq!(probe.recall(), None);
        for _ in 0..100 {
            probe.record(10, 10, 0.99);
        }
        assert_eq!((probe.more(), probe.recall()), (0, Some(1.0)));
        for _ in 0..10_000 {
            probe.record(10, 10, 0.99);
        }
        for _ in 0..60 {
            probe.record(7, 10, 0.99);
        }
        assert!(probe.more() > 0, "long ago does not excuse today");
        let probe = Probe::default();
        for _ in 0..20 {
            probe.record(9, 10, 0.99);
        }
        assert_eq!((probe.more(), probe.recall()), (1, None), "judged anew at the new breadth");
        for _ in 0..10_000 {
            probe.record(0, 10, 0.99);
        }
        assert_eq!(probe.more(), STEPS_MAX);
    }
}
