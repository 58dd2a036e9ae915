//! The parent's side: a child per document, a few at a time, and however it ends becomes a document or a named error.
//!
//! Knows nothing of formats. Invariant: a child never outlives its call: it is killed on timeout and
//! on bad output, and soon after the call is dropped.

use crate::document::Document;
use crate::error::Error;
use crate::fork_server::ForkServer;
use crate::library::find_pdfium;
use crate::limits::Limits;
use crate::media::MediaType;
use crate::ocr::{Ocr, Picture};
pub use crate::protocol::Progress;
use crate::protocol::{Assembly, Job, Line, MAX_LINE_BYTES, free_drawing};
use crate::source::Source;
use base64::Engine;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::Semaphore;

/// How much of a child's complaints is kept, in bytes.
const STDERR_BYTES: usize = 8 << 10;

/// Settings of a [`Pool`].
#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// The binary whose `args` run [`crate::worker_main`].
    pub command: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Most children at a time, at least 1; each has a fork server that stays for the next.
    pub workers: usize,
    /// What each may use.
    pub limits: Limits,
    /// Reads pages without text; none by default.
    pub ocr: Option<Ocr>,
}

impl PoolOptions {
    /// Children of `command extract-worker`, `workers` at a time, default limits.
    #[must_use]
    pub fn new(command: PathBuf, workers: usize) -> Self {
        Self { command, args: vec!["extract-worker".into()], workers, limits: Limits::default(), ocr: None }
    }
}

/// Extracts documents in child processes.
#[derive(Debug)]
pub struct Pool {
    options: PoolOptions,
    pdfium: Option<PathBuf>,
    free: Semaphore,
    idle: Mutex<Vec<ForkServer>>,
}

impl Pool {
    /// A pool; starts no process before the first document.
    #[must_use]
    pub fn new(options: PoolOptions) -> Self {
        let free = Semaphore::new(options.workers.max(1));
        // The child has no folders to look in: its current folder is the root.
        Self { pdfium: find_pdfium(), free, idle: Mutex::default(), options }
    }

