//! What the kernel has, in its own terms.

use std::net::IpAddr;

use ipnet::IpNet;
use vrrp::Family;

use super::object::{Route, RouteKind, Rule};

/// An interface of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) name: String,
    /// Somebody set it up (`IFF_UP`): without that it has no routes.
    pub(super) enabled: bool,
    /// It passes packets, too.
    pub(super) up: bool,
    /// The layer below it works (`IFF_LOWER_UP`).
    pub(super) carrier: bool,
    /// In bytes.
    pub(super) mtu: u32,
    pub(super) mac: Option<[u8; 6]>,
}

/// An address on an interface of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LinkAddress {
    pub(super) index: u32,
    pub(super) address: IpAddr,
    pub(super) prefix_length: u8,
    /// IPv4 only; the kernel uses the interface's name for addresses without one.
    pub(super) label: Option<String>,
    pub(super) scope: u8,
    /// Bears [`PROTOCOL`](super::PROTOCOL).
    pub(super) marked: bool,
    /// Another IPv4 address of its network was there before.
    pub(super) secondary: bool,
    /// IPv6: not known to be unique, or known not to be.
    pub(super) tentative: bool,
}

/// By what the kernel tells routes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    pub(super) to: IpNet,
    pub(super) table: u32,
    pub(super) metric: u32,
}

/// A route of the kernel that bears [`PROTOCOL`](super::PROTOCOL).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KernelRoute {
    pub(super) slot: Slot,
    pub(super) kind: RouteKind,
    /// None unless it is a unicast route. Several when others added to an IPv6 route of ours.
    pub(super) hops: Vec<Hop>,
    pub(super) src: Option<IpAddr>,
}

/// Where a route leads next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) via: Option<IpAddr>,
    /// The interface; `None` only where the kernel is to find it.
    pub(super) index: Option<u32>,
    pub(super) onlink: bool,
}

/// A rule of the kernel, whoever added it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KernelRule {
    pub(super) rule: Rule,
    /// Bears [`PROTOCOL`](super::PROTOCOL).
    pub(super) marked: bool,
}

/// One step of the kernel's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Link(Link),
    LinkGone {
        index: u32,
    },
    Address(LinkAddress),
    AddressGone {
        index: u32,
        address: IpAddr,
        prefix_length: u8,
    },
    Route(KernelRoute),
    RouteGone(KernelRoute),
    /// Another route took the place of what was there; ours follows as a change of its own.
    RouteReplaced(Slot),
    Rule(KernelRule),
    RuleGone(KernelRule),
}

/// A part of the kernel's state that may be another one now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Touched {
    /// An interface, by name.
    Link(String),
    /// The addresses of an interface that were not added here.
    OthersAddresses(String),
    /// An address.
    Address { interface: String, address: IpAddr },
    /// A route.
    Route(Slot),
    /// A rule.
    Rule(Rule),
}

/// How the kernel has an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// As it should be, or as the administrator wanted it.
    There { marked: bool, entry: Entry },
    /// In its place is something that was added here and is not what it should be.
    InTheWay(Entry),
}

impl Found {
    pub(super) fn into_entry(self) -> Entry {
        match self {
            Self::There { entry, .. } | Self::InTheWay(entry) => entry,
        }
    }
}

/// What a request to the kernel is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Address(LinkAddress),
    Route(KernelRoute),
    Rule(Rule),
}

impl Slot {
    pub(super) fn of(route: &Route) -> Self {
        Self {
            to: route.to,
            table: route.table,
            metric: route.metric,
        }
    }

    pub(super) fn family(&self) -> Family {
        Family::of(&self.to.addr())
    }
}
