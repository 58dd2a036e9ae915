//! The worker's side: takes orders one by one until the engine goes away.

use crate::fetch::{FetchAnswer, FetchRequest};
use crate::frame::{self, Order, Report};
use crate::run::{self, Outside};
use crate::sandbox;
use std::io::{self, Read, Write};
use std::process::ExitCode;

/// Stack of the thread that runs scripts: the engine's own limit lies far below.
pub(crate) const STACK_BYTES: usize = 16 << 20;

/// Body of the hidden subcommand: reads orders from standard input, reports on standard output.
/// Call it before any runtime or thread is started.
#[must_use]
pub fn worker_main() -> ExitCode {
    let work = || {
        for failure in sandbox::close() {
            let _ = writeln!(io::stderr(), "sandbox: {failure}");
        }
        serve(io::stdin().lock(), io::stdout().lock())
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work);
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Serves until the other side closes.
pub(crate) fn serve(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    loop {
        let (code, row, limits, fetch) = match frame::read(&mut input) {
            Ok(Order::Run { code, row, limits, fetch }) => (code, row, limits, fetch),
            // An answer to a request of a run that ended without it.
            Ok(Order::Fetched(..)) => continue,
            Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(cause) => return Err(cause),
        };
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
