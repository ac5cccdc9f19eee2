use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::packet::Advertisement;
use crate::testing::*;
use crate::{
    AddressChange, ChecksumForm, InstanceCounters, OnFail, Outcome, Packet, Version,
    VirtualAddress, Why,
};

mod announcing;
mod authentication;
mod checks;
mod delays;
mod forecast;
mod groups;
mod interfaces;
mod properties;
mod receiving;
mod reconfigure;
mod timing;
mod transitions;
mod unicast;
mod yielding;

const NOTHING: [&str; 0] = [];

#[test]
fn entering_and_leaving_active_in_order() {
    let mut bench = Bench::started(instance(100));
    assert_eq!(
        bench.fire(),
        ["advertise 100", "claim", "BACKUP->MASTER ActiveDown"]
    );
    assert_eq!(
        bench.event(address(true)),
        ["announce 10.0.0.100", "announce 10.0.0.100"]
    );
    assert_eq!(
        bench.event(Event::Shutdown {
            grace: Duration::ZERO
        }),
        ["advertise 0", "release", "MASTER->INIT Shutdown"]
    );
}

#[test]
fn a_stopped_router_does_nothing() {
    let mut bench = Bench::active(instance(100));
    bench.event(Event::Shutdown {
        grace: Duration::ZERO,
    });
    for event in [
        Event::Startup,
        link(false, None),
        report(Outcome::Failing),
        Event::Shutdown {
            grace: Duration::ZERO,
        },
    ] {
        assert_eq!(bench.event(event), NOTHING);
    }
    assert_eq!(bench.hear(HIGH_PEER, 0), NOTHING);
    assert_eq!(bench.router.poll_timeout(), None);
    bench
        .router
        .handle_timeout(bench.now + Duration::from_secs(1_000));
    assert_eq!(bench.router.poll_action(), None);
}

#[test]
fn transitions_are_numbered_and_priced() {
    let mut bench = Bench::new(tracking(100, OnFail::Weight(-30)));
    let mut transitions = Vec::new();
    let events = [
        link(true, Some(OWN)),
        Event::Startup,
        report(Outcome::Failing),
        link(false, None),
    ];
    for event in events {
        bench.router.handle(bench.now, event);
        while let Some(action) = bench.router.poll_action() {
            if let Action::StateChanged(transition) = action {
                transitions.push((transition.sequence, transition.after, transition.priority));
            }
        }
    }
    assert_eq!(
        transitions,
        [(1, State::Backup, 100), (2, State::Fault, 70)]
    );
    assert_eq!(bench.status().sequence, 2);
}

#[test]
fn addresses_are_announced_twice_and_again_when_put_back() {
    let burst = ["announce 10.0.0.100"; 2];
    let mut bench = Bench::active(instance(100));
    assert_eq!(bench.event(address(true)), burst);
    let mut later = bench.pass(Duration::from_millis(4_999));
    later.retain(|action| action.starts_with("announce"));
    assert_eq!(later, NOTHING);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.event(address(false)), NOTHING);
    assert_eq!(bench.event(address(true)), burst);
    let mut later = bench.pass(Duration::from_secs(20));
    later.retain(|action| action.starts_with("announce"));
    assert_eq!(later, burst, "one second burst");
    bench.event(address(true));
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.event(address(true)), burst);
    let mut later = bench.pass(Duration::from_secs(20));
    later.retain(|action| action.starts_with("announce"));
    assert_eq!(later, burst, "counted from when it was last put there");

    // An address that is not advertised is announced all the same.
    let mut bench = Bench::active(InstanceConfig {
        excluded: vec![OWN.into()],
        ..instance(100)
    });
    let excluded = AddressChange {
        instance: INSTANCE,
        address: OWN.into(),
        present: true,
    };
    assert_eq!(
        bench.event(Event::Address(excluded)),
        ["announce 10.0.0.5"; 2]
    );

    // Not while Backup, and not for what is not ours.
    let mut bench = Bench::active(instance(100));
    let stranger = AddressChange {
        instance: INSTANCE,
        address: OWN.into(),
        present: true,
    };
    assert_eq!(bench.event(Event::Address(stranger)), NOTHING);
    bench.event(address(true));
    bench.hear(HIGH_PEER, 200);
    assert_eq!(bench.event(address(true)), NOTHING);
    bench.now = bench.now + Duration::from_millis(2_900);
    bench.hear(HIGH_PEER, 200);
    assert_eq!(
        bench.pass(Duration::from_millis(2_900)),
        NOTHING,
        "the second burst is cancelled"
    );
}

