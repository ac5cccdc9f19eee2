//! rtnetlink's messages: requests for entries, and changes from what the kernel says.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "netlink's messages and attributes are an open set; all but a few mean nothing here"
)]

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_REPLACE, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol,
    AddressScope, CacheInfo,
};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHopFlags,
    RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use vrrp::Family;

use super::PROTOCOL;
use super::entry::{Change, Entry, Hop, KernelRoute, KernelRule, Link, LinkAddress, Slot};
use super::object::{Mark, RouteKind, Rule, everything};

/// The requests that together list everything that matters here. Of the routes only those with our mark are asked for, where the
/// kernel can tell them apart (`NETLINK_GET_STRICT_CHK`, Linux 4.20).
pub(super) fn dump_requests() -> [RouteNetlinkMessage; 5] {
    let routes = |family: Family| {
        let mut message = RouteMessage::default();
        message.header.address_family = wire_family(family);
        message.header.protocol = RouteProtocol::from(PROTOCOL);
        RouteNetlinkMessage::GetRoute(message)
    };
    [
        links_request(),
        all_addresses_request(),
        routes(Family::V4),
        routes(Family::V6),
        RouteNetlinkMessage::GetRule(RuleMessage::default()),
    ]
}

/// Lists all interfaces.
pub(super) fn links_request() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetLink(LinkMessage::default())
}

/// Asks for an interface by name.
pub(super) fn link_request(name: &str) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message
        .attributes
        .push(LinkAttribute::IfName(name.to_owned()));
    RouteNetlinkMessage::GetLink(message)
}

/// Lists the addresses of an interface; those of all of them before Linux 4.20.
pub(super) fn addresses_request(index: u32) -> RouteNetlinkMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    RouteNetlinkMessage::GetAddress(message)
}

/// Lists the addresses of all interfaces.
pub(super) fn all_addresses_request() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetAddress(AddressMessage::default())
}

/// Lists the routes of a family, whoever added them.
pub(super) fn routes_request(family: Family) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = wire_family(family);
    RouteNetlinkMessage::GetRoute(message)
}

/// Adds an entry, with our mark.
pub(super) fn add_request(entry: &Entry) -> RouteNetlinkMessage {
    match entry {
        Entry::Address(entry) => RouteNetlinkMessage::NewAddress(new_address(entry)),
        Entry::Route(route) => RouteNetlinkMessage::NewRoute(new_route(route)),
        Entry::Rule(rule) => RouteNetlinkMessage::NewRule(rule_message(rule)),
    }
}

/// Removes an entry; of routes and rules only one that has our mark.
pub(super) fn remove_request(entry: &Entry) -> RouteNetlinkMessage {
    match entry {
        Entry::Address(entry) => RouteNetlinkMessage::DelAddress(address_message(entry)),
        Entry::Route(route) => {
            let mut message = route_message(route);
            // Whatever its scope is.
            message.header.scope = RouteScope::NoWhere;
            RouteNetlinkMessage::DelRoute(message)
        }
        Entry::Rule(rule) => RouteNetlinkMessage::DelRule(rule_message(rule)),
    }
}

/// What a message of the kernel says, in order.
pub(super) fn changes_of(message: NetlinkMessage<RouteNetlinkMessage>) -> Vec<Change> {
    let replaces = message.header.flags & NLM_F_REPLACE != 0;
    let NetlinkPayload::InnerMessage(message) = message.payload else {
        return Vec::new();
    };
    let change = match message {
        RouteNetlinkMessage::NewLink(link) if is_of_interface(&link) => {
            parse_link(link).map(Change::Link)
        }
        RouteNetlinkMessage::DelLink(link) if is_of_interface(&link) => Some(Change::LinkGone {
            index: link.header.index,
        }),
        RouteNetlinkMessage::NewAddress(address) => parse_address(&address).map(Change::Address),
        RouteNetlinkMessage::DelAddress(address) => {
            parse_address(&address).map(|address| Change::AddressGone {
                index: address.index,
                address: address.address,
                prefix_length: address.prefix_length,
            })
        }
        RouteNetlinkMessage::NewRoute(route) => {
            let marked = is_marked(&route);
            let route = (marked || replaces).then(|| parse_route(&route)).flatten();
            let replaced = route.as_ref().filter(|_| replaces).map(|route| route.slot);
            return replaced
                .map(Change::RouteReplaced)
                .into_iter()
                .chain(route.filter(|_| marked).map(Change::Route))
                .collect();
        }
        RouteNetlinkMessage::DelRoute(route) if is_marked(&route) => {
            parse_route(&route).map(Change::RouteGone)
        }
        RouteNetlinkMessage::NewRule(rule) => parse_rule(&rule).map(Change::Rule),
        RouteNetlinkMessage::DelRule(rule) => parse_rule(&rule).map(Change::RuleGone),
        _ => None,
    };
    change.into_iter().collect()
}

