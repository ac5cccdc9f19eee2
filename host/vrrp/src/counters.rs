//! What is counted, under the leaf names of RFC 8347.

use crate::{AuthenticationError, ChecksumForm, Discard};

/// Datagrams discarded before a virtual router was found for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlobalCounters {
    /// With a checksum that is wrong in every form.
    pub checksum_errors: u64,
    /// With an unknown version, or not the one of the virtual router.
    pub version_errors: u64,
    /// For a virtual router that is not configured where they arrived.
    pub vrid_errors: u64,
    /// With a TTL or hop limit other than 255.
    pub ip_ttl_errors: u64,
}

/// Counters of one virtual router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InstanceCounters {
    /// Times it became Active.
    pub master_transitions: u64,
    /// Advertisements that passed every check, also those that the state then ignores.
    pub advertisement_rcvd: u64,
    /// Advertisements sent, those with priority 0 among them.
    pub advertisement_sent: u64,
    /// Advertisements with an interval of zero, or one other than the configured interval. The latter is discarded by v2
    /// and learned by v3.
    pub interval_errors: u64,
    /// Accepted advertisements with priority 0.
    pub priority_zero_pkts_rcvd: u64,
    /// Sent advertisements with priority 0.
    pub priority_zero_pkts_sent: u64,
    /// Packets of a type other than 1.
    pub invalid_type_pkts_rcvd: u64,
    /// Advertisements without an address, without the link-local address that IPv6 needs, or with another list of
    /// addresses than the configured one. The last are accepted: dropping them would make both routers Active.
    pub address_list_errors: u64,
    /// Packets that were not as long as their address count said.
    pub packet_length_errors: u64,
    /// What authentication has to say. Not in RFC 8347, which has none.
    pub authentication: AuthenticationCounters,
    /// Advertisements from this router's own address. Not in RFC 8347.
    pub own_advertisements_rcvd: u64,
    /// Advertisements from a router that this one does not listen to. Not in RFC 8347.
    pub source_errors: u64,
    /// Advertisements by unicast to a virtual router that speaks multicast, or the other way round. Not in RFC 8347.
    pub destination_errors: u64,
    /// Accepted v3 advertisements over IPv4 with the checksum of RFC 9568. Not in RFC 8347.
    pub received_rfc9568: u64,
    /// Accepted v3 advertisements over IPv4 with the checksum of RFC 5798. Not in RFC 8347.
    pub received_rfc5798: u64,
}

/// Advertisements by whether they were known to come from a peer. The errors are discarded, except while the roll-out of
/// signatures tolerates them ([`Mode`](crate::Mode)): they are counted all the same, so that one can tell before what
/// would be discarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuthenticationCounters {
    /// With the right password or a good signature.
    pub authenticated_rcvd: u64,
    /// With another kind of authentication than the configured one.
    pub type_errors: u64,
    /// Without any.
    pub missing: u64,
    /// Signed with a key that is not configured.
    pub key_errors: u64,
    /// With a wrong password or signature.
    pub mismatches: u64,
    /// Signed too long ago, or in the future.
    pub clock_errors: u64,
    /// Not newer than what their sender has sent before.
    pub replays: u64,
}

impl AuthenticationCounters {
    /// All errors.
    pub fn errors(&self) -> u64 {
        let Self {
            authenticated_rcvd: _,
            type_errors,
            missing,
            key_errors,
            mismatches,
            clock_errors,
            replays,
        } = self;
        type_errors + missing + key_errors + mismatches + clock_errors + replays
    }

    /// The counter of an error.
    pub(crate) fn of(&mut self, error: AuthenticationError) -> &mut u64 {
        match error {
            AuthenticationError::Type(_)
            | AuthenticationError::Signed
            | AuthenticationError::Scheme(_) => &mut self.type_errors,
            AuthenticationError::Missing => &mut self.missing,
            AuthenticationError::Key(_) => &mut self.key_errors,
            AuthenticationError::Password | AuthenticationError::Hmac(_) => &mut self.mismatches,
            AuthenticationError::Clock { .. } => &mut self.clock_errors,
            AuthenticationError::Replay => &mut self.replays,
        }
    }
}

impl GlobalCounters {
    /// The counter of a discard that belongs to no virtual router.
    pub(crate) fn of(&mut self, discard: Discard) -> Option<&mut u64> {
        match discard {
            Discard::Ttl(_) => Some(&mut self.ip_ttl_errors),
            Discard::Version(_) => Some(&mut self.version_errors),
            Discard::Checksum => Some(&mut self.checksum_errors),
            Discard::VirtualRouterId(_) => Some(&mut self.vrid_errors),
            Discard::Type(_)
            | Discard::Length { .. }
            | Discard::NoAddresses
            | Discard::ZeroInterval
            | Discard::NotLinkLocal
            | Discard::Authentication(_)
            | Discard::Source
            | Discard::Destination { .. }
            | Discard::IntervalMismatch { .. }
            | Discard::OwnAddress => None,
        }
    }
}

impl InstanceCounters {
    /// The counter of a discard that belongs to a virtual router.
    pub(crate) fn of(&mut self, discard: Discard) -> Option<&mut u64> {
        match discard {
            Discard::Type(_) => Some(&mut self.invalid_type_pkts_rcvd),
            Discard::Length { .. } => Some(&mut self.packet_length_errors),
            Discard::NoAddresses | Discard::NotLinkLocal => Some(&mut self.address_list_errors),
            Discard::ZeroInterval | Discard::IntervalMismatch { .. } => {
                Some(&mut self.interval_errors)
            }
            Discard::Authentication(error) => Some(self.authentication.of(error)),
            Discard::OwnAddress => Some(&mut self.own_advertisements_rcvd),
            Discard::Source => Some(&mut self.source_errors),
            Discard::Destination { .. } => Some(&mut self.destination_errors),
            Discard::Ttl(_)
            | Discard::Version(_)
            | Discard::Checksum
            | Discard::VirtualRouterId(_) => None,
        }
    }

    /// The counter of an accepted checksum.
    pub(crate) fn of_form(&mut self, form: ChecksumForm) -> &mut u64 {
        match form {
            ChecksumForm::Rfc9568 => &mut self.received_rfc9568,
            ChecksumForm::Rfc5798 => &mut self.received_rfc5798,
        }
    }
}
