use std::fs;
use std::path::PathBuf;

use rustix::process::Pid;

/// A process on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostProcess {
    /// Its id in this machine's process namespace.
    pub pid: Pid,
    /// Its id on the host.
    pub pid_on_host: i32,
    /// The id of its parent in this machine's process namespace.
    pub parent: Option<Pid>,
    /// The kernel's name for it: at most 15 bytes.
    pub name: String,
    /// Its arguments. None while it is between two programs: `execve` sets the name first.
    pub command_line: Vec<String>,
    /// The service it belongs to.
    pub unit: Option<String>,
}

/// The processes in the process namespace of `leader`.
pub(super) fn list(leader: Pid) -> Vec<HostProcess> {
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let Some(host): Option<PathBuf> = namespace(leader.as_raw_pid()) else {
        return Vec::new();
    };
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|&pid| namespace(pid).as_ref() == Some(&host))
        .filter_map(read)
        .collect()
}

/// `None` when the process ends while we look.
fn read(pid: i32) -> Option<HostProcess> {
    let file = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}"));
    let status = file("status").ok()?;
    let field = |key: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
            .map(str::trim)
            .unwrap_or_default()
    };
    Some(HostProcess {
        pid: Pid::from_raw(pid)?,
        pid_on_host: field("NSpid").split_whitespace().last()?.parse().ok()?,
        parent: field("PPid").parse().ok().and_then(Pid::from_raw),
        name: field("Name").to_owned(),
        command_line: file("cmdline")
            .ok()?
            .split_terminator('\0')
            .map(str::to_owned)
            .collect(),
        unit: file("cgroup").ok().and_then(|groups| unit(&groups)),
    })
}

/// The service in a `/proc/PID/cgroup`.
fn unit(groups: &str) -> Option<String> {
    groups
        .lines()
        .flat_map(|line| line.rsplit('/'))
        .find(|part| part.ends_with(".service"))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_service_is_the_unit() {
        let groups = "9:name=systemd:/lab-1/payload/system.slice/keepalived.service\n8:pids:/\n";
        assert_eq!(unit(groups).as_deref(), Some("keepalived.service"));
        assert_eq!(unit("0::/init.scope\n"), None);
    }
}
