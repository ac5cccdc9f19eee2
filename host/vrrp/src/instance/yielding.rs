//! How an Active router gives way.

use super::active::{Then, Yielding};
use super::advert::{release_packets, send};
use super::state::{Backup, Heard, Machine};
use super::{Farewell, Instance};
use crate::outbox::Outbox;
use crate::{InstanceId, Instant, Reason};

impl Instance {
    /// Offers the addresses of an Active instance to its peers, and goes on using them until one takes them: make before break.
    pub(crate) fn give_away(&mut self, now: Instant, reason: Reason, out: &mut Outbox) {
        if !self.running {
            // It has given them away for good.
            return;
        }
        let until = now + self.timing().patience_with_peers();
        self.offer(until, Then::Keep, reason, out);
    }

    pub(super) fn offer(&mut self, until: Instant, then: Then, reason: Reason, out: &mut Outbox) {
        let Machine::Active(active) = &mut self.machine else {
            return;
        };
        active.offer(Yielding {
            until,
            then,
            reason,
        });
        let farewell = release_packets(self.id, &self.config, active.source);
        send(&farewell, &mut self.counters, out);
    }

    /// Nobody took what was offered.
    pub(super) fn not_taken(&mut self, now: Instant, yielding: Yielding, out: &mut Outbox) {
        match yielding.then {
            Then::Stop => {
                let reason = yielding.reason;
                self.leave(now, Machine::STOPPED, Farewell::None, reason, out);
            }
            Then::Keep => {
                if let Machine::Active(active) = &mut self.machine {
                    active.keep(now);
                }
            }
        }
    }

    /// Whether an Active instance was silent for so long, and not of its own will, that a peer may have taken over.
    pub(super) fn was_silent_too_long(&self, now: Instant) -> bool {
        matches!(&self.machine, Machine::Active(active)
            if active.yielding().is_none()
                && active.silence(now) >= self.timing().patience_of_peers())
    }

    /// This host was silent for so long that a peer may have taken over, as RFC 9568 §6.4.2 has it do. Speaking now
    /// could take the addresses away from it for no reason; the peer is heard within an interval.
    pub(super) fn listen_before_speaking(&mut self, now: Instant, out: &mut Outbox) {
        let Machine::Active(active) = &self.machine else {
            return;
        };
        let reason = Reason::Late(active.silence(now));
        let interval = self.config.advertisement_interval;
        let backup = Backup::listening(now, active.source, interval, self.timing());
        self.leave(now, Machine::Backup(backup), Farewell::None, reason, out);
    }

    /// Gives up being Active because the rest of its sync group is not.
    pub(crate) fn follow_group(&mut self, now: Instant, member: InstanceId, out: &mut Outbox) {
        if let Machine::Active(active) = &self.machine
            && active.yielding().is_none()
        {
            let own = self.config.advertisement_interval;
            let backup = Backup::new(now, active.source, own, Heard::Nobody, self.timing());
            let reason = Reason::SyncGroup(member);
            self.leave(now, Machine::Backup(backup), Farewell::Release, reason, out);
        }
    }
}
