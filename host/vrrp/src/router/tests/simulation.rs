//! Two routers on one link in virtual time.

use alloc::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{Advertise, Transition};

const LATENCY: Duration = Duration::from_micros(100);
const ADDRESSES: [Ipv4Addr; 2] = [LOW_PEER, HIGH_PEER];

/// Decides the fate of the nth packet on the link: true loses it.
type Loss<'a> = dyn Fn(usize) -> bool + 'a;

struct Simulation<'a> {
    now: Instant,
    nodes: [Option<Router>; 2],
    wire: BTreeMap<(Instant, usize), (usize, Advertise)>,
    sent: usize,
    lost: &'a Loss<'a>,
    last_sent: [Instant; 2],
    /// Node, when, after, why.
    transitions: Vec<(usize, Instant, State, Reason)>,
}

impl<'a> Simulation<'a> {
    fn new(lost: &'a Loss<'a>) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        Self {
            now,
            nodes: [None, None],
            wire: BTreeMap::new(),
            sent: 0,
            lost,
            last_sent: [now; 2],
            transitions: Vec::new(),
        }
    }

    fn start(&mut self, node: usize, config: InstanceConfig) {
        self.nodes[node] = Some(Router::new(one(config)).unwrap());
        self.event(node, link(true, Some(ADDRESSES[node])));
        self.event(node, Event::Startup);
    }

    fn crash(&mut self, node: usize) {
        self.nodes[node] = None;
    }

    fn event(&mut self, node: usize, event: Event<'_>) {
        if let Some(router) = &mut self.nodes[node] {
            router.handle(self.now, event);
            self.perform(node);
        }
    }

    fn perform(&mut self, node: usize) {
        while let Some(action) = self.nodes[node].as_mut().and_then(Router::poll_action) {
            match action {
                Action::Advertise(advertise) => {
                    self.last_sent[node] = self.now;
                    self.sent += 1;
                    if !(self.lost)(self.sent) {
                        self.wire
                            .insert((self.now + LATENCY, self.sent), (1 - node, advertise));
                    }
                }
                Action::Claim(_) => self.event(node, address(true)),
                Action::StateChanged(transition) => {
                    let Transition { after, reason, .. } = transition;
                    self.transitions.push((node, self.now, after, reason));
                }
                Action::Release(_)
                | Action::Announce { .. }
                | Action::GroupChanged(_)
                | Action::PriorityChanged { .. }
                | Action::CheckChanged(_)
                | Action::Discarded { .. }
                | Action::PeerDiffers { .. } => {}
            }
        }
    }

    /// Lets time pass; packets that arrive go before timers that are due.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let arrival = self.wire.first_key_value().map(|((at, _), _)| *at);
            let routers = self.nodes.iter().flatten();
            let deadline = routers
                .filter_map(Router::poll_timeout)
                .map(|deadline| deadline.at)
                .min();
            let Some(next) = arrival
                .into_iter()
                .chain(deadline)
                .min()
                .filter(|next| *next <= end)
            else {
                self.now = end;
                return;
            };
            self.now = next;
            if arrival == Some(next) {
                let (_, (to, advertise)) = self.wire.pop_first().unwrap();
                self.event(
                    to,
                    Event::Packet(Packet {
                        interface: INTERFACE,
                        source: advertise.source,
                        destination: advertise.destination,
                        ttl: Some(255),
                        payload: &advertise.payload,
                        at: WALL,
                    }),
                );
            } else {
                for node in 0..self.nodes.len() {
                    if let Some(router) = &mut self.nodes[node] {
                        router.handle_timeout(next);
                        self.perform(node);
                    }
                }
            }
        }
    }

    fn states(&self) -> [Option<State>; 2] {
        let state = |router: &Router| router.instance(INSTANCE).unwrap().state;
        self.nodes
            .each_ref()
            .map(|router| router.as_ref().map(state))
    }

    /// The transitions since the last call.
    fn news(&mut self) -> Vec<(usize, Instant, State, Reason)> {
        core::mem::take(&mut self.transitions)
    }
}

