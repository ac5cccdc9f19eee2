//! Never two Active routers for long: not while they hear each other.
//!
//! Two routers are Active at once after a partition, and whenever one takes over: VRRP has no quorum. What it
//! promises is that the lesser one steps down at the first advertisement of the greater one (RFC 9568 §6.4.3: a higher
//! priority, or the same one from a higher address). So for two routers W and L that are both Active, with W the greater one:
//!
//! * W advertises when it becomes Active, and after that at least every Advertisement_Interval *of its own*, each time at
//!   most `lateness` after it is due;
//! * a packet is on its way for `delay` at most;
//! * L takes note of it at most `lateness` after it arrived, and is then no longer Active.
//!
//! The bound is therefore W's Advertisement_Interval + lateness + delay + lateness. Active_Down_Interval is not in it: that
//! bounds how long there may be *no* Active, which [`Timers`](crate::timers::Timers) holds every Backup to.
//!
//! A router that yields (it gave its addresses away and keeps them in use until a peer advertises) is the lesser one whatever its
//! priority: it leaves at the first advertisement of the other one, so the bound is the same, counted from its offer at the
//! earliest. Two that yield are both silent, which ends by itself, for each after its own patience (`timers`).
//!
//! A router that was late and listens is Backup, and no rival.
//!
//! A tie is for the first member of a sync group to lose. Another one waits for that for its patience from when it first heard
//! W, and leaves at the next advertisement after that: the bound is twice the one above, and the patience.
//!
//! The bound counts from when all of that began to be true: both Active, which of them is the greater one decided, both
//! awake, and no packet from W to L lost or late. Only the way from W to L counts: while L is deaf to W, two Active
//! routers are what the RFC wants, and L being heard by W changes nothing about it. A link on which packets are
//! lost at random thus gives stretches of time, and the bound holds in each that is long enough.

use std::collections::BTreeMap;
use std::net::IpAddr;

use vrrp::{InstanceId, Instant, InterfaceId, State};

use crate::breach::{Breach, promise};
use crate::host::Host;
use crate::marks::{Mark, Marks};
use crate::network::Network;
use crate::plan::Plan;
use crate::timers::{Membership, Moment, patience_with_first_member};
use crate::watched::membership;
use crate::world::name;

/// An instance on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    moment: Moment,
    interface: InterfaceId,
}

impl View {
    pub(crate) fn new(moment: Moment, interface: InterfaceId) -> Self {
        Self { moment, interface }
    }

    /// Who yields gives way to whoever advertises.
    fn rank(self) -> (u8, Option<IpAddr>) {
        let priority = if self.moment.yields {
            0
        } else {
            self.moment.priority
        };
        (priority, self.moment.source)
    }

    fn is_eligible(&self) -> bool {
        matches!(self.moment.state, State::Backup | State::Active)
    }
}

/// A view, and since when it is like that.
#[derive(Clone, Copy, Debug)]
struct Seen {
    view: View,
    active_since: Option<Instant>,
    rank_since: Instant,
}

/// All instances on all hosts.
#[derive(Debug)]
pub(crate) struct Rivals {
    hosts: usize,
    seen: BTreeMap<InstanceId, Vec<Option<Seen>>>,
    changed: BTreeMap<InstanceId, Instant>,
}

impl Rivals {
    pub(crate) fn new(hosts: usize) -> Self {
        Self {
            hosts,
            seen: BTreeMap::new(),
            changed: BTreeMap::new(),
        }
    }

    /// Takes note of what an instance on a host is like now; `None` when no router runs.
    pub(crate) fn look(&mut self, now: Instant, host: usize, id: InstanceId, view: Option<View>) {
        let seen = self
            .seen
            .entry(id)
            .or_insert_with(|| vec![None; self.hosts]);
        let before = seen[host];
        if before.map(|seen| seen.view) == view {
            return;
        }
        let rank = View::rank;
        let takes_part = |view: View| (view.is_eligible(), rank(view));
        if before.map(|seen| takes_part(seen.view)) != view.map(takes_part) {
            self.changed.insert(id, now);
        }
        seen[host] = view.map(|view| Seen {
            view,
            active_since: (view.moment.state == State::Active)
                .then(|| before.and_then(|seen| seen.active_since).unwrap_or(now)),
            rank_since: match before {
                Some(seen) if rank(seen.view) == rank(view) => seen.rank_since,
                Some(_) | None => now,
            },
        });
    }

