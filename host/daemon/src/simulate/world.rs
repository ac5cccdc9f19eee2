//! Every node of a scene in one virtual time: what happens, in its order, and what comes of it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use vrrp::{Event, Instant, Router, Signer, UnixTime};

use super::act::{Act, Happens};
use super::node::{Datagram, Node};
use super::owners::Owners;
use super::scene::Scene;
use super::timeline::{Entry, What};
use crate::router::YIELD_GRACE;

mod perform;

/// How long a datagram is on its way.
pub(crate) const LATENCY: Duration = Duration::from_micros(100);

/// The instant at which everything begins. Not the clock's origin: nothing has been going on since then.
const BEGIN: Instant = Instant::from_nanos(3_600_000_000_000);
/// What all clocks show then, for signatures: some day in 2027.
const WALL: u64 = 1_800_000_000_000_000_000;

/// A simulation under way.
#[derive(Debug)]
pub(crate) struct World<'a> {
    scene: &'a Scene,
    now: Instant,
    queue: BTreeMap<(Instant, u64), Happening>,
    queued: u64,
    nodes: Vec<Node<'a>>,
    timeline: Vec<Entry>,
    /// By instance.
    owners: Vec<Owners>,
    /// When somebody last advertised an instance, by instance.
    advertised: Vec<Option<Duration>>,
}

/// What happens at an instant, beside timers.
#[derive(Debug)]
enum Happening {
    Asked {
        act: Act,
        words: String,
    },
    Arrival {
        to: usize,
        interface: usize,
        datagram: Rc<Datagram>,
    },
    CheckRuns {
        node: usize,
        check: usize,
        round: u64,
    },
}

impl<'a> World<'a> {
    /// Every node is started at the same moment, and nothing is wrong.
    pub(crate) fn new(scene: &'a Scene) -> Self {
        let mut world = Self {
            scene,
            now: BEGIN,
            queue: BTreeMap::new(),
            queued: 0,
            nodes: scene.nodes.iter().map(Node::new).collect(),
            timeline: Vec::new(),
            owners: vec![Owners::default(); scene.instances()],
            advertised: vec![None; scene.instances()],
        };
        for node in 0..world.nodes.len() {
            world.start(node);
        }
        world
    }

    /// Plans something. `words` tell what, in the timeline.
    pub(crate) fn plan(&mut self, at: Duration, act: Act, words: &str) {
        let words = words.to_owned();
        self.schedule(BEGIN + at, Happening::Asked { act, words });
    }

    /// Lets time pass, until it is `end` since the beginning.
    pub(crate) fn run_until(&mut self, end: Duration) {
        let end = BEGIN + end;
        loop {
            let happens = self.queue.first_key_value().map(|((at, _), _)| *at);
            let nodes = self.nodes.iter().enumerate();
            let wakes = nodes.filter_map(|(number, node)| Some((node.wakes_at(self.now)?, number)));
            // Like the driver: what has arrived goes before a timer that is due at the same instant.
            match (happens, wakes.min()) {
                (Some(at), wakes) if at <= end && wakes.is_none_or(|(wake, _)| at <= wake) => {
                    self.happen();
                }
                (_, Some((wake, node))) if wake <= end => {
                    self.now = wake;
                    if let Some(core) = &mut self.nodes[node].core {
                        core.handle_timeout(wake);
                    }
                    self.perform(node);
                }
                _ => break,
            }
        }
        self.now = self.now.max(end);
    }

    /// Time since the beginning.
    pub(crate) fn now(&self) -> Duration {
        self.now.saturating_duration_since(BEGIN)
    }

    /// What happened so far.
    pub(crate) fn timeline(&self) -> &[Entry] {
        &self.timeline
    }

    /// Who had the addresses of each instance so far.
    pub(crate) fn owners(&self) -> &[Owners] {
        &self.owners
    }

    /// When each instance was last advertised.
    pub(crate) fn advertised(&self) -> &[Option<Duration>] {
        &self.advertised
    }

    fn schedule(&mut self, at: Instant, happening: Happening) {
        self.queued += 1;
        self.queue.insert((at, self.queued), happening);
    }

    fn note(&mut self, node: usize, what: What) {
        let at = self.now();
        self.timeline.push(Entry { at, node, what });
    }

    fn wall(&self) -> UnixTime {
        let since = u64::try_from(self.now().as_nanos()).unwrap_or(u64::MAX);
        UnixTime::from_nanos(WALL.saturating_add(since))
    }

    fn happen(&mut self) {
        let Some(((at, _), happening)) = self.queue.pop_first() else {
            return;
        };
        self.now = self.now.max(at);
        match happening {
            Happening::Asked { act, words } => {
                self.note(act.node, What::Asked { act, words });
                self.act(act);
                self.look();
            }
            Happening::Arrival {
                to,
                interface,
                datagram,
            } => {
                // Somebody may have cut it off while the datagram was on its way.
                if self.nodes[to].is_reachable(interface) {
                    self.nodes[to].receive(at, interface, &datagram);
                    self.perform(to);
                }
            }
            Happening::CheckRuns { node, check, round } => self.check_runs(node, check, round),
        }
    }

