//! What can happen to a host, and what may follow from it.

use std::fmt;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use e2e::daemon::{LIMIT, Pids, is_running, kill};
use fastrand::Rng;
use lab::Signal;
use rustix::process::{Pid, kill_process};

use super::judge::{Absence, Terms};
use super::nodes::Nodes;

/// How long a takeover takes at most that follows priority 0: the skew of the lowest priority, on a busy machine.
const RELEASED: Duration = Duration::from_millis(400);
/// The same after a MASTER that fell silent: three intervals of 100 ms more.
const SILENT: Duration = Duration::from_millis(800);
/// How long two may have the address where one takes it from the other: an advertisement, and a busy kernel.
const HANDOVER: Duration = Duration::from_millis(250);
/// How long two may have it that did not hear each other until then: an interval more.
const REUNION: Duration = Duration::from_millis(500);
/// Between two looks whether a stopped process is still there.
const LOOK: Duration = Duration::from_millis(5);
/// Of a hundred frames that a bad cable loses.
const LOST: u32 = 30;

/// Something that happens to a host and ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Disturbance {
    what: What,
    /// One of the hosts with vrrp-host.
    node: usize,
    length: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    KillRouter,
    KillWorker,
    KillSupervisor,
    CutPower,
    StopRouter,
    StopAll,
    StopService,
    Unplug,
    Partition,
    Deaf,
    Mute,
    LossyCable,
    Duplicates,
    SwapPriorities,
    DiskFull,
    FailCheck,
    LastResort,
    CutPowerOfKeepalived,
}

const ALL: [What; 18] = [
    What::KillRouter,
    What::KillWorker,
    What::KillSupervisor,
    What::CutPower,
    What::StopRouter,
    What::StopAll,
    What::StopService,
    What::Unplug,
    What::Partition,
    What::Deaf,
    What::Mute,
    What::LossyCable,
    What::Duplicates,
    What::SwapPriorities,
    What::DiskFull,
    What::FailCheck,
    What::LastResort,
    What::CutPowerOfKeepalived,
];

impl Disturbance {
    pub(super) fn draw(random: &mut Rng) -> Self {
        Self {
            what: ALL[random.usize(..ALL.len())],
            node: random.usize(..2),
            length: Duration::from_millis(random.u64(50..2_000)),
        }
    }

    /// What may follow.
    pub(super) fn terms(self) -> Terms {
        let (gap, overlap, is_split) = match self.what {
            What::KillWorker | What::Duplicates | What::DiskFull | What::CutPowerOfKeepalived => {
                (Duration::ZERO, Duration::ZERO, false)
            }
            What::KillRouter
            | What::KillSupervisor
            | What::StopService
            | What::SwapPriorities
            | What::FailCheck
            | What::LastResort => (RELEASED, HANDOVER, false),
            What::CutPower | What::StopRouter | What::StopAll | What::Unplug => {
                (SILENT, HANDOVER, false)
            }
            What::Partition | What::Deaf | What::Mute | What::LossyCable => (SILENT, REUNION, true),
        };
        Terms {
            gap,
            overlap,
            is_split,
        }
    }

    /// Lets it happen, and ends it. Returns when its host could not be reached, or reach nobody, meanwhile.
    pub(super) fn happen(self, nodes: &mut Nodes) -> anyhow::Result<Option<Absence>> {
        let from = SystemTime::now();
        let is_absent = self.happen_and_end(nodes)?;
        Ok(is_absent.then(|| Absence {
            node: self.node,
            from,
            to: SystemTime::now(),
        }))
    }

