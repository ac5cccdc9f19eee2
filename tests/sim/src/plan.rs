//! What a seed makes of the world: every option of every host, and which faults happen.

mod authentication;
mod faults;
mod instances;
mod options;
pub(crate) mod reload;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vrrp::{
    CheckConfig, CheckId, InstanceConfig, InstanceId, InterfaceId, Link, OnError, RouterConfig,
};

use authentication::change_key;
pub(crate) use faults::{Faults, Incident};

use crate::draw::Draw;

/// Everything that is decided before time begins.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the decisions come from.
    pub seed: u64,
    pub(crate) hosts: Vec<HostPlan>,
    /// Links that every host has an interface on; the interface's number is the link's.
    pub(crate) segments: usize,
    /// Interfaces of every host; those beyond the links lead elsewhere, and are only tracked.
    pub(crate) interfaces: usize,
    pub(crate) checks: Vec<CheckPlan>,
    /// What everything else is measured in: the shortest advertisement interval.
    pub(crate) unit: Duration,
    pub(crate) calm: Calm,
    pub(crate) faults: Faults,
    /// How long faults happen.
    pub(crate) unrest: Duration,
    /// Routers between the hosts of a virtual router that knows its peers.
    pub(crate) hops: u8,
    /// Whether advertisements of somebody else are among the noise, because nobody accepts them.
    pub(crate) strangers: bool,
    /// How far the clocks of two hosts are apart, at most.
    pub(crate) clock_spread: Duration,
    /// The longest interval that a reload has made some host advertise.
    pub(crate) longest: BTreeMap<InstanceId, Duration>,
}

#[derive(Clone, Debug)]
pub(crate) struct HostPlan {
    pub(crate) config: RouterConfig,
    /// By interface.
    pub(crate) sources: Vec<Sources>,
    /// Instances that a reload took away, and another one may bring back.
    pub(crate) shelf: Vec<(InstanceId, InstanceConfig)>,
}

/// The addresses that a host may advertise from on an interface: those it starts with, and those it may be given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources {
    pub(crate) first: (Ipv4Addr, Ipv6Addr),
    pub(crate) second: (Ipv4Addr, Ipv6Addr),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckPlan {
    pub(crate) id: CheckId,
    pub(crate) config: CheckConfig,
    pub(crate) interval: Duration,
}

/// How a world behaves in which nothing is wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calm {
    /// Time of a packet on a link: shortest and longest.
    pub(crate) delay: (Duration, Duration),
    /// How late a host notices what happens, at most.
    pub(crate) lateness: Duration,
    /// Until a claimed address is there, at most. Also until news of an interface arrive.
    pub(crate) netlink: Duration,
    /// Until the supervisor acts for a dead router, at most.
    pub(crate) guardian: Duration,
}

impl Plan {
    /// The plan of a seed.
    pub fn draw(seed: u64) -> Self {
        let mut draw = Draw::new(seed);
        let milliseconds = [10, 20, 50, 100, 250, 1_000, 1_000, 2_000, 5_000];
        let unit = Duration::from_millis(draw.pick(&milliseconds));
        let calm = Calm::draw(&mut draw, unit);
        let segments = if draw.chance(250) { 2 } else { 1 };
        let checks: Vec<_> = (0..u32::from(draw.number(0..=3)))
            .map(|id| CheckPlan::draw(&mut draw, CheckId(id), unit))
            .collect();
        let count = usize::from(draw.number(2..=5));
        let mut configs = instances::draw(&mut draw, count, segments, unit, &calm, &checks);
        let uplinks = if draw.chance(300) { 1 } else { 0 };
        let interfaces = segments + uplinks;
        options::track_interfaces(&mut draw, &mut configs, interfaces, unit);
        let grouped = draw.chance(250);
        if grouped {
            options::group(&mut draw, &mut configs, segments);
        }
        let sources = draw_sources(&mut draw, count, interfaces);
        let unicast = draw.chance(200);
        let hops = if unicast {
            draw.pick(&[0, 0, 1, 60])
        } else {
            0
        };
        let strangers = !unicast && draw.chance(200);
        if unicast {
            options::speak_one_by_one(&mut draw, &mut configs, &sources, hops);
        } else if strangers {
            options::accept_nobody_else(&mut configs, &sources);
        }
        let clock_spread = authentication::clock_spread(&configs);
        let hosts = configs.into_iter().zip(sources);
        let hosts: Vec<_> = hosts
            .map(|(config, sources)| HostPlan {
                config,
                sources,
                shelf: Vec::new(),
            })
            .collect();
        let mut faults = Faults::draw(&mut draw, unit);
        if unicast {
            faults
                .incidents
                .retain(|incident| *incident != Incident::Renumber);
        }
        let unrest = draw.tenths(unit, 200..=1200);
        Self {
            seed,
            hosts,
            segments,
            interfaces,
            checks,
            unit,
            calm,
            faults,
            unrest,
            hops,
            strangers,
            clock_spread,
            longest: BTreeMap::new(),
        }
    }

