//! What can be kept in place: addresses, routes and rules.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use vrrp::Family;

/// Something to keep in place in the kernel. Its text is what `ip` would be told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Object {
    /// An address of an interface.
    Address(Address),
    /// A route.
    Route(Route),
    /// A rule that chooses a routing table.
    Rule(Rule),
}

impl Object {
    /// What to call it: "address", "route" or "rule".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::Route(_) => "route",
            Self::Rule(_) => "rule",
        }
    }
}

/// The network of all addresses of a family, `0.0.0.0/0` or `::/0`.
pub fn everything(family: Family) -> IpNet {
    let address = match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    };
    IpNet::new(address, 0).expect("no prefix is shorter")
}

/// The core knows no serde.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Family")]
enum FamilyDef {
    V4,
    V6,
}

/// An address of an interface.
// The order of the fields is that of the keys by which the reconciler finds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The interface's name.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// 0 to 32 for IPv4, 0 to 128 for IPv6. With less than the longest the kernel adds the route to the network, too, and the
    /// address is one of the host's own, from which it makes connections. An IPv6 address with 128 is deprecated
    /// (`preferred_lft 0`), so that the host does not.
    pub prefix_length: u8,
    /// IPv4: what `ip address` shows instead of the interface's name; 1 to 15 bytes.
    pub label: Option<String>,
    /// IPv4: how far it is valid (`rtm_scope`), 0 everywhere to 255 nowhere. IPv6 addresses have the scope that they say themselves.
    pub scope: u8,
}

/// A route. The kernel tells routes of one destination and table apart by their metric alone.
// The order of the fields is that of the keys by which the reconciler finds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Route {
    /// Where it leads; no bits are set beyond the prefix length.
    pub to: IpNet,
    /// The routing table, 1 or more; [`MAIN_TABLE`] is what most hosts use.
    pub table: u32,
    /// The lowest wins. IPv6 knows no 0: write [`METRIC_V6`], which the kernel takes instead.
    pub metric: u32,
    /// What becomes of the packets.
    pub kind: RouteKind,
    /// The next router, of the same family.
    pub via: Option<IpAddr>,
    /// The interface; with a `via` it may be left to the kernel.
    pub dev: Option<String>,
    /// The source address of what this host itself sends.
    pub src: Option<IpAddr>,
    /// `via` is on the link, although no address of the interface says so.
    pub onlink: bool,
}

/// What becomes of packets that take a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RouteKind {
    /// They are sent on.
    Unicast,
    /// They are dropped.
    Blackhole,
    /// They are answered with "host unreachable".
    Unreachable,
    /// They are answered with "administratively prohibited".
    Prohibit,
}

/// A rule that chooses a routing table. What it leaves out it does not look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// The packets it looks at.
    #[serde(with = "FamilyDef")]
    pub family: Family,
    /// The lowest is asked first.
    pub priority: u32,
    /// Their source; never [`everything`].
    pub from: Option<IpNet>,
    /// Their destination; never [`everything`].
    pub to: Option<IpNet>,
    /// Their mark.
    pub fwmark: Option<Mark>,
    /// The interface that they arrived on; `lo` for those of this host itself.
    pub iif: Option<String>,
    /// The table to look into.
    pub table: u32,
}

/// A mark of the firewall: the bits of `mask` are those of `value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// Has no bits outside of the mask.
    pub value: u32,
    /// Not 0.
    pub mask: u32,
}

/// The number of the routing table `local`, the kernel's own.
pub const LOCAL_TABLE: u32 = 255;
/// The number of the routing table `main`.
pub const MAIN_TABLE: u32 = 254;
/// The number of the routing table `default`.
pub const DEFAULT_TABLE: u32 = 253;
/// The metric that the kernel gives to an IPv6 route without one.
pub const METRIC_V6: u32 = 1024;
/// The priority that `ip rule add` gives to the first rule: just before the table `main`.
pub const RULE_PRIORITY: u32 = 32765;

impl From<Address> for Object {
    fn from(address: Address) -> Self {
        Self::Address(address)
    }
}

impl From<Route> for Object {
    fn from(route: Route) -> Self {
        Self::Route(route)
    }
}

impl From<Rule> for Object {
    fn from(rule: Rule) -> Self {
        Self::Rule(rule)
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Route(route) => route.fmt(f),
            Self::Rule(rule) => rule.fmt(f),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_length)?;
        write!(f, " dev {}", self.interface)?;
        if let Some(label) = &self.label {
            write!(f, " label {label}")?;
        }
        match self.scope {
            0 => Ok(()),
            200 => f.write_str(" scope site"),
            253 => f.write_str(" scope link"),
            254 => f.write_str(" scope host"),
            scope => write!(f, " scope {scope}"),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            RouteKind::Unicast => {}
            RouteKind::Blackhole => f.write_str("blackhole ")?,
            RouteKind::Unreachable => f.write_str("unreachable ")?,
            RouteKind::Prohibit => f.write_str("prohibit ")?,
        }
        write_destination(f, self.to)?;
        if let Some(via) = self.via {
            write!(f, " via {via}")?;
        }
        if let Some(dev) = &self.dev {
            write!(f, " dev {dev}")?;
        }
        if let Some(src) = self.src {
            write!(f, " src {src}")?;
        }
        if self.table != MAIN_TABLE {
            write!(f, " table {}", TableName(self.table))?;
        }
        let implied = match self.to {
            IpNet::V4(_) => 0,
            IpNet::V6(_) => METRIC_V6,
        };
        if self.metric != implied {
            write!(f, " metric {}", self.metric)?;
        }
        if self.onlink {
            f.write_str(" onlink")?;
        }
        Ok(())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from {
            Some(from) => write!(f, "from {from}")?,
            None if self.family == Family::V6 && self.to.is_none() => f.write_str("from ::/0")?,
            None => f.write_str("from all")?,
        }
        if let Some(to) = self.to {
            write!(f, " to {to}")?;
        }
        if let Some(Mark { value, mask }) = self.fwmark {
            write!(f, " fwmark {value:#x}")?;
            if mask != u32::MAX {
                write!(f, "/{mask:#x}")?;
            }
        }
        if let Some(iif) = &self.iif {
            write!(f, " iif {iif}")?;
        }
        let table = TableName(self.table);
        write!(f, " lookup {table} priority {}", self.priority)
    }
}

fn write_destination(f: &mut fmt::Formatter<'_>, to: IpNet) -> fmt::Result {
    match to {
        IpNet::V4(to) if to.prefix_len() == 0 => f.write_str("default"),
        IpNet::V6(to) if to.prefix_len() == 0 => f.write_str("::/0"),
        IpNet::V4(_) | IpNet::V6(_) => write!(f, "{to}"),
    }
}

/// The names that the kernel itself knows.
struct TableName(u32);

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            LOCAL_TABLE => f.write_str("local"),
            MAIN_TABLE => f.write_str("main"),
            DEFAULT_TABLE => f.write_str("default"),
            number => number.fmt(f),
        }
    }
}
