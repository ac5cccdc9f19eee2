//! Liveness: once faults have stopped, there is exactly one Active router, it is the right one, and it stays.
//!
//! # The bound
//!
//! Let nothing change any more: every host takes part or does not, priorities and addresses stay, packets arrive within `delay`,
//! hosts are at most `lateness` late. Let *A* be the longest Advertisement_Interval that anybody advertises, and *D* the longest
//! Active_Down_Interval at *A* (RFC 9568 §6.1), since a Backup may have learned *A* from a router that is gone.
//!
//! 1. Let *b* be the router with the highest priority among those that preempt. Its timer runs, for *D* at most, unless it is reset
//!    by an advertisement with at least its own priority (§6.4.2). So after *D* + lateness either *b* is Active, or some router
//!    with at least its priority was Active when it sent what *b* heard. Without a router that preempts the same is true of any
//!    Backup and any advertisement.
//! 2. An Active router steps down only for one that outranks it (§6.4.3), so from then on there always is an Active router with at least
//!    that priority, and its advertisements reset the timer of every Backup. Others may have become Active before they
//!    heard its first one, within delay + lateness.
//! 3. All but the greatest of those step down within *A* + lateness + delay + lateness ([`rivals`](crate::rivals)).
//!
//! Together: *D* + *A* + 2 delay + 4 lateness.
//!
//! With a preempt_delay *P*, some router with a lower priority may have become Active within *D* instead. Then *b* follows it for *P* from
//! its first advertisement on, which arrives within lateness + delay + lateness, is reset by it for the last time just before
//! that is over, and takes over after another *D*: *P* + *D* + *A* + lateness + delay + lateness more.
//!
//! # Intervals that differ
//!
//! A Backup that hears two Active routers learns the interval of the one it heard last (§6.4.2). When that one steps down and was
//! the faster one, the Backup expects advertisements more often than the remaining router sends them, takes over for nothing, and
//! is put right by the next advertisement it hears. Others may have heard *its* interval in the same way. Each such round needs
//! two advertisements to overtake each other between three hosts, so there is no certain bound but an ever smaller
//! chance of one more round. [`ROUNDS`] is what is granted, with one bound for each.
//!
//! # Sync groups
//!
//! A group takes over when the timer of its last member expires, and gives up when its first member is outranked; its
//! members have the same configuration and priority. Two groups that are Active at once may each lose a member before they heard
//! of the other's loss; both are Backup then, and their timers, which are no longer in step, decide. That too is a
//! round, of which [`GROUP_ROUNDS`] are granted.

use std::collections::BTreeMap;
use std::time::Duration;

use vrrp::{
    CheckId, InstanceId, Instant, OnError, OnFail, Outcome, Standing, State, UNKNOWN_WEIGHT,
};

use crate::breach::{Breach, promise};
use crate::host::Running;
use crate::marks::Mark;
use crate::plan::{Incident, Plan};
use crate::timers::{Moment, active_down_interval, patience_with_peers, preempt_delay, preempts};
use crate::world::{Violation, World, name};

/// Bounds that are granted to hosts with different intervals.
const ROUNDS: u32 = 8;

/// Bounds that are granted to sync groups.
const GROUP_ROUNDS: u32 = 3;

/// A host's share in the elections of an instance.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    host: usize,
    moment: Moment,
    preempts: bool,
}

/// Ends all faults, lets the hosts settle and holds them to it.
pub(crate) fn check(world: &mut World) -> Result<(), Violation> {
    world.end_faults();
    let arrived_by = world.now + under_way(&world.plan);
    let settled_by = world.now + settles_within(&world.plan);
    let ids = instances(&world.plan);
    let longest = ids.iter().map(|id| bound(&world.plan, *id, |_| 1));
    let longest = longest.max().unwrap_or_default();
    world.news();
    world.run_until(settled_by + longest * 2)?;

    let now = world.now;
    let failed = |host, breach| Violation {
        at: now,
        host,
        breach,
    };
    for host in 0..world.hosts.len() {
        check_tracks(world, host).map_err(|breach| failed(Some(host), breach))?;
    }
    let news = world.news();
    for id in ids {
        check_winner(world, id).map_err(|breach| failed(None, breach))?;
        let changed = world.changed(id).unwrap_or(now);
        check_change(changed, settled_by, id).map_err(|breach| failed(None, breach))?;
        let priority = |host: usize| world.moment(host, id).map_or(1, |moment| moment.priority);
        let limit = changed.max(arrived_by) + bound(&world.plan, id, priority);
        let late = news
            .iter()
            .find(|(_, at, transition)| transition.instance == id && *at > limit);
        if let Some((host, at, transition)) = late {
            let breach = Breach(format!(
                "{transition:?} at {at:?}, but it should be settled at {limit:?}"
            ));
            return Err(failed(Some(*host), breach));
        }
    }
    Ok(())
}

