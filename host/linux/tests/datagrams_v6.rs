//! VRRP datagrams over IPv6 and neighbour advertisements between two network namespaces.

#![allow(
    clippy::unwrap_used,
    reason = "this is a test, helpers included: what goes wrong is to fail it"
)]

mod common;

use std::net::{IpAddr, Ipv6Addr, SocketAddrV6};

use common::ear::Ear;
use common::{Namespace, is_root, receive_frame};
use socket2::{Domain, Protocol, Socket, Type};
use vrrp::Family;
use vrrp::packet::MULTICAST_IPV6;
use vrrp_linux::ndp::{NdpSocket, unsolicited_advertisement_frame};
use vrrp_linux::socket::{BUFFER_LENGTH, OpenSocketError, Received, VrrpSocket};

const PAYLOAD: &[u8] = &[0x31, 51, 100, 1, 0, 100, 0, 0];
const VIP: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x51);
const GROUP: IpAddr = IpAddr::V6(MULTICAST_IPV6);

const NO_NEXT_HEADER: u8 = 59;
const DESTINATION_OPTIONS: u8 = 60;
const VRRP: u8 = 112;

#[test]
fn a_datagram_arrives_as_it_was_sent() {
    if !is_root("a_datagram_arrives_as_it_was_sent") {
        return;
    }
    let (one, other) = Namespace::pair();
    let own = one.link_local("eth0");
    let (sender, receiver) = (open(&one), open(&other));
    let mut ear = Ear::new(&receiver);
    ear.hears_nothing();

    // The second source is not an address of the sending host: the last word may follow the address's removal.
    for source in [own, VIP] {
        sender.send(source.into(), GROUP, PAYLOAD).unwrap();
        assert_eq!(
            ear.receive(),
            Received {
                source: source.into(),
                destination: GROUP,
                ttl: Some(255),
                payload: PAYLOAD,
            }
        );
    }
    // Nobody hears himself.
    Ear::new(&sender).hears_nothing();
}

#[test]
fn unicast_works_too() {
    if !is_root("unicast_works_too") {
        return;
    }
    let (one, other) = Namespace::pair();
    let (source, destination) = (one.link_local("eth0"), other.link_local("eth0"));
    let (sender, receiver) = (open(&one), open(&other));
    sender
        .send(source.into(), destination.into(), PAYLOAD)
        .unwrap();
    let mut ear = Ear::new(&receiver);
    let received = ear.receive();
    assert_eq!(received.destination, IpAddr::V6(destination));
    assert_eq!((received.ttl, received.payload), (Some(255), PAYLOAD));
}

#[test]
fn the_header_on_the_wire() {
    if !is_root("the_header_on_the_wire") {
        return;
    }
    let (one, other) = Namespace::pair();
    let source = one.link_local("eth0");
    let sender = open(&one);
    let capture = capture(&other);
    sender.send(source.into(), GROUP, PAYLOAD).unwrap();
    let frame = receive_frame(&capture, |frame| frame[20] == VRRP);
    assert_eq!(frame[..6], [0x33, 0x33, 0, 0, 0, 0x12]);
    // Version 6 and traffic class 0xC0; the flow label is the kernel's.
    assert_eq!((frame[14], frame[15] & 0xf0), (0x6C, 0x00));
    assert_eq!(frame[18..22], [0, 8, VRRP, 255]);
    assert_eq!(frame[22..38], source.octets());
    assert_eq!(frame[38..54], MULTICAST_IPV6.octets());
    assert_eq!(frame[54..], *PAYLOAD);
}

#[test]
fn a_message_longer_than_a_frame_arrives_whole() {
    if !is_root("a_message_longer_than_a_frame_arrives_whole") {
        return;
    }
    let (one, other) = Namespace::pair();
    let source = one.link_local("eth0");
    let (sender, receiver) = (open(&one), open(&other));
    // 255 addresses.
    let payload: Vec<u8> = (0..=u8::MAX).cycle().take(8 + 255 * 16).collect();
    sender.send(source.into(), GROUP, &payload).unwrap();
    let mut ear = Ear::new(&receiver);
    let received = ear.receive();
    assert_eq!((received.ttl, received.payload), (Some(255), &payload[..]));
}

#[test]
fn the_hop_limit_is_that_of_the_header() {
    if !is_root("the_hop_limit_is_that_of_the_header") {
        return;
    }
    let (one, other) = Namespace::pair();
    let source = one.link_local("eth0");
    let (forger, receiver) = (Forger::new(&one, source), open(&other));
    let mut ear = Ear::new(&receiver);
    for hop_limit in [0, 1, 64, 254, 255] {
        forger.send(hop_limit, VRRP, PAYLOAD);
        let received = ear.receive();
        assert_eq!(
            (received.source, received.ttl, received.payload),
            (source.into(), Some(hop_limit), PAYLOAD)
        );
    }
}

