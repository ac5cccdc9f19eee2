//! Sync groups: virtual routers that are Active together or not at all.
//!
//! No RFC has them; every implementation does, because a router that forwards in on one side has to forward out on the
//! other. A member that could not take part keeps the others from it, one that stops being Active takes the others
//! along, and its timer alone takes nothing over: all have to be due.
//!
//! Which of two equal routers has the higher address may differ from link to link. Two groups that took over at the same
//! moment would each lose another member, take the rest of it along, and do so again and again: so a tie is for the first member
//! to lose, and the others wait for that for a while ([`Membership`]).

use alloc::sync::Arc;

use crate::instance::{Block, Readiness};
use crate::{InstanceId, State, SyncGroup};

/// A sync group at work.
#[derive(Debug)]
pub(crate) struct Group {
    members: Arc<[InstanceId]>,
    state: State,
    sequence: u64,
}

impl Group {
    pub(crate) fn new(config: &SyncGroup) -> Self {
        Self {
            members: Arc::from(config.members.as_slice()),
            state: State::Initialize,
            sequence: 0,
        }
    }

    /// Goes on where the group of the same name was.
    pub(crate) fn continue_from(&mut self, before: &Self) {
        self.state = before.state;
        self.sequence = before.sequence;
    }

    pub(crate) fn members(&self) -> &Arc<[InstanceId]> {
        &self.members
    }

    pub(crate) fn membership(&self, member: InstanceId) -> Membership {
        if self.members.first() == Some(&member) {
            Membership::First
        } else {
            Membership::Other
        }
    }

    /// The state that users see, and the number of its last change.
    pub(crate) fn state(&self) -> (State, u64) {
        (self.state, self.sequence)
    }

    /// Takes in the states of the members. Returns what the group was in before, when it is something else now.
    pub(crate) fn follow(&mut self, states: impl Iterator<Item = State>) -> Option<State> {
        let after = common(states);
        if after == self.state {
            return None;
        }
        self.sequence += 1;
        Some(core::mem::replace(&mut self.state, after))
    }
}

/// An instance and the others of its sync group, if it is in one.
#[derive(Clone, Debug)]
pub(crate) struct Company {
    id: InstanceId,
    group: Option<Arc<[InstanceId]>>,
}

impl Company {
    pub(crate) fn new(id: InstanceId, group: Option<&Group>) -> Self {
        let group = group.map(|group| Arc::clone(group.members()));
        Self { id, group }
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.group.is_none()
    }

    /// Itself first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = InstanceId> {
        let others = self.group.iter().flat_map(|group| group.iter()).copied();
        core::iter::once(self.id).chain(others.filter(|other| *other != self.id))
    }
}

/// What an instance is in its sync group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    /// The member that decides ties for all of them.
    First,
    Other,
}

/// What the others of a group make of one of them.
pub(crate) fn block(
    member: InstanceId,
    all: impl Iterator<Item = (InstanceId, Readiness)>,
) -> Option<Block> {
    let mut block = None;
    for (other, readiness) in all.filter(|(other, _)| *other != member) {
        match readiness {
            Readiness::Ready => {}
            Readiness::Waiting => block = Some(Block::Waiting),
            Readiness::Faulty => return Some(Block::Faulty(other)),
        }
    }
    block
}

/// The least that all of them are.
fn common(states: impl Iterator<Item = State>) -> State {
    let rank = |state: &State| match state {
        State::Fault => 0,
        State::Initialize => 1,
        State::Backup => 2,
        State::Active => 3,
    };
    states.min_by_key(rank).unwrap_or(State::Initialize)
}
