//! Another configuration for a router that goes on.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Phase, Router};
use crate::track::Check;
use crate::{CheckId, ConfigError, InstanceId, Instant, Reason, RouterConfig};

impl Router {
    /// Goes on with `config`, all of it or nothing.
    ///
    /// Instances, checks and groups are matched by their numbers. One that is still the same virtual router (interface,
    /// VRID, family, version, multicast or unicast) keeps its state, its timers and its counters, so that an unchanged
    /// Active router sends every advertisement on time; a check keeps its standing. What is missing is released, what is
    /// new starts.
    ///
    /// # Errors
    /// The first rule that `config` breaks; nothing has changed then.
    pub fn reconfigure(&mut self, now: Instant, config: RouterConfig) -> Result<(), ConfigError> {
        let next = Self::new(config)?;
        let now = self.advance(now);
        match self.phase {
            Phase::BeforeStartup | Phase::Running => {}
            // It ends as it was asked to.
            Phase::Stopping | Phase::Stopped => return Ok(()),
        }
        self.replace_checks(now, &next);
        let started = self.replace_instances(now, next);
        if self.phase == Phase::BeforeStartup {
            for instance in self.instances.values_mut() {
                instance.apply_priority();
            }
            self.reindex();
            return Ok(());
        }
        let ids: Vec<_> = self.instances.keys().copied().collect();
        for id in ids {
            let reason = if started.contains(&id) {
                Reason::Startup
            } else {
                Reason::Reconfigured
            };
            self.depend(now, id, reason, |_| false);
        }
        self.reindex();
        Ok(())
    }

    fn replace_checks(&mut self, now: Instant, next: &Self) {
        let is_gone = |id: &&CheckId| !next.checks.contains(id);
        let gone: Vec<_> = self.checks.keys().filter(is_gone).copied().collect();
        for id in gone {
            self.checks.remove(&id);
        }
        for (id, check) in next.checks.iter() {
            let config = check.config();
            if let Some(known) = self.checks.get_mut(id) {
                known.reconfigure(now, config);
                continue;
            }
            let mut fresh = Check::new(config);
            if self.phase == Phase::Running {
                fresh.startup(now);
            }
            self.checks.insert(*id, fresh);
        }
    }

    /// Returns the instances that are new.
    fn replace_instances(&mut self, now: Instant, mut next: Self) -> Vec<InstanceId> {
        let is_gone = |id: &InstanceId, router: &Self| {
            let (Some(before), Some(after)) = (router.instances.get(id), next.instances.get(id))
            else {
                return true;
            };
            !before.is_same_virtual_router(after.config())
        };
        let gone: Vec<_> = self
            .instances
            .keys()
            .copied()
            .filter(|id| is_gone(id, self))
            .collect();
        for id in gone {
            if let Some(mut instance) = self.instances.remove(&id) {
                instance.shutdown(now, Duration::ZERO, &mut self.out);
            }
        }
        let mut started = Vec::new();
        let numbers: Vec<_> = next.instances.keys().copied().collect();
        for id in numbers {
            let Some(mut fresh) = next.instances.remove(&id) else {
                continue;
            };
            let membership = fresh.membership();
            if let Some(instance) = self.instances.get_mut(&id) {
                instance.reconfigure(now, fresh.config().clone(), &mut self.out);
                instance.set_membership(membership);
            } else {
                if self.phase == Phase::Running {
                    fresh.startup(now);
                }
                self.instances.insert(id, fresh);
                started.push(id);
            }
        }
        for (id, group) in &mut next.groups {
            if let Some(before) = self.groups.get(id) {
                group.continue_from(before);
            }
        }
        self.groups = next.groups;
        self.group_of = next.group_of;
        self.by_wire = next.by_wire;
        self.catch_up(now);
        started
    }

    /// Tells every instance what it may not know yet: the interfaces and checks that it came to depend on.
    fn catch_up(&mut self, now: Instant) {
        for instance in self.instances.values_mut() {
            for link in self.links.values() {
                instance.link(now, *link);
            }
            for (id, check) in self.checks.iter() {
                instance.check(*id, (check.standing(), check.weight()));
            }
        }
    }
}
