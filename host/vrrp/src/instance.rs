//! The state machine of one virtual router (RFC 9568 §6.4).

use core::net::IpAddr;
use core::time::Duration;

use crate::authentication::HighWaterMarks;
use crate::config::Family;
use crate::group::Membership;
use crate::outbox::Outbox;
use crate::{
    Action, AddressChange, AuthenticationFailure, CheckId, Deadline, InstanceConfig,
    InstanceCounters, InstanceId, InstanceStatus, Instant, Link, Reason, Standing, State,
    Transition, Why,
};

mod active;
mod advert;
mod announce;
mod differences;
mod eligibility;
mod links;
mod priority;
mod receive;
mod reconfigure;
mod state;
mod tracks;
mod yielding;

pub(crate) use self::eligibility::{Block, Readiness};

use self::active::{Active, Then};
pub use self::advert::release_packets;
use self::advert::{advertise, send};
use self::announce::Announcer;
use self::differences::Differences;
use self::links::{LinkChange, Links};
use self::state::{Heard, Initialize, Machine, Preemption, Timing};
use self::tracks::Tracks;

/// A virtual router of this host.
#[derive(Debug)]
pub(crate) struct Instance {
    id: InstanceId,
    config: InstanceConfig,
    family: Family,
    /// What it is in the sync group that it is Active together with or not at all.
    membership: Option<Membership>,
    /// Between Startup and Shutdown.
    running: bool,
    /// Until when it stays out of elections after Startup; `None` when that is over.
    start_at: Option<Instant>,
    links: Links,
    tracks: Tracks,
    /// Somebody wants another router to have the addresses.
    drained: bool,
    effective_priority: u8,
    machine: Machine,
    since: Instant,
    reason: Option<Reason>,
    sequence: u64,
    counters: InstanceCounters,
    /// Who was last seen to be configured differently, and how.
    differences: Differences,
    /// What each peer signed last.
    marks: HighWaterMarks,
    authentication_failure: Option<AuthenticationFailure>,
}

/// What happened to the interfaces of an instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkNews {
    pub(crate) reason: Reason,
    /// The addresses are to be given away.
    pub(crate) release: bool,
}

impl Instance {
    pub(crate) fn new(id: InstanceId, config: InstanceConfig, family: Family) -> Self {
        Self {
            id,
            family,
            membership: None,
            running: false,
            start_at: None,
            links: Links::new(&config),
            tracks: Tracks::new(&config.tracks),
            drained: false,
            effective_priority: config.priority.get(),
            machine: Machine::Initialize(Initialize {
                fault: false,
                grace: None,
            }),
            since: Instant::from_nanos(0),
            reason: None,
            sequence: 0,
            counters: InstanceCounters::default(),
            differences: Differences::default(),
            marks: HighWaterMarks::default(),
            authentication_failure: None,
            config,
        }
    }

    pub(crate) fn membership(&self) -> Option<Membership> {
        self.membership
    }

    /// Takes in what it is in a sync group, or that it is in none.
    pub(crate) fn set_membership(&mut self, membership: Option<Membership>) {
        self.membership = membership;
        if let Machine::Backup(backup) = &mut self.machine {
            // Whoever held it back may not be there any more.
            backup.held = false;
        }
    }

    pub(crate) fn startup(&mut self, now: Instant) {
        self.running = true;
        self.since = now;
        let delay = self.config.start_delay;
        self.start_at = (!delay.is_zero()).then(|| now + delay);
        let grace = Some(now + self.config.init_grace);
        self.machine = Machine::Initialize(Initialize {
            fault: false,
            grace,
        });
    }

    /// Returns to Initialize for good; an Active one first offers its addresses for `grace`.
    pub(crate) fn shutdown(&mut self, now: Instant, grace: Duration, out: &mut Outbox) {
        self.running = false;
        self.start_at = None;
        if grace.is_zero() || !matches!(self.machine, Machine::Active(_)) {
            self.leave(
                now,
                Machine::STOPPED,
                Farewell::Release,
                Reason::Shutdown,
                out,
            );
        } else {
            let until = now + self.timing().patience_with_peers().min(grace);
            self.offer(until, Then::Stop, Reason::Shutdown, out);
        }
    }

    /// Takes in the state of an interface, if the instance depends on it.
    pub(crate) fn link(&mut self, now: Instant, link: Link) -> Option<LinkNews> {
        if !self.links.contain(link.interface) {
            return None;
        }
        if let Some(change) = self.links.update(now, link) {
            return Some(self.link_news(change));
        }
        (link.interface == self.config.interface).then_some(LinkNews {
            reason: Reason::PrimaryAddress,
            release: false,
        })
    }

    /// Takes in the standing of a check and the adjustment that its module reported. True when the addresses are to be given away.
    pub(crate) fn check(&mut self, check: CheckId, (standing, reported): (Standing, i16)) -> bool {
        self.tracks.update(check, standing, reported) && !self.is_owner()
    }

