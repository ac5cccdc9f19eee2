//! Guests to load, and a host that remembers.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use hostile::Guests;
use serde_json::{Value, json};
use vrrp_sandbox::{
    Action, Answer, Artifact, Broker, CheckModule, CommandEnding, CommandError, CommandOutput,
    CompiledCache, Compiler, Engine, EngineConfig, EngineKind, FileError, Grant, Grants,
    HookModule, Host, Limits, LinkError, LinkInfo, LinkTable, LoadError, LogLine, LogSource,
    NetError, PingError, Pinger, ProcessError, ProcessInfo, ProcessTable, RunContext, RunReport,
    Sample, Setup, SystemdError, Unit,
};

/// The engine of all tests.
pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(engine_config()).expect("an engine"))
}

/// Of the kind that the environment names: the tests hold for each, and CI runs them once with each.
pub(crate) fn engine_config() -> EngineConfig {
    let kind = match std::env::var("VRRP_SANDBOX_ENGINE").as_deref() {
        Err(_) | Ok("native") => EngineKind::Native,
        Ok("pulley") => EngineKind::Pulley,
        Ok(other) => panic!("VRRP_SANDBOX_ENGINE is native or pulley, not {other}"),
    };
    EngineConfig {
        kind,
        ..EngineConfig::default()
    }
}

