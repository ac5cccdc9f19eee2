//! What the driver tells the core about this host's virtual routers and checks.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::num::{NonZeroU8, NonZeroU16};
use core::time::Duration;

use crate::Authentication;

/// Names a virtual router (an instance of cluster.toml) between driver and core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(pub u32);

/// Names a check between driver and core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(pub u32);

/// Names a network interface between driver and core. It is the driver's number, not the kernel's
/// interface index, so that an interface that is deleted and made again keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId(pub u32);

/// Virtual Router Identifier, 1 to 255 (RFC 9568 §5.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualRouterId(pub NonZeroU8);

impl VirtualRouterId {
    /// The MAC address that belongs to the virtual router, whichever router is Active (RFC 9568 §7.3).
    pub const fn mac(self, family: Family) -> [u8; 6] {
        let family = match family {
            Family::V4 => 1,
            Family::V6 => 2,
        };
        [0x00, 0x00, 0x5E, 0x00, family, self.0.get()]
    }
}

/// Protocol version spoken by a virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// RFC 3768, IPv4 only, intervals in whole seconds.
    V2,
    /// RFC 9568, intervals in centiseconds.
    V3,
}

/// How the checksum of a VRRPv3 advertisement over IPv4 is computed; both are accepted on receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChecksumForm {
    /// The VRRP message alone (RFC 9568 §5.2.8; Cisco, Juniper, Arista).
    Rfc9568,
    /// With an IPv4 pseudo-header, as RFC 5798 was read by keepalived, FRR and VPP.
    Rfc5798,
}

/// An address that the Active router owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Prefix length to configure it with; 32 or 128 unless the file says otherwise.
    pub prefix_length: u8,
}

/// How often a claimed address is announced (gratuitous ARP, unsolicited NA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnounceConfig {
    /// Announcements of one burst; 1 to 255.
    pub repeat: NonZeroU8,
    /// Time from the first burst to the second one; zero for none.
    pub delay: Duration,
    /// Time between single announcements for as long as the address is there; zero for none.
    pub refresh: Duration,
    /// Least time between this instance's announcements and any other on the same interface; zero for none.
    pub min_interval: Duration,
}

impl Default for AnnounceConfig {
    /// Five at once, five more after five seconds, no refresh, as fast as they can be sent.
    fn default() -> Self {
        Self {
            repeat: NonZeroU8::MIN.saturating_add(4),
            delay: Duration::from_secs(5),
            refresh: Duration::ZERO,
            min_interval: Duration::ZERO,
        }
    }
}

/// Who the other routers of a virtual router are, and how they are spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peers {
    /// Whoever listens to the group on the link (RFC 9568 §5.1.1.2).
    Multicast {
        /// The only sources that count; anybody when empty.
        accept_from: Vec<IpAddr>,
    },
    /// These and nobody else, each with a datagram of its own. Not in the RFC, but what every implementation offers
    /// where the network has no multicast.
    Unicast {
        /// At least one; all of one family.
        peers: Vec<IpAddr>,
        /// The least TTL or hop limit that an advertisement may arrive with: 255 unless a router is between the peers.
        min_ttl: u8,
        /// The address by which the peers know this router; its interface must have it. `None`: whatever the interface has.
        source: Option<IpAddr>,
    },
}

impl Peers {
    /// Anybody on the link.
    pub const ANYBODY: Self = Self::Multicast {
        accept_from: Vec::new(),
    };

    /// Whether advertisements from `source` count.
    pub(crate) fn accept(&self, source: IpAddr) -> bool {
        match self {
            Self::Multicast { accept_from } => {
                accept_from.is_empty() || accept_from.contains(&source)
            }
            Self::Unicast { peers, .. } => peers.contains(&source),
        }
    }
}

/// What a tracked check or interface does to an instance while it is down (DESIGN §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFail {
    /// The instance is in FAULT.
    Fault,
    /// Negative: added to the priority while the check is down. Positive: added while it is up. -253 to 253, not 0.
    Weight(i16),
    /// Give the address away at once with a priority 0 and stay eligible, at a priority that is reduced by 100
    /// ([`UNKNOWN_WEIGHT`](crate::UNKNOWN_WEIGHT)) while the check is down.
    Release,
}

/// A check that an instance depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    /// The check.
    pub check: CheckId,
    /// What its failure does.
    pub on_fail: OnFail,
}

/// An interface that an instance depends on, or how patiently it takes the news of its own one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceTrack {
    /// The interface. The instance's own is tracked in any case, and its loss is always a FAULT.
    pub interface: InterfaceId,
    /// What its loss does.
    pub on_fail: OnFail,
    /// How long it has to be up before it counts as up; the first news counts at once.
    pub up_delay: Duration,
    /// How long it has to be down before it counts as down; the first news counts at once.
    pub down_delay: Duration,
}

/// Virtual routers that are Active together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncGroup {
    /// Its members, at least two; an instance is in at most one group.
    pub members: Vec<InstanceId>,
}

