//! What the core wants done, done.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::{debug, info, trace, warn};
use vrrp::{Action, Advertise, InstanceId, Instant};
use vrrp_linux::netlink::{Desired, Object, Owner};

use super::Driver;
use crate::ipc::{CheckStanding, FromRouter, InstanceSetup, StateChange};
use crate::router::reason;
use crate::router::setup::held_addresses;

impl Driver {
    /// Performs every action that the core wants, in its order.
    pub(super) fn perform(&mut self, now: Instant) {
        while let Some(action) = self.core.poll_action() {
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
                    let change = StateChange {
                        instance: transition.instance.0,
                        before: transition.before,
                        after: transition.after,
                        reason: reason::describe(transition.reason, &self.setup),
                        check: reason::check_of(transition.reason),
                        priority: transition.priority,
                        at_unix_ms: unix_ms(),
                    };
                    self.tell(&FromRouter::StateChanged(change));
                }
                Action::PriorityChanged {
                    instance,
                    before,
                    after,
                    reason,
                } => {
                    let reason = reason::describe(reason, &self.setup);
                    self.tell(&FromRouter::PriorityChanged {
                        instance: instance.0,
                        before,
                        after,
                        reason,
                    });
                }
                Action::CheckChanged(change) => {
                    self.tell(&FromRouter::CheckChanged(CheckStanding {
                        check: change.check.0,
                        before: change.before,
                        after: change.after,
                    }))
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
                    let interface = self
                        .interfaces
                        .get(interface)
                        .map_or("?", |found| &found.name);
                    trace!(interface, %source, %discard, "discarded");
                }
            }
        }
        trace!(now = now.as_nanos(), "performed");
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
        if let Err(error) =
            interface.send(advertise.source, advertise.destination, &advertise.payload)
        {
            // The peers will notice the silence; the link event that explains it is on its way.
            debug!(interface = interface.name, %error, "sending an advertisement failed");
        }
    }

    fn claim(&mut self, instance: InstanceId) {
        let Some(setup) = self.setup_of(instance) else {
            return;
        };
        let addresses = setup.addresses.iter().cloned().map(Object::from);
        let objects: Vec<_> = addresses.chain(setup.others.iter().cloned()).collect();
        let held: Vec<_> = keys(setup).collect();
        self.holders
            .extend(held.into_iter().map(|key| (key, instance)));
        // Told first: should this process die on the next line, the supervisor cleans up.
        if let Some(&source) = self.sources.get(&instance) {
            self.tell(&FromRouter::Holds {
                instance: instance.0,
                source,
            });
        }
        self.desire(instance, objects);
    }

    fn release(&mut self, instance: InstanceId) {
        if let Some(setup) = self.setup_of(instance) {
            for key in keys(setup).collect::<Vec<_>>() {
                self.holders.remove(&key);
            }
        }
        self.desire(instance, Vec::new());
        self.tell(&FromRouter::Released {
            instance: instance.0,
        });
    }

    fn desire(&self, instance: InstanceId, objects: Vec<Object>) {
        let owner = Owner(instance.0);
        self.netlink.desire(vec![Desired { owner, objects }]);
    }

    fn announce(&self, instance: InstanceId, address: IpAddr) {
        let interface = self
            .setup_of(instance)
            .and_then(|setup| held_addresses(setup).find(|held| held.address == address))
            .and_then(|held| self.interfaces.find(&held.interface))
            .and_then(|id| self.interfaces.get(id));
        let IpAddr::V4(address) = address else { return };
        let Some(interface) = interface else { return };
        if let Err(error) = interface.announce(address) {
            debug!(interface = interface.name, %address, %error, "announcing failed");
        }
    }
}

/// What netlink calls the addresses of an instance by.
fn keys(setup: &InstanceSetup) -> impl Iterator<Item = (String, IpAddr)> {
    held_addresses(setup).map(|address| (address.interface.clone(), address.address))
}

fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}