/// The route that a message of the kernel tells of, whoever added it.
pub(super) fn route_of(message: NetlinkMessage<RouteNetlinkMessage>) -> Option<KernelRoute> {
    match message.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) => parse_route(&route),
        _ => None,
    }
}

fn address_message(entry: &LinkAddress) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = wire_family(Family::of(&entry.address));
    message.header.index = entry.index;
    message.header.prefix_len = entry.prefix_length;
    message.attributes = vec![
        AddressAttribute::Local(entry.address),
        AddressAttribute::Address(entry.address),
    ];
    message
}

fn new_address(entry: &LinkAddress) -> AddressMessage {
    let mut message = address_message(entry);
    message.header.scope = AddressScope::from(entry.scope);
    message
        .attributes
        .push(AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)));
    if let Some(label) = &entry.label {
        message
            .attributes
            .push(AddressAttribute::Label(label.clone()));
    }
    if entry.address.is_ipv6() {
        // Without duplicate address detection, since VRRP decides who has it.
        message
            .attributes
            .push(AddressAttribute::Flags(AddressFlags::Nodad));
        if entry.prefix_length == HOST_PREFIX_V6 {
            message
                .attributes
                .push(AddressAttribute::CacheInfo(deprecated()));
        }
    }
    message
}

const HOST_PREFIX_V6: u8 = 128;
/// `INFINITY_LIFE_TIME` of the kernel.
const FOR_EVER: u32 = u32::MAX;

/// For an address alone, which says nothing of the network: of those of the interface it would mostly be the closest one to a
/// neighbour's (RFC 6724 §5, rule 8), and the host's own connections would be made from it and break when it moves. A deprecated
/// address (rule 3) is chosen for want of any other only, and is as good as any for those who name it.
fn deprecated() -> CacheInfo {
    let mut lifetimes = CacheInfo::default();
    lifetimes.ifa_valid = FOR_EVER;
    lifetimes.ifa_preferred = 0;
    lifetimes
}

fn new_route(route: &KernelRoute) -> RouteMessage {
    let mut message = route_message(route);
    let leads_on = route.hops.iter().any(|hop| hop.via.is_some());
    message.header.scope = if route.kind == RouteKind::Unicast && !leads_on {
        RouteScope::Link
    } else {
        RouteScope::Universe
    };
    if let Some(src) = route.src {
        message
            .attributes
            .push(RouteAttribute::PrefSource(src.into()));
    }
    message
}

/// With what tells it from other routes. Of several next hops the first counts.
fn route_message(route: &KernelRoute) -> RouteMessage {
    let Slot { to, table, metric } = route.slot;
    let mut message = RouteMessage::default();
    message.header.address_family = wire_family(route.slot.family());
    message.header.destination_prefix_length = to.prefix_len();
    message.header.table = header_table(table);
    message.header.protocol = RouteProtocol::from(PROTOCOL);
    message.header.kind = match route.kind {
        RouteKind::Unicast => RouteType::Unicast,
        RouteKind::Blackhole => RouteType::BlackHole,
        RouteKind::Unreachable => RouteType::Unreachable,
        RouteKind::Prohibit => RouteType::Prohibit,
    };
    message.attributes = vec![
        RouteAttribute::Table(table),
        RouteAttribute::Priority(metric),
    ];
    if to.prefix_len() > 0 {
        message
            .attributes
            .push(RouteAttribute::Destination(to.addr().into()));
    }
    if let Some(hop) = route.hops.first() {
        if let Some(via) = hop.via {
            message.attributes.push(RouteAttribute::Gateway(via.into()));
        }
        if let Some(index) = hop.index {
            message.attributes.push(RouteAttribute::Oif(index));
        }
        message.header.flags.set(RouteFlags::Onlink, hop.onlink);
    }
    message
}

