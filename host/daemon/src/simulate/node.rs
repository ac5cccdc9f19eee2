//! A node: what `router/driver.rs` and the supervisor are on a real one, and the kernel below them.

use std::collections::BTreeSet;

use vrrp::{
    AddressChange, Event, InstanceId, Instant, InterfaceId, Outcome, Packet, Report, Router,
    Signer, UnixTime,
};
use vrrp_linux::netlink::LinkState;

use super::scene::NodePlan;
use crate::router::{held_addresses, link_event};

/// A node at work, or switched off.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) plan: &'a NodePlan,
    /// `None` while its daemon does not run.
    pub(super) core: Option<Router>,
    pub(super) signer: Signer,
    /// Its interfaces as they are now.
    pub(super) links: Vec<LinkState>,
    /// How each check ends whenever it runs.
    outcomes: Vec<Outcome>,
    /// Counts the times that each check was begun anew, so that what was planned before is void.
    pub(super) rounds: Vec<u64>,
    /// Checks that should have run while the host stood still.
    pub(super) missed: BTreeSet<usize>,
    /// The instances whose addresses it has.
    pub(super) holds: BTreeSet<usize>,
    pub(super) cut: bool,
    pub(super) frozen: bool,
}

/// A datagram on its way.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) source: std::net::IpAddr,
    pub(super) destination: std::net::IpAddr,
    pub(super) payload: Vec<u8>,
    pub(super) at: UnixTime,
}

impl<'a> Node<'a> {
    /// Switched off, and nothing is wrong with it.
    pub(super) fn new(plan: &'a NodePlan) -> Self {
        let checks = plan.setup.checks.len();
        Self {
            plan,
            core: None,
            signer: Signer::default(),
            links: plan.links.clone(),
            outcomes: vec![Outcome::Passing; checks],
            rounds: vec![0; checks],
            missed: BTreeSet::new(),
            holds: BTreeSet::new(),
            cut: false,
            frozen: false,
        }
    }

    /// When its router wants to be called.
    pub(super) fn wakes_at(&self, now: Instant) -> Option<Instant> {
        let core = self.core.as_ref().filter(|_| !self.frozen)?;
        Some(core.poll_timeout()?.at.max(now))
    }

    /// Whether its daemon would answer.
    pub(super) fn is_awake(&self) -> bool {
        self.core.is_some() && !self.frozen
    }

    /// Whether others can reach it over an interface.
    pub(super) fn is_reachable(&self, interface: usize) -> bool {
        let is_up = self.links.get(interface).is_some_and(|link| link.up);
        !self.cut && !self.frozen && is_up
    }

    pub(super) fn handle(&mut self, now: Instant, event: Event<'_>) {
        if let Some(core) = &mut self.core {
            core.handle(now, event);
        }
    }

    pub(super) fn receive(&mut self, now: Instant, interface: usize, datagram: &Datagram) {
        let packet = Packet {
            interface: interface_id(interface),
            source: datagram.source,
            destination: datagram.destination,
            // Nothing between the nodes lessens it.
            ttl: Some(vrrp::packet::TTL),
            payload: &datagram.payload,
            at: datagram.at,
        };
        self.handle(now, Event::Packet(packet));
    }

    /// Tells the router what an interface is like.
    pub(super) fn tell_link(&mut self, now: Instant, interface: usize) {
        if let Some(link) = self.links.get(interface) {
            let link = link_event(interface_id(interface), link, &self.plan.router);
            self.handle(now, Event::Link(link));
        }
    }

    /// How a check ends from now on.
    pub(super) fn set_outcome(&mut self, check: usize, outcome: Outcome) {
        if let Some(known) = self.outcomes.get_mut(check) {
            *known = outcome;
        }
    }

    /// A check runs, which takes no time.
    pub(super) fn run_check(&mut self, now: Instant, check: usize) {
        let id = u32::try_from(check).ok();
        let id = id.and_then(|check| self.plan.router.check_id(check));
        if let (Some(check), Some(outcome)) = (id, self.outcomes.get(check)) {
            let report = Report {
                check,
                outcome: *outcome,
                weight: None,
            };
            self.handle(now, Event::Report(report));
        }
    }

    /// The kernel has put the addresses of an instance in place.
    pub(super) fn tell_addresses(&mut self, now: Instant, id: InstanceId) {
        let plan = self.plan;
        let Some(instance) = plan.router.instance(id) else {
            return;
        };
        for held in held_addresses(instance) {
            let change = AddressChange {
                instance: id,
                address: held.address,
                present: true,
            };
            self.handle(now, Event::Address(change));
        }
    }

    /// By what number the scene knows an instance of the core.
    pub(super) fn position(&self, id: InstanceId) -> Option<usize> {
        usize::try_from(self.plan.router.position(id)?).ok()
    }

    /// The core's number of an instance.
    pub(super) fn instance_id(&self, instance: usize) -> Option<InstanceId> {
        self.plan.router.instance_id(u32::try_from(instance).ok()?)
    }
}

fn interface_id(interface: usize) -> InterfaceId {
    InterfaceId(u32::try_from(interface).unwrap_or(u32::MAX))
}