#[test]
fn no_second_burst_without_delay() {
    let mut config = instance(100);
    config.announce.delay = Duration::ZERO;
    let mut bench = Bench::active(config);
    assert_eq!(bench.event(address(true)), ["announce 10.0.0.100"; 2]);
    assert_eq!(bench.pass(Duration::from_millis(1_500)), ["advertise 100"]);
}

#[test]
fn advertisement_is_built_once_and_rebuilt_when_it_changes() {
    let mut bench = Bench::active(tracking(100, OnFail::Weight(-30)));
    let mut next = |event: Option<Event<'_>>| {
        if let Some(event) = event {
            bench.event(event);
        }
        bench.now = bench.router.poll_timeout().unwrap().at;
        bench.router.handle_timeout(bench.now);
        match bench.router.poll_action() {
            Some(Action::Advertise(advertise)) => advertise,
            other => panic!("{other:?}"),
        }
    };
    let (first, second) = (next(None), next(None));
    assert!(alloc::sync::Arc::ptr_eq(&first.payload, &second.payload));
    let failing = next(Some(report(Outcome::Failing)));
    assert_eq!((failing.priority, failing.payload[2]), (70, 70));
    let new_source = Ipv4Addr::new(10, 0, 0, 6);
    let moved = next(Some(link(true, Some(new_source))));
    assert_eq!(moved.source, IpAddr::V4(new_source));
    let parsed = Advertisement::parse(&moved.payload, moved.source, moved.destination).unwrap();
    assert_eq!(parsed.priority, 70);
    assert_eq!(moved.destination, GROUP);
}

#[test]
fn a_backup_takes_over_from_its_present_address() {
    let mut bench = Bench::started(instance(100));
    let new_source = Ipv4Addr::new(10, 0, 0, 6);
    bench.event(link(true, Some(new_source)));
    bench.now = bench.router.poll_timeout().unwrap().at;
    bench.router.handle_timeout(bench.now);
    let Some(Action::Advertise(advertise)) = bench.router.poll_action() else {
        panic!("no advertisement");
    };
    assert_eq!(advertise.source, IpAddr::V4(new_source));
    assert_eq!(bench.status().active, Some((new_source.into(), 100)));
}

#[test]
fn release_packets_are_what_the_router_would_send() {
    for checksum in [ChecksumForm::Rfc9568, ChecksumForm::Rfc5798] {
        let config = InstanceConfig {
            checksum,
            ..instance(100)
        };
        let mut bench = Bench::active(config.clone());
        bench.router.handle(
            bench.now,
            Event::Shutdown {
                grace: Duration::ZERO,
            },
        );
        let sent = bench.router.poll_action();
        let mut packets = crate::release_packets(INSTANCE, &config, OWN.into());
        assert_eq!(sent, packets.pop().map(Action::Advertise));
        assert_eq!(packets, []);
    }
}

#[test]
fn peers_that_are_configured_differently_are_told_once() {
    let config = instance(100);
    let mut bench = Bench::started(config.clone());
    let mut other = advertisement(&config, 200);
    other.interval = Duration::from_secs(2);
    other.addresses.push(OWN.into());
    let strange = other.emit(HIGH_PEER.into(), GROUP);
    let told = bench.event(packet(HIGH_PEER, &strange));
    assert_eq!(
        told,
        [
            "differs: Interval(2s)",
            "differs: Addresses([10.0.0.100, 10.0.0.5])"
        ]
    );
    assert_eq!(bench.event(packet(HIGH_PEER, &strange)), NOTHING);
    other.addresses.pop();
    let still = other.emit(HIGH_PEER.into(), GROUP);
    assert_eq!(bench.event(packet(HIGH_PEER, &still)), NOTHING);
    assert_eq!(bench.hear(HIGH_PEER, 200), NOTHING);
    assert_eq!(
        bench.event(packet(HIGH_PEER, &still)),
        ["differs: Interval(2s)"],
        "again"
    );
    let counters = bench.status().counters;
    assert_eq!(
        (counters.interval_errors, counters.address_list_errors),
        (4, 2)
    );
    assert_eq!(counters.advertisement_rcvd, 5, "none was discarded");

    let mut owner = Bench::active(instance(255));
    assert_eq!(
        owner.hear(LOW_PEER, 255),
        ["differs: Owner", "advertise 255"]
    );
}

