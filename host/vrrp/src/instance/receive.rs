//! What a virtual router does with advertisements (RFC 9568 §7.1, then §6.4).

use core::net::IpAddr;

use super::active::Then;
use super::state::{Backup, Heard, Machine};
use super::{Farewell, Instance, differences, send};
use crate::authentication::Received;
use crate::config::Family;
use crate::forecast::outranks;
use crate::group::Membership;
use crate::outbox::Outbox;
use crate::packet::{Advertisement, version_number};
use crate::{
    Action, AuthenticationError, AuthenticationFailure, Difference, Discard, Instant, Reason,
    Version,
};

impl Instance {
    /// Makes the checks that need this virtual router's configuration, then does what the state says.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        received: &Received<'_>,
        out: &mut Outbox,
    ) -> Result<(), Discard> {
        let (source, advertisement) = (received.source, received.advertisement);
        let tolerated = self.accept(received)?;
        self.count_received(advertisement);
        self.compare(source, advertisement, tolerated, out);
        let (preemption, timing) = (self.preemption(), self.timing());
        match &mut self.machine {
            Machine::Initialize(_) => {}
            Machine::Backup(backup) => {
                backup.hear(now, source, advertisement, preemption, timing);
            }
            Machine::Active(_) => self.hear_as_active(now, source, advertisement, out),
        }
        Ok(())
    }

    /// Returns why the advertisement would not be accepted once authentication is enforced.
    fn accept(&mut self, received: &Received<'_>) -> Result<Option<AuthenticationError>, Discard> {
        let (source, advertisement) = (received.source, received.advertisement);
        if advertisement.version != self.config.version {
            let number = version_number(advertisement.version);
            return Err(Discard::Version(number));
        }
        if self.source() == Some(source) {
            return Err(Discard::OwnAddress);
        }
        if !self.config.peers.accept(source) {
            return Err(Discard::Source);
        }
        let tolerated = self.authenticate(received)?;
        let (theirs, ours) = (advertisement.interval, self.config.advertisement_interval);
        if self.config.version == Version::V2 && theirs != ours {
            return Err(Discard::IntervalMismatch { theirs, ours });
        }
        // Erratum 8299. Where a hook moves the addresses there are none to list.
        if advertisement.addresses.is_empty() && !self.config.addresses.is_empty() {
            return Err(Discard::NoAddresses);
        }
        Ok(tolerated)
    }

    fn authenticate(
        &mut self,
        received: &Received<'_>,
    ) -> Result<Option<AuthenticationError>, AuthenticationError> {
        let authentication = &self.config.authentication;
        let error = match authentication.verify(received, &mut self.marks) {
            Ok(authenticated) => {
                self.counters.authentication.authenticated_rcvd += u64::from(authenticated);
                return Ok(None);
            }
            Err(error) => error,
        };
        self.authentication_failure = Some(AuthenticationFailure {
            source: received.source,
            error,
            at: received.at,
        });
        if !authentication.tolerates() {
            return Err(error);
        }
        *self.counters.authentication.of(error) += 1;
        Ok(Some(error))
    }

    fn count_received(&mut self, advertisement: &Advertisement) {
        self.counters.advertisement_rcvd += 1;
        if advertisement.priority == 0 {
            self.counters.priority_zero_pkts_rcvd += 1;
        }
        if advertisement.version == Version::V3 && self.family == Family::V4 {
            *self.counters.of_form(advertisement.checksum) += 1;
        }
    }

    /// Notices what RFC 9568 §7.1 wants logged but not discarded.
    fn compare(
        &mut self,
        source: IpAddr,
        advertisement: &Advertisement,
        tolerated: Option<AuthenticationError>,
        out: &mut Outbox,
    ) {
        let mut seen = differences::between(&self.config, advertisement);
        seen.extend(tolerated.map(Difference::Authentication));
        for difference in &seen {
            match difference {
                Difference::Interval(_) => self.counters.interval_errors += 1,
                Difference::Addresses(_) => self.counters.address_list_errors += 1,
                // The latter is counted where it is noticed.
                Difference::Owner | Difference::Authentication(_) => {}
            }
        }
        for difference in self.differences.news(source, seen) {
            out.push(Action::PeerDiffers {
                instance: self.id,
                source,
                difference,
            });
        }
    }

    /// RFC 9568 §6.4.3
    fn hear_as_active(
        &mut self,
        now: Instant,
        source: IpAddr,
        advertisement: &Advertisement,
        out: &mut Outbox,
    ) {
        let timing = self.timing();
        let silent_too_long = self.was_silent_too_long(now);
        let Machine::Active(active) = &mut self.machine else {
            return;
        };
        let own_source = active.source;
        let priority = advertisement.priority;
        if let Some(yielding) = active.yielding() {
            // Whoever speaks has taken what was offered, whatever its priority; another offer takes nothing.
            if priority > 0 {
                let next = match yielding.then {
                    Then::Stop => Machine::STOPPED,
                    Then::Keep => Machine::Backup(self.backup_of(now, source, advertisement)),
                };
                self.leave(now, next, Farewell::None, yielding.reason, out);
            }
            return;
        }
        let outranked = outranks((priority, source), (self.effective_priority, own_source));
        let is_tie = priority == self.effective_priority;
        let deferred = outranked
            && is_tie
            && self.membership == Some(Membership::Other)
            && active.defer_to_first_member(now, timing, advertisement);
        if outranked && !deferred {
            let reason = Reason::HigherPriority { source, priority };
            let backup = self.backup_of(now, source, advertisement);
            self.leave(now, Machine::Backup(backup), Farewell::None, reason, out);
            return;
        }
        // RFC 9568 asserts itself to a router that loses; RFC 3768 is silent.
        if silent_too_long {
            // An answer would speak before anybody was listened to.
            let preemption = self.preemption();
            self.listen_before_speaking(now, out);
            if let Machine::Backup(backup) = &mut self.machine {
                backup.hear(now, source, advertisement, preemption, timing);
            }
            return;
        }
        let deserves_answer = priority == 0 || self.config.version == Version::V3;
        if deserves_answer && !deferred && active.answer(now, self.config.advertisement_interval) {
            send(&active.adverts, &mut self.counters, out);
        }
    }

    /// The Backup of the router that sent `advertisement`.
    fn backup_of(&self, now: Instant, source: IpAddr, advertisement: &Advertisement) -> Backup {
        let timing = self.timing();
        let own = self.source().unwrap_or(source);
        let interval = timing.learned_interval(advertisement);
        let priority = advertisement.priority;
        let heard = Heard::Active { source, priority };
        Backup::new(now, own, interval, heard, timing)
    }
}
