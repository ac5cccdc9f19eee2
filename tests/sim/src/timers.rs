//! A second opinion on the timers: the formulas of RFC 9568 §6.1 and the rules of §6.4, written down once more.
//!
//! Only what an advertisement or a transition makes of a timer is repeated here. That makes the opinion exact:
//! a Backup takes over neither a nanosecond before Active_Down_Timer expires, nor is it Backup once the timer was handled.

use std::net::IpAddr;
use std::time::Duration;

use vrrp::packet::Advertisement;
use vrrp::{Action, InstanceConfig, Instant, State, Transition, Version};

use crate::breach::{Breach, promise};

/// The address owner's priority, which always preempts (RFC 9568 §6.1).
const OWNER: u8 = 255;

/// Answers are coalesced to one in this part of an interval. The RFC has no such limit.
const ANSWERS_PER_INTERVAL: u32 = 4;

/// Skew_Time (RFC 9568 §6.1; RFC 3768 §6.1 does not scale it by the interval).
pub(crate) fn skew_time(config: &InstanceConfig, interval: Duration, priority: u8) -> Duration {
    let scale = match config.version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => interval,
    };
    scale * (256 - u32::from(priority)) / 256
}

/// Active_Down_Interval (RFC 9568 §6.1, RFC 3768 §6.1).
pub(crate) fn active_down_interval(
    config: &InstanceConfig,
    interval: Duration,
    priority: u8,
) -> Duration {
    interval * u32::from(config.down_after.get()) + skew_time(config, interval, priority)
}

/// Whether it takes over from a living Active with a lower priority.
pub(crate) fn preempts(config: &InstanceConfig) -> bool {
    config.preempt || config.priority.get() == OWNER
}

/// The timers of one instance, as its events say they should be.
#[derive(Debug)]
pub(crate) struct Timers {
    config: InstanceConfig,
    running: Running,
}

#[derive(Debug)]
enum Running {
    Nothing,
    ActiveDown {
        /// When the timer was last set to Active_Down_Interval.
        since: Instant,
        /// Active_Adver_Interval then.
        interval: Duration,
        /// When the Active router gave up after that.
        released: Option<Instant>,
    },
    Adver {
        /// The last advertisements, the latest one last.
        sent: [Option<Instant>; 4],
        /// Since when an answer is owed.
        asked: Option<Instant>,
    },
}

/// An instance between two events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) state: State,
    pub(crate) priority: u8,
    pub(crate) source: Option<IpAddr>,
}

impl Timers {
    pub(crate) fn new(config: &InstanceConfig) -> Self {
        Self {
            config: config.clone(),
            running: Running::Nothing,
        }
    }

    pub(crate) fn config(&self) -> &InstanceConfig {
        &self.config
    }

    /// When the timer expires at the latest, at this priority.
    pub(crate) fn due(&self, priority: u8) -> Option<Instant> {
        match self.running {
            Running::Nothing => None,
            Running::ActiveDown {
                since,
                interval,
                released,
            } => {
                let silent = since + active_down_interval(&self.config, interval, priority);
                let skewed = released.map(|at| at + skew_time(&self.config, interval, priority));
                Some(skewed.map_or(silent, |skewed| skewed.min(silent)))
            }
            Running::Adver { sent, asked } => {
                let interval = self.config.advertisement_interval;
                let regular = sent.into_iter().flatten().max().map(|last| last + interval);
                let answer = asked.map(|at| at + interval / ANSWERS_PER_INTERVAL);
                regular.into_iter().chain(answer).min()
            }
        }
    }

    /// Follows an advertisement that was accepted.
    pub(crate) fn heard(
        &mut self,
        now: Instant,
        source: IpAddr,
        advertisement: &Advertisement,
        before: Moment,
        after: Moment,
    ) -> Result<(), Breach> {
        let priority = advertisement.priority;
        match before.state {
            State::Initialize | State::Fault => {
                promise!(
                    after.state == before.state,
                    "an advertisement moved it out of {}",
                    before.state
                );
            }
            State::Backup => {
                promise!(
                    after.state == State::Backup,
                    "an advertisement made a Backup {}",
                    after.state
                );
                if let Running::ActiveDown {
                    since,
                    interval,
                    released,
                } = &mut self.running
                {
                    if priority == 0 {
                        released.get_or_insert(now);
                    } else if !preempts(&self.config) || priority >= before.priority {
                        *since = now;
                        *released = None;
                        if self.config.version == Version::V3 {
                            *interval = advertisement.interval;
                        }
                    }
                }
            }
            State::Active => {
                let outranked = Some((priority, source))
                    > before.source.map(|source| (before.priority, source));
                promise!(
                    outranked == (after.state == State::Backup),
                    "an Active with priority {} at {:?} heard priority {priority} from {source} and is {}",
                    before.priority,
                    before.source,
                    after.state
                );
                match (&mut self.running, self.config.version) {
                    (Running::ActiveDown { interval, .. }, Version::V3) => {
                        *interval = advertisement.interval;
                    }
                    (Running::Adver { sent, asked }, version) => {
                        let answered = sent.contains(&Some(now));
                        // RFC 3768 §6.4.3 leaves a router that loses without an answer.
                        if !answered && (priority == 0 || version == Version::V3) {
                            asked.get_or_insert(now);
                        }
                    }
                    (Running::ActiveDown { .. } | Running::Nothing, _) => {}
                }
            }
        }
        Ok(())
    }

    pub(crate) fn observe(&mut self, now: Instant, action: &Action) -> Result<(), Breach> {
        match action {
            Action::Advertise(advertise) if advertise.priority > 0 => self.advertised(now),
            Action::StateChanged(transition) => self.transition(now, transition),
            Action::Advertise(_)
            | Action::Claim(_)
            | Action::Release(_)
            | Action::Announce { .. }
            | Action::PriorityChanged { .. }
            | Action::CheckChanged(_)
            | Action::Discarded { .. }
            | Action::PeerDiffers { .. } => Ok(()),
        }
    }

    fn advertised(&mut self, now: Instant) -> Result<(), Breach> {
        let Running::Adver { sent, asked } = &mut self.running else {
            // The one that precedes the claim.
            return Ok(());
        };
        let [_, second, third, last] = *sent;
        *sent = [second, third, last, Some(now)];
        *asked = None;
        // One that was due long ago, the next one in its rhythm and an answer may come at once, but no fourth.
        if let Some(first) = sent[0] {
            let span = now.saturating_duration_since(first);
            promise!(
                span >= self.config.advertisement_interval / ANSWERS_PER_INTERVAL,
                "four advertisements within {span:?}"
            );
        }
        Ok(())
    }

    fn transition(&mut self, now: Instant, transition: &Transition) -> Result<(), Breach> {
        if (transition.before, transition.after) == (State::Backup, State::Active) {
            let due = self.due(transition.priority);
            promise!(
                due.is_some_and(|due| due <= now),
                "{transition:?} at {now:?}, but Active_Down_Timer expires at {due:?}"
            );
        }
        self.running = match transition.after {
            State::Initialize | State::Fault => Running::Nothing,
            State::Backup => Running::ActiveDown {
                since: now,
                interval: self.config.advertisement_interval,
                released: None,
            },
            State::Active => Running::Adver {
                sent: [None, None, None, Some(now)],
                asked: None,
            },
        };
        Ok(())
    }
}
