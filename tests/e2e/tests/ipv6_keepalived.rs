//! VRRPv3 over IPv6 with Debian's keepalived on the other side, in either role.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::time::{Duration, SystemTime};

use e2e::daemon::{Daemon, LIMIT};
use e2e::ipv6::{
    self, FIRST, INSTANCE, SECOND, SHARED, SHARED_LINK_LOCAL, VIRTUAL_ROUTER_ID, cluster,
};
use e2e::keepalived::Keepalived;
use e2e::stage::INTERFACE;
use e2e::wire::{advertisements, announced, assert_good, milliseconds};
use lab::scenario::State;
use lab::{Frame, Netns, Signal, wait_until};

const INTERVAL: Duration = Duration::from_millis(100);
/// How early an advertisement may seem, because the frame it is counted from passed the bridge before it was received.
const EARLY_MS: f64 = 0.1;
/// How late either daemon may be on a busy machine; keepalived adds some milliseconds on an idle one.
const LATE_MS: f64 = 40.0;
/// What vrrp-host's router has too. As a process among others keepalived is late by as much as a busy machine makes it wait.
const REALTIME_PRIORITY: u8 = 20;
const REALTIME_LIMIT_US: u32 = 1_000_000;
const PRIORITIES: [u8; 2] = [200, 100];

/// How the MASTER ends.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// SIGTERM: it says so with priority 0.
    Stop,
    /// SIGKILL to all its processes: it says nothing.
    Crash,
}

#[test]
fn keepalived_takes_over_from_vrrp_host_and_gives_back() {
    let stage = ipv6::stage().unwrap();
    let ours = cluster(&format!(
        "priority = {{ first = {}, second = {} }}",
        PRIORITIES[0], PRIORITIES[1]
    ));
    let mut first = Daemon::start(&stage.first, "first", &ours);
    first.wait_for_state(INSTANCE, State::Master);
    let second = Keepalived::start(&stage.second, &configuration(PRIORITIES[1]));
    second.wait_for_state("BACKUP", 1);
    let capture = stage.segment.capture().unwrap();

    let mut endings = Vec::new();
    for (times, ending) in (1..).zip([Ending::Stop, Ending::Crash]) {
        first.wait_for_advertisements(INSTANCE, 5);
        endings.push((ending, SystemTime::now()));
        match ending {
            Ending::Stop => first.process.signal(Signal::TERM).unwrap(),
            Ending::Crash => first.cut_power(),
        }
        second.wait_for_state("MASTER", times);
        wait_for_addresses(&stage.second, true);
        first.process.wait(LIMIT).unwrap();
        first.start_again(&stage.first);
        // Its priority is the higher one.
        first.wait_for_state(INSTANCE, State::Master);
        second.wait_for_state("BACKUP", times + 1);
        wait_for_addresses(&stage.first, true);
        wait_for_addresses(&stage.second, false);
    }
    let frames = capture.stop().unwrap();
    assert_takeovers(&frames, &endings);
    println!(
        "{}",
        first.status().unwrap()["instances"][INSTANCE]["counters"]
    );
}

