//! What the kernel lets through to the sockets.

use std::net::IpAddr;

use tracing::{debug, info};
use vrrp::{Instant, InterfaceId, VirtualRouterId};

use super::Driver;
use crate::router::strangers::PAUSE;

impl Driver {
    /// A datagram of a virtual router that is not ours has arrived.
    pub(super) fn stranger(&mut self, now: Instant, interface: InterfaceId, source: IpAddr) {
        if !self.strangers.note(now, interface) {
            return;
        }
        let Some(found) = self.interfaces.get(interface) else {
            return;
        };
        info!(
            "{}: many advertisements of other virtual routers, the last from {source}; they are left to the kernel for {} minutes, and not counted",
            found.name,
            PAUSE.as_secs() / 60
        );
        for socket in found.sockets() {
            let here = self.setup.instances().map(|(_, instance)| instance);
            let here = here
                .filter(|it| it.interface == found.name && it.family() == Some(socket.family()));
            let ours = here.map(|instance| VirtualRouterId(instance.virtual_router_id));
            if let Err(error) = socket.hear_only(ours) {
                debug!(interface = found.name, %error, "other virtual routers are still heard");
            }
        }
    }

    /// Looks again who is there, where that is due.
    pub(super) fn look_at_strangers(&mut self, now: Instant) {
        while let Some(interface) = self.strangers.timeout(now) {
            self.hear_all(interface);
        }
    }

    /// What is kept away by what was ours until now is heard again.
    pub(super) fn hear_everybody(&mut self) {
        let interfaces = self.interfaces.iter().map(|(id, _)| id);
        for interface in interfaces.collect::<Vec<_>>() {
            if self.strangers.forget(interface) {
                self.hear_all(interface);
            }
        }
    }

    fn hear_all(&self, interface: InterfaceId) {
        let Some(found) = self.interfaces.get(interface) else {
            return;
        };
        for socket in found.sockets() {
            // A socket that was opened since has no filter.
            if let Err(error) = socket.hear_all() {
                debug!(interface = found.name, %error, "there was no filter");
            }
        }
    }
}
