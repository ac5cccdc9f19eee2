//! Hosts, links and time: one run of a plan.

mod incidents;
mod perform;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use vrrp::{CheckId, InstanceId, Instant, InterfaceId, State, Transition};

use crate::breach::Breach;
use crate::draw::Draw;
use crate::host::{Host, address_event};
use crate::marks::{Mark, Marks};
use crate::network::{Network, Parcel};
use crate::plan::Plan;
use crate::rig::Rig;
use crate::rivals::{Rivals, View};
use crate::timeline::Timeline;
use crate::timers::Moment;

/// How a host is called: A, B, C and so on.
pub(crate) fn name(host: usize) -> char {
    (b'A'..=b'Z').nth(host).map_or('?', char::from)
}

/// A broken promise, when and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Violation {
    /// When.
    pub at: Instant,
    /// The host that it was seen on; none when it is about several.
    pub host: Option<usize>,
    /// What was promised, and what was seen.
    pub breach: Breach,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = Duration::from_nanos(self.at.as_nanos());
        match self.host {
            Some(host) => write!(f, "at {at:?} on {}: {}", name(host), self.breach),
            None => write!(f, "at {at:?}: {}", self.breach),
        }
    }
}

/// What happens at an instant.
#[derive(Debug)]
enum Happening {
    Arrival {
        to: usize,
        parcel: Parcel,
    },
    /// The router is told what its interface is like.
    LinkNews {
        host: usize,
        interface: InterfaceId,
    },
    /// A claimed address is there.
    Configured {
        host: usize,
        generation: u64,
        instance: InstanceId,
        address: IpAddr,
    },
    /// A check runs.
    CheckRuns {
        host: usize,
        check: CheckId,
    },
    /// The supervisor notices that its router is dead.
    Guardian {
        host: usize,
        generation: u64,
    },
    Boot {
        host: usize,
    },
    StallOver {
        host: usize,
    },
    Incident,
    Repair(Repair),
}

/// The end of an incident.
#[derive(Clone, Copy, Debug)]
enum Repair {
    Segment(usize),
    Interface { host: usize, interface: usize },
}

/// A run.
#[derive(Debug)]
pub struct World {
    pub(crate) plan: Plan,
    rig: Rig,
    pub(crate) now: Instant,
    queue: BTreeMap<(Instant, u64), Happening>,
    queued: u64,
    draw: Draw,
    pub(crate) hosts: Vec<Host>,
    network: Network,
    rivals: Rivals,
    pub(crate) marks: Marks,
    timeline: Timeline,
    transitions: Vec<(usize, Instant, Transition)>,
    /// Every instance that some host has or had, and where.
    instances: BTreeMap<InstanceId, InterfaceId>,
    /// Who has offered its addresses.
    offers: BTreeSet<(usize, InstanceId)>,
}

impl World {
    /// Every host switched off.
    pub fn new(plan: Plan, rig: Rig) -> Self {
        let mut draw = Draw::new(plan.seed ^ 0x5eed);
        Self {
            rig,
            now: Instant::from_nanos(1_000_000_000),
            queue: BTreeMap::new(),
            queued: 0,
            hosts: plan
                .hosts
                .iter()
                .map(|host| Host::new(&plan, host))
                .collect(),
            network: Network::new(&plan, draw.fork()),
            rivals: Rivals::new(plan.hosts.len()),
            marks: Marks::default(),
            timeline: Timeline::default(),
            transitions: Vec::new(),
            offers: BTreeSet::new(),
            instances: plan
                .hosts
                .iter()
                .flat_map(|host| &host.config.instances)
                .map(|(id, config)| (*id, config.interface))
                .collect(),
            draw,
            plan,
        }
    }

    pub(crate) fn keep_timeline(&mut self) {
        self.timeline = Timeline::kept();
    }

