//! A copy of the kernel's state, as far as it matters here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::entry::{
    Change, Entry, Found, Hop, KernelRoute, KernelRule, Link, LinkAddress, Slot, Touched,
};
use super::object::{Address, Object, Route, RouteKind, Rule};

/// Interfaces, all addresses, the marked routes and all rules. Routes of others are left out: a router may have a million of them.
#[derive(Debug, Default)]
pub(super) struct View {
    links: BTreeMap<u32, Link>,
    names: BTreeMap<String, u32>,
    addresses: BTreeMap<u32, BTreeMap<(IpAddr, u8), Known>>,
    /// Counts addresses, so that their order is known.
    seen: u64,
    routes: BTreeMap<Slot, Vec<KernelRoute>>,
    /// The routes that go with an address.
    routes_from: BTreeMap<IpAddr, BTreeSet<Slot>>,
    rules: BTreeMap<Rule, RuleOwners>,
}

#[derive(Debug)]
struct Known {
    order: u64,
    entry: LinkAddress,
}

/// The kernel may have a rule twice when the protocol differs.
#[derive(Clone, Copy, Debug, Default)]
struct RuleOwners {
    ours: bool,
    others: bool,
}

impl View {
    pub(super) fn of(snapshot: Vec<Change>) -> Self {
        let mut view = Self::default();
        for entry in snapshot {
            view.apply(entry);
        }
        view
    }

    /// Follows one change, and tells what it touches.
    pub(super) fn apply(&mut self, change: Change) -> Vec<Touched> {
        match change {
            Change::Link(link) => self.link_changed(link),
            Change::LinkGone { index } => self.link_gone(index),
            Change::Address(address) => self.address_changed(address),
            Change::AddressGone {
                index,
                address,
                prefix_length,
            } => self.address_gone(index, address, prefix_length),
            Change::Route(route) => self.route_changed(route),
            Change::RouteGone(route) => self.route_gone(&route),
            Change::RouteReplaced(slot) => self.drop_routes(&[slot], |_, _| false),
            Change::Rule(KernelRule { rule, marked }) => {
                let owners = self.rules.entry(rule.clone()).or_default();
                *owners.of(marked) = true;
                vec![Touched::Rule(rule)]
            }
            Change::RuleGone(KernelRule { rule, marked }) => {
                let owners = self.rules.entry(rule.clone()).or_default();
                *owners.of(marked) = false;
                if !owners.ours && !owners.others {
                    self.rules.remove(&rule);
                }
                vec![Touched::Rule(rule)]
            }
        }
    }

    pub(super) fn link_named(&self, name: &str) -> Option<&Link> {
        self.links.get(self.names.get(name)?)
    }

    /// The addresses of an interface in the kernel's order.
    pub(super) fn addresses_of(&self, link: &Link) -> Vec<&LinkAddress> {
        let mut known: Vec<_> = self
            .addresses
            .get(&link.index)
            .into_iter()
            .flat_map(BTreeMap::values)
            .collect();
        known.sort_by_key(|known| known.order);
        known.into_iter().map(|known| &known.entry).collect()
    }

    /// Whether the kernel could have it now.
    pub(super) fn allows(&self, object: &Object) -> bool {
        match object {
            Object::Address(address) => self.link_named(&address.interface).is_some(),
            Object::Route(route) => match (&route.dev, route.kind) {
                (Some(dev), RouteKind::Unicast) => {
                    self.link_named(dev).is_some_and(|link| link.enabled)
                }
                (_, _) => true,
            },
            Object::Rule(_) => true,
        }
    }

    /// The entry by which the kernel has it.
    pub(super) fn find(&self, object: &Object) -> Option<Found> {
        match object {
            Object::Address(address) => self.find_address(address),
            Object::Route(route) => self.find_route(route),
            Object::Rule(rule) => {
                let owners = self.rules.get(rule)?;
                Some(Found::There {
                    marked: owners.ours,
                    entry: Entry::Rule(rule.clone()),
                })
            }
        }
    }

    /// What to ask the kernel for; `None` while it could not have it.
    pub(super) fn entry_for(&self, object: &Object) -> Option<Entry> {
        if !self.allows(object) {
            return None;
        }
        match object {
            Object::Address(address) => Some(Entry::Address(LinkAddress {
                index: self.link_named(&address.interface)?.index,
                address: address.address,
                prefix_length: address.prefix_length,
                label: address.label.clone(),
                scope: address.scope,
                marked: true,
                secondary: false,
                tentative: false,
            })),
            Object::Route(route) => {
                let index = match &route.dev {
                    Some(dev) => Some(self.link_named(dev)?.index),
                    None => None,
                };
                let hop = Hop {
                    via: route.via,
                    index,
                    onlink: route.onlink,
                };
                Some(Entry::Route(KernelRoute {
                    slot: Slot::of(route),
                    kind: route.kind,
                    hops: match route.kind {
                        RouteKind::Unicast => vec![hop],
                        RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit => {
                            Vec::new()
                        }
                    },
                    src: route.src,
                }))
            }
            Object::Rule(rule) => Some(Entry::Rule(rule.clone())),
        }
    }

