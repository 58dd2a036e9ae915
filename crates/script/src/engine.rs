//! The engine's face: a few workers, one script at a time in each, ended when they do not answer.
//!
//! Invariant: a worker that missed its deadline, broke off or lost its caller never runs another
//! script.

use crate::error::Error;
use crate::fetch::Fetch;
use crate::frame::{self, MAX_BYTES, Order, Report};
use crate::run::Limits;
use crate::worker;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::Value;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

/// How long after its deadline a worker may still say that it passed.
const GRACE: Duration = Duration::from_secs(2);
/// Scripts one worker runs before a new one takes its place: what they leak ends with it.
const RUNS_PER_WORKER: u32 = 10_000;

/// Where scripts run.
#[derive(Debug, Clone)]
pub enum Home {
    /// Children of this binary, whose arguments run [`crate::worker_main`]: they survive nothing and
    /// harm nobody.
    Children {
        /// The binary.
        command: PathBuf,
        /// Its arguments.
        args: Vec<OsString>,
    },
    /// Threads of this process, for tests: a script that makes the engine crash or hang takes them along.
    Threads,
}

/// Settings of an [`Engine`].
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Where scripts run.
    pub home: Home,
    /// Scripts at the same time, at least 1.
    pub workers: usize,
    /// What each may use.
    pub limits: Limits,
}

impl EngineOptions {
    /// Children of `command script-worker`, `workers` at a time, default limits.
    #[must_use]
    pub fn new(command: PathBuf, workers: usize) -> Self {
        let home = Home::Children { command, args: vec!["script-worker".into()] };
        Self { home, workers, limits: Limits::default() }
    }

    /// Threads of this process, default limits.
    #[must_use]
    pub fn threads(workers: usize) -> Self {
        Self { home: Home::Threads, workers, limits: Limits::default() }
    }
}

/// Runs scripts. Cheap to clone; starts no worker before the first script.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    options: EngineOptions,
    free: Semaphore,
    idle: Mutex<Vec<Worker>>,
}

struct Worker {
    input: Box<dyn AsyncRead + Send + Unpin>,
    output: Box<dyn AsyncWrite + Send + Unpin>,
    /// Killed when dropped; `None` for a thread, which ends when its pipes close.
    child: Option<Child>,
    runs: u32,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Engine").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine with these settings.
    #[must_use]
    pub fn new(options: EngineOptions) -> Self {
        let free = Semaphore::new(options.workers.max(1));
        Self { shared: Arc::new(Shared { options, free, idle: Mutex::default() }) }
    }

    /// What each script may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shared.options.limits
    }

    /// How many scripts run at the same time.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.shared.options.workers.max(1)
    }

    /// Runs `code` on a row and answers its value; waits for a free worker first.
    ///
    /// The code is an expression, statements (their last value, or what `return` gives) or a
    /// function, which is called with the row; promises are waited for. It sees `row` and, given
    /// `fetch`, `fetch`. `undefined`, functions and symbols are null, dates are ISO texts in UTC,
    /// big integers are numbers while those are exact and else text.
    ///
    /// # Errors
    /// A named [`Error`]; NaN and infinities are errors too. [`Error::Unavailable`] and
    /// [`Error::Crashed`] may pass when tried again.
    pub async fn run(&self, code: &str, row: &Value, fetch: Option<&Fetch>) -> Result<Value, Error> {
        let shared = &self.shared;
        let _permit = shared.free.acquire().await.map_err(|_| Error::Unavailable)?;
        let row = row.to_string();
        if code.len() + row.len() > MAX_BYTES / 4 {
            return Err(Error::TooLarge { bytes: code.len() + row.len(), limit: MAX_BYTES / 4 });
        }
        let order = Order::Run {
            code: code.to_owned(),
            row,
            limits: shared.options.limits.clone(),
            fetch: fetch.is_some(),
        };
        loop {
            let (mut worker, fresh) = match shared.take() {
                Some(worker) => (worker, false),
                None => (shared.start().map_err(|cause| unavailable(&cause))?, true),
            };
            let wall = Duration::from_millis(shared.options.limits.wall_ms);
            let timed = tokio::time::timeout(wall + GRACE, worker.converse(&order, fetch)).await;
            let limit_ms = shared.options.limits.wall_ms;
            return match timed {
                Err(_) => {
                    worker.end().await;
                    Err(Error::TimedOut { limit_ms })
                }
                Ok(Ok(result)) => {
                    worker.runs += 1;
                    if worker.runs < RUNS_PER_WORKER {
                        shared.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
                    }
                    parsed(result?)
                }
                // It may have died of the run before, after answering it.
                Ok(Err(_)) if !fresh => {
                    worker.end().await;
                    continue;
                }
                Ok(Err(cause)) => Err(worker.verdict(&cause).await),
            };
        }
    }
}