    /// A host gave up or came back for a reason of its own, which may not show in its rank.
    pub(crate) fn note_change(&mut self, now: Instant, id: InstanceId) {
        self.changed.insert(id, now);
    }

    /// When it last changed who takes part in the elections of an instance, or with which rank.
    pub(crate) fn changed(&self, id: InstanceId) -> Option<Instant> {
        self.changed.get(&id).copied()
    }

    pub(crate) fn check(
        &self,
        now: Instant,
        plan: &Plan,
        hosts: &[Host],
        network: &Network,
        marks: &mut Marks,
    ) -> Result<(), Breach> {
        for (id, seen) in &self.seen {
            let active = |(host, seen): (usize, &Option<Seen>)| {
                seen.filter(|seen| seen.active_since.is_some())
                    .map(|seen| (host, seen))
            };
            let mut actives = seen.iter().enumerate().filter_map(active);
            let Some(first) = actives.next() else {
                continue;
            };
            let others: Vec<_> = actives.collect();
            if others.is_empty() {
                continue;
            }
            marks.hit(Mark::TwoActives);
            let all: Vec<_> = std::iter::once(first).chain(others).collect();
            for (index, one) in all.iter().enumerate() {
                for other in all.iter().skip(index + 1) {
                    check_pair(now, *id, *one, *other, plan, hosts, network, marks)?;
                }
            }
        }
        Ok(())
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "a function of everything there is"
)]
fn check_pair(
    now: Instant,
    id: InstanceId,
    one: (usize, Seen),
    other: (usize, Seen),
    plan: &Plan,
    hosts: &[Host],
    network: &Network,
    marks: &mut Marks,
) -> Result<(), Breach> {
    let rank = |seen: &Seen| seen.view.rank();
    if one.1.view.moment.yields && other.1.view.moment.yields {
        // Both are silent, for as long as `timers` grants them.
        return Ok(());
    }
    let (winner, loser) = if rank(&one.1) > rank(&other.1) {
        (one, other)
    } else {
        (other, one)
    };
    if hosts[winner.0].is_stalled() || hosts[loser.0].is_stalled() {
        return Ok(());
    }
    let instances = &plan.hosts[winner.0].config.instances;
    let Some((_, config)) = instances.iter().find(|(other, _)| *other == id) else {
        return Ok(());
    };
    let start = [
        winner.1.active_since.unwrap_or(now),
        loser.1.active_since.unwrap_or(now),
        winner.1.rank_since,
        loser.1.rank_since,
        hosts[winner.0].awake_since,
        hosts[loser.0].awake_since,
        hosts[winner.0].reloaded,
        hosts[loser.0].reloaded,
        network.disturbed(winner.1.view.interface, winner.0, loser.0),
    ]
    .into_iter()
    .fold(Instant::from_nanos(0), Instant::max);
    if start < now {
        marks.hit(Mark::Contest);
    }
    let hears = config.advertisement_interval + plan.calm.reaction();
    let mut bound = hears;
    let losing = &plan.hosts[loser.0].config;
    let is_tie = rank(&winner.1).0 == rank(&loser.1).0;
    if is_tie && membership(losing, id) == Some(Membership::Other) {
        marks.hit(Mark::TieDeferred);
        let instance = losing.instances.iter().find(|(other, _)| *other == id);
        let patience = instance.map(|(_, config)| patience_with_first_member(config));
        bound = bound + patience.unwrap_or_default() + hears;
    }
    promise!(
        now <= start + bound,
        "{id:?}: {} and {} are both Active for {:?} although {} hears {}; the bound is {bound:?}",
        name(winner.0),
        name(loser.0),
        now.saturating_duration_since(start),
        name(loser.0),
        name(winner.0)
    );
    Ok(())
}
