//! Why a received datagram counts for nothing.

use core::time::Duration;

use crate::AuthenticationError;

/// The first receive check that a datagram failed (RFC 9568 §7.1, RFC 3768 §7.1), in the order of the checks.
///
/// Each is counted once, in the counter that its description names: a leaf of RFC 8347, of the
/// router ([`GlobalCounters`](crate::GlobalCounters)) or of the virtual router ([`InstanceCounters`](crate::InstanceCounters)).
/// What belongs to a virtual router but names one that is not configured counts as a VRID error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Discard {
    /// `ip_ttl_errors`: the TTL or hop limit is not 255, so it may come from another link; or it is not known.
    #[error("TTL {} instead of 255", Known(*.0))]
    Ttl(Option<u8>),
    /// `version_errors`: neither 2 nor 3, or not the one that the virtual router speaks, or 2 over IPv6.
    #[error("VRRP version {0}")]
    Version(u8),
    /// `invalid_type_pkts_rcvd`: not an advertisement.
    #[error("VRRP type {0} instead of 1")]
    Type(u8),
    /// `packet_length_errors`: not as long as its address count says.
    #[error("{actual} bytes instead of {expected}")]
    Length {
        /// Length that the header asks for; that of a packet without addresses when there is no whole header.
        expected: usize,
        /// Length that arrived.
        actual: usize,
    },
    /// `checksum_errors`: wrong in every form that its version has.
    #[error("wrong checksum")]
    Checksum,
    /// `vrid_errors`: no such virtual router on the interface, in the address family.
    #[error("virtual router {0} is not configured here")]
    VirtualRouterId(u8),
    /// `address_list_errors`: an address count of zero (erratum 8299).
    #[error("no address in it")]
    NoAddresses,
    /// `interval_errors`: an advertisement interval of zero (erratum 8301), which would make a Backup take over at once.
    #[error("advertisement interval 0")]
    ZeroInterval,
    /// `address_list_errors`: over IPv6 the first address must be link-local (erratum 8300).
    #[error("the first address is not link-local")]
    NotLinkLocal,
    /// `source_errors`: from a router that this one does not listen to.
    #[error("its sender is not among the accepted ones")]
    Source,
    /// `destination_errors`: sent to the group, and the virtual router speaks to its peers one by one, or the other way round.
    #[error("sent {}, which this instance does not speak", if *.unicast { "by unicast" } else { "by multicast" })]
    Destination {
        /// Whether it was sent to this router alone.
        unicast: bool,
    },
    /// It is not known to come from a peer; counted as [`AuthenticationError`] says.
    #[error(transparent)]
    Authentication(#[from] AuthenticationError),
    /// `interval_errors`: a v2 interval that is not the virtual router's own.
    #[error("advertisement interval {theirs:?} instead of {ours:?}")]
    IntervalMismatch {
        /// The one advertised.
        theirs: Duration,
        /// The one configured.
        ours: Duration,
    },
    /// `own_advertisements_rcvd`: sent from this router's own address: looped back, or the address is in use twice.
    #[error("sent from this router's own address")]
    OwnAddress,
}

impl Discard {
    /// Whether the check is made after the virtual router was found, so that it must be a configured one.
    pub(crate) fn follows_lookup(self) -> bool {
        match self {
            Self::Ttl(_)
            | Self::Version(_)
            | Self::Type(_)
            | Self::Length { .. }
            | Self::Checksum
            | Self::VirtualRouterId(_) => false,
            Self::NoAddresses
            | Self::ZeroInterval
            | Self::NotLinkLocal
            | Self::Authentication(_)
            | Self::Source
            | Self::Destination { .. }
            | Self::IntervalMismatch { .. }
            | Self::OwnAddress => true,
        }
    }
}

struct Known(Option<u8>);

impl core::fmt::Display for Known {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}
