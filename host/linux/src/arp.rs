//! Gratuitous ARP: tells hosts and switches of a link who has an IPv4 address now (RFC 9568 §6.4.2 (395), RFC 5227 §3).

use std::io;
use std::net::Ipv4Addr;

use pnet_base::MacAddr;
use pnet_packet::arp::{ArpHardwareTypes, ArpOperations, MutableArpPacket};
use pnet_packet::ethernet::{EtherTypes, MutableEthernetPacket};

use crate::packet_socket::PacketSocket;
use crate::socket::OpenSocketError;

/// Length of a gratuitous ARP frame: an Ethernet header of 14 bytes and an ARP packet of 28, without padding or checksum.
pub const FRAME_LENGTH: usize = 42;

/// Sends ARP frames on one interface; it receives nothing.
///
/// Like [`VrrpSocket`](crate::socket::VrrpSocket) it belongs to the interface that had the name when it was opened.
#[derive(Debug)]
pub struct ArpSocket(PacketSocket);

impl ArpSocket {
    /// Opens the socket on `interface`, which must exist but may be down.
    ///
    /// # Errors
    ///
    /// See [`OpenSocketError`]; needs `CAP_NET_RAW`.
    pub fn open(interface: &str) -> Result<Self, OpenSocketError> {
        PacketSocket::open(interface).map(Self)
    }

    /// Broadcasts that `address` is at `mac`. Never blocks.
    ///
    /// # Errors
    ///
    /// What the kernel reports: `ENETDOWN` when the interface is down, `ENXIO` when it is gone, `WouldBlock` when its queue is full.
    pub fn gratuitous_arp(&self, address: Ipv4Addr, mac: [u8; 6]) -> io::Result<()> {
        self.0.send(&gratuitous_arp_frame(address, mac))
    }
}

/// An ARP announcement: a broadcast request that asks for `address` in the name of `address`, from `mac`.
///
/// The target hardware address means nothing in a request (RFC 826); it is the broadcast address, as keepalived sends it,
/// since that is what networks with VRRP have been tested against.
pub fn gratuitous_arp_frame(address: Ipv4Addr, mac: [u8; 6]) -> [u8; FRAME_LENGTH] {
    let mac = MacAddr::from(mac);
    let mut frame = [0; FRAME_LENGTH];
    let (ethernet_bytes, arp_bytes) =
        frame.split_at_mut(MutableEthernetPacket::minimum_packet_size());

    let mut ethernet = MutableEthernetPacket::new(ethernet_bytes)
        .expect("the slice is as long as an Ethernet header");
    ethernet.set_destination(MacAddr::broadcast());
    ethernet.set_source(mac);
    ethernet.set_ethertype(EtherTypes::Arp);

    let mut arp = MutableArpPacket::new(arp_bytes)
        .expect("42 bytes less an Ethernet header are an ARP packet");
    arp.set_hardware_type(ArpHardwareTypes::Ethernet);
    arp.set_protocol_type(EtherTypes::Ipv4);
    arp.set_hw_addr_len(6);
    arp.set_proto_addr_len(4);
    arp.set_operation(ArpOperations::Request);
    arp.set_sender_hw_addr(mac);
    arp.set_sender_proto_addr(address);
    arp.set_target_hw_addr(MacAddr::broadcast());
    arp.set_target_proto_addr(address);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_bytes() {
        let mac = [0x02, 0x42, 0xAC, 0x1B, 0x00, 0x01];
        let frame = gratuitous_arp_frame(Ipv4Addr::new(172, 27, 0, 247), mac);
        assert_eq!(
            frame,
            [
                0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, // to everyone
                0x02, 0x42, 0xAC, 0x1B, 0x00, 0x01, // from us
                0x08, 0x06, // ARP
                0x00, 0x01, 0x08, 0x00, 6, 4, // Ethernet and IPv4 addresses
                0x00, 0x01, // request
                0x02, 0x42, 0xAC, 0x1B, 0x00, 0x01, 172, 27, 0, 247, // sender
                0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 172, 27, 0, 247, // target
            ]
        );
    }
}
