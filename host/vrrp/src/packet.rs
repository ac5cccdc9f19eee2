//! VRRP advertisements on the wire.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU8;
use core::ops::Range;
use core::time::Duration;

use crate::authentication::TRAILER_LEN;
use crate::checksum::{Sum, pseudo_header};
use crate::{AuthenticationError, ChecksumForm, Discard, Password, Version, VirtualRouterId};

/// IP protocol number and IPv6 next header of VRRP (RFC 9568 §5.1.1.4).
pub const PROTOCOL: u8 = 112;

/// TTL and hop limit of every advertisement (RFC 9568 §5.1.1.3).
pub const TTL: u8 = 255;

/// Destination of advertisements over IPv4 (RFC 9568 §5.1.1.2).
pub const MULTICAST_IPV4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// Destination of advertisements over IPv6 (RFC 9568 §5.1.2.2).
pub const MULTICAST_IPV6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// An advertisement.
///
/// Version 3 (RFC 9568 §5.1), over IPv4 or IPv6:
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------+-------+---------------+---------------+---------------+
/// |Version| Type=1| Virtual Rtr ID|   Priority    | Address Count |
/// +-------+-------+---------------+---------------+---------------+
/// |Reserve| Max Advertise Interval|           Checksum            |
/// +-------+-----------------------+-------------------------------+
/// |            Address Count addresses of 4 or 16 bytes           |
/// +---------------------------------------------------------------+
/// ```
///
/// Version 2 (RFC 3768 §5.1), over IPv4:
///
/// ```text
/// +-------+-------+---------------+---------------+---------------+
/// |Version| Type=1| Virtual Rtr ID|   Priority    | Address Count |
/// +-------+-------+---------------+---------------+---------------+
/// |   Auth Type   |   Adver Int   |           Checksum            |
/// +---------------+---------------+-------------------------------+
/// |                Address Count addresses of 4 bytes             |
/// +---------------------------------------------------------------+
/// |    Authentication Data: 8 bytes, ignored when Auth Type is 0  |
/// +---------------------------------------------------------------+
/// ```
///
/// Auth Type is 0, or as in RFC 2338 §5.3.6 it is 1 and the Authentication Data is a password. What may follow behind
/// all that, the module `authentication` describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// Version; 2 has no IPv6.
    pub version: Version,
    /// The virtual router it speaks for.
    pub virtual_router_id: VirtualRouterId,
    /// Priority of its sender; 0 when it gives the addresses away.
    pub priority: u8,
    /// Time between its sender's advertisements: 1 s to 255 s in v2, 10 ms to 40.95 s in v3.
    pub interval: Duration,
    /// Form of the checksum. Only v3 over IPv4 has two of them, elsewhere this is [`ChecksumForm::Rfc9568`].
    /// An IPv4 checksum that is right in both forms counts as that one, too.
    pub checksum: ChecksumForm,
    /// The virtual router's addresses: 0 to 255, of the family of the IP header. None is an error where any are configured
    /// (erratum 8299).
    pub addresses: Vec<IpAddr>,
    /// The password in it; only v2 has room for one.
    pub password: Option<Password>,
}

const TYPE_ADVERTISEMENT: u8 = 1;
const HEADER_LEN: usize = 8;
const V2_AUTHENTICATION_LEN: usize = 8;
/// Where the checksum is.
pub(crate) const CHECKSUM: Range<usize> = 6..8;
const NO_AUTHENTICATION: u8 = 0;
/// RFC 2338 §5.3.6: simple text password.
const PASSWORD: u8 = 1;
const MAX_ADDRESSES: usize = 255;
/// Twelve bits.
const MAX_CENTISECONDS: u16 = 0xfff;

impl Advertisement {
    /// Reads what follows the IP header and makes all checks that need no configuration.
    ///
    /// `source` and `destination` are those of the IP header: their family is that of the addresses, and a checksum may cover them.
    ///
    /// # Errors
    /// The first check that failed. [`Discard::Version`] stands for an unknown version, or version 2 over IPv6.
    pub fn parse(payload: &[u8], source: IpAddr, destination: IpAddr) -> Result<Self, Discard> {
        Self::parse_covered(payload, payload, (source, destination), Vec::new())
    }

