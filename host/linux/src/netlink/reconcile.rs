//! What to do next, given what the kernel has and what is wanted. No I/O and no clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::time::Instant;

use rustix::io::Errno;

use super::kernel::{Change, Link, LinkAddress, Snapshot};
use super::{Address, LinkState, NetlinkEvent, RETRY_INTERVAL};

/// Keeps a copy of the kernel's state, and brings it towards the desired one, one operation at a time.
#[derive(Debug)]
pub(super) struct Reconciler {
    /// Names of the watched interfaces, with what was last reported of them.
    watched: BTreeMap<String, Option<LinkState>>,
    links: BTreeMap<u32, Link>,
    addresses: BTreeMap<u32, Vec<LinkAddress>>,
    /// Every address that is desired, or released and not yet reported gone.
    managed: BTreeMap<Address, Managed>,
    events: VecDeque<NetlinkEvent>,
}

#[derive(Debug)]
struct Managed {
    desired: bool,
    /// On its interface, at the last look.
    present: bool,
    /// Added by this reconciler and not missing since; tells it from the administrator's where the kernel keeps no mark.
    added: bool,
    /// What the owner was told last.
    reported_present: bool,
    /// It was reported present since it is desired.
    ever_present: bool,
    /// It went missing after it was reported present.
    lost: bool,
    refused: Option<Refused>,
}

#[derive(Debug)]
struct Refused {
    errno: Errno,
    /// `None`: as soon as possible.
    retry_at: Option<Instant>,
    reported: bool,
}

/// A request to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Add {
        index: u32,
        address: IpAddr,
        prefix_length: u8,
    },
    Remove {
        index: u32,
        address: IpAddr,
        prefix_length: u8,
    },
}

impl Reconciler {
    pub(super) fn new(interfaces: impl IntoIterator<Item = String>) -> Self {
        Self {
            watched: interfaces.into_iter().map(|name| (name, None)).collect(),
            links: BTreeMap::new(),
            addresses: BTreeMap::new(),
            managed: BTreeMap::new(),
            events: VecDeque::new(),
        }
    }

    /// Starts over from a full view of the kernel's state.
    pub(super) fn replace(&mut self, snapshot: Snapshot) {
        self.links.clear();
        self.addresses.clear();
        for link in snapshot.links {
            self.links.insert(link.index, link);
        }
        for address in snapshot.addresses {
            self.addresses
                .entry(address.index)
                .or_default()
                .push(address);
        }
        self.observe();
    }

