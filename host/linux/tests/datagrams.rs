//! VRRP and ARP frames between two network namespaces.

#![allow(
    clippy::unwrap_used,
    reason = "this is a test, helpers included: what goes wrong is to fail it"
)]

mod common;

use std::net::{IpAddr, Ipv4Addr};

use common::ear::Ear;
use common::{Namespace, is_root, receive_frame};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use socket2::{Domain, Protocol, Socket, Type};
use vrrp::Family;
use vrrp::packet::MULTICAST_IPV4;
use vrrp_linux::arp::{ArpSocket, gratuitous_arp_frame};
use vrrp_linux::socket::{Inbox, OpenSocketError, Received, VrrpSocket};

const PAYLOAD: &[u8] = &[0x31, 251, 100, 1, 0, 100, 0, 0, 172, 27, 0, 247];
const VIP: Ipv4Addr = Ipv4Addr::new(172, 27, 0, 247);

#[test]
fn a_datagram_arrives_as_it_was_sent() {
    if !is_root("a_datagram_arrives_as_it_was_sent") {
        return;
    }
    let (one, other) = Namespace::pair();
    let sender = one.run(|| VrrpSocket::open("eth0", Family::V4).unwrap());
    let receiver = other.run(|| VrrpSocket::open("eth0", Family::V4).unwrap());
    let mut ear = Ear::new(&receiver);
    ear.hears_nothing();

    // The second source is not an address of the sending host: the destination must not care.
    let owners = [Ipv4Addr::new(172, 27, 0, 1), VIP];
    for source in owners {
        sender
            .send(source.into(), MULTICAST_IPV4.into(), PAYLOAD)
            .unwrap();
        assert_eq!(
            ear.receive(),
            Received {
                source: source.into(),
                destination: MULTICAST_IPV4.into(),
                ttl: Some(255),
                payload: PAYLOAD,
            }
        );
    }
    // Nobody hears himself.
    Ear::new(&sender).hears_nothing();
}

#[test]
fn one_call_brings_many() {
    if !is_root("one_call_brings_many") {
        return;
    }
    let (one, other) = Namespace::pair();
    let sender = one.run(|| VrrpSocket::open("eth0", Family::V4).unwrap());
    let receiver = other.run(|| VrrpSocket::open("eth0", Family::V4).unwrap());
    let mut ear = Ear::new(&receiver);
    let many = u8::try_from(Inbox::CAPACITY + 3).unwrap();
    // The second time with room that has been used before. Sending ends with the frame at the other end of the pair.
    for _ in 0..2 {
        for number in 0..many {
            // Longer and shorter than the one before: nothing of it may be left.
            let payload = [number].repeat(usize::from(1 + number % 7));
            sender
                .send(VIP.into(), MULTICAST_IPV4.into(), &payload)
                .unwrap();
        }
        assert_eq!(ear.listen(), Inbox::CAPACITY);
        assert_eq!(ear.listen(), 3);
        for number in 0..many {
            let payload = [number].repeat(usize::from(1 + number % 7));
            assert_eq!(ear.receive().payload, payload);
        }
        ear.hears_nothing();
    }
}

#[test]
fn unicast_works_too() {
    if !is_root("unicast_works_too") {
        return;
    }
    let (one, other) = Namespace::pair();
    let sender = one.run(|| VrrpSocket::open("eth0", Family::V4).unwrap());
    let receiver = other.run(|| VrrpSocket::open("eth0", Family::V4).unwrap());
    let destination = IpAddr::from([172, 27, 0, 2]);
    sender
        .send(IpAddr::from([172, 27, 0, 1]), destination, PAYLOAD)
        .unwrap();
    let mut ear = Ear::new(&receiver);
    let received = ear.receive();
    assert_eq!(received.destination, destination);
    assert_eq!(received.payload, PAYLOAD);
}