#[test]
fn vrrp_host_takes_over_from_keepalived_and_gives_back() {
    let stage = ipv6::stage().unwrap();
    let mut first = Keepalived::start(&stage.first, &configuration(PRIORITIES[0]));
    first.wait_for_state("MASTER", 1);
    let ours = cluster(&format!(
        "priority = {{ first = {}, second = {} }}",
        PRIORITIES[0], PRIORITIES[1]
    ));
    let second = Daemon::start(&stage.second, "second", &ours);
    let heard = |daemon: &Daemon| {
        daemon.wait_for("keepalived to be heard", |status| {
            let instance = &status["instances"][INSTANCE];
            instance["state"] == "BACKUP" && instance["master"]["address"] == FIRST.to_string()
        })
    };
    heard(&second);
    let capture = stage.segment.capture().unwrap();

    let mut endings = Vec::new();
    for ending in [Ending::Stop, Ending::Crash] {
        endings.push((ending, SystemTime::now()));
        match ending {
            Ending::Stop => first.stop(),
            Ending::Crash => first.cut_power(),
        }
        second.wait_for_state(INSTANCE, State::Master);
        wait_for_addresses(&stage.second, true);
        first.start_again(&stage.first);
        first.wait_for_state("MASTER", 1);
        heard(&second);
        wait_for_addresses(&stage.first, true);
        wait_for_addresses(&stage.second, false);
    }
    let frames = capture.stop().unwrap();
    assert_takeovers(&frames, &endings);
    let status = second.status().unwrap();
    let counters = &status["instances"][INSTANCE]["counters"];
    for errors in [
        "address-list-errors",
        "interval-errors",
        "packet-length-errors",
    ] {
        assert_eq!(counters[errors], 0, "{status}");
    }
    assert_eq!(status["counters"]["checksum-errors"], 0, "{status}");
    println!("{counters}");
}

/// Checks each takeover of the second host against the formula (RFC 9568 §6.1), and what either daemon sent.
#[track_caller]
fn assert_takeovers(frames: &[Frame], endings: &[(Ending, SystemTime)]) {
    assert_good(frames);
    let (of_first, of_second) = (
        advertisements(frames, FIRST),
        advertisements(frames, SECOND),
    );
    let skew_time = INTERVAL * (256 - u32::from(PRIORITIES[1])) / 256;
    for &(ending, since) in endings {
        let taken = of_second.iter().find(|sent| sent.at > since).unwrap();
        let last = of_first.iter().rfind(|sent| sent.at < taken.at).unwrap();
        let (formula, priority) = match ending {
            Ending::Stop => (skew_time, 0),
            Ending::Crash => (3 * INTERVAL + skew_time, PRIORITIES[0]),
        };
        let formula = formula.as_secs_f64() * 1e3;
        let measured = milliseconds(last.at, taken.at);
        let difference = measured - formula;
        println!(
            "{ending:?}: formula {formula:.3} ms, on the wire {measured:.3} ms, difference {difference:+.3} ms"
        );
        assert_eq!(last.priority, priority);
        assert!((-EARLY_MS..LATE_MS).contains(&difference));
        for address in [SHARED_LINK_LOCAL, SHARED] {
            assert!(announced(frames, address, taken.at).is_some(), "{address}");
        }
    }
    for sender in [FIRST, SECOND] {
        let lists = frames
            .iter()
            .filter(|frame| frame.sender() == Some(sender))
            .filter_map(|frame| Some(&frame.advertisement()?.addresses));
        for list in lists {
            assert_eq!(*list, [SHARED_LINK_LOCAL, SHARED], "{sender}");
        }
    }
}

/// Waits until a host has both virtual addresses, or neither.
#[track_caller]
fn wait_for_addresses(host: &Netns, wanted: bool) {
    for address in [SHARED_LINK_LOCAL, SHARED] {
        wait_until(LIMIT, "the shared addresses to come or go", || {
            match host.has_address(address) {
                Ok(has) if has == wanted => Ok(()),
                seen => Err(format!("{address}: {seen:?}")),
            }
        })
        .unwrap();
    }
}

fn configuration(priority: u8) -> String {
    let interval = INTERVAL.as_secs_f64();
    format!(
        "global_defs {{\n    vrrp_version 3\n    vrrp_rt_priority {REALTIME_PRIORITY}\n    \
         vrrp_rlimit_rttime {REALTIME_LIMIT_US}\n}}\n\
         vrrp_instance {INSTANCE} {{\n    state BACKUP\n    interface {INTERFACE}\n    \
         virtual_router_id {VIRTUAL_ROUTER_ID}\n    priority {priority}\n    advert_int {interval}\n    \
         virtual_ipaddress {{\n        {SHARED_LINK_LOCAL}\n        {SHARED}\n    }}\n}}\n"
    )
}
