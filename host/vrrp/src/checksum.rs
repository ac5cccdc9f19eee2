//! The Internet checksum (RFC 1071) and the pseudo-headers that VRRP may put under it.

use core::net::IpAddr;

use crate::packet::PROTOCOL;

/// A one's complement sum of 16-bit words in network order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum(u64);

impl Sum {
    /// Adds `bytes`, padded with a zero to whole words.
    pub(crate) fn add(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<2>();
        let words: u64 = words
            .iter()
            .map(|word| u64::from(u16::from_be_bytes(*word)))
            .sum();
        let rest: u64 = rest.iter().map(|byte| u64::from(*byte) << 8).sum();
        Self(self.0 + words + rest)
    }

    /// The value for the checksum field, when the sum was taken with zeros there.
    pub(crate) fn checksum(self) -> u16 {
        !self.folded()
    }

    /// Whether the sum, taken with the checksum in its field, says that the message is intact.
    pub(crate) fn is_intact(self) -> bool {
        self.folded() == u16::MAX
    }

    fn folded(self) -> u16 {
        let mut sum = self.0;
        loop {
            match u16::try_from(sum) {
                Ok(folded) => return folded,
                Err(_) => sum = (sum >> 16) + (sum & 0xffff),
            }
        }
    }
}

/// The sum of the pseudo-header of a VRRP message of `length` bytes (RFC 5798 §5.2.8 for IPv4,
/// RFC 8200 §8.1 for IPv6); `None` when the addresses are of different families.
pub(crate) fn pseudo_header(source: IpAddr, destination: IpAddr, length: usize) -> Option<Sum> {
    let sum = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => Sum::default()
            .add(&source.octets())
            .add(&destination.octets()),
        (IpAddr::V6(source), IpAddr::V6(destination)) => Sum::default()
            .add(&source.octets())
            .add(&destination.octets()),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
    };
    // IPv4 has a 16-bit length and IPv6 a 32-bit one; the sum of the words is the same.
    let length = u32::try_from(length).ok()?;
    Some(sum.add(&[0, PROTOCOL]).add(&length.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_of_rfc_1071() {
        let sum = Sum::default().add(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.folded(), 0xddf2);
        assert_eq!(sum.checksum(), 0x220d);
    }

    #[test]
    fn odd_length_is_padded() {
        assert_eq!(Sum::default().add(&[0x12]).folded(), 0x1200);
        assert_eq!(Sum::default().add(&[]).checksum(), 0xffff);
    }

    #[test]
    fn families_do_not_mix() {
        let v4 = IpAddr::from([10, 0, 0, 1]);
        let v6 = IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]);
        assert!(pseudo_header(v4, v6, 12).is_none());
        assert!(pseudo_header(v6, v4, 12).is_none());
    }
}