    /// A plan in which nothing happens by itself: one link with a fixed delay, hosts that are never late.
    pub fn by_hand(delay: Duration, configs: Vec<RouterConfig>) -> Self {
        let unit = configs
            .iter()
            .flat_map(|config| &config.instances)
            .map(|(_, config)| config.advertisement_interval)
            .min()
            .unwrap_or(Duration::from_secs(1));
        let hosts = (1..).zip(configs).map(|(rank, config)| HostPlan {
            config,
            sources: vec![Sources::of(0, rank)],
            shelf: Vec::new(),
        });
        Self {
            seed: 0,
            hosts: hosts.collect(),
            segments: 1,
            interfaces: 1,
            checks: Vec::new(),
            unit,
            calm: Calm {
                delay: (delay, delay),
                lateness: Duration::ZERO,
                netlink: Duration::ZERO,
                guardian: Duration::ZERO,
            },
            faults: Faults::none(),
            unrest: Duration::ZERO,
            hops: 0,
            strangers: false,
            clock_spread: Duration::ZERO,
            longest: BTreeMap::new(),
        }
    }
}

impl Calm {
    fn draw(draw: &mut Draw, unit: Duration) -> Self {
        let share = |draw: &mut Draw| unit / draw.pick(&[8, 16, 50, 200, 1_000, 2_000]);
        let longest = share(draw);
        let shortest = if draw.chance(300) {
            longest
        } else {
            longest / 10
        };
        let lateness = if draw.chance(300) {
            Duration::ZERO
        } else {
            share(draw) / 2
        };
        Self {
            delay: (shortest, longest),
            lateness,
            netlink: unit / draw.pick(&[2, 20, 1_000]),
            guardian: unit / draw.pick(&[1, 5, 50]),
        }
    }

    /// The longest time from when something is due on one host until another one has taken note of it: it is sent
    /// late, is on its way, and is noticed late.
    pub(crate) fn reaction(&self) -> Duration {
        self.lateness + self.delay.1 + self.lateness
    }
}

impl CheckPlan {
    fn draw(draw: &mut Draw, id: CheckId, unit: Duration) -> Self {
        let interval = unit * u32::from(draw.number(1..=4));
        let run = |draw: &mut Draw| draw.pick(&[1_u16, 1, 2, 3]).try_into().expect("not 0");
        let config = CheckConfig {
            rise: run(draw),
            fall: run(draw),
            on_error: draw.pick(&[OnError::Hold, OnError::Fail]),
            error_hold: u16::from(draw.number(0..=3)),
            stale_after: interval * u32::from(draw.number(2..=4)),
        };
        Self {
            id,
            config,
            interval,
        }
    }

    /// How long it takes a check, at most, until it counts as what it now always reports.
    pub(crate) fn settles_within(&self) -> Duration {
        let CheckConfig {
            rise,
            fall,
            error_hold,
            stale_after,
            ..
        } = self.config;
        let reports = u32::from(rise.get().max(fall.get()).max(error_hold + 1)) + 1;
        // A report that is missing is noticed after `stale_after`, which is longer than the interval.
        stale_after * reports
    }
}

impl Sources {
    /// Those of the host with this rank among the addresses of a link: the higher one wins a tie.
    fn of(segment: u8, rank: u8) -> Self {
        let link_local = |net: u8, host: u8| {
            Ipv6Addr::new(0xfe80, 0, 0, 0, segment.into(), 0, net.into(), host.into())
        };
        Self {
            first: (Ipv4Addr::new(10, segment, 1, rank), link_local(1, rank)),
            second: (
                Ipv4Addr::new(10, segment, rank % 3, 100 + rank),
                link_local(rank % 3, 100 + rank),
            ),
        }
    }

    pub(crate) fn link(&self, interface: InterfaceId) -> Link {
        Link {
            interface,
            up: true,
            primary: Some(self.first.0),
            link_local: Some(self.first.1),
            known_as: Some(self.first.0.into()),
        }
    }
}

/// Which host has the higher address is not to follow from its number, and may be another one on each link.
fn draw_sources(draw: &mut Draw, hosts: usize, segments: usize) -> Vec<Vec<Sources>> {
    let mut sources = vec![Vec::new(); hosts];
    let mut ranks: Vec<u8> = (1..).take(hosts).collect();
    for segment in (0..).take(segments) {
        draw.shuffle(&mut ranks);
        for (sources, rank) in sources.iter_mut().zip(ranks.iter().copied()) {
            sources.push(Sources::of(segment, rank));
        }
    }
    sources
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Calm {
            delay, lateness, ..
        } = self.calm;
        writeln!(
            f,
            "{} hosts on {} link(s); packets take {:?} to {:?}, hosts notice within {lateness:?}; faults for {:?}:",
            self.hosts.len(),
            self.segments,
            delay.0,
            delay.1,
            self.unrest
        )?;
        writeln!(f, "  {}", self.faults)?;
        for (number, host) in self.hosts.iter().enumerate() {
            for (id, config) in &host.config.instances {
                let source = host.sources[config.interface.0 as usize].first;
                let address = config.addresses[0].address;
                let source: std::net::IpAddr = if address.is_ipv4() {
                    source.0.into()
                } else {
                    source.1.into()
                };
                writeln!(
                    f,
                    "  {}: VI_{} vrid {} {address} on link {} from {source}, {:?}, priority {}, every {:?}, down after {}, {}, tracks {:?}",
                    crate::world::name(number),
                    id.0,
                    config.virtual_router_id.0,
                    config.interface.0,
                    config.version,
                    config.priority,
                    config.advertisement_interval,
                    config.down_after,
                    if config.preempt { "preempts" } else { "waits" },
                    config
                        .tracks
                        .iter()
                        .map(|track| (track.check.0, track.on_fail))
                        .collect::<Vec<_>>(),
                )?;
            }
        }
        for check in &self.checks {
            writeln!(
                f,
                "  check {} every {:?}: {:?}",
                check.id.0, check.interval, check.config
            )?;
        }
        Ok(())
    }
}
