//! What the driver tells the core about this host's virtual routers and checks.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::num::{NonZeroU8, NonZeroU16};
use core::time::Duration;

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
}

/// What a tracked check does to an instance while the check is down (DESIGN §5).
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
    /// Time between advertisements while Active: whole seconds 1 to 255 in v2, 10 ms to 40.95 s in steps of 10 ms in v3.
    pub advertisement_interval: Duration,
    /// Form of the checksums it sends.
    pub checksum: ChecksumForm,
    /// The advertised addresses; all of one family, at least one.
    pub addresses: Vec<VirtualAddress>,
    /// Addresses that are claimed and announced with them and not advertised, of either family.
    pub excluded: Vec<IpAddr>,
    /// Whether a Backup with a higher priority takes over from a living Active (Preempt_Mode).
    pub preempt: bool,
    /// Missed advertisements after which the Active counts as gone; 3 in the RFC.
    pub down_after: NonZeroU8,
    /// How long the first verdicts of its `Fault` checks are waited for.
    pub init_grace: Duration,
    /// Gratuitous ARP and unsolicited NA.
    pub announce: AnnounceConfig,
    /// The checks it depends on.
    pub tracks: Vec<Track>,
}

/// Everything a [`Router`](crate::Router) is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterConfig {
    /// The checks, each once however many instances track it.
    pub checks: Vec<(CheckId, CheckConfig)>,
    /// The virtual routers.
    pub instances: Vec<(InstanceId, InstanceConfig)>,
}

/// An address family. The same VRID in both is two virtual routers (RFC 9568 §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}
