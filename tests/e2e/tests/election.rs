//! Who is MASTER between two vrrp-hosts.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use e2e::daemon::{Daemon, LIMIT};
use e2e::stage::{FIRST, INSTANCE, SECOND, SHARED, Stage, cluster};
use e2e::wire::{advertisements, assert_good, changed, elapsed, longest_overlap};
use lab::scenario::State;
use lab::{Netns, Signal, wait_until};

const INTERVAL: Duration = Duration::from_millis(100);
/// How much longer than the protocol's own time a reaction may take on a busy machine.
const AT_ONCE: Duration = Duration::from_millis(100);

#[test]
fn between_equal_priorities_the_higher_address_wins() {
    let stage = Stage::new().unwrap();
    let equal = cluster("priority = { first = 100, second = 100 }");
    let first = Daemon::start(&stage.first, "first", &equal);
    first.wait_for_state(INSTANCE, State::Master);
    // An equal is no reason to take over from a MASTER, even with the higher address.
    let second = Daemon::start(&stage.second, "second", &equal);
    wait_until_heard(&second, FIRST);
    stays(&second, State::Backup);

    // Apart, both are MASTER. Together again, they compare addresses.
    let watches = [&stage.first, &stage.second].map(|host| host.watch_addresses().unwrap());
    stage.first_port.isolate().unwrap();
    stage.second_port.isolate().unwrap();
    second.wait_for_state(INSTANCE, State::Master);
    assert_eq!(first.state(INSTANCE), Ok(State::Master));
    wait_for_address(&stage.second, true);

    let capture = stage.segment.capture().unwrap();
    stage.first_port.rejoin().unwrap();
    stage.second_port.rejoin().unwrap();
    let together_at = SystemTime::now();
    first.wait_for_state(INSTANCE, State::Backup);
    wait_for_address(&stage.first, false);
    stays(&first, State::Backup);
    assert_eq!(second.state(INSTANCE), Ok(State::Master));
    assert!(stage.second.has_address(SHARED).unwrap());

    let frames = capture.stop().unwrap();
    assert_good(&frames);
    // The loser is silent: priority 0 would tell the winner's peers that the address is free.
    let of_first = advertisements(&frames, FIRST);
    assert!(
        of_first.iter().all(|sent| sent.priority == 100),
        "{of_first:?}"
    );
    let [on_first, on_second] = watches.map(|watch| watch.changes());
    let overlap = longest_overlap(&on_first, &on_second, SHARED);
    let removed = changed(&on_first, SHARED, false, SystemTime::UNIX_EPOCH).unwrap();
    println!(
        "apart, both had the address, in all for {overlap:?}; together, for {:?} more",
        elapsed(together_at, removed)
    );
    assert!(overlap > Duration::ZERO);
    // The next advertisement of the winner decides.
    assert!(
        elapsed(together_at, removed) < INTERVAL + AT_ONCE,
        "{first}"
    );
}

#[test]
fn without_preempt_the_lower_priority_stays_master() {
    let stage = Stage::new().unwrap();
    let keys = cluster("priority = { first = 200, second = 100 }\npreempt = false");
    let mut first = Daemon::start(&stage.first, "first", &keys);
    first.wait_for_state(INSTANCE, State::Master);
    let second = Daemon::start(&stage.second, "second", &keys);
    wait_until_heard(&second, FIRST);

    let capture = stage.segment.capture().unwrap();
    first.process.signal(Signal::TERM).unwrap();
    first.process.wait(LIMIT).unwrap();
    second.wait_for_state(INSTANCE, State::Master);
    let first = Daemon::start(&stage.first, "first", &keys);
    wait_until_heard(&first, SECOND);
    stays(&first, State::Backup);
    assert_eq!(second.state(INSTANCE), Ok(State::Master));
    assert!(!stage.first.has_address(SHARED).unwrap());

    let frames = capture.stop().unwrap();
    assert_good(&frames);
    let zero = advertisements(&frames, FIRST)
        .last()
        .copied()
        .expect("the first host gave the address away");
    assert_eq!(zero.priority, 0);
    let of_second = advertisements(&frames, SECOND);
    println!(
        "taken {:?} after priority 0, and kept for {:?} against the higher priority",
        elapsed(zero.at, of_second[0].at),
        elapsed(of_second[0].at, of_second[of_second.len() - 1].at)
    );

    // Not even a MASTER for ever: the higher priority takes over when the lower one is gone.
    drop(second);
    first.wait_for_state(INSTANCE, State::Master);
}

/// Waits until a daemon knows that `master` is the MASTER.
fn wait_until_heard(daemon: &Daemon, master: IpAddr) {
    daemon.wait_for("a MASTER to be heard", |status| {
        status["instances"][INSTANCE]["master"]["address"] == master.to_string()
    });
}

/// Checks that a daemon stays in a state while it hears ten advertisements, which is long enough for each timer it has.
fn stays(daemon: &Daemon, state: State) {
    let mut before = None;
    daemon.wait_for("ten advertisements to arrive", |status| {
        let instance = &status["instances"][INSTANCE];
        assert_eq!(instance["state"], state.to_string(), "{daemon}");
        let received = instance["counters"]["advertisement-rcvd"].as_u64().unwrap();
        received >= 10 + *before.get_or_insert(received)
    });
}

fn wait_for_address(host: &Netns, wanted: bool) {
    wait_until(LIMIT, "the shared address to come or go", || {
        match host.has_address(SHARED) {
            Ok(has) if has == wanted => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .unwrap();
}
