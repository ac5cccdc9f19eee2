//! How the routers of a virtual router know each other's advertisements from those of anybody else.
//!
//! RFC 9568 has no authentication: an on-link attacker can do as much harm with ARP. Two kinds are in use all the same.
//!
//! **A password** (RFC 2338 §5.3.6, type 1; version 2 only) stands in clear text in each advertisement. It keeps apart
//! what is configured apart and protects from nothing; it is here for peers that ask for it.
//!
//! **A signature** (draft-cassen-vrrp-auth-hmac, as keepalived 2.4.1 speaks it; both versions, both families) is a
//! trailer of 28 bytes behind the VRRP message:
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+-------------------------------+
//! |   Scheme = 1  |    Key ID     |         Reserved = 0          |
//! +---------------+---------------+-------------------------------+
//! |            Seconds since 1970, modulo 2^32                    |
//! +-------------------------------+-------------------------------+
//! |   Fraction, in 1/65536 s      |            Counter            |
//! +-------------------------------+-------------------------------+
//! |        HMAC-SHA256, the first 16 bytes of 32                  |
//! +---------------------------------------------------------------+
//! ```
//!
//! The HMAC covers, one after the other:
//!
//! 1. a pseudo-header of 20 bytes: IP version (4 or 6), VRRP version, VRID, 0, and the source address of the IP
//!    header in 16 bytes, of which IPv4 fills the first four and leaves the others zero;
//! 2. the VRRP message with zeros in its checksum field;
//! 3. the first 12 bytes of the trailer;
//! 4. 16 zeros, where the HMAC itself stands.
//!
//! Over IPv4 the checksum of the message ends where the message ends; over IPv6, where kernels compute it, it covers the
//! trailer too. Seconds, fraction and counter are one number of 64 bits that grows with every advertisement of a sender:
//! see [`sequence`].

mod error;
mod key;
mod replay;
mod sequence;
mod trailer;

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

pub use self::error::{AuthenticationError, AuthenticationFailure};
pub use self::key::{Key, KeyId, KeyLength, Password};
pub use self::sequence::{Sequence, Signer};
pub use self::trailer::Signing;

pub(crate) use self::replay::HighWaterMarks;
pub(crate) use self::trailer::{TRAILER_LEN, Trailer};

use crate::UnixTime;
use crate::packet::Advertisement;

/// How a virtual router knows its peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Authentication {
    /// It does not, as in RFC 9568. What is signed or has a password is discarded.
    #[default]
    None,
    /// They have the same password (version 2).
    Password(Password),
    /// They sign with keys that only they have.
    Hmac(Hmac),
}

/// Signatures on what is sent, and what becomes of advertisements without a good one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hmac {
    /// How far the roll-out is.
    pub mode: Mode,
    /// The keys that signatures are verified with, each by the number that stands in the trailer.
    pub keys: Vec<(KeyId, Key)>,
    /// The one of them to sign with.
    pub active_key: KeyId,
    /// How far the time of a signature may be from this host's own, in either direction: 1 s to 300 s.
    pub window: Duration,
}

/// The steps on which a cluster comes to signatures without a moment in which its routers do not hear each other.
///
/// A router without keys discards what is signed, because it is too long. So all of them learn to read signatures first,
/// then all of them sign, and then none of them listens to anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Sends without a signature. Verifies what is signed, counts what would be discarded, and accepts it.
    ReceiveOnly,
    /// Signs. Verifies what is signed, counts what would be discarded, and accepts it.
    Permissive,
    /// Signs, and discards what has no good signature.
    Enforce,
}

/// An advertisement with what is needed to tell whether it is authentic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) source: IpAddr,
    pub(crate) advertisement: &'a Advertisement,
    /// The bytes of the advertisement, without the trailer.
    pub(crate) message: &'a [u8],
    pub(crate) trailer: Option<&'a [u8; TRAILER_LEN]>,
    /// When it arrived.
    pub(crate) at: UnixTime,
}

