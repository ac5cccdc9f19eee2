//! Processes by name: who runs now ([`find`], [`KnownProcesses`]), who has a port
//! ([`listening_at`]), and events when a name's processes change ([`ProcessWatcher`]).
//!
//! A process has a name when its `comm` (`/proc/PID/comm`, what `ps -o comm` and `top` show) equals it, or the
//! last path component of its first argument does. The kernel cuts `comm` after 15 bytes, so a
//! longer name is only compared with the first argument. Zombies do not count: they run no more. Threads are not processes.

mod connector;
mod listening;
mod watcher;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;

use procfs::process::{Process, Stat};
use procfs::{FromRead as _, ProcError, ProcResult};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub use connector::{OpenConnectorError, ProcConnector};
pub use listening::listening_at;
pub use watcher::{ProcessEvent, ProcessWatcher};

/// A running process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Its id.
    pub pid: u32,
    /// Its name as the kernel keeps it, at most 15 bytes.
    pub comm: String,
    /// Its arguments, the program's name first; empty for a kernel thread.
    pub cmdline: Vec<String>,
    /// When it started, in milliseconds since 1970 (UTC) by the present reading of the clock.
    pub started_unix_ms: u64,
    /// Its resident memory in bytes, as far as the kernel has counted it up.
    pub rss_bytes: u64,
    /// How many threads it has.
    pub threads: u32,
}

/// The processes with this name (see the [module](self)), by ascending id.
///
/// # Errors
///
/// When `/proc` cannot be listed. A process that ends meanwhile, or that may not be looked at, is left out.
pub fn find(name: &str) -> io::Result<Vec<ProcessInfo>> {
    let mut found = Vec::new();
    for pid in list()? {
        if Identity::read(pid).is_some_and(|identity| identity.has_name(name)) {
            found.extend(ProcessInfo::read(pid, name));
        }
    }
    found.sort_by_key(|process| process.pid);
    Ok(found)
}

/// Resident memory of a process in bytes, as far as the kernel has counted it up; nothing when there is no such process.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    Some(resident(&process.stat().ok()?))
}

/// [`find`] for names that are asked for again and again: while the processes found last still run, `/proc` is not searched.
///
/// A process that joins those already running is then noticed only when one of them ends, and other arguments that one gives itself
/// when it is found anew. A process that becomes another program has another `comm`, and is found anew.
/// Each name asked for is remembered until [`forget`](Self::forget).
#[derive(Debug, Default)]
pub struct KnownProcesses {
    by_name: HashMap<String, Vec<Running>>,
}

/// More processes of one name than this are searched for each time; it bounds the descriptors that a name holds.
const MAX_KNOWN: usize = 16;

impl KnownProcesses {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The processes with this name, by ascending id; none only after a search.
    ///
    /// # Errors
    ///
    /// As [`find`].
    pub fn find(&mut self, name: &str) -> io::Result<Vec<ProcessInfo>> {
        if let Some(known) = self.by_name.get(name)
            && let Some(processes) = known.iter().map(Running::info).collect::<Option<Vec<_>>>()
            && !processes.is_empty()
        {
            return Ok(processes);
        }
        let found = find(name)?;
        let mut known = Vec::new();
        if found.len() <= MAX_KNOWN {
            known.extend(
                found
                    .iter()
                    .filter_map(|process| Running::open(process.pid, name)),
            );
        }
        self.by_name.insert(name.to_owned(), known);
        Ok(found)
    }

    /// Drops what is remembered of this name.
    pub fn forget(&mut self, name: &str) {
        self.by_name.remove(name);
    }
}

/// A process and its `/proc/PID/stat`, which stays open: reading that again is one system call, and never comes to be about another process.
#[derive(Debug)]
struct Running {
    stat: File,
    found: ProcessInfo,
}

impl Running {
    /// Nothing when the process is gone, or has another name.
    fn open(pid: u32, name: &str) -> Option<Self> {
        let stat = File::open(format!("/proc/{pid}/stat")).ok()?;
        let found = ProcessInfo::read(pid, name)?;
        let running = Self { stat, found };
        // Only if it still runs after the look was it this process that was looked at.
        running.info().is_some().then_some(running)
    }

