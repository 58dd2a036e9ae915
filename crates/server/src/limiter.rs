//! Requests per second of each workspace: a sliding window of two counted seconds.
//!
//! Knows nothing of tokens or HTTP. The estimate weighs the last second by its part still in the
//! window, so a burst at a boundary cannot pass twice the limit.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Workspaces remembered before idle ones are forgotten.
const MAX_ENTRIES: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Window {
    second: u64,
    now: u32,
    before: u32,
}

/// What the limit says about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Whether it may go on.
    pub(crate) allowed: bool,
    /// The limit.
    pub(crate) limit: u32,
    /// Requests left in the window.
    pub(crate) remaining: u32,
    /// Seconds until the window has moved on.
    pub(crate) reset_s: u64,
}

/// Counts requests.
pub(crate) struct Limiter {
    limit: u32,
    start: Instant,
    windows: Mutex<HashMap<String, Window>>,
}

impl Limiter {
    /// A limiter of this many requests per second; 0 = `None`.
    #[must_use]
    pub(crate) fn new(limit: u32) -> Option<Self> {
        (limit > 0).then(|| Self { limit, start: Instant::now(), windows: Mutex::default() })
    }

    /// Counts one request.
    pub(crate) fn take(&self, workspace: &str) -> Verdict {
        self.take_at(workspace, self.start.elapsed())
    }

    fn take_at(&self, workspace: &str, elapsed: Duration) -> Verdict {
        let second = elapsed.as_secs();
        let mut windows = self.windows.lock();
        if windows.len() >= MAX_ENTRIES && !windows.contains_key(workspace) {
            windows.retain(|_, window| window.second + 1 >= second);
        }
        let window = windows.entry(workspace.to_owned()).or_insert(Window { second, now: 0, before: 0 });
        if window.second != second {
            let before = if window.second + 1 == second { window.now } else { 0 };
            *window = Window { second, now: 0, before };
        }
        let left_of_before = 1.0 - f64::from(elapsed.subsec_micros()) / 1e6;
        let used = f64::from(window.now) + f64::from(window.before) * left_of_before;
        let limit = f64::from(self.limit);
        let allowed = used + 1.0 <= limit;
        if allowed {
            window.now += 1;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..=limit, a u32")]
        let remaining = (limit - used - f64::from(u8::from(allowed))).clamp(0.0, limit) as u32;
        Verdict { allowed, limit: self.limit, remaining, reset_s: 1 }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bursts_pass_up_to_the_limit_and_the_window_slides() {
        let limiter = Limiter::new(10).unwrap();
        let passed = |ms: u64, tries: usize| {
            (0..tries).filter(|_| limiter.take_at("w", Duration::from_millis(ms)).allowed).count()
        };
        assert_eq!(passed(900, 30), 10);
        assert_eq!(passed(1_000, 30), 0, "a boundary does not double the limit");
        assert_eq!(passed(1_500, 30), 5);
        assert_eq!(passed(5_000, 30), 10);
        assert!(limiter.take_at("other", Duration::from_millis(5_000)).allowed);
        assert!(Limiter::new(0).is_none());
    }

    #[test]
    fn remaining_counts_down() {
        let limiter = Limiter::new(3).unwrap();
        let left: Vec<u32> =
            (0..4).map(|_| limiter.take_at("w", Duration::from_millis(1)).remaining).collect();
        assert_eq!(left, [2, 1, 0, 0]);
    }
}
