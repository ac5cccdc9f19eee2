//! Removes what processes that were killed left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::command::{command, ip, output};
use crate::host::{CGROUPS, LAB_FOLDER, remove_cgroup};
use crate::owner::Owner;
use crate::wait_until;

/// Removes every namespace, host, mount and cgroup whose owner no longer runs.
///
/// Never fails: what cannot be removed now is tried again by the next sweep.
pub fn sweep() {
    sweep_where(|owner| !owner.is_alive());
}

/// Removes everything that this process made and still has, for a signal handler's use before it exits.
pub fn sweep_own() {
    sweep_where(|owner| owner == Owner::current());
}

fn sweep_where(condemned: impl Fn(Owner) -> bool) {
    let condemned = |name: &str| Owner::of(name).is_some_and(&condemned);
    let namespaces: Vec<String> = entries(Path::new("/run/netns"))
        .filter(|name| condemned(name))
        .collect();
    for namespace in &namespaces {
        kill_all(namespace);
    }
    for folder in entries(Path::new(LAB_FOLDER)).filter(|name| condemned(name)) {
        unmount_below(&Path::new(LAB_FOLDER).join(&folder));
    }
    for namespace in &namespaces {
        _ = ip(["netns", "del", namespace]);
    }
    for hierarchy in CGROUPS {
        for group in entries(Path::new(hierarchy)).filter(|name| condemned(name)) {
            remove_cgroup(&Path::new(hierarchy).join(group));
        }
    }
}

/// Kills every process in a namespace of the laboratory and waits until they are gone.
pub(crate) fn kill_all(namespace: &str) {
    _ = wait_until(
        Duration::from_secs(5),
        "the processes of a namespace to end",
        || {
            let pids = ip(["netns", "pids", namespace]).unwrap_or_default();
            for pid in pids
                .split_whitespace()
                .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
            {
                _ = kill_process(pid, Signal::KILL);
            }
            if pids.trim().is_empty() {
                Ok(())
            } else {
                Err(pids)
            }
        },
    );
}

/// Unmounts everything at and below a folder, the deepest first, and removes it.
pub(crate) fn unmount_below(folder: &Path) {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut points: Vec<PathBuf> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from)
        .filter(|point| point.starts_with(folder))
        .collect();
    points.sort();
    for point in points.iter().rev() {
        // Lazily, so that a process somewhere with an open file there cannot keep the name in use.
        _ = output(command("umount").arg("--lazy").arg(point));
    }
    _ = fs::remove_dir(folder);
}

fn entries(folder: &Path) -> impl Iterator<Item = String> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}