    /// As [`parse`](Self::parse), for a payload that may be signed: the trailer is left out of the message, and not verified.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_signed(
        payload: &[u8],
        source: IpAddr,
        destination: IpAddr,
    ) -> Result<Self, Discard> {
        let message = split_trailer(payload, source).map_or(payload, |(message, _)| message);
        let covered = covered(message, payload, source);
        Self::parse_covered(message, covered, (source, destination), Vec::new())
    }

    /// As [`parse`](Self::parse), for a `message` with a checksum that covers it and maybe more. The list `addresses` is
    /// filled anew: whoever parses one after the other hands on the same, and nothing is allocated.
    pub(crate) fn parse_covered(
        message: &[u8],
        covered: &[u8],
        (source, destination): (IpAddr, IpAddr),
        mut addresses: Vec<IpAddr>,
    ) -> Result<Self, Discard> {
        let (version, address_len) = check_version_and_type(message, source)?;
        let too_short = Discard::Length {
            expected: HEADER_LEN + authentication_len(version),
            actual: message.len(),
        };
        let (header, rest) = message.split_first_chunk::<HEADER_LEN>().ok_or(too_short)?;
        let &[_, virtual_router_id, priority, count, word, low, _, _] = header;

        let addresses_len = usize::from(count) * address_len;
        let expected = HEADER_LEN + addresses_len + authentication_len(version);
        if message.len() != expected {
            return Err(Discard::Length {
                expected,
                actual: message.len(),
            });
        }
        let checksum = verify_checksum(covered, version, source, destination)?;
        let virtual_router_id = NonZeroU8::new(virtual_router_id)
            .map(VirtualRouterId)
            .ok_or(Discard::VirtualRouterId(0))?;
        let interval = match version {
            Version::V2 => Duration::from_secs(u64::from(low)),
            Version::V3 => {
                let centiseconds = u16::from_be_bytes([word, low]) & MAX_CENTISECONDS;
                Duration::from_millis(u64::from(centiseconds) * 10)
            }
        };
        if interval.is_zero() {
            return Err(Discard::ZeroInterval);
        }
        let (listed, authentication) = rest.split_at_checked(addresses_len).unwrap_or_default();
        read_addresses(listed, source, &mut addresses);
        if let Some(IpAddr::V6(first)) = addresses.first()
            && !first.is_unicast_link_local()
        {
            return Err(Discard::NotLinkLocal);
        }
        let password = match (version, word) {
            (Version::V3, _) | (Version::V2, NO_AUTHENTICATION) => None,
            (Version::V2, PASSWORD) => Some(Password::new(authentication)),
            (Version::V2, _) => return Err(AuthenticationError::Type(word).into()),
        };
        Ok(Self {
            version,
            virtual_router_id,
            priority,
            interval,
            checksum,
            addresses,
            password,
        })
    }

    /// Length of what [`emit`](Self::emit) returns, in bytes.
    pub fn buffer_len(&self) -> usize {
        let addresses: usize = self.sent_addresses().map(address_len).sum();
        HEADER_LEN + addresses + authentication_len(self.version)
    }

    /// Writes the message that follows an IP header with this `source` and `destination`.
    ///
    /// What does not fit the wire is brought to the nearest value that does: intervals to their range, addresses to the first 255.
    pub fn emit(&self, source: IpAddr, destination: IpAddr) -> Vec<u8> {
        let mut message = Vec::with_capacity(self.buffer_len());
        let count = u8::try_from(self.sent_addresses().count()).unwrap_or(u8::MAX);
        message.extend([
            version_number(self.version) << 4 | TYPE_ADVERTISEMENT,
            self.virtual_router_id.0.get(),
            self.priority,
            count,
        ]);
        message.extend(self.interval_on_wire());
        message.extend([0, 0]);
        for address in self.sent_addresses() {
            match address {
                IpAddr::V4(address) => message.extend(address.octets()),
                IpAddr::V6(address) => message.extend(address.octets()),
            }
        }
        match (self.version, &self.password) {
            (Version::V2, Some(password)) => message.extend(password.expose()),
            (Version::V2, None) => message.extend([0; V2_AUTHENTICATION_LEN]),
            (Version::V3, _) => {}
        }

        let covered = pseudo_header_in(self.version, self.checksum, source)
            .then(|| pseudo_header(source, destination, message.len()))
            .flatten()
            .unwrap_or_default();
        let checksum = covered.add(&message).checksum();
        write_checksum(&mut message, checksum);
        message
    }

    fn sent_addresses(&self) -> impl Iterator<Item = &IpAddr> {
        self.addresses.iter().take(MAX_ADDRESSES)
    }

    fn interval_on_wire(&self) -> [u8; 2] {
        match self.version {
            Version::V2 => {
                let seconds = u8::try_from(self.interval.as_secs()).unwrap_or(u8::MAX);
                let authentication_type = match self.password {
                    Some(_) => PASSWORD,
                    None => NO_AUTHENTICATION,
                };
                [authentication_type, seconds.max(1)]
            }
            Version::V3 => {
                let centiseconds = u16::try_from(self.interval.as_millis() / 10);
                centiseconds
                    .unwrap_or(MAX_CENTISECONDS)
                    .clamp(1, MAX_CENTISECONDS)
                    .to_be_bytes()
            }
        }
    }
}

