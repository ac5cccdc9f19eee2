//! Who made a thing of the laboratory: its name says so, and a thing whose owner is gone may be removed.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Once, OnceLock};

use crate::sweep::sweep;

/// How every namespace, folder and cgroup of the laboratory begins.
const PREFIX: &str = "lab";

/// A process, told apart from a later one with the same id by when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pid: u32,
    /// Clock ticks after boot, field 22 of `/proc/PID/stat`.
    started: u64,
}

impl Owner {
    pub(crate) fn current() -> Self {
        static CURRENT: OnceLock<Owner> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let pid = std::process::id();
            Self {
                pid,
                started: started(pid).expect("a running process has a start time in /proc"),
            }
        })
    }

    /// The owner in a name that [`unique_name`] made.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let mut parts = name.splitn(5, '-');
        if parts.next() != Some(PREFIX) {
            return None;
        }
        let pid = parts.next()?.parse().ok()?;
        let started = parts.next()?.parse().ok()?;
        parts.next()?.parse::<u32>().ok()?;
        parts.next().map(|_label| Self { pid, started })
    }

    pub(crate) fn is_alive(self) -> bool {
        started(self.pid) == Some(self.started)
    }
}

/// A name for a thing of this process that no other thing on the machine has.
///
/// The first call of a process removes what killed processes left behind.
pub(crate) fn unique_name(label: &str) -> String {
    static SWEPT: Once = Once::new();
    static NEXT: AtomicU32 = AtomicU32::new(1);
    SWEPT.call_once(sweep);
    let Owner { pid, started } = Owner::current();
    let sequence = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}-{pid}-{started}-{sequence}-{label}")
}

fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name, in brackets, may itself hold spaces and brackets.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_who_made_it() {
        let owner = Owner::of(&unique_name("some-label")).unwrap();
        assert_eq!(owner, Owner::current());
        assert!(owner.is_alive());
    }

    #[test]
    fn names_of_others_are_not_ours() {
        for name in [
            "",
            "lab",
            "lab-1",
            "lab-x-1-1-a",
            "lab-1-2-3",
            "label-1-2-3-a",
            "cni-1-2-3-a",
        ] {
            assert_eq!(Owner::of(name), None, "{name}");
        }
    }

    #[test]
    fn a_process_id_used_again_is_another_owner() {
        let Owner { pid, started } = Owner::current();
        assert!(
            !Owner {
                pid,
                started: started - 1
            }
            .is_alive()
        );
    }
}
