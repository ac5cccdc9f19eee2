//! A second opinion on the timers: the formulas of RFC 9568 §6.1 and the rules of §6.4, written down once more.
//!
//! Only what an advertisement or a transition makes of a timer is repeated here. That makes the opinion exact:
//! a Backup takes over neither a nanosecond before Active_Down_Timer expires, nor is it Backup once the timer was handled.

use std::net::IpAddr;
use std::time::Duration;

use vrrp::packet::Advertisement;
use vrrp::{Action, InstanceConfig, Instant, Reason, State, Transition, Version};

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

/// The silence after which a peer may have taken over: that of the quickest one, which has the highest priority that is
/// not the owner's. Whoever was silent for so long listens before it speaks ([`Reason::Late`]).
pub(crate) fn patience_of_peers(config: &InstanceConfig) -> Duration {
    active_down_interval(config, config.advertisement_interval, OWNER - 1)
}

/// How long addresses that are offered are kept for a peer: the longest Skew_Time there is, that of a priority 0, and a quarter more.
pub(crate) fn patience_with_peers(config: &InstanceConfig) -> Duration {
    skew_time(config, config.advertisement_interval, 0) * 5 / 4
}

/// How long a member of a sync group waits for the first one to lose a tie: an interval, and a quarter more.
pub(crate) fn patience_with_first_member(config: &InstanceConfig) -> Duration {
    config.advertisement_interval * 5 / 4
}

/// Active_Adver_Interval after an advertisement with this interval. A v2 router knows its own only.
fn learned(config: &InstanceConfig, interval: Duration) -> Duration {
    match config.version {
        Version::V2 => config.advertisement_interval,
        Version::V3 => interval.min(config.max_learned_interval),
    }
}

/// Whether it takes over from a living Active with a lower priority.
pub(crate) fn preempts(config: &InstanceConfig) -> bool {
    config.preempt || config.priority.get() == OWNER
}

/// How long a living Active with a lower priority is followed all the same. An owner does not wait.
pub(crate) fn preempt_delay(config: &InstanceConfig) -> Duration {
    match config.priority.get() {
        OWNER => Duration::ZERO,
        _ => config.preempt_delay,
    }
}

/// What an instance is in a sync group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    /// It decides ties for all of them.
    First,
    Other,
}

/// The timers of one instance, as its events say they should be.
#[derive(Debug)]
pub(crate) struct Timers {
    config: InstanceConfig,
    /// What it is in a sync group.
    membership: Option<Membership>,
    /// A router that it would lose a tie against: since when it was heard, and when last.
    rival: Option<(Instant, Instant)>,
    running: Running,
    /// Since when it is silent, if that was too long when another interval began, and the one before.
    late: Option<(Instant, Duration)>,
    /// For how long the host was told to wait for peers before it stops.
    grace: Option<Duration>,
}

#[derive(Debug)]
enum Running {
    Nothing,
    ActiveDown {
        /// When the timer was last set to Active_Down_Interval.
        since: Instant,
        /// Advertisements that may be missed: `down_after`, or one when it listens after it was late.
        missed: u32,
        /// What an owner in a sync group does not wait for: it waits for the rest of the group only.
        spared: Duration,
        /// Active_Adver_Interval then.
        interval: Duration,
        /// Whether an Active router was heard since then.
        heard: bool,
        /// When the Active router gave up after that.
        released: Option<Instant>,
        /// When it no longer follows an Active router with a lower priority.
        preempt_at: Option<Instant>,
    },
    /// Active, silent, and ready to give way.
    Yielding {
        until: Instant,
    },
    Adver {
        /// The last advertisements, the latest one last.
        sent: [Option<Instant>; 4],
        /// When an answer is owed.
        asked: Option<Instant>,
        /// When the next one is due, where another interval has begun since the last one.
        next: Option<Instant>,
    },
}

/// An instance between two events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) state: State,
    pub(crate) priority: u8,
    pub(crate) source: Option<IpAddr>,
    /// It is Active, and has offered its addresses.
    pub(crate) yields: bool,
}

impl Timers {
    pub(crate) fn new(config: &InstanceConfig, membership: Option<Membership>) -> Self {
        Self {
            membership,
            rival: None,
            late: None,
            config: config.clone(),
            running: Running::Nothing,
            grace: None,
        }
    }

    /// The host was told to stop, and to wait this long for a peer.
    pub(crate) fn stop(&mut self, grace: Duration) {
        self.grace = Some(grace);
    }

    /// Until when it keeps addresses that it has offered, unless a peer takes them.
    pub(crate) fn keeps_until(&self) -> Option<Instant> {
        match self.running {
            Running::Yielding { until } => Some(until),
            Running::Nothing | Running::ActiveDown { .. } | Running::Adver { .. } => None,
        }
    }

