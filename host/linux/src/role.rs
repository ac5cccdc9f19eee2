//! What a child process of the supervisor does to itself when it starts, before it reads anything from outside.

use std::io;
use std::time::Duration;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getppid, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How long a real-time process may run without ever waiting: the kernel then sends `SIGXCPU`, which ends it.
///
/// A router that spins would otherwise keep everything else off its processor, including the person who wants to stop it.
pub const REALTIME_RUN_LIMIT: Duration = Duration::from_secs(1);

/// Has the kernel send this process `SIGTERM` when its parent ends, and makes sure that it has not ended already.
///
/// The kernel watches the *thread* that started this process: start children from a thread that lives as long as its process.
/// The setting is lost when the process changes its credentials; call this after that.
///
/// # Errors
///
/// [`DieWithParentError::ParentGone`] when `parent`, the process id of the supervisor, is not the parent any more: exit then.
pub fn die_with_parent(parent: u32) -> Result<(), DieWithParentError> {
    set_parent_process_death_signal(Some(Signal::TERM))
        .map_err(|errno| DieWithParentError::Refused(errno.into()))?;
    // A parent that ended before the call above sends no signal, but then another process has adopted this one.
    let found = getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
    if found == parent {
        Ok(())
    } else {
        Err(DieWithParentError::ParentGone { parent })
    }
}

/// Why [`die_with_parent`] failed.
#[derive(Debug, thiserror::Error)]
pub enum DieWithParentError {
    /// The parent had already ended.
    #[error("the supervisor (process {parent}) has ended")]
    ParentGone {
        /// The expected parent.
        parent: u32,
    },
    /// The kernel refused the setting.
    #[error("cannot ask for a signal at the end of the supervisor")]
    Refused(#[source] io::Error),
}

/// From now on no `execve` of this thread, and of threads it starts later, gives more rights: setuid programs run without.
///
/// # Errors
///
/// None on any Linux since 3.5, except under a seccomp filter.
pub fn no_new_privs() -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    Ok(())
}

/// Puts the calling thread, and those it starts later, under `SCHED_RR` at `priority` (1 to 99), so that no load of the host delays an
/// advertisement; limits how long they may run without waiting to [`REALTIME_RUN_LIMIT`].
///
/// # Errors
///
/// [`RealtimeError::NotPermitted`] without `CAP_SYS_NICE`; the router works without, so report it and go on.
pub fn realtime(priority: u8) -> Result<(), RealtimeError> {
    // First the limit: there is no moment at which the thread could spin for ever.
    let micros = u64::try_from(REALTIME_RUN_LIMIT.as_micros()).unwrap_or(u64::MAX);
    let limit = Rlimit {
        current: Some(micros),
        // The kernel kills at the hard limit; twice the soft one leaves `SIGXCPU` the time to be seen.
        maximum: Some(micros.saturating_mul(2)),
    };
    setrlimit(Resource::Rttime, limit).map_err(|errno| RealtimeError::Limit(errno.into()))?;
    set_round_robin(priority).map_err(|source| {
        if source.kind() == io::ErrorKind::PermissionDenied {
            RealtimeError::NotPermitted
        } else {
            RealtimeError::Refused { priority, source }
        }
    })
}

/// Why [`realtime`] failed.
#[derive(Debug, thiserror::Error)]
pub enum RealtimeError {
    /// The process lacks the capability, or the cgroup has no real-time budget.
    #[error(
        "real-time scheduling is not permitted: grant CAP_SYS_NICE (systemd: AmbientCapabilities=CAP_SYS_NICE), or set LimitRTPRIO="
    )]
    NotPermitted,
    /// The kernel refused the limit that keeps a real-time process from spinning.
    #[error("cannot limit the real-time run time")]
    Limit(#[source] io::Error),
    /// The kernel refused the priority.
    #[error("cannot schedule at real-time priority {priority}")]
    Refused {
        /// The priority asked for.
        priority: u8,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// Has the calling thread, and those it starts later, run on these processors only, by number; on all when there are none.
///
/// # Errors
///
/// `EINVAL` when this host has none of them, or this process may run on none of them.
pub fn run_on(cpus: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for cpu in 0..CpuSet::MAX_CPU {
        if cpus.is_empty() || cpus.contains(&cpu) {
            set.set(cpu);
        }
    }
    sched_setaffinity(None, &set)?;
    Ok(())
}

/// The processors that the calling thread may run on, by number.
///
/// # Errors
///
/// When the kernel has more of them than there are names for.
pub fn processors() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    let mine = (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu));
    Ok(mine.collect())
}

/// Keeps this process's memory from being paged out, so that no access to it waits for a disk: what is mapped now and later stays once it was touched.
///
/// # Errors
///
/// `EPERM` or `ENOMEM` when neither `CAP_IPC_LOCK` nor `RLIMIT_MEMLOCK` allows it; the router works without, so report it and go on.
pub fn lock_memory() -> io::Result<()> {
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)?;
    Ok(())
}

/// Keeps this process's memory out of core dumps, and out of the reach of debuggers without `CAP_SYS_PTRACE`. The programs it
/// starts have to ask for it themselves.
pub fn forbid_core_dumps() {
    // The kernel refuses no process that asks for less.
    _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

// JUSTIFICATION: rustix leaves out the scheduler calls, whose meaning libcs disagree about, and no other dependency has them.
#[expect(unsafe_code, reason = "see the justification above")]
fn set_round_robin(priority: u8) -> io::Result<()> {
    // The kernel's `struct sched_param` is one `int`; that of musl has more.
    let parameter = libc::c_int::from(priority);
    // SAFETY: the pointer is valid for the duration of the call, and the kernel only reads from it; 0 is the calling thread.
    // The system call is made directly because musl's wrapper only returns ENOSYS.
    let result = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            0,
            libc::SCHED_RR,
            &raw const parameter,
        )
    };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
