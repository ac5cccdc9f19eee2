//! Commands of others, run as their user and bounded in time and output.
//!
//! A command has no shell, nothing on its standard input, no environment but `PATH` and `LANG`, the folder `/`, and a process
//! group of its own, which is killed when its time is over, or with its caller.

mod trust;

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, getppid, kill_process_group, pidfd_open,
    set_parent_process_death_signal,
};

pub use trust::{Untrusted, check};

use crate::user::User;

/// What is kept of each stream, bytes.
pub const OUTPUT_MAX: usize = 64 * 1024;
/// From `SIGTERM` to `SIGKILL`.
const KILL_AFTER: Duration = Duration::from_millis(500);
/// What is read at once, bytes.
const CHUNK: usize = 16 * 1024;
/// What is still read of a command that has ended, bytes: what it started may go on writing.
const REST_MAX: usize = 16 * CHUNK;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const LANG: &str = "C.UTF-8";

/// A command to run.
#[derive(Clone, Debug)]
pub struct Command {
    /// Its absolute path.
    pub program: PathBuf,
    /// Without the program's own name.
    pub arguments: Vec<String>,
    /// Whom it runs as. Unless that is root it has no capability, and no setuid program gives it one.
    pub user: User,
    /// What becomes of what it started and left running.
    pub left_running: LeftRunning,
}

/// What becomes of the process group of a command that has ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftRunning {
    /// It goes on.
    Stays,
    /// It is killed.
    IsKilled,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With this code.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
}

/// A command that has ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// How.
    pub ending: Ending,
    /// The first [`OUTPUT_MAX`] bytes that it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// The first [`OUTPUT_MAX`] bytes that it wrote to its standard error.
    pub stderr: Vec<u8>,
    /// Whether it wrote more to either.
    pub truncated: bool,
}

/// Why a command did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no such program.
    #[error("there is no such file")]
    NotFound,
    /// It is not run any more.
    #[error(transparent)]
    Untrusted(Untrusted),
    /// It was killed when its time was over.
    #[error("it did not end in time")]
    Timeout,
    /// It was killed because its caller ends.
    #[error("it was ended with its caller")]
    Stopped,
    /// It could not be started.
    #[error("{0}")]
    Start(String),
}

impl Command {
    /// Runs it until `deadline`, or until `stop` is readable or hung up; `answer` is told the outcome.
    ///
    /// It may block for longer than that, even for ever, with a disk that hangs: call it on a thread of its own that
    /// nobody waits for. `answer` is called once; where the command was killed, already before it is really gone. The kernel
    /// kills it too when the calling thread ends first.
    pub fn run<S, F>(&self, deadline: Instant, stop: S, answer: F)
    where
        S: AsFd,
        F: FnOnce(Result<Output, CommandError>),
    {
        let mut running = match self.start() {
            Ok(running) => running,
            Err(error) => return answer(Err(error)),
        };
        match running.wait(deadline, Some(&stop)) {
            Wait::Ended => {
                running.read_rest();
                answer(running.end(self.left_running));
            }
            Wait::TimeIsOver => {
                answer(Err(CommandError::Timeout));
                running.kill();
            }
            Wait::Stopped => {
                answer(Err(CommandError::Stopped));
                running.kill();
            }
        }
    }

    fn start(&self) -> Result<Running, CommandError> {
        // What the administrator keeps safe now may not have been when it was looked at last.
        match trust::check_owners(&self.program, &self.user) {
            Ok(()) => {}
            Err(Untrusted::NotFound) => return Err(CommandError::NotFound),
            Err(untrusted) => return Err(CommandError::Untrusted(untrusted)),
        }
        let mut command = std::process::Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .env("PATH", PATH)
            .env("LANG", LANG)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let user = self.user.clone();
        let parent = getpid();
        // JUSTIFICATION: the standard library can change the user, and nothing else of what a process may do.
        // SAFETY: between fork and exec only system calls are made; nothing is
        // allocated, no lock is taken, and an error is no more than its number.
        #[expect(unsafe_code, reason = "see the justification above")]
        unsafe {
            command.pre_exec(move || {
                close_others_at_exec()?;
                user.assume()?;
                set_parent_process_death_signal(Some(Signal::KILL))?;
                // A parent that ended before the call above sends no signal, but another has adopted this process then.
                if getppid() == Some(parent) {
                    Ok(())
                } else {
                    Err(Errno::SRCH.into())
                }
            });
        }
        let child = command.spawn().map_err(|error| self.explain(&error))?;
        Running::new(child).map_err(|error| CommandError::Start(error.to_string()))
    }

    fn explain(&self, error: &io::Error) -> CommandError {
        let user = self.user.name();
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        CommandError::Start(match errno {
            Some(Errno::NOENT | Errno::NOTDIR) if self.program.exists() => {
                "the interpreter that its first line names is missing".to_owned()
            }
            Some(Errno::NOENT | Errno::NOTDIR) => return CommandError::NotFound,
            Some(Errno::NOEXEC) => {
                "it is neither a program nor a script that begins with `#!`".to_owned()
            }
            Some(Errno::ACCESS) => format!("the user {user} may not execute it"),
            Some(Errno::PERM) => format!("it cannot be run as the user {user}"),
            _ => error.to_string(),
        })
    }
}

