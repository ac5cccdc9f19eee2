//! Unsolicited neighbour advertisements: what gratuitous ARP is to IPv4 (RFC 9568 §6.4.2, RFC 4861 §7.2.6).

use std::io;
use std::net::Ipv6Addr;

use pnet_base::MacAddr;
use pnet_packet::ethernet::{EtherTypes, MutableEthernetPacket};
use pnet_packet::icmpv6::ndp::{
    MutableNeighborAdvertPacket, NdpOption, NdpOptionTypes, NeighborAdvertFlags,
};
use pnet_packet::icmpv6::{self, Icmpv6Packet, Icmpv6Types};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::MutableIpv6Packet;

use crate::packet_socket::PacketSocket;
use crate::socket::OpenSocketError;

/// Length of the frame of an unsolicited neighbour advertisement: an Ethernet header of 14 bytes, an IPv6 header of 40,
/// the advertisement of 24 and its option of 8.
pub const FRAME_LENGTH: usize = 86;

/// Sends neighbour advertisements on one interface; it receives nothing.
///
/// Like [`VrrpSocket`](crate::socket::VrrpSocket) it belongs to the interface that had the name when it was opened.
#[derive(Debug)]
pub struct NdpSocket(PacketSocket);

impl NdpSocket {
    /// Opens the socket on `interface`, which must exist but may be down.
    ///
    /// # Errors
    ///
    /// See [`OpenSocketError`]; needs `CAP_NET_RAW`.
    pub fn open(interface: &str) -> Result<Self, OpenSocketError> {
        PacketSocket::open(interface).map(Self)
    }

    /// Tells every node of the link that `address`, which the interface must have, is at `mac`. Never blocks.
    ///
    /// # Errors
    ///
    /// What the kernel reports: `ENETDOWN` when the interface is down, `ENXIO` when it is gone, `WouldBlock` when its queue is full.
    pub fn unsolicited_advertisement(&self, address: Ipv6Addr, mac: [u8; 6]) -> io::Result<()> {
        self.0.send(&unsolicited_advertisement_frame(address, mac))
    }
}

/// ff02::1
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Where Ethernet delivers [`ALL_NODES`] (RFC 2464 §7).
const ALL_NODES_MAC: MacAddr = MacAddr(0x33, 0x33, 0, 0, 0, 1);
const ETHERNET_HEADER_LENGTH: usize = 14;
const IPV6_HEADER_LENGTH: usize = 40;
/// ICMPv6 from its type to the end of the option.
const ADVERTISEMENT_LENGTH: u16 = 32;
/// A receiver takes no other for its neighbour's (RFC 4861 §7.1.2).
const HOP_LIMIT: u8 = 255;

/// The frame that tells all nodes of a link that `address` is at `mac`.
///
/// The flags are those that RFC 9568 prescribes: Router, because whoever is Active is the virtual router, also on a host that
/// forwards nothing; Override, because the address was at another MAC before; not Solicited, because nobody asked. It comes
/// from the address itself, as the kernel's own (`ndisc_notify`) do: the source is to be an address of the interface
/// (RFC 4861 §4.4), and this one is there.
pub fn unsolicited_advertisement_frame(address: Ipv6Addr, mac: [u8; 6]) -> [u8; FRAME_LENGTH] {
    let mut frame = [0; FRAME_LENGTH];
    let (ethernet_bytes, rest) = frame.split_at_mut(ETHERNET_HEADER_LENGTH);
    let (ipv6_bytes, advertisement_bytes) = rest.split_at_mut(IPV6_HEADER_LENGTH);

    let mut ethernet = MutableEthernetPacket::new(ethernet_bytes)
        .expect("the slice is as long as an Ethernet header");
    ethernet.set_destination(ALL_NODES_MAC);
    ethernet.set_source(MacAddr::from(mac));
    ethernet.set_ethertype(EtherTypes::Ipv6);

    let mut ipv6 =
        MutableIpv6Packet::new(ipv6_bytes).expect("the slice is as long as an IPv6 header");
    ipv6.set_version(6);
    ipv6.set_payload_length(ADVERTISEMENT_LENGTH);
    ipv6.set_next_header(IpNextHeaderProtocols::Icmpv6);
    ipv6.set_hop_limit(HOP_LIMIT);
    ipv6.set_source(address);
    ipv6.set_destination(ALL_NODES);

    let mut advertisement = MutableNeighborAdvertPacket::new(advertisement_bytes)
        .expect("86 bytes less two headers are a neighbour advertisement");
    advertisement.set_icmpv6_type(Icmpv6Types::NeighborAdvert);
    advertisement.set_flags(NeighborAdvertFlags::Router | NeighborAdvertFlags::Override);
    advertisement.set_target_addr(address);
    advertisement.set_options(&[NdpOption {
        option_type: NdpOptionTypes::TargetLLAddr,
        length: 1, // in units of 8 bytes
        data: mac.to_vec(),
    }]);

    let icmpv6 = Icmpv6Packet::new(advertisement_bytes).expect("the slice is long enough for any");
    let checksum = icmpv6::checksum(&icmpv6, &address, &ALL_NODES);
    let mut advertisement = MutableNeighborAdvertPacket::new(advertisement_bytes)
        .expect("it was long enough a moment ago");
    advertisement.set_checksum(checksum);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_bytes() {
        let mac = [0x02, 0x42, 0xAC, 0x1B, 0x00, 0x01];
        let address = "fe80::51".parse().unwrap();
        let frame = unsolicited_advertisement_frame(address, mac);
        assert_eq!(
            frame,
            [
                0x33, 0x33, 0, 0, 0, 1, // to every node
                0x02, 0x42, 0xAC, 0x1B, 0x00, 0x01, // from us
                0x86, 0xDD, // IPv6
                0x60, 0, 0, 0, 0, 32, 58, 255, // version, payload length, ICMPv6, hop limit
                0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x51, // source
                0xFF, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, // destination
                136, 0, 0x2A, 0x9D, // neighbour advertisement, checksum
                0xA0, 0, 0, 0, // Router and Override
                0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x51, // target
                2, 1, 0x02, 0x42, 0xAC, 0x1B, 0x00, 0x01, // target link-layer address
            ]
        );
    }
}
