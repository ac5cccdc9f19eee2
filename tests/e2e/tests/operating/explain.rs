//! `vrrp-host explain`: what it says would happen is what happens.

use std::fs;

use e2e::daemon::Daemon;
use e2e::stage::{INSTANCE, Stage, cluster};
use lab::scenario::State;
use serde_json::Value;
use tempfile::TempDir;

use super::said;

/// What becomes of the first node and of the second, and who has the addresses, when the check of the first goes down.
struct Case {
    on_fail: &'static str,
    keys: &'static str,
    first: State,
    second: State,
    explained: &'static str,
}

#[test]
fn what_it_predicts_is_what_happens() {
    let cases = [
        Case {
            on_fail: "\"fault\"",
            keys: "",
            first: State::Fault,
            second: State::Master,
            explained: "second (priority 90) takes over",
        },
        Case {
            on_fail: "{ weight = -20 }",
            keys: "",
            first: State::Backup,
            second: State::Master,
            explained: "second (priority 90) takes over",
        },
        Case {
            on_fail: "{ weight = -5 }",
            keys: "",
            first: State::Master,
            second: State::Backup,
            explained: "stay here",
        },
        Case {
            on_fail: "{ weight = -20 }",
            keys: "preempt = false\n",
            first: State::Master,
            second: State::Backup,
            explained: "stay here",
        },
        Case {
            on_fail: "\"release\"",
            keys: "",
            first: State::Backup,
            second: State::Master,
            explained: "second (priority 90) takes over",
        },
    ];
    for case in cases {
        play(&case);
    }
}

fn play(case: &Case) {
    let stage = Stage::new().unwrap();
    let folder = TempDir::with_prefix("watched-").unwrap();
    let present = folder.path().join("present");
    fs::write(&present, "").unwrap();
    let file = cluster(&format!(
        "priority = {{ first = 100, second = 90 }}\n\
         {}\
         track = [{{ check = \"ready\", nodes = [\"first\"], on-fail = {} }}]\n\
         [checks.ready]\n\
         module = \"file\"\n\
         interval = \"200ms\"\n\
         config = {{ path = \"{}\" }}\n",
        case.keys,
        case.on_fail,
        present.display()
    ));
    let first = Daemon::start(&stage.first, "first", &file);
    first.wait_for_state(INSTANCE, State::Master);
    let second = Daemon::start(&stage.second, "second", &file);
    second.wait_for("the MASTER to be known", |status| {
        status["instances"][INSTANCE]["master"]["node"] == "first"
    });
    let status = first.wait_for("a verdict", |status| {
        status["instances"][INSTANCE]["tracks"]["ready"]["standing"] == "up"
    });
    let predicted = status["instances"][INSTANCE]["tracks"]["ready"]["if-down"].clone();
    let explained = said(&first.ask(&["explain", INSTANCE]), 0);
    assert!(explained.contains(case.explained), "{explained}");

    fs::remove_file(&present).unwrap();
    let down = |status: &Value| status["checks"]["ready"]["standing"] == "down";
    first.wait_for("the check to be down", down);
    if case.first == State::Master {
        // Longer than any timer that could still take the addresses away.
        first.wait_for_advertisements(INSTANCE, 20);
    }
    second.wait_for_state(INSTANCE, case.second);
    first.wait_for_state(INSTANCE, case.first);
    let after = first.status().unwrap();
    let after = &after["instances"][INSTANCE];
    println!("{predicted}\n{explained}");
    assert_eq!(predicted["state"], after["state"], "{}", case.on_fail);
    assert_eq!(
        predicted["priority"], after["priority"]["effective"],
        "{}",
        case.on_fail
    );
    let takeover = match case.second {
        State::Master => "other",
        State::Init | State::Backup | State::Fault => "unchanged",
    };
    assert_eq!(predicted["takeover"], takeover, "{predicted}");
    let explained = said(&first.ask(&["explain", INSTANCE]), 0);
    assert!(explained.contains("it is down already"), "{explained}");
    let unknown = said(&first.ask(&["explain", "VI_2"]), 75);
    assert!(unknown.contains("did you mean `VI_1`?"), "{unknown}");
}
