//! What `vrrp-host simulate` says is what two daemons do: the same transitions, for the same reasons, after the same events.

use std::fs;
use std::process::Command;

use e2e::checked::Checked;
use e2e::daemon::{Daemon, LIMIT};
use e2e::stage::{FIRST, INSTANCE, Stage, cluster};
use lab::scenario::{State, vrrp_host_binary};
use lab::{Signal, wait_until};
use serde_json::Value;

/// Before, after, and why.
type Transition = [String; 3];

/// What the simulator says each node does, the first one first.
fn simulated(cluster_toml: &str, arguments: &[&str]) -> [Vec<Transition>; 2] {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("cluster.toml");
    fs::write(&file, cluster_toml).expect("a file can be written");
    let output = Command::new(vrrp_host_binary().expect("vrrp-host is built"))
        .args(["simulate", "--json"])
        .arg(file)
        .args(arguments)
        .output()
        .expect("vrrp-host can be run");
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("it writes JSON");
    ["first", "second"].map(|node| {
        let timeline = report["timeline"].as_array().expect("it is a list");
        let of_node = timeline.iter().filter(|entry| entry["node"] == node);
        let changes = of_node.filter(|entry| entry["kind"] == "state");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        changes
            .map(|entry| ["before", "after", "reason"].map(|key| text(&entry[key])))
            .collect()
    })
}

/// What a daemon has logged of it. A reason goes on with the words of the check.
fn logged(daemon: &Daemon) -> Vec<Transition> {
    let log = daemon.process.log();
    let marker = format!("{INSTANCE}: ");
    let transition = |line: &str| {
        let (_, text) = line.split_once(&marker)?;
        let (before, text) = text.split_once(" -> ")?;
        let (after, text) = text.split_once(" reason=\"")?;
        let (reason, _) = text.split_once('"')?;
        Some([before, after, reason].map(str::to_owned))
    };
    log.lines().filter_map(transition).collect()
}

#[track_caller]
fn assert_same(daemon: &Daemon, simulated: &[Transition]) {
    // The last line may still be on its way to the log.
    wait_until(LIMIT, "every transition to be logged", || {
        let logged = logged(daemon);
        if logged.len() == simulated.len() {
            Ok(())
        } else {
            Err(format!("{logged:#?} instead of {simulated:#?}"))
        }
    })
    .unwrap_or_else(|error| panic!("{error}\n{daemon}"));
    for (real, simulated) in logged(daemon).iter().zip(simulated) {
        assert_eq!(real[..2], simulated[..2], "{daemon}");
        assert!(
            real[2].starts_with(&simulated[2]),
            "{real:?} instead of {simulated:?}\n{daemon}"
        );
    }
}

#[test]
fn two_daemons_do_what_was_simulated() {
    let stage = Stage::new().expect("the laboratory works");
    let mut checked = Checked::start(&stage.first);
    let file = cluster(&format!(
        "priority = {{ first = 200, second = 100 }}\n{}",
        checked.track("first")
    ));
    let [of_first, of_second] = simulated(
        &file,
        &[
            "--at",
            "5s",
            "fail:up@first",
            "--at",
            "10s",
            "pass:up@first",
            "--at",
            "15s",
            "crash:first",
        ],
    );
    // Up and down and up again, and taken over from twice.
    assert_eq!(
        (of_first.len(), of_second.len()),
        (5, 4),
        "{of_first:?} {of_second:?}"
    );

    let first = Daemon::start(&stage.first, "first", &file);
    first.wait_for_state(INSTANCE, State::Master);
    let second = Daemon::start(&stage.second, "second", &file);
    second.wait_for("the first host to be heard", |status| {
        status["instances"][INSTANCE]["master"]["address"] == FIRST.to_string()
    });
    checked
        .process
        .signal(Signal::KILL)
        .expect("it can be killed");
    checked.process.wait(LIMIT).expect("it ends");
    first.wait_for_state(INSTANCE, State::Fault);
    second.wait_for_state(INSTANCE, State::Master);
    checked.start_again(&stage.first);
    first.wait_for_state(INSTANCE, State::Master);
    second.wait_for_state(INSTANCE, State::Backup);
    assert_same(&first, &of_first);
    first.cut_power();
    second.wait_for_state(INSTANCE, State::Master);
    assert_same(&second, &of_second);
}
