//! When the router dies, the supervisor acts for it: priority 0 for all that it held; addresses, routes and rules removed.
//! Without that, the peers would wait for three intervals, and then the address would exist twice.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tracing::{error, info, warn};
use vrrp::{CheckId, Family, InstanceId, InterfaceId, Sequence, Signer};
use vrrp_linux::socket::{VirtualMacSocket, VrrpSocket};
use vrrp_linux::{clock, macvlan, netlink};

use crate::exit::chain;
use crate::ipc::InstanceSetup;
use crate::router::instance_config;

/// What the router holds at this moment.
#[derive(Debug, Default)]
pub(super) struct Guardian {
    /// Source address of the advertisements of each instance that is MASTER, by number.
    held: BTreeMap<usize, IpAddr>,
    /// Signs after the router, and knows how far it has come where the clock does not tell.
    signer: Signer,
}

impl Guardian {
    /// The router is about to claim what `instance` holds and speaks from `source`.
    pub(super) fn holds(&mut self, instance: usize, source: IpAddr) {
        self.held.insert(instance, source);
    }

    /// The router has begun to remove what `instance` held.
    pub(super) fn released(&mut self, instance: usize) {
        self.held.remove(&instance);
    }

    /// The instances have other numbers from now on: each pair is one from before, and its successor.
    pub(super) fn renumber(&mut self, kept: &[(usize, usize)]) {
        self.held = kept
            .iter()
            .filter_map(|(before, after)| Some((*after, self.held.get(before).copied()?)))
            .collect();
        let mut signer = Signer::default();
        for (before, after) in kept {
            if let Some(last) = self.signer.last(id_of(*before)) {
                signer.resume(id_of(*after), last);
            }
        }
        self.signer = signer;
    }

    /// The router signs for `instance` with a number that is ahead of the clock.
    pub(super) fn signed(&mut self, instance: usize, sequence: u64) {
        self.signer.resume(id_of(instance), Sequence(sequence));
    }

    /// The last number that was used to sign for `instance`, as far as it is known: the next router goes on after it.
    pub(super) fn last_sequence(&self, instance: usize) -> Option<u64> {
        let last = self.signer.last(id_of(instance))?;
        Some(last.0)
    }

    /// Gives everything away for a dead router: first priority 0 for each instance, then the rest,
    /// so that the peers begin to take over while the kernel works.
    pub(super) async fn give_away(&mut self, instances: &[InstanceSetup]) {
        for (index, source) in std::mem::take(&mut self.held) {
            let Some(instance) = instances.get(index) else {
                continue;
            };
            match send_priority_zero(id_of(index), instance, source, &mut self.signer) {
                Ok(()) => info!("{}: priority 0 sent for the dead router", instance.name),
                Err(error) => {
                    error!(%error, "{}: cannot send priority 0 for the dead router", instance.name)
                }
            }
        }
        remove_left_over().await;
    }
}

/// Removes the addresses, routes and rules that a router of this host left behind, and the interfaces of its virtual MACs.
pub(super) async fn remove_left_over() {
    // Their addresses go with them.
    match macvlan::remove_left_over().await {
        Ok(removed) => {
            for interface in removed {
                warn!(
                    interface,
                    "removed the interface of a virtual MAC that a dead router had left"
                );
            }
        }
        Err(error) => error!(%error, "cannot remove left-over interfaces of virtual MACs"),
    }
    match netlink::remove_left_over().await {
        Ok(removed) => {
            for object in removed {
                let kind = object.kind();
                warn!("removed the {kind} {object} that a dead router had left");
            }
        }
        Err(error) => error!(
            error = chain(&error),
            "left-overs of a dead router may stay"
        ),
    }
}

fn id_of(instance: usize) -> InstanceId {
    InstanceId(u32::try_from(instance).unwrap_or(u32::MAX))
}

fn send_priority_zero(
    id: InstanceId,
    instance: &InstanceSetup,
    source: IpAddr,
    signer: &mut Signer,
) -> Result<(), Box<dyn std::error::Error>> {
    let config = instance_config(instance, |_| InterfaceId(0), CheckId);
    let packets = vrrp::release_packets(id, &config, source);
    let mut datagrams = packets.iter().map(|it| {
        let mut datagram = Vec::new();
        signer.write(it, clock::wall(), &mut datagram);
        (it, datagram)
    });
    if let Some(mac) = instance.mac() {
        let socket = VirtualMacSocket::open(&instance.interface)?;
        datagrams.try_for_each(|(it, datagram)| {
            socket.send(mac, it.source, it.destination, &datagram)
        })?;
    } else {
        let socket = VrrpSocket::open(&instance.interface, Family::of(&source))?;
        datagrams
            .try_for_each(|(it, datagram)| socket.send(it.source, it.destination, &datagram))?;
    }
    Ok(())
}