#[test]
fn the_header_has_the_type_of_service_of_control_traffic() {
    if !is_root("the_header_has_the_type_of_service_of_control_traffic") {
        return;
    }
    let (one, other) = Namespace::pair();
    let sender = one.run(|| VrrpSocket::open("eth0", Family::V4).unwrap());
    let (_member, raw) = other.run(|| {
        let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112))).unwrap();
        // The kernel takes no datagrams of a group that nobody has joined.
        (VrrpSocket::open("eth0", Family::V4).unwrap(), raw)
    });
    sender
        .send(
            IpAddr::from([172, 27, 0, 1]),
            MULTICAST_IPV4.into(),
            PAYLOAD,
        )
        .unwrap();
    let datagram = receive_frame(&raw, |_| true);
    assert_eq!(datagram[1], 0xC0);
    assert_eq!(datagram[8], 255);
    assert_eq!(datagram[20..], *PAYLOAD);
}

#[test]
fn a_gratuitous_arp_reaches_the_link() {
    if !is_root("a_gratuitous_arp_reaches_the_link") {
        return;
    }
    let (one, other) = Namespace::pair();
    let mac = [0x02, 0x42, 0xAC, 0x1B, 0x00, 0x01];
    let arp = one.run(|| ArpSocket::open("eth0").unwrap());
    let capture = other.run(|| {
        let arp_frames = Protocol::from(i32::from(0x0806_u16.to_be()));
        Socket::new(Domain::PACKET, Type::RAW, Some(arp_frames)).unwrap()
    });
    arp.gratuitous_arp(VIP, mac).unwrap();
    assert_eq!(
        receive_frame(&capture, |_| true),
        gratuitous_arp_frame(VIP, mac)
    );
}

#[test]
fn what_cannot_be_sent_is_an_error_and_the_socket_survives_it() {
    if !is_root("what_cannot_be_sent_is_an_error_and_the_socket_survives_it") {
        return;
    }
    let (one, other) = Namespace::pair();
    let sender = one.run(|| VrrpSocket::open("eth0", Family::V4).unwrap());
    let arp = one.run(|| ArpSocket::open("eth0").unwrap());
    let receiver = other.run(|| VrrpSocket::open("eth0", Family::V4).unwrap());
    let source = IpAddr::from([172, 27, 0, 1]);

    assert!(
        sender
            .send("fe80::1".parse().unwrap(), MULTICAST_IPV4.into(), PAYLOAD)
            .is_err()
    );
    assert!(
        sender
            .send(source, MULTICAST_IPV4.into(), &[0; 65_536])
            .is_err()
    );
    one.ip("link set eth0 down");
    assert!(sender.send(source, MULTICAST_IPV4.into(), PAYLOAD).is_err());
    assert!(arp.gratuitous_arp(VIP, [2, 0, 0, 0, 0, 1]).is_err());

    one.ip("link set eth0 up");
    one.wait_until("link show eth0", |output| output.contains("LOWER_UP"));
    let mut ear = Ear::new(&receiver);
    sender.send(source, MULTICAST_IPV4.into(), PAYLOAD).unwrap();
    assert_eq!(ear.receive().payload, PAYLOAD);
}

#[test]
fn opening_says_what_is_missing() {
    if !is_root("opening_says_what_is_missing") {
        return;
    }
    let (one, _other) = Namespace::pair();
    let (no_socket, no_arp) = one.run(|| {
        (
            VrrpSocket::open("eth1", Family::V4),
            ArpSocket::open("eth1"),
        )
    });
    assert!(
        matches!(no_socket, Err(OpenSocketError::NoSuchInterface { .. })),
        "{no_socket:?}"
    );
    assert!(
        matches!(no_arp, Err(OpenSocketError::NoSuchInterface { .. })),
        "{no_arp:?}"
    );

    let (no_socket, no_arp) = one.run(|| {
        let none = CapabilitySets {
            effective: CapabilitySet::empty(),
            ..capabilities(None).unwrap()
        };
        set_capabilities(None, none).unwrap();
        (
            VrrpSocket::open("eth0", Family::V4),
            ArpSocket::open("eth0"),
        )
    });
    assert!(
        matches!(no_socket, Err(OpenSocketError::NotPermitted { .. })),
        "{no_socket:?}"
    );
    assert!(
        matches!(no_arp, Err(OpenSocketError::NotPermitted { .. })),
        "{no_arp:?}"
    );
}