/// Names a sync group between driver and core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

/// What becomes of a check whose runs end in errors instead of verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The last verdict holds for `error_hold` runs, then the check is unknown (weight -100, never FAULT).
    Hold,
    /// An error counts as a failing verdict.
    Fail,
}

/// A check as the core sees it: a source of [`Report`](crate::Report)s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckConfig {
    /// Consecutive passing verdicts that turn the check up; the very first verdict counts at once.
    pub rise: NonZeroU16,
    /// Consecutive failing verdicts that turn the check down.
    pub fall: NonZeroU16,
    /// What errors do.
    pub on_error: OnError,
    /// Runs for which the last verdict outlives an error.
    pub error_hold: u16,
    /// A report this long overdue counts as an error.
    pub stale_after: Duration,
}

/// One virtual router (an instance of cluster.toml) on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceConfig {
    /// Where it sends and listens.
    pub interface: InterfaceId,
    /// Its number on that link.
    pub virtual_router_id: VirtualRouterId,
    /// The version it speaks; others are discarded.
    pub version: Version,
    /// Base priority, 1 to 255; 255 makes this host the address owner (RFC 9568 §5.2.4).
    pub priority: NonZeroU8,
    /// Time between advertisements while Active: whole seconds 1 to 255 in v2, 10 ms to 40.95 s in v3.
    pub advertisement_interval: Duration,
    /// The longest interval that is learned from an Active router (v3); one that advertises a longer one is taken to
    /// advertise at this one, so that a single forged datagram cannot keep every Backup silent for minutes.
    pub max_learned_interval: Duration,
    /// Form of the checksums it sends.
    pub checksum: ChecksumForm,
    /// Who it speaks to and listens to.
    pub peers: Peers,
    /// How it knows their advertisements from those of anybody else.
    pub authentication: Authentication,
    /// The advertised addresses; all of one family, at least one unless the peers are spoken to one by one.
    pub addresses: Vec<VirtualAddress>,
    /// Addresses that are claimed and announced with them and not advertised, of either family.
    pub excluded: Vec<IpAddr>,
    /// Whether a Backup with a higher priority takes over from a living Active (Preempt_Mode).
    pub preempt: bool,
    /// How long an Active router with a lower priority is followed, from its first advertisement on, before it is preempted.
    pub preempt_delay: Duration,
    /// How long after Startup the instance stays out of every election.
    pub start_delay: Duration,
    /// Missed advertisements after which the Active counts as gone; 3 in the RFC.
    pub down_after: NonZeroU8,
    /// How long the first verdicts of its `Fault` checks are waited for.
    pub init_grace: Duration,
    /// Gratuitous ARP and unsolicited NA.
    pub announce: AnnounceConfig,
    /// The checks it depends on.
    pub tracks: Vec<Track>,
    /// The interfaces it depends on beside its own; its own when news of it are to be debounced.
    pub interfaces: Vec<InterfaceTrack>,
}

impl InstanceConfig {
    /// A virtual router with the RFC's defaults (RFC 9568 §6.1): version 3, priority 100, an advertisement a second,
    /// preemption. Every field can be set afterwards.
    pub fn new(
        interface: InterfaceId,
        virtual_router_id: VirtualRouterId,
        addresses: Vec<VirtualAddress>,
    ) -> Self {
        Self {
            interface,
            virtual_router_id,
            version: Version::V3,
            priority: NonZeroU8::MIN.saturating_add(99),
            advertisement_interval: Duration::from_secs(1),
            max_learned_interval: Duration::from_millis(40_950),
            checksum: ChecksumForm::Rfc5798,
            peers: Peers::ANYBODY,
            authentication: Authentication::None,
            addresses,
            excluded: Vec::new(),
            preempt: true,
            preempt_delay: Duration::ZERO,
            start_delay: Duration::ZERO,
            down_after: NonZeroU8::MIN.saturating_add(2),
            init_grace: Duration::from_secs(10),
            announce: AnnounceConfig::default(),
            tracks: Vec::new(),
            interfaces: Vec::new(),
        }
    }

    /// Every address that is claimed and announced: the advertised ones, then the others.
    pub(crate) fn claimed(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let advertised = self.addresses.iter().map(|ours| ours.address);
        advertised.chain(self.excluded.iter().copied())
    }

    pub(crate) fn is_unicast(&self) -> bool {
        matches!(self.peers, Peers::Unicast { .. })
    }
}

/// Everything a [`Router`](crate::Router) is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterConfig {
    /// The checks, each once however many instances track it.
    pub checks: Vec<(CheckId, CheckConfig)>,
    /// The virtual routers.
    pub instances: Vec<(InstanceId, InstanceConfig)>,
    /// Which of them move together.
    pub groups: Vec<(GroupId, SyncGroup)>,
}

/// An address family. The same VRID in both is two virtual routers (RFC 9568 §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}
