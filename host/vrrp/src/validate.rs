//! What a configuration must fulfil before it becomes a router.

use core::net::IpAddr;
use core::time::Duration;

use crate::authentication::{MAX_WINDOW, MIN_WINDOW};
use crate::config::Family;
use crate::{
    Authentication, CheckConfig, CheckId, GroupId, InstanceConfig, InstanceId, InterfaceId, KeyId,
    OnFail, Peers, Version,
};

/// Why a [`RouterConfig`](crate::RouterConfig) cannot be run; the first of the reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An instance breaks a rule.
    #[error("instance {} cannot be run", instance.0)]
    Instance {
        /// The instance.
        instance: InstanceId,
        /// The rule.
        #[source]
        error: InstanceError,
    },
    /// A sync group breaks a rule.
    #[error("sync group {} cannot be run", group.0)]
    Group {
        /// The group.
        group: GroupId,
        /// The rule.
        #[source]
        error: GroupError,
    },
    /// A check breaks a rule.
    #[error("check {} cannot be used", check.0)]
    Check {
        /// The check.
        check: CheckId,
        /// The rule.
        #[source]
        error: CheckError,
    },
}

/// The rule that an instance breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstanceError {
    /// Its number is another instance's, too.
    #[error("its number is used twice")]
    NumberTaken,
    /// Interface, VRID and address family are another instance's, too.
    #[error("instance {} is the same virtual router", .0.0)]
    VirtualRouterTaken(InstanceId),
    /// There must be 1 to 255 addresses.
    #[error("{0} addresses instead of 1 to 255")]
    AddressCount(usize),
    /// Addresses are of one family (RFC 9568 §5.2.5).
    #[error("it has IPv4 and IPv6 addresses")]
    MixedFamilies,
    /// An address stands twice in the list.
    #[error("address {0} is listed twice")]
    AddressTwice(IpAddr),
    /// A prefix is at most 32 bits long, 128 with IPv6.
    #[error("prefix length {prefix_length} of {address}")]
    PrefixLength {
        /// The address.
        address: IpAddr,
        /// Its prefix length.
        prefix_length: u8,
    },
    /// The first IPv6 address is link-local (RFC 9568 §5.2.9).
    #[error("the first address {0} is not link-local")]
    NotLinkLocal(IpAddr),
    /// Version 2 has no IPv6.
    #[error("version 2 has no IPv6")]
    Version2WithIpv6,
    /// The interval does not fit the wire.
    #[error("advertisement interval {0:?}")]
    Interval(Duration),
    /// A tracked check is not configured.
    #[error("tracked check {} does not exist", .0.0)]
    UnknownCheck(CheckId),
    /// A check is tracked twice.
    #[error("check {} is tracked twice", .0.0)]
    TrackedTwice(CheckId),
    /// A weight is -253 to 253 and not 0.
    #[error("weight {0}")]
    Weight(i16),
    /// An interface is tracked twice.
    #[error("interface {} is tracked twice", .0.0)]
    InterfaceTwice(InterfaceId),
    /// Nothing can be sent without the instance's own interface, so its loss is a FAULT.
    #[error("the loss of its own interface is to be something else than a FAULT")]
    OwnInterface,
    /// Unicast needs somebody to speak to; it never falls back to multicast.
    #[error("unicast without peers")]
    NoPeers,
    /// A peer is not an address of one router in the family of the virtual addresses.
    #[error("{0} cannot be a peer")]
    Peer(IpAddr),
    /// A peer stands twice in the list.
    #[error("peer {0} is listed twice")]
    PeerTwice(IpAddr),
    /// A TTL is 1 to 255.
    #[error("a minimum TTL of 0")]
    MinTtl,
    /// Version 3 has no room for a password.
    #[error("a password in version 3")]
    PasswordWithVersion3,
    /// The key to sign with is not among the keys.
    #[error("it has no key {}", .0.0)]
    NoActiveKey(KeyId),
    /// A key's number is another one's, too.
    #[error("the key {} is listed twice", .0.0)]
    KeyTwice(KeyId),
    /// A window is 1 s to 300 s.
    #[error("signatures may be {0:?} away from the right time")]
    Window(Duration),
    /// The longest learned interval is shorter than the own one.
    #[error("the longest learned interval {0:?} is shorter than the advertisement interval")]
    MaxLearnedInterval(Duration),
}

/// The rule that a sync group breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// Its number is another group's, too.
    #[error("its number is used twice")]
    NumberTaken,
    /// A group of one moves as it would alone.
    #[error("{0} members instead of two or more")]
    TooSmall(usize),
    /// A member is not configured.
    #[error("instance {} does not exist", .0.0)]
    UnknownInstance(InstanceId),
    /// A member is in two groups, or twice in one.
    #[error("instance {} is in a group already", .0.0)]
    MemberTwice(InstanceId),
}

/// The rule that a check breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// Its number is another check's, too.
    #[error("its number is used twice")]
    NumberTaken,
    /// Every report would be overdue at once.
    #[error("reports are overdue after no time")]
    StaleAtOnce,
}

const MAX_ADDRESSES: usize = 255;
const MAX_WEIGHT: u16 = 253;

/// Checks what can be said about an instance alone; returns its family.
pub(crate) fn instance(config: &InstanceConfig) -> Result<Family, InstanceError> {
    let family = addresses(config)?;
    let interval = config.advertisement_interval;
    if !fits_the_wire(interval, config.version) {
        return Err(InstanceError::Interval(interval));
    }
    for (index, track) in config.tracks.iter().enumerate() {
        if config
            .tracks
            .iter()
            .take(index)
            .any(|other| other.check == track.check)
        {
            return Err(InstanceError::TrackedTwice(track.check));
        }
        weight(track.on_fail)?;
    }
    interfaces(config)?;
    peers(config, family)?;
    authentication(config)?;
    if config.version == Version::V3 && config.max_learned_interval < interval {
        let longest = config.max_learned_interval;
        return Err(InstanceError::MaxLearnedInterval(longest));
    }
    Ok(family)
}

