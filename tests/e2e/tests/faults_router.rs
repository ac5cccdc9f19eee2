//! The router or the supervisor is killed, stuck or frozen, or all of vrrp-host at once: nobody keeps an address that another
//! one takes.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::time::{Duration, SystemTime};

use e2e::daemon::{Daemon, LIMIT, Pids, is_running, kill};
use e2e::stage::{FIRST, INSTANCE, SECOND, SHARED, Stage, cluster, cluster_at};
use e2e::wire::{advertisements, assert_good, changed, elapsed, longest_overlap};
use lab::scenario::State;
use lab::{AddressWatch, Signal, wait_until};

/// How long giving everything away may take on a busy machine; on an idle one it is some milliseconds.
const AT_ONCE: Duration = Duration::from_millis(100);
/// What the second host waits after priority 0: (256 - 100) / 256 of 100 ms.
const SKEW: Duration = Duration::from_micros(60_937);
/// How long a healthy router that stops keeps its address for a peer to take: the longest skew and a quarter more.
const OFFER: Duration = Duration::from_millis(125);
const PRIORITIES: &str = "priority = { first = 200, second = 100 }";

#[test]
fn the_supervisor_gives_away_what_a_killed_router_held() {
    let stage = Stage::new().unwrap();
    let (first, second) = start_both(&stage);
    let addresses = [&stage.first, &stage.second].map(|host| host.watch_addresses().unwrap());
    let capture = stage.segment.capture().unwrap();
    first.wait_for_advertisements(INSTANCE, 5);

    let before = first.pids();
    let killed_at = SystemTime::now();
    kill(before.router.unwrap(), Signal::KILL);
    wait_for_change(&addresses[1], true, killed_at);
    let after = first.wait_for_pids("another router", |now| {
        now.router.is_some() && now.router != before.router
    });
    assert_eq!(
        (after.supervisor, after.worker),
        (before.supervisor, before.worker)
    );
    first.wait_for_state(INSTANCE, State::Master);
    second.wait_for_state(INSTANCE, State::Backup);
    wait_for_change(&addresses[1], false, killed_at);

    let frames = capture.stop().unwrap();
    assert_good(&frames);
    let [on_first, on_second] = addresses.map(|watch| watch.changes());
    let mut of_first = advertisements(&frames, FIRST).into_iter();
    let zero = of_first.find(|sent| sent.priority == 0).unwrap().at;
    let removed = changed(&on_first, SHARED, false, killed_at).unwrap();
    let taken = advertisements(&frames, SECOND)[0].at;
    let overlap = longest_overlap(&on_first, &on_second, SHARED);
    println!(
        "after the kill: priority 0 {:?}, address removed {:?}",
        elapsed(killed_at, zero),
        elapsed(killed_at, removed)
    );
    println!(
        "the peer takes over {:?} after priority 0, skew time {SKEW:?}; both had the address for {overlap:?}",
        elapsed(zero, taken)
    );
    println!(
        "the new router has the address again {:?} after the kill",
        elapsed(
            killed_at,
            changed(&on_first, SHARED, true, killed_at).unwrap()
        )
    );
    assert!(elapsed(killed_at, zero) < AT_ONCE, "{first}");
    assert!(elapsed(killed_at, removed) < AT_ONCE, "{first}");
    assert!(removed < taken);
    assert!(elapsed(zero, taken) >= SKEW && elapsed(zero, taken) < SKEW + AT_ONCE);
    // The one moment is when the first host preempts: its advertisement has to reach the second host.
    assert!(
        overlap < Duration::from_millis(50),
        "{on_first:?} {on_second:?}"
    );
    // The new router does not speak before it is its turn.
    let again = of_first.next().unwrap();
    assert_eq!(again.priority, 200);
    assert!(again.at > taken);
}