impl Authentication {
    /// The longest distance between clocks that is used when nobody asked for another: three advertisements, and at
    /// least 5 s.
    pub fn default_window(advertisement_interval: Duration) -> Duration {
        (advertisement_interval * 3).clamp(MIN_DEFAULT_WINDOW, MAX_WINDOW)
    }

    /// Whether an advertisement without what is asked for is accepted all the same.
    pub(crate) fn tolerates(&self) -> bool {
        matches!(self, Self::Hmac(hmac) if hmac.mode != Mode::Enforce)
    }

    /// What to put into an advertisement.
    pub(crate) fn password(&self) -> Option<&Password> {
        match self {
            Self::Password(password) => Some(password),
            Self::None | Self::Hmac(_) => None,
        }
    }

    /// What to sign with.
    pub(crate) fn signing(&self) -> Option<Signing> {
        let Self::Hmac(hmac) = self else { return None };
        let (key_id, key) = hmac.keys.iter().find(|(id, _)| *id == hmac.active_key)?;
        (hmac.mode != Mode::ReceiveOnly).then(|| Signing {
            key_id: *key_id,
            key: key.clone(),
            window: hmac.window,
        })
    }

    /// Whether an advertisement comes from somebody who has the password or a key: true when that could be told, false
    /// when nothing is asked for. A sender is remembered in `marks` when its signature is good.
    pub(crate) fn verify(
        &self,
        received: &Received<'_>,
        marks: &mut HighWaterMarks,
    ) -> Result<bool, AuthenticationError> {
        let password = received.advertisement.password.as_ref();
        match (self, password, received.trailer) {
            (Self::None, None, None) => Ok(false),
            (Self::None | Self::Password(_), _, Some(_)) => Err(AuthenticationError::Signed),
            (Self::None | Self::Hmac(_), Some(_), _) => Err(AuthenticationError::Type(PASSWORD)),
            (Self::Password(_) | Self::Hmac(_), None, None) => Err(AuthenticationError::Missing),
            (Self::Password(ours), Some(theirs), None) if ours == theirs => Ok(true),
            (Self::Password(_), Some(_), None) => Err(AuthenticationError::Password),
            (Self::Hmac(hmac), None, Some(trailer)) => {
                hmac.verify(received, trailer, marks).map(|()| true)
            }
        }
    }
}

impl Hmac {
    /// The cheap tests come first: a flood of old captures costs no digests. Nothing is remembered of a sender before its
    /// signature was found to be good.
    fn verify(
        &self,
        received: &Received<'_>,
        trailer: &[u8; TRAILER_LEN],
        marks: &mut HighWaterMarks,
    ) -> Result<(), AuthenticationError> {
        let trailer = Trailer::parse(trailer)?;
        let offset = trailer.sequence.offset_from(received.at);
        if offset.distance > self.window {
            return Err(AuthenticationError::Clock {
                ahead: offset.ahead,
                by: Duration::from_secs(offset.distance.as_secs()),
            });
        }
        let number = trailer.key_id.0.get();
        let Some((_, key)) = self.keys.iter().find(|(id, _)| *id == trailer.key_id) else {
            return Err(AuthenticationError::Key(number));
        };
        if !trailer.is_signed_with(key, received.source, received.message) {
            return Err(AuthenticationError::Hmac(number));
        }
        if marks.raise(received.source, trailer.sequence, received.at, self.window) {
            Ok(())
        } else {
            Err(AuthenticationError::Replay)
        }
    }
}

/// RFC 2338 §5.3.6: simple text password.
const PASSWORD: u8 = 1;

const MIN_DEFAULT_WINDOW: Duration = Duration::from_secs(5);

/// The shortest distance between clocks that may be asked for.
pub(crate) const MIN_WINDOW: Duration = Duration::from_secs(1);
/// The longest.
pub(crate) const MAX_WINDOW: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests;
