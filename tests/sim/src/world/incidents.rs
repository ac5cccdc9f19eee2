//! What goes wrong, and its end.

use std::time::Duration;

use vrrp::{Command, InstanceId, InterfaceId, Link, Outcome, Signer};

use super::{Happening, Repair, Violation, World, name};
use crate::host::{Doom, Health};
use crate::marks::Mark;
use crate::plan::{Incident, Sources, reload};

impl World {
    /// Starts every host at about the same time, its checks, and the incidents of the plan.
    pub(crate) fn begin(&mut self) {
        for host in 0..self.hosts.len() {
            let at = self.now + self.draw.tenths(self.plan.unit, 0..=40);
            self.schedule(at, Happening::Boot { host });
            self.hosts[host].clock = self.draw.between(Duration::ZERO, self.plan.clock_spread);
            for check in self.plan.checks.clone() {
                let at = self.now + self.draw.between(Duration::ZERO, check.interval);
                let check = check.id;
                self.schedule(at, Happening::CheckRuns { host, check });
            }
        }
        if !self.plan.faults.incidents.is_empty() {
            self.schedule(self.now + self.plan.faults.every, Happening::Incident);
        }
    }

    pub(super) fn incident(&mut self) -> Result<(), Violation> {
        let every = self.plan.faults.every;
        let next = self.now + self.draw.between(every / 10, every);
        self.schedule(next, Happening::Incident);
        let incident = self.draw.pick(&self.plan.faults.incidents);
        let host = self.draw.index(self.hosts.len());
        let segment = if incident == Incident::LinkDown {
            self.draw.index(self.plan.interfaces)
        } else {
            self.draw.index(self.plan.segments)
        };
        let repaired = self.now
            + self
                .draw
                .between(Duration::ZERO, self.plan.faults.repaired_within);
        match incident {
            Incident::Split => self.split(segment),
            Incident::OneWayCut => {
                let to = self.draw.index(self.hosts.len());
                self.mark(Mark::OneWayCut);
                self.note_link(
                    segment,
                    format_args!("{} no longer reaches {}", name(host), name(to)),
                );
                self.network.cut(segment, host, to);
            }
            Incident::Storm => {
                self.mark(Mark::Storm);
                self.note_link(segment, format_args!("a storm begins"));
                self.network.storm(segment);
            }
            Incident::Stall => self.stall(host),
            Incident::Crash | Incident::Kill => {
                let doom = if incident == Incident::Crash {
                    Doom::Crash
                } else {
                    Doom::Kill
                };
                if self.draw.chance(500) {
                    let after = self.draw.index(4);
                    if let Some(router) = &mut self.hosts[host].router {
                        router.doom = Some((after, doom));
                    }
                } else {
                    match doom {
                        Doom::Crash => self.crash(host),
                        Doom::Kill => self.kill(host),
                    }
                }
            }
            Incident::Stop => {
                self.mark(Mark::Stop);
                let grace = self.draw.pick(&[0, 0, 2, 10, 40]);
                let grace = self.draw.tenths(self.plan.unit, grace..=grace);
                self.stop(host, grace);
            }
            Incident::LinkDown => {
                self.mark(Mark::LinkDown);
                self.change_link(host, segment, |link, _| link.up = false);
            }
            Incident::AddressLost => {
                self.mark(Mark::AddressLost);
                self.change_link(host, segment, |link, _| {
                    (link.primary, link.link_local, link.known_as) = (None, None, None);
                });
            }
            Incident::Renumber => {
                self.mark(Mark::Renumber);
                self.change_link(host, segment, |link, sources| {
                    let is_first = link.primary == Some(sources.first.0);
                    let (primary, link_local) = if is_first {
                        sources.second
                    } else {
                        sources.first
                    };
                    (link.primary, link.link_local) = (Some(primary), Some(link_local));
                });
            }
            Incident::CheckTurns => self.turn_check(host),
            Incident::Command => self.draw_command(host),
            Incident::Reload => self.reload(host),
            Incident::ClockStep => {
                self.mark(Mark::ClockStep);
                let spread = self.plan.clock_spread;
                self.hosts[host].clock = self.draw.between(Duration::ZERO, spread);
            }
            Incident::Theft => {
                let claimed: Vec<_> = self.hosts[host].claimed.keys().copied().collect();
                for instance in claimed {
                    self.steal(host, instance);
                }
            }
        }
        match incident {
            Incident::Split | Incident::OneWayCut | Incident::Storm => {
                self.schedule(repaired, Happening::Repair(Repair::Segment(segment)));
            }
            Incident::LinkDown | Incident::AddressLost => {
                let interface = segment;
                self.schedule(
                    repaired,
                    Happening::Repair(Repair::Interface { host, interface }),
                );
            }
            Incident::Crash | Incident::Kill | Incident::Stop => {
                self.schedule(repaired, Happening::Boot { host });
            }
            Incident::Stall
            | Incident::Renumber
            | Incident::CheckTurns
            | Incident::Theft
            | Incident::Command
            | Incident::Reload
            | Incident::ClockStep => {}
        }
        Ok(())
    }

