//! What the supervisor tells the router before it takes part.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::IpAddr;
use std::num::NonZeroU8;

use rustix::event::{PollFd, PollFlags, poll};
use vrrp::{
    CheckConfig, CheckId, Family, GroupId, InstanceConfig, InstanceId, InterfaceId, InterfaceTrack,
    Peers, RouterConfig, Sequence, Signer, SyncGroup, Track, Version, VirtualAddress,
    VirtualRouterId,
};
use vrrp_linux::heartbeat::Heartbeat;
use vrrp_linux::netlink::{Address, Object};
use vrrp_linux::role;

use super::interfaces::{Needs, Use};
use super::virtual_macs;
use crate::ipc::{Channel, CheckSetup, GroupSetup, InstanceSetup, RecvError, ToRouter};
use crate::logging;

/// Everything the router is made from. The position in each list is the number by which the supervisor knows it.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    pub(crate) checks: Vec<CheckSetup>,
    pub(crate) instances: Vec<InstanceSetup>,
    pub(crate) groups: Vec<GroupSetup>,
    /// The address by which the peers know this node.
    pub(super) address: Option<IpAddr>,
    /// The addresses of the other nodes.
    pub(super) peers: Vec<IpAddr>,
    /// Whether the file gives the address of every node.
    pub(super) all_nodes_known: bool,
    /// The processors to run on; all when empty.
    pub(super) cpus: Vec<usize>,
    /// What the core calls each of them.
    numbers: Numbers,
}

/// The core's numbers, by position. They outlive a reload, where the positions change.
#[derive(Debug, Default)]
struct Numbers {
    checks: Vec<CheckId>,
    instances: Vec<InstanceId>,
    /// The positions of the instances: they are asked for with every action.
    positions: BTreeMap<InstanceId, u32>,
    groups: Vec<GroupId>,
    /// Every interface that was ever used.
    interfaces: Vec<String>,
    /// The next number that nothing ever had.
    next: u32,
}

/// A set-up of which the pieces still arrive.
#[derive(Debug, Default)]
pub(crate) struct Incoming(Setup);

impl Incoming {
    /// Takes a message in, if it is a piece of a set-up; the last one completes it.
    pub(crate) fn take(&mut self, message: ToRouter) -> Piece {
        match message {
            ToRouter::Check(check) => self.0.checks.push(check),
            ToRouter::Instance(instance) => {
                if instance.authentication != vrrp::Authentication::None {
                    role::forbid_core_dumps();
                }
                self.0.instances.push(*instance);
            }
            ToRouter::Group(group) => self.0.groups.push(group),
            ToRouter::Start {
                address,
                peers,
                all_nodes_known,
                cpus,
            } => {
                self.0.address = address;
                self.0.peers = peers;
                self.0.all_nodes_known = all_nodes_known;
                self.0.cpus = cpus;
                return Piece::Last(std::mem::take(&mut self.0));
            }
            other @ (ToRouter::Heartbeat(_)
            | ToRouter::Reload
            | ToRouter::Command { .. }
            | ToRouter::Reports(_)
            | ToRouter::LogLevel(_)
            | ToRouter::Status
            | ToRouter::Stop) => return Piece::Other(other),
        }
        Piece::Taken
    }
}

/// What a message is to a set-up.
#[derive(Debug)]
pub(crate) enum Piece {
    /// One of its pieces; more follow.
    Taken,
    /// Its last piece.
    Last(Setup),
    /// Something else.
    Other(ToRouter),
}