    /// Since when it is silent, if that is for so long that a peer may have taken over.
    pub(crate) fn late_since(&self, now: Instant) -> Option<Instant> {
        if let Some((since, _)) = self.late {
            return Some(since);
        }
        let Running::Adver { sent, .. } = self.running else {
            return None;
        };
        let last = sent.into_iter().flatten().max()?;
        (now.saturating_duration_since(last) >= patience_of_peers(&self.config)).then_some(last)
    }

    /// It goes on with another configuration. Another interval begins now: a Backup that has heard nobody waits anew, and an
    /// Active one tells its peers at once, unless it was silent for too long by the old one.
    pub(crate) fn reconfigure(&mut self, now: Instant, config: &InstanceConfig) {
        let late = self.late_since(now);
        let before = std::mem::replace(&mut self.config, config.clone());
        let interval = config.advertisement_interval;
        if before.advertisement_interval == interval {
            return;
        }
        match &mut self.running {
            Running::Nothing | Running::Yielding { .. } => {}
            Running::ActiveDown {
                since,
                missed,
                spared,
                interval: learned,
                heard,
                ..
            } => {
                if !*heard || config.version == Version::V2 {
                    (*since, *learned, *spared) = (now, interval, Duration::ZERO);
                    *missed = config.down_after.get().into();
                }
            }
            Running::Adver { .. } if late.is_some() => {
                self.late = late.map(|since| (since, before.advertisement_interval));
            }
            Running::Adver { sent, next, .. } => {
                *sent = [None, None, None, Some(now)];
                *next = Some(now);
            }
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
                missed,
                spared,
                interval,
                released,
                ..
            } => {
                let down = interval * missed + skew_time(&self.config, interval, priority);
                let silent = since + down.saturating_sub(spared);
                let skewed = released.map(|at| at + skew_time(&self.config, interval, priority));
                Some(skewed.map_or(silent, |skewed| skewed.min(silent)))
            }
            Running::Yielding { until } => Some(until),
            Running::Adver { sent, asked, next } => {
                let interval = self.config.advertisement_interval;
                let regular = sent.into_iter().flatten().max().map(|last| last + interval);
                next.or(regular).into_iter().chain(asked).min()
            }
        }
    }

    /// Follows an advertisement that was accepted. `late`: the router was Active, and silent for too long, when it came.
    pub(crate) fn heard(
        &mut self,
        now: Instant,
        source: IpAddr,
        advertisement: &Advertisement,
        before: Moment,
        after: Moment,
        late: bool,
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
                self.follow(now, advertisement, before);
            }
            State::Active if before.yields => {
                // Make before break: whoever advertises has taken what was offered, and another offer takes nothing.
                let (taken, stops) = (priority > 0, self.grace.is_some());
                let expected = match (taken, stops) {
                    (false, _) => State::Active,
                    (true, false) => State::Backup,
                    (true, true) => State::Initialize,
                };
                promise!(
                    after.state == expected && after.yields != taken,
                    "it had offered its addresses, heard priority {priority} from {source} and is {}",
                    after.state
                );
                self.learn(advertisement);
            }
            State::Active => {
                let outranked = Some((priority, source))
                    > before.source.map(|source| (before.priority, source));
                let is_tie = priority == before.priority;
                let defers = outranked && is_tie && self.defers(now, advertisement);
                let outranked = outranked && !defers;
                // Who was silent for too long does not answer, but listens: to this one first.
                let listens = late && !outranked;
                promise!(
                    (outranked || listens) == (after.state == State::Backup),
                    "an Active with priority {} at {:?} heard priority {priority} from {source} and is {}",
                    before.priority,
                    before.source,
                    after.state
                );
                if listens {
                    self.follow(now, advertisement, before);
                } else {
                    self.learn(advertisement);
                }
                if let Running::Adver { sent, asked, .. } = &mut self.running {
                    let answered = sent.contains(&Some(now));
                    // RFC 3768 §6.4.3 leaves a router that loses without an answer.
                    if !answered && !defers && (priority == 0 || self.config.version == Version::V3)
                    {
                        let patience = self.config.advertisement_interval / ANSWERS_PER_INTERVAL;
                        asked.get_or_insert(now + patience);
                    }
                }
            }
        }
        Ok(())
    }

    pub(crate) fn observe(&mut self, now: Instant, action: &Action) -> Result<(), Breach> {
        match action {
            Action::Advertise(advertise)
                if crate::contract::destinations(&self.config).first()
                    != Some(&advertise.destination) =>
            {
                // The same advertisement, to another peer.
                Ok(())
            }
            Action::Advertise(advertise) if advertise.priority > 0 => self.advertised(now),
            Action::Advertise(_) => {
                self.offered(now);
                Ok(())
            }
            Action::StateChanged(transition) => self.transition(now, transition),
            Action::Claim(_)
            | Action::Release(_)
            | Action::Announce { .. }
            | Action::PriorityChanged { .. }
            | Action::CheckChanged(_)
            | Action::GroupChanged(_)
            | Action::Discarded { .. }
            | Action::PeerDiffers { .. } => Ok(()),
        }
    }

    /// What a Backup makes of an advertisement (RFC 9568 §6.4.2).
    fn follow(&mut self, now: Instant, advertisement: &Advertisement, before: Moment) {
        let priority = advertisement.priority;
        if let Running::ActiveDown {
            since,
            missed,
            spared,
            interval,
            released,
            preempt_at,
            heard,
        } = &mut self.running
        {
            *heard = true;
            let is_lower = priority < before.priority;
            if priority == 0 {
                released.get_or_insert(now);
                *preempt_at = None;
                return;
            }
            if !is_lower || !preempts(&self.config) {
                *preempt_at = None;
            } else if *preempt_at.get_or_insert(now + preempt_delay(&self.config)) <= now {
                return;
            }
            *since = now;
            *missed = self.config.down_after.get().into();
            *spared = Duration::ZERO;
            *released = None;
            *interval = learned(&self.config, advertisement.interval);
        }
    }

    /// What a new Backup does not wait for: an owner that comes from Initialize waits for nobody but its group.
    fn spared(&self, transition: &Transition) -> Duration {
        let begins = matches!(transition.before, State::Initialize | State::Fault);
        if self.membership.is_some() && begins && transition.priority == OWNER {
            let interval = self.config.advertisement_interval;
            active_down_interval(&self.config, interval, OWNER)
        } else {
            Duration::ZERO
        }
    }

    /// A tie is for the first member of a sync group to lose. Another one does so when it has waited for that.
    fn defers(&mut self, now: Instant, advertisement: &Advertisement) -> bool {
        if self.membership != Some(Membership::Other) {
            return false;
        }
        let interval = learned(&self.config, advertisement.interval);
        let silence = active_down_interval(&self.config, interval, advertisement.priority);
        let since = match self.rival {
            Some((since, last)) if now < last + silence => since,
            Some(_) | None => now,
        };
        self.rival = Some((since, now));
        now < since + patience_with_first_member(&self.config)
    }

    /// A router that stopped being Active begins to follow the one it heard.
    fn learn(&mut self, advertisement: &Advertisement) {
        if let Running::ActiveDown {
            interval, heard, ..
        } = &mut self.running
        {
            *heard = true;
            *interval = learned(&self.config, advertisement.interval);
        }
    }

    /// It gives its addresses away, at once or when somebody takes them.
    fn offered(&mut self, now: Instant) {
        if matches!(
            self.running,
            Running::Adver { .. } | Running::Yielding { .. }
        ) {
            let patience = patience_with_peers(&self.config);
            let patience = self.grace.map_or(patience, |grace| patience.min(grace));
            self.running = Running::Yielding {
                until: now + patience,
            };
        }
    }

    fn advertised(&mut self, now: Instant) -> Result<(), Breach> {
        if let Running::Yielding { until } = self.running {
            promise!(
                until <= now && self.grace.is_none(),
                "it advertises at {now:?} what it had offered until {until:?}"
            );
            self.running = Running::Adver {
                sent: [None, None, None, Some(now)],
                asked: None,
                next: None,
            };
            return Ok(());
        }
        let Running::Adver { sent, asked, next } = &mut self.running else {
            // The one that precedes the claim.
            return Ok(());
        };
        let [_, second, third, last] = *sent;
        *sent = [second, third, last, Some(now)];
        (*asked, *next) = (None, None);
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
        if let Reason::Late(silence) = transition.reason {
            let last = self.late_since(now);
            promise!(
                last.is_some_and(|last| last + silence == now),
                "{transition:?} at {now:?}, although it was silent for too long since {last:?}"
            );
        }
        let late = self.late.take();
        if transition.after == State::Active {
            self.rival = None;
        }
        self.running = match transition.after {
            State::Initialize | State::Fault => Running::Nothing,
            State::Backup => Running::ActiveDown {
                since: now,
                missed: if matches!(transition.reason, Reason::Late(_)) {
                    1
                } else {
                    self.config.down_after.get().into()
                },
                spared: self.spared(transition),
                interval: late.map_or(self.config.advertisement_interval, |(_, before)| before),
                heard: false,
                released: None,
                preempt_at: None,
            },
            State::Active => Running::Adver {
                sent: [None, None, None, Some(now)],
                asked: None,
                next: None,
            },
        };
        Ok(())
    }
}