    /// What it is now, with the arguments that it was found with; nothing when it has ended, or became another program.
    fn info(&self) -> Option<ProcessInfo> {
        let mut text = [0; STAT_MAX];
        let length = self.stat.read_at(&mut text, 0).ok()?;
        let stat = Stat::from_read(text.get(..length)?).ok()?;
        let goes_on = runs(&stat) && stat.comm == self.found.comm;
        goes_on.then(|| ProcessInfo {
            rss_bytes: resident(&stat),
            threads: threads(&stat),
            ..self.found.clone()
        })
    }
}

/// Lets a task wait until `fd` is readable.
///
/// # Errors
///
/// When the runtime cannot take on another descriptor.
pub(crate) fn await_readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // JUSTIFICATION: tokio has no safe way (any more) to wait for a pidfd, a netlink socket or an inotify instance.
    // SAFETY: an `OwnedFd` stays open as long as it lives, gives the same descriptor at every call, and nobody can replace it inside the `AsyncFd`,
    // which is only lent out shared.
    #[expect(unsafe_code, reason = "see the justification above")]
    let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    Ok(registered?)
}

/// The ids of all processes.
fn list() -> io::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        pids.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(pids)
}

/// More than `/proc/PID/stat` has: some fifty numbers of at most twenty digits, and a `comm`.
const STAT_MAX: usize = 2048;

/// The longest `comm`: `TASK_COMM_LEN` less the terminating zero.
const MAX_COMM: usize = 15;

/// What a process is called, read as cheaply as the kernel allows.
struct Identity {
    comm: Vec<u8>,
    cmdline: Vec<u8>,
}

impl Identity {
    fn read(pid: u32) -> Option<Self> {
        let mut comm = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
        if comm.last() == Some(&b'\n') {
            comm.pop();
        }
        let cmdline = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        Some(Self { comm, cmdline })
    }

    fn has_name(&self, name: &str) -> bool {
        let first_argument = self.cmdline.split(|byte| *byte == 0).next().unwrap_or(&[]);
        has_name(name.as_bytes(), &self.comm, first_argument)
    }
}

fn has_name(name: &[u8], comm: &[u8], first_argument: &[u8]) -> bool {
    let program = first_argument.rsplit(|byte| *byte == b'/').next();
    !name.is_empty() && ((name.len() <= MAX_COMM && comm == name) || program == Some(name))
}

impl ProcessInfo {
    /// Nothing when there is no such process, or not with this name.
    fn read(pid: u32, name: &str) -> Option<Self> {
        match Self::try_read(pid) {
            Ok(info) => info.filter(|info| info.has_name(name)),
            Err(ProcError::NotFound(_) | ProcError::PermissionDenied(_)) => None,
            Err(error) => {
                tracing::debug!(pid, %error, "cannot read a process");
                None
            }
        }
    }

    fn try_read(pid: u32) -> ProcResult<Option<Self>> {
        let Ok(raw) = i32::try_from(pid) else {
            return Ok(None);
        };
        // It holds the process's directory open: all of the following is about one process.
        let process = Process::new(raw)?;
        let stat = process.stat()?;
        if !runs(&stat) {
            return Ok(None);
        }
        Ok(Some(Self {
            pid,
            cmdline: process.cmdline()?,
            started_unix_ms: started_unix_ms(stat.starttime),
            rss_bytes: resident(&stat),
            threads: threads(&stat),
            comm: stat.comm,
        }))
    }

    fn has_name(&self, name: &str) -> bool {
        let first_argument = self.cmdline.first().map_or("", String::as_str);
        has_name(
            name.as_bytes(),
            self.comm.as_bytes(),
            first_argument.as_bytes(),
        )
    }
}

/// A zombie runs no more.
fn runs(stat: &Stat) -> bool {
    !matches!(stat.state, 'Z' | 'X' | 'x')
}

fn threads(stat: &Stat) -> u32 {
    u32::try_from(stat.num_threads).unwrap_or(0)
}

fn resident(stat: &Stat) -> u64 {
    stat.rss.saturating_mul(procfs::page_size())
}

/// `ticks` since boot, suspended time included.
fn started_unix_ms(ticks: u64) -> u64 {
    let milliseconds = |clock| {
        let time = clock_gettime(clock);
        i128::from(time.tv_sec) * 1000 + i128::from(time.tv_nsec) / 1_000_000
    };
    let booted = milliseconds(ClockId::Realtime) - milliseconds(ClockId::Boottime);
    let since_boot = i128::from(ticks) * 1000 / i128::from(procfs::ticks_per_second().max(1));
    u64::try_from(booted + since_boot).unwrap_or(0)
}

#[cfg(test)]
mod tests;
