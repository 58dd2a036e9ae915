//! Counts and latencies of requests, shown as Prometheus text.
//!
//! Labels are route names and status codes only: nothing a caller sends becomes a label.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// Upper bounds of the latency buckets, in milliseconds.
const BOUNDS_MS: [u64; 10] = [1, 2, 5, 10, 25, 50, 100, 250, 1_000, 10_000];

#[derive(Default, Clone, Copy)]
struct Stat {
    count: u64,
    sum_us: u64,
    buckets: [u64; BOUNDS_MS.len()],
}

/// All counts since the start.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, u16), Stat>>,
}

/// A gauge to show beside the counts: name, help, value.
pub(crate) type Gauge = (&'static str, &'static str, f64);

impl Metrics {
    /// Counts one answered request.
    pub(crate) fn record(&self, route: &'static str, status: u16, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut requests = self.requests.lock();
        let stat = requests.entry((route, status)).or_default();
        stat.count += 1;
        stat.sum_us = stat.sum_us.saturating_add(us);
        for (bucket, bound) in stat.buckets.iter_mut().zip(BOUNDS_MS) {
            if us <= bound * 1_000 {
                *bucket += 1;
            }
        }
    }

    /// The text format of Prometheus.
    #[must_use]
    pub(crate) fn render(&self, gauges: &[Gauge]) -> String {
        let requests = self.requests.lock().clone();
        let mut out = String::new();
        let name = "quarry_request_duration_seconds";
        let _ = writeln!(out, "# HELP {name} Time from request line to response head.");
        let _ = writeln!(out, "# TYPE {name} histogram");
        for ((route, status), stat) in &requests {
            let labels = format!("route=\"{route}\",status=\"{status}\"");
            for (bound, count) in BOUNDS_MS.iter().zip(stat.buckets) {
                #[allow(clippy::cast_precision_loss, reason = "at most 10,000")]
                let seconds = *bound as f64 / 1e3;
                let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{seconds}\"}} {count}");
            }
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", stat.count);
            #[allow(clippy::cast_precision_loss, reason = "a sum for people to read")]
            let sum = stat.sum_us as f64 / 1e6;
            let _ = writeln!(out, "{name}_sum{{{labels}}} {sum}");
            let _ = writeln!(out, "{name}_count{{{labels}}} {}", stat.count);
        }
        for (name, help, value) in gauges {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let metrics = Metrics::default();
        metrics.record("GetFile", 200, Duration::from_micros(1_500));
        metrics.record("GetFile", 200, Duration::from_secs(60));
        let text = metrics.render(&[("quarry_up", "Whether it runs.", 1.0)]);
        assert!(text.contains("_bucket{route=\"GetFile\",status=\"200\",le=\"0.001\"} 0\n"), "{text}");
        assert!(text.contains("_bucket{route=\"GetFile\",status=\"200\",le=\"0.002\"} 1\n"));
        assert!(text.contains("_bucket{route=\"GetFile\",status=\"200\",le=\"10\"} 1\n"));
        assert!(text.contains("le=\"+Inf\"} 2\n") && text.contains("quarry_up 1\n"));
    }
}