#[test]
fn an_empty_datagram_is_one() {
    if !is_root("an_empty_datagram_is_one") {
        return;
    }
    let (one, other) = Namespace::pair();
    let (forger, receiver) = (Forger::new(&one, one.link_local("eth0")), open(&other));
    let mut ear = Ear::new(&receiver);
    forger.send(255, VRRP, &[]);
    let received = ear.receive();
    assert_eq!((received.ttl, received.payload), (Some(255), &[][..]));
    forger.send(255, VRRP, PAYLOAD);
    assert_eq!(ear.receive().payload, PAYLOAD);
}

#[test]
fn each_of_many_comes_with_what_is_known_of_it() {
    if !is_root("each_of_many_comes_with_what_is_known_of_it") {
        return;
    }
    let (one, other) = Namespace::pair();
    let (forger, receiver) = (Forger::new(&one, one.link_local("eth0")), open(&other));
    let mut ear = Ear::new(&receiver);
    // The second time with room that has been used before.
    for _ in 0..2 {
        for hop_limit in [1, 255, 64] {
            forger.send(hop_limit, VRRP, &PAYLOAD[..usize::from(hop_limit % 7)]);
        }
        for hop_limit in [1, 255, 64] {
            let received = ear.receive();
            assert_eq!(
                (received.ttl, received.destination, received.payload.len()),
                (Some(hop_limit), GROUP, usize::from(hop_limit % 7))
            );
        }
    }
}

#[test]
fn extension_headers_are_skipped() {
    if !is_root("extension_headers_are_skipped") {
        return;
    }
    let (one, other) = Namespace::pair();
    let (forger, receiver) = (Forger::new(&one, one.link_local("eth0")), open(&other));
    let mut ear = Ear::new(&receiver);
    let padding = |next_header| [next_header, 0, 1, 4, 0, 0, 0, 0];
    // Nothing follows the first, and the second ends in the middle of its options: neither is a VRRP message.
    forger.send(255, DESTINATION_OPTIONS, &padding(NO_NEXT_HEADER));
    forger.send(255, DESTINATION_OPTIONS, &padding(VRRP)[..4]);
    forger.send(
        255,
        DESTINATION_OPTIONS,
        &[&padding(DESTINATION_OPTIONS), &padding(VRRP), PAYLOAD].concat(),
    );
    let received = ear.receive();
    assert_eq!((received.ttl, received.payload), (Some(255), PAYLOAD));
    ear.hears_nothing();
}

#[test]
fn what_does_not_fit_is_cut_off_to_a_length_that_no_message_has() {
    if !is_root("what_does_not_fit_is_cut_off_to_a_length_that_no_message_has") {
        return;
    }
    let (one, other) = Namespace::pair();
    let source = one.link_local("eth0");
    let (sender, receiver) = (open(&one), open(&other));
    let mut ear = Ear::new(&receiver);
    sender.send(source.into(), GROUP, &[0x31; 60_000]).unwrap();
    let received = ear.receive();
    assert_eq!(received.payload.len(), BUFFER_LENGTH);
    const { assert!(BUFFER_LENGTH > 8 + 255 * 16) };
    sender.send(source.into(), GROUP, PAYLOAD).unwrap();
    assert_eq!(ear.receive().payload, PAYLOAD);
}

#[test]
fn each_family_hears_its_own() {
    if !is_root("each_family_hears_its_own") {
        return;
    }
    let (one, other) = Namespace::pair();
    let source = one.link_local("eth0");
    let v4 =
        |namespace: &Namespace| namespace.run(|| VrrpSocket::open("eth0", Family::V4).unwrap());
    let (sender_v4, receiver_v4) = (v4(&one), v4(&other));
    let (sender_v6, receiver_v6) = (open(&one), open(&other));
    let (mut ear_v4, mut ear_v6) = (Ear::new(&receiver_v4), Ear::new(&receiver_v6));

    let (source_v4, group_v4) = (IpAddr::from([172, 27, 0, 1]), IpAddr::from([224, 0, 0, 18]));
    sender_v4.send(source_v4, group_v4, PAYLOAD).unwrap();
    assert_eq!(ear_v4.receive().source, source_v4);
    sender_v6.send(source.into(), GROUP, PAYLOAD).unwrap();
    assert_eq!(ear_v6.receive().source, source);
    ear_v4.hears_nothing();
    ear_v6.hears_nothing();

    for (socket, source, destination) in [
        (&sender_v6, source_v4, group_v4),
        (&sender_v6, source.into(), group_v4),
        (&sender_v4, source.into(), GROUP),
    ] {
        assert!(socket.send(source, destination, PAYLOAD).is_err());
    }
}