fn rule_message(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = wire_family(rule.family);
    message.header.table = header_table(rule.table);
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![
        RuleAttribute::Priority(rule.priority),
        RuleAttribute::Table(rule.table),
        RuleAttribute::Protocol(RouteProtocol::from(PROTOCOL)),
    ];
    if let Some(from) = rule.from {
        message.header.src_len = from.prefix_len();
        message.attributes.push(RuleAttribute::Source(from.addr()));
    }
    if let Some(to) = rule.to {
        message.header.dst_len = to.prefix_len();
        message
            .attributes
            .push(RuleAttribute::Destination(to.addr()));
    }
    if let Some(Mark { value, mask }) = rule.fwmark {
        message.attributes.push(RuleAttribute::FwMark(value));
        message.attributes.push(RuleAttribute::FwMask(mask));
    }
    if let Some(iif) = &rule.iif {
        message.attributes.push(RuleAttribute::Iifname(iif.clone()));
    }
    message
}

/// The header has room for small numbers only; the attribute has the whole.
fn header_table(table: u32) -> u8 {
    u8::try_from(table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC)
}

fn wire_family(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

fn family_of(wire: AddressFamily) -> Option<Family> {
    match wire {
        AddressFamily::Inet => Some(Family::V4),
        AddressFamily::Inet6 => Some(Family::V6),
        _ => None,
    }
}

/// The same messages with the family of bridges are about ports: "deleted" then means that an interface left its bridge.
fn is_of_interface(link: &LinkMessage) -> bool {
    link.header.interface_family == AddressFamily::Unspec
}

fn parse_link(message: LinkMessage) -> Option<Link> {
    let passes_packets = LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Running;
    let mut name = None;
    let mut mac = None;
    let mut mtu = 0;
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(value) => name = Some(value),
            LinkAttribute::Mtu(value) => mtu = value,
            LinkAttribute::Address(value) => mac = value.try_into().ok(),
            _ => {}
        }
    }
    Some(Link {
        index: message.header.index,
        name: name?,
        enabled: message.header.flags.contains(LinkFlags::Up),
        up: message.header.flags.contains(passes_packets),
        carrier: message.header.flags.contains(LinkFlags::LowerUp),
        mtu,
        mac,
    })
}

fn parse_address(message: &AddressMessage) -> Option<LinkAddress> {
    // On a point-to-point interface IFA_ADDRESS is the peer's.
    let mut local = None;
    let mut address = None;
    let mut label = None;
    let mut marked = false;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(value) => local = Some(*value),
            AddressAttribute::Address(value) => address = Some(*value),
            AddressAttribute::Label(value) => label = Some(value.clone()),
            AddressAttribute::Protocol(protocol) => marked = u8::from(*protocol) == PROTOCOL,
            _ => {}
        }
    }
    let flags = message.header.flags;
    let unproven = AddressHeaderFlags::Tentative | AddressHeaderFlags::Dadfailed;
    Some(LinkAddress {
        index: message.header.index,
        address: local.or(address)?,
        prefix_length: message.header.prefix_len,
        label,
        scope: message.header.scope.into(),
        marked,
        // IPv6 uses this bit for temporary addresses, which are not secondary to anything.
        secondary: flags.contains(AddressHeaderFlags::Secondary)
            && message.header.family == AddressFamily::Inet,
        tentative: flags.intersects(unproven),
    })
}

