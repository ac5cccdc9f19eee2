//! What the core wants done, done.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::{debug, info, trace, warn};
use vrrp::{Action, Advertise, InstanceId, Instant};
use vrrp_linux::address::DesiredAddress;

use super::Driver;
use crate::ipc::{CheckStanding, FromRouter, GroupChange, InstanceSetup, StateChange};
use crate::router::{reason, virtual_macs};

impl Driver {
    /// Performs every action that the core wants, in its order.
    pub(super) fn perform(&mut self, now: Instant) {
        while let Some(action) = self.core.poll_action() {
            self.act(now, action);
        }
        self.update_addresses();
        trace!(now = now.as_nanos(), "performed");
    }

    /// Performs one action. What it wants of the kernel's addresses, [`update_addresses`](Self::update_addresses) passes on.
    pub(super) fn act(&mut self, now: Instant, action: Action) {
        match action {
            Action::Advertise(advertise) => self.advertise(&advertise),
            Action::Claim(instance) => self.claim(instance),
            Action::Release(instance) => self.release(instance),
            Action::Announce { instance, address } => self.announce(instance, address),
            Action::StateChanged(transition) => {
                if !self.supervised {
                    info!(
                        "{}: {} -> {} without a supervisor to tell",
                        self.name(transition.instance),
                        transition.before,
                        transition.after
                    );
                }
                let Some(instance) = self.setup.position(transition.instance) else {
                    return;
                };
                let change = StateChange {
                    instance,
                    before: transition.before,
                    after: transition.after,
                    reason: reason::describe(transition.reason, transition.instance, &self.setup),
                    check: reason::check_of(transition.reason, &self.setup),
                    priority: transition.priority,
                    at_unix_ms: unix_ms(),
                };
                self.tell(&FromRouter::StateChanged(change));
            }
            Action::GroupChanged(change) => {
                let (Some(group), Some(member)) = (
                    self.setup.group_position(change.group),
                    self.setup.position(change.member),
                ) else {
                    return;
                };
                let change = GroupChange {
                    group,
                    before: change.before,
                    after: change.after,
                    member,
                    reason: reason::describe(change.reason, change.member, &self.setup),
                    check: reason::check_of(change.reason, &self.setup),
                    at_unix_ms: unix_ms(),
                };
                self.tell(&FromRouter::GroupChanged(change));
            }
            Action::PriorityChanged {
                instance,
                before,
                after,
                reason,
            } => {
                let reason = reason::describe(reason, instance, &self.setup);
                let Some(instance) = self.setup.position(instance) else {
                    return;
                };
                self.tell(&FromRouter::PriorityChanged {
                    instance,
                    before,
                    after,
                    reason,
                });
            }
            Action::CheckChanged(change) => {
                if let Some(check) = self.setup.check_position(change.check) {
                    self.tell(&FromRouter::CheckChanged(CheckStanding {
                        check,
                        before: change.before,
                        after: change.after,
                    }));
                }
            }
            Action::PeerDiffers {
                instance,
                source,
                difference,
            } => {
                warn!(
                    "{}: {source} {}",
                    self.name(instance),
                    reason::describe_difference(&difference)
                );
            }
            Action::Discarded {
                interface,
                source,
                discard,
            } => {
                trace!(interface = self.interface_name(interface), %source, %discard, "discarded");
                let who = (source, self.setup.is_peer(source));
                if let Some(line) = self.discards.note(now, interface, who, discard) {
                    line.write(self.interface_name(interface));
                }
            }
        }
    }

    fn advertise(&mut self, advertise: &Advertise) {
        self.sources.insert(advertise.instance, advertise.source);
        let Some(interface) = self.interfaces.get(advertise.interface) else {
            return;
        };
        trace!(
            instance = self.name(advertise.instance),
            priority = advertise.priority,
            "advertising"
        );
        let mac = self.setup.instance(advertise.instance);
        let mac = mac.and_then(InstanceSetup::mac);
        let addresses = (advertise.source, advertise.destination);
        if let Err(error) = interface.send(mac, addresses, &advertise.payload) {
            // The peers will notice the silence; the link event that explains it is on its way.
            debug!(interface = interface.name, %error, "sending an advertisement failed");
        }
    }

    fn claim(&mut self, instance: InstanceId) {
        let Some(setup) = self.setup.instance(instance) else {
            return;
        };
        let wanted = setup
            .addresses
            .iter()
            .map(|&(address, prefix_length)| DesiredAddress {
                interface: setup.address_interface().to_owned(),
                address,
                prefix_length: virtual_macs::prefix_length(setup, address, prefix_length),
            })
            .collect();
        // Told first: should this process die on the next line, the supervisor cleans up.
        let source = self.sources.get(&instance).copied();
        if let (Some(source), Some(instance)) = (source, self.setup.position(instance)) {
            self.tell(&FromRouter::Holds { instance, source });
        }
        self.desired.insert(instance, wanted);
        self.desired_changed = true;
    }

    fn release(&mut self, instance: InstanceId) {
        self.desired.remove(&instance);
        self.desired_changed = true;
        if let Some(instance) = self.setup.position(instance) {
            self.tell(&FromRouter::Released { instance });
        }
    }

    /// Passes on which addresses are wanted now, all in one go: one that moves between two instances stays.
    pub(super) fn update_addresses(&mut self) {
        if std::mem::take(&mut self.desired_changed) {
            // Before their interface goes down: that removes the IPv6 ones, which would be put back.
            let ready = self
                .desired
                .iter()
                .filter(|(instance, _)| self.has_interface(**instance));
            let wanted = ready.flat_map(|(_, wanted)| wanted).cloned();
            self.addresses.set_desired(wanted.collect());
            let desired = &self.desired;
            self.virtual_macs
                .update(&self.setup, |instance| desired.contains_key(&instance));
        }
    }

    /// Whether the interface for an instance's addresses is there and up, as far as it is ours.
    fn has_interface(&self, instance: InstanceId) -> bool {
        let setup = self.setup.instance(instance);
        setup.is_some_and(|setup| self.virtual_macs.is_ready(setup))
    }

    fn announce(&self, instance: InstanceId, address: IpAddr) {
        let Some(setup) = self.setup.instance(instance) else {
            return;
        };
        let interface = self
            .interfaces
            .find(&setup.interface)
            .and_then(|id| self.interfaces.get(id));
        let Some(interface) = interface else { return };
        if let Err(error) = interface.announce(setup.mac(), address) {
            debug!(interface = interface.name, %address, %error, "announcing failed");
        }
    }
}

fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}
