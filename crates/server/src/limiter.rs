//! Requests per second of each workspace: a sliding window over the moments of admitted requests.
//!
//! Knows nothing of tokens or HTTP. Invariants: no half-open second, wherever it starts, holds more
//! admitted requests than the limit; a refused request takes no place, so whoever keeps asking
//! still gets the full limit, and the oldest place is free again one second after it was taken.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Length of the window.
const WINDOW: Duration = Duration::from_secs(1);

/// What the limit says about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Whether it may go on.
    pub(crate) allowed: bool,
    /// The limit.
    pub(crate) limit: u32,
    /// Requests that would be admitted now.
    pub(crate) remaining: u32,
    /// Whole seconds until a place is free (refused) or the window is empty (admitted).
    pub(crate) reset_s: u64,
}

/// The windows of all workspaces. Memory follows traffic: one moment for each request admitted in
/// the last second or so, and an entry for each caller who made one.
pub(crate) struct Limiter {
    limit: u32,
    start: Instant,
    windows: Mutex<Windows>,
}

#[derive(Default)]
struct Windows {
    /// Moments of admitted requests, oldest first, by workspace.
    admitted: HashMap<String, VecDeque<Duration>>,
    /// When idle workspaces were last forgotten.
    swept: Duration,
}

impl Limiter {
    /// A limiter of this many requests per second; 0 = `None`.
    #[must_use]
    pub(crate) fn new(limit: u32) -> Option<Self> {
        (limit > 0).then(|| Self { limit, start: Instant::now(), windows: Mutex::default() })
    }

    /// Counts one request when there is a place for it.
    pub(crate) fn take(&self, workspace: &str) -> Verdict {
        let mut windows = self.windows.lock();
        // Read under the lock: moments are stored in their order.
        windows.take(self.limit, workspace, self.start.elapsed())
    }

    /// What to tell a caller who counts for no workspace.
    #[must_use]
    pub(crate) fn uncounted(&self) -> Verdict {
        Verdict { allowed: true, limit: self.limit, remaining: self.limit, reset_s: WINDOW.as_secs() }
    }
}

impl Windows {
    fn take(&mut self, limit: u32, workspace: &str, now: Duration) -> Verdict {
        if now >= self.swept + WINDOW {
            self.swept = now;
            self.admitted.retain(|_, moments| moments.back().is_some_and(|last| now < *last + WINDOW));
        }
        if !self.admitted.contains_key(workspace) {
            self.admitted.insert(workspace.to_owned(), VecDeque::new());
        }
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let Some(moments) = self.admitted.get_mut(workspace) else {
            return Verdict { allowed: true, limit, remaining: 0, reset_s: WINDOW.as_secs() };
        };
        while moments.front().is_some_and(|oldest| now >= *oldest + WINDOW) {
            moments.pop_front();
        }
        let allowed = moments.len() < most;
        if allowed {
            moments.push_back(now);
        }
        let remaining = u32::try_from(most - moments.len()).unwrap_or(u32::MAX);
        let decides = if allowed { moments.back() } else { moments.front() };
        let left = decides.map_or(Duration::ZERO, |moment| (*moment + WINDOW).saturating_sub(now));
        Verdict { allowed, limit, remaining, reset_s: left.as_secs() + u64::from(left.subsec_nanos() > 0) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn places_come_free_one_second_after_they_were_taken() {
        let mut windows = Windows::default();
        let mut passed =
            |at: u64, tries: usize| (0..tries).filter(|_| windows.take(10, "w", ms(at)).allowed).count();
        assert_eq!(passed(900, 4), 4);
        assert_eq!(passed(999, 30), 6);
        assert_eq!(passed(1_000, 30), 0, "a new second on the clock frees nothing");
        assert_eq!(passed(1_899, 30), 0);
        assert_eq!(passed(1_900, 30), 4, "exactly those of a second ago are free");
        assert_eq!(passed(1_999, 30), 6);
        assert_eq!(passed(5_000, 30), 10);
        assert!(windows.take(10, "other", ms(5_000)).allowed, "workspaces do not share places");
        assert!(Limiter::new(0).is_none());
    }

    #[test]
    fn verdicts_count_down_and_tell_the_wait() {
        let mut windows = Windows::default();
        let mut take = |at| windows.take(3, "w", ms(at));
        let left: Vec<(u32, u64)> =
            [0, 1, 2, 3, 999].map(&mut take).map(|verdict| (verdict.remaining, verdict.reset_s)).into();
        assert_eq!(left, [(2, 1), (1, 1), (0, 1), (0, 1), (0, 1)]);
        assert!(take(1_000).allowed);
        let limiter = Limiter::new(3).unwrap();
        assert_eq!(limiter.take("w").remaining, 2);
        assert_eq!(limiter.uncounted().remaining, 3);
    }

    #[test]
    fn idle_workspaces_are_forgotten() {
        let mut windows = Windows::default();
        for n in 0..5_000_u64 {
            windows.take(2, &format!("w{n}"), ms(n));
        }
        windows.take(2, "last", ms(9_000));
        assert_eq!(windows.admitted.len(), 1);
    }

    proptest! {
        #[test]
        fn no_second_holds_more_than_the_limit_and_nobody_starves(
            limit in 1_u32..12,
            gaps in proptest::collection::vec(prop_oneof![0_u64..3, 0_u64..400, 900_u64..1_100], 1..400),
        ) {
            let mut windows = Windows::default();
            let (mut now, mut admitted) = (0, Vec::new());
            for gap in gaps {
                now += gap;
                let verdict = windows.take(limit, "w", ms(now));
                let in_window = admitted.iter().filter(|at| now - **at < 1_000).count();
                // Admitted exactly when the second that ends now has a place.
                prop_assert_eq!(verdict.allowed, in_window < limit as usize);
                if verdict.allowed {
                    admitted.push(now);
                }
                let held = in_window + usize::from(verdict.allowed);
                prop_assert_eq!(verdict.remaining as usize, limit as usize - held);
                prop_assert_eq!(verdict.reset_s, 1);
            }
            for (at, start) in admitted.iter().enumerate() {
                let held = admitted[at..].iter().take_while(|moment| **moment - start < 1_000).count();
                prop_assert!(held <= limit as usize, "{held} in the second from {start} ms");
            }
        }

        #[test]
        fn asking_all_the_time_gets_the_whole_limit(limit in 1_u32..20, seconds in 1_u64..6, step in 1_u64..7) {
            let mut windows = Windows::default();
            let asked = (0..seconds * 1_000).step_by(usize::try_from(step).unwrap());
            let passed = asked.filter(|at| windows.take(limit, "w", ms(*at)).allowed).count() as u64;
            // Each place is taken again at the first ask after it came free: a round is a second and a step.
            let least = seconds * 1_000 / (1_000 + step) * u64::from(limit);
            prop_assert!(passed >= least, "{passed} of at least {least}");
            prop_assert!(passed <= seconds * u64::from(limit));
        }
    }
}
