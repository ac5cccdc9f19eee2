//! The calls of each profile.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{BackendError, SeccompCondition, SeccompRule};

use super::{Profile, equal, masked};

/// Memory, threads, time, waiting, and the open files that a process has already.
const EVERYBODY: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_getcpu,
    libc::SYS_getcwd,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_newfstatat,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_statx,
    libc::SYS_sysinfo,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_uname,
    libc::SYS_write,
    libc::SYS_writev,
];

/// What other processors have only in a newer form.
#[cfg(target_arch = "x86_64")]
const EVERYBODY_OF_OLD: &[c_long] = &[
    libc::SYS_dup2,
    libc::SYS_epoll_wait,
    libc::SYS_getrlimit,
    libc::SYS_lstat,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_stat,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const EVERYBODY_OF_OLD: &[c_long] = &[];

/// Conversations that a process begins itself; which families, [`FAMILIES`] says.
const SOCKETS: &[c_long] = &[
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_socketpair,
];

/// Looking at files by name; opening them is a matter of how.
const FILES: &[c_long] = &[
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
];
#[cfg(target_arch = "x86_64")]
const FILES_OF_OLD: &[c_long] = &[libc::SYS_access, libc::SYS_readlink];
#[cfg(not(target_arch = "x86_64"))]
const FILES_OF_OLD: &[c_long] = &[];

/// What only the router does: settings of interfaces are written, and its processors are chosen anew at a reload.
const ROUTER: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_sched_setaffinity,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
];

/// What only the worker does: processes are watched, and compiled modules are mapped as often as wanted.
const WORKER: &[c_long] = &[
    libc::SYS_ftruncate,
    libc::SYS_memfd_create,
    libc::SYS_pidfd_open,
    libc::SYS_waitid,
];

/// What only the compiler does: it fills the cache.
const COMPILER: &[c_long] = &[
    libc::SYS_fallocate,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fdatasync,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_mkdirat,
    libc::SYS_openat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
];
#[cfg(target_arch = "x86_64")]
const COMPILER_OF_OLD: &[c_long] = &[
    libc::SYS_chmod,
    libc::SYS_mkdir,
    libc::SYS_open,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const COMPILER_OF_OLD: &[c_long] = &[];

/// The families of sockets, for `socket(2)`.
const FAMILIES: &[(Profile, &[i32])] = &[
    (
        Profile::Router,
        &[
            libc::AF_INET,
            libc::AF_INET6,
            libc::AF_NETLINK,
            libc::AF_PACKET,
            libc::AF_UNIX,
        ],
    ),
    (
        Profile::Worker,
        &[
            libc::AF_INET,
            libc::AF_INET6,
            libc::AF_NETLINK,
            libc::AF_UNIX,
        ],
    ),
];

/// Requests to a socket or a terminal that only ask; and `FIONBIO`, which is about waiting.
const REQUESTS: &[libc::Ioctl] = &[
    libc::FIONBIO,
    libc::FIONREAD,
    libc::TCGETS,
    libc::TIOCGWINSZ,
    libc::SIOCGIFINDEX as libc::Ioctl,
    libc::SIOCGIFNAME as libc::Ioctl,
    libc::SIOCGIFFLAGS as libc::Ioctl,
    libc::SIOCGIFHWADDR as libc::Ioctl,
    libc::SIOCGIFMTU as libc::Ioctl,
];

/// What the kernel told the process when it began (Linux 6.4): rustix asks for it.
const PR_GET_AUXV: i32 = 0x4155_5856;

/// What a process may ask and change of itself.
const SETTINGS: &[i32] = &[
    libc::PR_SET_NAME,
    libc::PR_GET_NAME,
    libc::PR_SET_DUMPABLE,
    libc::PR_GET_DUMPABLE,
    libc::PR_SET_VMA,
    PR_GET_AUXV,
];

/// Calls that Linux has had since 5.1 and that a C library never makes by itself.
const TOLD: &[c_long] = &[
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
];

/// The first call of Linux 5.1: from there on, calls have the same numbers on every processor.
pub(super) const FIRST_NEW: c_long = libc::SYS_pidfd_send_signal;
/// Calls of the next decade.
const LAST_NEW: c_long = FIRST_NEW + 200;

/// Calls that C libraries, also those to come, try first and can do without: that one is not there is said by `ENOSYS`, and
/// no news. One of them is `clone3`, instead of which glibc then starts its threads with `clone`, whose flags a filter sees.
pub(super) fn unknown() -> Rules {
    (FIRST_NEW..=LAST_NEW)
        .filter(|call| !TOLD.contains(call))
        .map(|call| (call, Vec::new()))
        .collect()
}

pub(super) type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What `profile` may call, with the conditions under which it may.
pub(super) fn allowed(profile: Profile) -> Result<Rules, BackendError> {
    let of_profile: &[&[c_long]] = match profile {
        Profile::Router => &[SOCKETS, FILES, FILES_OF_OLD, ROUTER],
        Profile::Worker => &[SOCKETS, FILES, FILES_OF_OLD, WORKER],
        Profile::Compiler => &[FILES, FILES_OF_OLD, COMPILER, COMPILER_OF_OLD],
    };
    let everybody = [EVERYBODY, EVERYBODY_OF_OLD];
    let calls = everybody.iter().chain(of_profile).copied().flatten();
    let mut rules: Rules = calls.map(|call| (*call, Vec::new())).collect();

    // A thread, and no process.
    when(
        &mut rules,
        libc::SYS_clone,
        masked(0, libc::CLONE_THREAD, libc::CLONE_THREAD)?,
    )?;
    // A signal to itself, as of abort(3).
    when(&mut rules, libc::SYS_tgkill, equal(0, std::process::id())?)?;
    // Its limits are there to be read.
    let no_new_limit = SeccompCondition::new(
        2,
        seccompiler::SeccompCmpArgLen::Qword,
        seccompiler::SeccompCmpOp::Eq,
        0,
    )?;
    when(&mut rules, libc::SYS_prlimit64, no_new_limit)?;
    for request in REQUESTS {
        // The kernel looks at 32 bits, whatever the type of a C library.
        let request = u32::try_from(*request).unwrap_or_default();
        when(&mut rules, libc::SYS_ioctl, equal(1, request)?)?;
    }
    for setting in SETTINGS {
        when(
            &mut rules,
            libc::SYS_prctl,
            equal(0, setting.cast_unsigned())?,
        )?;
    }
    let families = FAMILIES.iter().filter(|(of, _)| *of == profile);
    for family in families.flat_map(|(_, families)| *families) {
        when(
            &mut rules,
            libc::SYS_socket,
            equal(0, family.cast_unsigned())?,
        )?;
    }
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        match profile {
            // Modules are native code, and the C library loads parts of itself to look up a name.
            Profile::Worker => _ = rules.insert(call, Vec::new()),
            Profile::Router | Profile::Compiler => {
                when(&mut rules, call, masked(2, libc::PROT_EXEC, 0)?)?;
            }
        }
    }
    if profile == Profile::Worker {
        let written = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC;
        when(
            &mut rules,
            libc::SYS_openat,
            masked(2, written, libc::O_RDONLY)?,
        )?;
        #[cfg(target_arch = "x86_64")]
        when(
            &mut rules,
            libc::SYS_open,
            masked(1, written, libc::O_RDONLY)?,
        )?;
    }
    Ok(rules)
}

/// Allows `call` also under this condition.
fn when(rules: &mut Rules, call: c_long, condition: SeccompCondition) -> Result<(), BackendError> {
    let rule = SeccompRule::new(vec![condition])?;
    rules.entry(call).or_default().push(rule);
    Ok(())
}