    /// Limits of each extraction.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.options.limits
    }

    /// Extracts the file at `path`, waiting for a free worker first. `name` and `content_type`
    /// help to tell formats apart; `progress` is called per page for formats that have pages.
    ///
    /// # Errors
    /// A named [`Error`]; [`Error::Worker`] alone is no fault of the file.
    pub async fn extract(
        &self,
        path: &Path,
        name: &str,
        content_type: &str,
        progress: impl Fn(Progress),
    ) -> Result<Document, Error> {
        self.extract_source(path, &Source { name, content_type, ..Source::default() }, progress).await
    }

    /// As [`Pool::extract`], with all that is known of the file.
    ///
    /// # Errors
    /// As there.
    pub async fn extract_source(
        &self,
        path: &Path,
        source: &Source<'_>,
        progress: impl Fn(Progress),
    ) -> Result<Document, Error> {
        let limits = &self.options.limits;
        let pictures = self.options.ocr.as_ref().map_or(0, |ocr| ocr.max_pages);
        let mut job = Job::new(source, limits, pictures);
        let permit = self.free.acquire().await;
        let _permit = permit.map_err(|_| Error::Worker("the pool is closed".to_owned()))?;
        let reached = Reached::default();
        let mut result = self.attempt(path, &job, &reached, &progress).await;
        // One page that ends the reading does not cost those before it.
        if let Err(error @ (Error::Crashed { .. } | Error::OutOfMemory { .. } | Error::TimedOut { .. })) =
            &result
            && let Some(pages) = reached.pages(matches!(error, Error::TimedOut { .. }))
        {
            let warning = format!("page {} ended the reading: {error}", reached.get().page + 1);
            job.limits.max_pages = pages;
            if let Ok((mut document, pictures)) =
                self.attempt(path, &job, &Reached::default(), &progress).await
            {
                document.warnings.push(warning);
                result = Ok((document, pictures));
            }
        }
        let (document, pictures) = result?;
        match &self.options.ocr {
            Some(ocr) if !pictures.is_empty() => ocr.complete(document, pictures, limits).await,
            // A worker that was to hand over pages without text may have nothing to say.
            _ if document.media == Some(MediaType::Pdf) && document.blocks.is_empty() => Err(Error::Empty),
            _ => Ok(document),
        }
    }

    /// Ends the processes that wait for work, and returns when they are gone; the next document starts new ones.
    pub async fn close(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for server in idle {
            server.end().await;
        }
    }

    /// Runs one child to its end, however that is.
    async fn attempt(
        &self,
        path: &Path,
        job: &Job,
        reached: &Reached,
        progress: &impl Fn(Progress),
    ) -> Result<(Document, Vec<Picture>), Error> {
        let limits = &job.limits;
        let file = tokio::fs::File::open(path).await.map_err(|e| worker("could not open the file", &e))?;
        let size = file.metadata().await.map_err(|e| worker("could not read the file", &e))?.len();
        if size > limits.max_input_bytes {
            let limit = format!("{} MB", limits.max_input_bytes >> 20);
            return Err(Error::TooLarge { what: "the file".to_owned(), limit });
        }
        let (wall, file) = (job.wall(Duration::ZERO), file.into_std().await);
        let started = Instant::now();
        let child = tokio::time::timeout(wall, self.child(job, &file)).await;
        // Nothing of the file has been read by then.
        let late = |_| Error::Worker("the program that reads documents did not answer in time".to_owned());
        let (mut server, output) = child.map_err(late)??;
        let drawing = AtomicU64::new(0);
        let mut listener = Listener { job, drawing: &drawing, heard: Instant::now(), pictures: Vec::new() };
        let converse = listener.converse(output, &mut server, |step| {
            reached.set(step);
            progress(step);
        });
        let late = async {
            loop {
                let wall = job.wall(Duration::from_millis(drawing.load(Ordering::Relaxed)));
                match wall.checked_sub(started.elapsed()) {
                    Some(left) => tokio::time::sleep(left).await,
                    None => return Err(Error::TimedOut { seconds: wall.as_secs() }),
                }
            }
        };
        let result = tokio::select! {
            biased;
            said = converse => said,
            late = late => late,
        };
        // A child that did not answer was perhaps led to: the next one has another layout of memory.
        let answered = result.as_ref().is_ok_and(|answer| !matches!(answer, Err(Error::Crashed { .. })));
        if answered && server.is_reusable().await {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(server);
        } else {
            server.end().await;
        }
        result?.map(|document| (document, listener.pictures))
    }

    /// A child for the job with its standard output and error, of a fork server that waits for work or a new one.
    async fn child(
        &self,
        job: &Job,
        file: &std::fs::File,
    ) -> Result<(ForkServer, (pipe::Receiver, pipe::Receiver)), Error> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let waited = idle.is_some();
            let started = || {
                let PoolOptions { command, args, .. } = &self.options;
                ForkServer::start(command, args, self.pdfium.as_deref())
            };
            let mut server = idle.map_or_else(started, Ok).map_err(|e| worker("could not start", &e))?;
            match server.fork(job, file).await {
                Ok(output) => return Ok((server, output)),
                // It may have been killed while it waited, which is no reason not to start another.
                Err(error) if waited && error.kind() == ErrorKind::BrokenPipe => {
                    tracing::debug!(%error, "an idle fork server is gone");
                }
                Err(error) => return Err(worker("could not fork", &error)),
            }
        }
    }
}

fn worker(what: &str, error: &std::io::Error) -> Error {
    Error::Worker(format!("{what}: {error}"))
}

/// How far a child came, and when.
#[derive(Debug)]
struct Reached {
    started: Instant,
    last: Mutex<(Progress, Instant)>,
}

impl Default for Reached {
    fn default() -> Self {
        let now = Instant::now();
        Self { started: now, last: Mutex::new((Progress { page: 0, pages: 0 }, now)) }
    }
}

impl Reached {
    fn set(&self, step: Progress) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = (step, Instant::now());
    }

    fn get(&self) -> Progress {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// How many pages another child should read; `None` when fewer do not help.
    fn pages(&self, late: bool) -> Option<u32> {
        let (step, at) = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // A third of the time on one page: that page is to blame, else all are slow alike.
        let stuck = at.elapsed() * 3 > self.started.elapsed();
        let pages = if late && !stuck { step.page - step.page / 3 } else { step.page };
        (step.page >= 1 && step.page < step.pages).then_some(pages)
    }
}

/// Listens to one child.
struct Listener<'l> {
    job: &'l Job,
    /// Milliseconds that pages took to be drawn.
    drawing: &'l AtomicU64,
    /// When it last told of a page.
    heard: Instant,
    /// Pages handed over as pictures.
    pictures: Vec<Picture>,
}

