//! A VRRP Router: all virtual routers of one host, and the checks they depend on.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::config::Family;
use crate::instance::Instance;
use crate::packet::{Advertisement, TTL, peek_virtual_router_id};
use crate::track::Check;
use crate::{
    Action, CheckChange, CheckError, CheckId, CheckStatus, ConfigError, Deadline, Discard, Event,
    GlobalCounters, InstanceConfig, InstanceError, InstanceId, InstanceStatus, Instant,
    InterfaceId, Link, Packet, Reason, Report, RouterConfig, Standing, VirtualRouterId, Why,
    validate,
};

/// A VRRP Router (RFC 9568): every virtual router of this host, as one state machine.
///
/// Time must not run backwards; where it does, the latest instant seen counts.
#[derive(Debug)]
pub struct Router {
    phase: Phase,
    now: Instant,
    instances: BTreeMap<InstanceId, Instance>,
    by_wire: BTreeMap<OnWire, InstanceId>,
    checks: BTreeMap<CheckId, Check>,
    counters: GlobalCounters,
    actions: VecDeque<Action>,
}

/// What a received packet finds its virtual router by.
type OnWire = (InterfaceId, VirtualRouterId, Family);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    BeforeStartup,
    Running,
    Stopped,
}

impl Router {
    /// Makes a router with every instance in Initialize, where they stay until [`Event::Startup`] and first news of
    /// their interfaces.
    ///
    /// # Errors
    /// The first rule that the configuration breaks.
    pub fn new(config: RouterConfig) -> Result<Self, ConfigError> {
        let mut router = Self {
            phase: Phase::BeforeStartup,
            now: Instant::from_nanos(0),
            instances: BTreeMap::new(),
            by_wire: BTreeMap::new(),
            checks: BTreeMap::new(),
            counters: GlobalCounters::default(),
            actions: VecDeque::new(),
        };
        for (check, config) in config.checks {
            let error = |error| ConfigError::Check { check, error };
            validate::check(&config).map_err(error)?;
            if router.checks.insert(check, Check::new(config)).is_some() {
                return Err(error(CheckError::NumberTaken));
            }
        }
        for (instance, config) in config.instances {
            router
                .add(instance, config)
                .map_err(|error| ConfigError::Instance { instance, error })?;
        }
        Ok(router)
    }

    /// Takes note of an event at `now`, which is later than or equal to that of every call before.
    ///
    /// Timers that are due stay due: a packet that arrived before a late [`handle_timeout`](Self::handle_timeout) still counts.
    pub fn handle(&mut self, now: Instant, event: Event<'_>) {
        let now = self.advance(now);
        match (self.phase, event) {
            (Phase::BeforeStartup, Event::Startup) => self.startup(now),
            // A stopped router stays stopped, whatever is still under way to it.
            (Phase::Running, Event::Startup) | (Phase::Stopped, _) => {}
            (_, Event::Shutdown) => self.shutdown(now),
            (_, Event::Packet(packet)) => self.packet(now, &packet),
            (_, Event::Report(report)) => self.report(now, &report),
            (_, Event::Link(link)) => self.link(now, link),
            (_, Event::Address(change)) => {
                if let Some(instance) = self.instances.get_mut(&change.instance) {
                    instance.address(now, &change, &mut self.actions);
                }
            }
        }
    }

