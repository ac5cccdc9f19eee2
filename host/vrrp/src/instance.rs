//! The state machine of one virtual router (RFC 9568 §6.4).

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::config::Family;
use crate::packet::{Advertisement, MULTICAST_IPV4, MULTICAST_IPV6};
use crate::{
    Action, AddressChange, Advertise, CheckId, Deadline, InstanceConfig, InstanceCounters,
    InstanceId, InstanceStatus, Instant, Link, Reason, Standing, Transition, Why,
};

mod differences;
mod receive;
mod state;
mod tracks;

use differences::Differences;
use state::{Active, Backup, Heard, Initialize, Machine, Timing};
use tracks::Tracks;

/// A virtual router of this host.
#[derive(Debug)]
pub(crate) struct Instance {
    id: InstanceId,
    config: InstanceConfig,
    family: Family,
    /// Between Startup and Shutdown.
    running: bool,
    link: Option<Link>,
    tracks: Tracks,
    effective_priority: u8,
    machine: Machine,
    since: Instant,
    reason: Option<Reason>,
    sequence: u64,
    counters: InstanceCounters,
    /// Who was last seen to be configured differently, and how.
    differences: Differences,
}

/// The advertisement with priority 0 that gives the addresses of an instance away.
///
/// A Router makes its own. This one is for whoever must speak for a router that died: it goes out from the same `source`.
pub fn release_packet(instance: InstanceId, config: &InstanceConfig, source: IpAddr) -> Advertise {
    advertise(instance, config, source, 0)
}

/// Whether the instance may take part in elections.
enum Eligibility {
    /// It may, and sends from this address.
    Eligible(IpAddr),
    /// Something is missing without anything being wrong: the start, the first news of its interface, first verdicts.
    Waiting,
    /// Something is wrong.
    Faulty { reason: Reason, farewell: Farewell },
}

impl Instance {
    pub(crate) fn new(id: InstanceId, config: InstanceConfig, family: Family) -> Self {
        Self {
            id,
            family,
            running: false,
            link: None,
            tracks: Tracks::new(&config.tracks),
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
            config,
        }
    }

    pub(crate) fn startup(&mut self, now: Instant, out: &mut VecDeque<Action>) {
        self.running = true;
        self.since = now;
        let grace = Some(now + self.config.init_grace);
        self.machine = Machine::Initialize(Initialize {
            fault: false,
            grace,
        });
        self.settle(now, Reason::Startup, out);
    }

    pub(crate) fn shutdown(&mut self, now: Instant, out: &mut VecDeque<Action>) {
        self.running = false;
        let stopped = Machine::Initialize(Initialize {
            fault: false,
            grace: None,
        });
        self.leave(now, stopped, Farewell::Release, Reason::Shutdown, out);
    }

    pub(crate) fn link(&mut self, now: Instant, link: Link, out: &mut VecDeque<Action>) {
        let was_up = self.link.is_some_and(|link| link.up);
        let trigger = if was_up {
            Reason::PrimaryAddress
        } else {
            Reason::LinkUp
        };
        self.link = Some(link);
        self.settle(now, trigger, out);
    }

    /// Takes note of a check. `reported` is the adjustment of its module, `reason` what changed about the check.
    pub(crate) fn check(
        &mut self,
        now: Instant,
        check: CheckId,
        (standing, reported): (Standing, i16),
        reason: Reason,
        out: &mut VecDeque<Action>,
    ) {
        let (priority, sequence) = (self.effective_priority, self.sequence);
        let released = self.tracks.update(check, standing, reported) && !self.is_owner();
        self.apply_priority();
        if let Machine::Active(active) = &self.machine
            && released
        {
            let own = self.config.advertisement_interval;
            let backup = Backup::new(now, active.advert.source, own, Heard::Nobody, self.timing());
            self.leave(now, Machine::Backup(backup), Farewell::Release, reason, out);
        }
        self.settle(now, reason, out);
        if self.effective_priority != priority && self.sequence == sequence {
            out.push_back(Action::PriorityChanged {
                instance: self.id,
                before: priority,
                after: self.effective_priority,
                reason,
            });
        }
    }

    /// An address is there: tell the link, and once more after a while for those who missed it.
    pub(crate) fn address(
        &mut self,
        now: Instant,
        change: &AddressChange,
        out: &mut VecDeque<Action>,
    ) {
        let advertised = self.config.addresses.iter().map(|ours| &ours.address);
        let is_ours = advertised
            .chain(&self.config.excluded)
            .any(|ours| *ours == change.address);
        let Machine::Active(active) = &mut self.machine else {
            return;
        };
        if !is_ours {
            return;
        }
        active
            .announcements
            .retain(|(_, address)| *address != change.address);
        if change.present {
            announce(self.id, &self.config, change.address, out);
            if !self.config.announce.delay.is_zero() {
                let again = now + self.config.announce.delay;
                active.announcements.push((again, change.address));
            }
        }
    }