    pub(crate) fn into_timeline(self) -> String {
        self.timeline.into_text()
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// The first broken promise.
    pub fn run(&mut self, time: Duration) -> Result<(), Violation> {
        self.run_until(self.now + time)
    }

    pub(crate) fn run_until(&mut self, end: Instant) -> Result<(), Violation> {
        loop {
            let happens = self.queue.first_key_value().map(|((at, _), _)| *at);
            let wakes = (0..).zip(&self.hosts);
            let wakes = wakes.filter_map(|(number, host)| Some((host.wake_at()?, number)));
            let wakes: Option<(Instant, usize)> = wakes.min();
            // What arrives at the same instant is there before a host looks.
            match (happens, wakes) {
                (Some(at), None) if at <= end => self.happen()?,
                (Some(at), Some((wake, _))) if at <= wake && at <= end => self.happen()?,
                (_, Some((at, host))) if at <= end => {
                    self.now = self.now.max(at);
                    self.wake(host)?;
                }
                _ => break,
            }
            self.check()?;
        }
        self.now = end;
        self.check()
    }

    /// The transitions since the last call: host, when and what.
    pub fn news(&mut self) -> Vec<(usize, Instant, Transition)> {
        std::mem::take(&mut self.transitions)
    }

    /// The present instant.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The state of an instance on each host; `None` where no router runs.
    pub fn states(&self, instance: InstanceId) -> Vec<Option<State>> {
        let state = |host: &Host| {
            let router = host.router.as_ref()?;
            router.watched.instance(instance).map(|status| status.state)
        };
        self.hosts.iter().map(state).collect()
    }

    /// State, priority and source of an instance on a host.
    pub(crate) fn moment(&self, host: usize, id: InstanceId) -> Option<Moment> {
        self.hosts[host].router.as_ref()?.watched.moment(id)
    }

    /// When it last changed who takes part in the elections of an instance.
    pub(crate) fn changed(&self, id: InstanceId) -> Option<Instant> {
        self.rivals.changed(id)
    }

    fn schedule(&mut self, at: Instant, happening: Happening) {
        self.queued += 1;
        self.queue.insert((at, self.queued), happening);
    }

    fn happen(&mut self) -> Result<(), Violation> {
        let Some(((at, _), happening)) = self.queue.pop_first() else {
            return Ok(());
        };
        self.now = at;
        match happening {
            Happening::Arrival { to, parcel } => self.arrive(to, parcel),
            Happening::LinkNews { host, interface } => {
                let wake = self.notice();
                let link = self.hosts[host].links[interface.0 as usize];
                self.hosts[host].news(vrrp::Event::Link(link), wake);
            }
            Happening::Configured {
                host,
                generation,
                instance,
                address,
            } => {
                let wake = self.notice();
                let claim = self.hosts[host].claimed.get(&instance);
                if claim.is_some_and(|claim| claim.generation == generation) {
                    self.hosts[host].news(address_event(instance, address, true), wake);
                }
            }
            Happening::CheckRuns { host, check } => {
                let wake = self.notice();
                self.hosts[host].report(check, wake, &mut self.marks);
                let interval = self.plan.checks[check.0 as usize].interval;
                self.schedule(self.now + interval, Happening::CheckRuns { host, check });
            }
            Happening::Guardian { host, generation } => {
                if self.hosts[host].generation == generation {
                    self.give_away(host);
                }
            }
            Happening::Boot { host } => self.boot(host)?,
            Happening::StallOver { host } => {
                if self.hosts[host].stalled_until == Some(self.now) {
                    self.hosts[host].wake_now(self.now);
                    self.timeline
                        .note(self.now, name(host), format_args!("goes on"));
                }
            }
            Happening::Incident => self.incident()?,
            Happening::Repair(repair) => self.repair(repair),
        }
        Ok(())
    }

    fn arrive(&mut self, to: usize, parcel: Parcel) {
        let wake = self.notice();
        let host = &mut self.hosts[to];
        if host.router.is_none() || !host.links[parcel.interface.0 as usize].up {
            self.network
                .disturb(self.now, parcel.interface, parcel.from, to);
            return;
        }
        self.timeline.note(
            self.now,
            name(to),
            format_args!(
                "     <- {} {} from {}{}",
                name(parcel.from),
                if parcel.noise {
                    "noise"
                } else {
                    "advertisement"
                },
                parcel.source,
                if parcel.priority == 0 {
                    ", priority 0"
                } else {
                    ""
                },
            ),
        );
        host.receive(parcel, wake, &mut self.marks);
    }

    /// When a host that is not busy takes note of what happens now.
    fn notice(&mut self) -> Instant {
        self.now + self.draw.between(Duration::ZERO, self.plan.calm.lateness)
    }

    fn wake(&mut self, host: usize) -> Result<(), Violation> {
        let lateness = self.plan.calm.lateness;
        let result = self.hosts[host].wake(
            self.now,
            lateness,
            &mut self.draw,
            self.rig,
            &mut self.marks,
        );
        let (actions, stopped) = result.map_err(|breach| self.violation(host, breach))?;
        for (interface, from) in std::mem::take(&mut self.hosts[host].unauthentic) {
            self.network.disturb(self.now, interface, from, host);
        }
        self.perform(host, actions)?;
        if stopped {
            if self.hosts[host].router.is_none() {
                // It lost power while it did.
                return Ok(());
            }
            self.hosts[host].router = None;
            self.timeline
                .note(self.now, name(host), format_args!("has stopped"));
        }
        let result = self.hosts[host].check_claims();
        result.map_err(|breach| self.violation(host, breach))?;
        self.look_at(host);
        Ok(())
    }

    /// Takes note of what the instances of a host are like, for those who compare hosts.
    fn look_at(&mut self, host: usize) {
        for (id, interface) in &self.instances {
            let router = self.hosts[host].router.as_ref();
            let moment = router.and_then(|router| router.watched.moment(*id));
            let (yields, active) = moment.map_or((false, false), |moment| {
                (moment.yields, moment.state == State::Active)
            });
            let before = self.offers.remove(&(host, *id));
            match (before, yields, active) {
                (false, true, _) => self.marks.hit(Mark::Offered),
                (true, false, true) => self.marks.hit(Mark::TakenBack),
                (true, false, false) => self.marks.hit(Mark::GivenUp),
                (true, true, _) | (false, false, _) => {}
            }
            if yields {
                self.offers.insert((host, *id));
            }
            let view = moment.map(|moment| View::new(moment, *interface));
            self.rivals.look(self.now, host, *id, view);
        }
    }

    fn check(&mut self) -> Result<(), Violation> {
        let lateness = self.plan.calm.lateness;
        for (number, host) in self.hosts.iter().enumerate() {
            let result = host.check_punctual(self.now, lateness);
            result.map_err(|breach| self.violation(number, breach))?;
        }
        let result = self.rivals.check(
            self.now,
            &self.plan,
            &self.hosts,
            &self.network,
            &mut self.marks,
        );
        result.map_err(|breach| Violation {
            at: self.now,
            host: None,
            breach,
        })
    }

    fn violation(&self, host: usize, breach: Breach) -> Violation {
        Violation {
            at: self.now,
            host: Some(host),
            breach,
        }
    }

    /// What an incident of the plan, or a test, notes.
    fn mark(&mut self, mark: Mark) {
        self.marks.hit(mark);
    }
}
