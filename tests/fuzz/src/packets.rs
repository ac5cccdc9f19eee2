//! Whatever arrives is read without a panic, and what is read can be written again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vrrp::packet::{Advertisement, MULTICAST_IPV4, MULTICAST_IPV6, PROTOCOL};
use vrrp::{Discard, Version};

const SOURCE_IPV4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const SOURCE_IPV6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// Reads a message, and holds what comes out to the round trip.
///
/// The first byte says how: bit 0 is the family, bit 1 makes the checksum right, because no fuzzer would
/// guess it, and bit 2 does so with a pseudo-header. The message is the rest. `None` without a first byte.
///
/// # Panics
/// When a promise is broken.
pub fn packets(data: &[u8]) -> Option<Result<Advertisement, Discard>> {
    let (&how, message) = data.split_first()?;
    let (source, destination): (IpAddr, IpAddr) = if how & 1 == 0 {
        (SOURCE_IPV4.into(), MULTICAST_IPV4.into())
    } else {
        (SOURCE_IPV6.into(), MULTICAST_IPV6.into())
    };
    let mut message = message.to_vec();
    if how & 2 != 0 {
        correct(
            &mut message,
            (how & 4 != 0).then_some((source, destination)),
        );
    }
    let result = Advertisement::parse(&message, source, destination);
    if let Ok(advertisement) = &result {
        let written = advertisement.emit(source, destination);
        assert_eq!(written.len(), advertisement.buffer_len());
        let again = Advertisement::parse(&written, source, destination);
        assert_eq!(
            again.as_ref(),
            Ok(advertisement),
            "{message:02x?} became {written:02x?}"
        );
        assert_eq!(
            what_counts(&message, advertisement.version),
            what_counts(&written, advertisement.version)
        );
    }
    Some(result)
}

/// The message without its checksum and what a receiver ignores: the reserved nibble (RFC 9568 §5.2.6) and, in v2, the
/// authentication data (RFC 3768 §5.3.10).
fn what_counts(message: &[u8], version: Version) -> Vec<u8> {
    let mut rest = message.to_vec();
    rest[6..8].fill(0);
    match version {
        Version::V2 => rest.truncate(rest.len() - 8),
        Version::V3 => rest[4] &= 0xf,
    }
    rest
}

/// Writes the checksum (RFC 1071) where it belongs.
fn correct(message: &mut [u8], pseudo_header: Option<(IpAddr, IpAddr)>) {
    let Some(checksum) = message.get_mut(6..8) else {
        return;
    };
    checksum.fill(0);
    let mut covered = message.to_vec();
    if covered.len() % 2 == 1 {
        covered.push(0);
    }
    if let Some((source, destination)) = pseudo_header {
        for address in [source, destination] {
            match address {
                IpAddr::V4(address) => covered.extend(address.octets()),
                IpAddr::V6(address) => covered.extend(address.octets()),
            }
        }
        let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
        covered.extend(length.to_be_bytes());
        covered.extend([0, PROTOCOL]);
    }
    let words = covered.as_chunks::<2>().0.iter();
    let mut sum: u64 = words.map(|word| u64::from(u16::from_be_bytes(*word))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = u16::try_from(sum).unwrap_or(u16::MAX);
    message[6..8].copy_from_slice(&(!sum).to_be_bytes());
}
