//! What to do next, given what the kernel has and what is wanted. No I/O and no clock.
//!
//! A change of the kernel or of the wishes makes it look at the objects that it concerns, and at no others; what is to be done
//! about each of them waits in a queue that has the order in which the kernel needs it.

mod managed;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use ipnet::IpNet;
use rustix::io::Errno;

use self::managed::{Managed, Queued, Refusal, Refused, Stage};
use super::entry::{Change, Entry, Found, LinkAddress, Slot, Touched};
use super::object::{Address, Object, Route, RouteKind};
use super::view::View;
use super::{Desired, LinkState, NetlinkEvent, Owner, RETRY_INTERVAL};

/// Keeps a copy of the kernel's state, and brings it towards the desired one, one operation at a time.
#[derive(Debug, Default)]
pub(super) struct Reconciler {
    /// Names of the watched interfaces, with what was last reported of them.
    watched: BTreeMap<String, Option<LinkState>>,
    /// Watched interfaces that may differ from what was reported.
    stale: BTreeSet<String>,
    view: View,
    wishes: BTreeMap<Owner, BTreeSet<Object>>,
    /// Every object that is desired, or released and not yet reported gone.
    managed: BTreeMap<Object, Managed>,
    /// What there is to do, in order.
    due: BTreeSet<(Stage, Object)>,
    /// What the kernel refused, until it is tried again.
    waiting: BTreeSet<(Instant, Object)>,
    /// Objects of which the owner may have to be told something.
    unreported: BTreeSet<Object>,
    events: VecDeque<NetlinkEvent>,
    /// How often an object was compared with the kernel's state; the measure of the work.
    looks: u64,
}

/// A request to the kernel, and the object it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) object: Object,
    pub(super) adds: bool,
    pub(super) entry: Entry,
}

/// Operations without an effect in a row until the next one has to wait: somebody may have been faster, but not that often.
const FRUITLESS_MAX: u8 = 3;

impl Reconciler {
    pub(super) fn new(interfaces: impl IntoIterator<Item = String>) -> Self {
        let mut reconciler = Self::default();
        reconciler.watch(interfaces);
        reconciler
    }

    /// Reports the interfaces of these names, too.
    pub(super) fn watch(&mut self, interfaces: impl IntoIterator<Item = String>) {
        for name in interfaces {
            self.watched.entry(name.clone()).or_default();
            self.stale.insert(name);
        }
    }

    /// Starts over from a full view of the kernel's state.
    pub(super) fn replace(&mut self, snapshot: Vec<Change>) {
        self.view = View::of(snapshot);
        self.stale = self.watched.keys().cloned().collect();
        for object in self.managed.keys().cloned().collect::<Vec<_>>() {
            self.look(&object);
        }
    }

    /// Follows one change of the kernel's state.
    pub(super) fn apply(&mut self, change: Change) {
        for touched in self.view.apply(change) {
            self.touch(&touched);
        }
    }

    /// Replaces what these owners want, all at once.
    pub(super) fn desire(&mut self, desired: Vec<Desired>) {
        // With whether it was wanted before, and whether an owner gained it.
        let mut concerned = BTreeMap::new();
        for Desired { owner, objects } in desired {
            let now: BTreeSet<Object> = objects.into_iter().collect();
            let before = self.wishes.remove(&owner).unwrap_or_default();
            for object in before.symmetric_difference(&now) {
                let managed = self.managed.entry(object.clone()).or_default();
                let (_, gained) = concerned
                    .entry(object.clone())
                    .or_insert_with(|| (managed.is_wanted(), false));
                if now.contains(object) {
                    managed.owners += 1;
                    *gained = true;
                } else {
                    managed.owners -= 1;
                }
            }
            if !now.is_empty() {
                self.wishes.insert(owner, now);
            }
        }
        for (object, (was_wanted, gained)) in concerned {
            self.wish_changed(&object, was_wanted, gained);
        }
    }