    /// Does everything that is due at `now`. Safe to call early or twice.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.advance(now);
        if self.phase != Phase::Running {
            return;
        }
        // Checks first: what they change may move a takeover that is due.
        self.time_out_checks(now);
        for instance in self.instances.values_mut() {
            instance.timeout(now, &mut self.actions);
        }
    }

    /// The next thing to do, in the order in which to do it.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) unless something happens before; `None` when nothing is due ever.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        if self.phase != Phase::Running {
            return None;
        }
        let instances = self.instances.values().filter_map(Instance::deadline);
        let checks = self.checks.iter().filter_map(|(id, check)| {
            let at = check.stale_timer()?;
            Some(Deadline {
                at,
                why: Why::StaleCheck(*id),
            })
        });
        instances.chain(checks).min_by_key(|deadline| deadline.at)
    }

    /// An instance as it is now.
    pub fn instance(&self, id: InstanceId) -> Option<InstanceStatus> {
        self.instances.get(&id).map(Instance::status)
    }

    /// A check as it is now.
    pub fn check(&self, id: CheckId) -> Option<CheckStatus> {
        self.checks.get(&id).map(Check::status)
    }

    /// What was discarded before a virtual router was found for it.
    pub fn counters(&self) -> GlobalCounters {
        self.counters
    }

    fn add(&mut self, id: InstanceId, config: InstanceConfig) -> Result<(), InstanceError> {
        let family = validate::instance(&config)?;
        let unknown = |check: &CheckId| !self.checks.contains_key(check);
        if let Some(check) = config.tracks.iter().map(|track| track.check).find(unknown) {
            return Err(InstanceError::UnknownCheck(check));
        }
        let on_wire = (config.interface, config.virtual_router_id, family);
        if self
            .instances
            .insert(id, Instance::new(id, config, family))
            .is_some()
        {
            return Err(InstanceError::NumberTaken);
        }
        match self.by_wire.insert(on_wire, id) {
            Some(other) => Err(InstanceError::VirtualRouterTaken(other)),
            None => Ok(()),
        }
    }

    fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    fn startup(&mut self, now: Instant) {
        self.phase = Phase::Running;
        for check in self.checks.values_mut() {
            check.startup(now);
        }
        for instance in self.instances.values_mut() {
            instance.startup(now, &mut self.actions);
        }
    }

    fn shutdown(&mut self, now: Instant) {
        self.phase = Phase::Stopped;
        for instance in self.instances.values_mut() {
            instance.shutdown(now, &mut self.actions);
        }
    }

    fn link(&mut self, now: Instant, link: Link) {
        for instance in self.instances.values_mut() {
            if instance.interface() == link.interface {
                instance.link(now, link, &mut self.actions);
            }
        }
    }

    fn packet(&mut self, now: Instant, packet: &Packet<'_>) {
        let Err(discard) = self.receive(now, packet) else {
            return;
        };
        let discard = self.count(packet, discard);
        self.actions.push_back(Action::Discarded {
            interface: packet.interface,
            source: packet.source,
            discard,
        });
    }

    fn receive(&mut self, now: Instant, packet: &Packet<'_>) -> Result<(), Discard> {
        if packet.ttl != Some(TTL) {
            return Err(Discard::Ttl(packet.ttl));
        }
        let advertisement =
            Advertisement::parse(packet.payload, packet.source, packet.destination)?;
        let virtual_router_id = advertisement.virtual_router_id;
        let instance = self
            .by_wire
            .get(&on_wire(packet, virtual_router_id))
            .and_then(|id| self.instances.get_mut(id))
            .ok_or_else(|| Discard::VirtualRouterId(virtual_router_id.0.get()))?;
        instance.receive(now, packet.source, &advertisement, &mut self.actions)
    }

    /// Counts a discard and returns it, or an unknown VRID instead of what would only have been looked at after that.
    fn count(&mut self, packet: &Packet<'_>, discard: Discard) -> Discard {
        if let Some(counter) = self.counters.of(discard) {
            *counter += 1;
            return discard;
        }
        let virtual_router_id = peek_virtual_router_id(packet.payload);
        let instance = virtual_router_id
            .and_then(|id| self.by_wire.get(&on_wire(packet, id)))
            .and_then(|id| self.instances.get_mut(id));
        if let Some(counter) = instance.and_then(|instance| instance.counters_mut().of(discard)) {
            *counter += 1;
            return discard;
        }
        self.counters.vrid_errors += 1;
        if discard.follows_lookup() {
            Discard::VirtualRouterId(virtual_router_id.map_or(0, |id| id.0.get()))
        } else {
            discard
        }
    }

    fn report(&mut self, now: Instant, report: &Report) {
        self.change(now, report.check, |check| check.report(now, report));
    }

    fn time_out_checks(&mut self, now: Instant) {
        let stale = |(id, check): (&CheckId, &Check)| {
            check.stale_timer().filter(|due| *due <= now).map(|_| *id)
        };
        let stale: Vec<_> = self.checks.iter().filter_map(stale).collect();
        for id in stale {
            self.change(now, id, |check| check.timeout(now));
        }
        let overdue = |instance: &Instance| instance.overdue_first_verdicts(now);
        let overdue: Vec<_> = self.instances.values().flat_map(overdue).collect();
        for id in overdue {
            self.change(now, id, |check| check.give_up(now));
        }
    }

    /// Changes a check and tells those who track it what that made of it.
    fn change(&mut self, now: Instant, id: CheckId, change: impl FnOnce(&mut Check)) {
        let Some(check) = self.checks.get_mut(&id) else {
            return;
        };
        let before = (check.standing(), check.weight());
        change(check);
        let after = (check.standing(), check.weight());
        if before == after {
            return;
        }
        let reason = if before.0 == after.0 {
            Reason::CheckWeight(id)
        } else {
            self.actions.push_back(Action::CheckChanged(CheckChange {
                check: id,
                before: before.0,
                after: after.0,
            }));
            match after.0 {
                Standing::Up => Reason::CheckUp(id),
                Standing::Down => Reason::CheckDown(id),
                Standing::Pending | Standing::Unknown => Reason::CheckUnknown(id),
            }
        };
        for instance in self.instances.values_mut() {
            if instance.tracks(id) {
                instance.check(now, id, after, reason, &mut self.actions);
            }
        }
    }
}

fn on_wire(packet: &Packet<'_>, id: VirtualRouterId) -> OnWire {
    (packet.interface, id, Family::of(&packet.source))
}

#[cfg(test)]
mod tests;
