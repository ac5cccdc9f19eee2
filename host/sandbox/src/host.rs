//! What the sandbox needs from whoever embeds it.

use std::future::Future;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

pub use crate::bindings::imports::exec::{
    Ending as CommandEnding, Error as CommandError, Output as CommandOutput,
};
pub use crate::bindings::imports::files::Error as FileError;
pub use crate::bindings::imports::link::{Error as LinkError, Info as LinkInfo};
pub use crate::bindings::imports::log::Level;
pub use crate::bindings::imports::net::Error as NetError;
pub use crate::bindings::imports::process::{Error as ProcessError, Info as ProcessInfo};
pub use crate::bindings::imports::systemd::{Error as SystemdError, Unit};
pub use crate::bindings::imports::systemd_control::Action;

/// An answer that may take a while. The sandbox drops it when the module's time is over.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The world outside of the modules. One serves all of them; every method is called on the runtime's
/// thread and must not block it.
pub trait Host: Send + Sync {
    /// A module said something, or the sandbox has something to say about it. Already within the module's
    /// rate, on one line and of bounded length.
    fn log(&self, line: LogLine<'_>);

    /// A module recorded a measurement.
    fn record(&self, module: &str, sample: Sample<'_>);

    /// The processes of this host.
    fn processes(&self) -> &dyn ProcessTable;

    /// Echo requests.
    fn pinger(&self) -> &dyn Pinger;

    /// The network interfaces of this host.
    fn links(&self) -> &dyn LinkTable;

    /// Acts that need more rights than the modules' process has.
    fn broker(&self) -> &dyn Broker;
}

/// The processes of this host.
pub trait ProcessTable: Send + Sync {
    /// Every process whose command name is `name`, as `process.find` of the contract defines it.
    fn find<'a>(&'a self, name: &'a str) -> Answer<'a, Result<Vec<ProcessInfo>, ProcessError>>;
}

/// The network interfaces of this host.
pub trait LinkTable: Send + Sync {
    /// The interface of this name, as `link.get` of the contract defines it.
    fn find<'a>(&'a self, name: &'a str) -> Answer<'a, Result<LinkInfo, LinkError>>;
}

/// Sends echo requests. The sandbox has already compared the address with the module's grants.
pub trait Pinger: Send + Sync {
    /// Sends `count` of them, `interval` apart, and waits until all are answered or `timeout` is over: the round trip
    /// of each, and nothing for one that was not answered.
    fn ping<'a>(
        &'a self,
        address: IpAddr,
        count: u8,
        interval: Duration,
        timeout: Duration,
    ) -> Answer<'a, Result<Vec<Option<Duration>>, PingError>>;
}

/// Why echo requests were not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PingError {
    /// The time was over before the last one.
    #[error("the time is too short to send all echo requests")]
    Timeout,
    /// The host knows no way to the address.
    #[error("no route to the address")]
    Unreachable,
    /// Everything else.
    #[error("{0}")]
    Io(String),
}

/// Asks a more privileged process. The sandbox has already compared the request with the module's grants;
/// the broker compares again, because it does not trust the process that the modules run in.
pub trait Broker: Send + Sync {
    /// The state of a unit. `unit` is a full unit name (`named.service`).
    fn systemd_unit<'a>(&'a self, unit: &'a str) -> Answer<'a, Result<Unit, SystemdError>>;

    /// Starts a job and waits for its end, at most for `timeout`.
    fn systemd_job<'a>(
        &'a self,
        unit: &'a str,
        action: Action,
        timeout: Duration,
    ) -> Answer<'a, Result<(), SystemdError>>;

    /// A connection to the Unix socket of this path.
    fn unix_socket<'a>(&'a self, path: &'a Path) -> Answer<'a, Result<OwnedFd, NetError>>;
    /// The content of a regular file of at most `max` bytes. `path` is absolute and has no `..`; where only a folder
    /// above is granted, no symbolic link leads out of it.
    fn read_file<'a>(
        &'a self,
        path: &'a Path,
        max: u32,
        timeout: Duration,
    ) -> Answer<'a, Result<Vec<u8>, FileError>>;

    /// When a regular file was last modified, in milliseconds since 1970; `path` as for
    /// [`read_file`](Self::read_file).
    fn file_modified<'a>(
        &'a self,
        path: &'a Path,
        timeout: Duration,
    ) -> Answer<'a, Result<u64, FileError>>;

    /// Runs a command to its end, at most for `timeout`. `command` is absolute and has no `..`.
    fn run_command<'a>(
        &'a self,
        command: &'a Path,
        arguments: &'a [String],
        timeout: Duration,
    ) -> Answer<'a, Result<CommandOutput, CommandError>>;
}

/// One line of a module's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// The name given at load: the check or hook.
    pub module: &'a str,
    /// Who speaks.
    pub source: LogSource,
    /// How important it is.
    pub level: Level,
    /// At most 1024 bytes on one line, no control characters.
    pub message: String,
    /// At most 16, likewise cleaned.
    pub facts: Vec<(String, String)>,
}

/// Where a log line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// The module, through the `log` capability.
    Module,
    /// The module, on its standard output.
    Stdout,
    /// The module, on its standard error; a panic message for example.
    Stderr,
    /// The sandbox, about the module: a denied call, dropped lines.
    Sandbox,
}

/// A measurement of a module. The name is a Prometheus metric name, the label names are label names.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'a> {
    /// Name of the metric.
    pub name: &'a str,
    /// Names and values of the labels; at most 8.
    pub labels: &'a [(String, String)],
    /// What to do with the metric.
    pub value: SampleValue,
}

/// How a sample changes its metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SampleValue {
    /// The gauge has this value now.
    Gauge(f64),
    /// The counter grew by this.
    CounterAdd(u64),
}
