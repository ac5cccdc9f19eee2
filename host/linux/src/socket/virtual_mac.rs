//! Datagrams of which the Ethernet source is a virtual MAC (RFC 9568 §7.2): whole frames of ours, because the kernel would
//! put the interface's own MAC into them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pnet_base::MacAddr;
use pnet_packet::ethernet::{EtherType, EtherTypes, MutableEthernetPacket};
use pnet_packet::ip::IpNextHeaderProtocol;
use pnet_packet::ipv4::{self, Ipv4Flags, MutableIpv4Packet};
use pnet_packet::ipv6::MutableIpv6Packet;
use smallvec::SmallVec;
use vrrp::packet::{PROTOCOL, TTL};

use super::{INTERNETWORK_CONTROL, OpenSocketError};
use crate::packet_socket::PacketSocket;

/// Sends VRRP datagrams to a group, from a virtual MAC; it receives nothing.
///
/// Like [`VrrpSocket`](super::VrrpSocket) it belongs to the interface that had the name when it was opened.
#[derive(Debug)]
pub struct VirtualMacSocket(PacketSocket);

impl VirtualMacSocket {
    /// Opens the socket on `interface`, which must exist but may be down. It is the one that the virtual router speaks on, not its macvlan.
    ///
    /// # Errors
    ///
    /// See [`OpenSocketError`]; needs `CAP_NET_RAW`.
    pub fn open(interface: &str) -> Result<Self, OpenSocketError> {
        PacketSocket::open(interface).map(Self)
    }

    /// Sends `payload` from `source` at `mac` to the group `destination`, with TTL or hop limit 255. Never blocks.
    ///
    /// # Errors
    ///
    /// What the kernel reports: `ENETDOWN` when the interface is down, `ENXIO` when it is gone, `EMSGSIZE` when the frame is longer than its links
    /// takes, `WouldBlock` when its queue is full; `InvalidInput` when the addresses are not of one family, `destination` is no
    /// group, or the payload is too long for a datagram.
    pub fn send(
        &self,
        mac: [u8; 6],
        source: IpAddr,
        destination: IpAddr,
        payload: &[u8],
    ) -> io::Result<()> {
        let frame = match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                frame_v4(mac, source, destination, payload)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                frame_v6(mac, source, destination, payload)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        };
        let frame = frame.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "such a datagram cannot be sent to a group",
            )
        })?;
        self.0.send(&frame)
    }
}

/// A frame. Nothing is allocated for one with a usual number of addresses.
type Frame = SmallVec<[u8; 256]>;

const ETHERNET_HEADER_LENGTH: usize = 14;
const IPV4_HEADER_LENGTH: usize = 20;
const IPV6_HEADER_LENGTH: usize = 40;

fn frame_v4(
    mac: [u8; 6],
    source: Ipv4Addr,
    destination: Ipv4Addr,
    payload: &[u8],
) -> Option<Frame> {
    if !destination.is_multicast() {
        return None;
    }
    let total_length = u16::try_from(IPV4_HEADER_LENGTH + payload.len()).ok()?;
    // RFC 1112 §6.4
    let [_, a, b, c] = destination.octets();
    let group = MacAddr(0x01, 0x00, 0x5E, a & 0x7F, b, c);
    let mut frame = frame(mac, group, EtherTypes::Ipv4, IPV4_HEADER_LENGTH, payload);
    let mut header = MutableIpv4Packet::new(frame.get_mut(ETHERNET_HEADER_LENGTH..)?)?;
    header.set_version(4);
    header.set_header_length(5);
    header.set_dscp(INTERNETWORK_CONTROL >> 2);
    header.set_total_length(total_length);
    // A datagram that is never fragmented needs no identification (RFC 6864 §4.1).
    header.set_flags(Ipv4Flags::DontFragment);
    header.set_ttl(TTL);
    header.set_next_level_protocol(IpNextHeaderProtocol(PROTOCOL));
    header.set_source(source);
    header.set_destination(destination);
    let checksum = ipv4::checksum(&header.to_immutable());
    header.set_checksum(checksum);
    Some(frame)
}