/// What is wrong is for the log; the script's owner can do nothing about it.
fn unavailable(cause: &io::Error) -> Error {
    tracing::error!(%cause, "no script worker can be started");
    Error::Unavailable
}

fn parsed(json: String) -> Result<Value, Error> {
    serde_json::from_str(&json).map_err(|_| Error::TooDeep)
}

impl Shared {
    fn take(&self) -> Option<Worker> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn start(&self) -> io::Result<Worker> {
        match &self.options.home {
            Home::Children { command, args } => {
                let mut child = Command::new(command)
                    .args(args)
                    .env_clear()
                    .current_dir("/")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    // Complaints of the sandbox and the engine belong in the server's own log.
                    .stderr(Stdio::inherit())
                    .kill_on_drop(true)
                    .spawn()?;
                let (Some(output), Some(input)) = (child.stdin.take(), child.stdout.take()) else {
                    return Err(io::Error::other("no pipe to the worker"));
                };
                let child = Some(child);
                Ok(Worker { input: Box::new(input), output: Box::new(output), child, runs: 0 })
            }
            Home::Threads => {
                let (orders, output) = io::pipe()?;
                let (input, reports) = io::pipe()?;
                let output = pipe::Sender::from_owned_fd(output.into())?;
                let input = pipe::Receiver::from_owned_fd(input.into())?;
                std::thread::Builder::new()
                    .name("script".into())
                    .stack_size(worker::STACK_BYTES)
                    .spawn(move || worker::serve(orders, reports, &worker::Watch::default()))?;
                Ok(Worker { input: Box::new(input), output: Box::new(output), child: None, runs: 0 })
            }
        }
    }
}

impl Worker {
    /// One order to its report, performing requests on the way.
    async fn converse(&mut self, order: &Order, fetch: Option<&Fetch>) -> io::Result<Result<String, Error>> {
        frame::send(&mut self.output, order).await?;
        let mut fetching = FuturesUnordered::new();
        // A message half read is lost with its future, so the reader stays in place between turns.
        let input = &mut self.input;
        let mut report = Box::pin(frame::receive::<Report>(&mut *input));
        loop {
            tokio::select! {
                read = &mut report => {
                    drop(report);
                    match read? {
                        Report::Done(result) => return Ok(result),
                        Report::Fetch(id, request) => {
                            let Some(fetch) = fetch else {
                                return Err(io::Error::other("a request without permission"));
                            };
                            let answer = fetch(request);
                            fetching.push(async move { (id, answer.await) });
                        }
                    }
                    report = Box::pin(frame::receive::<Report>(&mut *input));
                }
                Some((id, answer)) = fetching.next() => {
                    frame::send(&mut self.output, &Order::Fetched(id, answer)).await?;
                }
            }
        }
    }

    async fn end(mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill().await;
        }
    }

    /// Names the way a worker broke off.
    async fn verdict(mut self, cause: &io::Error) -> Error {
        let Some(mut child) = self.child.take() else {
            return Error::Crashed { how: cause.to_string() };
        };
        // It may have closed its pipes without ending.
        let _ = child.start_kill();
        let status = child.wait().await;
        tracing::warn!(?status, "script worker ended early");
        match status {
            Ok(status) => Error::Crashed { how: status.to_string() },
            Err(error) => Error::Crashed { how: error.to_string() },
        }
    }
}