/// A guest's component, as its linker wrote it.
pub(crate) fn wasm(guest: &str) -> Vec<u8> {
    let guests = Guests::build(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let wasm = std::fs::read(guests.file(guest)).expect("the guests were built");
    match guest {
        "early" => import_of_a_later_version(wasm),
        _ => wasm,
    }
}

/// Calls `dns` by a name that no version has: which of those of today are missing changes with each of them.
fn import_of_a_later_version(mut wasm: Vec<u8>) -> Vec<u8> {
    let name = b"vrrp-host:plugin/dns@";
    for at in 0..wasm.len() - name.len() {
        if wasm[at..].starts_with(name) {
            wasm[at..at + name.len()].copy_from_slice(b"vrrp-host:plugin/psi@");
        }
    }
    wasm
}

/// A guest the way the daemon gets it: compiled, stored and loaded, once for all tests.
pub(crate) fn artifact(guest: &str) -> Artifact {
    static COMPILED: Mutex<BTreeMap<String, Artifact>> = Mutex::new(BTreeMap::new());
    let mut compiled = COMPILED.lock().unwrap();
    let compile = || {
        let folder = tempfile::tempdir().unwrap();
        let cache = CompiledCache::new(folder.path());
        let wasm = wasm(guest);
        let compiler = Compiler::new(&engine_config()).unwrap();
        let key = compiler.cache_key(&wasm);
        cache
            .store(&key, &compiler.compile(&wasm).unwrap())
            .unwrap();
        cache.load(&engine().cache_key(&wasm)).unwrap()
    };
    compiled
        .entry(guest.to_owned())
        .or_insert_with(compile)
        .clone()
}

/// Loads `guest` as a check with generous limits, and with what it needs.
pub(crate) async fn check(host: &Arc<TestHost>, guest: &str, config: Value) -> CheckModule {
    try_check(host, guest, config, Grants::FromConfig, patient())
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) async fn try_check(
    host: &Arc<TestHost>,
    guest: &str,
    config: Value,
    grants: Grants,
    limits: Limits,
) -> Result<CheckModule, LoadError> {
    engine()
        .load_check(&artifact(guest), setup(host, config, grants, limits))
        .await
}

pub(crate) async fn hook(host: &Arc<TestHost>, config: Value, grants: Grants) -> HookModule {
    let setup = setup(host, config, grants, patient());
    engine()
        .load_hook(&artifact("hook"), setup)
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn setup(host: &Arc<TestHost>, config: Value, grants: Grants, limits: Limits) -> Setup {
    Setup {
        name: "under-test".to_owned(),
        config,
        grants,
        limits,
        host: host.clone(),
        rehearsal: None,
    }
}

/// The default limits with room for a busy machine.
pub(crate) fn patient() -> Limits {
    Limits {
        cpu: Duration::from_secs(2),
        wall: Duration::from_secs(20),
        ..Limits::default()
    }
}

/// The tests' guests read their config without a JSON parser.
pub(crate) fn doing(what: &str) -> Value {
    json!({ "do": what })
}

pub(crate) fn listed(grants: &[&str]) -> Grants {
    Grants::Listed(
        grants
            .iter()
            .map(|text| text.parse::<Grant>().unwrap())
            .collect(),
    )
}

/// Runs it and gives the summary.
pub(crate) async fn summary(check: &CheckModule) -> String {
    let report = run(check).await;
    report
        .outcome
        .unwrap_or_else(|error| panic!("{error}"))
        .summary
}

pub(crate) async fn run(check: &CheckModule) -> RunReport {
    check.run(RunContext::default()).await
}

/// A host with a few processes and units, which remembers what modules did.
#[derive(Debug, Default)]
pub(crate) struct TestHost {
    pub(crate) processes: Vec<ProcessInfo>,
    pub(crate) hangs: bool,
    pub(crate) lines: Mutex<Vec<(LogSource, String)>>,
    pub(crate) samples: Mutex<Vec<String>>,
    pub(crate) jobs: Mutex<Vec<(String, Action)>>,
    pub(crate) pings: Mutex<Vec<(IpAddr, u8, Duration, Duration)>>,
    pub(crate) files: Mutex<Vec<String>>,
    pub(crate) commands: Mutex<Vec<String>>,
}

impl TestHost {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    fn asked_for_file(&self, path: &Path) {
        self.files.lock().unwrap().push(path.display().to_string());
    }

    pub(crate) fn lines(&self, source: LogSource) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        lines
            .iter()
            .filter(|(from, _)| *from == source)
            .map(|(_, line)| line.clone())
            .collect()
    }
}

impl Host for TestHost {
    fn log(&self, line: LogLine<'_>) {
        assert_eq!(line.module, "under-test");
        self.lines.lock().unwrap().push((line.source, line.message));
    }

    fn record(&self, module: &str, sample: Sample<'_>) {
        self.samples.lock().unwrap().push(format!(
            "{module} {} {:?} {:?}",
            sample.name, sample.labels, sample.value
        ));
    }

    fn processes(&self) -> &dyn ProcessTable {
        self
    }

    fn links(&self) -> &dyn LinkTable {
        self
    }

    fn pinger(&self) -> &dyn Pinger {
        self
    }

    fn broker(&self) -> &dyn Broker {
        self
    }
}

/// 192.0.2.1 answers every other request, to 198.51.100.0/24 there is no way, and nobody else is there.
impl Pinger for TestHost {
    fn ping<'a>(
        &'a self,
        address: IpAddr,
        count: u8,
        interval: Duration,
        timeout: Duration,
    ) -> Answer<'a, Result<Vec<Option<Duration>>, PingError>> {
        self.pings
            .lock()
            .unwrap()
            .push((address, count, interval, timeout));
        Box::pin(async move {
            if interval * u32::from(count) > timeout {
                return Err(PingError::Timeout);
            }
            match address.to_string().as_str() {
                "192.0.2.1" => Ok((0..count)
                    .map(|number| (number % 2 == 0).then_some(Duration::from_micros(1500)))
                    .collect()),
                "198.51.100.1" => Err(PingError::Unreachable),
                "198.51.100.2" => Err(PingError::Io("no CAP_NET_RAW".to_owned())),
                _ => {
                    tokio::time::sleep(timeout).await;
                    Ok(vec![None; count.into()])
                }
            }
        })
    }
}

impl LinkTable for TestHost {
    fn find<'a>(&'a self, name: &'a str) -> Answer<'a, Result<LinkInfo, LinkError>> {
        Box::pin(async move {
            if self.hangs {
                std::future::pending::<()>().await;
            }
            if name != "eth0" {
                return Err(LinkError::NotFound);
            }
            Ok(LinkInfo {
                name: name.to_owned(),
                up: true,
                carrier: false,
                mtu: 1500,
                addresses: vec!["192.0.2.1/24".to_owned()],
            })
        })
    }
}