    /// Takes in whether somebody wants another router to have the addresses.
    pub(crate) fn set_drained(&mut self, drained: bool) {
        self.drained = drained;
    }

    /// An address is there: tell the link, and once more after a while for those who missed it.
    pub(crate) fn address(&mut self, now: Instant, change: &AddressChange, out: &mut Outbox) {
        let is_ours = self.config.claimed().any(|ours| ours == change.address);
        let announcer = self.announcer();
        let Machine::Active(active) = &mut self.machine else {
            return;
        };
        if !is_ours {
            return;
        }
        if change.present {
            active
                .announcements
                .begin(now, change.address, announcer, out);
        } else {
            active.announcements.cancel(change.address);
        }
    }

    /// Does what is due and concerns this instance alone. What the interfaces made of it, the caller passes on.
    pub(crate) fn timeout(&mut self, now: Instant, out: &mut Outbox) -> Option<LinkNews> {
        // What counts from now on goes first: it may change what is said, or that anything is.
        if self.start_at.is_some_and(|at| at <= now) {
            self.start_at = None;
            return Some(LinkNews {
                reason: Reason::Startup,
                release: false,
            });
        }
        if let Some(change) = self.links.timeout(now) {
            return Some(self.link_news(change));
        }
        let announcer = self.announcer();
        let too_long = self.was_silent_too_long(now);
        if let Machine::Active(active) = &mut self.machine {
            active.announcements.timeout(now, announcer, out);
            match active.yielding() {
                Some(yielding) if yielding.until <= now => self.not_taken(now, yielding, out),
                None if too_long => self.listen_before_speaking(now, out),
                Some(_) | None => {}
            }
        }
        if let Machine::Active(active) = &mut self.machine
            && active.yielding().is_none()
            && active.take_due_advertisement(now, self.config.advertisement_interval)
        {
            send(&active.adverts, &mut self.counters, out);
        }
        None
    }

    /// Whether the timer of a Backup has expired: it would take over now.
    pub(crate) fn wants_to_take_over(&self, now: Instant) -> bool {
        matches!(&self.machine, Machine::Backup(backup) if backup.is_due(now))
    }

    /// Remembers that the rest of its sync group is not ready, so that its timer asks no more.
    pub(crate) fn hold(&mut self) {
        if let Machine::Backup(backup) = &mut self.machine {
            backup.held = true;
        }
    }

    /// Becomes Active because its timer has expired (RFC 9568 §6.4.2).
    pub(crate) fn take_over_when_due(&mut self, now: Instant, out: &mut Outbox) {
        if let Machine::Backup(backup) = &self.machine {
            let waited_for_nobody = self.is_owner() && matches!(backup.heard, Heard::Nobody);
            let reason = if waited_for_nobody {
                Reason::Owner
            } else {
                backup.heard.reason_to_take_over(self.effective_priority)
            };
            let source = backup.source;
            self.take_over(now, source, reason, out);
        }
    }

    /// The checks that the instance may no longer wait for.
    pub(crate) fn overdue_first_verdicts(&self, now: Instant) -> impl Iterator<Item = CheckId> {
        let is_over = match &self.machine {
            Machine::Initialize(initialize) => initialize.grace.is_some_and(|grace| grace <= now),
            Machine::Backup(_) | Machine::Active(_) => false,
        };
        self.tracks.awaited().filter(move |_| is_over)
    }

    pub(crate) fn deadline(&self) -> Option<Deadline> {
        let own = match &self.machine {
            Machine::Initialize(initialize) => initialize
                .grace
                .filter(|_| self.tracks.awaited().next().is_some())
                .map(|at| Deadline {
                    at,
                    why: Why::InitGrace(self.id),
                }),
            Machine::Backup(backup) => (!backup.held).then_some(Deadline {
                at: backup.active_down_timer,
                why: Why::ActiveDown(self.id),
            }),
            Machine::Active(active) => Some(active.deadline(self.id)),
        };
        let start = self.start_at.map(|at| Deadline {
            at,
            why: Why::StartDelay(self.id),
        });
        let interface = self.links.deadline().map(|at| Deadline {
            at,
            why: Why::Interface(self.id),
        });
        own.into_iter()
            .chain(start)
            .chain(interface)
            .min_by_key(|deadline| deadline.at)
    }

    pub(crate) fn tracks(&self, check: CheckId) -> bool {
        self.tracks.contain(check)
    }

    pub(crate) fn state(&self) -> State {
        self.machine.shown()
    }

    /// Why it is in its state; `None` as long as it was in no other.
    pub(crate) fn reason(&self) -> Option<Reason> {
        self.reason
    }

    pub(crate) fn is_active(&self) -> bool {
        matches!(self.machine, Machine::Active(_))
    }

    pub(crate) fn config(&self) -> &InstanceConfig {
        &self.config
    }