fn weight(on_fail: OnFail) -> Result<(), InstanceError> {
    match on_fail {
        OnFail::Weight(weight) if weight == 0 || weight.unsigned_abs() > MAX_WEIGHT => {
            Err(InstanceError::Weight(weight))
        }
        OnFail::Weight(_) | OnFail::Fault | OnFail::Release => Ok(()),
    }
}

fn interfaces(config: &InstanceConfig) -> Result<(), InstanceError> {
    for (index, track) in config.interfaces.iter().enumerate() {
        let before = config.interfaces.iter().take(index);
        let same = |other: &&crate::InterfaceTrack| other.interface == track.interface;
        if before.filter(same).count() > 0 {
            return Err(InstanceError::InterfaceTwice(track.interface));
        }
        if track.interface == config.interface && track.on_fail != OnFail::Fault {
            return Err(InstanceError::OwnInterface);
        }
        weight(track.on_fail)?;
    }
    Ok(())
}

fn peers(config: &InstanceConfig, family: Family) -> Result<(), InstanceError> {
    let listed = match &config.peers {
        Peers::Unicast { min_ttl: 0, .. } => return Err(InstanceError::MinTtl),
        Peers::Unicast { peers, .. } if peers.is_empty() => return Err(InstanceError::NoPeers),
        Peers::Unicast { peers, .. } => peers,
        Peers::Multicast { accept_from } => accept_from,
    };
    for (index, peer) in listed.iter().enumerate() {
        let is_one = !peer.is_unspecified() && !peer.is_multicast() && !is_broadcast(peer);
        if Family::of(peer) != family || !is_one {
            return Err(InstanceError::Peer(*peer));
        }
        if listed.iter().take(index).any(|other| other == peer) {
            return Err(InstanceError::PeerTwice(*peer));
        }
    }
    Ok(())
}

fn authentication(config: &InstanceConfig) -> Result<(), InstanceError> {
    let hmac = match &config.authentication {
        Authentication::None => return Ok(()),
        Authentication::Password(_) if config.version == Version::V3 => {
            return Err(InstanceError::PasswordWithVersion3);
        }
        Authentication::Password(_) => return Ok(()),
        Authentication::Hmac(hmac) => hmac,
    };
    for (index, (id, _)) in hmac.keys.iter().enumerate() {
        if hmac.keys.iter().take(index).any(|(other, _)| other == id) {
            return Err(InstanceError::KeyTwice(*id));
        }
    }
    if !hmac.keys.iter().any(|(id, _)| *id == hmac.active_key) {
        return Err(InstanceError::NoActiveKey(hmac.active_key));
    }
    if !(MIN_WINDOW..=MAX_WINDOW).contains(&hmac.window) {
        return Err(InstanceError::Window(hmac.window));
    }
    Ok(())
}

fn is_broadcast(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.is_broadcast())
}

pub(crate) fn check(config: &CheckConfig) -> Result<(), CheckError> {
    if config.stale_after.is_zero() {
        return Err(CheckError::StaleAtOnce);
    }
    Ok(())
}

fn addresses(config: &InstanceConfig) -> Result<Family, InstanceError> {
    let count = config.addresses.len();
    let first = match (config.addresses.first(), &config.peers) {
        (Some(first), _) if count <= MAX_ADDRESSES => first.address,
        // Where a hook moves the address, the protocol has none: peers that are listed one by one know what it is about.
        (None, Peers::Unicast { peers, .. }) => {
            let peer = peers.first().ok_or(InstanceError::NoPeers)?;
            return match (peer, config.version) {
                (IpAddr::V6(_), Version::V2) => Err(InstanceError::Version2WithIpv6),
                (IpAddr::V4(_), _) | (IpAddr::V6(_), Version::V3) => Ok(Family::of(peer)),
            };
        }
        (Some(_) | None, _) => return Err(InstanceError::AddressCount(count)),
    };
    let family = Family::of(&first);
    for (index, virtual_address) in config.addresses.iter().enumerate() {
        let address = virtual_address.address;
        let prefix_length = virtual_address.prefix_length;
        if Family::of(&address) != family {
            return Err(InstanceError::MixedFamilies);
        }
        if config
            .addresses
            .iter()
            .take(index)
            .any(|other| other.address == address)
        {
            return Err(InstanceError::AddressTwice(address));
        }
        let longest = match family {
            Family::V4 => 32,
            Family::V6 => 128,
        };
        if prefix_length > longest {
            return Err(InstanceError::PrefixLength {
                address,
                prefix_length,
            });
        }
    }
    if let IpAddr::V6(address) = first {
        if config.version == Version::V2 {
            return Err(InstanceError::Version2WithIpv6);
        }
        if !address.is_unicast_link_local() {
            return Err(InstanceError::NotLinkLocal(first));
        }
    }
    Ok(family)
}

fn fits_the_wire(interval: Duration, version: Version) -> bool {
    let (step, most) = match version {
        Version::V2 => (Duration::from_secs(1), Duration::from_secs(255)),
        Version::V3 => (Duration::from_millis(10), Duration::from_millis(40_950)),
    };
    (step..=most).contains(&interval) && interval.as_nanos().is_multiple_of(step.as_nanos())
}

#[cfg(test)]
mod tests;
