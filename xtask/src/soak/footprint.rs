//! What processes have taken, minute by minute, and whether it grows.

use std::fmt;
use std::fs;

use anyhow::{Context, ensure};
use e2e::daemon::Pids;
use rustix::process::Pid;

/// What memory may differ by between the beginning and the end: allocators keep what was needed once, and a kernel rounds.
const SLACK: u64 = 512 << 10;
/// Minutes that do not count: what is made once is made then.
const WARM_UP: usize = 2;

/// The processes of a daemon, in the order in which [`Footprints`] has them.
pub(super) const ROLES: [&str; 6] = [
    "MASTER's supervisor",
    "MASTER's router",
    "MASTER's worker",
    "BACKUP's supervisor",
    "BACKUP's router",
    "BACKUP's worker",
];

/// What a process has at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Footprint {
    /// Its own memory, and its part of what it shares (PSS), bytes.
    memory: u64,
    files: usize,
    threads: usize,
}

/// All of them, for each minute.
#[derive(Debug, Default)]
pub(super) struct Footprints(Vec<[Footprint; 6]>);

impl Footprints {
    /// Looks at all processes, and returns a line that tells what they have now.
    pub(super) fn take(&mut self, daemons: [Pids; 2]) -> anyhow::Result<String> {
        let mut now = Vec::new();
        for Pids {
            supervisor,
            router,
            worker,
        } in daemons
        {
            for (pid, role) in [
                (Some(supervisor), "supervisor"),
                (router, "router"),
                (worker, "worker"),
            ] {
                now.push(Footprint::of(
                    pid.with_context(|| format!("there is no {role}"))?,
                )?);
            }
        }
        let now = <[Footprint; 6]>::try_from(now)
            .ok()
            .context("two daemons have six processes")?;
        self.0.push(now);
        let total = now.iter().map(|it| it.memory).sum::<u64>() >> 10;
        let files: usize = now.iter().map(|it| it.files).sum();
        let threads: usize = now.iter().map(|it| it.threads).sum();
        Ok(format!("{total} KiB, {files} files, {threads} threads"))
    }

    /// Fails when a process has more at the end than at the beginning. Returns a line that tells what it had.
    pub(super) fn judge(&self, role: &str) -> anyhow::Result<String> {
        let index = ROLES
            .iter()
            .position(|it| *it == role)
            .context("no such role")?;
        let all: Vec<_> = self
            .0
            .iter()
            .skip(WARM_UP)
            .map(|minute| minute[index])
            .collect();
        let (beginning, end) = ends(&all);
        let told = format!("{role}: {beginning} at the beginning, {end} at the end");
        ensure!(
            end.memory <= beginning.memory + SLACK
                && end.files <= beginning.files
                && end.threads <= beginning.threads,
            "grows: {told}"
        );
        Ok(told)
    }
}

/// The most in the first and in the last third. What comes and goes, as a file that is open for a moment, is in both.
fn ends(all: &[Footprint]) -> (Footprint, Footprint) {
    let third = all.len().div_ceil(3);
    let most = |some: &[Footprint]| {
        some.iter()
            .copied()
            .fold(Footprint::NOTHING, |one, other| Footprint {
                memory: one.memory.max(other.memory),
                files: one.files.max(other.files),
                threads: one.threads.max(other.threads),
            })
    };
    (most(&all[..third]), most(&all[all.len() - third..]))
}

impl Footprint {
    const NOTHING: Self = Self {
        memory: 0,
        files: 0,
        threads: 0,
    };

    fn of(pid: Pid) -> anyhow::Result<Self> {
        let folder = format!("/proc/{}", pid.as_raw_pid());
        let count = |name: &str| {
            let path = format!("{folder}/{name}");
            let entries = fs::read_dir(&path).with_context(|| format!("cannot read {path}"))?;
            anyhow::Ok(entries.count())
        };
        Ok(Self {
            memory: lab::memory(pid)?,
            files: count("fd")?,
            threads: count("task")?,
        })
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} KiB, {} files, {} threads",
            self.memory >> 10,
            self.files,
            self.threads
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run in which the router's memory is so many KiB in each minute.
    fn run(memory: &[u64]) -> Footprints {
        let minute = |kibibytes: &u64| {
            let mut all = [Footprint {
                memory: 1 << 20,
                files: 9,
                threads: 3,
            }; 6];
            all[1].memory = kibibytes << 10;
            all
        };
        Footprints(memory.iter().map(minute).collect())
    }

    #[test]
    fn what_grows_after_the_warm_up_fails() {
        let flat = run(&[100, 3000, 5000, 5100, 5000, 5200, 5100, 5000]);
        let growing = run(&[100, 3000, 5000, 5300, 5600, 5900, 6200, 6500]);
        for role in ROLES {
            assert!(flat.judge(role).is_ok());
            assert_eq!(growing.judge(role).is_ok(), role != ROLES[1]);
        }
        assert!(flat.judge("nobody").is_err());
    }
}