/// Routes that a dump or a notification shows although they are no entries of a table (`RTM_F_CLONED`) are nobody's.
fn is_marked(message: &RouteMessage) -> bool {
    u8::from(message.header.protocol) == PROTOCOL
        && !message.header.flags.contains(RouteFlags::Cloned)
}

/// `None` for what is never added here.
fn parse_route(message: &RouteMessage) -> Option<KernelRoute> {
    let header = &message.header;
    if header.tos != 0 || header.source_prefix_length != 0 {
        return None;
    }
    let family = family_of(header.address_family)?;
    let kind = match header.kind {
        RouteType::Unicast => RouteKind::Unicast,
        RouteType::BlackHole => RouteKind::Blackhole,
        RouteType::Unreachable => RouteKind::Unreachable,
        RouteType::Prohibit => RouteKind::Prohibit,
        _ => return None,
    };
    let mut destination = everything(family).addr();
    let mut table = u32::from(header.table);
    let mut metric = 0;
    let mut src = None;
    let mut hops = Vec::new();
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(value) => destination = ip(value)?,
            RouteAttribute::Table(value) => table = *value,
            RouteAttribute::Priority(value) => metric = *value,
            RouteAttribute::PrefSource(value) => src = ip(value),
            RouteAttribute::MultiPath(all) => {
                hops.extend(all.iter().map(|hop| Hop {
                    via: gateway(&hop.attributes),
                    index: Some(hop.interface_index),
                    onlink: hop.flags.contains(RouteNextHopFlags::Onlink),
                }));
            }
            _ => {}
        }
    }
    if hops.is_empty() {
        hops.push(Hop {
            via: gateway(&message.attributes),
            index: message
                .attributes
                .iter()
                .find_map(|attribute| match attribute {
                    RouteAttribute::Oif(index) => Some(*index),
                    _ => None,
                }),
            onlink: header.flags.contains(RouteFlags::Onlink),
        });
    }
    if kind != RouteKind::Unicast {
        // IPv6 shows the loopback interface.
        hops.clear();
    }
    Some(KernelRoute {
        slot: Slot {
            to: IpNet::new(destination, header.destination_prefix_length).ok()?,
            table,
            metric,
        },
        kind,
        hops,
        src,
    })
}

fn gateway(attributes: &[RouteAttribute]) -> Option<IpAddr> {
    attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(address) => ip(address),
        _ => None,
    })
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

/// `None` for what is never added here.
fn parse_rule(message: &RuleMessage) -> Option<KernelRule> {
    let header = &message.header;
    if header.action != RuleAction::ToTable
        || header.tos != 0
        || header.flags.contains(RuleFlags::Invert)
    {
        return None;
    }
    let mut rule = Rule {
        family: family_of(header.family)?,
        priority: 0,
        from: None,
        to: None,
        fwmark: None,
        iif: None,
        table: u32::from(header.table),
    };
    let mut mark = Mark { value: 0, mask: 0 };
    let mut marked = false;
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Source(address) => {
                rule.from = IpNet::new(*address, header.src_len).ok();
            }
            RuleAttribute::Destination(address) => {
                rule.to = IpNet::new(*address, header.dst_len).ok();
            }
            RuleAttribute::Priority(priority) => rule.priority = *priority,
            RuleAttribute::Table(table) => rule.table = *table,
            RuleAttribute::Iifname(name) => rule.iif = Some(name.clone()),
            RuleAttribute::FwMark(value) => mark.value = *value,
            RuleAttribute::FwMask(mask) => mark.mask = *mask,
            RuleAttribute::Protocol(protocol) => marked = u8::from(*protocol) == PROTOCOL,
            // Always there; all bits are set when it suppresses nothing.
            RuleAttribute::SuppressPrefixLen(u32::MAX) => {}
            RuleAttribute::SuppressIfGroup(u32::MAX) | RuleAttribute::L3MDev(false) => {}
            // It looks at more than any of ours.
            _ => return None,
        }
    }
    rule.fwmark = (mark.mask != 0).then_some(mark);
    Some(KernelRule { rule, marked })
}
