//! The bytes of an echo request and its reply.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     Type      |     Code      |          Checksum             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           Identifier          |        Sequence Number        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     Data: our cookie ...
//! +-+-+-+-+-
//! ```

use std::hash::{BuildHasher as _, RandomState};

use pnet_packet::icmp::echo_reply::EchoReplyPacket;
use pnet_packet::icmp::echo_request::MutableEchoRequestPacket;
use pnet_packet::icmp::{IcmpType, IcmpTypes};
use pnet_packet::icmpv6::{Icmpv6Type, Icmpv6Types};
use pnet_packet::ipv4::Ipv4Packet;
use pnet_packet::{Packet as _, util};
use socket2::SockFilter;

/// Both versions have the same message, with other types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// What a request says, and its reply repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Echo {
    pub(super) identifier: u16,
    pub(super) sequence: u16,
    pub(super) cookie: [u8; 8],
}

const HEADER: usize = MutableEchoRequestPacket::minimum_packet_size();
const LENGTH: usize = HEADER + 8;

impl Family {
    fn request_type(self) -> u8 {
        match self {
            Self::V4 => {
                let IcmpType(number) = IcmpTypes::EchoRequest;
                number
            }
            Self::V6 => {
                let Icmpv6Type(number) = Icmpv6Types::EchoRequest;
                number
            }
        }
    }

    fn reply_type(self) -> u8 {
        match self {
            Self::V4 => {
                let IcmpType(number) = IcmpTypes::EchoReply;
                number
            }
            Self::V6 => {
                let Icmpv6Type(number) = Icmpv6Types::EchoReply;
                number
            }
        }
    }
}

impl Echo {
    /// The request. The kernel computes the checksum of ICMPv6, which covers addresses that only it knows.
    pub(super) fn request(self, family: Family) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let mut packet =
            MutableEchoRequestPacket::new(&mut bytes).expect("it is longer than the header");
        packet.set_icmp_type(IcmpType(family.request_type()));
        packet.set_identifier(self.identifier);
        packet.set_sequence_number(self.sequence);
        packet.set_payload(&self.cookie);
        if family == Family::V4 {
            let checksum = util::checksum(packet.packet(), 1);
            packet.set_checksum(checksum);
        }
        bytes
    }

    /// What a raw socket received, if it is a reply. IPv4 ones hand over the IP header too (raw(7)); the kernel has looked at
    /// the checksum.
    pub(super) fn read_reply(family: Family, received: &[u8]) -> Option<Self> {
        let message = match family {
            Family::V4 => {
                let header = Ipv4Packet::new(received)?.get_header_length();
                received.get(usize::from(header) * 4..)?
            }
            Family::V6 => received,
        };
        let packet = EchoReplyPacket::new(message)?;
        let IcmpType(number) = packet.get_icmp_type();
        if number != family.reply_type() {
            return None;
        }
        Some(Self {
            identifier: packet.get_identifier(),
            sequence: packet.get_sequence_number(),
            cookie: message.get(HEADER..LENGTH)?.try_into().ok()?,
        })
    }
}

/// Lets echo replies with this identifier through, and nothing else: every raw socket gets a copy of whatever ICMP comes to the host.
pub(super) fn filter(family: Family, identifier: u16) -> Vec<SockFilter> {
    // Classic BPF (linux/filter.h): load a byte or half a word, from here or from where X points; jump if equal; return.
    const LOAD_HEADER_LENGTH: u16 = 0xb1;
    const LOAD_BYTE: u16 = 0x30;
    const LOAD_BYTE_AT_X: u16 = 0x50;
    const LOAD_HALF: u16 = 0x28;
    const LOAD_HALF_AT_X: u16 = 0x48;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const TYPE: u32 = 0;
    const IDENTIFIER: u32 = 4;
    let op = |code, argument| SockFilter::new(code, 0, 0, argument);
    let (start, byte, half) = match family {
        // X becomes the length of the IP header.
        Family::V4 => (
            Some(op(LOAD_HEADER_LENGTH, 0)),
            LOAD_BYTE_AT_X,
            LOAD_HALF_AT_X,
        ),
        Family::V6 => (None, LOAD_BYTE, LOAD_HALF),
    };
    let rest = [
        op(byte, TYPE),
        SockFilter::new(JUMP_IF_EQUAL, 0, 3, family.reply_type().into()),
        op(half, IDENTIFIER),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, identifier.into()),
        op(RETURN, u32::MAX),
        op(RETURN, 0),
    ];
    start.into_iter().chain(rest).collect()
}

/// What nobody guesses: the standard library seeds its hash maps from the kernel, against just that.
pub(super) fn random() -> [u8; 8] {
    RandomState::new()
        .hash_one(std::process::id())
        .to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECHO: Echo = Echo {
        identifier: 0x1234,
        sequence: 0xff01,
        cookie: *b"vrrphost",
    };

    /// The answer to a request, as a raw socket receives it.
    fn reply(family: Family) -> Vec<u8> {
        let mut message = ECHO.request(family).to_vec();
        message[0] = family.reply_type();
        match family {
            // With options, 24 bytes long.
            Family::V4 => [[0x46].as_slice(), &[0; 23], &message].concat(),
            Family::V6 => message,
        }
    }

    #[test]
    fn a_request_is_as_rfc_792_draws_it() {
        let bytes = ECHO.request(Family::V4);
        assert_eq!(bytes[..2], [8, 0]);
        assert_eq!(bytes[4..8], [0x12, 0x34, 0xff, 0x01]);
        assert_eq!(&bytes[8..], b"vrrphost");
        // A right checksum makes the sum of all words, itself included, all ones (RFC 1071).
        let words = bytes
            .chunks(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
        let sum: u32 = words.sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);

        let bytes = ECHO.request(Family::V6);
        assert_eq!(bytes[..8], [128, 0, 0, 0, 0x12, 0x34, 0xff, 0x01]);
    }

    #[test]
    fn a_reply_repeats_what_the_request_said() {
        for family in [Family::V4, Family::V6] {
            assert_eq!(Echo::read_reply(family, &reply(family)), Some(ECHO));
            assert_eq!(Echo::read_reply(family, &ECHO.request(family)), None);
        }
    }

    #[test]
    fn every_prefix_of_a_reply_is_none() {
        for family in [Family::V4, Family::V6] {
            let whole = reply(family);
            for length in 0..whole.len() {
                assert_eq!(Echo::read_reply(family, &whole[..length]), None, "{length}");
            }
        }
    }
}
