//! Make before break: an address that is given away stays in use until another host has it.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::time::{Duration, SystemTime};

use e2e::daemon::{Daemon, LIMIT};
use e2e::stage::{FIRST, INSTANCE, SECOND, SHARED, Stage, cluster};
use e2e::wire::{advertisements, assert_good, changed, elapsed};
use lab::scenario::State;
use lab::{AddressWatch, Signal, wait_until};

const PRIORITIES: &str = "priority = { first = 200, second = 100 }";
/// How long a reaction may take on a busy machine; on an idle one it is some milliseconds.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Both hosts up, the first one MASTER, and who has the address from then on.
struct Pair {
    stage: Stage,
    first: Daemon,
    second: Daemon,
    watches: [AddressWatch; 2],
}

impl Pair {
    fn new() -> Self {
        let stage = Stage::new().unwrap();
        let file = cluster(PRIORITIES);
        let first = Daemon::start(&stage.first, "first", &file);
        first.wait_for_state(INSTANCE, State::Master);
        let second = Daemon::start(&stage.second, "second", &file);
        second.wait_for("the first host to be heard", |status| {
            status["instances"][INSTANCE]["master"]["address"] == FIRST.to_string()
        });
        wait_until(LIMIT, "the address to be there", || {
            match stage.first.has_address(SHARED) {
                Ok(true) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .unwrap();
        let watches = [&stage.first, &stage.second].map(|host| host.watch_addresses().unwrap());
        Self {
            stage,
            first,
            second,
            watches,
        }
    }

    /// When the second host got the address and when the first one lost it, at or after `from`.
    fn handed_over(&self, from: SystemTime) -> (SystemTime, SystemTime) {
        wait_until(LIMIT, "the address to change hands", || {
            let [first, second] = [0, 1].map(|index| self.watches[index].changes());
            changed(&second, SHARED, true, from)
                .zip(changed(&first, SHARED, false, from))
                .ok_or_else(|| format!("{first:?} {second:?}"))
        })
        .unwrap()
    }
}

fn ask(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = daemon.ask(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_drained_host_uses_the_address_until_another_has_it() {
    let mut pair = Pair::new();
    let capture = pair.stage.segment.capture().unwrap();
    let from = SystemTime::now();
    assert_eq!(
        ask(&pair.first, &["drain", INSTANCE]).trim(),
        format!("drained: {INSTANCE}")
    );
    pair.second.wait_for_state(INSTANCE, State::Master);
    pair.first.wait_for_state(INSTANCE, State::Backup);
    let (taken, given) = pair.handed_over(from);
    println!(
        "drained: taken after {:?}, given up {:?} later",
        elapsed(from, taken),
        elapsed(taken, given)
    );
    // It is given up on the first advertisement, which the new MASTER sends before it configures the address.
    assert!(
        elapsed(given, taken) < Duration::from_millis(20),
        "the address was nowhere"
    );
    let status = pair.first.status().unwrap();
    assert_eq!(status["instances"][INSTANCE]["drained"], true, "{status}");
    assert_eq!(
        status["instances"][INSTANCE]["priority"]["effective"], 1,
        "{status}"
    );

    // A router that is started again still knows.
    let router = pair.first.pids().router.unwrap();
    e2e::daemon::kill(router, Signal::KILL);
    pair.first.wait_for("the router to be back", |status| {
        let pid = status["processes"]["router"].as_i64();
        pid.is_some_and(|pid| pid != i64::from(router.as_raw_nonzero().get()))
            && status["instances"][INSTANCE]["drained"] == true
    });

    ask(&pair.first, &["undrain", "--all"]);
    pair.first.wait_for_state(INSTANCE, State::Master);
    pair.second.wait_for_state(INSTANCE, State::Backup);
    let frames = capture.stop().unwrap();
    assert_good(&frames);
    let of_first = advertisements(&frames, FIRST);
    assert!(of_first.iter().any(|sent| sent.priority == 0));
    // A drained host is silent while another one is MASTER.
    assert!(
        of_first
            .iter()
            .all(|sent| [0, 200].contains(&sent.priority)),
        "{of_first:?}"
    );
    pair.first.process.signal(Signal::TERM).unwrap();
    pair.first.process.wait(LIMIT).unwrap();
}

#[test]
fn a_drained_host_keeps_what_nobody_wants() {
    let stage = Stage::new().unwrap();
    let first = Daemon::start(&stage.first, "first", &cluster(PRIORITIES));
    first.wait_for_state(INSTANCE, State::Master);
    let watch = stage.first.watch_addresses().unwrap();
    let capture = stage.segment.capture().unwrap();
    ask(&first, &["drain", INSTANCE]);
    let before = SystemTime::now();
    wait_until(LIMIT, "it to speak again with priority 1", || {
        let status = first.status()?;
        let sent = &status["instances"][INSTANCE]["counters"]["advertisement-sent"];
        if status["instances"][INSTANCE]["priority"]["effective"] == 1
            && elapsed(before, SystemTime::now()) > Duration::from_millis(500)
        {
            Ok(())
        } else {
            Err(format!("{sent}"))
        }
    })
    .unwrap();
    assert_eq!(first.state(INSTANCE), Ok(State::Master));
    assert!(stage.first.has_address(SHARED).unwrap());
    assert_eq!(changed(&watch.changes(), SHARED, false, before), None);
    let sent = advertisements(&capture.stop().unwrap(), FIRST);
    assert!(sent.iter().any(|sent| sent.priority == 1), "{sent:?}");
}

#[test]
fn release_moves_the_address_once() {
    let pair = Pair::new();
    let from = SystemTime::now();
    ask(&pair.first, &["release", INSTANCE]);
    let (taken, given) = pair.handed_over(from);
    assert!(elapsed(given, taken) < Duration::from_millis(20));
    // With the higher priority it takes the address back by itself.
    pair.first.wait_for_state(INSTANCE, State::Master);
    wait_until(LIMIT, "the address to be back", || {
        let changes = pair.watches[0].changes();
        changed(&changes, SHARED, true, taken).ok_or_else(|| format!("{changes:?}"))
    })
    .unwrap();
}

#[test]
fn a_name_that_nothing_has_is_told() {
    let pair = Pair::new();
    let output = pair.first.ask(&["drain", "VI_9"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(75), "{told}");
    assert!(
        told.contains("there is no instance or sync group `VI_9`; did you mean `VI_1`?"),
        "{told}"
    );
    assert_eq!(pair.first.state(INSTANCE), Ok(State::Master));
}

#[test]
fn a_planned_stop_hands_the_address_over() {
    let mut pair = Pair::new();
    let capture = pair.stage.segment.capture().unwrap();
    let from = SystemTime::now();
    pair.first.process.signal(Signal::TERM).unwrap();
    pair.first.process.wait(LIMIT).unwrap();
    let (taken, given) = pair.handed_over(from);
    let frames = capture.stop().unwrap();
    assert_good(&frames);
    let zero = advertisements(&frames, FIRST)
        .into_iter()
        .find(|sent| sent.priority == 0)
        .unwrap();
    let first_of_second = advertisements(&frames, SECOND)[0];
    println!(
        "stopped: priority 0 after {:?}, taken {:?} later, given up {:?} after that",
        elapsed(from, zero.at),
        elapsed(zero.at, first_of_second.at),
        elapsed(first_of_second.at, given)
    );
    // It went on until the new MASTER spoke, and not much longer.
    assert!(given > first_of_second.at);
    assert!(elapsed(first_of_second.at, given) < AT_ONCE);
    assert!(elapsed(given, taken) < Duration::from_millis(20));
}
