//! Debian's keepalived in a light host.

use std::fs;

use lab::{Netns, Process, Signal, wait_until};
use rustix::process::Pid;
use tempfile::TempDir;

use crate::daemon::{LIMIT, is_running, kill, process_state};
use crate::path::utf8;
use crate::stage::{INSTANCE, INTERFACE, SHARED};

const CONFIGURATION: &str = "keepalived.conf";
const KEEPALIVED_PID: &str = "keepalived.pid";
const VRRP_PID: &str = "vrrp.pid";
const CHECKERS_PID: &str = "checkers.pid";

/// A running keepalived. Dropping it kills its first process, which takes the other with it.
#[derive(Debug)]
pub struct Keepalived {
    /// Its log and its exit status.
    pub process: Process,
    under: Vec<String>,
    folder: TempDir,
}

impl Keepalived {
    /// Starts it with this configuration.
    ///
    /// # Panics
    ///
    /// When the files cannot be written or the program cannot be started.
    #[must_use]
    pub fn start(host: &Netns, configuration: &str) -> Self {
        Self::start_under(&[], host, configuration)
    }

    /// As [`Keepalived::start`], with the words of `under` before the program: one that becomes it in the end.
    ///
    /// # Panics
    ///
    /// As [`Keepalived::start`].
    #[must_use]
    pub fn start_under(under: &[&str], host: &Netns, configuration: &str) -> Self {
        let folder = TempDir::with_prefix("keepalived-").expect("a temporary folder can be made");
        fs::write(folder.path().join(CONFIGURATION), configuration)
            .expect("its configuration can be written");
        let under: Vec<String> = under.iter().map(ToString::to_string).collect();
        Self {
            process: spawn(&under, host, &folder),
            under,
            folder,
        }
    }

    /// Starts it with the instance of [`crate::stage::cluster`], which advertises every 100 ms, or every second in version 2.
    /// `options` are more lines of the instance, its priority among them.
    ///
    /// # Panics
    ///
    /// As [`Keepalived::start`].
    #[must_use]
    pub fn start_instance(host: &Netns, version: u8, options: &str) -> Self {
        let interval = if version == 2 { "1" } else { "0.1" };
        Self::start(
            host,
            &format!(
                "global_defs {{\n    vrrp_version {version}\n}}\n\
                 vrrp_instance {INSTANCE} {{\n    interface {INTERFACE}\n    virtual_router_id 51\n    \
                 advert_int {interval}\n    virtual_ipaddress {{\n        {SHARED}\n    }}\n    {options}\n}}\n"
            ),
        )
    }

    /// Starts it again, after it has ended, with the same configuration, as after a boot: there are no files of process ids.
    ///
    /// # Panics
    ///
    /// When the program cannot be started.
    pub fn start_again(&mut self, host: &Netns) {
        for name in [KEEPALIVED_PID, VRRP_PID, CHECKERS_PID] {
            // In order, it removed them itself.
            _ = fs::remove_file(self.folder.path().join(name));
        }
        self.process = spawn(&self.under, host, &self.folder);
    }

    /// Waits until its only instance has entered a state so many times, in the word of its log.
    ///
    /// # Panics
    ///
    /// When it has not within [`LIMIT`].
    pub fn wait_for_state(&self, state: &str, times: usize) {
        let entered = format!("Entering {state} STATE");
        wait_until(LIMIT, &format!("keepalived: {entered}"), || {
            let log = self.process.log();
            if log.matches(&entered).count() >= times {
                Ok(())
            } else {
                Err(log)
            }
        })
        .unwrap_or_else(|error| panic!("{error}"));
    }

    /// Has it stop in order, and waits until it has.
    ///
    /// # Panics
    ///
    /// When it does not stop.
    pub fn stop(&mut self) {
        self.process
            .signal(Signal::TERM)
            .and_then(|()| self.process.wait(LIMIT))
            .expect("keepalived stops");
    }

    /// Its second process, which speaks VRRP.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn vrrp_pid(&self) -> Pid {
        let vrrp = fs::read_to_string(self.folder.path().join(VRRP_PID)).ok();
        let vrrp = vrrp.and_then(|pid| Pid::from_raw(pid.trim().parse().ok()?));
        vrrp.expect("its second process has an id")
    }

    /// Ends both its processes so that neither sees the other one end: a power cut of the daemon.
    ///
    /// # Panics
    ///
    /// When one of them is gone already.
    pub fn cut_power(&mut self) {
        let first = i32::try_from(self.process.id()).ok();
        let first = first.and_then(Pid::from_raw).expect("it has an id");
        let vrrp = self.vrrp_pid();
        kill(first, Signal::STOP);
        wait_until(LIMIT, "keepalived to be stopped", || {
            match process_state(first) {
                Some('T') => Ok(()),
                seen => Err(format!("{seen:?}")),
            }
        })
        .expect("a stopped process stops");
        kill(vrrp, Signal::KILL);
        kill(first, Signal::KILL);
        self.process.wait(LIMIT).expect("a killed process ends");
        wait_until(LIMIT, "keepalived to end", || {
            if is_running(vrrp) {
                Err("it runs")
            } else {
                Ok(())
            }
        })
        .expect("a killed process ends");
    }
}

fn spawn(under: &[String], host: &Netns, folder: &TempDir) -> Process {
    let path = |name: &str| {
        let path = folder.path().join(name);
        utf8(&path).to_owned()
    };
    let under: Vec<&str> = under.iter().map(String::as_str).collect();
    let theirs = [
        "keepalived",
        "--dont-fork",
        "--log-console",
        "--log-detail",
        "--use-file",
        &path(CONFIGURATION),
        "--pid",
        &path(KEEPALIVED_PID),
        "--vrrp_pid",
        &path(VRRP_PID),
        "--checkers_pid",
        &path(CHECKERS_PID),
    ];
    host.spawn(&[&under[..], &theirs].concat())
        .expect("keepalived can be started")
}
