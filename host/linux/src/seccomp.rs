//! Which system calls a process may make: what its work needs, and nothing else.
//!
//! A call that is not allowed fails and is told in the log. It ends nothing: a newer C library may well begin to make a call that
//! no list of today knows, and a router that dies of it would be worse than one that goes without. Only where it blocks all
//! signals, which is where a process starts another one, the kernel ends a process for it.

mod calls;
mod refused;

use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    apply_filter_all_threads,
};

use calls::Rules;

/// Whose work it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Sockets, netlink, and the settings of interfaces under `/proc/sys`; no program, no memory that becomes executable.
    Router,
    /// Files for reading, sockets, compiled modules; no program, no file to write.
    Worker,
    /// Files; no program, no socket.
    Compiler,
}

/// Why a process could not be restricted.
#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    /// The filter cannot be made for this processor.
    #[error("cannot make a filter of system calls")]
    Filter(#[source] seccompiler::BackendError),
    /// The kernel refused it.
    #[error("the kernel refused a filter of system calls")]
    Refused(#[source] seccompiler::Error),
    /// What tells of refused calls could not be set up.
    #[error("cannot tell of system calls that are refused")]
    Telling(#[source] io::Error),
}

/// From now on this process, with all its threads, makes the calls of `profile` and no others. No program that it could still
/// start would get more rights.
///
/// # Errors
/// When the kernel has no seccomp, or there is no thread or pipe to be had for telling what was refused.
pub fn restrict(profile: Profile) -> Result<(), SeccompError> {
    refused::tell().map_err(SeccompError::Telling)?;
    let mut allowed = calls::allowed(profile).map_err(SeccompError::Filter)?;
    let mut unknown = calls::unknown();
    unknown.retain(|call, _| !allowed.contains_key(call));
    // Of two filters the stricter one counts, and `Trap` is stricter than an error.
    allowed.extend(unknown.clone());
    let enosys = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    apply(unknown, SeccompAction::Allow, enosys)?;
    apply(allowed, SeccompAction::Trap, SeccompAction::Allow)
}

fn apply(
    rules: Rules,
    otherwise: SeccompAction,
    matching: SeccompAction,
) -> Result<(), SeccompError> {
    let filter = std::env::consts::ARCH
        .try_into()
        .and_then(|arch| SeccompFilter::new(rules, otherwise, matching, arch))
        .and_then(BpfProgram::try_from)
        .map_err(SeccompError::Filter)?;
    apply_filter_all_threads(&filter).map_err(SeccompError::Refused)
}

/// Holds when the bits of `mask` in an argument, counted from 0, are those of `value`.
fn masked(
    argument: u8,
    mask: i32,
    value: i32,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    let [mask, value] = [mask, value].map(|bits| u64::from(bits.cast_unsigned()));
    let operator = SeccompCmpOp::MaskedEq(mask);
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

/// Holds when an argument, counted from 0, is `value`.
fn equal(argument: u8, value: u32) -> Result<SeccompCondition, seccompiler::BackendError> {
    let (length, value) = (SeccompCmpArgLen::Dword, u64::from(value));
    SeccompCondition::new(argument, length, SeccompCmpOp::Eq, value)
}