/// What the checksum of a message with a trailer covers: over IPv4 it ends where the message does.
pub(crate) fn covered<'a>(message: &'a [u8], payload: &'a [u8], source: IpAddr) -> &'a [u8] {
    match source {
        IpAddr::V4(_) => message,
        IpAddr::V6(_) => payload,
    }
}

/// Takes a payload that may be anything apart into a message and what follows it, when that is as long as a trailer.
pub(crate) fn split_trailer(payload: &[u8], source: IpAddr) -> Option<(&[u8], &[u8; TRAILER_LEN])> {
    let (version, address_len) = check_version_and_type(payload, source).ok()?;
    let count = usize::from(*payload.get(3)?);
    let message_len = HEADER_LEN + count * address_len + authentication_len(version);
    let (message, rest) = payload.split_at_checked(message_len)?;
    Some((message, rest.try_into().ok()?))
}

/// Brings the checksum of a message in line with the trailer that was put behind it: over IPv6 it covers both, over IPv4
/// it stays what it was.
pub(crate) fn checksum_with_trailer(datagram: &mut [u8], source: IpAddr, destination: IpAddr) {
    if source.is_ipv4() {
        return;
    }
    write_checksum(datagram, 0);
    let header = pseudo_header(source, destination, datagram.len()).unwrap_or_default();
    let checksum = header.add(datagram).checksum();
    write_checksum(datagram, checksum);
}

fn write_checksum(message: &mut [u8], checksum: u16) {
    let field = message.iter_mut().skip(CHECKSUM.start);
    for (to, from) in field.zip(checksum.to_be_bytes()) {
        *to = from;
    }
}

/// The VRID field of a payload that may be anything.
pub(crate) fn peek_virtual_router_id(payload: &[u8]) -> Option<VirtualRouterId> {
    payload
        .get(1)
        .copied()
        .and_then(NonZeroU8::new)
        .map(VirtualRouterId)
}

pub(crate) fn version_number(version: Version) -> u8 {
    match version {
        Version::V2 => 2,
        Version::V3 => 3,
    }
}

fn check_version_and_type(payload: &[u8], source: IpAddr) -> Result<(Version, usize), Discard> {
    let first = *payload.first().ok_or(Discard::Length {
        expected: HEADER_LEN,
        actual: 0,
    })?;
    let version = match (first >> 4, source) {
        (2, IpAddr::V4(_)) => Version::V2,
        (3, _) => Version::V3,
        (unknown, _) => return Err(Discard::Version(unknown)),
    };
    match first & 0xf {
        TYPE_ADVERTISEMENT => Ok((version, address_len(&source))),
        unknown => Err(Discard::Type(unknown)),
    }
}

fn address_len(address: &IpAddr) -> usize {
    match address {
        IpAddr::V4(_) => 4,
        IpAddr::V6(_) => 16,
    }
}

fn authentication_len(version: Version) -> usize {
    match version {
        Version::V2 => V2_AUTHENTICATION_LEN,
        Version::V3 => 0,
    }
}

fn pseudo_header_in(version: Version, form: ChecksumForm, source: IpAddr) -> bool {
    match (version, source) {
        (Version::V2, _) => false,
        (Version::V3, IpAddr::V6(_)) => true,
        (Version::V3, IpAddr::V4(_)) => form == ChecksumForm::Rfc5798,
    }
}

fn verify_checksum(
    covered: &[u8],
    version: Version,
    source: IpAddr,
    destination: IpAddr,
) -> Result<ChecksumForm, Discard> {
    let plain = Sum::default().add(covered);
    let with_pseudo_header = || {
        pseudo_header(source, destination, covered.len())
            .is_some_and(|header| header.add(covered).is_intact())
    };
    for form in [ChecksumForm::Rfc9568, ChecksumForm::Rfc5798] {
        let intact = if pseudo_header_in(version, form, source) {
            with_pseudo_header()
        } else {
            plain.is_intact()
        };
        if intact {
            return Ok(form);
        }
    }
    Err(Discard::Checksum)
}

fn read_addresses(bytes: &[u8], family: IpAddr, addresses: &mut Vec<IpAddr>) {
    addresses.clear();
    match family {
        IpAddr::V4(_) => {
            let listed = bytes.as_chunks::<4>().0.iter();
            addresses.extend(listed.map(|octets| IpAddr::from(*octets)));
        }
        IpAddr::V6(_) => {
            let listed = bytes.as_chunks::<16>().0.iter();
            addresses.extend(listed.map(|octets| IpAddr::from(*octets)));
        }
    }
}

#[cfg(test)]
mod tests;
