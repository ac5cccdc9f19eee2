//! What the supervisor tells the router before it takes part.

use std::collections::BTreeMap;

use rustix::event::{PollFd, PollFlags, poll};
use vrrp::{
    AnnounceConfig, CheckConfig, CheckId, InstanceConfig, InstanceId, InterfaceId, RouterConfig,
    Track, VirtualAddress, VirtualRouterId,
};
use vrrp_linux::netlink::{Address, Object};

use crate::ipc::{Channel, CheckSetup, InstanceSetup, RecvError, ToRouter};

/// Everything the router is made from.
#[derive(Debug, Default)]
pub(super) struct Setup {
    pub(super) checks: Vec<CheckSetup>,
    pub(super) instances: Vec<InstanceSetup>,
}

/// Waits until the set-up is complete.
pub(super) fn receive(channel: &mut Channel) -> Result<Setup, RecvError> {
    let mut setup = Setup::default();
    loop {
        match channel.try_recv()? {
            Some(ToRouter::Check(check)) => setup.checks.push(check),
            Some(ToRouter::Instance(instance)) => setup.instances.push(instance),
            Some(ToRouter::Start) => return Ok(setup),
            Some(ToRouter::Stop) => return Err(RecvError::Closed),
            Some(ToRouter::Report(_) | ToRouter::Status) => {}
            None => {
                let mut ready = [PollFd::new(&*channel, PollFlags::IN)];
                rustix::io::retry_on_intr(|| poll(&mut ready, None))
                    .map_err(|error| RecvError::Io(error.into()))?;
            }
        }
    }
}

impl Setup {
    /// The interfaces that instances use, each once; their position is their [`InterfaceId`].
    pub(super) fn interfaces(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .instances
            .iter()
            .map(|instance| instance.interface.clone())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The interfaces on which instances have addresses and nothing else, each once.
    pub(super) fn silent_interfaces(&self) -> Vec<String> {
        let speaking = self.interfaces();
        let mut names: Vec<_> = self
            .instances
            .iter()
            .flat_map(held_addresses)
            .map(|address| address.interface.clone())
            .filter(|name| speaking.binary_search(name).is_err())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The core's view of it. Checks, instances and interfaces are numbered by position.
    pub(super) fn router_config(&self) -> RouterConfig {
        let interfaces: BTreeMap<String, u32> = self.interfaces().into_iter().zip(0..).collect();
        RouterConfig {
            checks: (0..)
                .map(CheckId)
                .zip(self.checks.iter().map(check_config))
                .collect(),
            instances: (0..)
                .map(InstanceId)
                .zip(self.instances.iter().map(|instance| {
                    instance_config(instance, InterfaceId(interfaces[&instance.interface]))
                }))
                .collect(),
        }
    }
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
pub(super) fn held_addresses(setup: &InstanceSetup) -> impl Iterator<Item = &Address> {
    let excluded = setup.others.iter().filter_map(|object| match object {
        Object::Address(address) => Some(address),
        Object::Route(_) | Object::Rule(_) => None,
    });
    setup.addresses.iter().chain(excluded)
}

/// The core's configuration of an instance; the guardian needs it too, to speak for a dead router.
pub(crate) fn instance_config(setup: &InstanceSetup, interface: InterfaceId) -> InstanceConfig {
    InstanceConfig {
        interface,
        virtual_router_id: VirtualRouterId(setup.virtual_router_id),
        version: setup.version,
        priority: setup.priority,
        advertisement_interval: setup.advertisement_interval,
        checksum: setup.checksum,
        addresses: setup
            .addresses
            .iter()
            .map(|address| VirtualAddress {
                address: address.address,
                prefix_length: address.prefix_length,
            })
            .collect(),
        excluded: held_addresses(setup)
            .skip(setup.addresses.len())
            .map(|address| address.address)
            .collect(),
        preempt: setup.preempt,
        down_after: setup.down_after,
        init_grace: setup.init_grace,
        announce: AnnounceConfig {
            repeat: setup.announce_repeat,
            delay: setup.announce_delay,
        },
        tracks: setup
            .tracks
            .iter()
            .map(|track| Track {
                check: CheckId(track.check),
                on_fail: track.on_fail,
            })
            .collect(),
    }
}