    /// Whether an address of an interface is there with a network that contains another one.
    pub(super) fn reaches(&self, interface: &str, address: IpAddr, other: IpAddr) -> bool {
        let known = self
            .link_named(interface)
            .and_then(|link| self.addresses.get(&link.index));
        known.is_some_and(|known| {
            let mut entries = known.range((address, 0)..=(address, u8::MAX));
            entries.any(|(&(_, prefix_length), _)| {
                IpNet::new(address, prefix_length).is_ok_and(|network| network.contains(&other))
            })
        })
    }

    /// Everything that bears the mark, in the order in which to remove it.
    pub(super) fn marked(&self) -> Vec<(Object, Entry)> {
        let rules = self.rules.iter().filter(|(_, owners)| owners.ours);
        let rules = rules.map(|(rule, _)| (rule.clone().into(), Entry::Rule(rule.clone())));
        let routes = self.routes.values().flatten();
        let routes = routes.map(|route| (self.object_of(route), Entry::Route(route.clone())));
        let addresses = self.links.values().flat_map(|link| {
            let addresses = self.addresses_of(link).into_iter();
            addresses
                .filter(|entry| entry.marked)
                .map(|entry| (named(link, entry).into(), Entry::Address(entry.clone())))
        });
        rules.chain(routes).chain(addresses).collect()
    }

    fn object_of(&self, route: &KernelRoute) -> Object {
        let hop = route.hops.first();
        let link = hop.and_then(|hop| self.links.get(&hop.index?));
        Object::Route(Route {
            to: route.slot.to,
            table: route.slot.table,
            metric: route.slot.metric,
            kind: route.kind,
            via: hop.and_then(|hop| hop.via),
            dev: link.map(|link| link.name.clone()),
            src: route.src,
            onlink: hop.is_some_and(|hop| hop.onlink),
        })
    }

    fn find_address(&self, wanted: &Address) -> Option<Found> {
        let link = self.link_named(&wanted.interface)?;
        let known = self.addresses.get(&link.index)?;
        let there = |entry: &LinkAddress| Found::There {
            marked: entry.marked,
            entry: Entry::Address(entry.clone()),
        };
        if let Some(Known { entry, .. }) = known.get(&(wanted.address, wanted.prefix_length)) {
            let as_wanted = wanted.address.is_ipv6()
                || (entry.scope == wanted.scope
                    && wanted
                        .label
                        .as_ref()
                        .is_none_or(|label| entry.label.as_ref() == Some(label)));
            return Some(if as_wanted || !entry.marked {
                there(entry)
            } else {
                Found::InTheWay(Entry::Address(entry.clone()))
            });
        }
        let mut same_address = known.range((wanted.address, 0)..=(wanted.address, u8::MAX));
        same_address
            .find(|(_, known)| !known.entry.marked)
            .map(|(_, known)| there(&known.entry))
    }

    fn find_route(&self, wanted: &Route) -> Option<Found> {
        let entries = self.routes.get(&Slot::of(wanted))?;
        let index = match &wanted.dev {
            Some(dev) => Some(self.link_named(dev)?.index),
            None => None,
        };
        let leads_there = |hop: &Hop| {
            hop.via == wanted.via
                && hop.onlink == wanted.onlink
                && (index.is_none() || hop.index == index)
        };
        let as_wanted = |entry: &&KernelRoute| {
            entry.kind == wanted.kind
                && entry.src == wanted.src
                && (wanted.kind != RouteKind::Unicast || entry.hops.iter().any(leads_there))
        };
        match entries.iter().find(as_wanted) {
            Some(entry) => Some(Found::There {
                marked: true,
                entry: Entry::Route(KernelRoute {
                    // What others added to it stays.
                    hops: entry
                        .hops
                        .iter()
                        .filter(|hop| leads_there(hop))
                        .cloned()
                        .collect(),
                    ..entry.clone()
                }),
            }),
            None => Some(Found::InTheWay(Entry::Route(entries.first()?.clone()))),
        }
    }

    fn link_changed(&mut self, link: Link) -> Vec<Touched> {
        let known = self.links.insert(link.index, link.clone());
        if known.as_ref() == Some(&link) {
            return Vec::new();
        }
        let mut touched = vec![Touched::Link(link.name.clone())];
        if let Some(known) = known
            && known.name != link.name
        {
            self.forget_name(&known);
            touched.push(Touched::Link(known.name));
        }
        if !link.enabled {
            touched.extend(self.drop_routes_on(link.index, |_| true));
        }
        self.names.insert(link.name, link.index);
        touched
    }

    fn link_gone(&mut self, index: u32) -> Vec<Touched> {
        self.addresses.remove(&index);
        let mut touched = self.drop_routes_on(index, |_| true);
        if let Some(link) = self.links.remove(&index) {
            self.forget_name(&link);
            touched.push(Touched::Link(link.name));
        }
        touched
    }