    pub(crate) fn timeout(&mut self, now: Instant, out: &mut VecDeque<Action>) {
        match &mut self.machine {
            Machine::Initialize(_) => {}
            Machine::Backup(backup) => {
                if backup.active_down_timer <= now {
                    let reason = backup.heard.reason_to_take_over(self.effective_priority);
                    let source = backup.source;
                    self.take_over(now, source, reason, out);
                }
            }
            Machine::Active(active) => {
                for (_, address) in active.announcements.extract_if(.., |(at, _)| *at <= now) {
                    announce(self.id, &self.config, address, out);
                }
                if active.take_due_advertisement(now, self.config.advertisement_interval) {
                    send(&active.advert, &mut self.counters, out);
                }
            }
        }
    }

    /// The checks that the instance may no longer wait for.
    pub(crate) fn overdue_first_verdicts(&self, now: Instant) -> Vec<CheckId> {
        match &self.machine {
            Machine::Initialize(Initialize {
                grace: Some(grace), ..
            }) if *grace <= now => self.tracks.awaited().collect(),
            Machine::Initialize(_) | Machine::Backup(_) | Machine::Active(_) => Vec::new(),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Deadline> {
        match &self.machine {
            Machine::Initialize(initialize) => {
                let at = initialize
                    .grace
                    .filter(|_| self.tracks.awaited().next().is_some())?;
                Some(Deadline {
                    at,
                    why: Why::InitGrace(self.id),
                })
            }
            Machine::Backup(backup) => Some(Deadline {
                at: backup.active_down_timer,
                why: Why::ActiveDown(self.id),
            }),
            Machine::Active(active) => Some(active.deadline(self.id)),
        }
    }

    pub(crate) fn interface(&self) -> crate::InterfaceId {
        self.config.interface
    }

    pub(crate) fn tracks(&self, check: CheckId) -> bool {
        self.tracks.contain(check)
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
            Machine::Active(active) => Some((active.advert.source, self.effective_priority)),
        };
        InstanceStatus {
            state: self.machine.shown(),
            since: self.since,
            reason: self.reason,
            sequence: self.sequence,
            base_priority: self.config.priority.get(),
            effective_priority: self.effective_priority,
            owner: self.is_owner(),
            active,
            active_adver_interval: interval,
            active_down_interval: timing.active_down_interval(interval),
            skew_time: timing.skew_time(interval),
            tracks: self.tracks.status(),
            counters: self.counters,
        }
    }

    /// Brings the state in line with whether the instance is eligible. `trigger` is what may have made it so.
    fn settle(&mut self, now: Instant, trigger: Reason, out: &mut VecDeque<Action>) {
        let eligibility = self.eligibility();
        let (priority, grace) = (self.effective_priority, self.machine.grace());
        match (eligibility, &mut self.machine) {
            // RFC 9568 §6.4.1
            (Eligibility::Eligible(source), Machine::Initialize(_)) => {
                if self.is_owner() {
                    self.take_over(now, source, Reason::Owner, out);
                } else {
                    let own = self.config.advertisement_interval;
                    let backup = Backup::new(now, source, own, Heard::Nobody, self.timing());
                    self.enter(now, Machine::Backup(backup), trigger, out);
                }
            }
            (Eligibility::Eligible(source), Machine::Backup(backup)) => backup.source = source,
            (Eligibility::Eligible(source), Machine::Active(active)) => {
                if active.advert.source != source {
                    active.advert = advertise(self.id, &self.config, source, priority);
                }
            }
            (Eligibility::Waiting, Machine::Initialize(Initialize { fault: false, .. })) => {}
            (
                Eligibility::Faulty { reason, .. },
                Machine::Initialize(Initialize { fault: true, .. }),
            ) => self.reason = Some(reason),
            (Eligibility::Faulty { reason, farewell }, _) => {
                let fault = Machine::Initialize(Initialize { fault: true, grace });
                self.leave(now, fault, farewell, reason, out);
            }
            (Eligibility::Waiting, _) => {
                let waiting = Machine::Initialize(Initialize {
                    fault: false,
                    grace,
                });
                self.leave(now, waiting, Farewell::Release, trigger, out);
            }
        }
    }

    fn eligibility(&self) -> Eligibility {
        if !self.running {
            return Eligibility::Waiting;
        }
        let Some(link) = self.link else {
            return Eligibility::Waiting;
        };
        if !link.up {
            let reason = Reason::LinkDown;
            return Eligibility::Faulty {
                reason,
                farewell: Farewell::None,
            };
        }
        let faulty = |reason| Eligibility::Faulty {
            reason,
            farewell: Farewell::Release,
        };
        let Some(source) = self.source() else {
            return faulty(Reason::NoPrimaryAddress);
        };
        if let Some(check) = self.tracks.fault() {
            return faulty(Reason::CheckDown(check));
        }
        if self.tracks.awaited().next().is_some() {
            return Eligibility::Waiting;
        }
        Eligibility::Eligible(source)
    }

    /// Recomputes the effective priority and brings timer or advertisement in line with it.
    fn apply_priority(&mut self) {
        let before = self.timing();
        self.effective_priority = self.compute_priority();
        let after = self.timing();
        if before.priority == after.priority {
            return;
        }
        match &mut self.machine {
            Machine::Initialize(_) => {}
            // Restarting the timer would let a flapping check put a takeover off for ever.
            Machine::Backup(backup) => backup.shift_timer(before, after),
            Machine::Active(active) => {
                let source = active.advert.source;
                active.advert = advertise(self.id, &self.config, source, after.priority);
            }
        }
    }

    fn compute_priority(&self) -> u8 {
        if self.is_owner() {
            return OWNER;
        }
        let base = i32::from(self.config.priority.get());
        u8::try_from((base + self.tracks.weight()).clamp(1, 254)).unwrap_or(1)
    }

    /// Becomes Active (RFC 9568 §6.4.2): advertise first, so that a rival learns of it before any host does.
    fn take_over(
        &mut self,
        now: Instant,
        source: IpAddr,
        reason: Reason,
        out: &mut VecDeque<Action>,
    ) {
        let advert = advertise(self.id, &self.config, source, self.effective_priority);
        let active = Active::new(now, advert, self.config.advertisement_interval);
        self.counters.master_transitions += 1;
        send(&active.advert, &mut self.counters, out);
        out.push_back(Action::Claim(self.id));
        self.enter(now, Machine::Active(active), reason, out);
    }

    /// Enters a state other than Active and gives up what being Active meant.
    fn leave(
        &mut self,
        now: Instant,
        next: Machine,
        farewell: Farewell,
        reason: Reason,
        out: &mut VecDeque<Action>,
    ) {
        if let Machine::Active(active) = &self.machine {
            match farewell {
                Farewell::Release => {
                    let release = release_packet(self.id, &self.config, active.advert.source);
                    send(&release, &mut self.counters, out);
                }
                Farewell::None => {}
            }
            out.push_back(Action::Release(self.id));
        }
        self.enter(now, next, reason, out);
    }

    fn enter(&mut self, now: Instant, next: Machine, reason: Reason, out: &mut VecDeque<Action>) {
        let (before, after) = (self.machine.shown(), next.shown());
        self.machine = next;
        if before == after {
            return;
        }
        self.since = now;
        self.reason = Some(reason);
        self.sequence += 1;
        out.push_back(Action::StateChanged(Transition {
            instance: self.id,
            before,
            after,
            reason,
            priority: self.effective_priority,
            sequence: self.sequence,
        }));
    }

    fn source(&self) -> Option<IpAddr> {
        let link = self.link?;
        match self.family {
            Family::V4 => link.primary.map(IpAddr::V4),
            Family::V6 => link.link_local.map(IpAddr::V6),
        }
    }

    fn is_owner(&self) -> bool {
        self.config.priority.get() == OWNER
    }

    fn timing(&self) -> Timing {
        timing(&self.config, self.effective_priority)
    }
}

/// The priority of the address owner, which nothing but FAULT touches (RFC 9568 §5.2.4).
const OWNER: u8 = 255;

/// Whether a router that stops being Active gives the addresses away.
enum Farewell {
    /// With priority 0, so that a peer takes over after Skew_Time.
    Release,
    /// Silently: another router has them already, or nothing can be sent.
    None,
}

fn timing(config: &InstanceConfig, priority: u8) -> Timing {
    Timing {
        version: config.version,
        down_after: config.down_after,
        priority,
    }
}

fn advertise(
    instance: InstanceId,
    config: &InstanceConfig,
    source: IpAddr,
    priority: u8,
) -> Advertise {
    let destination = match source {
        IpAddr::V4(_) => IpAddr::V4(MULTICAST_IPV4),
        IpAddr::V6(_) => IpAddr::V6(MULTICAST_IPV6),
    };
    let advertisement = Advertisement {
        version: config.version,
        virtual_router_id: config.virtual_router_id,
        priority,
        interval: config.advertisement_interval,
        checksum: config.checksum,
        addresses: config
            .addresses
            .iter()
            .map(|address| address.address)
            .collect(),
    };
    let payload = Arc::from(advertisement.emit(source, destination));
    Advertise {
        instance,
        interface: config.interface,
        source,
        destination,
        payload,
        priority,
    }
}

fn send(advert: &Advertise, counters: &mut InstanceCounters, out: &mut VecDeque<Action>) {
    counters.advertisement_sent += 1;
    if advert.priority == 0 {
        counters.priority_zero_pkts_sent += 1;
    }
    out.push_back(Action::Advertise(advert.clone()));
}

fn announce(
    instance: InstanceId,
    config: &InstanceConfig,
    address: IpAddr,
    out: &mut VecDeque<Action>,
) {
    for _ in 0..config.announce.repeat.get() {
        out.push_back(Action::Announce { instance, address });
    }
}
