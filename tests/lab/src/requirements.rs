use std::path::{Path, PathBuf};

use crate::command::PATH;

/// A program that the laboratory uses, and the Debian package that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement {
    pub program: &'static str,
    pub package: &'static str,
}

/// Everything the laboratory uses.
pub const REQUIREMENTS: &[Requirement] = &[
    require_program("ip", "iproute2"),
    require_program("systemd-nspawn", "systemd-container"),
    require_program("systemctl", "systemd"),
    require_program("dbus-daemon", "dbus"),
    require_program("nsenter", "util-linux"),
    require_program("mount", "mount"),
    require_program("pgrep", "procps"),
    require_program("tcpdump", "tcpdump"),
    require_program("tshark", "tshark"),
    require_program("dnsmasq", "dnsmasq-base"),
    require_program("keepalived", "keepalived"),
    require_program("curl", "curl"),
    require_program("pidof", "sysvinit-utils"),
    require_program("killall", "psmisc"),
    require_program("nc", "netcat-openbsd"),
    require_program("pkcheck", "polkitd"),
    require_program("prometheus-node-exporter", "prometheus-node-exporter"),
    require_program("docker-registry", "docker-registry"),
    require_program("minisign", "minisign"),
    require_program("haproxy", "haproxy"),
    require_program("nginx", "nginx-light"),
    require_program("pg_ctlcluster", "postgresql"),
    require_program("redis-server", "redis-server"),
    require_program("skopeo", "skopeo"),
    require_program("openssl", "openssl"),
    require_program("nft", "nftables"),
    require_program("mkfs.ext4", "e2fsprogs"),
    require_program("prometheus", "prometheus"),
    require_program("promtool", "prometheus"),
    require_program("dpkg-shlibdeps", "dpkg-dev"),
    require_program("chromium", "chromium"),
    require_program("chromedriver", "chromium-driver"),
];

/// What stands between this machine and the laboratory.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    #[error("the laboratory makes network namespaces and boots hosts: run this as root")]
    Root,
    #[error(
        "missing: {}; install with: apt-get install --no-install-recommends {}",
        join(.0, |r| r.program),
        join(.0, |r| r.package)
    )]
    Programs(Vec<Requirement>),
}

/// Checks that the laboratory can work here: rights and programs.
///
/// # Errors
///
/// Says what is missing and how to get it.
pub fn require() -> Result<(), Missing> {
    if !rustix::process::geteuid().is_root() {
        return Err(Missing::Root);
    }
    let missing = missing();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Missing::Programs(missing))
    }
}

/// The programs that are not installed.
#[must_use]
pub fn missing() -> Vec<Requirement> {
    REQUIREMENTS
        .iter()
        .copied()
        .filter(|requirement| find(requirement.program).is_none())
        .collect()
}

fn find(program: &str) -> Option<PathBuf> {
    PATH.split(':')
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.is_file())
}

const fn require_program(program: &'static str, package: &'static str) -> Requirement {
    Requirement { program, package }
}

fn join(requirements: &[Requirement], part: impl Fn(&Requirement) -> &'static str) -> String {
    requirements.iter().map(part).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_has_a_line_to_paste() {
        let missing = Missing::Programs(vec![
            require_program("ip", "iproute2"),
            require_program("tshark", "tshark"),
        ]);
        assert_eq!(
            missing.to_string(),
            "missing: ip tshark; install with: apt-get install --no-install-recommends iproute2 tshark"
        );
    }
}