/// Waits until the set-up is complete; with the heartbeat that came before it.
pub(super) fn receive(channel: &mut Channel) -> Result<(Setup, Heartbeat), RecvError> {
    let mut incoming = Incoming::default();
    let mut heartbeat = None;
    loop {
        match channel.try_recv()?.map(|message| incoming.take(message)) {
            Some(Piece::Last(mut setup)) => {
                setup.number(None);
                let missing = || RecvError::Io(io::Error::other("no heartbeat came first"));
                return Ok((setup, heartbeat.ok_or_else(missing)?));
            }
            Some(Piece::Other(ToRouter::Heartbeat(file))) => {
                let file = file.into_inner();
                let opened = file.map(Heartbeat::open).transpose();
                heartbeat = opened.map_err(RecvError::Io)?;
            }
            Some(Piece::Other(ToRouter::LogLevel(level))) => logging::set_level(level),
            Some(Piece::Other(ToRouter::Stop)) => return Err(RecvError::Closed),
            Some(Piece::Taken | Piece::Other(_)) => {}
            None => {
                let mut ready = [PollFd::new(&*channel, PollFlags::IN)];
                rustix::io::retry_on_intr(|| poll(&mut ready, None))
                    .map_err(|error| RecvError::Io(error.into()))?;
            }
        }
    }
}

impl Setup {
    /// Every interface that there is to watch, also those of earlier set-ups. Their position is their [`InterfaceId`].
    pub(crate) fn watched_interfaces(&self) -> &[String] {
        &self.numbers.interfaces
    }

    /// Those with what the instances need on each; nothing where they only want to know how it is.
    pub(super) fn needs(&self) -> Vec<(String, Needs)> {
        let mut needs: BTreeMap<&str, Needs> = BTreeMap::new();
        let mut need = |interface, family, what: Use| {
            let known = needs.entry(interface).or_default();
            let known = known.entry(family).or_insert(what);
            *known = what.max(*known);
        };
        for instance in &self.instances {
            if let Some(family) = instance.family() {
                need(instance.interface.as_str(), family, Use::Speak);
            }
            for address in held_addresses(instance) {
                let family = Family::of(&address.address);
                need(address.interface.as_str(), family, Use::Announce);
            }
        }
        let names = self.numbers.interfaces.iter();
        names
            .map(|name| {
                (
                    name.clone(),
                    needs.remove(name.as_str()).unwrap_or_default(),
                )
            })
            .collect()
    }

    pub(crate) fn interface_name(&self, id: InterfaceId) -> Option<&str> {
        let index = usize::try_from(id.0).ok()?;
        Some(self.numbers.interfaces.get(index)?.as_str())
    }

    /// Gives everything its number in the core: the one it had in the set-up `before`, or a new one.
    ///
    /// An instance is the one before that is the same virtual router, whatever its name: a renamed one goes on.
    pub(crate) fn number(&mut self, before: Option<&Self>) {
        let mut next = before.map_or(0, |before| before.numbers.next);
        let mut fresh = || {
            let number = next;
            next += 1;
            number
        };
        let mut interfaces =
            before.map_or_else(Vec::new, |before| before.numbers.interfaces.clone());
        let used = once(self.instances.iter().flat_map(|instance| {
            let tracked = instance.interfaces.iter().map(|track| &track.interface);
            let held = held_addresses(instance).map(|address| &address.interface);
            tracked.chain([&instance.interface]).chain(held)
        }));
        interfaces.extend(
            used.into_iter().filter(|name| {
                !before.is_some_and(|before| before.numbers.interfaces.contains(name))
            }),
        );
        let known_check = |name: &str| {
            let before = before?;
            let index = before.checks.iter().position(|check| check.name == name)?;
            before.numbers.checks.get(index).copied()
        };
        let known_group = |name: &str| {
            let before = before?;
            let index = before.groups.iter().position(|group| group.name == name)?;
            before.numbers.groups.get(index).copied()
        };
        let known_instances: HashMap<_, InstanceId> = before
            .into_iter()
            .flat_map(|before| before.instances.iter().zip(&before.numbers.instances))
            .map(|(instance, id)| (identity(instance), *id))
            .collect();
        let known_instance = |instance: &InstanceSetup| {
            let id = known_instances.get(&identity(instance));
            id.copied()
        };
        self.numbers = Numbers {
            checks: self
                .checks
                .iter()
                .map(|check| known_check(&check.name).unwrap_or_else(|| CheckId(fresh())))
                .collect(),
            instances: self
                .instances
                .iter()
                .map(|instance| known_instance(instance).unwrap_or_else(|| InstanceId(fresh())))
                .collect(),
            groups: self
                .groups
                .iter()
                .map(|group| known_group(&group.name).unwrap_or_else(|| GroupId(fresh())))
                .collect(),
            interfaces,
            positions: BTreeMap::new(),
            next: 0,
        };
        self.numbers.positions = self.numbers.instances.iter().copied().zip(0..).collect();
        self.numbers.next = next;
    }

