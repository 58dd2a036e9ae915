//! A process that has everything loaded and forks a child for each document: a fork costs a fraction of
//! starting the program, binding the PDF library and reading the classifier's tables anew.
//!
//! Both ends and what they say to each other over one socket: the files of a child, then how the child ended.
//! Invariants: the fork server reads neither documents nor what is said of them (the child reads its job itself), so
//! its children share nothing but what the program itself loaded; the child of one job is dead before the next is taken; a
//! call that ends early takes the fork server with the child.

use crate::library::PDFIUM_PATH_VARIABLE;
use crate::protocol::Job;
use fork::Fork;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};
use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

/// Files handed over with a job: the document, the job, where the answer goes, where complaints go.
const FILES: usize = 4;
/// Most bytes of a job as JSON: names and addresses are the only parts without a fixed length.
const MAX_JOB_BYTES: u64 = 4 << 20;
/// What the C library's allocator keeps at hand, in bytes.
const KEPT_BYTES: &str = "8388608";
/// How long a child that has said everything, or is killed, may take to end.
const FAREWELL: Duration = Duration::from_secs(2);
/// Children of one fork server: all have its layout of memory, so none is kept for ever.
const MAX_CHILDREN: u32 = 256;

/// The caller's end of one fork server. Dropped, the fork server and the child it has end, which the runtime waits for.
#[derive(Debug)]
pub(crate) struct ForkServer {
    process: Child,
    control: tokio::net::UnixStream,
    children: u32,
}

impl ForkServer {
    /// Starts `command args`, which has to call [`serve`], without environment but for the place of the PDF library.
    pub(crate) fn start(command: &Path, args: &[OsString], pdfium: Option<&Path>) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(command);
        command
            .args(args)
            .env_clear()
            // The PDF library lets go of most of its memory after each page, only to ask for it again. A setting of one
            // of these ends the allocator's own adjusting of the others.
            .env("MALLOC_TOP_PAD_", KEPT_BYTES)
            .env("MALLOC_TRIM_THRESHOLD_", KEPT_BYTES)
            .env("MALLOC_MMAP_THRESHOLD_", KEPT_BYTES)
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // One that hangs before it listens does not see that the socket is closed. Elsewhere than on Linux children
            // outlive a killed parent, so that it has to end them itself.
            .kill_on_drop(cfg!(target_os = "linux"));
        if let Some(library) = pdfium {
            command.env(PDFIUM_PATH_VARIABLE, library);
        }
        let mut process = command.spawn()?;
        if let Some(stderr) = process.stderr.take() {
            tokio::spawn(complain(stderr));
        }
        Ok(Self { process, control: tokio::net::UnixStream::from_std(ours)?, children: 0 })
    }

    /// Forks a child for the job. Gives its standard output and error.
    pub(crate) async fn fork(
        &mut self,
        job: &Job,
        file: &std::fs::File,
    ) -> io::Result<(pipe::Receiver, pipe::Receiver)> {
        let job = serde_json::to_vec(job)?;
        let (mut to_child, ask) = pipe::pipe()?;
        let (stdout, answer) = pipe::pipe()?;
        let (stderr, complaints) = pipe::pipe()?;
        let (ask, stdout, stderr) =
            (ask.into_blocking_fd()?, stdout.into_blocking_fd()?, stderr.into_blocking_fd()?);
        let files = [file.as_fd(), ask.as_fd(), stdout.as_fd(), stderr.as_fd()];
        let send = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            if !ancillary.push(SendAncillaryMessage::ScmRights(&files)) {
                return Err(io::Error::other("no room for the files"));
            }
            Ok(sendmsg(&self.control, &[IoSlice::new(&[1])], &mut ancillary, SendFlags::NOSIGNAL)?)
        };
        self.control.async_io(Interest::WRITABLE, send).await?;
        self.children += 1;
        // Then the child has the only end to read from: one that dies early is seen by how it ended.
        drop((ask, stdout, stderr));
        let _ = to_child.write_all(&job).await;
        Ok((answer, complaints))
    }

    /// How the child of the last job ended, once it has.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let mut status = [0; 4];
        self.control.read_exact(&mut status).await?;
        Ok(ExitStatus::from_raw(i32::from_le_bytes(status)))
    }

    /// Whether it may fork again: the last child has said all and ends well.
    pub(crate) async fn is_reusable(&mut self) -> bool {
        let ended = tokio::time::timeout(FAREWELL, self.ended()).await;
        self.children < MAX_CHILDREN && ended.is_ok_and(|ended| ended.is_ok_and(|status| status.success()))
    }

    /// Ends the child and the fork server, and returns when they are gone.
    pub(crate) async fn end(mut self) {
        let _ = self.control.shutdown().await;
        if tokio::time::timeout(FAREWELL, self.process.wait()).await.is_err() {
            let _ = self.process.kill().await;
        }
    }
}