const NO_LOSS: &Loss<'_> = &|_| false;
const FIRST_ACTIVE: [Option<State>; 2] = [Some(State::Active), Some(State::Backup)];
const SECOND_ACTIVE: [Option<State>; 2] = [Some(State::Backup), Some(State::Active)];

fn with_interval(priority: u8, milliseconds: u64) -> InstanceConfig {
    let advertisement_interval = Duration::from_millis(milliseconds);
    InstanceConfig {
        advertisement_interval,
        ..instance(priority)
    }
}

/// Two routers after their first election.
fn elected<'a>(priorities: [u8; 2], milliseconds: u64, lost: &'a Loss<'a>) -> Simulation<'a> {
    let mut simulation = Simulation::new(lost);
    for (node, priority) in priorities.into_iter().enumerate() {
        simulation.start(node, with_interval(priority, milliseconds));
    }
    simulation.run(Duration::from_millis(milliseconds) * 10);
    simulation.news();
    simulation
}

#[test]
fn crash_is_noticed_at_exactly_the_formula() {
    for milliseconds in [1_000, 100, 10] {
        for priority in [1, 99, 199] {
            let mut simulation = elected([200, priority], milliseconds, NO_LOSS);
            assert_eq!(simulation.states(), FIRST_ACTIVE);
            simulation.crash(0);
            let interval = Duration::from_millis(milliseconds);
            let three = core::num::NonZeroU8::new(3).unwrap();
            let down = crate::active_down_interval(Version::V3, three, priority, interval);
            let expected = simulation.last_sent[0] + LATENCY + down;
            simulation.run(interval * 5);
            let reason = Reason::ActiveDown(Some(ADDRESSES[0].into()));
            assert_eq!(simulation.news(), [(1, expected, State::Active, reason)]);
        }
    }
}

#[test]
fn planned_stop_costs_one_skew_time() {
    let mut simulation = elected([200, 100], 1_000, NO_LOSS);
    let expected = simulation.now + LATENCY + Duration::from_nanos(609_375_000);
    simulation.event(
        0,
        Event::Shutdown {
            grace: Duration::ZERO,
        },
    );
    simulation.news();
    simulation.run(Duration::from_secs(2));
    let reason = Reason::ActiveReleased(ADDRESSES[0].into());
    assert_eq!(simulation.news(), [(1, expected, State::Active, reason)]);
}

#[test]
fn a_better_router_preempts_unless_told_not_to() {
    for preempt in [true, false] {
        let mut simulation = Simulation::new(NO_LOSS);
        simulation.start(1, instance(100));
        simulation.run(Duration::from_secs(10));
        simulation.news();
        let start = simulation.now;
        simulation.start(
            0,
            InstanceConfig {
                preempt,
                ..instance(200)
            },
        );
        simulation.run(Duration::from_secs(10));
        let mut news = simulation.news();
        assert_eq!(news.remove(0), (0, start, State::Backup, Reason::Startup));
        if preempt {
            let takeover = start + Duration::from_nanos(3_218_750_000);
            let preempting = Reason::Preempting {
                source: ADDRESSES[1].into(),
                priority: 100,
            };
            let beaten = Reason::HigherPriority {
                source: ADDRESSES[0].into(),
                priority: 200,
            };
            let expected = [
                (0, takeover, State::Active, preempting),
                (1, takeover + LATENCY, State::Backup, beaten),
            ];
            assert_eq!(news, expected);
        } else {
            assert_eq!(news, []);
            assert_eq!(simulation.states(), SECOND_ACTIVE);
        }
    }
}

#[test]
fn equal_priorities_are_settled_by_address() {
    let mut simulation = elected([100, 100], 1_000, NO_LOSS);
    assert_eq!(simulation.states(), SECOND_ACTIVE);
    simulation.run(Duration::from_secs(60));
    assert_eq!(simulation.news(), []);
}