    pub(crate) fn counters_mut(&mut self) -> &mut InstanceCounters {
        &mut self.counters
    }

    pub(crate) fn status(&self) -> InstanceStatus {
        let timing = self.timing();
        let interval = match &self.machine {
            Machine::Backup(backup) => backup.active_adver_interval,
            Machine::Initialize(_) | Machine::Active(_) => self.config.advertisement_interval,
        };
        let active = match &self.machine {
            Machine::Initialize(_) => None,
            Machine::Backup(backup) => backup.heard.active(),
            Machine::Active(active) => Some((active.source, self.effective_priority)),
        };
        let yielding =
            matches!(&self.machine, Machine::Active(active) if active.yielding().is_some());
        InstanceStatus {
            state: self.machine.shown(),
            since: self.since,
            reason: self.reason,
            sequence: self.sequence,
            base_priority: self.config.priority.get(),
            effective_priority: self.effective_priority,
            owner: self.is_owner(),
            drained: self.drained,
            yielding,
            active,
            active_adver_interval: interval,
            active_down_interval: timing.active_down_interval(interval),
            skew_time: timing.skew_time(interval),
            tracks: self.tracks.status(),
            interfaces: self.links.status(),
            counters: self.counters,
            authentication_failure: self.authentication_failure,
        }
    }

    /// Becomes Active (RFC 9568 §6.4.2): advertise first, so that a rival learns of it before any host does.
    fn take_over(&mut self, now: Instant, source: IpAddr, reason: Reason, out: &mut Outbox) {
        let adverts = advertise(self.id, &self.config, source, self.effective_priority);
        let active = Active::new(now, source, adverts, self.config.advertisement_interval);
        self.counters.master_transitions += 1;
        send(&active.adverts, &mut self.counters, out);
        out.push(Action::Claim(self.id));
        self.enter(now, Machine::Active(active), reason, out);
    }

    /// Enters a state other than Active and gives up what being Active meant.
    fn leave(
        &mut self,
        now: Instant,
        next: Machine,
        farewell: Farewell,
        reason: Reason,
        out: &mut Outbox,
    ) {
        if let Machine::Active(active) = &self.machine {
            // Who has offered the addresses already has said farewell.
            match (farewell, active.yielding()) {
                (Farewell::Release, None) => {
                    let release = release_packets(self.id, &self.config, active.source);
                    send(&release, &mut self.counters, out);
                }
                (Farewell::None, _) | (Farewell::Release, Some(_)) => {}
            }
            out.push(Action::Release(self.id));
        }
        self.enter(now, next, reason, out);
    }

    fn enter(&mut self, now: Instant, next: Machine, reason: Reason, out: &mut Outbox) {
        let (before, after) = (self.machine.shown(), next.shown());
        self.machine = next;
        if before == after {
            return;
        }
        self.since = now;
        self.reason = Some(reason);
        self.sequence += 1;
        out.push(Action::StateChanged(Transition {
            instance: self.id,
            before,
            after,
            reason,
            priority: self.effective_priority,
            sequence: self.sequence,
        }));
    }

    fn link_news(&self, change: LinkChange) -> LinkNews {
        let reason = match (change.own, change.up) {
            (true, true) => Reason::LinkUp,
            (true, false) => Reason::LinkDown,
            (false, true) => Reason::InterfaceUp(change.interface),
            (false, false) => Reason::InterfaceDown(change.interface),
        };
        LinkNews {
            reason,
            release: change.release && !self.is_owner(),
        }
    }

    fn is_owner(&self) -> bool {
        self.config.priority.get() == OWNER && !self.drained
    }

    fn announcer(&self) -> Announcer {
        Announcer {
            instance: self.id,
            interface: self.config.interface,
            config: self.config.announce,
        }
    }

    fn preemption(&self) -> Preemption {
        // The owner preempts whatever Preempt_Mode says (RFC 9568 §6.1).
        if self.is_owner() {
            return Preemption {
                enabled: true,
                delay: Duration::ZERO,
            };
        }
        Preemption {
            enabled: self.config.preempt,
            delay: self.config.preempt_delay,
        }
    }

    fn timing(&self) -> Timing {
        Timing {
            version: self.config.version,
            down_after: self.config.down_after,
            priority: self.effective_priority,
            own_interval: self.config.advertisement_interval,
            max_learned_interval: self.config.max_learned_interval,
        }
    }
}

/// The priority of the address owner, which nothing but FAULT and a drain touches (RFC 9568 §5.2.4).
pub(crate) const OWNER: u8 = 255;
/// The priority that loses against every other.
const LOWEST: u8 = 1;

/// Whether a router that stops being Active gives the addresses away.
enum Farewell {
    /// With priority 0, so that a peer takes over after Skew_Time.
    Release,
    /// Silently: another router has them already, or nothing can be sent.
    None,
}
