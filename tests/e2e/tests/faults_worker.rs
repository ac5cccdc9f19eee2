//! The worker is killed: the router does not notice, and the checks go on.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::time::{Duration, SystemTime};

use e2e::checked::Checked;
use e2e::daemon::{Daemon, Pids, kill};
use e2e::metronome::{Metronome, Stalls};
use e2e::stage::{FIRST, INSTANCE, SHARED, Stage, cluster};
use e2e::wire::{Sent, advertisements, assert_good, elapsed};
use lab::scenario::State;
use lab::{Frame, Signal};

const INTERVAL: Duration = Duration::from_millis(100);
/// How much later than due an advertisement may be, on a machine that is never late itself.
const LATE: Duration = Duration::from_millis(5);

#[test]
fn a_killed_worker_delays_no_advertisement_and_its_checks_go_on() {
    let stage = Stage::new().unwrap();
    let mut checked = Checked::start(&stage.first);
    let daemon = start(&stage, &checked);
    let metronome = Metronome::start();
    let capture = stage.segment.capture().unwrap();
    daemon.wait_for_advertisements(INSTANCE, 10);

    let before = daemon.pids();
    let killed_at = SystemTime::now();
    kill(before.worker.unwrap(), Signal::KILL);
    let after = wait_for_another_worker(&daemon, before);
    wait_for_runs(&daemon, 5);
    println!(
        "the checks run again at most {:?} after the kill",
        elapsed(killed_at, SystemTime::now())
    );
    assert_eq!(
        (after.supervisor, after.router),
        (before.supervisor, before.router)
    );
    daemon.wait_for_advertisements(INSTANCE, 10);

    // The new worker hears of the process's end as the old one did.
    let ended_at = SystemTime::now();
    checked.process.signal(Signal::KILL).unwrap();
    daemon.wait_for_state(INSTANCE, State::Fault);
    let status = daemon.status().unwrap();
    let reason = status["instances"][INSTANCE]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("check up is down: ") && reason.contains(&checked.name),
        "{reason}"
    );
    assert!(!stage.first.has_address(SHARED).unwrap());

    let frames = capture.stop().unwrap();
    let stalls = metronome.stop();
    let sent = sent_by_master(&frames, killed_at);
    let (last, others) = sent.split_last().unwrap();
    assert_eq!(last.priority, 0, "{sent:?}");
    println!(
        "priority 0 on the wire {:?} after the end of the checked process",
        elapsed(ended_at, last.at)
    );
    assert_on_time(others, &stalls, &daemon);
}

#[test]
fn a_worker_that_is_killed_again_and_again_delays_no_advertisement() {
    const KILLS: usize = 5;
    let stage = Stage::new().unwrap();
    let checked = Checked::start(&stage.first);
    let daemon = start(&stage, &checked);
    let metronome = Metronome::start();
    let capture = stage.segment.capture().unwrap();
    daemon.wait_for_advertisements(INSTANCE, 10);

    let first_kill = SystemTime::now();
    for _ in 0..KILLS {
        let before = daemon.pids();
        kill(before.worker.unwrap(), Signal::KILL);
        wait_for_another_worker(&daemon, before);
        // Its first verdict; without one, the third error would make the check unknown.
        wait_for_runs(&daemon, 1);
    }
    let last_kill = SystemTime::now();
    wait_for_runs(&daemon, 3);
    let status = daemon.wait_for_advertisements(INSTANCE, 10);
    let errors = status["checks"]["up"]["errors"].as_u64().unwrap();
    assert!(errors >= 5, "{status}");
    assert_eq!(status["checks"]["up"]["verdict"], "passing", "{status}");
    assert_eq!(status["instances"][INSTANCE]["state"], "MASTER", "{status}");
    assert!(stage.first.has_address(SHARED).unwrap());

    let frames = capture.stop().unwrap();
    let stalls = metronome.stop();
    let sent = sent_by_master(&frames, first_kill);
    println!(
        "{KILLS} workers killed in {:?}; the check reported {errors} errors",
        elapsed(first_kill, last_kill)
    );
    assert_on_time(&sent, &stalls, &daemon);
}

/// The first host as MASTER with the process checked.
fn start(stage: &Stage, checked: &Checked) -> Daemon {
    let keys = format!(
        "priority = {{ first = 200, second = 100 }}\n{}",
        checked.track("first")
    );
    let daemon = Daemon::start(&stage.first, "first", &cluster(&keys));
    daemon.wait_for_state(INSTANCE, State::Master);
    daemon
}

fn wait_for_another_worker(daemon: &Daemon, before: Pids) -> Pids {
    daemon.wait_for_pids("another worker", |now| {
        now.worker.is_some() && now.worker != before.worker
    })
}

/// Waits until the check has passed so many times more.
fn wait_for_runs(daemon: &Daemon, more: u64) {
    let mut before = None;
    daemon.wait_for("the check to run", |status| {
        let check = &status["checks"]["up"];
        let good = check["runs"].as_u64().unwrap() - check["errors"].as_u64().unwrap();
        good >= more + *before.get_or_insert(good) && check["verdict"] == "passing"
    });
}

/// What the first host sent, which has to have begun well before `killed_at`.
fn sent_by_master(frames: &[Frame], killed_at: SystemTime) -> Vec<Sent> {
    assert_good(frames);
    let sent = advertisements(frames, FIRST);
    assert!(
        sent.iter().filter(|sent| sent.at < killed_at).count() >= 9,
        "{sent:?}"
    );
    sent
}

fn assert_on_time(sent: &[Sent], stalls: &Stalls, daemon: &Daemon) {
    let punctuality = stalls.punctuality(sent, INTERVAL);
    println!("{} advertisements: {punctuality:?}", sent.len());
    assert!(punctuality.late <= LATE, "{punctuality:?}\n{daemon}");
    assert!(
        sent.iter().all(|sent| sent.priority == 200),
        "{sent:?}\n{daemon}"
    );
}
