//! A host: what `host/daemon/src/router/driver.rs` is on a real one, and the kernel below it.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use vrrp::{
    Action, AddressChange, CheckId, Command, Discard, Event, InstanceId, Instant, InterfaceId,
    Link, Outcome, Report, RouterConfig, Signer, State, UnixTime, Why,
};

use crate::breach::{Breach, promise};
use crate::draw::Draw;
use crate::marks::{Mark, Marks};
use crate::network::Parcel;
use crate::plan::{HostPlan, Plan};
use crate::rig::Rig;
use crate::watched::Watched;

/// A host, its router running or not.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) plan: HostPlan,
    pub(crate) router: Option<Running>,
    /// The interfaces as they are, which the router learns later.
    pub(crate) links: Vec<Link>,
    pub(crate) health: BTreeMap<CheckId, Health>,
    /// Addresses that the kernel has, or is about to have: those of which instances, and what the supervisor
    /// was told for the case that the router dies.
    pub(crate) claimed: BTreeMap<InstanceId, Claim>,
    /// Counts routers and claims, so that what is under way to an earlier one is lost.
    pub(crate) generation: u64,
    pub(crate) stalled_until: Option<Instant>,
    pub(crate) awake_since: Instant,
    /// When it last began to read another configuration, or had read it.
    pub(crate) reloaded: Instant,
    /// How far its clock is ahead of the one that is most behind.
    pub(crate) clock: Duration,
    /// What its router and its supervisor sign with: one tells the other what the last number was.
    pub(crate) signer: Signer,
    /// From whom advertisements were refused that were honest once, and over which interface.
    pub(crate) unauthentic: Vec<(InterfaceId, usize)>,
}

/// A router at work, and what it has not read yet.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) watched: Watched,
    inbox: Inbox,
    wake: Option<Instant>,
    /// It ends after this many actions of the next batch.
    pub(crate) doom: Option<(usize, Doom)>,
    /// The adjustment that came with the last verdict of each check.
    pub(crate) reported: BTreeMap<CheckId, i16>,
}

/// How a router ends in the middle of what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doom {
    Crash,
    Kill,
}

/// What waits, by source, in the order in which the driver reads the sources.
#[derive(Debug, Default)]
struct Inbox {
    packets: VecDeque<Parcel>,
    netlink: VecDeque<Event<'static>>,
    reports: VecDeque<Report>,
    reload: Option<RouterConfig>,
    commands: VecDeque<(InstanceId, Command)>,
    /// Told to stop, and how long it may wait for a peer.
    stop: Option<Duration>,
}

/// What a check reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    /// `None`: nothing.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) weight: Option<i16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) generation: u64,
    /// From where the instance advertises.
    pub(crate) source: IpAddr,
}

impl Host {
    /// Switched off.
    pub(crate) fn new(plan: &Plan, host: &HostPlan) -> Self {
        let links = (0..).zip(&host.sources);
        let well = Health {
            outcome: Some(Outcome::Passing),
            weight: None,
        };
        Self {
            plan: host.clone(),
            router: None,
            links: links
                .map(|(number, sources)| sources.link(InterfaceId(number)))
                .collect(),
            health: plan.checks.iter().map(|check| (check.id, well)).collect(),
            claimed: BTreeMap::new(),
            generation: 0,
            stalled_until: None,
            awake_since: Instant::from_nanos(0),
            reloaded: Instant::from_nanos(0),
            clock: Duration::ZERO,
            signer: Signer::default(),
            unauthentic: Vec::new(),
        }
    }