fn frame_v6(
    mac: [u8; 6],
    source: Ipv6Addr,
    destination: Ipv6Addr,
    payload: &[u8],
) -> Option<Frame> {
    if !destination.is_multicast() {
        return None;
    }
    let payload_length = u16::try_from(payload.len()).ok()?;
    // RFC 2464 §7
    let [.., a, b, c, d] = destination.octets();
    let group = MacAddr(0x33, 0x33, a, b, c, d);
    let mut frame = frame(mac, group, EtherTypes::Ipv6, IPV6_HEADER_LENGTH, payload);
    let mut header = MutableIpv6Packet::new(frame.get_mut(ETHERNET_HEADER_LENGTH..)?)?;
    header.set_version(6);
    header.set_traffic_class(INTERNETWORK_CONTROL);
    header.set_payload_length(payload_length);
    header.set_next_header(IpNextHeaderProtocol(PROTOCOL));
    header.set_hop_limit(TTL);
    header.set_source(source);
    header.set_destination(destination);
    Some(frame)
}

/// A frame with room for an IP header before the payload.
fn frame(
    mac: [u8; 6],
    group: MacAddr,
    kind: EtherType,
    header_length: usize,
    payload: &[u8],
) -> Frame {
    let mut frame = Frame::from_elem(0, ETHERNET_HEADER_LENGTH + header_length);
    frame.extend_from_slice(payload);
    let mut ethernet = MutableEthernetPacket::new(&mut frame)
        .expect("the frame is longer than an Ethernet header");
    ethernet.set_destination(group);
    ethernet.set_source(MacAddr::from(mac));
    ethernet.set_ethertype(kind);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use vrrp::packet::{MULTICAST_IPV4, MULTICAST_IPV6};

    const MAC: [u8; 6] = [0x00, 0x00, 0x5E, 0x00, 0x01, 0x33];
    const SOURCE: Ipv4Addr = Ipv4Addr::new(172, 27, 0, 1);

    #[test]
    fn frame_bytes_v4() {
        let frame = frame_v4(MAC, SOURCE, MULTICAST_IPV4, &[0x31, 51, 100]).unwrap();
        assert_eq!(
            frame.as_slice(),
            [
                0x01, 0x00, 0x5E, 0x00, 0x00, 0x12, // to the group
                0x00, 0x00, 0x5E, 0x00, 0x01, 0x33, // from the virtual MAC
                0x08, 0x00, // IPv4
                0x45, 0xC0, 0, 23, // version and IHL, TOS, total length
                0, 0, 0x40, 0, // identification, do not fragment
                255, 112, 0xEE, 0x87, // TTL, protocol, checksum
                172, 27, 0, 1, // source
                224, 0, 0, 18, // destination
                0x31, 51, 100,
            ]
        );
    }

    #[test]
    fn frame_bytes_v6() {
        let source = "fe80::1".parse().unwrap();
        let frame = frame_v6(MAC, source, MULTICAST_IPV6, &[0x31, 51, 100]).unwrap();
        assert_eq!(
            frame.as_slice(),
            [
                0x33, 0x33, 0, 0, 0, 0x12, // to the group
                0x00, 0x00, 0x5E, 0x00, 0x01, 0x33, // from the virtual MAC
                0x86, 0xDD, // IPv6
                0x6C, 0, 0, 0, 0, 3, 112,
                255, // version, class, payload length, protocol, hop limit
                0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, // source
                0xFF, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, // destination
                0x31, 51, 100,
            ]
        );
    }

    #[test]
    fn only_a_group_has_a_mac_that_is_known() {
        assert_eq!(frame_v4(MAC, SOURCE, SOURCE, &[]), None);
        let address = "fe80::1".parse().unwrap();
        assert_eq!(frame_v6(MAC, address, address, &[]), None);
    }

    #[test]
    fn a_payload_that_no_datagram_holds_has_no_frame() {
        assert!(frame_v4(MAC, SOURCE, MULTICAST_IPV4, &[0; 65_515]).is_some());
        assert!(frame_v4(MAC, SOURCE, MULTICAST_IPV4, &[0; 65_516]).is_none());
        let source = "fe80::1".parse().unwrap();
        assert!(frame_v6(MAC, source, MULTICAST_IPV6, &[0; 65_536]).is_none());
    }
}
