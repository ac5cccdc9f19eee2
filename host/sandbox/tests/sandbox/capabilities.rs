//! What a module can do when it is allowed to, and what happens when it is not. HTTP has its own file.

use std::sync::Arc;

use serde_json::json;
use vrrp_sandbox::{
    Action, Grants, HookError, LogSource, ProcessInfo, RunContext, RunError, Transition, Trigger,
    Verdict, VrrpState,
};

use crate::support::{TestHost, check, doing, hook, listed, patient, run, summary, try_check};

#[tokio::test]
async fn processes_are_found_through_the_host() {
    let named = ProcessInfo {
        pid: 812,
        comm: "named".to_owned(),
        cmdline: vec!["/usr/sbin/named".to_owned()],
        started_unix_ms: 1,
        rss_bytes: 2,
        threads: 3,
    };
    let host = Arc::new(TestHost {
        processes: vec![named],
        ..TestHost::default()
    });
    let found = check(
        &host,
        "curious",
        json!({ "do": "find", "with": "named", "needs": ["process:named"] }),
    )
    .await;
    assert!(summary(&found).await.contains("pid: 812"));
}

#[tokio::test]
async fn a_denied_call_names_the_line_to_paste() {
    let host = TestHost::new();
    let config = json!({ "do": "find", "with": "sshd", "needs": ["process:named"] });
    let report = run(&check(&host, "curious", config).await).await;
    let line = r#"allow = ["process:named", "process:sshd"]"#;
    assert_eq!(
        report.outcome,
        Err(RunError::Denied(format!(
            "process.find; to allow it write {line}"
        )))
    );
    assert_eq!(report.usage.denied, 1);
    let told = host.lines(LogSource::Sandbox).join("\n");
    assert!(
        told.contains("denied: process:sshd") && told.contains(line),
        "{told}"
    );
}

#[tokio::test]
async fn units_are_read_through_the_broker() {
    let host = TestHost::new();
    let config = |unit| json!({ "do": "unit", "with": unit, "needs": ["unit:named", "unit:gone"] });
    let named = summary(&check(&host, "curious", config("named")).await).await;
    assert!(named.contains("active-state: \"active\""), "{named}");
    assert!(
        summary(&check(&host, "curious", config("gone")).await)
            .await
            .contains("NotFound")
    );
    assert!(
        summary(&check(&host, "curious", config("sshd")).await)
            .await
            .contains("Denied")
    );
}

#[tokio::test]
async fn jobs_are_run_by_the_broker() {
    let host = TestHost::new();
    let config = |unit, action| json!({ "unit": unit, "action": action, "needs": [format!("unit:{unit}:{action}")] });
    let notify = async |unit, action| {
        hook(&host, config(unit, action), Grants::FromConfig)
            .await
            .notify(transition())
            .await
    };
    assert_eq!(notify("named", "start").await, Ok(()));
    assert_eq!(
        notify("gone", "stop").await,
        Err(HookError::Permanent("no such unit".to_owned()))
    );
    assert!(matches!(
        notify("stuck", "start").await,
        Err(HookError::Retry(_))
    ));
    let jobs = host.jobs.lock().unwrap().clone();
    assert_eq!(
        jobs[..2],
        [
            ("named.service".to_owned(), Action::Start),
            ("gone.service".to_owned(), Action::Stop)
        ]
    );
}

