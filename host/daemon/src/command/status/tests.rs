use std::collections::BTreeMap;

use super::*;

const NOW: &str = "2026-11-25T15:00:00Z";

fn check(verdict: &str, standing: &str, progress: Option<(&str, u16, u16)>) -> Check {
    Check {
        verdict: verdict.to_owned(),
        summary: "GET http://127.0.0.1:8080/ gave 503".to_owned(),
        since: Some("2026-11-25T14:03:07.123Z".to_owned()),
        standing: standing.to_owned(),
        progress: progress.map(|(towards, count, needed)| Progress {
            towards: towards.to_owned(),
            count,
            needed,
        }),
        runs: 42,
        errors: 1,
        last_run_us: 1234,
        last_cpu_us: 567,
        facts: BTreeMap::new(),
    }
}

#[test]
fn a_check_tells_since_when_and_why() {
    let mut failing = check("failing", "down", None);
    failing.facts.insert("status".to_owned(), "503".to_owned());
    assert_eq!(
        check_text("web", &failing, NOW),
        "check web: failing since 14:03:07: GET http://127.0.0.1:8080/ gave 503\n\
         \x20   counts as down; 42 runs, 1 errors, the last took 1.2 ms\n\
         \x20   status=503\n"
    );
    let tomorrow = check_text("web", &failing, "2026-11-26T00:00:00Z");
    assert!(tomorrow.contains("since 2026-11-25 14:03:07: GET"));
    let new = Check {
        standing: "pending".to_owned(),
        ..Check::default()
    };
    assert_eq!(
        check_text("web", &new, NOW),
        "check web: pending, no run yet\n"
    );
}

#[test]
fn a_check_tells_what_the_next_runs_may_make_of_it() {
    for (standing, progress, told) in [
        ("up", None, "counts as up"),
        (
            "up",
            Some(("down", 2, 3)),
            "counts as up; down after 3 verdicts, 2 until now",
        ),
        (
            "up",
            Some(("unknown", 1, 4)),
            "counts as up; unknown after 4 errors, 1 until now",
        ),
        (
            "unknown",
            Some(("up", 1, 2)),
            "counts as unknown, like a failing weight of -100; up after 2 verdicts, 1 until now",
        ),
        (
            "pending",
            Some(("down", 1, 3)),
            "has no verdict yet; down after 3 verdicts, 1 until now",
        ),
    ] {
        assert_eq!(counts_as(&check("error", standing, progress)), told);
    }
}

#[test]
fn a_hook_tells_how_its_last_call_ended_and_what_it_was_for() {
    let mut hook = Hook {
        runs: 3,
        errors: 1,
        superseded: 2,
        ..Hook::default()
    };
    let calls = "hook page: 3 calls, 1 failed, 2 superseded, 0 pending\n";
    assert_eq!(hook_text("page", &hook, NOW), calls);
    hook.last_result = Some("no such unit".to_owned());
    hook.last_at = Some("2026-11-25T14:03:07.123Z".to_owned());
    hook.last_subject = Some("VI_1".to_owned());
    hook.last_sequence = Some(7);
    assert_eq!(
        hook_text("page", &hook, NOW),
        format!("{calls}    last at 14:03:07 for VI_1, transition 7: no such unit\n")
    );
}
