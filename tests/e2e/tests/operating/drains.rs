//! `vrrp-host drain --persist`.

use e2e::daemon::{Daemon, LIMIT};
use e2e::stage::{INSTANCE, Stage, cluster};
use lab::Signal;
use lab::scenario::State;
use tempfile::TempDir;

use super::{PRIORITIES, said};

fn restart(daemon: &mut Daemon, stage: &Stage) {
    daemon.process.signal(Signal::TERM).unwrap();
    daemon.process.wait(LIMIT).unwrap();
    daemon.start_again(&stage.first);
}

#[test]
fn a_drain_that_is_to_persist_outlives_a_restart_and_no_other_does() {
    let stage = Stage::new().unwrap();
    let state = TempDir::with_prefix("state-").unwrap();
    let file = cluster(PRIORITIES);
    let mut first = Daemon::start_with_state(&stage.first, "first", &file, state.path());
    let second = Daemon::start(&stage.second, "second", &file);
    first.wait_for_state(INSTANCE, State::Master);
    second.wait_for_state(INSTANCE, State::Backup);

    let drained = said(&first.ask(&["drain", INSTANCE]), 0);
    assert_eq!(drained.trim(), format!("drained: {INSTANCE}"));
    second.wait_for_state(INSTANCE, State::Master);
    restart(&mut first, &stage);
    first.wait_for_state(INSTANCE, State::Master);
    let status = first.status().unwrap();
    assert_eq!(status["instances"][INSTANCE]["drained"], false);

    let drained = said(&first.ask(&["drain", "--persist", "--all"]), 0);
    assert_eq!(
        drained.trim(),
        format!("drained, also after a restart: {INSTANCE}")
    );
    second.wait_for_state(INSTANCE, State::Master);
    restart(&mut first, &stage);
    let status = first.wait_for("it to be drained and to have heard the MASTER", |status| {
        let instance = &status["instances"][INSTANCE];
        instance["drained"] == true && instance["master"]["node"] == "second"
    });
    let instance = &status["instances"][INSTANCE];
    assert_eq!(instance["state"], "BACKUP");
    assert_eq!(instance["priority"]["effective"], 1);
    assert_eq!(instance["drain-persists"], true);
    let shown = said(&first.ask(&["status"]), 0);
    assert!(shown.contains("also after a restart"), "{shown}");
    assert!(shown.contains("vrrp-host undrain VI_1"), "{shown}");

    said(&first.ask(&["undrain", INSTANCE]), 0);
    first.wait_for_state(INSTANCE, State::Master);
    restart(&mut first, &stage);
    first.wait_for_state(INSTANCE, State::Master);
    let status = first.status().unwrap();
    assert_eq!(status["instances"][INSTANCE]["drain-persists"], false);
}