    /// The next thing to ask of the kernel; nothing when all is as desired, or cannot be for now.
    pub(super) fn next_operation(&mut self, now: Instant) -> Option<Operation> {
        while let Some((at, object)) = self.waiting.first().cloned()
            && at <= now
        {
            self.end_wait(&object);
        }
        while let Some((stage, object)) = self.due.first().cloned() {
            let adds = matches!(stage, Stage::AddAddress | Stage::AddRoute | Stage::AddRule);
            let entry = if adds {
                self.view.entry_for(&object)
            } else {
                self.view.find(&object).map(Found::into_entry)
            };
            if let Some(entry) = entry {
                return Some(Operation {
                    object,
                    adds,
                    entry,
                });
            }
            debug_assert!(false, "{stage:?} of {object} is due and cannot be done");
            self.due.pop_first();
        }
        None
    }

    /// Whether the kernel's answer shows that the copy of its state is wrong. An answer that it has given before is no news.
    pub(super) fn surprised(&self, operation: &Operation, errno: Errno) -> bool {
        let missing = [Errno::ADDRNOTAVAIL, Errno::SRCH, Errno::NOENT];
        let is_about_state = if operation.adds {
            errno == Errno::EXIST
        } else {
            missing.contains(&errno)
        };
        let refused = self
            .managed
            .get(&operation.object)
            .and_then(|managed| managed.refused.as_ref());
        is_about_state && refused.is_none_or(|refused| refused.refusal != Refusal::Error(errno))
    }

    /// Takes note of the kernel's answer; its effects come as changes, and have been applied already.
    pub(super) fn finished(
        &mut self,
        operation: &Operation,
        result: Result<(), Errno>,
        now: Instant,
    ) {
        let Some(managed) = self.managed.get_mut(&operation.object) else {
            return;
        };
        let done = if operation.adds {
            managed.present
        } else {
            let blocks = managed.in_the_way && managed.is_wanted();
            !(managed.present || blocks)
        };
        // The refusal has shown what is to be removed first.
        let blocked = operation.adds && managed.in_the_way;
        if result.is_ok() {
            managed.added = operation.adds && managed.present;
        }
        if !done && (result.is_ok() || blocked) {
            managed.fruitless = managed.fruitless.saturating_add(1);
        }
        let may_go_on = managed.fruitless < FRUITLESS_MAX;
        let refusal = match result {
            // Perhaps refused, and not needed either: somebody else did it.
            _ if done => None,
            Ok(()) => (!may_go_on).then_some(Refusal::NoEffect),
            Err(_) if blocked && may_go_on => None,
            Err(errno) => Some(Refusal::Error(errno)),
        };
        let before = managed.refused.take();
        managed.refused = refusal.map(|refusal| Refused {
            refusal,
            retry_at: Some(now + RETRY_INTERVAL),
            reported: before.is_some_and(|before| before.reported && before.refusal == refusal),
        });
        self.look(&operation.object);
    }

