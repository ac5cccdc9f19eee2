//! A host for tests of a module, without WebAssembly: `cargo test` runs the check on this
//! machine, and what it asks of the host is answered from here.
//!
//! ```
//! use vrrp_sdk::{mock, process};
//!
//! let host = mock::Host::new().process("nginx", 812);
//! let found = host.enter(|| process::find("nginx"));
//! assert_eq!(found.unwrap()[0].pid, 812);
//! ```

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crate::bindings::imports::vrrp_host::plugin::{
    exec as raw_exec, files as raw_files, http as raw_http, net, systemd as raw_systemd,
};
use crate::dns::{self, RecordType};
use crate::log::Level;
use crate::systemd::{Action, Unit};
use crate::{
    ConfigError, Module, Need, RunContext, Transition, VrrpState, config, exec, files, http, icmp,
    link, process, systemd,
};

pub use server::Server;

pub(crate) mod imports;
mod server;

/// Reads a config as the host does at load, from JSON.
///
/// # Errors
/// Every error of the config, each with a pointer to the key.
pub fn configure<T: Module>(config: &str) -> Result<T, Vec<ConfigError>> {
    config::parse(config)
}

/// The context of a first run, with a deadline of one second.
pub fn run_context() -> RunContext {
    RunContext {
        causes: Vec::new(),
        run: 1,
        deadline_ms: 1000,
        previous: None,
        states: Vec::new(),
    }
}

/// A transition of an instance `VI_1`.
pub fn transition(before: VrrpState, after: VrrpState) -> Transition {
    Transition {
        instance: "VI_1".to_owned(),
        virtual_router_id: 51,
        interface_name: "eth0".to_owned(),
        before,
        after,
        effective_priority: 100,
        reason: "test".to_owned(),
        addresses: vec!["192.0.2.1".to_owned()],
        sequence: 1,
        at_unix_ms: 0,
    }
}

/// A unit in an active state such as `"active"` or `"failed"`.
pub fn unit(name: &str, active_state: &str) -> Unit {
    Unit {
        name: name.to_owned(),
        active_state: active_state.to_owned(),
        sub_state: String::new(),
        main_pid: 0,
        restarts: 0,
    }
}

/// The end of a command with this exit code, which wrote `stdout`.
pub fn output(code: i32, stdout: &str) -> exec::Output {
    exec::Output {
        ending: exec::Ending::Exited(code),
        stdout: stdout.as_bytes().to_vec(),
        stderr: Vec::new(),
        truncated: false,
    }
}

/// A network interface that is up, has a carrier, and has these addresses, such as `"192.0.2.1/24"`.
pub fn link(name: &str, addresses: &[&str]) -> link::Info {
    link::Info {
        name: name.to_owned(),
        up: true,
        carrier: true,
        mtu: 1500,
        addresses: addresses
            .iter()
            .map(|&address| address.to_owned())
            .collect(),
    }
}

/// What a module sees of the outside, and what it did there.
///
/// At first there is nothing: no process, no unit, no network interface, no file, no command, no server, and the clocks
/// stand at zero.
#[derive(Debug, Default)]
pub struct Host(Rc<RefCell<World>>);

/// A line that a module logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub level: Level,
    pub message: String,
    pub facts: Vec<(String, String)>,
}

/// Some echo requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    pub address: String,
    pub count: u8,
    pub interval: Duration,
    pub timeout: Duration,
}

#[derive(Clone, Debug)]
struct File {
    content: Vec<u8>,
    modified_unix_ms: u64,
}

