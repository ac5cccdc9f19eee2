//! Every single failure, one after the other: who takes over, when, and whether it comes back.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use vrrp::{Outcome, State, active_down_interval};

use super::act::{Act, Happens};
use super::owners::{Spell, with_two, without};
use super::report::{milliseconds, node_list};
use super::scene::Scene;
use super::timeline::What;
use super::world::{LATENCY, World};

mod table;

/// A failure does its worst right after an advertisement. Where many instances advertise at many moments, so many are tried.
const MOMENTS_MAX: usize = 16;
/// The longest that is waited for something to settle: delays in a file may be hours long.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// What becomes of each single failure.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct WhatIf {
    failures: Vec<Failure>,
}

/// A failure, and what it does to the instances that it concerns.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Failure {
    /// Such as `crash of master`.
    what: String,
    /// As it is written after `--at`.
    event: String,
    /// Only those of which somebody else gets the addresses, or nobody.
    instances: Vec<Effect>,
}

/// What a failure does to an instance, at the worst of the moments that were tried.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Effect {
    instance: String,
    /// Who had the addresses.
    before: String,
    /// Who has them as long as the failure lasts; nobody when `None`.
    after: Option<String>,
    /// From the failure until its new owner had them.
    taken_over_after_ms: Option<f64>,
    without_owner_ms: f64,
    with_two_ms: f64,
    /// Who has them when the failure has ended.
    finally: Option<String>,
    /// From the end of the failure until its last owner had them; nothing when nobody moved.
    back_after_ms: Option<f64>,
    /// After the failure has ended.
    back_without_owner_ms: f64,
    back_with_two_ms: f64,
    /// What the protocol's formula allows for.
    bound_ms: f64,
    within_bound: bool,
}

/// Something to try.
#[derive(Debug)]
struct Trial {
    what: String,
    event: String,
    fails: Act,
    ends: Act,
}

impl WhatIf {
    /// Tries everything. `tell` hears how many attempts there will be, each time that one has been made.
    pub(crate) fn new(scene: &Scene, tell: impl Fn(usize)) -> Self {
        let wait = patience(scene);
        let moments = moments(scene, wait);
        let trials = trials(scene);
        let of = trials.len() * moments.len();
        let mut failures = Vec::new();
        for trial in trials {
            let mut worst: Vec<Option<Effect>> = vec![None; scene.instances()];
            for moment in &moments {
                for (instance, effect) in attempt(scene, &trial, *moment, wait) {
                    let known = &mut worst[instance];
                    if known.as_ref().is_none_or(|known| effect.is_worse(known)) {
                        *known = Some(effect);
                    }
                }
                tell(of);
            }
            failures.push(Failure {
                what: trial.what,
                event: trial.event,
                instances: worst.into_iter().flatten().collect(),
            });
        }
        Self { failures }
    }

    /// Whether no address is ever without an owner for longer than the protocol needs.
    pub(crate) fn is_within_bounds(&self) -> bool {
        self.beyond_bounds().next().is_none()
    }

    fn beyond_bounds(&self) -> impl Iterator<Item = (&Failure, &Effect)> {
        self.effects().filter(|(_, effect)| !effect.within_bound)
    }

    fn effects(&self) -> impl Iterator<Item = (&Failure, &Effect)> {
        let failures = self.failures.iter();
        failures.flat_map(|failure| {
            failure
                .instances
                .iter()
                .map(move |effect| (failure, effect))
        })
    }
}

impl Effect {
    fn longest_without(&self) -> f64 {
        self.without_owner_ms.max(self.back_without_owner_ms)
    }

    fn is_worse(&self, other: &Self) -> bool {
        let badness = |effect: &Self| {
            let taken = effect.taken_over_after_ms.unwrap_or(f64::MAX);
            (!effect.within_bound, effect.longest_without(), taken)
        };
        badness(self) > badness(other)
    }
}

/// Everything that can fail alone.
fn trials(scene: &Scene) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (node, plan) in scene.nodes.iter().enumerate() {
        let name = &plan.name;
        let mut add = |what: String, event: String, fails, ends| {
            trials.push(Trial {
                what,
                event,
                fails: Act { node, what: fails },
                ends: Act { node, what: ends },
            });
        };
        for (number, check) in plan.setup.checks.iter().enumerate() {
            add(
                format!("check {} on {name}", check.name),
                format!("fail:{}@{name}", check.name),
                Happens::Check(number, Outcome::Failing),
                Happens::Check(number, Outcome::Passing),
            );
        }
        for (number, interface) in plan.router.watched_interfaces().iter().enumerate() {
            add(
                format!("link {interface} of {name}"),
                format!("link-down:{interface}@{name}"),
                Happens::Link(number, false),
                Happens::Link(number, true),
            );
        }
        for (what, event, fails, ends) in [
            ("crash of", "crash", Happens::Crash, Happens::Start),
            ("planned stop of", "stop", Happens::Stop, Happens::Start),
            ("network cut of", "cut", Happens::Cut, Happens::Heal),
        ] {
            add(
                format!("{what} {name}"),
                format!("{event}:{name}"),
                fails,
                ends,
            );
        }
    }
    trials
}

