//! Commands that work long in a temporary folder: a signal ends the work, and the folder goes in any case.
//!
//! Invariant: the folder outlives everything that writes to it.

use futures::future::{FutureExt, pending, select_all};
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Threads at work when a signal comes get this long.
const GRACE: Duration = Duration::from_secs(5);
const SIGNALS: [(&str, u8); 3] = [("SIGHUP", 1), ("SIGINT", 2), ("SIGTERM", 15)];

/// Why a command did not succeed.
pub(super) struct Failure {
    pub(super) message: String,
    /// Of the process.
    pub(super) code: u8,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self { message, code: 1 }
    }
}

/// Runs work in a temporary folder until it is done or a signal asks to stop.
pub(super) fn in_temporary<T>(work: impl AsyncFnOnce(&Path) -> Result<T, String>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|cause| format!("cannot start threads: {cause}"))?;
    let mut signals = {
        let _entered = runtime.enter();
        Signals::new().map_err(|cause| format!("cannot listen for signals: {cause}"))?
    };
    let folder = tempfile::tempdir().map_err(|cause| format!("no temporary folder: {cause}"))?;
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = Box::pin(work(folder.path())) => ended.map_err(Failure::from),
            stopped = signals.next() => Err(stopped),
        }
    });
    runtime.shutdown_timeout(GRACE);
    folder.close().map_err(|cause| format!("a temporary folder was not removed: {cause}"))?;
    ended
}

struct Signals(Vec<(Signal, &'static str, u8)>);

impl Signals {
    /// Those that the caller of the process did not switch off, as `nohup` does.
    fn new() -> std::io::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let wanted = SIGNALS.iter().filter(|(_, number)| !is_ignored(&status, *number));
        let listen = |(name, number): &(&'static str, u8)| {
            Ok((signal(SignalKind::from_raw((*number).into()))?, *name, *number))
        };
        wanted.map(listen).collect::<std::io::Result<_>>().map(Self)
    }

    async fn next(&mut self) -> Failure {
        if self.0.is_empty() {
            return pending().await;
        }
        let waiting = self.0.iter_mut().map(|(signal, name, number)| {
            async move {
                signal.recv().await;
                Failure { message: format!("stopped by {name}"), code: 128 + *number }
            }
            .boxed()
        });
        select_all(waiting).await.0
    }
}

/// By the mask of ignored signals in a process's status.
fn is_ignored(status: &str, number: u8) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_that_are_switched_off_stay_off() {
        let status = "Name:\tquarry\nSigIgn:\t0000000000001001\n";
        assert_eq!(SIGNALS.map(|(_, number)| is_ignored(status, number)), [true, false, false]);
        assert!(!is_ignored("", 1));
    }

    #[test]
    fn the_folder_goes_when_the_work_fails() {
        let mut seen = None;
        let failed: Result<(), _> = in_temporary(async |folder| {
            std::fs::write(folder.join("file"), "x").map_err(|cause| cause.to_string())?;
            seen = Some(folder.to_owned());
            Err("no".to_owned())
        });
        assert!(failed.is_err_and(|failure| (failure.message.as_str(), failure.code) == ("no", 1)));
        assert!(seen.is_some_and(|folder| !folder.is_dir()));
    }
}
