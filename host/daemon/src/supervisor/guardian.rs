//! When the router dies, the supervisor acts for it: priority 0 for all that it held, addresses removed.
//! Without that, the peers would wait for three intervals, and then the address would exist twice.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tracing::{error, info, warn};
use vrrp::{CheckId, Family, InstanceId, InterfaceId};
use vrrp_linux::address;
use vrrp_linux::macvlan;
use vrrp_linux::socket::{VirtualMacSocket, VrrpSocket};

use crate::ipc::InstanceSetup;
use crate::router::instance_config;

/// What the router holds at this moment.
#[derive(Debug, Default)]
pub(super) struct Guardian {
    /// Source address of the advertisements of each instance that is MASTER, by number.
    held: BTreeMap<usize, IpAddr>,
}

impl Guardian {
    /// The router is about to claim the addresses of `instance` and speaks from `source`.
    pub(super) fn holds(&mut self, instance: usize, source: IpAddr) {
        self.held.insert(instance, source);
    }

    /// The router has begun to remove the addresses of `instance`.
    pub(super) fn released(&mut self, instance: usize) {
        self.held.remove(&instance);
    }

    /// The instances have other numbers from now on: each pair is one from before, and its successor.
    pub(super) fn renumber(&mut self, kept: &[(usize, usize)]) {
        self.held = kept
            .iter()
            .filter_map(|(before, after)| Some((*after, self.held.get(before).copied()?)))
            .collect();
    }

    /// Gives everything away for a dead router: first priority 0 for each instance, then the addresses,
    /// so that the peers begin to take over while the kernel works.
    pub(super) async fn give_away(&mut self, instances: &[InstanceSetup], interfaces: &[String]) {
        for (index, source) in std::mem::take(&mut self.held) {
            let Some(instance) = instances.get(index) else {
                continue;
            };
            match send_priority_zero(instance, source) {
                Ok(()) => info!("{}: priority 0 sent for the dead router", instance.name),
                Err(error) => {
                    error!(%error, "{}: cannot send priority 0 for the dead router", instance.name)
                }
            }
        }
        remove_left_over(interfaces).await;
    }
}

/// Removes the addresses that a router of this host left behind, and the interfaces of its virtual MACs.
pub(super) async fn remove_left_over(interfaces: &[String]) {
    // Their addresses go with them.
    match macvlan::remove_left_over(interfaces).await {
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
    match address::remove_left_over(interfaces).await {
        Ok(removed) => {
            for (interface, address) in removed {
                warn!(interface, %address, "removed an address that a dead router had left");
            }
        }
        Err(error) => error!(%error, "cannot look for left-over addresses"),
    }
}

fn send_priority_zero(
    instance: &InstanceSetup,
    source: IpAddr,
) -> Result<(), Box<dyn std::error::Error>> {
    let config = instance_config(instance, |_| InterfaceId(0), CheckId);
    let packets = vrrp::release_packets(InstanceId(0), &config, source);
    if let Some(mac) = instance.mac() {
        let socket = VirtualMacSocket::open(&instance.interface)?;
        for it in packets {
            socket.send(mac, it.source, it.destination, &it.payload)?;
        }
    } else {
        let socket = VrrpSocket::open(&instance.interface, Family::of(&source))?;
        for it in packets {
            socket.send(it.source, it.destination, &it.payload)?;
        }
    }
    Ok(())
}