impl ProcessTable for TestHost {
    fn find<'a>(&'a self, name: &'a str) -> Answer<'a, Result<Vec<ProcessInfo>, ProcessError>> {
        Box::pin(async move {
            if self.hangs {
                std::future::pending::<()>().await;
            }
            Ok(self
                .processes
                .iter()
                .filter(|process| process.comm == name)
                .cloned()
                .collect())
        })
    }
}

impl Broker for TestHost {
    fn systemd_unit<'a>(&'a self, unit: &'a str) -> Answer<'a, Result<Unit, SystemdError>> {
        Box::pin(async move {
            if unit != "named.service" {
                return Err(SystemdError::NotFound);
            }
            Ok(Unit {
                name: unit.to_owned(),
                active_state: "active".to_owned(),
                sub_state: "running".to_owned(),
                main_pid: 7,
                restarts: 0,
            })
        })
    }

    fn systemd_job<'a>(
        &'a self,
        unit: &'a str,
        action: Action,
        _timeout: Duration,
    ) -> Answer<'a, Result<(), SystemdError>> {
        self.jobs.lock().unwrap().push((unit.to_owned(), action));
        Box::pin(async move {
            match unit {
                "named.service" => Ok(()),
                "stuck.service" => Err(SystemdError::Timeout),
                _ => Err(SystemdError::NotFound),
            }
        })
    }

    fn unix_socket<'a>(&'a self, path: &'a Path) -> Answer<'a, Result<OwnedFd, NetError>> {
        Box::pin(async move {
            let socket = UnixStream::connect(path);
            socket
                .map(OwnedFd::from)
                .map_err(|error| NetError::Io(error.to_string()))
        })
    }

    fn read_file<'a>(
        &'a self,
        path: &'a Path,
        max: u32,
        _timeout: Duration,
    ) -> Answer<'a, Result<Vec<u8>, FileError>> {
        self.asked_for_file(path);
        Box::pin(async move {
            if self.hangs {
                std::future::pending::<()>().await;
            }
            match path.file_name().and_then(|name| name.to_str()) {
                Some("state") => {
                    assert_eq!(max, 100);
                    Ok(b"as primary".to_vec())
                }
                Some("large") => Err(FileError::TooLarge),
                Some("slow") => Err(FileError::Timeout),
                _ => match std::fs::read(path) {
                    Ok(content) if u32::try_from(content.len()).unwrap() <= max => Ok(content),
                    Ok(_) => Err(FileError::TooLarge),
                    Err(error) if error.kind() == ErrorKind::NotFound => Err(FileError::NotFound),
                    Err(error) => Err(FileError::Io(error.to_string())),
                },
            }
        })
    }

    fn file_modified<'a>(
        &'a self,
        path: &'a Path,
        _timeout: Duration,
    ) -> Answer<'a, Result<u64, FileError>> {
        self.asked_for_file(path);
        Box::pin(async move {
            if self.hangs {
                std::future::pending::<()>().await;
            }
            Ok(1234)
        })
    }

    fn run_command<'a>(
        &'a self,
        command: &'a Path,
        arguments: &'a [String],
        _timeout: Duration,
    ) -> Answer<'a, Result<CommandOutput, CommandError>> {
        let mut asked = self.commands.lock().unwrap();
        asked.push(command.display().to_string());
        drop(asked);
        Box::pin(async move {
            if self.hangs {
                std::future::pending::<()>().await;
            }
            if command == Path::new("/bin/slow") {
                return Err(CommandError::Timeout);
            }
            if command != Path::new("/bin/check") {
                return Err(CommandError::NotFound);
            }
            Ok(CommandOutput {
                ending: CommandEnding::Exited(3),
                stdout: arguments.join(" ").into_bytes(),
                stderr: b"complaint".to_vec(),
                truncated: true,
            })
        })
    }
}
