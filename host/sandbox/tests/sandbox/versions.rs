//! Modules that were built for a released version of the contract. `tests/guests` has them, with their sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
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

/// The files of a folder that are part of the contract, with their contents.
fn contract(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wit"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// What is not as it was frozen: a file that came or went, or the first line of one that differs.
fn difference(
    today: &BTreeMap<String, String>,
    frozen: &BTreeMap<String, String>,
) -> Option<String> {
    let mut names: Vec<_> = today.keys().chain(frozen.keys()).collect();
    names.sort();
    names.into_iter().find_map(|name| {
        let (Some(now), Some(then)) = (today.get(name), frozen.get(name)) else {
            return Some(format!("{name} is in one of the two only"));
        };
        let number = now
            .lines()
            .zip(then.lines())
            .position(|(now, then)| now != then);
        let number = number.unwrap_or_else(|| now.lines().count().min(then.lines().count()));
        (now != then).then(|| {
            let line = |text: &str| text.lines().nth(number).unwrap_or_default().to_owned();
            let place = format!("{name}:{}", number + 1);
            format!("{place}\n  now:    {}\n  frozen: {}", line(now), line(then))
        })
    })
}

#[test]
fn the_contract_is_what_was_frozen_as_its_version() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let today = contract(&repository.join("wit"));
    let version = today["plugin.wit"]
        .lines()
        .find_map(|line| {
            line.strip_prefix("package vrrp-host:plugin@")?
                .strip_suffix(';')
        })
        .unwrap();
    let place = format!("tests/guests/v{version}");
    let frozen = contract(&repository.join(&place).join("wit"));
    assert!(
        !frozen.is_empty(),
        "version {version} of the contract is frozen nowhere: copy wit/*.wit to {place}/wit, with a module beside it that is \
         built for it, as tests/guests/v0.1.0/README.md has it, and run it here as the one before"
    );
    if let Some(difference) = difference(&today, &frozen) {
        panic!(
            "wit/ is not what {place}/wit has as version {version}: {difference}\n\
             Modules are built for {version}, so it stays what it is: give what changed the next version, by the rules of \
             wit/README.md, and freeze that in a folder of its own beside {place}. Only while no {version} is released yet: \
             copy wit/*.wit to {place}/wit and build its module again, as {place}/README.md says."
        );
    }
}

#[test]
fn a_contract_that_is_another_one_is_told_by_its_first_difference() {
    let contract = |files: &[(&str, &str)]| {
        let files = files.iter();
        files
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    };
    let frozen = contract(&[("plugin.wit", "a\nb\n")]);
    assert_eq!(difference(&frozen, &frozen), None);
    for (today, told) in [
        (
            &[("plugin.wit", "a\nc\n")][..],
            "plugin.wit:2\n  now:    c\n  frozen: b",
        ),
        (
            &[("plugin.wit", "a\nb\nc\n")],
            "plugin.wit:3\n  now:    c\n  frozen: ",
        ),
        (
            &[("plugin.wit", "a\nb")],
            "plugin.wit:3\n  now:    \n  frozen: ",
        ),
        (
            &[("plugin.wit", "a\nb\n"), ("more.wit", "")],
            "more.wit is in one of the two only",
        ),
        (&[], "plugin.wit is in one of the two only"),
    ] {
        assert_eq!(difference(&contract(today), &frozen).as_deref(), Some(told));
    }
}