/// How long it takes at most until nothing moves any more, whatever happened.
fn patience(scene: &Scene) -> Duration {
    let mut longest = Duration::ZERO;
    for setup in scene.nodes.iter().map(|node| &node.setup) {
        let checks = setup.checks.iter().map(|check| {
            let runs = u32::from(check.rise.get()) + u32::from(check.fall.get());
            check.interval.saturating_mul(runs + 1)
        });
        let checks = checks.max().unwrap_or_default();
        for instance in setup.instances.iter().map(|plan| &plan.instance) {
            let advertisements = u32::from(instance.down_after.get()) + 2;
            let links = instance.interfaces.iter();
            let links = links.map(|track| track.up_delay + track.down_delay);
            let time = instance
                .advertisement_interval
                .max(Duration::from_secs(1))
                .saturating_mul(2 * advertisements)
                + instance.start_delay
                + instance.preempt_delay
                + links.max().unwrap_or_default();
            longest = longest.max(time + checks);
        }
    }
    longest.min(WAIT_MAX)
}

/// When everything has settled, right after an advertisement of each instance.
fn moments(scene: &Scene, wait: Duration) -> Vec<Duration> {
    let intervals = scene.nodes.iter().flat_map(|node| &node.setup.instances);
    let longest = intervals
        .map(|plan| plan.instance.advertisement_interval)
        .max();
    let mut world = World::new(scene);
    world.run_until(wait + longest.unwrap_or_default());
    // Heard by everybody, and nothing is under way.
    let heard = |at: &Duration| *at + 2 * LATENCY;
    let moments: BTreeSet<Duration> = world.advertised().iter().flatten().map(heard).collect();
    if moments.is_empty() {
        return vec![world.now()];
    }
    let step = moments.len().div_ceil(MOMENTS_MAX);
    moments.into_iter().step_by(step).collect()
}

/// Lets a trial fail at a moment, and end when nothing moves any more. Returns what it does to which instance.
fn attempt(scene: &Scene, trial: &Trial, moment: Duration, wait: Duration) -> Vec<(usize, Effect)> {
    let ends = moment + wait;
    let end = ends + wait;
    let mut world = World::new(scene);
    world.plan(moment, trial.fails, "");
    world.plan(ends, trial.ends, "");
    world.run_until(end);
    let effect = |instance: usize| {
        let owners = &world.owners()[instance];
        let before = last_nodes(&owners.spells(Duration::ZERO, moment));
        let failing = owners.spells(moment, ends);
        let ending = owners.spells(ends, end);
        if failing
            .iter()
            .chain(&ending)
            .all(|spell| spell.nodes == before)
            && !before.is_empty()
        {
            return None;
        }
        let after = last_nodes(&failing);
        let finally = last_nodes(&ending);
        let taken = first_with(&failing, &after).filter(|_| after != before && !after.is_empty());
        let back = first_with(&ending, &finally).filter(|_| finally != after);
        let bound = bound(scene, &world, instance);
        let within = |spells: &[Spell]| {
            let gaps = spells.iter().filter(|spell| spell.nodes.is_empty());
            gaps.map(Spell::length).all(|gap| gap <= bound)
        };
        let named = |nodes: &[usize]| (!nodes.is_empty()).then(|| node_list(scene, nodes));
        Some(Effect {
            instance: scene.instance_name(instance).to_owned(),
            before: named(&before).unwrap_or_else(|| "nobody".to_owned()),
            after: named(&after),
            taken_over_after_ms: taken.map(|at| milliseconds(at.saturating_sub(moment))),
            without_owner_ms: milliseconds(without(&failing)),
            with_two_ms: milliseconds(with_two(&failing)),
            finally: named(&finally),
            back_after_ms: back.map(|at| milliseconds(at.saturating_sub(ends))),
            back_without_owner_ms: milliseconds(without(&ending)),
            back_with_two_ms: milliseconds(with_two(&ending)),
            bound_ms: milliseconds(bound),
            within_bound: !before.is_empty() && within(&failing) && within(&ending),
        })
    };
    (0..scene.instances())
        .filter_map(|instance| Some((instance, effect(instance)?)))
        .collect()
}

/// Who has the addresses at the end of some spells.
fn last_nodes(spells: &[Spell]) -> Vec<usize> {
    spells
        .last()
        .map_or_else(Vec::new, |spell| spell.nodes.clone())
}

/// When all of `nodes` first had the addresses.
fn first_with(spells: &[Spell], nodes: &[usize]) -> Option<Duration> {
    let all = |spell: &&Spell| nodes.iter().all(|node| spell.nodes.contains(node));
    spells.iter().find(all).map(|spell| spell.from)
}

/// The longest that the addresses may be without an owner: `Active_Down_Interval` of RFC 9568 §6.1 with the longest interval of
/// all nodes and the lowest priority with which one of them took over; that of the slowest member in a sync group.
fn bound(scene: &Scene, world: &World<'_>, instance: usize) -> Duration {
    let groups = scene.nodes.first().map(|node| &node.setup.groups);
    let group = groups
        .into_iter()
        .flatten()
        .find(|plan| plan.group.members.contains(&instance));
    let members = group.map_or_else(|| vec![instance], |plan| plan.group.members.clone());
    let own = |member: usize| {
        let took_over = world.timeline().iter().filter_map(|entry| {
            let What::State {
                instance,
                after: State::Active,
                priority,
                ..
            } = &entry.what
            else {
                return None;
            };
            (*instance == member).then_some(*priority)
        });
        let lowest = took_over.min().unwrap_or(1);
        let plans = scene.nodes.iter();
        let plans = plans.filter_map(|node| node.setup.instances.get(member));
        let plans: Vec<_> = plans.map(|plan| &plan.instance).collect();
        let interval = plans.iter().map(|plan| plan.advertisement_interval).max();
        let intervals = plans.iter().map(|plan| {
            let interval = interval.unwrap_or_default();
            active_down_interval(plan.version, plan.down_after, lowest, interval)
        });
        intervals.max().unwrap_or_default()
    };
    let slowest = members.into_iter().map(own).max().unwrap_or_default();
    slowest + 2 * LATENCY
}
