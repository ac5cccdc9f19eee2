//! A start that must not happen.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use lab::scenario::vrrp_host_binary;
use lab::{Netns, Output, wait_until};
use tempfile::TempDir;

use crate::daemon::{LIMIT, state_dir};
use crate::path::utf8;
use crate::stage::INTERFACE;

/// A folder with a cluster.toml, and what `vrrp-host` says to it.
#[derive(Debug)]
pub struct Attempt {
    folder: TempDir,
}

/// How the program ended.
#[derive(Debug)]
pub struct Refusal {
    /// The exit code; `None` when it had to be killed, because it ran on.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Attempt {
    /// A folder with this file as its cluster.toml.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    #[must_use]
    pub fn new(cluster_toml: impl AsRef<[u8]>) -> Self {
        let folder = TempDir::with_prefix("vrrp-host-").expect("a temporary folder can be made");
        let attempt = Self { folder };
        attempt.write("cluster.toml", cluster_toml);
        attempt
    }

    /// Writes a file into the folder.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a file can be written");
    }

    /// A file of the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The control socket that a daemon started here would have.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.path("control.sock")
    }

    /// `vrrp-host --config cluster.toml`, as the node `first`.
    #[must_use]
    pub fn start(&self, host: &Netns) -> Refusal {
        self.run(host, &["--config", "cluster.toml", "--node", "first"])
    }

    /// `vrrp-host check-config cluster.toml`.
    #[must_use]
    pub fn check_config(&self, host: &Netns) -> Refusal {
        self.run(host, &["check-config", "cluster.toml", "--node", "first"])
    }

    /// `vrrp-host ARGUMENTS` in the folder, with a control socket in it.
    ///
    /// # Panics
    ///
    /// When there is no such program.
    #[must_use]
    pub fn run(&self, host: &Netns, arguments: &[&str]) -> Refusal {
        self.run_under(&[], host, arguments)
    }

    /// As [`Attempt::run`], with the words of `under` before the program: one that becomes it in the end.
    ///
    /// # Panics
    ///
    /// When there is no such program.
    #[must_use]
    pub fn run_under(&self, under: &[&str], host: &Netns, arguments: &[&str]) -> Refusal {
        let binary = vrrp_host_binary().expect("vrrp-host is built");
        let (control, state_dir) = (self.control(), state_dir());
        let mut command = vec!["env", "-C", utf8(self.folder.path())];
        command.extend(under);
        command.extend(["timeout", "--signal=KILL", "30", utf8(&binary)]);
        command.extend(arguments);
        command.extend(["--control", utf8(&control)]);
        command.extend(["--state-dir", utf8(&state_dir)]);
        let Output {
            status,
            stdout,
            stderr,
        } = host.output(&command).expect("a program can be run");
        Refusal {
            code: status.code(),
            stdout,
            stderr,
        }
    }

    /// Checks that a refused start has left nothing: no socket, no process, no address.
    ///
    /// # Panics
    ///
    /// Says what is there.
    #[track_caller]
    pub fn assert_nothing_started(&self, host: &Netns) {
        assert!(!self.control().exists(), "a control socket is left");
        // A child that is killed takes a moment to end.
        wait_until(LIMIT, "no process to be left", || match processes(host) {
            none if none.trim().is_empty() => Ok(()),
            some => Err(some),
        })
        .unwrap_or_else(|error| panic!("{error}"));
        let addresses = host
            .ip(&["-o", "-4", "address", "show", "dev", INTERFACE])
            .expect("the host has the interface");
        assert_eq!(addresses.lines().count(), 1, "{addresses}");
    }
}

/// The ids of the processes in a host.
fn processes(host: &Netns) -> String {
    let output = Command::new("ip")
        .args(["netns", "pids", host.name()])
        .output()
        .expect("iproute2 is installed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Refusal {
    /// Checks the exit code, and that stderr has all of these texts.
    ///
    /// # Panics
    ///
    /// Shows what is there instead.
    #[track_caller]
    pub fn assert_says(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self}");
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is missing in {self}");
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            stdout,
            stderr,
        } = self;
        write!(f, "exit code {code:?}\n{stdout}{stderr}")
    }
}