    fn check_runs(&mut self, node: usize, check: usize, round: u64) {
        let host = &mut self.nodes[node];
        if host.core.is_none() || host.rounds.get(check) != Some(&round) {
            return;
        }
        if host.frozen {
            host.missed.insert(check);
            return;
        }
        host.run_check(self.now, check);
        let interval = host.plan.setup.checks.get(check).map(|plan| plan.interval);
        self.perform(node);
        if let Some(interval) = interval {
            let at = self.now + interval;
            self.schedule(at, Happening::CheckRuns { node, check, round });
        }
    }

    /// A check runs now, and then in its interval.
    fn begin_check(&mut self, node: usize, check: usize) {
        let Some(round) = self.nodes[node].rounds.get_mut(check) else {
            return;
        };
        *round += 1;
        let round = *round;
        self.schedule(self.now, Happening::CheckRuns { node, check, round });
    }

    /// Its daemon starts: the router takes part, hears of its interfaces, and the checks run.
    fn start(&mut self, node: usize) {
        let config = self.nodes[node].plan.router.router_config();
        // That it can be run was seen when the scene was made.
        let Ok(core) = Router::new(config) else {
            return;
        };
        self.note(node, What::Starts);
        self.nodes[node].core = Some(core);
        self.nodes[node].signer = Signer::default();
        self.nodes[node].handle(self.now, Event::Startup);
        self.perform(node);
        for interface in 0..self.nodes[node].links.len() {
            self.nodes[node].tell_link(self.now, interface);
            self.perform(node);
        }
        for check in 0..self.nodes[node].rounds.len() {
            self.begin_check(node, check);
        }
    }

    fn act(&mut self, act: Act) {
        let Act { node, what } = act;
        let host = &mut self.nodes[node];
        match what {
            Happens::Check(check, outcome) => {
                host.set_outcome(check, outcome);
                self.begin_check(node, check);
            }
            Happens::Crash => {
                if host.core.take().is_none() {
                    return self.note(node, What::InVain("it does not run"));
                }
                host.frozen = false;
                host.missed.clear();
                for instance in std::mem::take(&mut host.holds) {
                    self.note(node, What::HasNoLonger(instance));
                }
            }
            Happens::Start if host.core.is_some() => {
                self.note(node, What::InVain("it runs already"));
            }
            Happens::Start => self.start(node),
            Happens::Stop if host.is_awake() => {
                host.handle(self.now, Event::Shutdown { grace: YIELD_GRACE });
                self.perform(node);
            }
            Happens::Command(instance, command) if host.is_awake() => {
                if let Some(id) = host.instance_id(instance) {
                    host.handle(self.now, Event::Command(id, command));
                    self.perform(node);
                }
            }
            Happens::Stop | Happens::Command(..) => {
                self.note(node, What::InVain("nobody answers there"));
            }
            Happens::Cut => host.cut = true,
            Happens::Heal => host.cut = false,
            Happens::Link(interface, up) => {
                if let Some(link) = host.links.get_mut(interface) {
                    link.up = up;
                }
                // A host that stands still hears of it later.
                if !host.frozen {
                    host.tell_link(self.now, interface);
                    self.perform(node);
                }
            }
            Happens::Freeze if host.is_awake() => host.frozen = true,
            Happens::Freeze => self.note(node, What::InVain("it does not run")),
            Happens::Thaw => self.thaw(node),
        }
    }

    /// It finds out what happened meanwhile.
    fn thaw(&mut self, node: usize) {
        let host = &mut self.nodes[node];
        if !std::mem::take(&mut host.frozen) {
            return self.note(node, What::InVain("it does not stand still"));
        }
        let missed = std::mem::take(&mut host.missed);
        for interface in 0..host.links.len() {
            self.nodes[node].tell_link(self.now, interface);
            self.perform(node);
        }
        for check in missed {
            self.begin_check(node, check);
        }
    }

    /// Takes note of who has the addresses of each instance and can be reached.
    fn look(&mut self) {
        let now = self.now();
        for instance in 0..self.owners.len() {
            let has = |node: &Node<'_>| {
                let plan = node.plan.setup.instances.get(instance);
                let interface = plan.and_then(|plan| node.plan.interface(&plan.instance.interface));
                node.holds.contains(&instance)
                    && interface.is_some_and(|interface| node.is_reachable(interface))
            };
            let nodes = self.nodes.iter().enumerate();
            let owners = nodes
                .filter(|(_, node)| has(node))
                .map(|(number, _)| number);
            let owners = owners.collect();
            self.owners[instance].look(now, owners);
        }
    }
}
