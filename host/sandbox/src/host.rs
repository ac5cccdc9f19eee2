//! What the sandbox needs from whoever embeds it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use crate::bindings::imports::link::{Error as LinkError, Info as LinkInfo};
pub use crate::bindings::imports::log::Level;
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
