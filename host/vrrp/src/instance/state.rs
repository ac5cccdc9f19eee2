//! The states and the timers that each of them owns. Active has a file of its own.

use core::net::IpAddr;
use core::num::NonZeroU8;
use core::time::Duration;

use super::active::Active;
use crate::forecast::preempts;
use crate::packet::Advertisement;
use crate::{Instant, Reason, State, Version, active_down_interval, skew_time};

#[derive(Debug)]
pub(super) enum Machine {
    Initialize(Initialize),
    Backup(Backup),
    Active(Active),
}

impl Machine {
    /// Out of every election, and nothing wrong.
    pub(super) const STOPPED: Self = Self::Initialize(Initialize {
        fault: false,
        grace: None,
    });

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
    /// When an Active router with a lower priority is not followed any more; set by its first advertisement.
    preempt_at: Option<Instant>,
    /// The timer has expired, and the rest of the sync group is not ready to take over.
    pub(super) held: bool,
}

/// Whether and when an Active router with a lower priority is preempted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Preemption {
    pub(super) enabled: bool,
    pub(super) delay: Duration,
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
            preempt_at: None,
            held: false,
        }
    }

    /// A Backup that listens for one advertisement of whoever may have taken over meanwhile, and takes over when there is none.
    pub(super) fn listening(
        now: Instant,
        source: IpAddr,
        active_adver_interval: Duration,
        timing: Timing,
    ) -> Self {
        let skew = timing.skew_time(active_adver_interval);
        Self {
            active_down_timer: now + active_adver_interval + skew,
            ..Self::new(now, source, active_adver_interval, Heard::Nobody, timing)
        }
    }

    /// RFC 9568 §6.4.2
    pub(super) fn hear(
        &mut self,
        now: Instant,
        source: IpAddr,
        advertisement: &Advertisement,
        preemption: Preemption,
        timing: Timing,
    ) {
        let priority = advertisement.priority;
        if priority == 0 {
            // Never later than it would be without: otherwise repeated releases, by error or
            // on purpose, would put the takeover off for ever.
            let skewed = now + timing.skew_time(self.active_adver_interval);
            self.active_down_timer = self.active_down_timer.min(skewed);
            self.heard = Heard::Released(source);
            self.preempt_at = None;
            return;
        }
        if !preempts(preemption.enabled, timing.priority, priority) {
            self.preempt_at = None;
        } else if now >= *self.preempt_at.get_or_insert(now + preemption.delay) {
            self.heard = Heard::Lower { source, priority };
            return;
        }
        self.active_adver_interval = timing.learned_interval(advertisement);
        self.active_down_timer = now + timing.active_down_interval(self.active_adver_interval);
        self.heard = Heard::Active { source, priority };
        self.held = false;
    }

    /// Starts the timer again for another interval.
    pub(super) fn restart(&mut self, now: Instant, interval: Duration, timing: Timing) {
        self.active_adver_interval = interval;
        self.active_down_timer = now + timing.active_down_interval(interval);
        self.held = false;
    }

    /// Whether it would take over now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.active_down_timer <= now
    }

    /// Moves the running timer by what another priority makes of the interval it was set to.
    pub(super) fn shift_timer(&mut self, before: Timing, after: Timing) {
        let before = before.active_down_interval(self.active_adver_interval);
        let after = after.active_down_interval(self.active_adver_interval);
        let later = after.saturating_sub(before);
        let earlier = before.saturating_sub(after);
        self.active_down_timer = self.active_down_timer + later - earlier;
        // It runs again: the rest of the sync group may be ready when it expires.
        self.held = false;
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

/// What the timer formulas depend on beside the interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) version: Version,
    pub(super) down_after: NonZeroU8,
    pub(super) priority: u8,
    pub(super) own_interval: Duration,
    pub(super) max_learned_interval: Duration,
}

impl Timing {
    /// Active_Adver_Interval after an advertisement. Only v3 learns (RFC 9568 §6.1).
    pub(super) fn learned_interval(self, advertisement: &Advertisement) -> Duration {
        match self.version {
            Version::V2 => self.own_interval,
            Version::V3 => advertisement.interval.min(self.max_learned_interval),
        }
    }

    /// The silence after which the quickest of all possible peers has taken over.
    pub(super) fn patience_of_peers(self) -> Duration {
        let quickest = Self {
            priority: 254,
            ..self
        };
        quickest.active_down_interval(self.own_interval)
    }

    /// How long it takes at most until a peer that was offered the addresses advertises: the longest Skew_Time, and a
    /// quarter more for its own lateness and for the way.
    pub(super) fn patience_with_peers(self) -> Duration {
        let longest = skew_time(self.version, 0, self.own_interval);
        longest + longest / 4
    }

    /// How long a member of a sync group that loses a tie waits for what the first member makes of it. That one advertises
    /// when it becomes Active and every interval, so the rival's first member has heard of it by then, or never will.
    pub(super) fn patience_with_first_member(self) -> Duration {
        self.own_interval + self.own_interval / 4
    }

    pub(super) fn skew_time(self, interval: Duration) -> Duration {
        skew_time(self.version, self.priority, interval)
    }

    pub(super) fn active_down_interval(self, interval: Duration) -> Duration {
        active_down_interval(self.version, self.down_after, self.priority, interval)
    }
}