    fn forget_name(&mut self, link: &Link) {
        if self.names.get(&link.name) == Some(&link.index) {
            self.names.remove(&link.name);
        }
    }

    fn address_changed(&mut self, entry: LinkAddress) -> Vec<Touched> {
        let (index, address) = (entry.index, entry.address);
        let marked = entry.marked;
        let known = self.addresses.entry(index).or_default();
        let before = match known.get_mut(&(address, entry.prefix_length)) {
            Some(known) => Some(std::mem::replace(&mut known.entry, entry)),
            None => {
                self.seen += 1;
                let order = self.seen;
                known.insert((address, entry.prefix_length), Known { order, entry });
                None
            }
        };
        let of_others = !marked || before.is_some_and(|before| !before.marked);
        self.touched_address(index, address, of_others)
    }

    fn address_gone(&mut self, index: u32, address: IpAddr, prefix_length: u8) -> Vec<Touched> {
        let Some(known) = self.addresses.get_mut(&index) else {
            return Vec::new();
        };
        let Some(gone) = known.remove(&(address, prefix_length)) else {
            return Vec::new();
        };
        let last = !known.keys().any(|(other, _)| other.is_ipv4());
        let mut touched = self.touched_address(index, address, !gone.entry.marked);
        // The kernel drops these routes, or takes the address out of them, without a word on older versions. Where it did not, it
        // says so when they are added again.
        let slots: Vec<Slot> = self
            .routes_from
            .get(&address)
            .into_iter()
            .flatten()
            .copied()
            .collect();
        touched.extend(self.drop_routes(&slots, |_, route| route.src != Some(address)));
        if last && address.is_ipv4() {
            touched.extend(self.drop_routes_on(index, |slot| matches!(slot.to, IpNet::V4(_))));
        }
        touched
    }

    fn touched_address(&self, index: u32, address: IpAddr, of_others: bool) -> Vec<Touched> {
        let Some(link) = self.links.get(&index) else {
            return Vec::new();
        };
        let interface = link.name.clone();
        let mut touched = vec![Touched::Address { interface, address }];
        if of_others {
            touched.push(Touched::OthersAddresses(link.name.clone()));
        }
        touched
    }

    fn route_changed(&mut self, route: KernelRoute) -> Vec<Touched> {
        let slot = route.slot;
        if let Some(src) = route.src {
            self.routes_from.entry(src).or_default().insert(slot);
        }
        let known = self.routes.entry(slot).or_default();
        if !known.contains(&route) {
            known.push(route);
        }
        vec![Touched::Route(slot)]
    }

    fn route_gone(&mut self, gone: &KernelRoute) -> Vec<Touched> {
        self.drop_routes(&[gone.slot], |_, route| {
            if route.kind != gone.kind {
                return true;
            }
            route.hops.retain(|hop| !gone.hops.contains(hop));
            !route.hops.is_empty()
        })
    }

    /// The kernel drops the routes over an interface that is set down, and says nothing of those of IPv4.
    fn drop_routes_on(&mut self, index: u32, concerned: impl Fn(&Slot) -> bool) -> Vec<Touched> {
        let slots: Vec<Slot> = self
            .routes
            .iter()
            .filter(|(slot, routes)| {
                let mut hops = routes.iter().flat_map(|route| &route.hops);
                concerned(slot) && hops.any(|hop| hop.index == Some(index))
            })
            .map(|(slot, _)| *slot)
            .collect();
        self.drop_routes(&slots, |_, route| {
            route.hops.is_empty() || {
                route.hops.retain(|hop| hop.index != Some(index));
                !route.hops.is_empty()
            }
        })
    }

    fn drop_routes(
        &mut self,
        slots: &[Slot],
        stays: impl Fn(&Slot, &mut KernelRoute) -> bool,
    ) -> Vec<Touched> {
        for slot in slots {
            let Some(routes) = self.routes.get_mut(slot) else {
                continue;
            };
            let sources: Vec<IpAddr> = routes.iter().filter_map(|route| route.src).collect();
            routes.retain_mut(|route| stays(slot, route));
            let left: Vec<IpAddr> = routes.iter().filter_map(|route| route.src).collect();
            if routes.is_empty() {
                self.routes.remove(slot);
            }
            for src in sources.into_iter().filter(|src| !left.contains(src)) {
                if let Some(slots) = self.routes_from.get_mut(&src) {
                    slots.remove(slot);
                    if slots.is_empty() {
                        self.routes_from.remove(&src);
                    }
                }
            }
        }
        slots.iter().copied().map(Touched::Route).collect()
    }
}

impl RuleOwners {
    fn of(&mut self, marked: bool) -> &mut bool {
        if marked {
            &mut self.ours
        } else {
            &mut self.others
        }
    }
}

fn named(link: &Link, entry: &LinkAddress) -> Address {
    Address {
        interface: link.name.clone(),
        address: entry.address,
        prefix_length: entry.prefix_length,
        label: entry.label.clone().filter(|label| *label != link.name),
        scope: match entry.address {
            IpAddr::V4(_) => entry.scope,
            IpAddr::V6(_) => 0,
        },
    }
}
