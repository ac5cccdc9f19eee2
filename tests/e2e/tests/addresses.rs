//! Somebody else changes addresses and interfaces under a running vrrp-host.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::time::{Duration, SystemTime};

use e2e::daemon::{Daemon, LIMIT};
use e2e::stage::{FIRST, INSTANCE, INTERFACE, PREFIX_LENGTH, SHARED, Stage, cluster};
use e2e::wire::{advertisements, announced, assert_good, changed, elapsed, longest_gap};
use lab::scenario::State;
use lab::{Netns, wait_until};

const INTERVAL: Duration = Duration::from_millis(100);
/// How long a reaction may take on a busy machine; on an idle one it is some milliseconds.
const AT_ONCE: Duration = Duration::from_millis(100);

#[test]
fn a_deleted_address_is_put_back_and_announced_and_the_master_stays() {
    const TIMES: usize = 5;
    let stage = Stage::new().unwrap();
    // One frame for each time, so that none is taken for another.
    let keys =
        "priority = { first = 200, second = 100 }\nannounce = { repeat = 1, delay = \"0s\" }";
    let daemon = start_with(&stage.first, keys);
    let watch = stage.first.watch_addresses().unwrap();
    let capture = stage.segment.capture().unwrap();
    daemon.wait_for_advertisements(INSTANCE, 5);

    let deleted: Vec<SystemTime> = (0..TIMES)
        .map(|_| {
            let at = SystemTime::now();
            let address = format!("{SHARED}/32");
            stage
                .first
                .ip(&["address", "del", &address, "dev", INTERFACE])
                .unwrap();
            wait_until(LIMIT, "the address to be back", || {
                let changes = watch.changes();
                changed(&changes, SHARED, true, at).ok_or_else(|| format!("{changes:?}"))
            })
            .unwrap();
            at
        })
        .collect();
    daemon.wait_for_advertisements(INSTANCE, 5);
    assert_eq!(daemon.state(INSTANCE), Ok(State::Master));
    assert!(
        daemon
            .process
            .log()
            .contains("the address 192.0.2.100/32 dev eth0 was gone; it is back"),
        "{daemon}"
    );

    let frames = capture.stop().unwrap();
    assert_good(&frames);
    for at in deleted {
        let back = changed(&watch.changes(), SHARED, true, at).unwrap();
        let told = announced(&frames, SHARED, at).unwrap();
        println!(
            "`ip address del`; back within {:?}, announced within {:?}",
            elapsed(at, back),
            elapsed(at, told)
        );
        assert!(elapsed(at, back) < AT_ONCE, "{daemon}");
        assert!(elapsed(at, told) < AT_ONCE, "{daemon}");
    }
    let sent = advertisements(&frames, FIRST);
    assert!(sent.iter().all(|sent| sent.priority == 200), "{sent:?}");
    assert!(longest_gap(&sent) < 2 * INTERVAL, "{sent:?}");
}

#[test]
fn an_instance_is_in_fault_while_its_interface_is_down() {
    let stage = Stage::new().unwrap();
    let daemon = start(&stage.first);
    let capture = stage.segment.capture().unwrap();
    let set = |state| {
        stage
            .first
            .ip(&["link", "set", INTERFACE, state])
            .map(drop)
            .unwrap();
    };
    let outage = |what, down: &dyn Fn(), up: &dyn Fn()| {
        let down_at = SystemTime::now();
        down();
        wait_for_fault(&daemon, &stage.first);
        let up_at = SystemTime::now();
        up();
        daemon.wait_for_state(INSTANCE, State::Master);
        println!(
            "{what}: FAULT and no address within {:?}, MASTER within {:?} of the end",
            elapsed(down_at, up_at),
            elapsed(up_at, SystemTime::now())
        );
        daemon.wait_for_advertisements(INSTANCE, 5);
        assert_eq!(daemon.state(INSTANCE), Ok(State::Master));
        assert!(stage.first.has_address(SHARED).unwrap());
    };
    outage("interface set down", &|| set("down"), &|| set("up"));
    outage(
        "cable pulled",
        &|| stage.first_port.unplug().unwrap(),
        &|| stage.first_port.plug().unwrap(),
    );
    assert_good(&capture.stop().unwrap());
}

#[test]
fn an_interface_that_is_made_again_is_used_again() {
    let stage = Stage::new().unwrap();
    let keys = "priority = { first = 100, second = 200 }";
    let daemon = start_with(&stage.first, keys);
    let index = |host: &Netns| host.run(&["cat", "/sys/class/net/eth0/ifindex"]).unwrap();
    let old_index = index(&stage.first);

    drop(stage.first_port);
    wait_for_fault(&daemon, &stage.first);
    let capture = stage.segment.capture().unwrap();
    let _port = stage
        .segment
        .attach(&stage.first, INTERFACE, (FIRST, PREFIX_LENGTH))
        .unwrap();
    assert_ne!(index(&stage.first), old_index);
    daemon.wait_for_state(INSTANCE, State::Master);
    daemon.wait_for_advertisements(INSTANCE, 5);
    assert!(stage.first.has_address(SHARED).unwrap());

    let frames = capture.stop().unwrap();
    assert_good(&frames);
    let sent = advertisements(&frames, FIRST);
    assert!(sent.len() >= 5, "{sent:?}");
    assert!(announced(&frames, SHARED, sent[0].at).is_some());
    println!(
        "index {} then {}: {} advertisements on the new interface",
        old_index.trim(),
        index(&stage.first).trim(),
        sent.len()
    );

    // It hears there, too.
    let second = Daemon::start(&stage.second, "second", &cluster(keys));
    second.wait_for_state(INSTANCE, State::Master);
    daemon.wait_for_state(INSTANCE, State::Backup);
}

/// vrrp-host on a host, as MASTER.
fn start(host: &Netns) -> Daemon {
    start_with(host, "priority = { first = 200, second = 100 }")
}

fn start_with(host: &Netns, keys: &str) -> Daemon {
    let daemon = Daemon::start(host, "first", &cluster(keys));
    daemon.wait_for_state(INSTANCE, State::Master);
    wait_until(LIMIT, "the shared address", || {
        match host.has_address(SHARED) {
            Ok(true) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .unwrap();
    daemon
}

/// Waits until the instance is in FAULT for its interface, and holds no address.
fn wait_for_fault(daemon: &Daemon, host: &Netns) {
    daemon.wait_for_state(INSTANCE, State::Fault);
    let status = daemon.status().unwrap();
    assert_eq!(
        status["instances"][INSTANCE]["reason"], "the interface is down",
        "{daemon}"
    );
    wait_until(LIMIT, "the address to be removed", || {
        match host.has_address(SHARED) {
            Ok(false) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .unwrap();
}
