//! The three hosts.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use e2e::checked::Checked;
use e2e::daemon::Daemon;
use e2e::keepalived::Keepalived;
use e2e::stage::{INTERFACE, PREFIX_LENGTH, SHARED, Stage, cluster};
use lab::{AddressWatch, Capture, Netns, Port};
use tempfile::TempDir;

use super::judge::Owner;
use crate::cargo::run as run_command;

/// The host with keepalived.
const THIRD: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
/// How long the right host may take to have the address alone: a daemon that starts, an election, and a busy machine.
const SETTLED_AFTER: Duration = Duration::from_secs(20);
/// For how long it has to have it.
const SETTLED_FOR: Duration = Duration::from_millis(400);
/// Room for compiled modules, and little enough to be filled in no time.
const STATE_SIZE: &str = "size=64m";

/// Two hosts with vrrp-host, one with keepalived, on one segment.
pub(super) struct Nodes {
    pub(super) ours: [Node; 2],
    pub(super) keepalived: Keepalived,
    pub(super) third: Netns,
    /// The first of the two that has the higher priority.
    first_is_preferred: bool,
    watches: [AddressWatch; 3],
    _third_port: Port,
    pub(super) stage: Stage,
}

/// One of the hosts with vrrp-host.
pub(super) struct Node {
    name: &'static str,
    pub(super) daemon: Daemon,
    pub(super) checked: Checked,
    pub(super) state: SmallDisk,
}

impl Nodes {
    pub(super) fn start() -> anyhow::Result<Self> {
        let stage = Stage::new()?;
        let third = Netns::new("third")?;
        let third_port = stage
            .segment
            .attach(&third, INTERFACE, (THIRD, PREFIX_LENGTH))?;
        let watches = [
            stage.first.watch_addresses()?,
            stage.second.watch_addresses()?,
            third.watch_addresses()?,
        ];
        let ours = [
            Node::start(&stage.first, "first")?,
            Node::start(&stage.second, "second")?,
        ];
        let keepalived = Keepalived::start_instance(&third, 3, "priority 50");
        Ok(Self {
            ours,
            keepalived,
            third,
            first_is_preferred: true,
            watches,
            _third_port: third_port,
            stage,
        })
    }

    pub(super) fn host(&self, node: usize) -> &Netns {
        [&self.stage.first, &self.stage.second, &self.third][node]
    }

    pub(super) fn port(&self, node: usize) -> &Port {
        [&self.stage.first_port, &self.stage.second_port][node]
    }

    /// The one that is to have the address when all are well.
    fn preferred(&self) -> usize {
        usize::from(!self.first_is_preferred)
    }

    /// Has the two hosts of ours change places, without a restart.
    pub(super) fn swap_priorities(&mut self) -> anyhow::Result<()> {
        self.first_is_preferred = !self.first_is_preferred;
        for node in &self.ours {
            node.daemon
                .rewrite(&file(node.name, &node.checked, self.first_is_preferred));
            node.reload()?;
        }
        Ok(())
    }

    pub(super) fn capture(&self) -> lab::Result<Capture> {
        self.stage.segment.capture()
    }

    /// Waits until the preferred host has the address, alone and for some time.
    pub(super) fn settle(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + SETTLED_AFTER;
        let preferred = self.preferred();
        let mut since = None;
        loop {
            let mut owners = Vec::new();
            for node in 0..3 {
                if self.host(node).has_address(SHARED)? {
                    owners.push(node);
                }
            }
            if owners != [preferred] {
                since = None;
            } else if since.get_or_insert_with(Instant::now).elapsed() >= SETTLED_FOR {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("host {preferred} should have the address alone, and {owners:?} have it");
            }
        }
    }

    /// Who has had the address when, so far.
    pub(super) fn owners(&self) -> [Owner; 3] {
        std::array::from_fn(|node| Owner {
            address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, [1, 2, 3][node])),
            changes: self.watches[node].changes(),
        })
    }
}

impl Node {
    fn start(host: &Netns, name: &'static str) -> anyhow::Result<Self> {
        let state = SmallDisk::mount()?;
        let checked = Checked::start(host);
        let toml = file(name, &checked, true);
        Ok(Self {
            name,
            daemon: Daemon::start_with_state(host, name, &toml, state.path()),
            checked,
            state,
        })
    }

    pub(super) fn reload(&self) -> anyhow::Result<()> {
        let output = self.daemon.ask(&["reload"]);
        if output.status.success() {
            return Ok(());
        }
        bail!(
            "{} does not reload: {}",
            self.name,
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// cluster.toml of a node: the process that it checks is another one on each.
fn file(node: &str, checked: &Checked, first_is_preferred: bool) -> String {
    let (first, second) = if first_is_preferred {
        (200, 150)
    } else {
        (150, 200)
    };
    let priorities = format!("priority = {{ first = {first}, second = {second} }}\n");
    cluster(&format!("{priorities}{}", checked.track(node)))
}

impl fmt::Display for Nodes {
    /// What all of them have logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in &self.ours {
            writeln!(f, "{}", node.daemon)?;
        }
        write!(
            f,
            "--- what keepalived logged\n{}",
            self.keepalived.process.log()
        )
    }
}

/// A file system of its own for the state of a daemon.
pub(super) struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("chaos-")?;
        run_command(
            Command::new("mount")
                .args(["-t", "tmpfs", "-o", STATE_SIZE, "chaos"])
                .arg(folder.path()),
        )?;
        Ok(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves no room on it.
    pub(super) fn fill(&self) -> anyhow::Result<()> {
        // It ends because the disk is full.
        let ended = Command::new("dd")
            .args(["if=/dev/zero", "bs=64k", "status=none"])
            .arg(format!("of={}", self.filler().display()))
            .output()
            .context("cannot run dd")?;
        anyhow::ensure!(!ended.status.success(), "the disk is not full");
        Ok(())
    }

    pub(super) fn empty(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.filler()).context("cannot make room")
    }

    fn filler(&self) -> std::path::PathBuf {
        self.path().join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