    pub(super) fn repair(&mut self, repair: Repair) {
        match repair {
            Repair::Segment(segment) => {
                self.note_link(segment, format_args!("heals"));
                self.network.heal(segment);
            }
            Repair::Interface { host, interface } => {
                let sources = self.hosts[host].plan.sources[interface];
                let interface = InterfaceId(u32::try_from(interface).unwrap_or(0));
                let link = &mut self.hosts[host].links[interface.0 as usize];
                link.up = true;
                link.primary.get_or_insert(sources.first.0);
                link.link_local.get_or_insert(sources.first.1);
                link.known_as.get_or_insert_with(|| sources.first.0.into());
                self.timeline.note(
                    self.now,
                    name(host),
                    format_args!("link {} is well", interface.0),
                );
                self.tell_link(host, interface);
            }
        }
    }

    /// Cuts a link in two.
    pub(crate) fn split(&mut self, segment: usize) {
        self.mark(Mark::Split);
        let hosts = self.hosts.len();
        let mut left: Vec<usize> = (0..hosts).filter(|_| self.draw.chance(500)).collect();
        if left.is_empty() || left.len() == hosts {
            left = vec![0];
        }
        self.isolate(segment, &left);
    }

    /// Cuts the hosts in `island` off from all others on a link.
    pub fn isolate(&mut self, segment: usize, island: &[usize]) {
        let names: String = island.iter().map(|host| name(*host)).collect();
        self.note_link(
            segment,
            format_args!("splits: {names} here, the others there"),
        );
        for here in island {
            for there in (0..self.hosts.len()).filter(|host| !island.contains(host)) {
                self.network.cut(segment, *here, there);
                self.network.cut(segment, there, *here);
            }
        }
    }

    /// Makes every path of a link work again.
    pub fn heal(&mut self, segment: usize) {
        self.repair(Repair::Segment(segment));
    }

    fn stall(&mut self, host: usize) {
        if self.hosts[host].router.is_none() {
            return;
        }
        self.mark(Mark::Stall);
        let until = self.now + self.draw.tenths(self.plan.unit, 1..=100);
        let until = self.hosts[host]
            .stalled_until
            .map_or(until, |other| other.max(until));
        self.hosts[host].stalled_until = Some(until);
        self.timeline
            .note(self.now, name(host), format_args!("stalls"));
        self.schedule(until, Happening::StallOver { host });
    }

    /// Switches a host off.
    pub fn crash(&mut self, host: usize) {
        if self.hosts[host].router.take().is_some() {
            self.mark(Mark::Crash);
            self.timeline
                .note(self.now, name(host), format_args!("loses power"));
        }
        self.hosts[host].claimed.clear();
        // What it signed last is forgotten.
        self.hosts[host].signer = Signer::default();
        self.hosts[host].stalled_until = None;
        self.look_at(host);
    }

    /// Kills a host's router; its supervisor notices.
    pub fn kill(&mut self, host: usize) {
        if self.hosts[host].router.take().is_none() {
            return;
        }
        self.mark(Mark::Kill);
        self.timeline
            .note(self.now, name(host), format_args!("its router is killed"));
        let free = self.hosts[host].stalled_until.take().unwrap_or(self.now);
        let at = free + self.draw.between(Duration::ZERO, self.plan.calm.guardian);
        let generation = self.hosts[host].generation;
        self.schedule(at, Happening::Guardian { host, generation });
        self.look_at(host);
    }

    /// Tells a host's router to stop, and how long it may wait for a peer.
    pub fn stop(&mut self, host: usize, grace: Duration) {
        let wake = self.notice();
        self.hosts[host].stop(grace, wake);
        self.timeline.note(
            self.now,
            name(host),
            format_args!("is told to stop within {grace:?}"),
        );
    }

    /// A check of a host ends so, once.
    pub fn report(&mut self, host: usize, check: vrrp::CheckId, outcome: Outcome) {
        let health = Health {
            outcome: Some(outcome),
            weight: None,
        };
        self.hosts[host].health.insert(check, health);
        let wake = self.notice();
        self.hosts[host].report(check, wake, &mut self.marks);
    }

