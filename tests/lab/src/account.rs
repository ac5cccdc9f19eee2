//! What processes cost.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Pid;

use crate::Result;
use crate::error::{IoContext, unexpected};
use crate::host::{CGROUPS, remove_cgroup};
use crate::owner::unique_name;

/// Processes whose costs are counted together: those that are started in it, and all that they start, also those that have
/// ended. A control group of version 2, whose processor time the kernel counts whether or not it has a controller.
#[derive(Debug)]
pub struct Account {
    group: PathBuf,
}

impl Account {
    /// Nobody's, so far.
    ///
    /// # Errors
    ///
    /// Fails without root, or where there are no control groups of version 2.
    pub fn new(label: &str) -> Result<Self> {
        let hierarchy = CGROUPS
            .map(Path::new)
            .into_iter()
            .find(|path| path.join("cgroup.controllers").exists())
            .ok_or_else(|| unexpected("a machine", "no control groups of version 2"))?;
        let group = hierarchy.join(unique_name(label));
        fs::create_dir(&group)
            .context(|| format!("cannot create the control group {}", group.display()))?;
        Ok(Self { group })
    }

    /// Words before a command that put it on this account: a shell that enters it and becomes the command.
    #[must_use]
    pub fn under(&self) -> Vec<String> {
        const JOIN_AND_EXEC: &str = r#"echo $$ >"$0" && exec "$@""#;
        // By our own root: `ip netns exec` hides the control groups behind a /sys of the namespace.
        let members = format!(
            "/proc/{}/root{}/cgroup.procs",
            std::process::id(),
            self.group.display()
        );
        ["sh", "-c", JOIN_AND_EXEC, &members]
            .map(str::to_owned)
            .to_vec()
    }

    /// The processor time of all of them so far.
    ///
    /// # Errors
    ///
    /// Fails when the kernel does not say.
    pub fn processor_time(&self) -> Result<Duration> {
        let stat = self.read("cpu.stat")?;
        let usage = stat
            .lines()
            .find_map(|line| line.strip_prefix("usage_usec "));
        let usage = usage.and_then(|micros| micros.parse().ok());
        let usage = usage.ok_or_else(|| unexpected("a control group's cpu.stat", &stat))?;
        Ok(Duration::from_micros(usage))
    }

    /// The memory of those that run: their own, and their part of what they share with others (PSS), bytes.
    ///
    /// # Errors
    ///
    /// Fails when the kernel does not say, or one ends meanwhile.
    pub fn memory(&self) -> Result<u64> {
        let of_one = |pid: &str| {
            let known = pid.parse().ok().and_then(Pid::from_raw);
            memory(known.ok_or_else(|| unexpected("a control group's cgroup.procs", pid))?)
        };
        self.read("cgroup.procs")?.lines().map(of_one).sum()
    }

    fn read(&self, name: &str) -> Result<String> {
        let path = self.group.join(name);
        fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))
    }
}

/// The memory of a process: its own, and its part of what it shares with others (PSS), bytes.
///
/// # Errors
///
/// Fails when the kernel does not say, as of a process that has ended.
pub fn memory(pid: Pid) -> Result<u64> {
    let path = format!("/proc/{}/smaps_rollup", pid.as_raw_pid());
    let rollup = fs::read_to_string(&path).context(|| format!("cannot read {path}"))?;
    let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let pss = pss.and_then(|pss| pss.trim().strip_suffix(" kB")?.trim().parse().ok());
    let kibibytes: u64 = pss.ok_or_else(|| unexpected("a smaps_rollup", &rollup))?;
    Ok(kibibytes << 10)
}

impl Drop for Account {
    /// After its processes.
    fn drop(&mut self) {
        remove_cgroup(&self.group);
    }
}
