//! What `vrrp-host module test` and `module inspect` are made of: what was asked for, faults on purpose, descriptions.

use std::sync::Arc;

use serde_json::json;
use vrrp_sandbox::{
    CheckModule, Fault, Grants, Import, LoadError, ModuleRole, Rehearsal, Reply, RunError, Setup,
};

use crate::support::{TestHost, artifact, doing, engine, listed, patient, run, setup};

/// Loads `curious` with what it needs, for a rehearsal with these faults.
async fn rehearse(
    config: serde_json::Value,
    grants: Grants,
    faults: &[&str],
) -> Result<(CheckModule, Arc<Rehearsal>), LoadError> {
    let faults: Vec<Fault> = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    let rehearsal = Arc::new(Rehearsal::new(faults));
    let setup = Setup {
        rehearsal: Some(rehearsal.clone()),
        ..setup(&TestHost::new(), config, grants, patient())
    };
    let check = engine().load_check(&artifact("curious"), setup).await?;
    Ok((check, rehearsal))
}

fn asked(rehearsal: &Rehearsal) -> Vec<(String, Reply, u64)> {
    let asked = rehearsal.asked().into_iter();
    asked
        .map(|asked| (asked.what, asked.reply, asked.times))
        .collect()
}

#[tokio::test]
async fn what_was_asked_for_is_told_with_the_reply() {
    let grants = || {
        listed(&[
            "process:named",
            "unit:named",
            "http:GET http://127.0.0.1:9/",
        ])
    };
    let find = |name: &str| json!({ "do": "find", "with": name });
    let (check, rehearsal) = rehearse(find("named"), grants(), &[]).await.unwrap();
    run(&check).await.outcome.unwrap();
    run(&check).await.outcome.unwrap();
    assert_eq!(
        asked(&rehearsal),
        [("process:named".to_owned(), Reply::Granted, 2)]
    );

    let (check, rehearsal) = rehearse(find("sshd"), grants(), &[]).await.unwrap();
    assert!(matches!(
        run(&check).await.outcome,
        Err(RunError::Denied(_))
    ));
    assert_eq!(
        asked(&rehearsal),
        [("process:sshd".to_owned(), Reply::Denied, 1)]
    );
}

/// HTTP compares by itself, while the module waits.
#[tokio::test]
async fn so_are_requests_and_a_refused_one_counts_once() {
    let grants = || listed(&["process:x", "unit:x", "http:GET http://127.0.0.1:9/a"]);
    let get = |url: &str| json!({ "do": "http", "with": url });
    for (url, reply, denied) in [
        ("http://127.0.0.1:9/a/b", Reply::Granted, 0),
        ("http://127.0.0.1:9/c", Reply::Denied, 1),
    ] {
        let (check, rehearsal) = rehearse(get(url), grants(), &[]).await.unwrap();
        assert_eq!(run(&check).await.usage.denied, denied);
        assert_eq!(asked(&rehearsal), [(format!("http:GET {url}"), reply, 1)]);
    }
}

#[tokio::test]
async fn a_fault_takes_the_place_of_the_act() {
    let url = "http://127.0.0.1:9/";
    let config = json!({ "do": "http", "with": url, "needs": [format!("http:GET {url}")] });
    for (fault, error) in [
        ("http=timeout", "Error::Timeout"),
        ("http.send=name-not-found", "Error::NameNotFound"),
        ("http=io", "Error::Io(\"a fault injected by the test\")"),
    ] {
        let (check, rehearsal) = rehearse(config.clone(), Grants::FromConfig, &[fault])
            .await
            .unwrap();
        assert_eq!(run(&check).await.outcome.unwrap().summary, error);
        let word = fault.split_once('=').unwrap().1.to_owned();
        assert_eq!(
            asked(&rehearsal),
            [(format!("http.send(GET {url})"), Reply::Injected(word), 1)]
        );
    }
    // The others of its functions work as ever.
    let find = json!({ "do": "find", "with": "x", "needs": ["process:x"] });
    let (check, rehearsal) = rehearse(find, Grants::FromConfig, &["http=timeout", "systemd=bus"])
        .await
        .unwrap();
    assert_eq!(run(&check).await.outcome.unwrap().summary, "[]");
    assert_eq!(
        asked(&rehearsal),
        [("process:x".to_owned(), Reply::Granted, 1)]
    );
}

#[tokio::test]
async fn a_fault_that_cannot_happen_is_refused() {
    let refused = async |fault: &str| {
        let loaded = rehearse(doing("nothing"), Grants::FromConfig, &[fault]).await;
        loaded.unwrap_err().to_string()
    };
    assert_eq!(
        refused("process=timeout").await,
        "the fault `process=timeout` cannot happen to this module: write one of denied, unavailable"
    );
    assert_eq!(
        refused("dns=timeout").await,
        "the fault `dns=timeout` cannot happen to this module: what it calls is `http.send`, `process.find`, `systemd.get`"
    );
    assert!(refused("http.fetch=timeout").await.contains("`http.send`"));
}

#[tokio::test]
async fn a_component_is_described_without_a_config_and_without_grants() {
    let describe = async |guest: &str| {
        let artifact = artifact(guest);
        let described = engine().describe(&artifact, "under-test", TestHost::new());
        described.await.unwrap()
    };
    let curious = describe("curious").await;
    assert_eq!(curious.role, ModuleRole::Check);
    assert_eq!(curious.contract, "0.1.0");
    assert_eq!(curious.metadata.name, "curious");
    let mut imports = curious.imports;
    imports.sort_by(|a, b| a.interface.cmp(&b.interface));
    let import = |interface: &str, opened_by: &[&'static str]| Import {
        interface: format!("vrrp-host:plugin/{interface}@0.1.0"),
        opened_by: opened_by.to_vec(),
    };
    assert_eq!(
        imports,
        [
            import("http", &["http:METHOD URL-PREFIX"]),
            import("process", &["process:NAME"]),
            import("systemd", &["unit:NAME", "unit:NAME:start,stop"]),
        ]
    );
    assert_eq!(describe("hook").await.role, ModuleRole::Hook);
}
