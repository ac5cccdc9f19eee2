//! `accept-mode = false`: the host has the shared address and answers for it, and accepts nothing that is sent to it.

#![expect(
    clippy::unwrap_used,
    reason = "this is a test: what goes wrong is to fail it"
)]

use std::net::IpAddr;

use e2e::daemon::{Daemon, LIMIT};
use e2e::inside::answers;
use e2e::ipv6;
use e2e::neighbour::Neighbour;
use e2e::stage::{INSTANCE, INTERFACE, SHARED, Stage, cluster};
use lab::scenario::State;
use lab::{Netns, Segment, Signal};

const PRIORITIES: &str = "priority = { first = 200, second = 100 }";

#[test]
fn the_address_is_found_and_forwards_and_does_not_accept() {
    let stage = Stage::new().unwrap();
    let third = Neighbour::new(&stage).unwrap();
    let inner = Segment::new("inner").unwrap();
    let far = Netns::new("far").unwrap();
    let ours: IpAddr = "198.51.100.1".parse().unwrap();
    let theirs: IpAddr = "198.51.100.9".parse().unwrap();
    let _our_port = inner.attach(&stage.first, "eth1", (ours, 24)).unwrap();
    let _their_port = inner.attach(&far, INTERFACE, (theirs, 24)).unwrap();
    far.ip(&["route", "add", "default", "via", "198.51.100.1"])
        .unwrap();
    let via = SHARED.to_string();
    third
        .host
        .ip(&["route", "add", "198.51.100.0/24", "via", &via])
        .unwrap();
    stage
        .first
        .run(&["sysctl", "-qw", "net.ipv4.ip_forward=1"])
        .unwrap();
    let mac = own_mac(&stage.first);

    let mut first = start(&stage.first, "accept-mode = false");
    let status = first.status().unwrap();
    assert_eq!(status["instances"][INSTANCE]["accept-mode"], false);
    assert_eq!(third.find(SHARED), (false, Some(mac.clone())), "{first}");
    assert!(answers(&third.host, theirs), "{first}");
    // The host itself is not refused, and neither is its own address.
    assert!(answers(&stage.first, SHARED), "{first}");
    assert!(answers(&third.host, e2e::stage::FIRST), "{first}");

    first.rewrite(&cluster(PRIORITIES));
    assert!(first.ask(&["reload"]).status.success(), "{first}");
    assert_eq!(third.find(SHARED), (true, Some(mac.clone())), "{first}");
    first.rewrite(&cluster(&keys("accept-mode = false")));
    assert!(first.ask(&["reload"]).status.success(), "{first}");
    assert_eq!(third.find(SHARED), (false, Some(mac.clone())), "{first}");
    assert_eq!(first.state(INSTANCE), Ok(State::Master), "{first}");

    // Nothing is left after a stop; the address is one that the administrator adds.
    first.process.signal(Signal::TERM).unwrap();
    first.process.wait(LIMIT).unwrap();
    stage.first.add_address(INTERFACE, SHARED, 32).unwrap();
    assert_eq!(third.find(SHARED), (true, Some(mac)), "{first}");
}

#[test]
fn nothing_is_refused_after_a_power_cut() {
    let stage = Stage::new().unwrap();
    let third = Neighbour::new(&stage).unwrap();
    let mut first = start(&stage.first, "accept-mode = false");
    assert!(!third.find(SHARED).0, "{first}");
    first.cut_power();
    first.process.wait(LIMIT).unwrap();
    assert!(stage.first.has_address(SHARED).unwrap());
    assert!(third.find(SHARED).0);
    first.start_again(&stage.first);
    first.wait_for_state(INSTANCE, State::Master);
    assert!(!third.find(SHARED).0, "{first}");
}

#[test]
fn an_owner_accepts_whatever_the_file_says() {
    let stage = Stage::new().unwrap();
    let third = Neighbour::new(&stage).unwrap();
    let owner = "accept-mode = false\npriority = { first = 255, second = 100 }";
    let first = Daemon::start(&stage.first, "first", &cluster(owner));
    first.wait_for_state(INSTANCE, State::Master);
    wait_for_address(&stage.first);
    assert!(third.find(SHARED).0, "{first}");
}

#[test]
fn an_ipv6_address_is_found_and_does_not_accept() {
    let stage = ipv6::stage().unwrap();
    let third = Neighbour::new(&stage).unwrap();
    let global: IpAddr = "2001:db8::1".parse().unwrap();
    stage.first.add_address(INTERFACE, global, 64).unwrap();
    let mac = own_mac(&stage.first);
    let first = Daemon::start(
        &stage.first,
        "first",
        &ipv6::cluster(&keys("accept-mode = false")),
    );
    first.wait_for_state(ipv6::INSTANCE, State::Master);
    for shared in [ipv6::SHARED_LINK_LOCAL, ipv6::SHARED] {
        assert_eq!(third.find(shared), (false, Some(mac.clone())), "{first}");
    }
    assert!(answers(&third.host, global), "{first}");
}

fn start(host: &Netns, more: &str) -> Daemon {
    let daemon = Daemon::start(host, "first", &cluster(&keys(more)));
    daemon.wait_for_state(INSTANCE, State::Master);
    wait_for_address(host);
    daemon
}

fn wait_for_address(host: &Netns) {
    lab::wait_until(LIMIT, "the shared address", || {
        match host.has_address(SHARED) {
            Ok(true) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .unwrap();
}

fn keys(more: &str) -> String {
    format!("{PRIORITIES}\n{more}")
}

fn own_mac(host: &Netns) -> String {
    let mac = host
        .run(&["cat", &format!("/sys/class/net/{INTERFACE}/address")])
        .unwrap();
    mac.trim().to_owned()
}
