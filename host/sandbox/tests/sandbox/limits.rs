//! What a module cannot do to the daemon.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use vrrp_sandbox::{Grants, Limits, LogSource, RunError, Verdict};

use crate::support::{TestHost, check, doing, listed, patient, run, summary, try_check};

/// The default limits, but for one.
async fn outcome(what: &str, limits: Limits) -> RunError {
    let host = TestHost::new();
    let check = try_check(&host, "hostile", doing(what), Grants::FromConfig, limits)
        .await
        .unwrap();
    let report = run(&check).await;
    report.outcome.expect_err("it cannot end well")
}

#[tokio::test]
async fn an_endless_loop_ends_and_others_go_on() {
    let limits = Limits {
        cpu: Duration::from_millis(400),
        ..patient()
    };
    let host = TestHost::new();
    let check = try_check(&host, "hostile", doing("loop"), Grants::FromConfig, limits)
        .await
        .unwrap();

    let beats = Arc::new(AtomicU32::new(0));
    let counter = beats.clone();
    let heartbeat = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let report = run(&check).await;
    let beats = beats.load(Ordering::Relaxed);
    heartbeat.abort();

    assert_eq!(
        report.outcome,
        Err(RunError::CpuLimit { limit: limits.cpu })
    );
    let cpu = report.usage.cpu;
    assert!(
        cpu >= limits.cpu && cpu < limits.cpu + Duration::from_millis(200),
        "{cpu:?}"
    );
    // On this one thread the guest yields every 10 ms of its 400; one that does not yield leaves room for no beat.
    assert!(beats >= 10, "only {beats} heartbeats");
}

#[tokio::test]
async fn a_storm_of_host_calls_is_computing_and_costs_the_host_nothing_more() {
    let limits = Limits {
        cpu: Duration::from_millis(300),
        ..patient()
    };
    let host = TestHost::new();
    let check = try_check(&host, "hostile", doing("storm"), Grants::FromConfig, limits)
        .await
        .unwrap();
    let report = run(&check).await;
    assert_eq!(
        report.outcome,
        Err(RunError::CpuLimit { limit: limits.cpu })
    );
    let cpu = report.usage.cpu;
    assert!(cpu < limits.cpu + Duration::from_millis(200), "{cpu:?}");
    let lines = host.lines(LogSource::Module).len();
    let seconds = report.usage.wall.as_secs_f64();
    assert!(lines as f64 <= 21.0 + 20.0 * seconds, "{lines} lines");
}

#[tokio::test]
async fn waiting_is_not_computing() {
    let limits = Limits {
        cpu: Duration::from_millis(50),
        wall: Duration::from_millis(500),
        ..patient()
    };
    let error = outcome("sleep", limits).await;
    assert_eq!(error, RunError::WallLimit { limit: limits.wall });
    assert_eq!(error.kind(), "wall-limit");
}

#[tokio::test]
async fn a_host_call_that_hangs_leaves_time_for_a_verdict() {
    let host = Arc::new(TestHost {
        hangs: true,
        ..TestHost::default()
    });
    let limits = Limits {
        wall: Duration::from_secs(1),
        ..patient()
    };
    let config = serde_json::json!({ "do": "find", "with": "x", "needs": ["process:x"] });
    let check = try_check(&host, "curious", config, Grants::FromConfig, limits)
        .await
        .unwrap();
    let told = summary(&check).await;
    assert!(told.contains("unavailable"), "{told}");
}

#[tokio::test]
async fn memory_ends_where_the_limit_is() {
    let limits = Limits {
        memory: 4 << 20,
        ..patient()
    };
    let host = TestHost::new();
    let check = try_check(&host, "hostile", doing("eat"), Grants::FromConfig, limits)
        .await
        .unwrap();
    let report = run(&check).await;
    assert_eq!(
        report.outcome,
        Err(RunError::MemoryLimit { limit: 4 << 20 })
    );
    assert!(
        report.usage.memory_peak > 2 << 20 && report.usage.memory_peak <= 4 << 20,
        "{:?}",
        report.usage
    );
}

#[tokio::test]
async fn a_table_ends_where_the_limit_is() {
    let host = TestHost::new();
    let error = run(&check(&host, "table", doing("")).await)
        .await
        .outcome
        .unwrap_err();
    assert_eq!(error, RunError::TableLimit { limit: 100_000 });
    assert_eq!(error.kind(), "table-limit");
}

#[tokio::test]
async fn bytes_that_are_no_text_are_a_crash_of_the_module_only() {
    let told = "the module crashed: invalid utf-8 sequence of 1 bytes from index 4";
    assert_eq!(outcome("garble", patient()).await.to_string(), told);
    assert_eq!(
        outcome("garble log", patient()).await.to_string(),
        format!("{told} in hostile::vrrp_host::plugin::log::write")
    );
}