    /// When a refused operation is to be tried again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.waiting.first().map(|(at, _)| *at)
    }

    pub(super) fn poll_event(&mut self) -> Option<NetlinkEvent> {
        if self.events.is_empty() {
            while let Some(name) = self.stale.pop_first() {
                self.report_link(name);
            }
            while let Some(object) = self.unreported.pop_first() {
                self.report(&object);
            }
        }
        self.events.pop_front()
    }

    /// `gained`: one that had no wish for the object before has it now.
    fn wish_changed(&mut self, object: &Object, was_wanted: bool, gained: bool) {
        let present = matches!(self.view.find(object), Some(Found::There { .. }));
        let Some(managed) = self.managed.get_mut(object) else {
            return;
        };
        match (was_wanted, managed.is_wanted()) {
            (true, false) => managed.refused = None,
            // Perhaps wanted again before its removal was reported: as new to the owner, but still ours if it was.
            (false, true) => {
                *managed = Managed {
                    owners: managed.owners,
                    added: managed.added,
                    queued: managed.queued,
                    present,
                    ..Managed::default()
                }
            }
            // It stays in place, and its new owner is told so.
            (true, true) if gained => {
                managed.reported_present = false;
                managed.ever_present = false;
            }
            (true, true) | (false, false) => {}
        }
        self.look(object);
    }

    fn touch(&mut self, touched: &Touched) {
        match touched {
            Touched::Link(name) => {
                self.link_is_stale(name);
                let addresses = self.addresses_of(name).into_iter();
                for object in addresses.chain(self.routes_over(name)) {
                    self.look(&object);
                    // What the kernel refused before, it may grant now.
                    self.end_wait(&object);
                }
            }
            Touched::OthersAddresses(name) => {
                self.link_is_stale(name);
                for object in self.addresses_of(name) {
                    self.end_wait(&object);
                }
            }
            Touched::Address { interface, address } => {
                for object in self.entries_of(interface, *address) {
                    self.look(&object);
                }
                self.end_waits_for(interface, *address);
            }
            Touched::Route(slot) => {
                for object in self.routes_in(slot) {
                    self.look(&object);
                }
            }
            Touched::Rule(rule) => self.look(&rule.clone().into()),
        }
    }

    /// Compares an object with the copy of the kernel's state, and queues what is to be done about it.
    fn look(&mut self, object: &Object) {
        let Some(managed) = self.managed.get_mut(object) else {
            return;
        };
        self.looks += 1;
        let found = self.view.find(object);
        let present = matches!(found, Some(Found::There { .. }));
        if managed.present && !present {
            managed.added = false;
            managed.lost |= managed.reported_present;
        }
        managed.present = present;
        managed.in_the_way = matches!(found, Some(Found::InTheWay(_)));
        managed.ours = match found {
            Some(Found::There { marked, entry }) => {
                marked || (managed.added && is_the_very(object, &entry))
            }
            Some(Found::InTheWay(_)) | None => false,
        };
        managed.allowed = self.view.allows(object);
        if managed.present == managed.is_wanted() {
            managed.fruitless = 0;
        }
        if managed.present == managed.is_wanted() || !managed.allowed {
            // There is nothing left to try again.
            managed.refused = None;
        }
        let queued = managed.to_do(object).map(|stage| {
            let retry_at = managed
                .refused
                .as_ref()
                .and_then(|refused| refused.retry_at);
            retry_at.map_or(Queued::Due(stage), Queued::Waiting)
        });
        let before = std::mem::replace(&mut managed.queued, queued);
        if before != queued {
            match before {
                Some(Queued::Due(stage)) => {
                    self.due.remove(&(stage, object.clone()));
                }
                Some(Queued::Waiting(at)) => {
                    self.waiting.remove(&(at, object.clone()));
                }
                None => {}
            }
            match queued {
                Some(Queued::Due(stage)) => {
                    self.due.insert((stage, object.clone()));
                }
                Some(Queued::Waiting(at)) => {
                    self.waiting.insert((at, object.clone()));
                }
                None => {}
            }
        }
        self.unreported.insert(object.clone());
    }

    /// What was refused is tried again as soon as possible.
    fn end_wait(&mut self, object: &Object) {
        let Some(managed) = self.managed.get_mut(object) else {
            return;
        };
        if let Some(refused) = &mut managed.refused
            && refused.retry_at.take().is_some()
        {
            self.look(object);
        }
    }

    /// An address came: the routes that may have waited for it.
    fn end_waits_for(&mut self, interface: &str, address: IpAddr) {
        let needs_it = |route: &Route| {
            route.src == Some(address)
                || route
                    .via
                    .is_some_and(|via| self.view.reaches(interface, address, via))
        };
        let waiting = self.waiting.iter().map(|(_, object)| object);
        let routes: Vec<Object> = waiting
            .filter(|object| matches!(object, Object::Route(route) if needs_it(route)))
            .cloned()
            .collect();
        for object in routes {
            self.end_wait(&object);
        }
    }

    fn link_is_stale(&mut self, name: &str) {
        if self.watched.contains_key(name) {
            self.stale.insert(name.to_owned());
        }
    }

    /// The managed addresses of an interface.
    fn addresses_of(&self, interface: &str) -> Vec<Object> {
        let first = first_address(interface, Ipv4Addr::UNSPECIFIED.into());
        self.managed
            .range(first..)
            .map(|(object, _)| object)
            .take_while(
                |object| matches!(object, Object::Address(other) if other.interface == interface),
            )
            .cloned()
            .collect()
    }

    /// The managed entries of one address: with different prefix lengths, say.
    fn entries_of(&self, interface: &str, address: IpAddr) -> Vec<Object> {
        self.managed
            .range(first_address(interface, address)..)
            .map(|(object, _)| object)
            .take_while(|object| {
                matches!(object, Object::Address(other) if other.interface == interface && other.address == address)
            })
            .cloned()
            .collect()
    }

    /// The managed routes that the kernel does not tell apart.
    fn routes_in(&self, slot: &Slot) -> Vec<Object> {
        self.managed
            .range(first_route(*slot)..)
            .map(|(object, _)| object)
            .take_while(|object| matches!(object, Object::Route(other) if Slot::of(other) == *slot))
            .cloned()
            .collect()
    }

    /// The managed routes that may lead over an interface.
    fn routes_over(&self, interface: &str) -> Vec<Object> {
        let first = Slot {
            to: IpNet::V4(ipnet::Ipv4Net::default()),
            table: 0,
            metric: 0,
        };
        self.managed
            .range(first_route(first)..)
            .map(|(object, _)| object)
            .take_while(|object| matches!(object, Object::Route(_)))
            .filter(|object| {
                matches!(object, Object::Route(route) if route.dev.as_ref().is_none_or(|dev| dev == interface))
            })
            .cloned()
            .collect()
    }

    fn report_link(&mut self, name: String) {
        let state = self.link_state(&name);
        let Some(reported) = self.watched.get_mut(&name) else {
            return;
        };
        if reported.as_ref() != Some(&state) {
            *reported = Some(state.clone());
            self.events.push_back(NetlinkEvent::Link(state));
        }
    }

    fn link_state(&self, name: &str) -> LinkState {
        let Some(link) = self.view.link_named(name) else {
            return LinkState {
                interface: name.to_owned(),
                index: None,
                up: false,
                mac: None,
                addresses: Vec::new(),
            };
        };
        let mut usable = self.view.addresses_of(link);
        usable.retain(|entry| !entry.tentative && !entry.marked && !self.added(name, entry));
        usable.sort_by_key(|entry| entry.secondary);
        LinkState {
            interface: name.to_owned(),
            index: Some(link.index),
            up: link.up,
            mac: link.mac,
            addresses: usable
                .into_iter()
                .map(|entry| (entry.address, entry.prefix_length))
                .collect(),
        }
    }

    fn added(&self, interface: &str, entry: &LinkAddress) -> bool {
        self.managed
            .range(first_address(interface, entry.address)..)
            .take_while(|(object, _)| {
                matches!(object, Object::Address(other) if other.interface == interface && other.address == entry.address)
            })
            .any(|(object, managed)| {
                managed.added
                    && matches!(object, Object::Address(ours) if ours.prefix_length == entry.prefix_length)
            })
    }

    fn report(&mut self, object: &Object) {
        let Some(managed) = self.managed.get_mut(object) else {
            return;
        };
        self.events.extend(managed.report(object));
        if managed.is_released() {
            self.managed.remove(object);
        }
    }
}

/// Whether an entry can be an object that was added here before the kernel kept marks.
fn is_the_very(object: &Object, entry: &Entry) -> bool {
    matches!((object, entry), (Object::Address(ours), Entry::Address(entry)) if ours.prefix_length == entry.prefix_length)
}

/// Not after any entry of the address.
fn first_address(interface: &str, address: IpAddr) -> Object {
    Object::Address(Address {
        interface: interface.to_owned(),
        address,
        prefix_length: 0,
        label: None,
        scope: 0,
    })
}

/// Not after any route in the slot.
fn first_route(slot: Slot) -> Object {
    Object::Route(Route {
        to: slot.to,
        table: slot.table,
        metric: slot.metric,
        kind: RouteKind::Unicast,
        via: None,
        dev: None,
        src: None,
        onlink: false,
    })
}

#[cfg(test)]
mod tests;