#[derive(Debug, Default)]
struct World {
    denied: HashSet<Need>,
    processes: Vec<process::Info>,
    units: Vec<Unit>,
    links: Vec<link::Info>,
    failing_jobs: HashMap<(String, &'static str), raw_systemd::Error>,
    answers: HashMap<String, Result<raw_http::Response, net::Error>>,
    names: HashMap<(String, &'static str), Result<Vec<String>, net::Error>>,
    echoes: HashMap<String, Result<Vec<Option<u64>>, net::Error>>,
    servers: HashMap<String, Server>,
    failing_servers: HashMap<String, net::Error>,
    udp_servers: HashMap<String, Server>,
    files: HashMap<String, Result<File, raw_files::Error>>,
    commands: HashMap<String, Result<exec::Output, raw_exec::Error>>,
    unix_time: Duration,
    monotonic: Duration,
    state: BTreeMap<String, Vec<u8>>,

    log: Vec<LogLine>,
    jobs: Vec<(String, Action)>,
    requests: Vec<raw_http::Request>,
    queries: Vec<dns::Query>,
    pings: Vec<Ping>,
    runs: Vec<Vec<String>>,
    metrics: BTreeMap<String, f64>,
}

impl Host {
    pub fn new() -> Self {
        Self::default()
    }

    /// A process of this name is running.
    #[must_use]
    pub fn process(self, name: &str, pid: u32) -> Self {
        self.with(|world| {
            world.processes.push(process::Info {
                pid,
                comm: name.to_owned(),
                cmdline: vec![name.to_owned()],
                started_unix_ms: 0,
                rss_bytes: 0,
                threads: 1,
            });
        })
    }

    /// systemd knows this unit; every job on it succeeds.
    #[must_use]
    pub fn unit(self, unit: Unit) -> Self {
        self.with(|world| world.units.push(unit))
    }

    /// There is this network interface.
    #[must_use]
    pub fn link(self, link: link::Info) -> Self {
        self.with(|world| world.links.push(link))
    }

    /// A job on a unit fails.
    #[must_use]
    pub fn job_fails(self, unit: &str, action: Action, error: systemd::Error) -> Self {
        let error = match error {
            systemd::Error::Denied(_) => raw_systemd::Error::Denied,
            systemd::Error::NotFound { .. } => raw_systemd::Error::NotFound,
            systemd::Error::Timeout { .. } => raw_systemd::Error::Timeout,
            systemd::Error::Bus { message, .. } => raw_systemd::Error::Bus(message),
        };
        let job = (unit.to_owned(), action.as_str());
        self.with(|world| world.failing_jobs.insert(job, error))
    }

    /// An HTTP server answers at this URL. At every other one the connection is refused.
    #[must_use]
    pub fn responds(self, url: &str, status: u16, body: &str) -> Self {
        let response = raw_http::Response {
            status,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
            truncated: false,
            total_us: 1000,
        };
        self.with(|world| world.answers.insert(url.to_owned(), Ok(response)))
    }

    /// A request to this URL gets no answer.
    #[must_use]
    pub fn http_fails(self, url: &str, error: http::Error) -> Self {
        self.with(|world| world.answers.insert(url.to_owned(), Err(error.into_raw())))
    }

    /// A server listens at this `host:port`, or at this path of a Unix socket. At every other one the
    /// connection is refused.
    #[must_use]
    pub fn serves(self, address: &str, server: Server) -> Self {
        self.with(|world| world.servers.insert(address.to_owned(), server))
    }

    /// Connecting to this `host:port`, or to this path, fails.
    #[must_use]
    pub fn connect_fails(self, address: &str, error: crate::net::Error) -> Self {
        self.with(|world| {
            world
                .failing_servers
                .insert(address.to_owned(), error.into_raw())
        })
    }

    /// A server answers datagrams at this `host:port`. At every other one they are refused.
    #[must_use]
    pub fn serves_udp(self, address: &str, server: Server) -> Self {
        self.with(|world| world.udp_servers.insert(address.to_owned(), server))
    }

    /// A name has these records. Every other one does not exist.
    #[must_use]
    pub fn resolves(self, name: &str, record_type: RecordType, records: &[&str]) -> Self {
        let records = records.iter().copied().map(str::to_owned).collect();
        let question = (name.to_owned(), record_type.as_str());
        self.with(|world| world.names.insert(question, Ok(records)))
    }

    /// A question about this name gets no answer.
    #[must_use]
    pub fn dns_fails(self, name: &str, record_type: RecordType, error: dns::Error) -> Self {
        let error = match error {
            dns::Error::Denied(_) => net::Error::Denied,
            dns::Error::Timeout { .. } => net::Error::Timeout,
            dns::Error::Refused => net::Error::Refused,
            dns::Error::Unreachable => net::Error::Unreachable,
            dns::Error::NameNotFound => net::Error::NameNotFound,
            dns::Error::Io(message) => net::Error::Io(message),
        };
        let question = (name.to_owned(), record_type.as_str());
        self.with(|world| world.names.insert(question, Err(error)))
    }

    /// An address answers echo requests after these times, or does not; what is missing at the end is not answered either. Every
    /// other address never answers.
    #[must_use]
    pub fn echoes(self, address: IpAddr, trips: &[Option<Duration>]) -> Self {
        let microseconds = |trip: Duration| u64::try_from(trip.as_micros()).unwrap_or(u64::MAX);
        let trips = trips.iter().map(|trip| trip.map(microseconds)).collect();
        self.with(|world| world.echoes.insert(address.to_string(), Ok(trips)))
    }

    /// No echo request can be sent to this address.
    #[must_use]
    pub fn ping_fails(self, address: IpAddr, error: icmp::Error) -> Self {
        let error = match error {
            icmp::Error::Denied(_) => net::Error::Denied,
            icmp::Error::Timeout { .. } => net::Error::Timeout,
            icmp::Error::Unreachable => net::Error::Unreachable,
            icmp::Error::Io(message) => net::Error::Io(message),
        };
        self.with(|world| world.echoes.insert(address.to_string(), Err(error)))
    }

    /// There is a file, last modified at `modified`.
    #[must_use]
    pub fn file(self, path: &str, content: &str, modified: SystemTime) -> Self {
        let since_epoch = modified
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let file = File {
            content: content.as_bytes().to_vec(),
            modified_unix_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
        };
        self.with(|world| world.files.insert(path.to_owned(), Ok(file)))
    }

    /// A file cannot be read.
    #[must_use]
    pub fn file_fails(self, path: &str, error: files::Error) -> Self {
        self.with(|world| world.files.insert(path.to_owned(), Err(error.into_raw())))
    }

    /// There is a command that ends like this, whatever its arguments.
    #[must_use]
    pub fn command(self, command: &str, output: exec::Output) -> Self {
        self.with(|world| world.commands.insert(command.to_owned(), Ok(output)))
    }

    /// A command does not run to its end.
    #[must_use]
    pub fn command_fails(self, command: &str, error: exec::Error) -> Self {
        self.with(|world| {
            world
                .commands
                .insert(command.to_owned(), Err(error.into_raw()))
        })
    }

    /// cluster.toml does not grant this.
    #[must_use]
    pub fn denies(self, need: Need) -> Self {
        self.with(|world| world.denied.insert(need))
    }

    /// What the wall clock shows.
    #[must_use]
    pub fn now(self, now: SystemTime) -> Self {
        let since_epoch = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.with(|world| world.unix_time = since_epoch)
    }

    /// What the monotonic clock shows.
    #[must_use]
    pub fn monotonic(self, time: Duration) -> Self {
        self.with(|world| world.monotonic = time)
    }

    /// What an earlier run kept with [`state::put`](crate::state::put).
    #[must_use]
    pub fn state(self, key: &str, value: &[u8]) -> Self {
        self.with(|world| world.state.insert(key.to_owned(), value.to_vec()))
    }

    /// Runs `test` on this thread with this host.
    pub fn enter<R>(&self, test: impl FnOnce() -> R) -> R {
        let outer = CURRENT.replace(Some(Rc::clone(&self.0)));
        let _leave = Leave(outer);
        test()
    }

    /// What was logged.
    pub fn log_lines(&self) -> Vec<LogLine> {
        self.0.borrow().log.clone()
    }

    /// The jobs that were asked for, whatever became of them.
    pub fn jobs(&self) -> Vec<(String, Action)> {
        self.0.borrow().jobs.clone()
    }

    /// The requests that were sent, whatever became of them.
    pub fn requests(&self) -> Vec<http::Request> {
        self.0
            .borrow()
            .requests
            .iter()
            .cloned()
            .map(http::Request::from_raw)
            .collect()
    }

    /// The questions that were asked, whatever became of them.
    pub fn queries(&self) -> Vec<dns::Query> {
        self.0.borrow().queries.clone()
    }

    /// The pings that were sent, whatever became of them.
    pub fn pings(&self) -> Vec<Ping> {
        self.0.borrow().pings.clone()
    }

    /// The commands that were run, each with its arguments, whatever became of them.
    pub fn commands(&self) -> Vec<Vec<String>> {
        self.0.borrow().runs.clone()
    }

    /// What is kept under a key for the runs to come.
    pub fn stored(&self, key: &str) -> Option<Vec<u8>> {
        self.0.borrow().state.get(key).cloned()
    }

    /// The value of a gauge or counter, written as Prometheus does: `name{label="value"}`.
    pub fn metric(&self, series: &str) -> Option<f64> {
        self.0.borrow().metrics.get(series).copied()
    }

    fn with<R>(self, change: impl FnOnce(&mut World) -> R) -> Self {
        change(&mut self.0.borrow_mut());
        self
    }
}

impl World {
    fn denies(&self, need: &Need) -> bool {
        self.denied.contains(need)
    }

    fn denies_file_of(&self, tls: &net::Tls) -> bool {
        let files = [
            &tls.ca_file,
            &tls.client_certificate_file,
            &tls.client_key_file,
        ];
        let mut files = files.into_iter().flatten();
        files.any(|file| self.denies(&Need::read(file)))
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<RefCell<World>>>> = const { RefCell::new(None) };
}

/// Puts the outer host back, also when the test panics.
struct Leave(Option<Rc<RefCell<World>>>);

impl Drop for Leave {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

fn current<R>(call: impl FnOnce(&mut World) -> R) -> R {
    CURRENT.with_borrow(|host| {
        let host = host.as_ref().expect(
            "outside WebAssembly the host is a vrrp_sdk::mock::Host: call this inside its `enter`",
        );
        call(&mut host.borrow_mut())
    })
}