#[tokio::test]
async fn reading_where_no_memory_is_is_a_crash_of_the_module_only() {
    assert_eq!(
        outcome("overrun", patient()).await.to_string(),
        "the module crashed: out of bounds memory access in hostile::overrun"
    );
}

#[tokio::test]
async fn a_crash_says_what_and_where() {
    let host = TestHost::new();
    let check = check(&host, "hostile", doing("panic")).await;
    let error = run(&check).await.outcome.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), "trap");
    assert_eq!(
        text,
        "the module crashed: it gave up (panic or abort) in hostile::panic_here"
    );
    let complaint = host.lines(LogSource::Stderr).join(" ");
    assert!(complaint.contains("as told"), "{complaint}");
}

#[tokio::test]
async fn deep_recursion_is_a_crash_of_the_module_only() {
    let text = outcome("recurse", patient()).await.to_string();
    assert!(text.ends_with(" in hostile::recurse"), "{text}");
}

#[tokio::test]
async fn leaving_early_is_a_crash() {
    let text = outcome("exit", patient()).await.to_string();
    assert_eq!(text, "the module crashed: it exited instead of returning");
}

#[tokio::test]
async fn too_much_data_at_once_is_refused_both_ways() {
    let limits = Limits {
        memory: 32 << 20,
        ..patient()
    };
    for what in ["shout", "big summary"] {
        assert_eq!(
            outcome(what, limits).await,
            RunError::OutputLimit { limit: 1 << 20 },
            "{what}"
        );
    }
}

#[tokio::test]
async fn handles_are_counted() {
    assert_eq!(
        outcome("handles", patient()).await,
        RunError::HandleLimit { limit: 128 }
    );
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut() {
    let host = TestHost::new();
    let check = check(&host, "hostile", doing("flood")).await;
    let report = run(&check).await;
    assert!(report.outcome.is_ok());
    let seconds = report.usage.wall.as_secs_f64();
    let lines = host.lines(LogSource::Module);
    assert!(
        lines.len() >= 20 && lines.len() as f64 <= 21.0 + 20.0 * seconds,
        "{} in {seconds} s",
        lines.len()
    );
    assert_eq!(lines[0], "line 0 ERROR not mine", "one line stays one line");
}

#[tokio::test]
async fn what_a_module_says_is_cut_to_size() {
    let host = TestHost::new();
    let check = check(&host, "hostile", doing("long summary")).await;
    let observation = run(&check).await.outcome.unwrap();
    assert_eq!(observation.verdict, Verdict::Warning);
    assert_eq!(observation.weight, Some(-7));
    assert!(observation.summary.len() <= 512 && !observation.summary.contains('\n'));
    assert_eq!(observation.facts.len(), 32);
    assert!(
        observation
            .facts
            .iter()
            .all(|fact| fact.name.len() <= 64 && fact.value.len() <= 256)
    );
    assert!(
        observation
            .facts
            .iter()
            .all(|fact| !fact.value.contains('\u{1b}'))
    );
}

#[tokio::test]
async fn after_a_crash_the_next_run_starts_afresh() {
    let host = TestHost::new();
    let check = check(&host, "hostile", doing("remember")).await;
    assert_eq!(summary(&check).await, "state 0, calls 1");
    assert_eq!(summary(&check).await, "state 1, calls 1");

    let crashing = crate::support::check(&host, "hostile", doing("panic")).await;
    for _ in 0..3 {
        assert_eq!(run(&crashing).await.outcome.unwrap_err().kind(), "trap");
    }
}

#[tokio::test]
async fn a_run_that_is_dropped_frees_its_slot() {
    let host = TestHost::new();
    let check = check(&host, "hostile", doing("sleep")).await;
    for _ in 0..100 {
        let dropped = tokio::time::timeout(Duration::from_millis(1), run(&check)).await;
        assert!(dropped.is_err());
    }
    let check = crate::support::check(&host, "hostile", doing("")).await;
    assert_eq!(summary(&check).await, "fine");
}

#[tokio::test]
async fn modules_can_be_loaded_and_run_by_tasks_of_any_runtime() {
    let host = TestHost::new();
    let task = tokio::spawn(async move {
        let check = check(&host, "hostile", doing("")).await;
        run(&check).await.outcome.is_ok()
    });
    assert!(task.await.unwrap());
}

#[tokio::test]
async fn limits_hold_while_loading() {
    let limits = Limits {
        cpu: Duration::from_millis(100),
        ..patient()
    };
    let config = serde_json::json!({ "configure": "loop" });
    let error = try_check(&TestHost::new(), "hostile", config, listed(&[]), limits)
        .await
        .unwrap_err();
    let source = std::error::Error::source(&error)
        .expect("how it ended")
        .to_string();
    assert_eq!(error.to_string(), "the module cannot read its config");
    assert!(source.contains("100ms of CPU"), "{source}");
}
