//! The trailer on the wire; the module above draws it.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::num::NonZeroU8;
use core::time::Duration;

use hmac_sha256::HMAC;
use subtle::ConstantTimeEq;

use super::error::AuthenticationError;
use super::key::{Key, KeyId};
use super::sequence::Sequence;
use crate::Advertise;
use crate::packet::{CHECKSUM, checksum_with_trailer};

/// Bytes that a signature adds to an advertisement.
pub(crate) const TRAILER_LEN: usize = FIELDS_LEN + HMAC_LEN;
const FIELDS_LEN: usize = 12;
const HMAC_LEN: usize = 16;
/// HMAC-SHA256, truncated to 128 bits.
const SCHEME: u8 = 1;

/// What to sign an advertisement with when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    /// The number of the key.
    pub key_id: KeyId,
    /// The key.
    pub key: Key,
    /// How far from the right time receivers still accept a signature.
    pub window: Duration,
}

/// A received trailer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trailer<'a> {
    pub(super) key_id: KeyId,
    pub(super) sequence: Sequence,
    fields: &'a [u8; FIELDS_LEN],
    hmac: &'a [u8; HMAC_LEN],
}

impl<'a> Trailer<'a> {
    /// Whether what follows a message looks like a trailer of a scheme that is known here.
    pub(crate) fn is_one(bytes: &[u8; TRAILER_LEN]) -> bool {
        bytes.starts_with(&[SCHEME])
    }

    /// Reads the fields; whether they are true, [`is_signed_with`](Self::is_signed_with) tells.
    pub(super) fn parse(bytes: &'a [u8; TRAILER_LEN]) -> Result<Self, AuthenticationError> {
        let unknown = |scheme| Err(AuthenticationError::Scheme(scheme));
        let (Some(fields), Some(hmac)) = (bytes.first_chunk::<FIELDS_LEN>(), bytes.last_chunk())
        else {
            return unknown(0);
        };
        let &[scheme, key_id, reserved @ .., _, _, _, _, _, _, _, _] = fields;
        if scheme != SCHEME || reserved != [0, 0] {
            return unknown(scheme);
        }
        let key_id = NonZeroU8::new(key_id).ok_or(AuthenticationError::Key(0))?;
        let number = fields
            .last_chunk::<8>()
            .map_or(0, |number| u64::from_be_bytes(*number));
        Ok(Self {
            key_id: KeyId(key_id),
            sequence: Sequence(number),
            fields,
            hmac,
        })
    }

    /// Whether its sender has `key` and signed this message, to be sent from `source`.
    pub(super) fn is_signed_with(self, key: &Key, source: IpAddr, message: &[u8]) -> bool {
        let expected = digest(key, source, message, self.fields);
        expected.ct_eq(self.hmac).into()
    }
}

/// Appends the payload of an advertisement, with a checksum that fits, and its trailer.
pub(super) fn sign(
    advertise: &Advertise,
    signing: &Signing,
    sequence: Sequence,
    datagram: &mut Vec<u8>,
) {
    let message = &advertise.payload;
    let mut fields = [0; FIELDS_LEN];
    let (head, number) = fields.split_at_mut(FIELDS_LEN - 8);
    for (to, from) in head.iter_mut().zip([SCHEME, signing.key_id.0.get()]) {
        *to = from;
    }
    number.copy_from_slice(&sequence.0.to_be_bytes());
    let hmac = digest(&signing.key, advertise.source, message, &fields);
    let start = datagram.len();
    datagram.extend_from_slice(message);
    datagram.extend(fields);
    datagram.extend(hmac);
    if let Some(signed) = datagram.get_mut(start..) {
        checksum_with_trailer(signed, advertise.source, advertise.destination);
    }
}

fn digest(key: &Key, source: IpAddr, message: &[u8], fields: &[u8; FIELDS_LEN]) -> [u8; HMAC_LEN] {
    let (ip_version, address) = match source {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            (4, [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        }
        IpAddr::V6(address) => (6, address.octets()),
    };
    let version = message.first().map_or(0, |byte| byte >> 4);
    let virtual_router_id = message.get(1).copied().unwrap_or(0);
    let before_checksum = message.get(..CHECKSUM.start).unwrap_or_default();
    let after_checksum = message.get(CHECKSUM.end..).unwrap_or_default();

    let mut hmac = HMAC::new(key.expose());
    hmac.update([ip_version, version, virtual_router_id, 0]);
    hmac.update(address);
    hmac.update(before_checksum);
    hmac.update([0, 0]);
    hmac.update(after_checksum);
    hmac.update(fields);
    hmac.update([0; HMAC_LEN]);
    let digest = hmac.finalize();
    let mut truncated = [0; HMAC_LEN];
    for (to, from) in truncated.iter_mut().zip(digest) {
        *to = from;
    }
    truncated
}
