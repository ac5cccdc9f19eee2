//! What the supervisor tells the router before it takes part.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rustix::event::{PollFd, PollFlags, poll};
use vrrp::{
    CheckConfig, CheckId, GroupId, InstanceConfig, InstanceId, InterfaceId, InterfaceTrack, Peers,
    RouterConfig, SyncGroup, Track, VirtualAddress, VirtualRouterId,
};

use crate::ipc::{Channel, CheckSetup, GroupSetup, InstanceSetup, RecvError, ToRouter};

/// Everything the router is made from. The position in each list is the number by which the supervisor knows it.
#[derive(Debug, Default)]
pub(super) struct Setup {
    pub(super) checks: Vec<CheckSetup>,
    pub(super) instances: Vec<InstanceSetup>,
    pub(super) groups: Vec<GroupSetup>,
    /// The address by which the peers know this node.
    pub(super) address: Option<IpAddr>,
    /// The addresses of the other nodes.
    pub(super) peers: Vec<IpAddr>,
}

/// Waits until the set-up is complete.
pub(super) fn receive(channel: &mut Channel) -> Result<Setup, RecvError> {
    let mut setup = Setup::default();
    loop {
        match channel.try_recv()? {
            Some(ToRouter::Check(check)) => setup.checks.push(check),
            Some(ToRouter::Instance(instance)) => setup.instances.push(*instance),
            Some(ToRouter::Group(group)) => setup.groups.push(group),
            Some(ToRouter::Start { address, peers }) => {
                setup.address = address;
                setup.peers = peers;
                return Ok(setup);
            }
            Some(ToRouter::Stop) => return Err(RecvError::Closed),
            Some(ToRouter::Report(_) | ToRouter::Status | ToRouter::Command { .. }) => {}
            None => {
                let mut ready = [PollFd::new(&*channel, PollFlags::IN)];
                rustix::io::retry_on_intr(|| poll(&mut ready, None))
                    .map_err(|error| RecvError::Io(error.into()))?;
            }
        }
    }
}

impl Setup {
    /// The interfaces that instances speak on, each once.
    pub(super) fn interfaces(&self) -> Vec<String> {
        once(self.instances.iter().map(|instance| &instance.interface))
    }

    /// Those, and the ones that instances track: all that there is to watch. Their position is their [`InterfaceId`].
    pub(super) fn watched_interfaces(&self) -> Vec<String> {
        once(self.instances.iter().flat_map(|instance| {
            let tracked = instance.interfaces.iter().map(|track| &track.interface);
            tracked.chain([&instance.interface])
        }))
    }

    /// Whether the file names this address as that of another router.
    pub(super) fn is_peer(&self, address: IpAddr) -> bool {
        let listed = |instance: &InstanceSetup| match &instance.peers {
            Peers::Multicast { accept_from } => accept_from.contains(&address),
            Peers::Unicast { peers, .. } => peers.contains(&address),
        };
        self.peers.contains(&address) || self.instances.iter().any(listed)
    }

    /// The core's view of it. Checks, instances, groups and interfaces are numbered by position.
    pub(super) fn router_config(&self) -> RouterConfig {
        let interfaces: BTreeMap<String, InterfaceId> = self
            .watched_interfaces()
            .into_iter()
            .zip((0..).map(InterfaceId))
            .collect();
        let interface = |name: &str| interfaces[name];
        RouterConfig {
            checks: (0..)
                .map(CheckId)
                .zip(self.checks.iter().map(check_config))
                .collect(),
            instances: (0..)
                .map(InstanceId)
                .zip(
                    self.instances
                        .iter()
                        .map(|instance| instance_config(instance, interface)),
                )
                .collect(),
            groups: (0..)
                .map(GroupId)
                .zip(self.groups.iter().map(|group| SyncGroup {
                    members: group.members.iter().copied().map(InstanceId).collect(),
                }))
                .collect(),
        }
    }
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

/// The core's configuration of an instance; the guardian needs it too, to speak for a dead router.
pub(crate) fn instance_config(
    setup: &InstanceSetup,
    interface: impl Fn(&str) -> InterfaceId,
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
            .map(|&(address, prefix_length)| VirtualAddress {
                address,
                prefix_length,
            })
            .collect(),
        preempt: setup.preempt,
        preempt_delay: setup.preempt_delay,
        start_delay: setup.start_delay,
        down_after: setup.down_after,
        init_grace: setup.init_grace,
        announce: setup.announce,
        tracks: setup
            .tracks
            .iter()
            .map(|track| Track {
                check: CheckId(track.check),
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