/// Whatever this process was started with, and whatever a library forgot to mark, is not the command's.
// JUSTIFICATION: rustix leaves out this call.
#[expect(unsafe_code, reason = "see the justification above")]
fn close_others_at_exec() -> io::Result<()> {
    let (first, last) = (libc::c_uint::from(3_u8), libc::c_uint::MAX);
    // SAFETY: it takes numbers, and changes a flag of descriptors that only matters at exec.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            last,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A command that was started. Its id is its own until it is reaped, and so is that of its process group.
struct Running {
    child: Child,
    group: Pid,
    pidfd: OwnedFd,
    stdout: Stream,
    stderr: Stream,
}

/// Why a wait is over.
enum Wait {
    Ended,
    TimeIsOver,
    Stopped,
}

impl Running {
    fn new(mut child: Child) -> io::Result<Self> {
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let group = group.ok_or_else(|| io::Error::other("it has no process id"))?;
        match open(&mut child, group) {
            Ok((pidfd, stdout, stderr)) => Ok(Self {
                child,
                group,
                pidfd,
                stdout,
                stderr,
            }),
            Err(error) => {
                let _ = kill_process_group(group, Signal::KILL);
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Waits for its end, and reads meanwhile what it writes.
    fn wait(&mut self, deadline: Instant, stop: Option<&dyn AsFd>) -> Wait {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(timeout) = Timespec::try_from(left) else {
                return Wait::TimeIsOver;
            };
            let mut fds = vec![PollFd::new(&self.pidfd, PollFlags::IN)];
            fds.extend(stop.map(|stop| PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN)));
            let first_stream = fds.len();
            for stream in [&self.stdout, &self.stderr] {
                fds.extend(
                    stream
                        .pipe
                        .iter()
                        .map(|pipe| PollFd::new(pipe, PollFlags::IN)),
                );
            }
            if let Err(errno) = poll(&mut fds, Some(&timeout))
                && errno != Errno::INTR
            {
                return Wait::TimeIsOver;
            }
            let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
            let ended = is_ready(&fds[0]);
            let stopped = fds[1..first_stream].iter().any(is_ready);
            self.stdout.read();
            self.stderr.read();
            if ended {
                return Wait::Ended;
            }
            if stopped {
                return Wait::Stopped;
            }
            if Instant::now() >= deadline {
                return Wait::TimeIsOver;
            }
        }
    }

    /// What was written before it ended is still in the pipes.
    fn read_rest(&mut self) {
        for stream in [&mut self.stdout, &mut self.stderr] {
            let mut rest = REST_MAX;
            while rest > 0 && stream.read() == CHUNK {
                rest -= CHUNK;
            }
        }
    }

    /// After it has ended.
    fn end(mut self, left_running: LeftRunning) -> Result<Output, CommandError> {
        if left_running == LeftRunning::IsKilled {
            // Before it is reaped: nobody else can have its group's number until then.
            let _ = kill_process_group(self.group, Signal::KILL);
        }
        let status = self.child.wait();
        let status = status.map_err(|error| CommandError::Start(error.to_string()))?;
        Ok(Output {
            ending: ending(status),
            truncated: self.stdout.truncated || self.stderr.truncated,
            stdout: self.stdout.kept,
            stderr: self.stderr.kept,
        })
    }

    /// First politely.
    fn kill(mut self) {
        let _ = kill_process_group(self.group, Signal::TERM);
        self.wait(Instant::now() + KILL_AFTER, None);
        // Also when it has ended: what it started may have ignored the first signal.
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait();
    }
}

fn open(child: &mut Child, group: Pid) -> io::Result<(OwnedFd, Stream, Stream)> {
    Ok((
        pidfd_open(group, PidfdFlags::empty())?,
        Stream::new(child.stdout.take())?,
        Stream::new(child.stderr.take())?,
    ))
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, signal) => Ending::Signaled(signal.unwrap_or_default()),
    }
}

/// What a command writes.
struct Stream {
    /// Until its end.
    pipe: Option<std::fs::File>,
    kept: Vec<u8>,
    truncated: bool,
}

impl Stream {
    fn new(pipe: Option<impl Into<OwnedFd>>) -> io::Result<Self> {
        let pipe: Option<OwnedFd> = pipe.map(Into::into);
        if let Some(pipe) = &pipe {
            ioctl_fionbio(pipe, true)?;
        }
        Ok(Self {
            pipe: pipe.map(Into::into),
            kept: Vec::new(),
            truncated: false,
        })
    }

    /// Reads what is there, at most [`CHUNK`] bytes; returns how many.
    fn read(&mut self) -> usize {
        let Some(pipe) = &mut self.pipe else {
            return 0;
        };
        let mut chunk = [0; CHUNK];
        match pipe.read(&mut chunk) {
            Ok(0) => {
                self.pipe = None;
                0
            }
            Ok(length) => {
                let room = OUTPUT_MAX - self.kept.len();
                self.kept.extend_from_slice(&chunk[..length.min(room)]);
                self.truncated |= length > room;
                length
            }
            Err(error) => {
                let later = [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted];
                if !later.contains(&error.kind()) {
                    self.pipe = None;
                }
                0
            }
        }
    }
}