#[test]
fn a_neighbour_advertisement_reaches_the_link_and_moves_the_address() {
    if !is_root("a_neighbour_advertisement_reaches_the_link_and_moves_the_address") {
        return;
    }
    let (one, other) = Namespace::pair();
    let own = one.link_local("eth0");
    let mac = [0x02, 0x42, 0xAC, 0x1B, 0x00, 0x01];
    let ndp = one.run(|| NdpSocket::open("eth0").unwrap());
    let capture = capture(&other);
    // A neighbour that was elsewhere a moment ago.
    let elsewhere = "02:42:ac:1b:00:99";
    other.ip(&format!(
        "neighbour replace {own} lladdr {elsewhere} dev eth0 nud stale"
    ));
    ndp.unsolicited_advertisement(own, mac).unwrap();
    assert_eq!(
        receive_frame(&capture, |frame| frame[54] == 136),
        unsolicited_advertisement_frame(own, mac)
    );
    // The kernel, which checks hop limit, checksum and lengths, believes it: Override.
    other.wait_until("-6 neighbour show dev eth0", |shown| {
        shown.contains(&format!("{own} lladdr 02:42:ac:1b:00:01 router"))
    });
}

#[test]
fn what_cannot_be_sent_is_an_error_and_the_socket_survives_it() {
    if !is_root("what_cannot_be_sent_is_an_error_and_the_socket_survives_it") {
        return;
    }
    let (one, other) = Namespace::pair();
    let source = one.link_local("eth0");
    let (sender, receiver) = (open(&one), open(&other));
    let ndp = one.run(|| NdpSocket::open("eth0").unwrap());
    assert!(sender.send(source.into(), GROUP, &[0; 65_536]).is_err());
    one.ip("link set eth0 down");
    assert!(sender.send(source.into(), GROUP, PAYLOAD).is_err());
    assert!(
        ndp.unsolicited_advertisement(source, [2, 0, 0, 0, 0, 1])
            .is_err()
    );

    one.ip("link set eth0 up");
    one.wait_until("link show eth0", |output| output.contains("LOWER_UP"));
    let source = one.link_local("eth0");
    sender.send(source.into(), GROUP, PAYLOAD).unwrap();
    let mut ear = Ear::new(&receiver);
    assert_eq!(ear.receive().payload, PAYLOAD);
}

#[test]
fn opening_says_what_is_missing() {
    if !is_root("opening_says_what_is_missing") {
        return;
    }
    let (one, _other) = Namespace::pair();
    let (no_socket, no_ndp) = one.run(|| {
        (
            VrrpSocket::open("eth1", Family::V6),
            NdpSocket::open("eth1"),
        )
    });
    assert!(
        matches!(no_socket, Err(OpenSocketError::NoSuchInterface { .. })),
        "{no_socket:?}"
    );
    assert!(
        matches!(no_ndp, Err(OpenSocketError::NoSuchInterface { .. })),
        "{no_ndp:?}"
    );
}

/// Sends datagrams behind IPv6 headers of its own making.
struct Forger {
    socket: Socket,
    source: Ipv6Addr,
}

impl Forger {
    fn new(namespace: &Namespace, source: Ipv6Addr) -> Self {
        let open = || {
            let socket = Socket::new(
                Domain::IPV6,
                Type::RAW,
                Some(Protocol::from(libc::IPPROTO_RAW)),
            )?;
            socket.bind_device(Some(b"eth0"))?;
            Ok::<_, std::io::Error>(socket)
        };
        Self {
            socket: namespace.run(open).unwrap(),
            source,
        }
    }

    fn send(&self, hop_limit: u8, next_header: u8, payload: &[u8]) {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        let mut datagram = vec![0x60, 0, 0, 0, length[0], length[1], next_header, hop_limit];
        datagram.extend(self.source.octets());
        datagram.extend(MULTICAST_IPV6.octets());
        datagram.extend(payload);
        let group = SocketAddrV6::new(MULTICAST_IPV6, 0, 0, 0);
        let sent = self.socket.send_to(&datagram, &group.into()).unwrap();
        assert_eq!(sent, datagram.len());
    }
}

fn open(namespace: &Namespace) -> VrrpSocket {
    namespace.run(|| VrrpSocket::open("eth0", Family::V6).unwrap())
}

/// Every IPv6 frame from now on.
fn capture(namespace: &Namespace) -> Socket {
    namespace.run(|| {
        let ipv6_frames = Protocol::from(i32::from(0x86DD_u16.to_be()));
        Socket::new(Domain::PACKET, Type::RAW, Some(ipv6_frames)).unwrap()
    })
}
