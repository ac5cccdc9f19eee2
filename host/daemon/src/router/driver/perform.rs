//! What the core wants done, done.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::{debug, info, trace, warn};
use vrrp::{Action, Advertise, Discard, InstanceId, Instant};
use vrrp_linux::clock;
use vrrp_linux::netlink::Object;

use super::Driver;
use crate::ipc::{CheckStanding, FromRouter, GroupChange, InstanceSetup, StateChange};
use crate::router::reason;
use crate::router::setup::{held_addresses, held_objects};

impl Driver {
    /// Performs every action that the core wants, in its order.
    pub(super) fn perform(&mut self, now: Instant) {
        while let Some(action) = self.core.poll_action() {
            self.act(now, action);
        }
        self.advertisements.send(&self.interfaces);
        self.desire();
        trace!(now = now.as_nanos(), "performed");
    }

    /// Performs one action, after the advertisements that came before it. What it wants of the kernel,
    /// [`desire`](Self::desire) passes on.
    pub(super) fn act(&mut self, now: Instant, action: Action) {
        if !matches!(action, Action::Advertise(_)) || self.advertisements.are_enough() {
            self.advertisements.send(&self.interfaces);
        }
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
                    cause: reason::cause(transition.reason),
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
                if let Discard::VirtualRouterId(1..) = discard {
                    self.stranger(now, interface, source);
                }
                let who = (source, self.setup.is_peer(source));
                if let Some(line) = self.discards.note(now, interface, who, discard) {
                    line.write(self.interface_name(interface));
                }
            }
        }
    }

    fn advertise(&mut self, advertise: &Advertise) {
        self.sources.insert(advertise.instance, advertise.source);
        let now = clock::wall();
        trace!(
            instance = self.name(advertise.instance),
            priority = advertise.priority,
            "advertising"
        );
        let mac = self.setup.instance(advertise.instance);
        let mac = mac.and_then(InstanceSetup::mac);
        let signer = &mut self.signer;
        self.advertisements.push(advertise, mac, |datagram| {
            signer.write(advertise, now, datagram);
        });
        // Told before it is sent: should this process die after that, the supervisor signs after it, and could not know this
        // from the clock.
        let position = self.setup.position(advertise.instance);
        if let Some(sequence) = self.signer.ahead(advertise.instance, now)
            && let Some(instance) = position
        {
            self.tell(&FromRouter::Signed {
                instance,
                sequence: sequence.0,
            });
        }
    }

    fn claim(&mut self, instance: InstanceId) {
        let Some(setup) = self.setup.instance(instance) else {
            return;
        };
        let objects = held_objects(setup);
        // Told first: should this process die on the next line, the supervisor cleans up.
        let source = self.sources.get(&instance).copied();
        if let (Some(source), Some(instance)) = (source, self.setup.position(instance)) {
            self.tell(&FromRouter::Holds { instance, source });
        }
        self.holdings.claim(instance, objects);
    }

    fn release(&mut self, instance: InstanceId) {
        self.holdings.release(instance);
        if let Some(instance) = self.setup.position(instance) {
            self.tell(&FromRouter::Released { instance });
        }
    }

    /// After the set-up changed: instances hold what it says now. The core has claimed addresses anew where they are others,
    /// but of attributes, routes and rules it does not know.
    pub(super) fn hold_anew(&mut self) {
        let differs = |(instance, before): (InstanceId, &[Object])| {
            let objects = held_objects(self.setup.instance(instance)?);
            (objects != before).then_some((instance, objects))
        };
        let others: Vec<_> = self.holdings.iter().filter_map(differs).collect();
        for (instance, objects) in others {
            self.holdings.claim(instance, objects);
        }
    }

    /// Passes on what instances want of the kernel now.
    fn desire(&mut self) {
        let (setup, virtual_macs) = (&self.setup, &self.virtual_macs);
        let is_ready = |instance| {
            let instance = setup.instance(instance);
            instance.is_none_or(|instance| virtual_macs.is_ready(instance))
        };
        let news = self.holdings.take_news(is_ready);
        if !news.is_empty() {
            // Before an interface goes down: that removes its IPv6 addresses, which would be put back.
            self.netlink.desire(news);
            self.update_virtual_macs();
        }
    }

    /// The interfaces of virtual MACs are up for those who hold something.
    pub(super) fn update_virtual_macs(&self) {
        let claims = |instance| self.holdings.iter().any(|(holder, _)| holder == instance);
        self.virtual_macs.update(&self.setup, claims);
    }

    fn announce(&self, instance: InstanceId, address: IpAddr) {
        let Some(setup) = self.setup.instance(instance) else {
            return;
        };
        let Some(held) = held_addresses(setup).find(|held| held.address == address) else {
            return;
        };
        let interface = self.interfaces.find(&held.interface);
        let Some(interface) = interface.and_then(|id| self.interfaces.get(id)) else {
            return;
        };
        let mac = setup.macvlan_for(held).and_then(|_| setup.mac());
        if let Err(error) = interface.announce(mac, address) {
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
