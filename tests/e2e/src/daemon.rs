//! vrrp-host in a light host: a process in a network namespace, without systemd.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lab::scenario::{State, vrrp_host_binary};
use lab::{Netns, Process, Signal, wait_until};
use rustix::process::{Pid, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::path::utf8;

/// How long anything may take that is not measured.
pub const LIMIT: Duration = Duration::from_secs(30);

const CLUSTER_TOML: &str = "cluster.toml";

/// A running vrrp-host. Dropping it kills the supervisor, which takes its children with it.
///
/// # Panics
///
/// When it is dropped and one of its processes has been refused a system call.
#[derive(Debug)]
pub struct Daemon {
    /// The supervisor: its log, its exit status, signals to it.
    pub process: Process,
    node: String,
    control: PathBuf,
    state_dir: PathBuf,
    _folder: TempDir,
}

/// The processes of a daemon, by their ids in this machine's process namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pids {
    pub supervisor: Pid,
    /// `None` while it is being restarted.
    pub router: Option<Pid>,
    /// `None` while it is being restarted.
    pub worker: Option<Pid>,
}

impl Daemon {
    /// Starts `vrrp-host` on a host as the node `node` of the cluster, with a control socket of its own.
    ///
    /// # Panics
    ///
    /// When the files cannot be written or the program cannot be started.
    #[must_use]
    pub fn start(host: &Netns, node: &str, cluster_toml: &str) -> Self {
        Self::start_with_state(host, node, cluster_toml, &state_dir())
    }

    /// As [`Daemon::start`], with a state directory of its own.
    ///
    /// # Panics
    ///
    /// When the files cannot be written or the program cannot be started.
    #[must_use]
    pub fn start_with_state(
        host: &Netns,
        node: &str,
        cluster_toml: &str,
        state_dir: &Path,
    ) -> Self {
        Self::start_under(&[], host, node, cluster_toml, state_dir)
    }

    /// As [`Daemon::start_with_state`], with the words of `under` before the program: one that becomes it in the end.
    ///
    /// # Panics
    ///
    /// When the files cannot be written or the program cannot be started.
    #[must_use]
    pub fn start_under(
        under: &[&str],
        host: &Netns,
        node: &str,
        cluster_toml: &str,
        state_dir: &Path,
    ) -> Self {
        let folder = TempDir::with_prefix("vrrp-host-").expect("a temporary folder can be made");
        let config = folder.path().join(CLUSTER_TOML);
        let control = folder.path().join("control.sock");
        fs::write(&config, cluster_toml).expect("cluster.toml can be written");
        Self {
            process: spawn(under, host, node, &config, &control, state_dir),
            node: node.to_owned(),
            control,
            state_dir: state_dir.to_owned(),
            _folder: folder,
        }
    }

    /// Starts it again, after it has ended, with the same files: what a service manager does.
    ///
    /// # Panics
    ///
    /// When the program cannot be started.
    pub fn start_again(&mut self, host: &Netns) {
        let config = self.control.with_file_name(CLUSTER_TOML);
        self.process = spawn(
            &[],
            host,
            &self.node,
            &config,
            &self.control,
            &self.state_dir,
        );
    }

    /// Puts another cluster.toml in the place of the one that it was started with. The daemon is not told.
    ///
    /// # Panics
    ///
    /// When the file cannot be written.
    pub fn rewrite(&self, cluster_toml: &str) {
        let config = self.control.with_file_name(CLUSTER_TOML);
        fs::write(config, cluster_toml).expect("cluster.toml can be written");
    }

    /// Runs a command of `vrrp-host` that asks this daemon, to its end.
    ///
    /// # Panics
    ///
    /// When it cannot be run.
    #[must_use]
    pub fn ask(&self, arguments: &[&str]) -> std::process::Output {
        let binary = vrrp_host_binary().expect("vrrp-host is built");
        std::process::Command::new(binary)
            .args(arguments)
            .arg("--control")
            .arg(&self.control)
            .output()
            .expect("vrrp-host can be run")
    }

    /// Its control socket.
    #[must_use]
    pub fn control(&self) -> &Path {
        &self.control
    }

