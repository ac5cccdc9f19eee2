//! Debian's keepalived in a light host.

use std::fs;

use lab::{Netns, Process, Signal};
use tempfile::TempDir;

use crate::daemon::LIMIT;
use crate::stage::{INSTANCE, INTERFACE, SHARED};

/// A running keepalived. Dropping it kills it.
#[derive(Debug)]
pub struct Keepalived {
    /// Its log, and signals to it.
    pub process: Process,
    _folder: TempDir,
}

impl Keepalived {
    /// Starts it on a host, with the instance of [`crate::stage::cluster`], which advertises every 100 ms, or every second
    /// in version 2. `options` are more lines of the instance, its priority among them.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start(host: &Netns, version: u8, options: &str) -> Self {
        let interval = if version == 2 { "1" } else { "0.1" };
        Self::with(
            host,
            &format!(
                "global_defs {{\n    vrrp_version {version}\n}}\n\
                 vrrp_instance {INSTANCE} {{\n    interface {INTERFACE}\n    virtual_router_id 51\n    \
                 advert_int {interval}\n    virtual_ipaddress {{\n        {SHARED}\n    }}\n    {options}\n}}\n"
            ),
        )
    }

    /// Starts it with this keepalived.conf.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn with(host: &Netns, configuration: &str) -> Self {
        let folder = TempDir::with_prefix("keepalived-").expect("a temporary folder can be made");
        let path = |name: &str| {
            let path = folder.path().join(name);
            path.to_str().expect("our paths are UTF-8").to_owned()
        };
        let file = path("keepalived.conf");
        fs::write(&file, configuration).expect("keepalived.conf can be written");
        let process = host
            .spawn(&[
                "keepalived",
                "--dont-fork",
                "--log-console",
                "--log-detail",
                "--use-file",
                &file,
                "--pid",
                &path("keepalived.pid"),
                "--vrrp_pid",
                &path("vrrp.pid"),
                "--checkers_pid",
                &path("checkers.pid"),
            ])
            .expect("keepalived can be started");
        Self {
            process,
            _folder: folder,
        }
    }

    /// Waits until it says that it is MASTER.
    ///
    /// # Panics
    ///
    /// When it does not; tells what it has logged.
    pub fn wait_for_master(&self) {
        self.wait_for_log("Entering MASTER STATE");
    }

    /// Waits until it has logged a text.
    ///
    /// # Panics
    ///
    /// When it does not; tells what it has logged.
    pub fn wait_for_log(&self, text: &str) {
        self.process
            .wait_for_log(LIMIT, text)
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// Stops it in order: it gives its address away.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn stop(&mut self) {
        self.process
            .signal(Signal::TERM)
            .expect("a process of ours takes signals");
        self.process.wait(LIMIT).expect("keepalived ends");
    }
}