    /// A host reads its configuration again, which may be another one.
    fn reload(&mut self, host: usize) {
        self.mark(Mark::Reload);
        let change = reload::Change::draw(&mut self.draw, &mut self.plan, host);
        let config = self.plan.hosts[host].config.clone();
        self.timeline.note(
            self.now,
            name(host),
            format_args!("reads its configuration: {change}"),
        );
        if change.comes_or_goes() {
            self.mark(Mark::ComesOrGoes);
        }
        let (now, wake) = (self.now, self.notice());
        self.hosts[host].reload(config, now, wake);
    }

    fn draw_command(&mut self, host: usize) {
        let instances = &self.plan.hosts[host].config.instances;
        if instances.is_empty() {
            return;
        }
        let (instance, _) = instances[self.draw.index(instances.len())];
        let commands = [Command::Drain, Command::Undrain, Command::Release];
        let command = self.draw.pick(&commands);
        self.command(host, instance, command);
    }

    /// Somebody wants an instance of a host to do something.
    pub fn command(&mut self, host: usize, instance: InstanceId, command: Command) {
        self.mark(Mark::Command);
        self.timeline.note(
            self.now,
            name(host),
            format_args!("VI_{} is asked for {command:?}", instance.0),
        );
        let wake = self.notice();
        self.hosts[host].command(instance, command, wake);
    }

    fn change_link(
        &mut self,
        host: usize,
        segment: usize,
        change: impl FnOnce(&mut Link, Sources),
    ) {
        let sources = self.hosts[host].plan.sources[segment];
        let link = &mut self.hosts[host].links[segment];
        change(link, sources);
        let link = *link;
        self.timeline
            .note(self.now, name(host), format_args!("{link:?}"));
        self.tell_link(host, link.interface);
    }

    fn turn_check(&mut self, host: usize) {
        if self.plan.checks.is_empty() {
            return;
        }
        self.mark(Mark::CheckTurns);
        let check = self.draw.pick(&self.plan.checks).id;
        let well = self.draw.chance(500);
        let health = self.draw_health(well);
        self.hosts[host].health.insert(check, health);
        self.timeline.note(
            self.now,
            name(host),
            format_args!("check {} will report {health:?}", check.0),
        );
    }

    fn draw_health(&mut self, well: bool) -> Health {
        let outcomes: &[_] = if well {
            &[Some(Outcome::Passing), Some(Outcome::Warning)]
        } else {
            &[
                Some(Outcome::Failing),
                Some(Outcome::Failing),
                Some(Outcome::Error),
                None,
            ]
        };
        let outcome = self.draw.pick(outcomes);
        let weight = self.draw.chance(200).then(|| self.draw.weight(-60..=60));
        Health { outcome, weight }
    }

    /// Ends every fault, for good. What a host or check is from now on, it stays.
    pub(crate) fn end_faults(&mut self) {
        self.timeline
            .note(self.now, "--", format_args!("faults stop"));
        self.network.calm();
        self.queue.retain(|_, happening| {
            !matches!(
                happening,
                Happening::Incident
                    | Happening::Repair(_)
                    | Happening::Boot { .. }
                    | Happening::StallOver { .. }
            )
        });
        let survivor = self.draw.index(self.hosts.len());
        for host in 0..self.hosts.len() {
            for interface in 0..self.plan.interfaces {
                self.repair(Repair::Interface { host, interface });
            }
            if self.hosts[host].is_stalled() {
                self.hosts[host].wake_now(self.now);
            }
            for check in self.plan.checks.clone() {
                let well = !self.draw.chance(self.plan.faults.unwell_for_good);
                let health = self.draw_health(well);
                self.hosts[host].health.insert(check.id, health);
            }
            self.hosts[host].spare();
            match &self.hosts[host].router {
                Some(router) if router.watched.is_stopping() => {
                    self.schedule(self.now, Happening::Boot { host });
                }
                Some(_) => {}
                None if host != survivor && self.draw.chance(self.plan.faults.lost_for_good) => {
                    self.mark(Mark::DownForGood);
                }
                None => {
                    let at = self.now + self.draw.tenths(self.plan.unit, 0..=20);
                    self.schedule(at, Happening::Boot { host });
                }
            }
        }
    }

    fn note_link(&mut self, segment: usize, what: std::fmt::Arguments<'_>) {
        self.timeline
            .note(self.now, format_args!("[{segment}]"), what);
    }
}
