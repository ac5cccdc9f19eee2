//! Peers that are spoken to one by one.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::time::Duration;

use e2e::daemon::{Daemon, LIMIT};
use e2e::inside::Forger;
use e2e::stage::{FIRST, INSTANCE, SECOND, SHARED, Stage, cluster, counter};
use e2e::wire::assert_good;
use lab::scenario::State;
use lab::{Frame, Signal};
use vrrp::packet::Advertisement;
use vrrp::{ChecksumForm, Version, VirtualRouterId};

const UNICAST: &str = "priority = { first = 200, second = 100 }\nunicast = true";

const BOTH_WAYS: [(IpAddr, IpAddr); 2] = [(FIRST, SECOND), (SECOND, FIRST)];

/// From whom to whom advertisements went.
fn ways(frames: &[Frame]) -> Vec<(IpAddr, IpAddr)> {
    let advertisements = frames
        .iter()
        .filter(|frame| frame.advertisement().is_some());
    let mut ways: Vec<_> = advertisements
        .filter_map(|frame| {
            let ip = frame.ip.as_ref()?;
            Some((ip.source, ip.destination))
        })
        .collect();
    ways.sort_unstable();
    ways.dedup();
    ways
}

#[test]
fn two_hosts_speak_to_each_other_and_to_nobody_else() {
    let stage = Stage::new().unwrap();
    let capture = stage.segment.capture().unwrap();
    let mut first = Daemon::start(&stage.first, "first", &cluster(UNICAST));
    first.wait_for_state(INSTANCE, State::Master);
    let second = Daemon::start(&stage.second, "second", &cluster(UNICAST));
    // Before the router is there, it has no counters.
    second.wait_for_state(INSTANCE, State::Backup);
    second.wait_for("the first host to be heard", |status| {
        status["instances"][INSTANCE]["master"]["address"] == FIRST.to_string()
    });
    first.process.signal(Signal::TERM).unwrap();
    first.process.wait(LIMIT).unwrap();
    second.wait_for_state(INSTANCE, State::Master);
    second.wait_for_advertisements(INSTANCE, 3);
    let frames = capture.stop().unwrap();
    assert_good(&frames);
    assert_eq!(ways(&frames), BOTH_WAYS);
}

#[test]
fn who_is_no_peer_does_not_count() {
    let stage = Stage::new().unwrap();
    let first = Daemon::start(&stage.first, "first", &cluster(UNICAST));
    first.wait_for_state(INSTANCE, State::Master);
    // A forged advertisement by multicast, with the highest priority, from the peer's own address.
    let forger = Forger::new(&stage.second, SECOND);
    let forged = Advertisement {
        version: Version::V3,
        virtual_router_id: VirtualRouterId(NonZeroU8::new(51).unwrap()),
        priority: 254,
        interval: Duration::from_millis(100),
        checksum: ChecksumForm::Rfc9568,
        addresses: vec![SHARED],
        password: None,
    };
    let group = Ipv4Addr::new(224, 0, 0, 18);
    forger.send(255, &forged.emit(SECOND, group.into()));
    let status = first.wait_for("it to be discarded", |status| {
        counter(status, "destination-errors") == 1
    });
    assert_eq!(counter(&status, "advertisement-rcvd"), 0, "{status}");
    assert_eq!(first.state(INSTANCE), Ok(State::Master));
    first
        .process
        .wait_for_log(
            LIMIT,
            "sent by multicast, which this instance does not speak",
        )
        .unwrap();
}

#[test]
fn where_a_hook_moves_the_address_there_is_none() {
    let stage = Stage::new().unwrap();
    let file = cluster(UNICAST).replace(&format!("virtual-addresses = [\"{SHARED}\"]\n"), "");
    let first = Daemon::start(&stage.first, "first", &file);
    first.wait_for_state(INSTANCE, State::Master);
    let mut second = Daemon::start(&stage.second, "second", &file);
    // Before the router is there, it has no counters.
    second.wait_for_state(INSTANCE, State::Backup);
    second.wait_for("the first host to be heard", |status| {
        counter(status, "advertisement-rcvd") >= 3
    });
    assert_eq!(second.state(INSTANCE), Ok(State::Backup));
    drop(first);
    second.wait_for_state(INSTANCE, State::Master);
    second.process.signal(Signal::TERM).unwrap();
    second.process.wait(LIMIT).unwrap();
}
