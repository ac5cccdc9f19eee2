//! Peers that are spoken to one by one, and sources that do not count.

use super::*;
use crate::{InstanceError, Peers};

fn unicast(peers: &[Ipv4Addr]) -> InstanceConfig {
    InstanceConfig {
        peers: Peers::Unicast {
            peers: peers.iter().copied().map(IpAddr::V4).collect(),
            min_ttl: 255,
            source: None,
        },
        ..instance(150)
    }
}

fn datagram(source: Ipv4Addr, destination: Ipv4Addr, ttl: u8, payload: &[u8]) -> Event<'_> {
    Event::Packet(Packet {
        interface: INTERFACE,
        source: source.into(),
        destination: destination.into(),
        ttl: Some(ttl),
        payload,
        at: WALL,
    })
}

fn sealed(config: &InstanceConfig, priority: u8, source: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    advertisement(config, priority).emit(source.into(), to.into())
}

#[test]
fn each_peer_gets_its_own_datagram() {
    for checksum in [ChecksumForm::Rfc5798, ChecksumForm::Rfc9568] {
        let config = InstanceConfig {
            checksum,
            ..unicast(&[LOW_PEER, HIGH_PEER])
        };
        let mut bench = Bench::started(config);
        bench.now = bench.router.poll_timeout().unwrap().at;
        bench.router.handle_timeout(bench.now);
        let mut destinations = Vec::new();
        while let Some(action) = bench.router.poll_action() {
            if let Action::Advertise(advertise) = action {
                let parsed = Advertisement::parse(
                    &advertise.payload,
                    advertise.source,
                    advertise.destination,
                );
                assert_eq!(parsed.unwrap().priority, 150);
                destinations.push(advertise.destination);
            }
        }
        assert_eq!(destinations, [IpAddr::V4(LOW_PEER), IpAddr::V4(HIGH_PEER)]);
        assert_eq!(bench.status().counters.advertisement_sent, 1);
    }
}

#[test]
fn only_peers_count() {
    let config = unicast(&[HIGH_PEER]);
    let mut bench = Bench::active(config.clone());
    let message = sealed(&config, 200, LOW_PEER, OWN);
    assert_eq!(
        bench.event(datagram(LOW_PEER, OWN, 255, &message)),
        ["discard: its sender is not among the accepted ones"]
    );
    assert_eq!(bench.status().counters.source_errors, 1);
    let message = sealed(&config, 200, HIGH_PEER, OWN);
    assert_eq!(
        bench.event(datagram(HIGH_PEER, OWN, 255, &message)),
        ["release", "MASTER->BACKUP HigherPriority(10.0.0.9, 200)"]
    );
}

#[test]
fn a_peer_may_be_farther_away_when_the_file_says_so() {
    let config = unicast(&[HIGH_PEER]);
    let message = sealed(&config, 200, HIGH_PEER, OWN);
    let mut bench = Bench::active(config.clone());
    assert_eq!(
        bench.event(datagram(HIGH_PEER, OWN, 254, &message)),
        ["discard: TTL 254 instead of 255"]
    );
    assert_eq!(bench.router.counters().ip_ttl_errors, 1);
    let peers = Peers::Unicast {
        peers: vec![HIGH_PEER.into()],
        min_ttl: 250,
        source: None,
    };
    let mut bench = Bench::active(InstanceConfig { peers, ..config });
    bench.event(datagram(HIGH_PEER, OWN, 249, &message));
    assert_eq!(bench.status().state, State::Active);
    bench.event(datagram(HIGH_PEER, OWN, 250, &message));
    assert_eq!(bench.status().state, State::Backup);
}

#[test]
fn multicast_and_unicast_do_not_mix() {
    let config = unicast(&[HIGH_PEER]);
    let mut bench = Bench::active(config.clone());
    assert_eq!(
        bench.hear(HIGH_PEER, 200),
        ["discard: sent by multicast, which this instance does not speak"]
    );
    let mut bench = Bench::active(instance(150));
    let message = sealed(&config, 200, HIGH_PEER, OWN);
    assert_eq!(
        bench.event(datagram(HIGH_PEER, OWN, 255, &message)),
        ["discard: sent by unicast, which this instance does not speak"]
    );
    assert_eq!(bench.status().counters.destination_errors, 1);
}

#[test]
fn without_an_address_there_is_nothing_to_claim_or_to_compare() {
    let config = InstanceConfig {
        addresses: Vec::new(),
        ..unicast(&[HIGH_PEER])
    };
    let mut bench = Bench::active(config.clone());
    let message = sealed(&config, 200, HIGH_PEER, OWN);
    bench.event(datagram(HIGH_PEER, OWN, 255, &message));
    assert_eq!(bench.status().state, State::Backup);
    assert_eq!(bench.status().counters.address_list_errors, 0);
    // Where there are addresses, an advertisement has to list them.
    let mut bench = Bench::active(unicast(&[HIGH_PEER]));
    assert_eq!(
        bench.event(datagram(HIGH_PEER, OWN, 255, &message)),
        ["discard: no address in it"]
    );
    assert_eq!(bench.status().counters.address_list_errors, 1);
}

#[test]
fn multicast_can_be_held_to_known_sources() {
    let config = InstanceConfig {
        peers: Peers::Multicast {
            accept_from: vec![HIGH_PEER.into()],
        },
        ..instance(150)
    };
    let mut bench = Bench::active(config);
    assert_eq!(
        bench.hear(LOW_PEER, 200),
        ["discard: its sender is not among the accepted ones"]
    );
    bench.hear(HIGH_PEER, 200);
    assert_eq!(bench.status().state, State::Backup);
}

#[test]
fn unicast_never_becomes_multicast() {
    let error = |peers: &[IpAddr]| {
        let peers = Peers::Unicast {
            peers: peers.to_vec(),
            min_ttl: 255,
            source: None,
        };
        let config = InstanceConfig {
            peers,
            ..instance(100)
        };
        match Router::new(one(config)) {
            Err(ConfigError::Instance { error, .. }) => error,
            other => panic!("{other:?}"),
        }
    };
    let group = IpAddr::from([224, 0, 0, 18]);
    let other_family = IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(error(&[]), InstanceError::NoPeers);
    assert_eq!(error(&[group]), InstanceError::Peer(group));
    assert_eq!(error(&[other_family]), InstanceError::Peer(other_family));
    assert_eq!(
        error(&[LOW_PEER.into(), LOW_PEER.into()]),
        InstanceError::PeerTwice(LOW_PEER.into())
    );
}

#[test]
fn the_address_that_the_peers_know_is_the_source_or_nothing_is_sent() {
    let public = Ipv4Addr::new(10, 0, 0, 6);
    let config = InstanceConfig {
        peers: Peers::Unicast {
            peers: vec![HIGH_PEER.into()],
            min_ttl: 255,
            source: Some(public.into()),
        },
        ..instance(150)
    };
    let mut bench = Bench::started(config);
    assert_eq!(bench.status().state, State::Fault);
    let known = Event::Link(Link {
        interface: INTERFACE,
        up: true,
        primary: Some(OWN),
        link_local: None,
        known_as: Some(public.into()),
    });
    assert_eq!(bench.event(known), ["FAULT->BACKUP PrimaryAddress"]);
    bench.fire();
    assert_eq!(bench.status().active, Some((public.into(), 150)));
}
