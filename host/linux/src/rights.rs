//! What a process may do, and giving it up.

use std::io;

use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

/// What the router cannot work without, by the names that systemd and `capsh` use.
const REQUIRED: [(CapabilitySet, &str); 2] = [
    (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
    (CapabilitySet::NET_RAW, "CAP_NET_RAW"),
];

/// The names of required capabilities that this thread does not have.
///
/// # Errors
/// When the kernel does not tell.
pub fn missing_capabilities() -> io::Result<Vec<&'static str>> {
    let effective = capabilities(None)?.effective;
    Ok(REQUIRED
        .into_iter()
        .filter(|(capability, _)| !effective.contains(*capability))
        .map(|(_, name)| name)
        .collect())
}

/// Gives up everything for good: no capability, no group, no way back through a setuid program. A process of root
/// also becomes the user and group `nobody`; without root it keeps its user.
///
/// It works on the calling thread and those it starts later: call it before any other exists.
///
/// # Errors
/// When the kernel refuses; the process must not go on then.
pub fn drop_privileges(nobody: u32) -> io::Result<()> {
    become_unprivileged(Uid::from_raw(nobody), Gid::from_raw(nobody), &[])
}

/// [`drop_privileges`] for any user and its groups. It only makes system calls, so that a process can do it between
/// fork and exec.
pub(crate) fn become_unprivileged(user: Uid, group: Gid, groups: &[Gid]) -> io::Result<()> {
    set_no_new_privs(true)?;
    if geteuid().is_root() {
        set_thread_groups(groups)?;
        set_thread_res_gid(group, group, group)?;
        set_thread_res_uid(user, user, user)?;
    }
    let none = CapabilitySet::empty();
    set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )?;
    Ok(())
}
