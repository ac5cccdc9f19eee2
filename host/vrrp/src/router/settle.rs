//! What follows for an instance, and for its sync group, from a change of what they depend on.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Router;
use crate::group::{self, Company};
use crate::instance::Instance;
use crate::{Action, Command, GroupTransition, InstanceId, Instant, Reason};

impl Router {
    pub(super) fn command(&mut self, now: Instant, id: InstanceId, command: Command) {
        let reason = Reason::Command(command);
        match command {
            Command::Drain | Command::Release => self.give_away(now, id, reason),
            Command::Undrain => {}
        }
        for member in self.company(id).iter() {
            self.depend(now, member, reason, |instance| {
                match command {
                    Command::Drain => instance.set_drained(true),
                    Command::Undrain => instance.set_drained(false),
                    Command::Release => {}
                }
                false
            });
        }
    }

    /// Changes what an instance depends on. `change` says whether the addresses are to be given away for it.
    pub(super) fn depend(
        &mut self,
        now: Instant,
        id: InstanceId,
        reason: Reason,
        change: impl FnOnce(&mut Instance) -> bool,
    ) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        let before = instance.standing();
        let release = change(instance);
        instance.apply_priority();
        if release {
            self.give_away(now, id, reason);
        }
        self.settle(now, id, reason);
        if let Some(instance) = self.instances.get(&id) {
            instance.tell_priority(before, reason, &mut self.out);
        }
    }

    /// Offers the addresses of an instance, and those of its sync group, to the peers.
    pub(super) fn give_away(&mut self, now: Instant, id: InstanceId, reason: Reason) {
        for member in self.company(id).iter() {
            if let Some(instance) = self.instances.get_mut(&member) {
                instance.give_away(now, reason, &mut self.out);
            }
        }
    }

    /// Brings the state of an instance, and what follows for its sync group, in line with what they depend on.
    pub(super) fn settle(&mut self, now: Instant, id: InstanceId, reason: Reason) {
        let company = self.company(id);
        let readiness: Vec<_> = company
            .iter()
            .filter_map(|member| Some((member, self.instances.get(&member)?.readiness())))
            .collect();
        for member in company.iter() {
            let block = group::block(member, readiness.iter().copied());
            let reason = if member == id {
                reason
            } else {
                Reason::SyncGroup(id)
            };
            if let Some(instance) = self.instances.get_mut(&member) {
                instance.settle(now, block, reason, &mut self.out);
            }
        }
        self.align(now, id, reason);
    }

    /// The instance and the others of its sync group.
    pub(super) fn company(&self, id: InstanceId) -> Company {
        let group = self.group_of.get(&id);
        Company::new(id, group.and_then(|group| self.groups.get(group)))
    }

    /// Every Backup among `due` whose timer has expired takes over, those of a sync group together or not at all.
    pub(super) fn take_over(&mut self, now: Instant, due: &[InstanceId]) {
        let due: Vec<_> = self
            .with_company(due)
            .into_iter()
            .filter(|id| {
                let instance = self.instances.get(id);
                instance.is_some_and(|instance| instance.wants_to_take_over(now))
            })
            .collect();
        for id in due {
            let all_due = self.company(id).iter().all(|member| {
                self.instances
                    .get(&member)
                    // Whoever is Active already has taken over a moment ago, with the rest to follow.
                    .is_some_and(|other| other.wants_to_take_over(now) || other.is_active())
            });
            if let Some(instance) = self.instances.get_mut(&id) {
                if all_due {
                    instance.take_over_when_due(now, &mut self.out);
                } else {
                    instance.hold();
                }
            }
        }
    }

    /// Those and all others of their sync groups, in order.
    fn with_company(&self, ids: &[InstanceId]) -> BTreeSet<InstanceId> {
        let mut all = BTreeSet::new();
        for id in ids {
            all.extend(self.company(*id).iter());
        }
        all
    }

    /// Aligns the sync groups of these instances, each once.
    pub(super) fn align_groups(&mut self, now: Instant, ids: impl Iterator<Item = InstanceId>) {
        let mut groups = core::mem::take(&mut self.scratch.groups);
        groups.clear();
        groups.extend(ids.filter_map(|id| self.group_of.get(&id)));
        groups.sort_unstable();
        groups.dedup();
        for group in &groups {
            let group = self.groups.get(group);
            let Some(first) = group.and_then(|group| group.members().first().copied()) else {
                continue;
            };
            let reason = self
                .instances
                .get(&first)
                .and_then(|instance| instance.reason())
                .unwrap_or(Reason::Startup);
            self.align(now, first, reason);
        }
        self.scratch.groups = groups;
    }

    /// Where one member of a sync group is not Active any more, none is. Then tells what the group has come to.
    pub(super) fn align(&mut self, now: Instant, id: InstanceId, reason: Reason) {
        let company = self.company(id);
        if company.is_alone() {
            return;
        }
        let inactive = company
            .iter()
            .find(|member| !self.instances.get(member).is_some_and(Instance::is_active));
        if let Some(inactive) = inactive {
            for member in company.iter() {
                if let Some(instance) = self.instances.get_mut(&member) {
                    instance.follow_group(now, inactive, &mut self.out);
                }
            }
        }
        self.follow_group(id, reason);
    }

    /// Tells what the sync group of an instance has come to.
    pub(super) fn follow_group(&mut self, id: InstanceId, reason: Reason) {
        let Some(group_id) = self.group_of.get(&id).copied() else {
            return;
        };
        let Some(group) = self.groups.get_mut(&group_id) else {
            return;
        };
        let members = Arc::clone(group.members());
        let states = members
            .iter()
            .filter_map(|member| Some(self.instances.get(member)?.state()));
        if let Some(before) = group.follow(states) {
            let (after, sequence) = group.state();
            self.out.push(Action::GroupChanged(GroupTransition {
                group: group_id,
                before,
                after,
                member: id,
                reason,
                sequence,
            }));
        }
    }
}
