//! What a virtual router does with advertisements (RFC 9568 §7.1, then §6.4).

use alloc::collections::VecDeque;
use core::net::IpAddr;
use core::time::Duration;

use super::state::{Backup, Heard, Machine};
use super::{Farewell, Instance, OWNER, differences, send, timing};
use crate::config::Family;
use crate::packet::{Advertisement, version_number};
use crate::{Action, Difference, Discard, InstanceConfig, Instant, Reason, Version};

impl Instance {
    /// Makes the checks that need this virtual router's configuration, then does what the state says.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        source: IpAddr,
        advertisement: &Advertisement,
        out: &mut VecDeque<Action>,
    ) -> Result<(), Discard> {
        self.accept(source, advertisement)?;
        self.count_received(advertisement);
        self.compare(source, advertisement, out);
        match &mut self.machine {
            Machine::Initialize(_) => {}
            Machine::Backup(backup) => {
                let timing = timing(&self.config, self.effective_priority);
                // The owner preempts whatever Preempt_Mode says (RFC 9568 §6.1).
                let preempt = self.config.preempt || self.config.priority.get() == OWNER;
                backup.hear(now, source, advertisement, preempt, timing);
            }
            Machine::Active(_) => self.hear_as_active(now, source, advertisement, out),
        }
        Ok(())
    }

    fn accept(&self, source: IpAddr, advertisement: &Advertisement) -> Result<(), Discard> {
        let (theirs, ours) = (advertisement.interval, self.config.advertisement_interval);
        if advertisement.version != self.config.version {
            let number = version_number(advertisement.version);
            return Err(Discard::Version(number));
        }
        if self.config.version == Version::V2 && theirs != ours {
            return Err(Discard::IntervalMismatch { theirs, ours });
        }
        if self.source() == Some(source) {
            return Err(Discard::OwnAddress);
        }
        Ok(())
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
        out: &mut VecDeque<Action>,
    ) {
        let seen = differences::between(&self.config, advertisement);
        for difference in &seen {
            match difference {
                Difference::Interval(_) => self.counters.interval_errors += 1,
                Difference::Addresses(_) => self.counters.address_list_errors += 1,
                Difference::Owner => {}
            }
        }
        for difference in self.differences.news(source, seen) {
            out.push_back(Action::PeerDiffers {
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
        out: &mut VecDeque<Action>,
    ) {
        let Machine::Active(active) = &mut self.machine else {
            return;
        };
        let own_source = active.advert.source;
        let priority = advertisement.priority;
        if (priority, source) > (self.effective_priority, own_source) {
            let heard = Heard::Active { source, priority };
            let interval = learned_interval(advertisement, &self.config);
            let backup = Backup::new(now, own_source, interval, heard, self.timing());
            let reason = Reason::HigherPriority { source, priority };
            self.leave(now, Machine::Backup(backup), Farewell::None, reason, out);
            return;
        }
        // RFC 9568 asserts itself to a router that loses; RFC 3768 is silent.
        let deserves_answer = priority == 0 || self.config.version == Version::V3;
        if deserves_answer && active.answer(now, self.config.advertisement_interval) {
            send(&active.advert, &mut self.counters, out);
        }
    }
}

/// Only v3 learns (RFC 9568 §6.1).
fn learned_interval(advertisement: &Advertisement, config: &InstanceConfig) -> Duration {
    match config.version {
        Version::V2 => config.advertisement_interval,
        Version::V3 => advertisement.interval,
    }
}
