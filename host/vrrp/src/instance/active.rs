//! The state Active (RFC 9568 §6.4.3) and its timers.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::announce::Announcements;
use super::state::Timing;
use crate::packet::Advertisement;
use crate::{Advertise, Deadline, InstanceId, Instant, Reason, Why};

#[derive(Debug)]
pub(super) struct Active {
    /// Where it sends from.
    pub(super) source: IpAddr,
    /// What it sends, one for each destination, until its priority or source changes.
    pub(super) adverts: Vec<Advertise>,
    adver_timer: Instant,
    last_sent: Instant,
    /// No answer before this instant.
    quiet_until: Instant,
    owes_answer: bool,
    pub(super) announcements: Announcements,
    yielding: Option<Yielding>,
    rival: Option<Rival>,
}

/// A router with the same priority and a higher address, which the first member of the sync group is to decide about.
#[derive(Clone, Copy, Debug)]
struct Rival {
    since: Instant,
    last_heard: Instant,
}

/// The addresses were offered with priority 0; they are kept in use until somebody takes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Yielding {
    /// When nobody will take them any more.
    pub(super) until: Instant,
    pub(super) then: Then,
    /// Why they were offered.
    pub(super) reason: Reason,
}

/// What becomes of addresses that nobody takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// They stay, and are advertised again.
    Keep,
    /// They are given up: this router stops.
    Stop,
}

/// One answer in a quarter of an interval: a flood of packets that ask for one is not reflected,
/// and an honest rival still learns the truth three times before it could act.
const ANSWERS_PER_INTERVAL: u32 = 4;

impl Active {
    /// `adverts` are being sent now.
    pub(super) fn new(
        now: Instant,
        source: IpAddr,
        adverts: Vec<Advertise>,
        interval: Duration,
    ) -> Self {
        Self {
            source,
            adverts,
            adver_timer: now + interval,
            last_sent: now,
            quiet_until: now,
            owes_answer: false,
            announcements: Announcements::default(),
            yielding: None,
            rival: None,
        }
    }

    /// How long the peers have heard nothing.
    pub(super) fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_sent)
    }

    /// From now on it is silent, and gives way to the first that advertises.
    pub(super) fn offer(&mut self, yielding: Yielding) {
        self.yielding = Some(yielding);
        self.owes_answer = false;
    }

    pub(super) fn yielding(&self) -> Option<Yielding> {
        self.yielding
    }

    /// Nobody took the addresses: they are advertised from now on, at once.
    pub(super) fn keep(&mut self, now: Instant) {
        self.yielding = None;
        // It was silent of its own will.
        self.advertise_now(now);
    }

    /// Whether it is too early to lose a tie, because the first member of the sync group has to decide it.
    pub(super) fn defer_to_first_member(
        &mut self,
        now: Instant,
        timing: Timing,
        advertisement: &Advertisement,
    ) -> bool {
        let interval = timing.learned_interval(advertisement);
        // One that fell silent is gone, and the next one is another.
        let forgotten = timing.active_down_interval(interval);
        let since = self
            .rival
            .filter(|rival| now.saturating_duration_since(rival.last_heard) < forgotten)
            .map_or(now, |rival| rival.since);
        self.rival = Some(Rival {
            since,
            last_heard: now,
        });
        now.saturating_duration_since(since) < timing.patience_with_first_member()
    }

    /// Another interval counts from now on, which the peers are to learn at once: until then they wait by the old one. So does
    /// the pause between answers, which is a part of it.
    pub(super) fn advertise_now(&mut self, now: Instant) {
        self.adver_timer = now;
        self.last_sent = now;
        self.quiet_until = now;
    }

    /// Answers a router that gave up or that loses. True when the answer is to be sent now; otherwise one is owed, however many ask.
    pub(super) fn answer(&mut self, now: Instant, interval: Duration) -> bool {
        self.owes_answer = now < self.quiet_until;
        if self.owes_answer {
            return false;
        }
        self.quiet_until = now + interval / ANSWERS_PER_INTERVAL;
        self.adver_timer = now + interval;
        self.last_sent = now;
        true
    }

    /// True when an advertisement is to be sent now, because Adver_Timer has expired or an answer is owed.
    pub(super) fn take_due_advertisement(&mut self, now: Instant, interval: Duration) -> bool {
        if self.adver_timer <= now {
            // Counted from when it was due, or lateness would add up to a slower rate.
            let next = self.adver_timer + interval;
            self.adver_timer = if next > now { next } else { now + interval };
            self.owes_answer = false;
            self.last_sent = now;
            return true;
        }
        self.owes_answer && self.answer(now, interval)
    }

    pub(super) fn deadline(&self, id: InstanceId) -> Deadline {
        let first = match self.yielding {
            Some(yielding) => Deadline {
                at: yielding.until,
                why: Why::Yield(id),
            },
            None => Deadline {
                at: self.adver_timer,
                why: Why::Advertise(id),
            },
        };
        let answer = self.owes_answer.then_some(Deadline {
            at: self.quiet_until,
            why: Why::Answer(id),
        });
        let announce = self.announcements.deadline().map(|at| Deadline {
            at,
            why: Why::Announce(id),
        });
        announce
            .into_iter()
            .chain(answer)
            .fold(
                first,
                |first, other| if other.at < first.at { other } else { first },
            )
    }
}
