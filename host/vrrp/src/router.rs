//! A VRRP Router: all virtual routers of one host, and the checks they depend on.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::config::Family;
use crate::group::{self, Group};
use crate::instance::{Instance, LinkNews};
use crate::outbox::Outbox;
use crate::track::Check;
use crate::{
    Action, CheckChange, CheckError, CheckId, CheckStatus, ConfigError, Deadline, Event, Forecast,
    GlobalCounters, GroupError, GroupId, InstanceConfig, InstanceError, InstanceId, InstanceStatus,
    Instant, InterfaceId, Link, Reason, Report, RouterConfig, Standing, State, SyncGroup,
    VirtualRouterId, validate,
};

mod indexed;
mod receive;
mod reconfigure;
mod settle;

use self::indexed::Indexed;

/// A VRRP Router (RFC 9568): every virtual router of this host, as one state machine.
///
/// Time must not run backwards; where it does, the latest instant seen counts.
#[derive(Debug)]
pub struct Router {
    phase: Phase,
    now: Instant,
    instances: Indexed<InstanceId, Instance>,
    by_wire: BTreeMap<OnWire, InstanceId>,
    checks: Indexed<CheckId, Check>,
    groups: BTreeMap<GroupId, Group>,
    group_of: BTreeMap<InstanceId, GroupId>,
    /// The latest news of each interface, for instances that are added later.
    links: BTreeMap<InterfaceId, Link>,
    counters: GlobalCounters,
    out: Outbox,
    scratch: Scratch,
}

/// Lists that are filled and emptied again on each call, kept so that nothing is allocated for them.
#[derive(Debug, Default)]
struct Scratch {
    checks: Vec<CheckId>,
    due: Vec<InstanceId>,
    expired: Vec<InstanceId>,
    groups: Vec<GroupId>,
    addresses: Vec<IpAddr>,
}