fn check_change(changed: Instant, settled_by: Instant, id: InstanceId) -> Result<(), Breach> {
    promise!(
        changed <= settled_by,
        "who takes part in {id:?} changed at {changed:?}, after {settled_by:?}"
    );
    Ok(())
}

fn instances(plan: &Plan) -> Vec<InstanceId> {
    let all = plan.hosts.iter().flat_map(|host| &host.config.instances);
    let mut ids: Vec<_> = all.map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// How long it takes, at most, until nothing changes any more but who is Active: hosts start, checks get to their standing, and
/// what is still under way arrives.
fn settles_within(plan: &Plan) -> Duration {
    let starts = plan.unit * 2 + plan.calm.netlink + plan.calm.guardian;
    let configs = || plan.hosts.iter().flat_map(|host| &host.config.instances);
    let grace = configs().map(|(_, config)| config.init_grace).max();
    let delay = configs().map(|(_, config)| config.start_delay).max();
    // What was offered last is taken or kept by then; a router that stops waits as long before it starts again.
    let offers = configs()
        .map(|(_, config)| patience_with_peers(config))
        .max();
    let offers = offers.unwrap_or_default() * 2 + plan.unit;
    let interfaces = configs().flat_map(|(_, config)| &config.interfaces);
    let patience = interfaces
        .map(|track| track.up_delay.max(track.down_delay))
        .max();
    let offers = offers + patience.unwrap_or_default() + plan.calm.netlink;
    let checks = plan.checks.iter();
    let checks = checks
        .map(|check| check.interval + check.settles_within())
        .max();
    let waits = grace.max(checks).unwrap_or_default() + delay.unwrap_or_default();
    starts + under_way(plan) + waits + offers + plan.calm.lateness * 4
}

/// How long what was sent in the first phase counts at most: a packet, or its double, is on its way; and what a host signed
/// before it lost power and its clock was set back keeps its peers from hearing it for as long.
fn under_way(plan: &Plan) -> Duration {
    let clocks_are_set = plan.faults.incidents.contains(&Incident::ClockStep);
    let forgotten = plan.clock_spread * u32::from(clocks_are_set);
    plan.calm.delay.1 + plan.faults.detour * 2 + forgotten
}

/// See above. `priority` is that of each host.
fn bound(plan: &Plan, id: InstanceId, priority: impl Fn(usize) -> u8) -> Duration {
    let configs = || {
        let hosts = plan.hosts.iter().enumerate();
        hosts.flat_map(move |(host, plan)| {
            let ours = plan
                .config
                .instances
                .iter()
                .filter(move |(other, _)| *other == id);
            ours.map(move |(_, config)| (host, config))
        })
    };
    let intervals = || configs().map(|(_, config)| config.advertisement_interval);
    // A Backup may have learned an interval that nobody has any more.
    let longest = plan.longest.get(&id).copied();
    let interval = intervals().chain(longest).max().unwrap_or_default();
    let down = configs()
        .map(|(host, config)| active_down_interval(config, interval, priority(host)))
        .max()
        .unwrap_or_default();
    let patience = configs()
        .map(|(_, config)| preempt_delay(config))
        .max()
        .filter(|delay| !delay.is_zero())
        .map(|delay| delay + down + interval + plan.calm.reaction())
        .unwrap_or_default();
    let bound = patience + down + interval + plan.calm.delay.1 * 2 + plan.calm.lateness * 4;
    let grouped = plan.hosts.iter().any(|host| !host.config.groups.is_empty());
    if intervals().min() != Some(interval) {
        bound * ROUNDS
    } else if grouped {
        bound * GROUP_ROUNDS
    } else {
        bound
    }
}

fn check_winner(world: &mut World, id: InstanceId) -> Result<(), Breach> {
    let candidate = |host: usize| {
        let router = world.hosts[host].router.as_ref()?;
        let moment = router
            .is_eligible(id)
            .then(|| router.watched.moment(id))??;
        let instances = &world.plan.hosts[host].config.instances;
        let (_, config) = instances.iter().find(|(other, _)| *other == id)?;
        let preempts = preempts(config);
        Some(Candidate {
            host,
            moment,
            preempts,
        })
    };
    let candidates: Vec<_> = (0..world.hosts.len()).filter_map(candidate).collect();
    let actives: Vec<_> = candidates
        .iter()
        .filter(|candidate| candidate.moment.state == State::Active)
        .collect();
    let &[winner] = &actives[..] else {
        promise!(
            candidates.is_empty() && actives.is_empty(),
            "{id:?} has {} Active of {candidates:?}",
            actives.len()
        );
        world.marks.hit(Mark::NobodyLeft);
        return Ok(());
    };
    world.marks.hit(Mark::OneLeft);
    let priority = winner.moment.priority;
    if priority == 255 {
        world.marks.hit(Mark::OwnerWon);
    }
    let is_drained = |candidate: &Candidate| {
        let router = world.hosts[candidate.host].router.as_ref();
        router.is_some_and(|router| router.watched.is_drained(id))
    };
    if candidates.iter().any(is_drained) {
        world.marks.hit(Mark::Drained);
    }
    for other in candidates.iter().filter(|other| other.host != winner.host) {
        promise!(
            !other.preempts || other.moment.priority <= priority,
            "{id:?}: {} is Active with priority {priority}, but {} preempts with {}",
            name(winner.host),
            name(other.host),
            other.moment.priority
        );
        if other.moment.priority > priority {
            world.marks.hit(Mark::HigherWaited);
        } else if other.moment.priority == priority {
            world.marks.hit(Mark::TieBroken);
        }
        let router = world.hosts[other.host].router.as_ref();
        let known = router.and_then(|router| router.watched.instance(id)?.active);
        let expected = winner.moment.source.map(|source| (source, priority));
        promise!(
            known == expected,
            "{id:?}: {} takes {known:?} for the Active router, which is {expected:?}",
            name(other.host)
        );
    }
    Ok(())
}

/// Standings, priorities and FAULT follow from what the checks report.
fn check_tracks(world: &World, host: usize) -> Result<(), Breach> {
    let Some(router) = world.hosts[host].router.as_ref() else {
        return Ok(());
    };
    for check in &world.plan.checks {
        let expected = expected_standing(world, host, check.id, check.config.on_error);
        let standing = router.watched.standing(check.id);
        promise!(
            standing == Some(expected),
            "{:?} counts as {standing:?} instead of {expected:?}",
            check.id
        );
    }
    let mut faults = BTreeMap::new();
    for (id, config) in &world.plan.hosts[host].config.instances {
        let mut faulty = false;
        let mut priority = i32::from(config.priority.get());
        for track in &config.tracks {
            let Some(standing) = router.watched.standing(track.check) else {
                continue;
            };
            faulty |= track.on_fail == OnFail::Fault && standing == Standing::Down;
            priority += i32::from(expected_weight(
                router,
                track.check,
                track.on_fail,
                standing,
            ));
        }
        for (track, counts) in router.watched.interfaces(*id) {
            promise!(
                counts == Some(true),
                "{:?} counts as up: {counts:?}, after its delay",
                track.interface
            );
            if let OnFail::Weight(weight) = track.on_fail {
                priority += i32::from(weight.max(0));
            }
        }
        let drained = router.watched.is_drained(*id);
        let expected = match config.priority.get() {
            _ if drained => 1,
            255 => 255,
            _ => u8::try_from(priority.clamp(1, 254)).unwrap_or(1),
        };
        faults.insert(*id, faulty);
        let actual = world.moment(host, *id).map(|moment| moment.priority);
        promise!(
            actual == Some(expected),
            "{id:?} has priority {actual:?} instead of {expected}"
        );
    }
    for id in faults.keys() {
        let faulty = router.watched.company(*id).iter().any(|id| faults[id]);
        promise!(
            router.is_eligible(*id) != faulty,
            "{id:?} takes part: {}, with a check that is down: {faulty}",
            router.is_eligible(*id)
        );
    }
    Ok(())
}

fn expected_standing(world: &World, host: usize, check: CheckId, on_error: OnError) -> Standing {
    match (world.hosts[host].health[&check].outcome, on_error) {
        (Some(Outcome::Passing | Outcome::Warning), _) => Standing::Up,
        (Some(Outcome::Failing), _) | (Some(Outcome::Error) | None, OnError::Fail) => {
            Standing::Down
        }
        (Some(Outcome::Error) | None, OnError::Hold) => Standing::Unknown,
    }
}

/// What a check adds to a priority (DESIGN §5), told once more.
fn expected_weight(router: &Running, check: CheckId, on_fail: OnFail, standing: Standing) -> i16 {
    let reported = router.reported.get(&check).copied().unwrap_or(0);
    let configured = match (standing, on_fail) {
        (Standing::Unknown, _) => return UNKNOWN_WEIGHT,
        (Standing::Pending, _) => return 0,
        (Standing::Down, OnFail::Release) => UNKNOWN_WEIGHT,
        (Standing::Up, OnFail::Weight(weight)) if weight > 0 => weight,
        (Standing::Down, OnFail::Weight(weight)) if weight < 0 => weight,
        (Standing::Up | Standing::Down, _) => 0,
    };
    configured + reported
}