    /// Follows one change of the kernel's state.
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Link(link) => {
                self.links.insert(link.index, link);
            }
            Change::LinkGone { index } => {
                self.links.remove(&index);
                self.addresses.remove(&index);
            }
            Change::Address(address) => {
                let known = self.addresses.entry(address.index).or_default();
                match known.iter_mut().find(|known| same_entry(known, &address)) {
                    Some(entry) => *entry = address,
                    None => known.push(address),
                }
            }
            Change::AddressGone {
                index,
                address,
                prefix_length,
            } => {
                if let Some(known) = self.addresses.get_mut(&index) {
                    known.retain(|entry| {
                        entry.address != address || entry.prefix_length != prefix_length
                    });
                }
            }
        }
        self.observe();
    }

    pub(super) fn set_desired(&mut self, desired: Vec<Address>) {
        let desired: BTreeSet<Address> = desired.into_iter().collect();
        for (key, managed) in &mut self.managed {
            if managed.desired && !desired.contains(key) {
                managed.desired = false;
                managed.refused = None;
            }
        }
        for key in desired {
            let present = self.find(&key).is_some();
            let managed = self
                .managed
                .entry(key)
                .or_insert_with(|| Managed::new(present));
            if !managed.desired {
                // Wanted again before its removal was reported: as new to the owner, but still ours if it was.
                *managed = Managed {
                    added: managed.added,
                    ..Managed::new(present)
                };
            }
        }
    }

    /// The next thing to ask of the kernel; nothing when all is as desired, or cannot be for now.
    pub(super) fn next_operation(&self, now: Instant) -> Option<Operation> {
        // Removal first: an IPv6 address whose prefix length changes cannot be there twice.
        self.due(now)
            .find_map(|(key, managed)| {
                let entry = self.find(key)?;
                (!managed.desired && is_ours(managed, entry, key)).then_some(Operation::Remove {
                    index: entry.index,
                    address: entry.address,
                    prefix_length: entry.prefix_length,
                })
            })
            .or_else(|| {
                self.due(now).find_map(|(key, managed)| {
                    let link = self.link_named(&key.interface)?;
                    (managed.desired && !managed.present).then_some(Operation::Add {
                        index: link.index,
                        address: key.address,
                        prefix_length: key.prefix_length,
                    })
                })
            })
    }

    /// Takes note of the kernel's answer; its effects come as changes, and have been applied already.
    pub(super) fn finished(
        &mut self,
        operation: &Operation,
        result: Result<(), Errno>,
        now: Instant,
    ) {
        let (index, address, prefix_length, adds) = match *operation {
            Operation::Add {
                index,
                address,
                prefix_length,
            } => (index, address, prefix_length, true),
            Operation::Remove {
                index,
                address,
                prefix_length,
            } => (index, address, prefix_length, false),
        };
        // Without the link the operation is moot, and so is its result.
        let Some(link) = self.links.get(&index) else {
            return;
        };
        let key = Address {
            interface: link.name.clone(),
            address,
            prefix_length,
        };
        let Some(managed) = self.managed.get_mut(&key) else {
            return;
        };
        match result {
            Ok(()) => {
                managed.refused = None;
                managed.added = adds && managed.present;
            }
            // Refused, and not needed either: somebody else did it.
            Err(_) if managed.present == adds => managed.refused = None,
            Err(errno) => {
                let reported = managed
                    .refused
                    .as_ref()
                    .is_some_and(|refused| refused.reported && refused.errno == errno);
                managed.refused = Some(Refused {
                    errno,
                    retry_at: Some(now + RETRY_INTERVAL),
                    reported,
                });
            }
        }
    }

    /// When a refused operation is to be tried again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.managed
            .values()
            .filter_map(|managed| managed.refused.as_ref()?.retry_at)
            .min()
    }

    pub(super) fn poll_event(&mut self) -> Option<NetlinkEvent> {
        if self.events.is_empty() {
            self.report_links();
            self.report_addresses();
        }
        self.events.pop_front()
    }

    fn due(&self, now: Instant) -> impl Iterator<Item = (&Address, &Managed)> {
        self.managed.iter().filter(move |(_, managed)| {
            managed
                .refused
                .as_ref()
                .and_then(|refused| refused.retry_at)
                .is_none_or(|at| at <= now)
        })
    }

    fn link_named(&self, name: &str) -> Option<&Link> {
        self.links.values().find(|link| link.name == name)
    }

    /// The entry of the kernel by which the address is present.
    fn find(&self, key: &Address) -> Option<&LinkAddress> {
        let link = self.link_named(&key.interface)?;
        let entries = self.addresses.get(&link.index)?;
        let same_address = || entries.iter().filter(|entry| entry.address == key.address);
        same_address()
            .find(|entry| entry.prefix_length == key.prefix_length)
            .or_else(|| same_address().find(|entry| !entry.marked))
    }

    /// Compares the copy of the kernel's state with what was known of each managed address.
    fn observe(&mut self) {
        let seen: Vec<(bool, bool)> = self
            .managed
            .keys()
            .map(|key| {
                let possible = self.link_named(&key.interface).is_some();
                (self.find(key).is_some(), possible)
            })
            .collect();
        for (managed, (present, possible)) in self.managed.values_mut().zip(seen) {
            if managed.present && !present {
                managed.added = false;
                managed.lost |= managed.reported_present;
            }
            managed.present = present;
            if managed.present == managed.desired || !possible {
                // There is nothing left to try again.
                managed.refused = None;
            }
        }
    }

    fn report_links(&mut self) {
        let names: Vec<String> = self.watched.keys().cloned().collect();
        for name in names {
            let state = self.link_state(&name);
            let Some(reported) = self.watched.get_mut(&name) else {
                continue;
            };
            if reported.as_ref() == Some(&state) {
                continue;
            }
            *reported = Some(state.clone());
            self.events.push_back(NetlinkEvent::Link(state));
            // What the kernel refused before, it may grant now.
            for (key, managed) in &mut self.managed {
                if let Some(refused) = &mut managed.refused
                    && key.interface == name
                {
                    refused.retry_at = None;
                }
            }
        }
    }

    fn link_state(&self, name: &str) -> LinkState {
        let Some(link) = self.link_named(name) else {
            return LinkState {
                interface: name.to_owned(),
                index: None,
                up: false,
                mac: None,
                addresses: Vec::new(),
            };
        };
        let mut usable: Vec<&LinkAddress> = self
            .addresses
            .get(&link.index)
            .into_iter()
            .flatten()
            .filter(|entry| !entry.tentative && !entry.marked && !self.added(name, entry))
            .collect();
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
        let key = Address {
            interface: interface.to_owned(),
            address: entry.address,
            prefix_length: entry.prefix_length,
        };
        self.managed.get(&key).is_some_and(|managed| managed.added)
    }

    fn report_addresses(&mut self) {
        let mut released = Vec::new();
        let keys: Vec<Address> = self.managed.keys().cloned().collect();
        for key in keys {
            let ours = |managed: &Managed| {
                self.find(&key)
                    .is_some_and(|entry| is_ours(managed, entry, &key))
            };
            let possible = self.link_named(&key.interface).is_some();
            let Some(kept) = self
                .managed
                .get(&key)
                .map(|managed| managed.present && !ours(managed))
            else {
                continue;
            };
            let Some(managed) = self.managed.get_mut(&key) else {
                continue;
            };
            if !managed.desired && (kept || !managed.present) {
                released.push(key.clone());
            }
            if let Some(event) = managed.report(&key, kept, possible) {
                self.events.push_back(event);
            }
        }
        for key in released {
            self.managed.remove(&key);
        }
    }
}

