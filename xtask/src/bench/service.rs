//! A running daemon of either make.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::contender::Make;
use e2e::daemon::{Daemon, LIMIT};
use e2e::keepalived::Keepalived;
use lab::scenario::State;
use lab::{Account, Process, Signal, wait_until};
use rustix::process::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::hosts::{Hosts, NAMES};
use super::plan::{Check, Plan, Theirs};

/// How long many instances may take to be MASTER, and many scripts to run at once.
const MANY_LIMIT: Duration = Duration::from_secs(120);

/// A daemon and what it costs. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Service {
    // Dropped in this order: an account is closed when its processes have ended.
    daemon: Either,
    pub(super) account: Account,
    checks: usize,
    /// keepalived's scripts.
    _folder: TempDir,
}

#[derive(Debug)]
enum Either {
    VrrpHost(Box<Daemon>),
    Keepalived(Keepalived),
}

impl Service {
    /// Starts it on a host (0 or 1). `state` is where vrrp-host keeps compiled modules.
    pub(super) fn start(
        make: Make,
        hosts: &Hosts,
        host: usize,
        plan: &Plan,
        state: &Path,
    ) -> anyhow::Result<Self> {
        Self::start_under(&[], make, hosts, host, plan, state)
    }

    /// As [`Service::start`], with the words of `under` before the program: one that becomes it in the end.
    pub(super) fn start_under(
        under: &[&str],
        make: Make,
        hosts: &Hosts,
        host: usize,
        plan: &Plan,
        state: &Path,
    ) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("vrrp-bench-")?;
        let account = Account::new("bench")?;
        let on_account = account.under();
        let mut words: Vec<&str> = on_account.iter().map(String::as_str).collect();
        words.extend(under);
        let netns = &hosts.hosts[host];
        let daemon = match make {
            Make::VrrpHost => {
                let file = plan.cluster_toml()?;
                let daemon = Daemon::start_under(&words, netns, NAMES[host], &file, state);
                Either::VrrpHost(Box::new(daemon))
            }
            Make::Keepalived => {
                let by_kernel = |check: &Check| matches!(check.theirs, Theirs::Process(_));
                // The kernel tells of processes in the first network namespace alone, where we are. keepalived can be started
                // there and enter another one by itself.
                let outside = format!("--net=/proc/{}/ns/net", std::process::id());
                let mut global = String::new();
                if plan.checks.iter().any(by_kernel) {
                    words.extend(["nsenter", &outside, "--"]);
                    global = format!("net_namespace {}", netns.name());
                }
                let conf = plan.keepalived_conf(host, folder.path(), &global)?;
                Either::Keepalived(Keepalived::start_under(&words, netns, &conf))
            }
        };
        Ok(Self {
            daemon,
            account,
            checks: plan.checks.len(),
            _folder: folder,
        })
    }

    pub(super) fn make(&self) -> Make {
        match &self.daemon {
            Either::VrrpHost(_) => Make::VrrpHost,
            Either::Keepalived(_) => Make::Keepalived,
        }
    }

    fn process(&self) -> &Process {
        match &self.daemon {
            Either::VrrpHost(daemon) => &daemon.process,
            Either::Keepalived(keepalived) => &keepalived.process,
        }
    }

    pub(super) fn log(&self) -> String {
        self.process().log()
    }

    /// The end of its log, which may be long.
    pub(super) fn last_lines(&self) -> String {
        const LINES: usize = 20;
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// Sends its first process a signal.
    pub(super) fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        let process = match &mut self.daemon {
            Either::VrrpHost(daemon) => &mut daemon.process,
            Either::Keepalived(keepalived) => &mut keepalived.process,
        };
        Ok(process.signal(signal)?)
    }

    /// Waits until it has ended.
    pub(super) fn wait(&mut self) -> anyhow::Result<()> {
        let process = match &mut self.daemon {
            Either::VrrpHost(daemon) => &mut daemon.process,
            Either::Keepalived(keepalived) => &mut keepalived.process,
        };
        process.wait(LIMIT)?;
        Ok(())
    }

    /// Ends all its processes so that none can say or clean up anything.
    pub(super) fn cut_power(&mut self) {
        match &mut self.daemon {
            Either::VrrpHost(daemon) => daemon.cut_power(),
            Either::Keepalived(keepalived) => keepalived.cut_power(),
        }
    }

    /// Its process that speaks VRRP.
    pub(super) fn router(&self) -> anyhow::Result<Pid> {
        match &self.daemon {
            Either::VrrpHost(daemon) => daemon.pids().router.context("the router is gone"),
            Either::Keepalived(keepalived) => Ok(keepalived.vrrp_pid()),
        }
    }

    /// Starts it again, after it has ended. It is on no account then.
    pub(super) fn start_again(&mut self, hosts: &Hosts, host: usize) {
        let netns = &hosts.hosts[host];
        match &mut self.daemon {
            Either::VrrpHost(daemon) => daemon.start_again(netns),
            Either::Keepalived(keepalived) => keepalived.start_again(netns),
        }
    }

    /// How often its instances have entered a state.
    pub(super) fn entered(&self, state: State) -> usize {
        let line = match self.daemon {
            Either::VrrpHost(_) => format!("-> {state} "),
            Either::Keepalived(_) => format!("Entering {state} STATE"),
        };
        self.log().matches(&line).count()
    }

    /// Whether its only instance is BACKUP: it began as that, and is it again after each time that it was MASTER.
    pub(super) fn is_backup(&self) -> bool {
        self.entered(State::Backup) > self.entered(State::Master)
    }

    /// Waits until its instances have entered a state so many times.
    pub(super) fn wait_until_entered(&self, state: State, times: usize) -> anyhow::Result<()> {
        let what = format!("{}: {times} times {state}", self.make());
        wait_until(MANY_LIMIT, &what, || match self.entered(state) {
            seen if seen >= times => Ok(()),
            seen => Err(format!("{seen}\n{}", self.last_lines())),
        })?;
        Ok(())
    }

    /// Waits until every check has passed, and none has done anything else.
    pub(super) fn wait_until_checked(&self) -> anyhow::Result<()> {
        let what = format!("{} to have run {} checks", self.make(), self.checks);
        wait_until(MANY_LIMIT, &what, || {
            self.assert_all_pass().map_err(|error| format!("{error:#}"))
        })?;
        Ok(())
    }

    /// Every check has passed, and none has ever done anything else.
    pub(super) fn assert_all_pass(&self) -> anyhow::Result<()> {
        match &self.daemon {
            Either::VrrpHost(_) => {
                let status = self.status()?;
                let passing = checks(&status)?
                    .filter(|check| check["verdict"] == "passing" && check["errors"] == 0)
                    .count();
                ensure!(passing == self.checks, "{status}");
            }
            Either::Keepalived(_) => {
                let log = self.log();
                let passed = log.matches(") succeeded").count();
                let bad = log.contains(") failed") || log.contains("timed_out");
                ensure!(passed == self.checks && !bad, "{}", self.last_lines());
            }
        }
        Ok(())
    }

    /// Runs of all checks so far. keepalived does not count them.
    pub(super) fn runs(&self) -> anyhow::Result<Option<u64>> {
        if self.make() == Make::Keepalived {
            return Ok(None);
        }
        let status = self.status()?;
        let runs = checks(&status)?.map(|check| check["runs"].as_u64());
        let runs = runs.sum::<Option<u64>>();
        runs.context("a check's runs are counted").map(Some)
    }

    /// The median of the last runs' wall times. keepalived does not tell.
    pub(super) fn wall(&self) -> anyhow::Result<Option<Duration>> {
        if self.make() == Make::Keepalived {
            return Ok(None);
        }
        let status = self.status()?;
        let mut micros: Vec<u64> = checks(&status)?
            .filter_map(|check| check["last-run-us"].as_u64())
            .collect();
        micros.sort_unstable();
        let median = micros.get(micros.len() / 2).context("no check ran")?;
        Ok(Some(Duration::from_micros(*median)))
    }

    fn status(&self) -> anyhow::Result<Value> {
        match &self.daemon {
            Either::VrrpHost(daemon) => daemon
                .status()
                .map_err(|error| anyhow::anyhow!("{error}{}", self.last_lines())),
            Either::Keepalived(_) => anyhow::bail!("keepalived has no status"),
        }
    }
}

fn checks(status: &Value) -> anyhow::Result<impl Iterator<Item = &Value>> {
    Ok(status["checks"]
        .as_object()
        .context("a status has checks")?
        .values())
}
