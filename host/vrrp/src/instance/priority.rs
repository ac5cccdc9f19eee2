//! The effective priority of a virtual router.

use super::advert::advertise;
use super::state::Machine;
use super::tracks::Tracks;
use super::{Instance, LOWEST, OWNER};
use crate::outbox::Outbox;
use crate::{Action, Reason};

impl Instance {
    /// Priority and number of the last transition, to tell afterwards what became of them.
    pub(crate) fn standing(&self) -> (u8, u64) {
        (self.effective_priority, self.sequence)
    }

    /// Tells of a priority that changed without a transition that tells of it.
    pub(crate) fn tell_priority(
        &self,
        (priority, sequence): (u8, u64),
        reason: Reason,
        out: &mut Outbox,
    ) {
        if self.effective_priority != priority && self.sequence == sequence {
            out.push(Action::PriorityChanged {
                instance: self.id,
                before: priority,
                after: self.effective_priority,
                reason,
            });
        }
    }

    /// Recomputes the effective priority and brings timer or advertisement in line with it.
    pub(crate) fn apply_priority(&mut self) {
        let before = self.timing();
        self.effective_priority = self.priority_with(&self.tracks);
        let after = self.timing();
        if before.priority == after.priority {
            return;
        }
        match &mut self.machine {
            Machine::Initialize(_) => {}
            // Restarting the timer would let a flapping check put a takeover off for ever.
            Machine::Backup(backup) => backup.shift_timer(before, after),
            Machine::Active(active) => {
                active.adverts = advertise(self.id, &self.config, active.source, after.priority);
            }
        }
    }

    /// The effective priority with such checks.
    pub(super) fn priority_with(&self, tracks: &Tracks) -> u8 {
        if self.drained {
            return LOWEST;
        }
        if self.is_owner() {
            return OWNER;
        }
        let base = i32::from(self.config.priority.get());
        let weight = tracks.weight() + self.links.weight();
        u8::try_from((base + weight).clamp(1, 254)).unwrap_or(LOWEST)
    }
}