impl Listener<'_> {
    /// Reads the child's lines to the end: its answer, or why there is none.
    async fn converse(
        &mut self,
        (stdout, stderr): (pipe::Receiver, pipe::Receiver),
        server: &mut ForkServer,
        progress: impl Fn(Progress),
    ) -> Result<Result<Document, Error>, Error> {
        let (answer, complaints) = tokio::join!(self.listen(stdout, progress), drain(stderr));
        if !complaints.is_empty() {
            tracing::debug!(stderr = %complaints, "extraction worker");
        }
        if let Some(answer) = answer? {
            return Ok(answer);
        }
        let status = server.ended().await.map_err(|e| worker("could not wait", &e))?;
        Err(verdict(status, &complaints, self.job))
    }

    /// The answer, or `None` when the child ended without one.
    async fn listen(
        &mut self,
        stdout: impl AsyncRead + Unpin,
        progress: impl Fn(Progress),
    ) -> Result<Option<Result<Document, Error>>, Error> {
        let unreadable = || Ok(Some(Err(Error::Crashed { how: "unreadable result".to_owned() })));
        let mut stdout = BufReader::with_capacity(64 << 10, stdout);
        let mut assembly = Assembly::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            let cap = MAX_LINE_BYTES as u64 + 1;
            let read = (&mut stdout).take(cap).read_until(b'\n', &mut line).await;
            if read.map_err(|e| worker("could not read its answer", &e))? == 0 {
                return Ok(None);
            }
            // A library may print a line of its own; it does not start like ours.
            if !line.starts_with(b"{") && line.ends_with(b"\n") {
                continue;
            }
            let Ok(parsed) = serde_json::from_slice::<Line>(&line) else {
                // Cut off by its death, or not our language: the exit status tells which.
                if line.ends_with(b"\n") || line.len() > MAX_LINE_BYTES {
                    return unreadable();
                }
                return Ok(None);
            };
            match parsed {
                Line::Progress(step) => {
                    self.heard = Instant::now();
                    progress(step);
                }
                Line::Picture { page, width, height } => {
                    let room = self.pictures.len() < self.job.pictures as usize;
                    match Picture::begin(page, width, height).filter(|_| room) {
                        Some(picture) => {
                            self.pictures.push(picture);
                            let took = free_drawing(self.heard.elapsed()).as_millis();
                            self.drawing.fetch_add(took as u64, Ordering::Relaxed);
                            self.heard = Instant::now();
                        }
                        None => return unreadable(),
                    }
                }
                Line::Pixels(pixels) => {
                    let pixels = base64::engine::general_purpose::STANDARD.decode(pixels).unwrap_or_default();
                    if !self.pictures.last_mut().is_some_and(|picture| picture.add(&pixels)) {
                        return unreadable();
                    }
                }
                parsed => {
                    if let Some(answer) = assembly.take(parsed, &self.job.limits) {
                        self.pictures.retain_mut(Picture::is_whole);
                        return Ok(Some(answer));
                    }
                }
            }
        }
    }
}

async fn drain(mut stderr: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0_u8; 4096];
    while let Ok(count) = stderr.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        let room = STDERR_BYTES.saturating_sub(kept.len()).min(count);
        kept.extend_from_slice(buffer.get(..room).unwrap_or_default());
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Names the way a child ended without an answer.
fn verdict(status: ExitStatus, complaints: &str, job: &Job) -> Error {
    // The runtime's own last words: allocation failure and stack overflow both end in SIGABRT.
    // Foreign exceptions come from the PDF library, whose only one says that memory has run out.
    let starved = ["memory allocation of", "out of memory", "foreign exceptions"];
    if starved.iter().any(|words| complaints.contains(words)) {
        return Error::OutOfMemory { megabytes: job.limits.memory_bytes >> 20 };
    }
    if complaints.contains("overflowed its stack") {
        return Error::Crashed { how: "stack overflow".to_owned() };
    }
    match status.signal() {
        Some(libc::SIGXCPU | libc::SIGKILL) => Error::TimedOut { seconds: job.cpu_seconds() },
        Some(libc::SIGABRT) => Error::Crashed { how: "abort".to_owned() },
        Some(libc::SIGSEGV | libc::SIGBUS) => Error::Crashed { how: "memory fault".to_owned() },
        Some(signal) => Error::Crashed { how: format!("signal {signal}") },
        None if complaints.contains("panicked at") => Error::Crashed { how: "panic".to_owned() },
        None => Error::Worker(format!("ended early ({status})")),
    }
}