#[tokio::test]
async fn a_job_without_a_grant_never_reaches_the_broker() {
    let host = TestHost::new();
    let config = json!({ "unit": "named", "action": "start", "needs": [] });
    let hook = hook(&host, config, listed(&["unit:named:stop"])).await;
    let error = hook.notify(transition()).await.unwrap_err();
    let line = r#"allow = ["unit:named.service:stop", "unit:named.service:start"]"#;
    assert_eq!(
        error,
        HookError::Permanent(format!("denied for VI_1; to allow it write {line}"))
    );
    assert_eq!(host.jobs.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_hook_that_crashes_is_not_a_verdict_of_the_hook() {
    let host = TestHost::new();
    let hook = hook(&host, json!({ "action": "panic" }), Grants::FromConfig).await;
    let error = hook.notify(transition()).await.unwrap_err();
    assert!(
        matches!(error, HookError::Module(RunError::Trap(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn wasi_is_there_and_leads_nowhere() {
    let host = TestHost::new();
    assert_eq!(
        summary(&check(&host, "hostile", doing("environment")).await).await,
        "0 0"
    );
    let file = summary(&check(&host, "hostile", doing("file")).await).await;
    assert!(file.starts_with("Err("), "{file}");
    let socket = summary(&check(&host, "hostile", doing("socket")).await).await;
    assert_eq!(socket, "Err(PermissionDenied)");
}

#[tokio::test]
async fn what_is_printed_is_logged_by_lines() {
    let host = TestHost::new();
    run(&check(&host, "hostile", doing("print")).await)
        .await
        .outcome
        .unwrap();
    assert_eq!(host.lines(LogSource::Stdout), ["half a line", "unfinished"]);
    assert_eq!(host.lines(LogSource::Stderr), ["complaint"]);
}

#[tokio::test]
async fn measurements_reach_the_host_when_their_names_are_sound() {
    let host = TestHost::new();
    run(&check(&host, "hostile", doing("measure")).await)
        .await
        .outcome
        .unwrap();
    let samples = host.samples.lock().unwrap().clone();
    assert_eq!(
        samples,
        [
            r#"under-test depth [("queue", "a b")] Gauge(1.5)"#,
            "under-test seen_total [] CounterAdd(2)"
        ]
    );
    assert!(host.lines(LogSource::Sandbox)[0].contains("`bad name`"));
}

#[tokio::test]
async fn the_clocks_run() {
    let check = check(&TestHost::new(), "hostile", doing("clock")).await;
    let read = async || -> Vec<u64> {
        summary(&check)
            .await
            .split(' ')
            .map(|number| number.parse().unwrap())
            .collect()
    };
    let (first, second) = (read().await, read().await);
    assert!(
        first[0] > 1_700_000_000_000 && second[0] >= first[0],
        "{first:?} {second:?}"
    );
    assert!(second[1] > first[1], "{first:?} {second:?}");
}

#[tokio::test]
async fn a_run_knows_why_it_runs() {
    let check = check(&TestHost::new(), "hostile", doing("context")).await;
    let context = RunContext {
        causes: vec![Trigger::ProcessExited("named".to_owned())],
        run: 42,
        previous: Some(Verdict::Failing),
        states: vec![("VI_1".to_owned(), VrrpState::Master)],
    };
    let told = check.run(context).await.outcome.unwrap().summary;
    for part in [
        "ProcessExited(\"named\")",
        "run: 42",
        "deadline-ms: 20000",
        "Failing",
        "\"VI_1\"",
        "Master",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
}

#[tokio::test]
async fn a_check_may_say_that_it_cannot_tell() {
    let host = TestHost::new();
    let error = run(&check(&host, "hostile", doing("unavailable")).await)
        .await
        .outcome
        .unwrap_err();
    assert_eq!(error, RunError::Unavailable("no such thing".to_owned()));
    let error = run(&check(&host, "hostile", doing("timeout")).await)
        .await
        .outcome
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        ("timeout", "timeout: too slow")
    );
}

#[tokio::test]
async fn an_interface_is_there_for_its_grants_only() {
    let all = listed(&["process:a", "unit:a", "http:GET http://h/"]);
    try_check(&TestHost::new(), "curious", doing(""), all, patient())
        .await
        .unwrap();
    for one_short in [
        ["process:a", "unit:a"],
        ["process:a", "http:GET http://h/"],
        ["unit:a", "http:GET http://h/"],
    ] {
        try_check(
            &TestHost::new(),
            "curious",
            doing(""),
            listed(&one_short),
            patient(),
        )
        .await
        .unwrap_err();
    }
}

pub(crate) fn transition() -> Transition {
    Transition {
        instance: "VI_1".to_owned(),
        virtual_router_id: 251,
        interface_name: "eth0".to_owned(),
        before: VrrpState::Backup,
        after: VrrpState::Master,
        effective_priority: 100,
        reason: "active_down_timer".to_owned(),
        addresses: vec!["172.27.0.247".to_owned()],
        sequence: 1,
        at_unix_ms: 0,
    }
}
