//! What a process may do, and giving it up.

use std::io;

use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::clock;

/// The user and group `nobody`.
const NOBODY: u32 = 65534;

/// What the router works with, by the names that systemd and `capsh` use. Without the last two it works, but may be late.
const ROUTER: [(CapabilitySet, &str); 4] = [
    (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
    (CapabilitySet::NET_RAW, "CAP_NET_RAW"),
    (CapabilitySet::SYS_NICE, "CAP_SYS_NICE"),
    (CapabilitySet::IPC_LOCK, "CAP_IPC_LOCK"),
];

/// Of these, what nothing works without.
const REQUIRED: usize = 2;

/// What root needs so that its children can be somebody else.
const TO_BECOME_OTHERS: [(CapabilitySet, &str); 3] = [
    (CapabilitySet::SETUID, "CAP_SETUID"),
    (CapabilitySet::SETGID, "CAP_SETGID"),
    (CapabilitySet::KILL, "CAP_KILL"),
];

/// What the supervisor needs beside what it gives the router: to end and start processes of other users, and to read and open for
/// modules what their grants name, whoever owns it.
const BROKER: [CapabilitySet; 6] = [
    CapabilitySet::KILL,
    CapabilitySet::SETUID,
    CapabilitySet::SETGID,
    CapabilitySet::SETPCAP,
    CapabilitySet::DAC_OVERRIDE,
    CapabilitySet::DAC_READ_SEARCH,
];

/// The names of required capabilities that this thread does not have.
///
/// # Errors
/// When the kernel does not tell.
pub fn missing_capabilities() -> io::Result<Vec<&'static str>> {
    let effective = capabilities(None)?.effective;
    let of_root = geteuid().is_root().then_some(TO_BECOME_OTHERS);
    let required = ROUTER[..REQUIRED].iter().copied();
    Ok(required
        .chain(of_root.into_iter().flatten())
        .filter(|(capability, _)| !effective.contains(*capability))
        .map(|(_, name)| name)
        .collect())
}

/// The names of everything that a service without root is to be given.
pub fn router_capabilities() -> impl Iterator<Item = &'static str> {
    ROUTER.into_iter().map(|(_, name)| name)
}

/// Whom a process becomes that was started by root. Without root it stays who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// Its only group.
    pub gid: u32,
}

/// Keeps of its rights what a router needs, gives up the others for good, and becomes `identity`: no other group, no other
/// capability, no way back through a setuid program.
///
/// It works on the calling thread and those it starts later: call it before any other exists.
///
/// # Errors
/// When the kernel refuses; the process must not go on then.
pub fn become_router(identity: Identity) -> io::Result<()> {
    read_auxiliary_vector();
    let kept = ROUTER.map(|(capability, _)| capability);
    let kept = kept.into_iter().collect();
    set_no_new_privs(true)?;
    bound(kept)?;
    if geteuid().is_root() {
        set_keep_capabilities(true)?;
        assume(&identity.user(), &identity.group(), &[])?;
        set_keep_capabilities(false)?;
    }
    keep(kept)
}

/// Gives up everything for good: no capability, no group, no way back through a setuid program. A process of root
/// also becomes `identity`.
///
/// It works on the calling thread and those it starts later: call it before any other exists.
///
/// # Errors
/// When the kernel refuses; the process must not go on then.
pub fn drop_privileges(identity: Identity) -> io::Result<()> {
    read_auxiliary_vector();
    bound(CapabilitySet::empty())?;
    become_unprivileged(identity.user(), identity.group(), &[])
}

/// Keeps the user, and of its capabilities only those to read what others own. For a process that reads files for root.
///
/// It works on the calling thread and those it starts later: call it before any other exists.
///
/// # Errors
/// When the kernel refuses; the process must not go on then.
pub fn keep_reading() -> io::Result<()> {
    set_no_new_privs(true)?;
    bound(CapabilitySet::DAC_READ_SEARCH)?;
    keep(CapabilitySet::DAC_READ_SEARCH)
}

/// Keeps what a supervisor needs for itself, its children, and commands that are not root's; no program that it or they start
/// has more.
///
/// It works on the calling thread and those it starts later: call it before any other exists.
///
/// # Errors
/// When the kernel refuses.
pub fn keep_supervising() -> io::Result<()> {
    let router = ROUTER.map(|(capability, _)| capability);
    let kept = router.into_iter().chain(BROKER).collect();
    set_no_new_privs(true)?;
    bound(kept)?;
    keep(kept)
}

/// Gives up every capability for good, and keeps the user.
///
/// It works on the calling thread and those it starts later: others of the process keep what they have.
///
/// # Errors
/// When the kernel refuses.
pub fn give_up_capabilities() -> io::Result<()> {
    set_no_new_privs(true)?;
    keep(CapabilitySet::empty())
}

/// [`drop_privileges`] for any user and its groups. It only makes system calls, so that a process can do it between
/// fork and exec.
pub(crate) fn become_unprivileged(user: Uid, group: Gid, groups: &[Gid]) -> io::Result<()> {
    set_no_new_privs(true)?;
    if geteuid().is_root() {
        assume(&user, &group, groups)?;
    }
    keep(CapabilitySet::empty())
}

/// rustix reads `/proc/self/auxv` when it first needs it, and that file is root's once a process of root has become another
/// user; before Linux 6.4 there is no other way. The first look at a clock needs it.
fn read_auxiliary_vector() {
    let _ = clock::now();
}

fn assume(user: &Uid, group: &Gid, groups: &[Gid]) -> io::Result<()> {
    set_thread_groups(groups)?;
    set_thread_res_gid(*group, *group, *group)?;
    set_thread_res_uid(*user, *user, *user)?;
    Ok(())
}

/// No program that is started from now on has more than `kept`. Only who has `CAP_SETPCAP` can give that up; others have the
/// promise that no program gives them more.
fn bound(kept: CapabilitySet) -> io::Result<()> {
    if !capabilities(None)?
        .effective
        .contains(CapabilitySet::SETPCAP)
    {
        return Ok(());
    }
    // Which capabilities there are depends on the kernel; of those it does not know, it says so.
    let others = (0..u64::BITS).map(|number| CapabilitySet::from_bits_retain(1 << number));
    for capability in others.filter(|capability| !kept.contains(*capability)) {
        if capability_is_in_bounding_set(capability) == Ok(true) {
            remove_capability_from_bounding_set(capability)?;
        }
    }
    Ok(())
}

/// Gives up every capability but `kept`, of which it has no more than before. A program that it starts without being root has
/// what it was given to pass on (`AmbientCapabilities=`), within `kept`.
fn keep(kept: CapabilitySet) -> io::Result<()> {
    let before = capabilities(None)?;
    set_capabilities(
        None,
        CapabilitySets {
            effective: before.permitted & kept,
            permitted: before.permitted & kept,
            inheritable: before.inheritable & kept,
        },
    )?;
    Ok(())
}

impl Identity {
    /// The user and group `nobody`, which own nothing.
    pub const NOBODY: Self = Self {
        uid: NOBODY,
        gid: NOBODY,
    };

    fn user(self) -> Uid {
        Uid::from_raw(self.uid)
    }

    fn group(self) -> Gid {
        Gid::from_raw(self.gid)
    }
}
