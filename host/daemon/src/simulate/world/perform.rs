//! What a router wants done, done: the counterpart of `router/driver/perform.rs`, and of what the supervisor makes of it.

use std::rc::Rc;

use vrrp::{Action, Advertise, InstanceId};

use super::{Happening, LATENCY, World};
use crate::config::NotifyOn;
use crate::router::{describe, describe_difference};
use crate::simulate::node::Datagram;
use crate::simulate::timeline::What;
use crate::supervisor::{called, notify_on};

/// Whose transition calls hooks.
#[derive(Clone, Copy, Debug)]
enum Subject {
    Instance(usize),
    Group(usize),
}

impl World<'_> {
    /// Performs everything that a node's router wants, in its order.
    pub(super) fn perform(&mut self, node: usize) {
        while let Some(action) = self.nodes[node]
            .core
            .as_mut()
            .and_then(vrrp::Router::poll_action)
        {
            self.act_for(node, action);
        }
        let core = &mut self.nodes[node].core;
        if core.take_if(|core| core.is_stopped()).is_some() {
            self.stopped(node);
        }
    }

    fn act_for(&mut self, node: usize, action: Action) {
        let plan = self.nodes[node].plan;
        let router = &plan.router;
        let position = |id: InstanceId| usize::try_from(router.position(id)?).ok();
        match action {
            Action::Advertise(advertise) => self.send(node, &advertise),
            Action::Claim(id) => {
                if let Some(instance) = position(id)
                    && self.nodes[node].holds.insert(instance)
                {
                    self.note(node, What::Has(instance));
                    self.look();
                }
                self.nodes[node].tell_addresses(self.now, id);
            }
            Action::Release(id) => {
                if let Some(instance) = position(id)
                    && self.nodes[node].holds.remove(&instance)
                {
                    self.note(node, What::HasNoLonger(instance));
                    self.look();
                }
            }
            Action::StateChanged(transition) => {
                let Some(instance) = position(transition.instance) else {
                    return;
                };
                let what = What::State {
                    instance,
                    before: transition.before,
                    after: transition.after,
                    reason: describe(transition.reason, transition.instance, router),
                    priority: transition.priority,
                };
                self.note(node, what);
                if let Some(on) = notify_on(transition.after) {
                    self.call_hooks(node, Subject::Instance(instance), on);
                }
            }
            Action::GroupChanged(change) => {
                let group = router.group_position(change.group);
                let group = group.and_then(|group| usize::try_from(group).ok());
                let (Some(group), Some(member)) = (group, position(change.member)) else {
                    return;
                };
                let member = self.scene.instance_name(member);
                let reason = describe(change.reason, change.member, router);
                let what = What::Group {
                    group,
                    before: change.before,
                    after: change.after,
                    reason: format!("{member}: {reason}"),
                };
                self.note(node, what);
                if let Some(on) = notify_on(change.after) {
                    self.call_hooks(node, Subject::Group(group), on);
                }
            }
            Action::PriorityChanged {
                instance: id,
                before,
                after,
                reason,
            } => {
                if let Some(instance) = position(id) {
                    let reason = describe(reason, id, router);
                    let what = What::Priority {
                        instance,
                        before,
                        after,
                        reason,
                    };
                    self.note(node, what);
                }
            }
            Action::CheckChanged(change) => {
                let check = router.check_position(change.check);
                if let Some(check) = check.and_then(|check| usize::try_from(check).ok()) {
                    let (before, after) = (change.before, change.after);
                    let what = What::Check {
                        check,
                        before,
                        after,
                    };
                    self.note(node, what);
                }
            }
            Action::PeerDiffers {
                instance,
                source,
                difference,
            } => {
                if let Some(instance) = position(instance) {
                    let how = describe_difference(&difference);
                    let what = What::Differs {
                        instance,
                        source,
                        how,
                    };
                    self.note(node, what);
                }
            }
            // Nobody here has to learn a MAC address, and nothing arrives that is to be discarded in earnest.
            Action::Announce { .. } | Action::Discarded { .. } => {}
        }
    }

    fn call_hooks(&mut self, node: usize, subject: Subject, on: NotifyOn) {
        let setup = &self.nodes[node].plan.setup;
        let (plan, name) = match subject {
            Subject::Instance(instance) => {
                let plan = setup.instances.get(instance);
                (
                    plan.map(|plan| &plan.notify),
                    self.scene.instance_name(instance),
                )
            }
            Subject::Group(group) => {
                let plan = setup.groups.get(group);
                let name = self.nodes[node].plan.group_name(group);
                (plan.map(|plan| &plan.notify), name)
            }
        };
        for hook in plan.into_iter().flat_map(|plan| called(plan, on)) {
            let subject = name.to_owned();
            self.note(node, What::Hook { hook, subject, on });
        }
    }

    /// Everything is given away, and the daemon has ended.
    fn stopped(&mut self, node: usize) {
        for instance in 0..self.scene.instances() {
            self.call_hooks(node, Subject::Instance(instance), NotifyOn::Stop);
        }
        for group in 0..self.nodes[node].plan.setup.groups.len() {
            self.call_hooks(node, Subject::Group(group), NotifyOn::Stop);
        }
        self.note(node, What::Stopped);
        self.look();
    }

    /// Sends to every other node on the link, or to the one that has the address.
    fn send(&mut self, from: usize, advertise: &Advertise) {
        let at = self.wall();
        let mut payload = Vec::new();
        let sender = &mut self.nodes[from];
        sender.signer.write(advertise, at, &mut payload);
        let Ok(interface) = usize::try_from(advertise.interface.0) else {
            return;
        };
        let instance = sender.position(advertise.instance);
        if !sender.is_reachable(interface) {
            return;
        }
        if let Some(instance) = instance.filter(|_| advertise.priority > 0) {
            self.advertised[instance] = Some(self.now());
        }
        let segment = self.nodes[from].plan.segments.get(interface);
        let datagram = Rc::new(Datagram {
            source: advertise.source,
            destination: advertise.destination,
            payload,
            at,
        });
        let mut arrivals = Vec::new();
        for (to, node) in self.nodes.iter().enumerate() {
            if to == from {
                continue;
            }
            for (interface, link) in node.links.iter().enumerate() {
                let mut addresses = link.addresses.iter().map(|(address, _)| *address);
                let is_for = advertise.destination.is_multicast()
                    || addresses.any(|address| address == advertise.destination);
                if node.plan.segments.get(interface) == segment && is_for {
                    arrivals.push((to, interface));
                }
            }
        }
        for (to, interface) in arrivals {
            let arrival = Happening::Arrival {
                to,
                interface,
                datagram: Rc::clone(&datagram),
            };
            self.schedule(self.now + LATENCY, arrival);
        }
    }
}
