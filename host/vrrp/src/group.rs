//! Sync groups: virtual routers that are Active together or not at all.
//!
//! No RFC has them; every implementation does, because a router that forwards in on one side has to forward out on the
//! other. A member that could not take part keeps the others from it, one that stops being Active takes the others
//! along, and its timer alone takes nothing over: all have to be due.

use alloc::vec::Vec;

use crate::instance::{Block, Readiness};
use crate::{InstanceId, State, SyncGroup};

/// A sync group at work.
#[derive(Debug)]
pub(crate) struct Group {
    members: Vec<InstanceId>,
    state: State,
    sequence: u64,
}

impl Group {
    pub(crate) fn new(config: &SyncGroup) -> Self {
        Self {
            members: config.members.clone(),
            state: State::Initialize,
            sequence: 0,
        }
    }

    /// Goes on where the group of the same name was.
    pub(crate) fn continue_from(&mut self, before: &Self) {
        self.state = before.state;
        self.sequence = before.sequence;
    }

    pub(crate) fn members(&self) -> &[InstanceId] {
        &self.members
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
