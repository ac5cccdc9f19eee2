//! Why an advertisement is not known to come from a peer.

use core::net::IpAddr;
use core::time::Duration;

use crate::UnixTime;

/// Why an advertisement is not known to come from a peer; each is counted in the counter that its description names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AuthenticationError {
    /// `authentication_type_errors`: v2 with an authentication type that is not the configured one.
    #[error("authentication type {0}, which is not configured here")]
    Type(u8),
    /// `authentication_type_errors`: signed, and this router has no keys.
    #[error("signed, and no keys are configured here")]
    Signed,
    /// `authentication_type_errors`: a trailer of an unknown kind.
    #[error("a signature of the unknown scheme {0}")]
    Scheme(u8),
    /// `authentication_missing`: neither password nor signature.
    #[error("not authenticated")]
    Missing,
    /// `authentication_key_errors`: signed with a key that is not configured.
    #[error("signed with the key {0}, which is not configured here")]
    Key(u8),
    /// `authentication_mismatches`: another password.
    #[error("wrong password")]
    Password,
    /// `authentication_mismatches`: signed with another key of the same number, or changed on the way.
    #[error("wrong signature: forged, or its key {0} is not the one configured here")]
    Hmac(u8),
    /// `authentication_clock_errors`: the time of its signature is too far from this host's: an old capture, or one of
    /// the clocks is wrong.
    #[error("signed {by:?} {}: replayed, or one of the clocks is wrong", if *ahead { "ahead of this host's time" } else { "ago" })]
    Clock {
        /// Whether its time is later than this host's.
        ahead: bool,
        /// Whole seconds between the two.
        by: Duration,
    },
    /// `authentication_replays`: not newer than what its sender was heard to send before.
    #[error("seen before, or older than what its sender has sent since")]
    Replay,
}

impl AuthenticationError {
    /// Whether both are the same complaint, whatever its details.
    pub(crate) fn is_like(self, other: Self) -> bool {
        core::mem::discriminant(&self) == core::mem::discriminant(&other)
    }
}

/// An advertisement that is not known to come from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthenticationFailure {
    /// Who sent it, or who it says has sent it.
    pub source: IpAddr,
    /// What is wrong with it.
    pub error: AuthenticationError,
    /// When it arrived.
    pub at: UnixTime,
}