    /// Whether what the host had in the meantime was of no use to anybody.
    fn happen_and_end(self, nodes: &mut Nodes) -> anyhow::Result<bool> {
        let node = self.node;
        let pids = nodes.ours[node].daemon.pids();
        match self.what {
            What::KillRouter => {
                kill(pids.router.context("no router")?, Signal::KILL);
                sleep(self.length);
                return Ok(false);
            }
            What::KillWorker => {
                kill(pids.worker.context("no worker")?, Signal::KILL);
                sleep(self.length);
                return Ok(false);
            }
            What::KillSupervisor => {
                kill(pids.supervisor, Signal::KILL);
                self.start_again(nodes)?;
                return Ok(false);
            }
            What::CutPower => {
                nodes.ours[node].daemon.cut_power();
                self.start_again(nodes)?;
            }
            What::StopRouter => {
                let router = pids.router.context("no router")?;
                self.freeze(&[router]);
            }
            What::StopAll => {
                let Pids {
                    supervisor,
                    router,
                    worker,
                } = pids;
                let all: Vec<_> = [router, worker]
                    .into_iter()
                    .flatten()
                    .chain([supervisor])
                    .collect();
                self.freeze(&all);
            }
            What::StopService => {
                nodes.ours[node].daemon.process.signal(Signal::TERM)?;
                self.start_again(nodes)?;
                return Ok(false);
            }
            What::Unplug => {
                nodes.port(node).unplug()?;
                sleep(self.length);
                nodes.port(node).plug()?;
            }
            What::Partition => {
                self.with_rules(nodes, &["iifname PORT drop", "oifname PORT drop"])?
            }
            What::Deaf => {
                // A MASTER whose peers hear it keeps the address: no router could know better.
                self.with_rules(nodes, &["oifname PORT drop"])?;
                return Ok(false);
            }
            What::Mute => self.with_rules(nodes, &["iifname PORT drop"])?,
            What::LossyCable => {
                let lost = format!("numgen random mod 100 < {LOST} drop");
                let rules = [
                    format!("iifname PORT {lost}"),
                    format!("oifname PORT {lost}"),
                ];
                self.with_rules(nodes, &rules.each_ref().map(String::as_str))?;
                // What comes through is enough for a MASTER to keep the address, and for others to reach it.
                return Ok(false);
            }
            What::Duplicates => {
                self.with_duplicates(nodes)?;
                return Ok(false);
            }
            What::SwapPriorities => {
                nodes.swap_priorities()?;
                return Ok(false);
            }
            What::DiskFull => {
                let ours = &nodes.ours[node];
                ours.state.fill()?;
                ours.reload()?;
                // The reload may have brought another worker.
                let worker = ours.daemon.pids().worker;
                kill(worker.context("no worker")?, Signal::KILL);
                sleep(self.length);
                ours.state.empty()?;
                return Ok(false);
            }
            What::FailCheck => {
                let checked = &mut nodes.ours[node].checked;
                checked.process.signal(Signal::KILL)?;
                checked.process.wait(LIMIT)?;
                sleep(self.length);
                let host = [&nodes.stage.first, &nodes.stage.second][node];
                nodes.ours[node].checked.start_again(host);
                return Ok(false);
            }
            What::LastResort => {
                for node in &mut nodes.ours {
                    node.daemon.process.signal(Signal::TERM)?;
                    node.daemon.process.wait(LIMIT)?;
                }
                sleep(self.length);
                let [first, second] = &mut nodes.ours;
                first.daemon.start_again(&nodes.stage.first);
                second.daemon.start_again(&nodes.stage.second);
                return Ok(false);
            }
            What::CutPowerOfKeepalived => {
                nodes.keepalived.cut_power();
                sleep(self.length);
                nodes.keepalived.start_again(&nodes.third);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What a service manager does when a service has ended.
    fn start_again(self, nodes: &mut Nodes) -> anyhow::Result<()> {
        let host = [&nodes.stage.first, &nodes.stage.second][self.node];
        let daemon = &mut nodes.ours[self.node].daemon;
        daemon.process.wait(LIMIT)?;
        sleep(self.length);
        daemon.start_again(host);
        Ok(())
    }

    fn freeze(self, processes: &[Pid]) {
        for process in processes {
            kill(*process, Signal::STOP);
        }
        // One that does nothing for too long is replaced, and with the new one the host is of use again.
        let end = Instant::now() + self.length;
        while Instant::now() < end && processes.iter().all(|process| is_running(*process)) {
            sleep(LOOK);
        }
        for process in processes {
            _ = kill_process(*process, Signal::CONT);
        }
    }

    /// Has the bridge treat frames of the host's port by these rules.
    fn with_rules(self, nodes: &Nodes, rules: &[&str]) -> anyhow::Result<()> {
        let port = nodes.port(self.node).name();
        let rules: Vec<_> = rules
            .iter()
            .map(|rule| rule.replace("PORT", port))
            .collect();
        let table = format!(
            "table bridge chaos {{\nchain c {{\ntype filter hook forward priority 0;\n{}\n}}\n}}\n",
            rules.join("\n")
        );
        self.with_table(nodes, &table, "bridge chaos")
    }

    /// Has the other host of ours get every frame of this one twice.
    fn with_duplicates(self, nodes: &Nodes) -> anyhow::Result<()> {
        let (port, other) = (nodes.port(self.node), nodes.port(1 - self.node));
        let table = format!(
            "table netdev chaos {{\nchain c {{\ntype filter hook ingress device {} priority 0;\ndup to {}\n}}\n}}\n",
            port.name(),
            other.name()
        );
        self.with_table(nodes, &table, "netdev chaos")
    }

    fn with_table(self, nodes: &Nodes, table: &str, name: &str) -> anyhow::Result<()> {
        let bridge = nodes.stage.segment.netns();
        bridge.run(&["nft", table])?;
        sleep(self.length);
        bridge.run(&["nft", &format!("delete table {name}")])?;
        Ok(())
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = ["first", "second"][self.node];
        let length = self.length.as_millis();
        match self.what {
            What::KillRouter => write!(f, "{host}: router killed"),
            What::KillWorker => write!(f, "{host}: worker killed"),
            What::KillSupervisor => {
                write!(
                    f,
                    "{host}: supervisor killed, started again {length} ms later"
                )
            }
            What::CutPower => write!(
                f,
                "{host}: everything killed, started again {length} ms later"
            ),
            What::StopRouter => write!(f, "{host}: router stopped for {length} ms"),
            What::StopAll => write!(f, "{host}: everything stopped for {length} ms"),
            What::StopService => write!(f, "{host}: SIGTERM, started again {length} ms later"),
            What::Unplug => write!(f, "{host}: no carrier for {length} ms"),
            What::Partition => write!(f, "{host}: cut off for {length} ms"),
            What::Deaf => write!(f, "{host}: hears nobody for {length} ms"),
            What::Mute => write!(f, "{host}: nobody hears it for {length} ms"),
            What::LossyCable => write!(f, "{host}: {LOST} % of all frames lost for {length} ms"),
            What::Duplicates => write!(f, "{host}: its frames come twice for {length} ms"),
            What::SwapPriorities => f.write_str("both: a reload swaps the priorities"),
            What::DiskFull => write!(
                f,
                "{host}: disk full for {length} ms, a reload, and the worker killed"
            ),
            What::FailCheck => write!(f, "{host}: the checked process ends for {length} ms"),
            What::LastResort => write!(f, "both: SIGTERM, started again {length} ms later"),
            What::CutPowerOfKeepalived => {
                write!(f, "keepalived killed, started again {length} ms later")
            }
        }
    }
}