#[test]
fn the_order_of_addresses_means_nothing() {
    let mut config = instance(100);
    config.addresses.push(VirtualAddress {
        address: LOW_PEER.into(),
        prefix_length: 32,
    });
    let mut bench = Bench::started(config.clone());
    let mut other = advertisement(&config, 200);
    other.addresses.reverse();
    assert_eq!(
        bench.event(packet(HIGH_PEER, &other.emit(HIGH_PEER.into(), GROUP))),
        NOTHING
    );
}

#[test]
fn each_discard_is_counted_once() {
    let config = instance(100);
    let good = advertisement(&config, 100).emit(LOW_PEER.into(), GROUP);
    let v2 = InstanceConfig {
        version: Version::V2,
        ..instance(100)
    };
    let v2 = advertisement(&v2, 100).emit(LOW_PEER.into(), GROUP);
    let mut elsewhere = advertisement(&config, 100);
    elsewhere.virtual_router_id = VirtualRouterId(core::num::NonZeroU8::new(9).unwrap());
    let elsewhere = elsewhere.emit(LOW_PEER.into(), GROUP);
    let resealed = |change: fn(&mut Vec<u8>)| {
        let mut message = good.clone();
        change(&mut message);
        message[6..8].fill(0);
        let checksum = crate::checksum::Sum::default().add(&message).checksum();
        message[6..8].copy_from_slice(&checksum.to_be_bytes());
        message
    };
    let wrong_type = resealed(|message| message[0] = 0x32);
    let no_addresses = resealed(|message| {
        message[3] = 0;
        message.truncate(8);
    });
    let zero_interval = resealed(|message| message[4..6].fill(0));
    let unknown_and_zero = resealed(|message| {
        message[1] = 9;
        message[4..6].fill(0);
    });
    let mut broken = good.clone();
    broken[9] ^= 1;

    let global = |set: fn(&mut GlobalCounters)| {
        let mut counters = GlobalCounters::default();
        set(&mut counters);
        (counters, InstanceCounters::default())
    };
    let own = |set: fn(&mut InstanceCounters)| {
        let mut counters = InstanceCounters::default();
        set(&mut counters);
        (GlobalCounters::default(), counters)
    };
    let ttl = |ttl| Packet {
        interface: INTERFACE,
        source: LOW_PEER.into(),
        destination: GROUP,
        ttl,
        payload: &good,
        at: WALL,
    };
    let plain = |payload| Packet {
        payload,
        ..ttl(Some(255))
    };
    let table = [
        (
            ttl(Some(254)),
            "TTL 254 instead of 255",
            global(|c| c.ip_ttl_errors += 1),
        ),
        (
            ttl(None),
            "TTL unknown instead of 255",
            global(|c| c.ip_ttl_errors += 1),
        ),
        (
            plain(&v2),
            "VRRP version 2",
            global(|c| c.version_errors += 1),
        ),
        (
            plain(&wrong_type),
            "VRRP type 2 instead of 1",
            own(|c| c.invalid_type_pkts_rcvd += 1),
        ),
        (
            plain(&good[..11]),
            "11 bytes instead of 12",
            own(|c| c.packet_length_errors += 1),
        ),
        (
            plain(&[]),
            "0 bytes instead of 8",
            global(|c| c.vrid_errors += 1),
        ),
        (
            plain(&broken),
            "wrong checksum",
            global(|c| c.checksum_errors += 1),
        ),
        (
            plain(&elsewhere),
            "virtual router 9 is not configured here",
            global(|c| c.vrid_errors += 1),
        ),
        (
            plain(&unknown_and_zero),
            "virtual router 9 is not configured here",
            global(|c| c.vrid_errors += 1),
        ),
        (
            plain(&elsewhere[..9]),
            "9 bytes instead of 12",
            global(|c| c.vrid_errors += 1),
        ),
        (
            Packet {
                interface: InterfaceId(8),
                ..plain(&good)
            },
            "virtual router 51 is not configured here",
            global(|c| c.vrid_errors += 1),
        ),
        (
            plain(&no_addresses),
            "no address in it",
            own(|c| c.address_list_errors += 1),
        ),
        (
            plain(&zero_interval),
            "advertisement interval 0",
            own(|c| c.interval_errors += 1),
        ),
        (
            Packet {
                source: OWN.into(),
                ..plain(&good)
            },
            "sent from this router's own address",
            own(|c| c.own_advertisements_rcvd += 1),
        ),
    ];
    for (packet, text, counters) in table {
        let mut bench = Bench::started(config.clone());
        let before = bench.due_in();
        let discarded = bench.event(Event::Packet(packet));
        assert_eq!(discarded, [alloc::format!("discard: {text}")]);
        assert_eq!(
            (bench.router.counters(), bench.status().counters),
            counters,
            "{text}"
        );
        assert_eq!(bench.due_in(), before, "{text}");
    }
}

