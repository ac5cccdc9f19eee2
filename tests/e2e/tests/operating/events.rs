//! `vrrp-host events`.

use e2e::daemon::{LIMIT, kill};
use e2e::path::utf8;
use e2e::stage::INSTANCE;
use lab::scenario::{State, vrrp_host_binary};
use lab::{Signal, wait_until};
use serde_json::Value;

use super::{Pair, said};

fn parsed(lines: &str) -> Vec<Value> {
    let lines = lines.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The number of the only event that has all of these members.
#[track_caller]
fn sequence(events: &[Value], members: &[(&str, &str)]) -> u64 {
    let mut found = events
        .iter()
        .filter(|event| members.iter().all(|(key, value)| event[key] == *value));
    let first = found.next();
    let first = first.unwrap_or_else(|| panic!("no {members:?} in {events:#?}"));
    assert_eq!(found.next(), None, "{members:?} is there twice");
    first["sequence"].as_u64().unwrap()
}

#[test]
fn a_failover_is_told_in_order_with_reasons_live_and_afterwards() {
    let pair = Pair::new();
    let binary = vrrp_host_binary().unwrap();
    let mut live = pair
        .stage
        .first
        .spawn(&[
            utf8(&binary),
            "events",
            "--follow",
            "-n",
            "1",
            "--control",
            utf8(pair.first.control()),
        ])
        .unwrap();
    live.wait_for_log(LIMIT, "MASTER").unwrap();

    let summary = format!("no process named {}", pair.checked.name);
    drop(pair.checked);
    pair.second.wait_for_state(INSTANCE, State::Master);
    live.wait_for_log(LIMIT, &format!("check up is down: {summary}"))
        .unwrap();
    println!("{}", live.log());

    let events = parsed(&said(&pair.first.ask(&["events", "--json"]), 0));
    let sequences: Vec<u64> = events
        .iter()
        .map(|event| event["sequence"].as_u64().unwrap())
        .collect();
    let count = u64::try_from(events.len()).unwrap();
    assert_eq!(sequences, (1..=count).collect::<Vec<_>>(), "no gap");
    for event in &events {
        let at = event["at"].as_str().unwrap();
        humantime::parse_rfc3339(at).unwrap();
        assert!(at.ends_with('Z'), "{at}");
    }
    let reason = format!("check up is down: {summary}");
    let order = [
        sequence(&events, &[("event", "started"), ("node", "first")]),
        sequence(
            &events,
            &[
                ("event", "transition"),
                ("before", "BACKUP"),
                ("after", "MASTER"),
                ("reason", "no MASTER heard"),
            ],
        ),
        sequence(
            &events,
            &[
                ("event", "verdict"),
                ("check", "up"),
                ("after", "failing"),
                ("summary", &summary),
            ],
        ),
        sequence(&events, &[("event", "standing"), ("after", "down")]),
        sequence(
            &events,
            &[
                ("event", "transition"),
                ("instance", INSTANCE),
                ("before", "MASTER"),
                ("after", "FAULT"),
                ("reason", &reason),
            ],
        ),
    ];
    assert!(order.is_sorted(), "{order:?} in {events:#?}");
    let last = parsed(&said(&pair.first.ask(&["events", "--json", "-n", "1"]), 0));
    assert_eq!(last.len(), 1);

    // The other node's view of it.
    let others = parsed(&said(&pair.second.ask(&["events", "--json"]), 0));
    sequence(
        &others,
        &[
            ("event", "transition"),
            ("before", "BACKUP"),
            ("after", "MASTER"),
            ("reason", "192.0.2.1 gave the addresses away (priority 0)"),
        ],
    );

    live.signal(Signal::TERM).unwrap();
    live.wait(LIMIT).unwrap();
}

#[test]
fn restarts_and_reloads_are_told() {
    let pair = Pair::new();
    let before = pair.first.pids();
    kill(before.worker.unwrap(), Signal::KILL);
    kill(before.router.unwrap(), Signal::KILL);
    pair.first.wait_for_pids("both to be there again", |pids| {
        pids.router.is_some_and(|pid| Some(pid) != before.router)
            && pids.worker.is_some_and(|pid| Some(pid) != before.worker)
    });
    pair.first.wait_for_state(INSTANCE, State::Master);
    wait_until(LIMIT, "both to be told", || {
        let events = said(&pair.first.ask(&["events", "--json"]), 0);
        match events.matches("restarted").count() {
            2 => Ok(()),
            _ => Err(events),
        }
    })
    .unwrap();
    said(&pair.first.ask(&["reload"]), 0);
    pair.first.rewrite("nonsense");
    said(&pair.first.ask(&["reload"]), 78);

    let events = parsed(&said(&pair.first.ask(&["events", "--json"]), 0));
    for process in ["router", "worker"] {
        let told = |change| {
            let members = [
                ("event", "process"),
                ("process", process),
                ("change", change),
            ];
            sequence(&events, &members)
        };
        assert!(told("died") < told("restarted"));
    }
    let reloads: Vec<_> = events
        .iter()
        .filter(|event| event["event"] == "reload")
        .map(|event| event["error"].is_null())
        .collect();
    assert_eq!(reloads, [true, false], "{events:#?}");
    let shown = said(&pair.first.ask(&["status"]), 0);
    assert!(shown.contains("the file of before is in use"), "{shown}");
}