/// What a received packet finds its virtual router by. Multicast and unicast are spaces of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct OnWire {
    interface: InterfaceId,
    virtual_router_id: VirtualRouterId,
    family: Family,
    unicast: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    BeforeStartup,
    Running,
    /// Some instances still use addresses that they have offered.
    Stopping,
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
            instances: Indexed::default(),
            by_wire: BTreeMap::new(),
            checks: Indexed::default(),
            groups: BTreeMap::new(),
            group_of: BTreeMap::new(),
            links: BTreeMap::new(),
            counters: GlobalCounters::default(),
            out: Outbox::default(),
            scratch: Scratch::default(),
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
        for (group, config) in &config.groups {
            router
                .add_group(*group, config)
                .map_err(|error| ConfigError::Group {
                    group: *group,
                    error,
                })?;
        }
        router.reindex();
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
            (Phase::Running | Phase::Stopping, Event::Startup)
            | (Phase::Stopping, Event::Report(_) | Event::Command(..))
            | (Phase::Stopped, _) => {}
            (_, Event::Shutdown { grace }) => self.shutdown(now, grace),
            (_, Event::Packet(packet)) => self.packet(now, &packet),
            (_, Event::Report(report)) => self.report(now, &report),
            (_, Event::Link(link)) => self.link(now, link),
            (_, Event::Address(change)) => {
                if let Some(instance) = self.instances.get_mut(&change.instance) {
                    instance.address(now, &change, &mut self.out);
                }
            }
            (_, Event::Command(instance, command)) => self.command(now, instance, command),
        }
        self.notice_end();
        self.reindex();
    }

    /// Does everything that is due at `now`. Safe to call early or twice.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.advance(now);
        match self.phase {
            Phase::BeforeStartup | Phase::Stopped => return,
            Phase::Running | Phase::Stopping => {}
        }
        // Checks first: what they change may move a takeover that is due.
        if self.phase == Phase::Running {
            self.time_out_checks(now);
        }
        let mut due = core::mem::take(&mut self.scratch.due);
        self.instances.due(now, &mut due);
        for &id in &due {
            while let Some(news) = self
                .instances
                .get_mut(&id)
                .and_then(|instance| instance.timeout(now, &mut self.out))
            {
                self.link_news(now, id, news);
            }
        }
        // Only Backups whose timer has expired are still due, with those that what has happened made so.
        let mut expired = core::mem::take(&mut self.scratch.expired);
        self.instances.due(now, &mut expired);
        self.take_over(now, &expired);
        self.align_groups(now, due.iter().chain(&expired).copied());
        (self.scratch.due, self.scratch.expired) = (due, expired);
        self.notice_end();
        self.reindex();
    }

    /// The next thing to do, in the order in which to do it.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.out.pop()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) unless something happens before; `None` when nothing is due ever.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let checks = match self.phase {
            Phase::BeforeStartup | Phase::Stopped => return None,
            Phase::Running => self.checks.deadline(),
            Phase::Stopping => None,
        };
        let instances = self.instances.deadline().into_iter();
        instances.chain(checks).min_by_key(|deadline| deadline.at)
    }

    /// Whether a router that was asked to stop has released everything.
    pub fn is_stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }

    /// An instance as it is now.
    pub fn instance(&self, id: InstanceId) -> Option<InstanceStatus> {
        self.instances.get(&id).map(Instance::status)
    }

    /// A check as it is now.
    pub fn check(&self, id: CheckId) -> Option<CheckStatus> {
        self.checks.get(&id).map(Check::status)
    }

    /// What an instance would be if a check that it tracks went down, everything else staying as it is.
    pub fn forecast(&self, id: InstanceId, check: CheckId) -> Option<Forecast> {
        let instance = self.instances.get(&id)?;
        if !instance.tracks(check) {
            return None;
        }
        let company = self.company(id);
        let members = || {
            let members = company.iter();
            members.filter_map(|member| Some((member, self.instances.get(&member)?)))
        };
        let readiness = members().map(|(member, it)| (member, it.readiness_without(check)));
        let block = group::block(id, readiness);
        let gives_away = members().any(|(_, member)| member.gives_away_without(check));
        Some(instance.forecast(check, block, gives_away))
    }

    /// What all members of a sync group are at least, and how often that changed.
    pub fn group(&self, id: GroupId) -> Option<(State, u64)> {
        self.groups.get(&id).map(Group::state)
    }

    /// What was discarded before a virtual router was found for it.
    pub fn counters(&self) -> GlobalCounters {
        self.counters
    }

    fn add(&mut self, id: InstanceId, config: InstanceConfig) -> Result<(), InstanceError> {
        let family = validate::instance(&config)?;
        let unknown = |check: &CheckId| !self.checks.contains(check);
        if let Some(check) = config.tracks.iter().map(|track| track.check).find(unknown) {
            return Err(InstanceError::UnknownCheck(check));
        }
        let on_wire = OnWire {
            interface: config.interface,
            virtual_router_id: config.virtual_router_id,
            family,
            unicast: config.is_unicast(),
        };
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

    fn add_group(&mut self, id: GroupId, config: &SyncGroup) -> Result<(), GroupError> {
        if config.members.len() < 2 {
            return Err(GroupError::TooSmall(config.members.len()));
        }
        let group = Group::new(config);
        for member in group.members().iter() {
            let instance = self
                .instances
                .get_mut(member)
                .ok_or(GroupError::UnknownInstance(*member))?;
            instance.set_membership(Some(group.membership(*member)));
            if self.group_of.insert(*member, id).is_some() {
                return Err(GroupError::MemberTwice(*member));
            }
        }
        match self.groups.insert(id, group) {
            Some(_) => Err(GroupError::NumberTaken),
            None => Ok(()),
        }
    }

    fn reindex(&mut self) {
        self.checks.reindex();
        self.instances.reindex();
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
        let ids: Vec<_> = self.instances.keys().copied().collect();
        for instance in self.instances.values_mut() {
            instance.startup(now);
        }
        for id in ids {
            self.settle(now, id, Reason::Startup);
        }
    }

    fn shutdown(&mut self, now: Instant, grace: Duration) {
        // What is under way already is not put off by asking again, but it can be cut short.
        if self.phase == Phase::Stopping && !grace.is_zero() {
            return;
        }
        self.phase = Phase::Stopping;
        let ids: Vec<_> = self.instances.keys().copied().collect();
        for id in ids {
            if let Some(instance) = self.instances.get_mut(&id) {
                instance.shutdown(now, grace, &mut self.out);
            }
            self.follow_group(id, Reason::Shutdown);
        }
    }

    /// When the last instance has released what it had, nothing can happen any more.
    fn notice_end(&mut self) {
        if self.phase == Phase::Stopping && !self.instances.values().any(Instance::is_active) {
            self.phase = Phase::Stopped;
        }
    }

    fn link(&mut self, now: Instant, link: Link) {
        self.links.insert(link.interface, link);
        let ids: Vec<_> = self.instances.keys().copied().collect();
        for id in ids {
            let news = self
                .instances
                .get_mut(&id)
                .and_then(|instance| instance.link(now, link));
            if let Some(news) = news {
                self.link_news(now, id, news);
            }
        }
    }

    fn link_news(&mut self, now: Instant, id: InstanceId, news: LinkNews) {
        self.depend(now, id, news.reason, |_| news.release);
    }

    fn report(&mut self, now: Instant, report: &Report) {
        self.change(now, report.check, |check| check.report(now, report));
    }

    fn time_out_checks(&mut self, now: Instant) {
        let mut stale = core::mem::take(&mut self.scratch.checks);
        self.checks.due(now, &mut stale);
        for &id in &stale {
            self.change(now, id, |check| check.timeout(now));
        }
        let mut due = core::mem::take(&mut self.scratch.due);
        self.instances.due(now, &mut due);
        let due_instances = due.iter().filter_map(|id| self.instances.get(id));
        let mut overdue = stale;
        overdue.clear();
        overdue.extend(due_instances.flat_map(|instance| instance.overdue_first_verdicts(now)));
        for &id in &overdue {
            self.change(now, id, |check| check.give_up(now));
        }
        (self.scratch.checks, self.scratch.due) = (overdue, due);
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
            self.out.push(Action::CheckChanged(CheckChange {
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
        let tracking: Vec<_> = self
            .instances
            .iter()
            .filter(|(_, instance)| instance.tracks(id))
            .map(|(instance, _)| *instance)
            .collect();
        for instance in tracking {
            self.depend(now, instance, reason, |instance| instance.check(id, after));
        }
    }
}

#[cfg(test)]
mod tests;
