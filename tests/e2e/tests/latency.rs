//! How long it takes, on the wire: from the end of a process to priority 0, and from a MASTER's last word to the next MASTER's
//! first.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::time::{Duration, SystemTime};

use e2e::checked::Checked;
use e2e::daemon::{Daemon, LIMIT};
use e2e::metronome::Metronome;
use e2e::stage::{FIRST, INSTANCE, SECOND, Stage, cluster, cluster_at};
use e2e::wire::{Sent, advertisements, assert_good, elapsed, milliseconds};
use lab::Signal;
use lab::scenario::State;

/// How early an advertisement may seem, because the frame it is counted from passed the bridge before it was received.
const EARLY_MS: f64 = 0.1;
/// How late priority 0 may be on a busy machine.
const LATE_MS: f64 = 20.0;
/// How late a takeover may be that the machine was not late for itself.
const LATE: Duration = Duration::from_millis(5);

#[test]
fn priority_0_follows_the_exit_of_a_checked_process_within_milliseconds() {
    const TIMES: usize = 20;
    let stage = Stage::new().unwrap();
    let mut checked = Checked::start(&stage.first);
    // Nothing but the exit itself can be the reason for a run: the interval does not come round.
    let daemon = Daemon::start(
        &stage.first,
        "first",
        &cluster(&format!(
            "track = [{{ check = \"up\" }}]\n\
             [checks.up]\n\
             module = \"process\"\n\
             interval = \"10m\"\n\
             config = {{ name = \"{}\" }}\n",
            checked.name
        )),
    );
    let capture = stage.segment.capture().unwrap();

    let mut exits = Vec::new();
    for _ in 0..TIMES {
        daemon.wait_for_state(INSTANCE, State::Master);
        exits.push(SystemTime::now());
        checked.process.signal(Signal::KILL).unwrap();
        checked.process.wait(LIMIT).unwrap();
        daemon.wait_for_state(INSTANCE, State::Fault);
        checked.start_again(&stage.first);
    }
    let frames = capture.stop().unwrap();
    assert_good(&frames);

    let sent = advertisements(&frames, FIRST);
    let zeros: Vec<&Sent> = sent.iter().filter(|sent| sent.priority == 0).collect();
    assert_eq!(zeros.len(), TIMES, "{zeros:?}\n{daemon}");
    let mut latencies: Vec<f64> = exits
        .iter()
        .zip(&zeros)
        .map(|(exit, zero)| milliseconds(*exit, zero.at))
        .collect();
    latencies.sort_by(f64::total_cmp);
    let (median, p90) = (
        (latencies[TIMES / 2 - 1] + latencies[TIMES / 2]) / 2.0,
        latencies[TIMES * 9 / 10 - 1],
    );
    println!(
        "from the exit to priority 0 on the wire, {TIMES} times: \
         min {:.2} ms, median {median:.2} ms, p90 {p90:.2} ms, max {:.2} ms (aim: median under 5 ms)",
        latencies[0],
        latencies[TIMES - 1]
    );
    assert!(latencies[0] > 0.0, "{latencies:?}");
    assert!(median < LATE_MS, "{latencies:?}");
}

#[test]
fn a_backup_takes_over_after_exactly_the_formula_at_one_second() {
    takeover(Duration::from_secs(1), 1);
}

#[test]
fn a_backup_takes_over_after_exactly_the_formula_at_100_ms() {
    takeover(Duration::from_millis(100), 5);
}

#[test]
fn a_backup_takes_over_after_exactly_the_formula_at_10_ms() {
    takeover(Duration::from_millis(10), 10);
}

/// How the MASTER ends.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// SIGTERM: it says so with priority 0.
    Stop,
    /// SIGKILL to all its processes: it says nothing.
    Crash,
}

fn takeover(interval: Duration, times: usize) {
    let stage = Stage::new().unwrap();
    let toml = cluster_at(
        &format!("{}ms", interval.as_millis()),
        "priority = { first = 100, second = 99 }",
    );
    let mut first = Daemon::start(&stage.first, "first", &toml);
    let second = Daemon::start(&stage.second, "second", &toml);
    let metronome = Metronome::start();
    let capture = stage.segment.capture().unwrap();

    let mut endings = Vec::new();
    for ending in [Ending::Stop, Ending::Crash].repeat(times) {
        first.wait_for_state(INSTANCE, State::Master);
        second.wait_for_state(INSTANCE, State::Backup);
        endings.push((ending, SystemTime::now()));
        match ending {
            Ending::Stop => first.process.signal(Signal::TERM).unwrap(),
            Ending::Crash => first.cut_power(),
        }
        second.wait_for_state(INSTANCE, State::Master);
        first.process.wait(LIMIT).unwrap();
        first.start_again(&stage.first);
    }
    let frames = capture.stop().unwrap();
    let stalls = metronome.stop();
    assert_good(&frames);

    let (ours, theirs) = (
        advertisements(&frames, FIRST),
        advertisements(&frames, SECOND),
    );
    // RFC 9568 §6.1, for priority 99.
    let skew_time = interval * (256 - 99) / 256;
    let mut differences = Vec::new();
    for (ending, since) in endings {
        let taken = theirs.iter().find(|sent| sent.at > since).unwrap();
        let last = ours.iter().rfind(|sent| sent.at < taken.at).unwrap();
        let (formula, priority) = match ending {
            Ending::Stop => (skew_time, 0),
            Ending::Crash => (3 * interval + skew_time, 100),
        };
        let due = last.at + formula;
        let difference = milliseconds(due, taken.at);
        let machine = elapsed(due, taken.at).saturating_sub(stalls.late(due, taken.at));
        println!(
            "{ending:?} at {interval:?}: formula {:.3} ms, on the wire {:.3} ms, difference {difference:+.3} ms, \
             of which the machine was late by {machine:?}",
            formula.as_secs_f64() * 1e3,
            milliseconds(last.at, taken.at)
        );
        assert_eq!(last.priority, priority, "{first}");
        assert!(difference > -EARLY_MS, "{first}{second}");
        assert!(stalls.late(due, taken.at) < LATE, "{first}{second}");
        differences.push(difference);
    }
    differences.sort_by(f64::total_cmp);
    println!(
        "takeovers at {interval:?}: {:+.3} to {:+.3} ms over the formula, median {:+.3} ms",
        differences[0],
        differences[differences.len() - 1],
        differences[differences.len() / 2]
    );
}