    /// What `vrrp-host status --json` prints.
    ///
    /// # Errors
    ///
    /// Says what it printed instead, while the daemon does not answer.
    pub fn status(&self) -> Result<Value, String> {
        let binary = vrrp_host_binary().map_err(|error| error.to_string())?;
        let output = std::process::Command::new(binary)
            .args(["status", "--json", "--control"])
            .arg(&self.control)
            .output()
            .map_err(|error| error.to_string())?;
        serde_json::from_slice(&output.stdout)
            .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The state of an instance.
    ///
    /// # Errors
    ///
    /// As [`Daemon::status`].
    pub fn state(&self, instance: &str) -> Result<State, String> {
        let status = self.status()?;
        status["instances"][instance]["state"]
            .as_str()
            .ok_or_else(|| format!("no {instance} in {status}"))?
            .parse()
            .map_err(|error: lab::Error| error.to_string())
    }

    /// Waits until an instance is in a state.
    ///
    /// # Panics
    ///
    /// When it is not within [`LIMIT`]; tells what the daemon has logged.
    pub fn wait_for_state(&self, instance: &str, state: State) {
        self.wait_for(&format!("{instance} to be {state}"), |status| {
            status["instances"][instance]["state"] == state.to_string()
        });
    }

    /// Waits until the status is as `content` wants it, and returns it.
    ///
    /// # Panics
    ///
    /// When it is not within [`LIMIT`]; tells what the daemon has logged.
    pub fn wait_for(&self, what: &str, mut content: impl FnMut(&Value) -> bool) -> Value {
        let what = format!("{} on {}", what, self.node);
        wait_until(LIMIT, &what, || match self.status() {
            Ok(status) if content(&status) => Ok(status),
            Ok(status) => Err(status.to_string()),
            Err(error) => Err(error),
        })
        .unwrap_or_else(|error| panic!("{error}\n{self}"))
    }

    /// Waits until an instance has sent so many more advertisements, and returns the status then.
    ///
    /// # Panics
    ///
    /// When it has not within [`LIMIT`].
    pub fn wait_for_advertisements(&self, instance: &str, more: u64) -> Value {
        let sent = |status: &Value| {
            status["instances"][instance]["counters"]["advertisement-sent"]
                .as_u64()
                .unwrap_or_default()
        };
        let mut before = None;
        self.wait_for(&format!("{more} advertisements of {instance}"), |status| {
            let now = sent(status);
            now >= more + *before.get_or_insert(now)
        })
    }

    /// Its processes.
    ///
    /// # Panics
    ///
    /// When the daemon does not answer.
    #[must_use]
    pub fn pids(&self) -> Pids {
        pids(&self.status().expect("the daemon answers"))
    }

    /// Waits until its processes are as `content` wants them, and returns them.
    ///
    /// # Panics
    ///
    /// When they are not within [`LIMIT`].
    pub fn wait_for_pids(&self, what: &str, content: impl Fn(Pids) -> bool) -> Pids {
        pids(&self.wait_for(what, |status| content(pids(status))))
    }

    /// Ends all its processes so that none sees another one end: a power cut of the daemon.
    ///
    /// # Panics
    ///
    /// When one of them is gone already.
    pub fn cut_power(&self) {
        let Pids {
            supervisor,
            router,
            worker,
        } = self.pids();
        kill(supervisor, Signal::STOP);
        wait_until(
            LIMIT,
            "the supervisor to be stopped",
            || match process_state(supervisor) {
                Some('T') => Ok(()),
                seen => Err(format!("{seen:?}")),
            },
        )
        .expect("a stopped process stops");
        for pid in [router, worker].into_iter().flatten().chain([supervisor]) {
            kill(pid, Signal::KILL);
        }
    }
}

impl Drop for Daemon {
    /// Whatever a test did with it, its work took no system call that it is not allowed.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let log = self.process.log();
            assert!(!log.contains("refused the system call"), "{self}");
        }
    }
}

impl fmt::Display for Daemon {
    /// What it has logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "--- what {}'s vrrp-host logged\n{}",
            self.node,
            self.process.log()
        )
    }
}

fn spawn(
    under: &[&str],
    host: &Netns,
    node: &str,
    config: &Path,
    control: &Path,
    state_dir: &Path,
) -> Process {
    let binary = vrrp_host_binary().expect("vrrp-host is built");
    let ours = [
        utf8(&binary),
        "--config",
        utf8(config),
        "--node",
        node,
        "--control",
        utf8(control),
        "--state-dir",
        utf8(state_dir),
    ];
    host.spawn(&[under, &ours].concat())
        .expect("vrrp-host can be started")
}

fn pids(status: &Value) -> Pids {
    let pid = |role: &str| {
        let id = status["processes"][role].as_i64()?;
        Pid::from_raw(id.try_into().ok()?)
    };
    Pids {
        supervisor: pid("supervisor").expect("the supervisor knows its own id"),
        router: pid("router"),
        worker: pid("worker"),
    }
}

/// Sends a signal.
///
/// # Panics
///
/// When there is no such process.
pub fn kill(pid: Pid, signal: Signal) {
    kill_process(pid, signal)
        .unwrap_or_else(|error| panic!("cannot send {signal:?} to process {pid}: {error}"));
}

/// Whether there is such a process that has not ended; one whose parent has not asked how it ended has.
#[must_use]
pub fn is_running(pid: Pid) -> bool {
    process_state(pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// The letter of `/proc/PID/stat`, or `None` when there is no such process.
#[must_use]
pub fn process_state(pid: Pid) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
    // The name, which may contain anything, is in parentheses before it.
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Where every daemon of the tests keeps its compiled modules, so that only the first one compiles: Cargo's own place for
/// temporary files of tests.
#[must_use]
pub fn state_dir() -> PathBuf {
    let test = std::env::current_exe().expect("a test is a file");
    // target/debug/deps/TEST
    let target = test.ancestors().nth(3).expect("Cargo runs it");
    target.join("tmp").join("vrrp-host-state")
}
