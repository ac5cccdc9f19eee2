//! The two daemons that run the checks, each as a service with its own account.

use std::fmt::{self, Write as _};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use lab::{Account, Netns, Process, wait_until};
use serde_json::Value;
use tempfile::TempDir;

use super::checks::Subject;

const LIMIT: Duration = Duration::from_secs(30);

/// Who runs the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contender {
    VrrpHost,
    Keepalived,
}

impl Contender {
    pub(super) const BOTH: [Self; 2] = [Self::VrrpHost, Self::Keepalived];
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::VrrpHost => "vrrp-host",
            Self::Keepalived => "keepalived",
        })
    }
}

/// How often a check runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interval {
    Second,
    /// Once, at the start, as far as anything here is concerned.
    Hour,
}

impl Interval {
    fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Hour => 3600,
        }
    }
}

/// Where daemons are started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) host: &'a Netns,
    /// vrrp-host.
    pub(super) binary: &'a Path,
    /// Where it keeps compiled modules, so that only the first one compiles.
    pub(super) state: &'a Path,
}

/// A daemon, MASTER of one address, all of whose checks have passed once.
#[derive(Debug)]
pub(super) struct Service {
    contender: Contender,
    checks: u32,
    binary: PathBuf,
    // Dropped in this order: an account is closed when its processes have ended.
    process: Process,
    pub(super) account: Account,
    folder: TempDir,
}

impl Service {
    pub(super) fn start(
        contender: Contender,
        subject: Subject,
        checks: u32,
        interval: Interval,
        place: &Place<'_>,
    ) -> anyhow::Result<Self> {
        let Place {
            host,
            binary,
            state,
        } = *place;
        let folder = TempDir::with_prefix("vrrp-bench-")?;
        let account = Account::new("bench")?;
        let path = |name: &str| folder.path().join(name);
        let process = match contender {
            Contender::VrrpHost => {
                fs::write(path("cluster.toml"), cluster(subject, checks, interval)?)?;
                account.spawn(
                    host,
                    &[
                        utf8(binary)?,
                        "--config",
                        utf8(&path("cluster.toml"))?,
                        "--control",
                        utf8(&path("control.sock"))?,
                        "--state-dir",
                        utf8(state)?,
                    ],
                )?
            }
            Contender::Keepalived => {
                let script = path("check.sh");
                fs::write(&script, format!("#!/bin/sh\n{}\n", subject.script))?;
                fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
                let conf = conf(utf8(&script)?, checks, interval)?;
                fs::write(path("keepalived.conf"), conf)?;
                let mut argv = vec!["keepalived", "--dont-fork", "--log-console", "--log-detail"];
                let (conf, pids) = (
                    path("keepalived.conf"),
                    ["main.pid", "vrrp.pid", "checkers.pid"].map(path),
                );
                argv.extend(["--use-file", utf8(&conf)?]);
                argv.extend(["--pid", utf8(&pids[0])?]);
                argv.extend(["--vrrp_pid", utf8(&pids[1])?]);
                argv.extend(["--checkers_pid", utf8(&pids[2])?]);
                account.spawn(host, &argv)?
            }
        };
        let service = Self {
            contender,
            checks,
            binary: binary.to_owned(),
            process,
            account,
            folder,
        };
        let what = format!("{contender} to have run {checks} checks");
        wait_until(LIMIT, &what, || {
            service
                .assert_all_pass()
                .map_err(|error| format!("{error:#}"))
        })?;
        Ok(service)
    }

    /// The script that keepalived runs.
    pub(super) fn script(&self) -> PathBuf {
        self.folder.path().join("check.sh")
    }

    /// Runs of all checks so far, where the daemon counts them.
    pub(super) fn runs(&self) -> anyhow::Result<Option<u32>> {
        if self.contender == Contender::Keepalived {
            return Ok(None);
        }
        let status = self.status()?;
        let runs: u64 = checks(&status)?
            .filter_map(|check| check["runs"].as_u64())
            .sum();
        Ok(Some(u32::try_from(runs)?))
    }

    /// The median of the last runs' wall times, where the daemon tells.
    pub(super) fn wall(&self) -> anyhow::Result<Option<Duration>> {
        if self.contender == Contender::Keepalived {
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

    /// Every check has passed, and none has ever done anything else.
    pub(super) fn assert_all_pass(&self) -> anyhow::Result<()> {
        match self.contender {
            Contender::VrrpHost => {
                let status = self.status()?;
                let passing = checks(&status)?
                    .filter(|check| check["verdict"] == "passing" && check["errors"] == 0)
                    .count();
                ensure!(passing == usize::try_from(self.checks)?, "{status}");
            }
            Contender::Keepalived => {
                let log = self.process.log();
                let passed = log.matches(") succeeded").count();
                let bad = log.contains(") failed") || log.contains("timed_out");
                ensure!(passed == usize::try_from(self.checks)? && !bad, "{log}");
            }
        }
        Ok(())
    }

    fn status(&self) -> anyhow::Result<Value> {
        let output = Command::new(&self.binary)
            .args(["status", "--json", "--control"])
            .arg(self.folder.path().join("control.sock"))
            .output()
            .context("cannot run vrrp-host")?;
        serde_json::from_slice(&output.stdout).with_context(|| {
            format!(
                "{}{}",
                String::from_utf8_lossy(&output.stderr),
                self.process.log()
            )
        })
    }
}

fn checks(status: &Value) -> anyhow::Result<impl Iterator<Item = &Value>> {
    Ok(status["checks"]
        .as_object()
        .context("a status has checks")?
        .values())
}

fn cluster(subject: Subject, checks: u32, interval: Interval) -> anyhow::Result<String> {
    let tracks: Vec<_> = (0..checks)
        .map(|number| format!("{{ check = \"c{number}\" }}"))
        .collect();
    let mut file = format!(
        "[instances.VI_1]\n\
         interface = \"eth0\"\n\
         virtual-router-id = 51\n\
         virtual-addresses = [\"192.0.2.100\"]\n\
         track = [{}]\n",
        tracks.join(", ")
    );
    for number in 0..checks {
        write!(
            file,
            "[checks.c{number}]\n\
             module = \"{}\"\n\
             interval = \"{}s\"\n\
             config = {}\n",
            subject.module,
            interval.seconds(),
            subject.config
        )?;
    }
    Ok(file)
}

fn conf(script: &str, checks: u32, interval: Interval) -> anyhow::Result<String> {
    let mut file = "global_defs {\n    script_user root\n    vrrp_version 3\n}\n".to_owned();
    for number in 0..checks {
        write!(
            file,
            "vrrp_script c{number} {{\n    script \"{script}\"\n    interval {}\n    timeout 10\n}}\n",
            interval.seconds()
        )?;
    }
    file += "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    advert_int 1\n    \
             virtual_ipaddress {\n        192.0.2.100\n    }\n    track_script {\n";
    for number in 0..checks {
        writeln!(file, "        c{number}")?;
    }
    file += "    }\n}\n";
    Ok(file)
}

fn utf8(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("our paths are UTF-8")
}
