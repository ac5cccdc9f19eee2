//! Sync groups: their members are Active together or not at all.
//!
//! No RFC has them. What is promised is this. Whenever a router has done what it had to do, either all members of a group are
//! Active, or none of them is but those that yield: they are silent and give way by themselves. A group takes over when the timer of
//! its last member expires, and not before. The state of a group is the least that its members are.

use std::collections::BTreeMap;

use vrrp::{GroupId, GroupTransition, InstanceId, RouterConfig, State};

use crate::breach::{Breach, promise};

/// What an observer knows about the groups of a router.
#[derive(Debug)]
pub(crate) struct Together {
    groups: BTreeMap<GroupId, Vec<InstanceId>>,
    /// By instance: itself and all others of its group.
    company: BTreeMap<InstanceId, Vec<InstanceId>>,
    told: BTreeMap<GroupId, (State, u64)>,
}

/// A member of a group as it is now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) state: State,
    pub(crate) yields: bool,
}

impl Together {
    pub(crate) fn new(config: &RouterConfig) -> Self {
        let groups = config.groups.iter();
        let members = groups
            .clone()
            .map(|(id, group)| (*id, group.members.clone()));
        Self {
            company: companies(config),
            groups: members.collect(),
            told: groups
                .map(|(id, _)| (*id, (State::Initialize, 0)))
                .collect(),
        }
    }

    /// Instances may have come and gone; the groups are the same.
    pub(crate) fn follow(&mut self, config: &RouterConfig) {
        self.company = companies(config);
    }

    /// The instance, and all others of its group.
    pub(crate) fn company(&self, id: InstanceId) -> &[InstanceId] {
        self.company.get(&id).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn observe(&mut self, transition: &GroupTransition) -> Result<(), Breach> {
        let known = self.told.get_mut(&transition.group);
        let Some((state, sequence)) = known else {
            return Err(Breach(format!(
                "{transition:?} of a group that does not exist"
            )));
        };
        let follows = transition.before == *state && transition.sequence == *sequence + 1;
        promise!(
            follows && transition.before != transition.after,
            "{transition:?} after number {sequence} to {state}"
        );
        (*state, *sequence) = (transition.after, transition.sequence);
        Ok(())
    }

    /// What must hold whenever all actions are drained.
    pub(crate) fn check(
        &self,
        member: impl Fn(InstanceId) -> Option<Member>,
        group: impl Fn(GroupId) -> Option<(State, u64)>,
    ) -> Result<(), Breach> {
        for (id, members) in &self.groups {
            let all = members.iter().filter_map(|id| Some((*id, member(*id)?)));
            let (active, other): (Vec<_>, Vec<_>) =
                all.partition(|(_, member)| member.state == State::Active);
            let alone = active.iter().find(|(_, member)| !member.yields);
            promise!(
                other.is_empty() || alone.is_none(),
                "{alone:?} is Active without {other:?}, which are in the same group"
            );
            let least = [State::Fault, State::Initialize, State::Backup];
            let least = least
                .into_iter()
                .find(|state| other.iter().any(|(_, member)| member.state == *state));
            let told = self.told.get(id).copied();
            promise!(
                told.map(|(state, _)| state) == Some(least.unwrap_or(State::Active)),
                "{id:?} was said to be {told:?}, but the least of it is {least:?}"
            );
            let shown = group(*id);
            promise!(
                shown == told,
                "{id:?} is {shown:?}, but was said to be {told:?}"
            );
        }
        Ok(())
    }
}

fn companies(config: &RouterConfig) -> BTreeMap<InstanceId, Vec<InstanceId>> {
    let ids = config.instances.iter().map(|(id, _)| *id);
    ids.map(|id| (id, company(config, id))).collect()
}

fn company(config: &RouterConfig, id: InstanceId) -> Vec<InstanceId> {
    let mut groups = config.groups.iter();
    let group = groups.find(|(_, group)| group.members.contains(&id));
    group.map_or_else(|| vec![id], |(_, group)| group.members.clone())
}