impl Managed {
    fn new(present: bool) -> Self {
        Self {
            desired: true,
            present,
            added: false,
            reported_present: false,
            ever_present: false,
            lost: false,
            refused: None,
        }
    }

    fn report(&mut self, key: &Address, kept: bool, possible: bool) -> Option<NetlinkEvent> {
        let interface = key.interface.clone();
        let address = key.address;
        if self.desired && self.present {
            if self.reported_present && !self.lost {
                return None;
            }
            self.reported_present = true;
            self.lost = false;
            let restored = std::mem::replace(&mut self.ever_present, true);
            return Some(NetlinkEvent::AddressPresent {
                interface,
                address,
                restored,
            });
        }
        if !self.desired && kept {
            return Some(NetlinkEvent::AddressKept { interface, address });
        }
        if !self.desired && !self.present {
            return Some(NetlinkEvent::AddressAbsent { interface, address });
        }
        if let Some(refused) = &mut self.refused
            && !refused.reported
        {
            refused.reported = true;
            self.reported_present = self.present;
            return Some(NetlinkEvent::AddressFailed {
                interface,
                address,
                error: io::Error::from(refused.errno),
            });
        }
        // One that can be put back will be before anybody needs to know that it was gone.
        if self.desired && self.reported_present && !possible {
            self.reported_present = false;
            return Some(NetlinkEvent::AddressAbsent { interface, address });
        }
        None
    }
}

fn same_entry(one: &LinkAddress, other: &LinkAddress) -> bool {
    one.address == other.address && one.prefix_length == other.prefix_length
}

fn is_ours(managed: &Managed, entry: &LinkAddress, key: &Address) -> bool {
    entry.prefix_length == key.prefix_length && (entry.marked || managed.added)
}

#[cfg(test)]
mod tests;
