//! A job on the server, followed to its end.

use super::our_path;
use super::progress::Progress;
use crate::cli::client::{Client, success};
use crate::cli::commands::text;
use crate::cli::interrupt::Interrupt;
use crate::router::encode;
use serde_json::Value;
use std::time::{Duration, Instant};

const POLL_EVERY: Duration = Duration::from_millis(150);
/// A server that restarts goes on with its jobs; this long it may be away.
const PATIENCE: Duration = Duration::from_secs(60);

/// How following a job ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Its last state.
    Completed(Value),
    /// Why; the job left nothing behind.
    Failed(String),
    /// Why the job is out of sight; it may go on.
    Lost(String),
}

/// Shows progress until the job has ended. Ctrl-C cancels it.
pub(super) fn follow(client: &Client, table: &str, job: &Value, interrupt: &Interrupt) -> Outcome {
    let path = format!("{}/jobs/{}", our_path(table), encode(text(job, "/id")));
    let mut progress = Progress::percent(match text(job, "/type") {
        "export" => "exporting",
        _ => "importing",
    });
    let (mut cancelled, mut heard) = (false, Instant::now());
    loop {
        if interrupt.is_pressed() && !cancelled {
            progress.note("cancelling; what was done is taken back");
            // A refusal means that it has ended meanwhile: its state below tells.
            cancelled = client.try_call("DELETE", &path, None).is_ok_and(|(status, _)| status < 500);
        }
        match client.try_call("GET", &path, None) {
            Ok((status, answer)) if status < 500 => {
                heard = Instant::now();
                let answer = match success((status, answer)) {
                    Ok(answer) => answer,
                    Err(reason) => return Outcome::Lost(reason),
                };
                let job = answer.get("job").unwrap_or(&answer);
                progress.set(number(job, "progress"), &note(job));
                match text(job, "/status") {
                    "completed" => return Outcome::Completed(job.clone()),
                    "failed" => {
                        let reason = job.get("error").and_then(Value::as_str).unwrap_or("no reason given");
                        return Outcome::Failed(format!("the job failed: {reason}"));
                    }
                    _ => {}
                }
            }
            other if heard.elapsed() > PATIENCE => {
                let why = other.and_then(success).err().unwrap_or_default();
                return Outcome::Lost(format!("{why}; the job goes on when the server is back"));
            }
            _ => {}
        }
        std::thread::sleep(POLL_EVERY);
    }
}

pub(super) fn number(job: &Value, name: &str) -> u64 {
    let found = job.get(name);
    let rounded = |number: f64| format!("{number:.0}").parse().unwrap_or(0);
    found.and_then(Value::as_u64).or_else(|| found.and_then(Value::as_f64).map(rounded)).unwrap_or(0)
}

fn note(job: &Value) -> String {
    match (text(job, "/status"), number(job, "rows")) {
        ("pending", _) => "waiting for its turn".to_owned(),
        ("finalizing", _) => "finishing".to_owned(),
        (_, 0) => String::new(),
        (_, rows) => format!("{} rows", grouped(rows)),
    }
}

/// 1234567 as 1,234,567.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_in_threes() {
        let all = [0, 12, 123, 1234, 123_456, 1_234_567].map(grouped);
        assert_eq!(all, ["0", "12", "123", "1,234", "123,456", "1,234,567"]);
    }
}
