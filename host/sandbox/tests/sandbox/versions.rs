//! Modules that were built for a released version of the contract. `tests/guests` has them, with their sources.

use std::sync::Arc;

use serde_json::json;
use vrrp_sandbox::{
    Action, Artifact, CompiledCache, Compiler, Fact, Grants, HookError, LogSource, ProcessInfo,
    RunContext, Trigger, Verdict, VrrpState,
};

use crate::capabilities::transition;
use crate::support::{
    TestHost, doing, engine, engine_config, listed, patient, setup, summary, wasm,
};

const FIRST: &[u8] = include_bytes!("../../../../tests/guests/v0.1.0/first.wasm");
const GRANTS: [&str; 3] = ["process:named", "unit:named", "unit:named:start"];

fn first() -> Artifact {
    compiled(FIRST)
}

fn compiled(wasm: &[u8]) -> Artifact {
    let folder = tempfile::tempdir().unwrap();
    let cache = CompiledCache::new(folder.path());
    let compiler = Compiler::new(&engine_config()).unwrap();
    let key = compiler.cache_key(wasm);
    cache.store(&key, &compiler.compile(wasm).unwrap()).unwrap();
    cache.load(&key).unwrap()
}

/// The check `hostile`, as if it was built for another version, which is written with as many digits.
fn built_for(version: &str) -> Artifact {
    let mut wasm = wasm("hostile");
    let (own, other) = (b"@0.1.0", format!("@{version}"));
    let places: Vec<_> = (0..wasm.len())
        .filter(|&at| wasm[at..].starts_with(own))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        wasm[at..at + own.len()].copy_from_slice(other.as_bytes());
    }
    compiled(&wasm)
}

fn named() -> ProcessInfo {
    ProcessInfo {
        pid: 812,
        comm: "named".to_owned(),
        cmdline: vec!["/usr/sbin/named".to_owned()],
        started_unix_ms: 1,
        rss_bytes: 2,
        threads: 3,
    }
}

#[tokio::test]
async fn a_check_built_for_0_1_0_runs() {
    let host = Arc::new(TestHost {
        processes: vec![named()],
        ..TestHost::default()
    });
    let setup = setup(&host, json!({}), listed(&GRANTS), patient());
    let check = engine().load_check(&first(), setup).await.unwrap();
    assert_eq!(check.metadata().name, "first");
    assert_eq!(check.metadata().version, "0.1.0");
    assert_eq!(
        check.plan().triggers,
        [
            Trigger::ProcessStarted("named".to_owned()),
            Trigger::ProcessExited("named".to_owned()),
            Trigger::UnitChanged("named.service".to_owned()),
        ]
    );

    let context = RunContext {
        causes: vec![Trigger::LinkChanged("eth0".to_owned())],
        run: 7,
        previous: Some(Verdict::Failing),
        states: vec![("VI_1".to_owned(), VrrpState::Fault)],
    };
    for runs in 1..=2 {
        let observation = check.run(context.clone()).await.outcome.unwrap();
        assert_eq!(
            observation.summary,
            format!(
                "1 named, unit active, runs {runs}, [Trigger::LinkChanged(\"eth0\")], deadline 20000, \
                 previous Some(Verdict::Failing), [(\"VI_1\", VrrpState::Fault)]"
            )
        );
        assert_eq!(observation.verdict, Verdict::Warning);
        assert_eq!(observation.weight, Some(-3));
        let fact = Fact {
            name: "pid".to_owned(),
            value: "7".to_owned(),
        };
        assert_eq!(observation.facts, [fact]);
    }
    assert_eq!(
        host.lines(LogSource::Module),
        ["I am the first", "I am the first"]
    );
    assert_eq!(host.samples.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn a_hook_built_for_0_1_0_is_told_and_acts() {
    let host = TestHost::new();
    let setup = setup(&host, json!({}), listed(&GRANTS), patient());
    let hook = engine().load_hook(&first(), setup).await.unwrap();
    assert_eq!(
        hook.notify(transition()).await,
        Err(HookError::Permanent("1 done, and no more".to_owned()))
    );
    let jobs = host.jobs.lock().unwrap().clone();
    assert_eq!(jobs, [("named.service".to_owned(), Action::Start)]);
    let told = host.lines(LogSource::Module).join("\n");
    for part in ["VI_1", "virtual-router-id: 251", "172.27.0.247"] {
        assert!(told.contains(part), "{part} in {told}");
    }
}

#[tokio::test]
async fn a_config_that_a_module_for_0_1_0_refuses_is_refused() {
    let setup = setup(
        &TestHost::new(),
        json!({ "key": 1 }),
        Grants::FromConfig,
        patient(),
    );
    let error = engine().load_check(&first(), setup).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the module refuses its config: /key: there is no key"
    );
}

#[tokio::test]
async fn a_module_built_for_a_later_patch_version_runs_as_far_as_it_uses_what_is_here() {
    let setup = setup(&TestHost::new(), doing(""), Grants::FromConfig, patient());
    let check = engine().load_check(&built_for("0.1.9"), setup).await;
    assert_eq!(summary(&check.unwrap()).await, "fine");
}

#[tokio::test]
async fn a_module_built_for_another_minor_version_is_told_which_versions_there_are() {
    let setup = setup(&TestHost::new(), doing(""), Grants::FromConfig, patient());
    let check = engine().load_check(&built_for("0.9.0"), setup).await;
    assert_eq!(
        check.unwrap_err().to_string(),
        "the module is not a check: it is built for version 0.9.0 of vrrp-host:plugin, this is 0.1.x"
    );
}