    /// Of each instance that goes on from the set-up `before`: its position there, and here.
    pub(super) fn kept(&self, before: &Self) -> Vec<(u32, u32)> {
        let positions = (0..).zip(&before.numbers.instances);
        positions
            .filter_map(|(old, id)| Some((old, self.position(*id)?)))
            .collect()
    }

    /// Every instance with the core's number.
    pub(crate) fn instances(&self) -> impl Iterator<Item = (InstanceId, &InstanceSetup)> {
        self.numbers.instances.iter().copied().zip(&self.instances)
    }

    pub(crate) fn instance(&self, id: InstanceId) -> Option<&InstanceSetup> {
        let index = usize::try_from(self.position(id)?).ok()?;
        self.instances.get(index)
    }

    /// By what number the supervisor knows an instance.
    pub(crate) fn position(&self, id: InstanceId) -> Option<u32> {
        self.numbers.positions.get(&id).copied()
    }

    /// By what number the supervisor knows a check.
    pub(crate) fn check_position(&self, id: CheckId) -> Option<u32> {
        let index = self.numbers.checks.iter().position(|other| *other == id)?;
        u32::try_from(index).ok()
    }

    /// By what number the supervisor knows a sync group.
    pub(crate) fn group_position(&self, id: GroupId) -> Option<u32> {
        let index = self.numbers.groups.iter().position(|other| *other == id)?;
        u32::try_from(index).ok()
    }

    /// What the core calls the instance with this number of the supervisor.
    pub(crate) fn instance_id(&self, position: u32) -> Option<InstanceId> {
        let index = usize::try_from(position).ok()?;
        self.numbers.instances.get(index).copied()
    }

    /// What the core calls the check with this number of the supervisor.
    pub(crate) fn check_id(&self, position: u32) -> Option<CheckId> {
        let index = usize::try_from(position).ok()?;
        self.numbers.checks.get(index).copied()
    }

    /// Goes on where others have signed for the instances.
    pub(crate) fn signer(&self) -> Signer {
        let mut signer = Signer::default();
        for (id, instance) in self.numbers.instances.iter().zip(&self.instances) {
            if let Some(last) = instance.last_sequence {
                signer.resume(*id, Sequence(last));
            }
        }
        signer
    }

    /// Whether the file names this address as that of another router.
    pub(super) fn is_peer(&self, address: IpAddr) -> bool {
        let listed = |instance: &InstanceSetup| match &instance.peers {
            Peers::Multicast { accept_from } => accept_from.contains(&address),
            Peers::Unicast { peers, .. } => peers.contains(&address),
        };
        self.peers.contains(&address) || self.instances.iter().any(listed)
    }

    /// The core's view of it.
    pub(crate) fn router_config(&self) -> RouterConfig {
        let numbers = &self.numbers;
        let interfaces: BTreeMap<&str, InterfaceId> = numbers
            .interfaces
            .iter()
            .map(String::as_str)
            .zip((0..).map(InterfaceId))
            .collect();
        let interface = |name: &str| interfaces[name];
        let check = |position| self.check_id(position).unwrap_or(CheckId(position));
        let member = |position: &u32| self.instance_id(*position);
        RouterConfig {
            checks: numbers
                .checks
                .iter()
                .copied()
                .zip(self.checks.iter().map(check_config))
                .collect(),
            instances: numbers
                .instances
                .iter()
                .copied()
                .zip(
                    self.instances
                        .iter()
                        .map(|instance| instance_config(instance, interface, check)),
                )
                .collect(),
            groups: numbers
                .groups
                .iter()
                .copied()
                .zip(self.groups.iter().map(|group| SyncGroup {
                    members: group.members.iter().filter_map(member).collect(),
                }))
                .collect(),
        }
    }
}