    /// What its clock shows.
    pub(crate) fn wall(&self, now: Instant) -> UnixTime {
        const BEGIN: Duration = Duration::from_secs(1_800_000_000);
        let shown = BEGIN + Duration::from_nanos(now.as_nanos()) + self.clock;
        UnixTime::from_nanos(u64::try_from(shown.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Starts a router, which at once takes note of Startup, before or after the first news of its interfaces.
    pub(crate) fn boot(
        &mut self,
        now: Instant,
        links_first: bool,
        rig: Rig,
    ) -> Result<Vec<Action>, Breach> {
        self.generation += 1;
        self.stalled_until = None;
        self.awake_since = now;
        let config = self.plan.config.clone();
        let mut given = config.clone();
        if rig == Rig::ForgetsMember {
            for (_, group) in &mut given.groups {
                group.members.truncate(2);
            }
        }
        let mut watched = Watched::with_other(config, given)
            .map_err(|error| Breach(format!("the plan is refused: {error:?}")))?;
        let mut actions = Vec::new();
        if links_first {
            for link in &self.links {
                actions.extend(watched.handle(now, Event::Link(*link))?);
            }
        }
        actions.extend(watched.handle(now, Event::Startup)?);
        self.router = Some(Running {
            watched,
            inbox: Inbox::default(),
            wake: Some(now),
            doom: None,
            reported: BTreeMap::new(),
        });
        Ok(actions)
    }

    /// When the router next does something.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let wake = self.router.as_ref()?.wake?;
        Some(self.stalled_until.map_or(wake, |until| wake.max(until)))
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled_until.is_some()
    }

    pub(crate) fn receive(&mut self, parcel: Parcel, wake: Instant, marks: &mut Marks) {
        let stalled = self.is_stalled();
        if let Some(router) = &mut self.router {
            if stalled {
                marks.hit(Mark::WaitedForStall);
            }
            router.inbox.packets.push_back(parcel);
            router.wake_by(wake);
        }
    }

    pub(crate) fn news(&mut self, event: Event<'static>, wake: Instant) {
        if let Some(router) = &mut self.router {
            router.inbox.netlink.push_back(event);
            router.wake_by(wake);
        }
    }

    pub(crate) fn report(&mut self, check: CheckId, wake: Instant, marks: &mut Marks) {
        let Health { outcome, weight } = self.health[&check];
        marks.hit(Mark::of_outcome(outcome));
        if let (Some(router), Some(outcome)) = (&mut self.router, outcome) {
            router.inbox.reports.push_back(Report {
                check,
                outcome,
                weight,
            });
            router.wake_by(wake);
        }
    }

    pub(crate) fn stop(&mut self, grace: Duration, wake: Instant) {
        if let Some(router) = &mut self.router {
            router.inbox.stop = Some(grace);
            router.wake_by(wake);
        }
    }

    /// Another configuration from now on, also for routers to come.
    pub(crate) fn reload(&mut self, config: RouterConfig, now: Instant, wake: Instant) {
        self.plan.config = config.clone();
        self.reloaded = now;
        if let Some(router) = &mut self.router {
            router.inbox.reload = Some(config);
            router.wake_by(wake);
        }
    }

    pub(crate) fn command(&mut self, instance: InstanceId, command: Command, wake: Instant) {
        if let Some(router) = &mut self.router {
            router.inbox.commands.push_back((instance, command));
            router.wake_by(wake);
        }
    }

    /// It lives, whatever was to end it.
    pub(crate) fn spare(&mut self) {
        if let Some(router) = &mut self.router {
            router.doom = None;
            router.inbox.stop = None;
        }
    }

    /// Ends a stall.
    pub(crate) fn wake_now(&mut self, now: Instant) {
        self.stalled_until = None;
        self.awake_since = now;
        if let Some(router) = &mut self.router {
            router.wake_by(now);
        }
    }

    /// Reads what waits, lets the router do what is due, and returns what is to be done.
    /// True when the router has stopped.
    pub(crate) fn wake(
        &mut self,
        now: Instant,
        lateness: Duration,
        draw: &mut Draw,
        rig: Rig,
        marks: &mut Marks,
    ) -> Result<(Vec<Action>, bool), Breach> {
        let wall = self.wall(now);
        let Some(router) = &mut self.router else {
            return Ok((Vec::new(), false));
        };
        let mut actions = Vec::new();
        let overdue = router.overdue_takeover(now);
        if rig == Rig::TimersFirst {
            let early = router.watched.handle_timeout(now)?;
            router.check_nothing_waits(&early)?;
            actions.extend(early);
        }
        if router.inbox.reload.is_some() {
            self.reloaded = now;
        }
        let unauthentic = router.read((now, wall), &mut actions, rig, marks)?;
        self.unauthentic.extend(unauthentic);
        if overdue.is_some_and(|id| !router.watched.is_active(id))
            && router.overdue_takeover(now).is_none()
        {
            marks.hit(Mark::StallOutlastedTimer);
        }
        if let Some(deadline) = router.watched.poll_timeout().filter(|due| due.at <= now) {
            marks.hit(Mark::of_deadline(deadline.why));
        }
        let offer_is_over = due_why(&router.watched, now, |why| matches!(why, Why::Yield(_)));
        let deaf = rig == Rig::DeafToTimers || (rig == Rig::NeverTakesBack && offer_is_over);
        if !deaf {
            let due = router.watched.handle_timeout(now)?;
            router.check_nothing_waits(&due)?;
            actions.extend(due);
        }
        let jitter = draw.between(Duration::ZERO, lateness);
        let due = router.watched.poll_timeout();
        let due = due.filter(|_| !deaf);
        router.wake = due.map(|due| due.at + jitter);
        Ok((actions, router.watched.has_stopped()))
    }

    /// What must hold whenever the host has done what it had to do.
    pub(crate) fn check_claims(&self) -> Result<(), Breach> {
        let Some(router) = &self.router else {
            return Ok(());
        };
        for (id, _) in &self.plan.config.instances {
            let (claimed, active) = (self.claimed.contains_key(id), router.watched.is_active(*id));
            promise!(
                claimed == active,
                "{id:?} is Active: {active}, and its addresses are claimed: {claimed}"
            );
        }
        Ok(())
    }

    /// A host that is not stalled does what is due within its lateness.
    pub(crate) fn check_punctual(&self, now: Instant, lateness: Duration) -> Result<(), Breach> {
        let due = self.router.as_ref().and_then(|router| router.watched.due());
        if let Some(due) = due.filter(|_| !self.is_stalled()) {
            let latest = due.max(self.awake_since) + lateness;
            promise!(
                now <= latest,
                "what was due at {due:?} is not done at {now:?}"
            );
        }
        Ok(())
    }
}

impl Running {
    fn wake_by(&mut self, at: Instant) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// An instance that takes over unless a packet that waits prevents it.
    fn overdue_takeover(&self, now: Instant) -> Option<InstanceId> {
        let deadline = self.watched.poll_timeout().filter(|due| due.at <= now)?;
        match deadline.why {
            Why::ActiveDown(id) => Some(id),
            Why::Advertise(_)
            | Why::Answer(_)
            | Why::Announce(_)
            | Why::Yield(_)
            | Why::StartDelay(_)
            | Why::Interface(_)
            | Why::InitGrace(_)
            | Why::StaleCheck(_) => None,
        }
    }

    /// Returns from whom advertisements were refused that were honest once.
    fn read(
        &mut self,
        (now, wall): (Instant, UnixTime),
        actions: &mut Vec<Action>,
        rig: Rig,
        marks: &mut Marks,
    ) -> Result<Vec<(InterfaceId, usize)>, Breach> {
        let mut unauthentic = Vec::new();
        let inbox = std::mem::take(&mut self.inbox);
        for parcel in inbox.packets {
            let mut packet = parcel.packet(wall);
            if rig == Rig::ForgivesTtl {
                packet.ttl = Some(vrrp::packet::TTL);
            }
            let had_stopped = self.watched.has_stopped();
            let result = self.watched.handle(now, Event::Packet(packet))?;
            if parcel.noise && !had_stopped {
                let refused = matches!(result[..], [Action::Discarded { .. }]);
                promise!(refused, "{parcel:?} was not refused: {result:?}");
                marks.hit(Mark::Noise);
            } else if let [
                Action::Discarded {
                    discard: Discard::Authentication(_),
                    ..
                },
            ] = result[..]
            {
                marks.hit(Mark::Unauthentic);
                unauthentic.push((parcel.interface, parcel.from));
            }
            actions.extend(result);
        }
        for event in inbox.netlink {
            actions.extend(self.watched.handle(now, event)?);
        }
        for report in inbox.reports {
            if report.outcome != Outcome::Error {
                self.reported
                    .insert(report.check, report.weight.unwrap_or(0));
            }
            actions.extend(self.watched.handle(now, Event::Report(report))?);
        }
        if let Some(config) = inbox.reload {
            actions.extend(self.watched.reconfigure(now, &config)?);
        }
        for (instance, command) in inbox.commands {
            actions.extend(
                self.watched
                    .handle(now, Event::Command(instance, command))?,
            );
        }
        if let Some(grace) = inbox.stop {
            actions.extend(self.watched.handle(now, Event::Shutdown { grace })?);
            if !self.watched.has_stopped() {
                marks.hit(Mark::StopWithGrace);
            }
        }
        Ok(unauthentic)
    }

    /// Whatever stalled a host: a packet that has arrived goes before a timer that is due.
    fn check_nothing_waits(&self, actions: &[Action]) -> Result<(), Breach> {
        let takeover = actions
            .iter()
            .find(|action| matches!(action, Action::Claim(_)));
        promise!(
            takeover.is_none() || self.inbox.packets.is_empty(),
            "{takeover:?} while {} packets that had arrived wait",
            self.inbox.packets.len()
        );
        Ok(())
    }

    /// Whether an instance takes part in elections.
    pub(crate) fn is_eligible(&self, id: InstanceId) -> bool {
        self.watched
            .instance(id)
            .is_some_and(|status| matches!(status.state, State::Backup | State::Active))
    }
}

/// Whether the next thing due at `now` is one of those.
fn due_why(watched: &Watched, now: Instant, is_it: impl Fn(Why) -> bool) -> bool {
    let due = watched.poll_timeout().filter(|due| due.at <= now);
    due.is_some_and(|due| is_it(due.why))
}

/// An address is there again after somebody removed it, or is gone.
pub(crate) fn address_event(
    instance: InstanceId,
    address: IpAddr,
    present: bool,
) -> Event<'static> {
    Event::Address(AddressChange {
        instance,
        address,
        present,
    })
}