#[test]
fn v2_discards_what_it_cannot_follow() {
    let config = InstanceConfig {
        version: Version::V2,
        ..instance(100)
    };
    let mut bench = Bench::started(config.clone());
    let mut other = advertisement(&config, 200);
    other.interval = Duration::from_secs(2);
    let discarded = bench.event(packet(HIGH_PEER, &other.emit(HIGH_PEER.into(), GROUP)));
    assert_eq!(
        discarded,
        ["discard: advertisement interval 2s instead of 1s"]
    );

    let mut authenticated = advertisement(&config, 200).emit(HIGH_PEER.into(), GROUP);
    authenticated[4] = 1;
    authenticated[6] -= 1;
    let discarded = bench.event(packet(HIGH_PEER, &authenticated));
    assert_eq!(
        discarded,
        ["discard: authentication type 1, which is not configured here"]
    );

    let v3 = advertisement(&instance(100), 200).emit(HIGH_PEER.into(), GROUP);
    assert_eq!(
        bench.event(packet(HIGH_PEER, &v3)),
        ["discard: VRRP version 3"]
    );
    let counters = bench.status().counters;
    assert_eq!(
        (
            counters.interval_errors,
            counters.authentication.type_errors
        ),
        (1, 1)
    );
    assert_eq!(bench.router.counters().version_errors, 1);
    assert_eq!(counters.advertisement_rcvd, 0);
}

#[test]
fn both_checksum_forms_are_accepted_and_counted_apart() {
    let mut bench = Bench::started(instance(100));
    for checksum in [
        ChecksumForm::Rfc9568,
        ChecksumForm::Rfc5798,
        ChecksumForm::Rfc5798,
    ] {
        let config = InstanceConfig {
            checksum,
            ..instance(100)
        };
        let message = advertisement(&config, 200).emit(HIGH_PEER.into(), GROUP);
        assert_eq!(bench.event(packet(HIGH_PEER, &message)), NOTHING);
    }
    let counters = bench.status().counters;
    assert_eq!(
        (counters.received_rfc9568, counters.received_rfc5798),
        (1, 2)
    );
    assert_eq!(bench.status().active, Some((HIGH_PEER.into(), 200)));
}

#[test]
fn traffic_and_transitions_are_counted() {
    let mut bench = Bench::active(instance(100));
    bench.pass(Duration::from_secs(3));
    bench.hear(LOW_PEER, 0);
    bench.hear(HIGH_PEER, 200);
    bench.hear(HIGH_PEER, 0);
    bench.pass(Duration::from_millis(700));
    bench.event(Event::Shutdown {
        grace: Duration::ZERO,
    });
    let expected = InstanceCounters {
        master_transitions: 2,
        advertisement_rcvd: 3,
        received_rfc9568: 3,
        priority_zero_pkts_rcvd: 2,
        // Two on entering, three regular ones, an answer, a release.
        advertisement_sent: 7,
        priority_zero_pkts_sent: 1,
        ..InstanceCounters::default()
    };
    assert_eq!(bench.status().counters, expected);
}

#[test]
fn ipv6_instances_send_from_the_link_local_address() {
    let address = "fe80::51".parse().unwrap();
    let config = InstanceConfig {
        addresses: vec![VirtualAddress {
            address,
            prefix_length: 64,
        }],
        ..instance(100)
    };
    let mut bench = Bench::started(config.clone());
    assert_eq!(bench.status().state, State::Fault);
    assert_eq!(bench.status().reason, Some(Reason::NoPrimaryAddress));
    let link_local = "fe80::5".parse().unwrap();
    let up = Link {
        interface: INTERFACE,
        up: true,
        primary: None,
        link_local: Some(link_local),
        known_as: None,
    };
    assert_eq!(
        bench.event(Event::Link(up)),
        ["FAULT->BACKUP PrimaryAddress"]
    );
    bench.now = bench.router.poll_timeout().unwrap().at;
    bench.router.handle_timeout(bench.now);
    let Some(Action::Advertise(advertise)) = bench.router.poll_action() else {
        panic!("no advertisement");
    };
    assert_eq!(advertise.source, IpAddr::V6(link_local));
    assert_eq!(
        advertise.destination,
        IpAddr::V6(crate::packet::MULTICAST_IPV6)
    );
    let parsed = Advertisement::parse(&advertise.payload, advertise.source, advertise.destination);
    assert_eq!(parsed, Ok(advertisement(&config, 100)));
}
