//! A process that has everything loaded and forks a child for each document: a fork costs a fraction of
//! starting the program, binding the PDF library and reading the classifier's tables anew.
//!
//! Both ends and what they say to each other over one socket: a job with the three files of its child, then how the
//! child ended. Invariants: the fork server never reads a document, so its children share nothing but what the
//! program itself loaded; the child of one job is dead before the next is taken; a call that ends early takes the fork
//! server with the child.

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
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

/// Files handed over with a job: the document, where the answer goes, where complaints go.
const FILES: usize = 3;
/// Most bytes of a job as JSON: names and addresses are the only parts without a fixed length.
const MAX_JOB_BYTES: usize = 4 << 20;
/// How long a child that has said everything may take to end.
const FAREWELL: Duration = Duration::from_secs(2);

/// The caller's end of one fork server. Dropped, the fork server kills the child it has and ends.
#[derive(Debug)]
pub(crate) struct ForkServer {
    /// Waited for by the runtime once it is dropped.
    _process: Child,
    control: tokio::net::UnixStream,
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
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(library) = pdfium {
            command.env(PDFIUM_PATH_VARIABLE, library);
        }
        Ok(Self { _process: command.spawn()?, control: tokio::net::UnixStream::from_std(ours)? })
    }

    /// Forks a child for the job. Gives its standard output and error.
    pub(crate) async fn fork(
        &mut self,
        job: &Job,
        file: &std::fs::File,
    ) -> io::Result<(pipe::Receiver, pipe::Receiver)> {
        let job = serde_json::to_vec(job)?;
        let size = u32::try_from(job.len()).map_err(io::Error::other)?.to_le_bytes();
        let (stdout, answer) = pipe::pipe()?;
        let (stderr, complaints) = pipe::pipe()?;
        let (stdout, stderr) = (stdout.into_blocking_fd()?, stderr.into_blocking_fd()?);
        let files = [file.as_fd(), stdout.as_fd(), stderr.as_fd()];
        let send = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            if !ancillary.push(SendAncillaryMessage::ScmRights(&files)) {
                return Err(io::Error::other("no room for the files"));
            }
            Ok(sendmsg(&self.control, &[IoSlice::new(&size)], &mut ancillary, SendFlags::NOSIGNAL)?)
        };
        // The socket is empty between jobs, so these few bytes go in one piece.
        if self.control.async_io(Interest::WRITABLE, send).await? != size.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.control.write_all(&job).await?;
        Ok((answer, complaints))
    }

    /// How the child of the last job ended, once it has.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let mut status = [0; 4];
        self.control.read_exact(&mut status).await?;
        Ok(ExitStatus::from_raw(i32::from_le_bytes(status)))
    }

    /// As [`Self::ended`], for a child that should have ended by now.
    pub(crate) async fn ends_soon(&mut self) -> bool {
        tokio::time::timeout(FAREWELL, self.ended()).await.is_ok_and(|ended| ended.is_ok())
    }
}

/// The fork server itself: takes jobs from standard input until it is closed. `prepare` runs before each fork, `work`
/// in the child, which has the document as standard input. Call it before any thread is started.
pub(crate) fn serve(prepare: impl Fn(&Job), work: impl FnOnce(Job) -> ExitCode) -> ExitCode {
    let parent = rustix::process::getpid();
    let Ok(control) = io::stdin().as_fd().try_clone_to_owned() else { return ExitCode::FAILURE };
    let mut control = UnixStream::from(control);
    loop {
        let (job, files) = match receive(&mut control) {
            Ok(Some(received)) => received,
            Ok(None) => return ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(io::stderr(), "this command is started by the server only ({error})");
                return ExitCode::from(2);
            }
        };
        prepare(&job);
        let Ok((alive, held)) = io::pipe() else { return ExitCode::FAILURE };
        match fork::fork() {
            Ok(Fork::Child) => {
                drop((control, alive));
                let ended = enter(parent, files).map_or(ExitCode::FAILURE, |()| work(job));
                drop(held);
                return ended;
            }
            Ok(Fork::Parent(child)) => {
                drop((files, held));
                let told = Pid::from_raw(child).ok_or(io::ErrorKind::InvalidData.into()).and_then(|child| {
                    let status = end_of(child, &alive, &control)?;
                    control.write_all(&status.as_raw().to_le_bytes())
                });
                if told.is_err() {
                    return ExitCode::FAILURE;
                }
            }
            Err(_) => return ExitCode::FAILURE,
        }
    }
}

/// Waits for a child that holds the other end of `alive`. Nothing is said during a job, so a sign of life on `control`
/// is its end: then the child is killed.
fn end_of(child: Pid, alive: &impl AsFd, control: &UnixStream) -> io::Result<WaitStatus> {
    /// Between two looks at a child that has let go of its end and lives on.
    const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
    let mut both = [PollFd::new(control, PollFlags::IN), PollFd::new(alive, PollFlags::IN)];
    let (mut watched, mut wait, mut options) = (both.as_mut_slice(), None, WaitOptions::NOHANG);
    loop {
        match poll(watched, wait) {
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
        (watched, wait) = (watched.split_at_mut(1).0, Some(&LOOK_EVERY));
    }
}

/// The next job; `None` when there will be none.
fn receive(control: &mut UnixStream) -> io::Result<Option<(Job, Vec<OwnedFd>)>> {
    let mut size = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(&*control, &mut [IoSliceMut::new(&mut size)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
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
    let size = u32::from_le_bytes(size) as usize;
    let cut = received.flags.contains(ReturnFlags::CTRUNC);
    if received.bytes != 4 || files.len() != FILES || cut || size > MAX_JOB_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut job = vec![0; size];
    control.read_exact(&mut job)?;
    Ok(Some((serde_json::from_slice(&job)?, files)))
}

/// Makes a forked process the child of one job: the job's files are all it has, and it dies with its parent.
fn enter(parent: Pid, files: Vec<OwnedFd>) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() != Some(parent) {
        return Err(io::ErrorKind::NotConnected.into());
    }
    let [document, stdout, stderr] =
        <[OwnedFd; FILES]>::try_from(files).map_err(|_| io::ErrorKind::InvalidData)?;
    rustix::stdio::dup2_stdin(document)?;
    rustix::stdio::dup2_stdout(stdout)?;
    rustix::stdio::dup2_stderr(stderr)?;
    Ok(())
}
