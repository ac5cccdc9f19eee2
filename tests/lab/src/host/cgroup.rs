use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::IoContext;
use crate::owner::unique_name;
use crate::{Result, wait_until};

/// Where control group hierarchies that systemd can use are found: version 2, and the two of a hybrid set-up.
pub(crate) const CGROUPS: [&str; 3] = [
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/systemd",
    "/sys/fs/cgroup/unified",
];

/// Control groups for one host, in every hierarchy that systemd uses.
///
/// systemd-nspawn names the groups it makes `supervisor` and `payload`, whatever the machine is called: two hosts in one
/// group would share them, and each systemd would take the other's services for its own.
#[derive(Debug)]
pub(crate) struct Cgroup {
    groups: Vec<PathBuf>,
}

impl Cgroup {
    /// `None` on a machine that systemd runs, which gives each host a scope of its own.
    pub(crate) fn new(label: &str) -> Result<Option<Self>> {
        if Path::new("/run/systemd/system").exists() {
            return Ok(None);
        }
        let name = unique_name(label);
        let mut cgroup = Self { groups: Vec::new() };
        for hierarchy in CGROUPS
            .map(Path::new)
            .into_iter()
            .filter(|path| path.join("cgroup.procs").exists())
        {
            let group = hierarchy.join(&name);
            fs::create_dir(&group)
                .context(|| format!("cannot create the control group {}", group.display()))?;
            cgroup.groups.push(group);
        }
        Ok(Some(cgroup))
    }

    pub(crate) fn groups(&self) -> &[PathBuf] {
        &self.groups
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for group in &self.groups {
            remove_cgroup(group);
        }
    }
}

/// Removes a control group and those below it, as soon as the kernel has let go of their last process.
pub(crate) fn remove_cgroup(group: &Path) {
    _ = wait_until(
        Duration::from_secs(5),
        "the control group to be empty",
        || remove_tree(group),
    );
}

fn remove_tree(group: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}
