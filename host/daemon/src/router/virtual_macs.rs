//! The interfaces of virtual MACs: which are there, and which of them are up.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use tracing::error;
use vrrp::{InstanceId, VirtualRouterId};
use vrrp_linux::macvlan::{DesiredMacvlan, MacvlanEvent, MacvlanThread, SpawnError};
use vrrp_linux::netlink::Address;

use super::setup::Setup;
use crate::ipc::InstanceSetup;

/// The prefix length of a link's own network (RFC 4291 §2.5.6).
const LINK_LOCAL_NETWORK: u8 = 64;

/// What of the virtual MACs is there. An interface is up while its instance claims its addresses.
#[derive(Debug)]
pub(super) struct VirtualMacs {
    thread: MacvlanThread,
    /// Those that are up, by name.
    up: BTreeSet<String>,
}

impl VirtualMacs {
    /// Makes the interface of each instance that has a virtual MAC.
    pub(super) fn open(setup: &Setup) -> Result<Self, SpawnError> {
        Ok(Self {
            thread: MacvlanThread::spawn(desired(setup, |_| false))?,
            up: BTreeSet::new(),
        })
    }

    /// Has those be there that the set-up wants, and those be up of which the instance claims its addresses.
    pub(super) fn update(&self, setup: &Setup, claims: impl Fn(InstanceId) -> bool) {
        self.thread.set_desired(desired(setup, claims));
    }

    /// Whether an instance's addresses can be configured: on an interface that is not ours they always can.
    pub(super) fn is_ready(&self, instance: &InstanceSetup) -> bool {
        let name = instance.virtual_mac.as_ref();
        name.is_none_or(|name| self.up.contains(name))
    }

    /// Takes in what has become of them; tells which are ready now and were not, or the other way round.
    ///
    /// # Errors
    /// When nothing will become of them any more.
    pub(super) fn read(&mut self) -> io::Result<BTreeSet<String>> {
        let mut changed = BTreeSet::new();
        while let Some(event) = self.thread.try_recv() {
            let name = match event {
                MacvlanEvent::Up { name } => {
                    self.up.insert(name.clone());
                    name
                }
                MacvlanEvent::Down { name } => {
                    self.up.remove(&name);
                    name
                }
                MacvlanEvent::Failed { name, error } => {
                    error!(interface = name, %error, "cannot configure the interface of a virtual MAC");
                    self.up.remove(&name);
                    name
                }
                MacvlanEvent::Stopped { error } => return Err(error),
            };
            changed.insert(name);
        }
        Ok(changed)
    }

    /// Removes all of them; tells whether that was done within `limit`.
    pub(super) fn close(self, limit: Duration) -> bool {
        self.thread.close(limit)
    }
}

/// Readable when [`read`](VirtualMacs::read) has something to do.
impl AsFd for VirtualMacs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.thread.as_fd()
    }
}

/// An address as it is configured: on the interface of the virtual MAC, where there is one. There is no other link-local address there
/// that brings the route to its neighbours, so that a virtual one does.
pub(super) fn place(instance: &InstanceSetup, mut address: Address) -> Address {
    let Some(macvlan) = instance.macvlan_for(&address) else {
        return address;
    };
    address.interface = macvlan.to_owned();
    if matches!(address.address, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        address.prefix_length = address.prefix_length.min(LINK_LOCAL_NETWORK);
    }
    address
}

fn desired(setup: &Setup, claims: impl Fn(InstanceId) -> bool) -> Vec<DesiredMacvlan> {
    setup
        .instances()
        .filter_map(|(id, instance)| {
            Some(DesiredMacvlan {
                name: instance.virtual_mac.clone()?,
                parent: instance.interface.clone(),
                virtual_router_id: VirtualRouterId(instance.virtual_router_id),
                family: instance.family()?,
                up: claims(id),
            })
        })
        .collect()
}