/// Its loop does not turn any more: to the supervisor that is a dead router, before the peers begin to wait in vain.
#[test]
fn the_supervisor_gives_away_what_a_stuck_router_held() {
    const INTERVAL: Duration = Duration::from_secs(1);
    let stage = Stage::new().unwrap();
    let file = cluster_at("1s", PRIORITIES);
    let first = Daemon::start(&stage.first, "first", &file);
    first.wait_for_state(INSTANCE, State::Master);
    let second = Daemon::start(&stage.second, "second", &file);
    wait_until_heard(&second);
    let addresses = [&stage.first, &stage.second].map(|host| host.watch_addresses().unwrap());
    let capture = stage.segment.capture().unwrap();
    first.wait_for_advertisements(INSTANCE, 2);

    let before = first.pids();
    let stuck_at = SystemTime::now();
    kill(before.router.unwrap(), Signal::STOP);
    wait_for_change(&addresses[1], true, stuck_at);
    let after = first.wait_for_pids("another router", |now| {
        now.router.is_some() && now.router != before.router
    });
    assert_eq!(
        (after.supervisor, after.worker),
        (before.supervisor, before.worker)
    );
    assert!(!is_running(before.router.unwrap()));
    first.wait_for_state(INSTANCE, State::Master);
    second.wait_for_state(INSTANCE, State::Backup);

    let frames = capture.stop().unwrap();
    assert_good(&frames);
    let [on_first, on_second] = addresses.map(|watch| watch.changes());
    let of_first = advertisements(&frames, FIRST);
    let last = of_first.iter().rfind(|sent| sent.at <= stuck_at).unwrap();
    let zero = of_first.iter().find(|sent| sent.priority == 0).unwrap();
    let removed = changed(&on_first, SHARED, false, stuck_at).unwrap();
    let taken = advertisements(&frames, SECOND)[0].at;
    println!(
        "stuck {:?} after an advertisement: priority 0 {:?} after it, address removed {:?}, taken over {:?}",
        elapsed(last.at, stuck_at),
        elapsed(last.at, zero.at),
        elapsed(last.at, removed),
        elapsed(last.at, taken),
    );
    assert!(elapsed(last.at, zero.at) < INTERVAL * 3, "{first}");
    assert!(removed < taken, "{on_first:?} {on_second:?}\n{first}");
    let log = first.process.log();
    assert!(
        log.contains("the router does nothing any more: killing it"),
        "{log}"
    );
}

/// The whole host stood still, as a virtual machine that is paused: nobody in it is to blame, and what happened meanwhile counts.
#[test]
fn a_frozen_host_kills_nobody_when_it_goes_on_and_listens_before_it_speaks() {
    let stage = Stage::new().unwrap();
    let (first, second) = start_both(&stage);
    let before = first.pids();
    let all = [
        before.supervisor,
        before.router.unwrap(),
        before.worker.unwrap(),
    ];
    for round in 0..4 {
        let watch = stage.second.watch_addresses().unwrap();
        let frozen_at = SystemTime::now();
        all.iter().for_each(|pid| kill(*pid, Signal::STOP));
        wait_for_change(&watch, true, frozen_at);
        // Beyond what a router alone may be silent for.
        std::thread::sleep(Duration::from_millis(1500));
        let capture = stage.segment.capture().unwrap();
        let goes_on_at = SystemTime::now();
        let mut order = all;
        order.rotate_left(round % all.len());
        order.iter().for_each(|pid| kill(*pid, Signal::CONT));
        first.wait_for_state(INSTANCE, State::Master);
        second.wait_for_state(INSTANCE, State::Backup);
        assert_eq!(first.pids(), before, "{first}");

        let frames = capture.stop().unwrap();
        assert_good(&frames);
        let of_first = advertisements(&frames, FIRST);
        let spoke_at = of_first.iter().find(|sent| sent.at >= goes_on_at).unwrap();
        let heard = advertisements(&frames, SECOND);
        let heard = heard.iter().filter(|sent| sent.at >= goes_on_at);
        let heard = heard.filter(|sent| sent.at < spoke_at.at).count();
        println!(
            "round {round}: it spoke {:?} after it went on, and had heard {heard} advertisements",
            elapsed(goes_on_at, spoke_at.at)
        );
        assert!(heard >= 1, "{first}");
    }
}

#[test]
fn the_router_gives_everything_away_when_the_supervisor_is_killed() {
    let stage = Stage::new().unwrap();
    let daemon = start(&stage);
    let watch = stage.first.watch_addresses().unwrap();
    let capture = stage.segment.capture().unwrap();
    daemon.wait_for_advertisements(INSTANCE, 5);

    let pids = daemon.pids();
    let killed_at = SystemTime::now();
    kill(pids.supervisor, Signal::KILL);
    wait_for_end(pids);
    println!(
        "all processes ended {:?} after the kill",
        elapsed(killed_at, SystemTime::now())
    );
    assert!(!stage.first.has_address(SHARED).unwrap());
    assert_given_away(&capture.stop().unwrap(), &watch, killed_at, Duration::ZERO);
}

