//! What a process does to itself, seen from outside. Each test starts this binary again as the process to look at.

#![allow(
    clippy::unwrap_used,
    reason = "this is a test, helpers included: what goes wrong is to fail it"
)]

mod common;

use std::process::Command;

use common::spawned::{ROLE, Spawned, say_and_stay};
use common::{PATIENCE, is_root};
use procfs::process::Process;
use rustix::process::{Resource, Rlimit, dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use vrrp_linux::role::{self, DieWithParentError, RealtimeError};

#[test]
fn a_child_ends_with_its_parent() {
    // The shell is the parent. The child's input stays open when the shell ends, so only the signal can end the child.
    let me = std::env::current_exe().unwrap();
    let script = format!(
        "exec 3<&0; VL_PARENT=$$ {} as_child --exact --ignored --nocapture <&3 & wait",
        me.display()
    );
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).env(ROLE, "die_with_parent");
    let mut parent = Spawned::start(shell);
    let pid: i32 = parent.line().parse().unwrap();
    let child = Process::new(pid).unwrap();
    assert!(child.is_alive());
    parent.child.kill().unwrap();
    parent.child.wait().unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    while child.is_alive() {
        assert!(
            std::time::Instant::now() < deadline,
            "it outlives its parent"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_parent_that_has_ended_already_is_noticed() {
    let mut child = Spawned::role("orphan");
    assert_eq!(
        child.line(),
        "the supervisor (process 1073741824) has ended"
    );
}

#[test]
fn rights_and_scheduling_are_as_asked_for() {
    if !is_root("rights_and_scheduling_are_as_asked_for") {
        return;
    }
    let mut child = Spawned::role("all");
    assert_eq!(child.line(), "Ok(()) Ok(()) Ok(())");
    let thread: i32 = child.line().parse().unwrap();
    let process = Process::new(child.child.id().try_into().unwrap()).unwrap();
    let status = process.status().unwrap();
    assert!(status.vmlck.unwrap() > 0, "{status:?}");
    let limits = process.limits().unwrap();
    let limit = format!("{:?}", limits.max_realtime_timeout.soft_limit);
    assert_eq!(limit, "Value(1000000)");
    let thread = process.task_from_tid(thread).unwrap();
    assert_eq!(thread.status().unwrap().nonewprivs, Some(1));
    let stat = thread.stat().unwrap();
    assert_eq!(
        (stat.policy, stat.rt_priority),
        (Some(2), Some(10)),
        "SCHED_RR at 10"
    );
}

#[test]
fn a_process_with_secrets_leaves_no_core_dump() {
    let mut child = Spawned::role("secretive");
    assert_eq!(child.line(), "Dumpable, then NotDumpable");
}

#[test]
fn what_is_not_permitted_is_reported() {
    let mut child = Spawned::role("unprivileged");
    assert_eq!(child.line(), "not permitted, not permitted");
}

/// Not a test: the process that the tests look at. It says what it did and stays until its input ends.
#[test]
#[ignore = "started by the other tests"]
fn as_child() {
    let said = match std::env::var(ROLE).unwrap().as_str() {
        "die_with_parent" => {
            let parent = std::env::var("VL_PARENT").unwrap().parse().unwrap();
            role::die_with_parent(parent).unwrap();
            std::process::id().to_string()
        }
        "orphan" => {
            // No process has this id: it is above what the kernel hands out.
            let error = role::die_with_parent(1 << 30).unwrap_err();
            assert!(matches!(error, DieWithParentError::ParentGone { .. }));
            error.to_string()
        }
        "all" => {
            let results = (
                role::no_new_privs(),
                role::lock_memory(),
                role::realtime(10),
            );
            let thread = rustix::thread::gettid().as_raw_nonzero();
            format!("{:?} {:?} {:?}\n{thread}", results.0, results.1, results.2)
        }
        "secretive" => {
            let before = dumpable_behavior().unwrap();
            role::forbid_core_dumps();
            format!("{before:?}, then {:?}", dumpable_behavior().unwrap())
        }
        "unprivileged" => {
            let nothing = Rlimit {
                current: Some(0),
                maximum: Some(0),
            };
            setrlimit(Resource::Memlock, nothing).unwrap();
            setrlimit(Resource::Rtprio, nothing).unwrap();
            let none = CapabilitySets {
                effective: CapabilitySet::empty(),
                ..capabilities(None).unwrap()
            };
            set_capabilities(None, none).unwrap();
            let memory = match role::lock_memory() {
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    "not permitted".to_owned()
                }
                other => format!("{other:?}"),
            };
            let scheduling = match role::realtime(10) {
                Err(RealtimeError::NotPermitted) => "not permitted".to_owned(),
                other => format!("{other:?}"),
            };
            format!("{memory}, {scheduling}")
        }
        other => panic!("{other}"),
    };
    say_and_stay(&said);
}