/// What makes two descriptions one virtual router: where it is, what it is called there, and how it speaks. With another
/// MAC it is another one to its neighbours.
type Identity<'a> = (
    &'a str,
    NonZeroU8,
    Version,
    Option<Family>,
    bool,
    Option<&'a str>,
);

fn identity(instance: &InstanceSetup) -> Identity<'_> {
    (
        instance.interface.as_str(),
        instance.virtual_router_id,
        instance.version,
        instance.family(),
        matches!(instance.peers, Peers::Unicast { .. }),
        instance.virtual_mac.as_deref(),
    )
}

/// Each name once, in order.
fn once<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut names: Vec<_> = names.cloned().collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn check_config(setup: &CheckSetup) -> CheckConfig {
    CheckConfig {
        rise: setup.rise,
        fall: setup.fall,
        on_error: setup.on_error,
        error_hold: setup.error_hold,
        stale_after: setup.stale_after,
    }
}

/// The addresses that an instance holds: first those that it advertises, then the excluded ones.
pub(crate) fn held_addresses(setup: &InstanceSetup) -> impl Iterator<Item = &Address> {
    setup.addresses.iter().chain(excluded_addresses(setup))
}

fn excluded_addresses(setup: &InstanceSetup) -> impl Iterator<Item = &Address> {
    setup.others.iter().filter_map(|object| match object {
        Object::Address(address) => Some(address),
        Object::Route(_) | Object::Rule(_) => None,
    })
}

/// Everything that an instance holds while it is MASTER.
pub(super) fn held_objects(setup: &InstanceSetup) -> Vec<Object> {
    let addresses = setup.addresses.iter().cloned().map(Object::from);
    addresses
        .chain(setup.others.iter().cloned())
        .map(|object| match object {
            Object::Address(address) => virtual_macs::place(setup, address).into(),
            Object::Route(_) | Object::Rule(_) => object,
        })
        .collect()
}

/// The core's configuration of an instance; the guardian needs it too, to speak for a dead router.
pub(crate) fn instance_config(
    setup: &InstanceSetup,
    interface: impl Fn(&str) -> InterfaceId,
    check: impl Fn(u32) -> CheckId,
) -> InstanceConfig {
    InstanceConfig {
        interface: interface(&setup.interface),
        virtual_router_id: VirtualRouterId(setup.virtual_router_id),
        version: setup.version,
        priority: setup.priority,
        advertisement_interval: setup.advertisement_interval,
        max_learned_interval: setup.max_learned_interval,
        checksum: setup.checksum,
        peers: setup.peers.clone(),
        addresses: setup
            .addresses
            .iter()
            .map(|address| VirtualAddress {
                address: address.address,
                prefix_length: address.prefix_length,
            })
            .collect(),
        excluded: excluded_addresses(setup)
            .map(|address| address.address)
            .collect(),
        preempt: setup.preempt,
        preempt_delay: setup.preempt_delay,
        start_delay: setup.start_delay,
        down_after: setup.down_after,
        init_grace: setup.init_grace,
        announce: setup.announce,
        authentication: setup.authentication.clone(),
        tracks: setup
            .tracks
            .iter()
            .map(|track| Track {
                check: check(track.check),
                on_fail: track.on_fail,
            })
            .collect(),
        interfaces: setup
            .interfaces
            .iter()
            .map(|track| InterfaceTrack {
                interface: interface(&track.interface),
                on_fail: track.on_fail,
                up_delay: track.up_delay,
                down_delay: track.down_delay,
            })
            .collect(),
    }
}
