//! What becomes of a call that is not allowed: it fails, and the log tells which one it was.
//!
//! The kernel sends `SIGSYS` instead of making the call. The handler has the call return an error, and writes its number into a
//! pipe, at the other end of which a thread waits that may do more than a handler may.

use std::collections::BTreeSet;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, IntoRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use libc::{c_int, c_long, c_void, siginfo_t, ucontext_t};
use rustix::pipe::{PipeFlags, pipe_with};
use tracing::{debug, error};

use super::calls::FIRST_NEW;

/// Where the handler writes to: open for as long as the process lives.
static WRITER: AtomicI32 = AtomicI32::new(-1);

/// Names of calls that somebody who has taken over a process would try; others are told by number.
const NAMES: &[(c_long, &str)] = &[
    (libc::SYS_accept4, "accept4"),
    (libc::SYS_bpf, "bpf"),
    (libc::SYS_capset, "capset"),
    (libc::SYS_chroot, "chroot"),
    (libc::SYS_clone, "clone"),
    (libc::SYS_execve, "execve"),
    (libc::SYS_execveat, "execveat"),
    (libc::SYS_fchownat, "fchownat"),
    (libc::SYS_fchmodat, "fchmodat"),
    (libc::SYS_finit_module, "finit_module"),
    (libc::SYS_init_module, "init_module"),
    (libc::SYS_io_uring_setup, "io_uring_setup"),
    (libc::SYS_ioctl, "ioctl"),
    (libc::SYS_kill, "kill"),
    (libc::SYS_linkat, "linkat"),
    (libc::SYS_listen, "listen"),
    (libc::SYS_mkdirat, "mkdirat"),
    (libc::SYS_mmap, "mmap"),
    (libc::SYS_mount, "mount"),
    (libc::SYS_mprotect, "mprotect"),
    (libc::SYS_openat, "openat"),
    (libc::SYS_openat2, "openat2"),
    (libc::SYS_pidfd_getfd, "pidfd_getfd"),
    (libc::SYS_prctl, "prctl"),
    (libc::SYS_prlimit64, "prlimit64"),
    (libc::SYS_process_vm_readv, "process_vm_readv"),
    (libc::SYS_process_vm_writev, "process_vm_writev"),
    (libc::SYS_ptrace, "ptrace"),
    (libc::SYS_reboot, "reboot"),
    (libc::SYS_renameat2, "renameat2"),
    (libc::SYS_setns, "setns"),
    (libc::SYS_setuid, "setuid"),
    (libc::SYS_setresuid, "setresuid"),
    (libc::SYS_socket, "socket"),
    (libc::SYS_symlinkat, "symlinkat"),
    (libc::SYS_tgkill, "tgkill"),
    (libc::SYS_unlinkat, "unlinkat"),
    (libc::SYS_unshare, "unshare"),
    (libc::SYS_userfaultfd, "userfaultfd"),
    (libc::SYS_perf_event_open, "perf_event_open"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_fork, "fork"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, "open"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_vfork, "vfork"),
];

/// Sets up everything, once in a process; before the first filter.
pub(super) fn tell() -> io::Result<()> {
    // The handler waits for nobody: what does not fit is not told.
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&writer, true)?;
    std::thread::Builder::new()
        .name("refused-calls".to_owned())
        .spawn(move || read(&reader))?;
    let before = WRITER.swap(writer.into_raw_fd(), Ordering::Relaxed);
    debug_assert_eq!(before, -1, "set up once");
    handle()
}

/// Logs what the handler writes, each call once.
fn read(reader: &OwnedFd) {
    let mut told = BTreeSet::new();
    let mut number = [0; size_of::<c_long>()];
    while let Ok(length) = rustix::io::retry_on_intr(|| rustix::io::read(reader, &mut number)) {
        if length != number.len() {
            return;
        }
        let call = c_long::from_ne_bytes(number);
        let name = name(call);
        if told.insert(call) {
            error!(
                call,
                "refused the system call {name}: it is not among those that this process needs (docs/security.md)"
            );
        } else {
            debug!(call, "refused the system call {name} again");
        }
    }
}

fn name(call: c_long) -> String {
    let known = NAMES.iter().find(|(number, _)| *number == call);
    known.map_or_else(|| format!("number {call}"), |(_, name)| (*name).to_owned())
}

/// What a call that is not allowed fails with.
fn errno(call: c_long) -> c_int {
    if call < FIRST_NEW {
        libc::EPERM
    } else {
        libc::ENOSYS
    }
}

// JUSTIFICATION: the standard library and signal-hook hand no context to a handler, and only there a call gets its result.
#[expect(unsafe_code, reason = "see the justification above")]
fn handle() -> io::Result<()> {
    // SAFETY: an action of zeros is a valid one: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = refuse as *const () as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: the action is valid for the call, and the handler has the signature of SA_SIGINFO and only does what a handler
    // may: atomics and system calls.
    let result = unsafe { libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut()) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

// JUSTIFICATION: as for `handle`.
#[expect(unsafe_code, reason = "see the justification above")]
extern "C" fn refuse(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel gives a handler with SA_SIGINFO the context of the thread, which nobody else has while it runs.
    let context = unsafe { &mut *context.cast::<ucontext_t>() };
    let call = returns(context);
    let writer: RawFd = WRITER.load(Ordering::Relaxed);
    // SAFETY: it was opened before there was a filter, and is never closed.
    let writer = unsafe { BorrowedFd::borrow_raw(writer) };
    let _ = rustix::io::write(writer, &call.to_ne_bytes());
}

/// Has the call that this context is in return its error. Returns which one it is.
#[cfg(target_arch = "x86_64")]
fn returns(context: &mut ucontext_t) -> c_long {
    let register = &mut context.uc_mcontext.gregs[libc::REG_RAX as usize];
    let call = *register;
    *register = i64::from(-errno(call));
    call
}

/// Has the call that this context is in return its error. Returns which one it is.
#[cfg(target_arch = "aarch64")]
fn returns(context: &mut ucontext_t) -> c_long {
    let registers = &mut context.uc_mcontext.regs;
    let call = registers[8].cast_signed();
    registers[0] = i64::from(-errno(call)).cast_unsigned();
    call
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_new_c_library_may_try_is_not_there_and_the_rest_is_not_permitted() {
        assert_eq!(errno(libc::SYS_execve), libc::EPERM);
        assert_eq!(errno(libc::SYS_setns), libc::EPERM);
        for call in [libc::SYS_openat2, libc::SYS_io_uring_setup, 9999] {
            assert_eq!(errno(call), libc::ENOSYS);
        }
    }

    #[test]
    fn a_refused_call_has_a_name_or_at_least_a_number() {
        assert_eq!(name(libc::SYS_ptrace), "ptrace");
        assert_eq!(name(9999), "number 9999");
    }
}