#[test]
fn sigterm_and_sigint_give_everything_away_and_end_well() {
    let stage = Stage::new().unwrap();
    for (name, signal) in [("SIGTERM", Signal::TERM), ("SIGINT", Signal::INT)] {
        let mut daemon = start(&stage);
        let watch = stage.first.watch_addresses().unwrap();
        let capture = stage.segment.capture().unwrap();
        daemon.wait_for_advertisements(INSTANCE, 5);

        let pids = daemon.pids();
        let told_at = SystemTime::now();
        daemon.process.signal(signal).unwrap();
        let status = daemon.process.wait(LIMIT).unwrap();
        let took = elapsed(told_at, SystemTime::now());
        println!("{name}: ended with {status} after {took:?}");
        assert_eq!(status.code(), Some(0), "{daemon}");
        // None of the time-outs ended it, of which the shortest is the router's for what it releases. The rest is the
        // kernel's: it closes a packet socket after a grace period of RCU, which takes longer the busier the machine is.
        assert!(took < Duration::from_secs(2), "{daemon}");
        wait_for_end(pids);
        assert!(!daemon.control().exists());
        assert!(!stage.first.has_address(SHARED).unwrap());
        assert_given_away(&capture.stop().unwrap(), &watch, told_at, OFFER);
    }
}

#[test]
fn what_a_power_cut_left_behind_is_removed_before_anything_else() {
    let stage = Stage::new().unwrap();
    let mut daemon = start(&stage);
    let pids = daemon.pids();
    daemon.cut_power();
    wait_for_end(pids);
    assert!(daemon.control().exists());
    assert!(stage.first.has_address(SHARED).unwrap());

    let watch = stage.first.watch_addresses().unwrap();
    let capture = stage.segment.capture().unwrap();
    let started_at = SystemTime::now();
    daemon.start_again(&stage.first);
    daemon.wait_for_state(INSTANCE, State::Master);
    let log = daemon.process.log();
    assert!(
        log.contains("removed the address 192.0.2.100/32 dev eth0 that a dead router had left"),
        "{daemon}"
    );

    let removed = wait_for_change(&watch, false, started_at);
    let added = wait_for_change(&watch, true, started_at);
    let frames = capture.stop().unwrap();
    assert_good(&frames);
    let sent = advertisements(&frames, FIRST);
    println!(
        "removed {:?} after the start, first advertisement {:?} later, address back {:?} later",
        elapsed(started_at, removed),
        elapsed(removed, sent[0].at),
        elapsed(removed, added),
    );
    // It takes part as anybody who comes new: it listens for three intervals and its skew time.
    let listening = Duration::from_micros(300_000 + 21_875);
    assert!(elapsed(removed, sent[0].at) >= listening, "{daemon}");
    assert!(removed < added);
    assert!(sent.iter().all(|sent| sent.priority == 200), "{sent:?}");
}

/// vrrp-host on the first host alone, as MASTER.
fn start(stage: &Stage) -> Daemon {
    let daemon = Daemon::start(&stage.first, "first", &cluster(PRIORITIES));
    daemon.wait_for_state(INSTANCE, State::Master);
    daemon
}

/// The first host as MASTER and the second as BACKUP.
fn start_both(stage: &Stage) -> (Daemon, Daemon) {
    let first = start(stage);
    let second = Daemon::start(&stage.second, "second", &cluster(PRIORITIES));
    wait_until_heard(&second);
    (first, second)
}

/// Waits until the second host is the BACKUP of the first.
fn wait_until_heard(second: &Daemon) {
    second.wait_for("a MASTER to be heard", |status| {
        status["instances"][INSTANCE]["master"]["address"] == FIRST.to_string()
    });
    second.wait_for_state(INSTANCE, State::Backup);
}

/// Waits until the shared address came or went.
fn wait_for_change(watch: &AddressWatch, added: bool, from: SystemTime) -> SystemTime {
    wait_until(LIMIT, "the shared address to change", || {
        let changes = watch.changes();
        changed(&changes, SHARED, added, from).ok_or_else(|| format!("{changes:?}"))
    })
    .unwrap()
}

fn wait_for_end(pids: Pids) {
    wait_until(LIMIT, "all processes to end", || {
        let left: Vec<_> = [Some(pids.supervisor), pids.router, pids.worker]
            .into_iter()
            .flatten()
            .filter(|&pid| is_running(pid))
            .collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?} of {pids:?}"))
        }
    })
    .unwrap();
}

/// Checks that the first host's last word was priority 0, at once after `from`, and that it removed the address when it had
/// been offered for as long as `offer`.
fn assert_given_away(
    frames: &[lab::Frame],
    watch: &AddressWatch,
    from: SystemTime,
    offer: Duration,
) {
    assert_good(frames);
    let sent = advertisements(frames, FIRST);
    let last = sent.last().unwrap();
    assert_eq!(last.priority, 0, "{sent:?}");
    let zeros = sent.iter().filter(|sent| sent.priority == 0).count();
    let removed = wait_for_change(watch, false, from);
    println!(
        "priority 0 after {:?} ({zeros} times), address removed after {:?}",
        elapsed(from, last.at),
        elapsed(from, removed)
    );
    assert!(elapsed(from, last.at) < AT_ONCE);
    let used = elapsed(from, removed);
    assert!(used >= offer && used < offer + AT_ONCE);
}
