//! The worker's side: takes orders one by one until the engine goes away.

use crate::fetch::{FetchAnswer, FetchRequest};
use crate::frame::{self, Order, Report};
use crate::run::{self, Outside};
use crate::sandbox;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Stack of the thread that runs scripts: the engine's own limit lies far below.
pub(crate) const STACK_BYTES: usize = 16 << 20;

/// How long after a script's limit the worker ends itself; its engine does so earlier.
const GRACE: Duration = Duration::from_secs(4);
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// Body of the hidden subcommand: reads orders from standard input, reports on standard output.
/// Call it before any runtime or thread is started.
#[must_use]
pub fn worker_main() -> ExitCode {
    let watch = Arc::new(Watch::default());
    let watched = Ended(Arc::clone(&watch));
    let work = move || {
        for failure in sandbox::close() {
            let _ = writeln!(io::stderr(), "sandbox: {failure}");
        }
        serve(io::stdin().lock(), io::stdout().lock(), &watched.0)
    };
    let Ok(thread) = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work) else {
        return ExitCode::FAILURE;
    };
    watch.keep();
    match thread.join() {
        Ok(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Ends the process when a script outlives its limit and nobody does: its engine may be gone.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    state: Mutex<Watched>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Watched {
    /// When the running script must have ended.
    deadline: Option<Instant>,
    ended: bool,
}

/// Says so when the thread that serves ends, by a panic too.
struct Ended(Arc<Watch>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.change(|state| state.ended = true);
    }
}

impl Watch {
    fn change(&self, change: impl FnOnce(&mut Watched)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Returns when the work has ended.
    fn keep(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.ended {
            let left =
                state.deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                std::process::abort();
            }
            let waited = self.changed.wait_timeout(state, left.min(LONGEST_WAIT));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Serves until the other side closes.
pub(crate) fn serve(mut input: impl Read, mut output: impl Write, watch: &Watch) -> io::Result<()> {
    loop {
        let (code, row, limits, fetch) = match frame::read(&mut input) {
            Ok(Order::Run { code, row, limits, fetch }) => (code, row, limits, fetch),
            // An answer to a request of a run that ended without it.
            Ok(Order::Fetched(..)) => continue,
            Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(cause) => return Err(cause),
        };
        let wall = Duration::from_millis(limits.wall_ms).min(LONGEST_WAIT);
        watch.change(|state| state.deadline = Some(Instant::now() + wall + GRACE));
        let mut sent = Ok(());
        {
            // The report leaves before the script's memory is torn down: see `run`.
            let pipes = std::cell::RefCell::new((&mut input, &mut output));
            let mut outside = Pipes(&pipes);
            let outside = fetch.then_some(&mut outside as &mut dyn Outside);
            run::run(&code, &row, &limits, outside, |value| {
                sent = frame::write(&mut pipes.borrow_mut().1, &Report::Done(value));
            });
        }
        watch.change(|state| state.deadline = None);
        sent?;
    }
}

struct Pipes<'p, R, W>(&'p std::cell::RefCell<(R, W)>);

impl<R: Read, W: Write> Outside for Pipes<'_, R, W> {
    fn send(&mut self, id: u32, request: FetchRequest) -> io::Result<()> {
        frame::write(&mut self.0.borrow_mut().1, &Report::Fetch(id, request))
    }

    fn wait(&mut self) -> io::Result<(u32, Result<FetchAnswer, String>)> {
        match frame::read(&mut self.0.borrow_mut().0)? {
            Order::Fetched(id, answer) => Ok((id, answer)),
            Order::Run { .. } => Err(io::Error::other("a second order during a run")),
        }
    }
}
