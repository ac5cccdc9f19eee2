//! What can happen to a router. Closed and plain data, so that it can be recorded, replayed and fuzzed.

use core::net::IpAddr;
use core::time::Duration;

use crate::{CheckId, InstanceId, InterfaceId, UnixTime};

/// Something the driver saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The driver is ready: instances may leave Initialize (RFC 9568 §6.4.1).
    Startup,
    /// The host stops: all instances return to Initialize and stay there. Active ones send priority 0 first, and go on
    /// using their addresses until a peer has taken them, at most for `grace`; then they release them.
    Shutdown {
        /// Zero to release at once.
        grace: Duration,
    },
    /// A datagram of IP protocol 112 arrived.
    Packet(Packet<'a>),
    /// A run of a check ended.
    Report(Report),
    /// The state of an interface, in full, whenever a part of it changed.
    Link(Link),
    /// A claimed address was seen to be added or to be missing.
    Address(AddressChange),
    /// Somebody wants an instance to do something.
    Command(InstanceId, Command),
}

/// A received datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Where it arrived.
    pub interface: InterfaceId,
    /// Source of the IP header.
    pub source: IpAddr,
    /// Destination of the IP header.
    pub destination: IpAddr,
    /// TTL or hop limit; `None` when the kernel did not tell, which is treated as wrong.
    pub ttl: Option<u8>,
    /// What follows the IP header and its options.
    pub payload: &'a [u8],
    /// When it arrived, by the wall clock.
    pub at: UnixTime,
}

/// How a run of a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The check.
    pub check: CheckId,
    /// Its verdict, or that there was none.
    pub outcome: Outcome,
    /// A priority adjustment that the module reported, already held to its granted bounds; -253 to 253.
    pub weight: Option<i16>,
}

/// A verdict, or that none could be formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Passing,
    /// Counts as passing.
    Warning,
    /// The thing checked is not well.
    Failing,
    /// The check itself went wrong: not a verdict.
    Error,
}

/// An interface as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The interface.
    pub interface: InterfaceId,
    /// It exists, is administratively up and has a carrier.
    pub up: bool,
    /// Its primary IPv4 address: the source of IPv4 advertisements.
    pub primary: Option<core::net::Ipv4Addr>,
    /// Its link-local IPv6 address: the source of IPv6 advertisements.
    pub link_local: Option<core::net::Ipv6Addr>,
    /// The address by which the peers know this host, when the interface has it.
    pub known_as: Option<IpAddr>,
}

/// What became of a claimed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressChange {
    /// The instance that claimed it.
    pub instance: InstanceId,
    /// The address.
    pub address: IpAddr,
    /// True when it is configured and usable from now on, also when it had to be put back.
    pub present: bool,
}

/// What a person may want of an instance; in a sync group, all members do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Give the addresses to a peer, and compete with the lowest priority until [`Undrain`](Self::Undrain).
    Drain,
    /// Take part as before.
    Undrain,
    /// Give the addresses to a peer now. Where preemption is on and the priority is the highest, they come back.
    Release,
}
