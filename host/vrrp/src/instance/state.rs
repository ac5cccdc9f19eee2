//! The states and the timers that each of them owns.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::num::NonZeroU8;
use core::time::Duration;

use crate::packet::Advertisement;
use crate::{
    Advertise, Deadline, InstanceId, Instant, Reason, State, Version, Why, active_down_interval,
    skew_time,
};

#[derive(Debug)]
pub(super) enum Machine {
    Initialize(Initialize),
    Backup(Backup),
    Active(Active),
}

impl Machine {
    pub(super) fn shown(&self) -> State {
        match self {
            Self::Initialize(Initialize { fault: false, .. }) => State::Initialize,
            Self::Initialize(Initialize { fault: true, .. }) => State::Fault,
            Self::Backup(_) => State::Backup,
            Self::Active(_) => State::Active,
        }
    }

    pub(super) fn grace(&self) -> Option<Instant> {
        match self {
            Self::Initialize(initialize) => initialize.grace,
            Self::Backup(_) | Self::Active(_) => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Initialize {
    /// Whether something is wrong, rather than missing.
    pub(super) fault: bool,
    /// When first verdicts are no longer waited for; `None` once the instance has left this state.
    pub(super) grace: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Backup {
    /// Where it would send from.
    pub(super) source: IpAddr,
    pub(super) active_down_timer: Instant,
    pub(super) active_adver_interval: Duration,
    pub(super) heard: Heard,
}

impl Backup {
    pub(super) fn new(
        now: Instant,
        source: IpAddr,
        active_adver_interval: Duration,
        heard: Heard,
        timing: Timing,
    ) -> Self {
        let active_down_timer = now + timing.active_down_interval(active_adver_interval);
        Self {
            source,
            active_down_timer,
            active_adver_interval,
            heard,
        }
    }

    /// RFC 9568 §6.4.2
    pub(super) fn hear(
        &mut self,
        now: Instant,
        source: IpAddr,
        advertisement: &Advertisement,
        preempt: bool,
        timing: Timing,
    ) {
        let priority = advertisement.priority;
        if priority == 0 {
            // Never later than it would be without: otherwise repeated releases, by error or
            // on purpose, would put the takeover off for ever.
            let skewed = now + timing.skew_time(self.active_adver_interval);
            self.active_down_timer = self.active_down_timer.min(skewed);
            self.heard = Heard::Released(source);
        } else if !preempt || priority >= timing.priority {
            if timing.version == Version::V3 {
                self.active_adver_interval = advertisement.interval;
            }
            self.active_down_timer = now + timing.active_down_interval(self.active_adver_interval);
            self.heard = Heard::Active { source, priority };
        } else {
            self.heard = Heard::Lower { source, priority };
        }
    }

    /// Moves the running timer by what another priority makes of the interval it was set to.
    pub(super) fn shift_timer(&mut self, before: Timing, after: Timing) {
        let before = before.active_down_interval(self.active_adver_interval);
        let after = after.active_down_interval(self.active_adver_interval);
        let later = after.saturating_sub(before);
        let earlier = before.saturating_sub(after);
        self.active_down_timer = self.active_down_timer + later - earlier;
    }
}

/// The last advertisement that a Backup heard.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heard {
    Nobody,
    /// From the Active router that it follows.
    Active {
        source: IpAddr,
        priority: u8,
    },
    /// From an Active router that it is about to preempt.
    Lower {
        source: IpAddr,
        priority: u8,
    },
    /// From an Active router that gave the addresses away.
    Released(IpAddr),
}

impl Heard {
    pub(super) fn reason_to_take_over(self, own_priority: u8) -> Reason {
        match self {
            Self::Nobody => Reason::ActiveDown(None),
            Self::Lower { source, priority } if priority < own_priority => {
                Reason::Preempting { source, priority }
            }
            Self::Active { source, .. } | Self::Lower { source, .. } => {
                Reason::ActiveDown(Some(source))
            }
            Self::Released(source) => Reason::ActiveReleased(source),
        }
    }

    pub(super) fn active(self) -> Option<(IpAddr, u8)> {
        match self {
            Self::Active { source, priority } | Self::Lower { source, priority } => {
                Some((source, priority))
            }
            Self::Nobody | Self::Released(_) => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Active {
    /// What it sends until its priority or source changes.
    pub(super) advert: Advertise,
    adver_timer: Instant,
    /// No answer before this instant.
    quiet_until: Instant,
    owes_answer: bool,
    /// Second bursts that are still to come; at most one per address.
    pub(super) announcements: Vec<(Instant, IpAddr)>,
}

/// One answer in a quarter of an interval: a flood of packets that ask for one is not reflected,
/// and an honest rival still learns the truth three times before it could act.
const ANSWERS_PER_INTERVAL: u32 = 4;

impl Active {
    /// `advert` is being sent now.
    pub(super) fn new(now: Instant, advert: Advertise, interval: Duration) -> Self {
        Self {
            advert,
            adver_timer: now + interval,
            quiet_until: now,
            owes_answer: false,
            announcements: Vec::new(),
        }
    }

    /// Answers a router that gave up or that loses. True when the answer is to be sent now; otherwise one is owed, however many ask.
    pub(super) fn answer(&mut self, now: Instant, interval: Duration) -> bool {
        self.owes_answer = now < self.quiet_until;
        if self.owes_answer {
            return false;
        }
        self.quiet_until = now + interval / ANSWERS_PER_INTERVAL;
        self.adver_timer = now + interval;
        true
    }

    /// True when an advertisement is to be sent now, because Adver_Timer has expired or an answer is owed.
    pub(super) fn take_due_advertisement(&mut self, now: Instant, interval: Duration) -> bool {
        if self.adver_timer <= now {
            // Counted from when it was due, or lateness would add up to a slower rate.
            let next = self.adver_timer + interval;
            self.adver_timer = if next > now { next } else { now + interval };
            self.owes_answer = false;
            return true;
        }
        self.owes_answer && self.answer(now, interval)
    }

    pub(super) fn deadline(&self, id: InstanceId) -> Deadline {
        let advertise = Deadline {
            at: self.adver_timer,
            why: Why::Advertise(id),
        };
        let answer = self.owes_answer.then_some(Deadline {
            at: self.quiet_until,
            why: Why::Answer(id),
        });
        let announce = self.announcements.iter().map(|(at, _)| Deadline {
            at: *at,
            why: Why::Announce(id),
        });
        announce.chain(answer).fold(
            advertise,
            |first, other| if other.at < first.at { other } else { first },
        )
    }
}

/// What the timer formulas depend on beside the interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) version: Version,
    pub(super) down_after: NonZeroU8,
    pub(super) priority: u8,
}

impl Timing {
    pub(super) fn skew_time(self, interval: Duration) -> Duration {
        skew_time(self.version, self.priority, interval)
    }

    pub(super) fn active_down_interval(self, interval: Duration) -> Duration {
        active_down_interval(self.version, self.down_after, self.priority, interval)
    }
}
