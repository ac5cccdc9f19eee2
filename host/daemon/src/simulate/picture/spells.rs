//! From what happened to what lasted.

use std::time::Duration;

use vrrp::State;

use crate::simulate::act::Happens;
use crate::simulate::timeline::{Entry, What};
use crate::simulate::world::World;

/// An instance was in one state on one node; switched off when `None`.
#[derive(Debug)]
pub(super) struct StateSpell {
    pub(super) from: Duration,
    pub(super) until: Duration,
    pub(super) state: Option<State>,
}

/// The states of an instance on a node, one after the other, without those that lasted no time.
pub(super) fn states(world: &World<'_>, node: usize, of: usize) -> Vec<StateSpell> {
    let becomes = |entry: &Entry| match &entry.what {
        What::Starts => Some(Some(State::Initialize)),
        What::Stopped => Some(None),
        What::Asked { act, .. } => (act.what == Happens::Crash).then_some(None),
        What::State {
            instance, after, ..
        } => (*instance == of).then_some(Some(*after)),
        What::InVain(_)
        | What::Check { .. }
        | What::Priority { .. }
        | What::Group { .. }
        | What::Has(_)
        | What::HasNoLonger(_)
        | What::Hook { .. }
        | What::Differs { .. } => None,
    };
    let entries = world.timeline().iter();
    let changes = entries
        .filter(|entry| entry.node == node)
        .filter_map(|entry| Some((entry.at, becomes(entry)?)));
    let mut spells: Vec<StateSpell> = Vec::new();
    for (at, state) in changes {
        if let Some(last) = spells.last_mut() {
            if last.state == state {
                continue;
            }
            last.until = at;
        }
        spells.push(StateSpell {
            from: at,
            until: world.now(),
            state,
        });
    }
    spells.retain(|spell| spell.from < spell.until);
    spells
}

/// When a node could not be reached though it ran: cut off, or standing still.
pub(super) fn away(world: &World<'_>, node: usize) -> Vec<(Duration, Duration)> {
    let (mut cut, mut frozen) = (false, false);
    let mut since = None;
    let mut spells = Vec::new();
    for entry in world.timeline().iter().filter(|entry| entry.node == node) {
        let What::Asked { act, .. } = &entry.what else {
            continue;
        };
        match act.what {
            Happens::Cut => cut = true,
            Happens::Heal => cut = false,
            Happens::Freeze => frozen = true,
            Happens::Thaw | Happens::Crash => frozen = false,
            Happens::Check(..)
            | Happens::Start
            | Happens::Stop
            | Happens::Link(..)
            | Happens::Command(..) => {}
        }
        match (since, cut || frozen) {
            (None, true) => since = Some(entry.at),
            (Some(from), false) => {
                spells.push((from, entry.at));
                since = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }
    spells.extend(since.map(|from| (from, world.now())));
    spells
}