#[test]
fn two_lost_advertisements_are_survived_and_three_are_not() {
    let two_of_three = |n: usize| n > 10 && !n.is_multiple_of(3);
    let mut simulation = elected([200, 100], 1_000, &two_of_three);
    simulation.run(Duration::from_secs(300));
    assert_eq!(simulation.news(), []);
    assert_eq!(simulation.states(), FIRST_ACTIVE);

    let three_of_four = |n: usize| n > 10 && !n.is_multiple_of(4);
    let mut simulation = elected([200, 100], 1_000, &three_of_four);
    simulation.run(Duration::from_secs(30));
    let (node, _, state, reason) = simulation.news()[0];
    assert_eq!((node, state), (1, State::Active));
    assert_eq!(reason, Reason::ActiveDown(Some(ADDRESSES[0].into())));
}

#[test]
fn a_failing_check_moves_the_address_there_and_back() {
    let mut simulation = Simulation::new(NO_LOSS);
    simulation.start(0, tracking(100, OnFail::Fault));
    simulation.event(0, report(Outcome::Passing));
    simulation.start(1, instance(99));
    simulation.run(Duration::from_secs(10));
    assert_eq!(simulation.states(), FIRST_ACTIVE);

    let failed = simulation.now;
    simulation.news();
    simulation.event(0, report(Outcome::Failing));
    simulation.run(Duration::from_secs(1));
    // (256 - 99) / 256 s
    let takeover = failed + LATENCY + Duration::from_nanos(613_281_250);
    let released = Reason::ActiveReleased(ADDRESSES[0].into());
    let expected = [
        (0, failed, State::Fault, Reason::CheckDown(CHECK)),
        (1, takeover, State::Active, released),
    ];
    assert_eq!(simulation.news(), expected);

    simulation.event(0, report(Outcome::Passing));
    simulation.run(Duration::from_secs(5));
    assert_eq!(simulation.states(), FIRST_ACTIVE);
    let why: Vec<_> = simulation
        .news()
        .into_iter()
        .map(|(node, _, state, _)| (node, state))
        .collect();
    assert_eq!(
        why,
        [(0, State::Backup), (0, State::Active), (1, State::Backup)]
    );
}

#[test]
fn a_partition_heals_at_the_next_advertisement() {
    let cut = core::cell::Cell::new(false);
    let lost = |_| cut.get();
    let mut simulation = elected([200, 100], 1_000, &lost);
    cut.set(true);
    simulation.run(Duration::from_secs(10));
    assert_eq!(
        simulation.states(),
        [Some(State::Active); 2],
        "each is alone"
    );
    cut.set(false);
    let healed = simulation.now;
    simulation.news();
    simulation.run(Duration::from_secs(10));
    assert_eq!(simulation.states(), FIRST_ACTIVE);
    let (node, at, ..) = simulation.news()[0];
    assert_eq!(node, 1);
    assert!(at.saturating_duration_since(healed) <= Duration::from_secs(1) + LATENCY);
}

proptest! {
    /// Safety while packets get lost cannot be had without a quorum; liveness once they no longer do can.
    #[test]
    fn exactly_one_is_active_once_the_link_works(
        losses in prop::collection::vec(any::<bool>(), 200),
        priorities in any::<[core::num::NonZeroU8; 2]>(),
        late_start in 0..5_000_u64,
    ) {
        let lost = |n: usize| losses.get(n).copied().unwrap_or(false);
        let mut simulation = Simulation::new(&lost);
        simulation.start(0, instance(priorities[0].get()));
        simulation.run(Duration::from_millis(late_start));
        simulation.start(1, instance(priorities[1].get()));
        // One advertisement a second at least, until all losses are used up.
        simulation.run(Duration::from_secs(205));
        simulation.news();
        simulation.run(Duration::from_secs(60));
        let changes = simulation.news();
        prop_assert_eq!(changes, []);
        let expected = match priorities[0].cmp(&priorities[1]) {
            core::cmp::Ordering::Greater => Some(FIRST_ACTIVE),
            core::cmp::Ordering::Less => Some(SECOND_ACTIVE),
            core::cmp::Ordering::Equal => None,
        };
        let states = simulation.states();
        match expected {
            Some(expected) => prop_assert_eq!(states, expected),
            None => prop_assert!(states == FIRST_ACTIVE || states == SECOND_ACTIVE),
        }
    }
}