/// Passes on what a fork server has to say, which is why it ends.
async fn complain(stderr: impl AsyncRead + Unpin) {
    let mut said = String::new();
    let _ = stderr.take(4 << 10).read_to_string(&mut said).await;
    if !said.is_empty() {
        tracing::warn!(%said, "fork server of extraction workers");
    }
}

/// The fork server itself: takes jobs from standard input until it is closed. `work` runs in the child, which has the
/// document as standard input. Call it before any thread is started.
pub(crate) fn serve(work: impl FnOnce(Job) -> ExitCode) -> ExitCode {
    let parent = rustix::process::getpid();
    let failed = |what: &str, error: io::Error| {
        let _ = writeln!(io::stderr(), "{what}: {error}");
        ExitCode::from(2)
    };
    let mut control = match io::stdin().as_fd().try_clone_to_owned() {
        Ok(control) => UnixStream::from(control),
        Err(error) => return failed("no socket to listen to", error),
    };
    loop {
        let files = match receive(&control) {
            Ok(Some(files)) => files,
            Ok(None) => return ExitCode::SUCCESS,
            Err(error) => return failed("this command is started by the server only", error),
        };
        let (alive, held) = match io::pipe() {
            Ok(pipe) => pipe,
            Err(error) => return failed("no pipe to a child", error),
        };
        match fork::fork() {
            Ok(Fork::Child) => {
                drop((control, alive));
                let ended = enter(parent, files).map_or(ExitCode::FAILURE, work);
                // Closed by the end of the process, which is what its parent waits for.
                std::mem::forget(held);
                return ended;
            }
            Ok(Fork::Parent(child)) => {
                drop((files, held));
                let told = Pid::from_raw(child).ok_or(io::ErrorKind::InvalidData.into()).and_then(|child| {
                    let status = end_of(child, &alive, &control)?;
                    control.write_all(&status.as_raw().to_le_bytes())
                });
                match told {
                    Ok(()) => {}
                    // Nobody listens any more.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
                    Err(error) => return failed("could not wait for a child", error),
                }
            }
            Err(error) => return failed("could not fork", error),
        }
    }
}

/// Waits for a child that holds the other end of `alive`. Nothing is said during a job, so a sign of life on `control`
/// is its end: then the child is killed.
fn end_of(child: Pid, alive: &impl AsFd, control: &UnixStream) -> io::Result<WaitStatus> {
    /// Longest time between two looks at a child that has let go of its end, in nanoseconds.
    const LOOK_EVERY: i64 = 10_000_000;
    let mut both = [PollFd::new(control, PollFlags::IN), PollFd::new(alive, PollFlags::IN)];
    let (mut watched, mut wait, mut options) = (both.as_mut_slice(), None, WaitOptions::NOHANG);
    loop {
        match poll(watched, wait.as_ref()) {
            Err(rustix::io::Errno::INTR) => continue,
            polled => polled?,
        };
        if watched.first().is_some_and(|control| !control.revents().is_empty()) {
            kill_process(child, Signal::KILL)?;
            options = WaitOptions::empty();
        }
        match waitpid(Some(child), options) {
            Ok(Some((_, status))) => return Ok(status),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // Its files are closed a moment before it has ended.
        let next = wait.map_or(50_000, |before: Timespec| (2 * before.tv_nsec).min(LOOK_EVERY));
        (watched, wait) = (watched.split_at_mut(1).0, Some(Timespec { tv_sec: 0, tv_nsec: next }));
    }
}

/// The files of the next job; `None` when there will be none.
fn receive(control: &UnixStream) -> io::Result<Option<[OwnedFd; FILES]>> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(control, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Ok(None);
    }
    let files: Vec<OwnedFd> = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => Some(files),
            _ => None,
        })
        .flatten()
        .collect();
    let whole = |files| if received.flags.contains(ReturnFlags::CTRUNC) { None } else { Some(files) };
    let files = <[OwnedFd; FILES]>::try_from(files).ok().and_then(whole);
    files.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Makes a forked process the child of one job, which it reads: the job's files are all it has, and it dies with its
/// parent.
fn enter(parent: Pid, files: [OwnedFd; FILES]) -> io::Result<Job> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() != Some(parent) {
        return Err(io::ErrorKind::NotConnected.into());
    }
    let [document, job, stdout, stderr] = files;
    rustix::stdio::dup2_stdin(document)?;
    rustix::stdio::dup2_stdout(stdout)?;
    rustix::stdio::dup2_stderr(stderr)?;
    let mut json = Vec::new();
    std::fs::File::from(job).take(MAX_JOB_BYTES).read_to_end(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}
