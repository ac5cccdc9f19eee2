//! Guests to load, and a host that remembers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use hostile::Guests;
use serde_json::{Value, json};
use vrrp_sandbox::{
    Action, Answer, Artifact, Broker, CheckModule, CompiledCache, Compiler, Engine, EngineConfig,
    Grant, Grants, HookModule, Host, Limits, LoadError, LogLine, LogSource, ProcessError,
    ProcessInfo, ProcessTable, RunContext, RunReport, Sample, Setup, SystemdError, Unit,
};

/// The engine of all tests.
pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(EngineConfig::default()).expect("an engine"))
}

/// A guest's component, as its linker wrote it.
pub(crate) fn wasm(guest: &str) -> Vec<u8> {
    static GUESTS: OnceLock<Guests> = OnceLock::new();
    let guests = GUESTS.get_or_init(|| Guests::build(Path::new(env!("CARGO_TARGET_TMPDIR"))));
    std::fs::read(guests.file(guest)).expect("the guests were built")
}

/// A guest the way the daemon gets it: compiled, stored and loaded, once for all tests.
pub(crate) fn artifact(guest: &str) -> Artifact {
    static COMPILED: Mutex<BTreeMap<String, Artifact>> = Mutex::new(BTreeMap::new());
    let mut compiled = COMPILED.lock().unwrap();
    let compile = || {
        let folder = tempfile::tempdir().unwrap();
        let cache = CompiledCache::new(folder.path());
        let wasm = wasm(guest);
        let compiler = Compiler::new(&EngineConfig::default()).unwrap();
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
}

impl TestHost {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
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

    fn broker(&self) -> &dyn Broker {
        self
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
}
