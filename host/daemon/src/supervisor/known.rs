//! What the supervisor knows of instances, checks and hooks: for `status`, the log and the hooks.

mod authentication;
mod outlook;
pub(super) mod tally;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vrrp::{Family, OnFail, Outcome, Standing, State};
use vrrp_linux::netlink::{Address, Route, Rule};

use self::outlook::Outlook;
use self::tally::{CallEnd, CheckTally, HookTally, Tallies, Transitions};
use super::drains::Drains;
use super::setup::{InstancePlan, Setup};
use crate::ipc::{
    CheckProgress, GroupChange, InstanceStatus, StateChange, VridConflict, WorkerReport,
};
use crate::lateness::Lateness;
use crate::{config, status};

/// Everything known, by number.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) instances: Vec<Instance>,
    groups: Vec<Group>,
    pub(super) checks: Vec<Check>,
    pub(super) hooks: Vec<Hook>,
    /// The router's counters that belong to no instance.
    pub(super) counters: Vec<(String, u64)>,
    pub(super) lateness: Lateness,
}

/// What else `status` shows.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    /// This node's name.
    pub(super) node: &'a str,
    pub(super) processes: status::Processes,
    pub(super) log_level: String,
    pub(super) last_reload: Option<status::Reload>,
    pub(super) drains: &'a Drains,
}

#[derive(Debug)]
pub(super) struct Instance {
    pub(super) state: State,
    since: SystemTime,
    reason: String,
    /// The router's last answer.
    detail: Option<InstanceStatus>,
    transitions: Transitions,
}

#[derive(Debug)]
struct Group {
    state: State,
    since: SystemTime,
    reason: String,
}

#[derive(Debug, Default)]
pub(super) struct Check {
    pub(super) outcome: Option<Outcome>,
    pub(super) summary: String,
    since: Option<SystemTime>,
    pub(super) standing: Option<Standing>,
    /// As of the router's last answer.
    pub(super) progress: Option<CheckProgress>,
    tally: CheckTally,
    last_run: Duration,
    last_cpu: Duration,
    facts: Vec<(String, String)>,
}

#[derive(Debug, Default)]
pub(super) struct Hook {
    pub(super) tally: HookTally,
    last: Option<LastCall>,
}

/// How the last call of a hook ended.
#[derive(Debug)]
struct LastCall {
    /// The instance or sync group.
    subject: String,
    sequence: u64,
    result: String,
    at: SystemTime,
}

impl Known {
    pub(super) fn new(setup: &Setup) -> Self {
        Self {
            instances: setup
                .instances
                .iter()
                .map(|_| Instance {
                    state: State::Initialize,
                    since: SystemTime::now(),
                    reason: "vrrp-host started".to_owned(),
                    detail: None,
                    transitions: Transitions::default(),
                })
                .collect(),
            groups: setup
                .groups
                .iter()
                .map(|_| Group {
                    state: State::Initialize,
                    since: SystemTime::now(),
                    reason: "vrrp-host started".to_owned(),
                })
                .collect(),
            checks: setup.checks.iter().map(|_| Check::default()).collect(),
            hooks: setup.hooks.iter().map(|_| Hook::default()).collect(),
            counters: Vec::new(),
            lateness: Lateness::default(),
        }
    }

    /// What is known after a reload: `self` by the numbers `before`, carried over to the numbers `after`.
    pub(super) fn carried(
        mut self,
        before: &Setup,
        after: &Setup,
        kept: &[(usize, usize)],
    ) -> Self {
        let mut next = Self::new(after);
        next.counters = std::mem::take(&mut self.counters);
        next.lateness = std::mem::take(&mut self.lateness);
        for (from, to) in kept {
            if let (Some(old), Some(new)) =
                (self.instances.get_mut(*from), next.instances.get_mut(*to))
            {
                std::mem::swap(old, new);
                // Its numbers of tracks may be others now; the next status brings them.
                new.detail = None;
            }
        }
        carry(
            (
                &mut self.groups,
                before.groups.iter().map(|plan| &plan.group.name),
            ),
            (
                &mut next.groups,
                after.groups.iter().map(|plan| &plan.group.name),
            ),
        );
        carry(
            (
                &mut self.checks,
                before.checks.iter().map(|check| &check.name),
            ),
            (
                &mut next.checks,
                after.checks.iter().map(|check| &check.name),
            ),
        );
        carry(
            (&mut self.hooks, before.hooks.iter().map(|hook| &hook.name)),
            (&mut next.hooks, after.hooks.iter().map(|hook| &hook.name)),
        );
        next
    }

    /// Takes in a run of a check; true when its verdict is another one than before.
    pub(super) fn reported(&mut self, report: &WorkerReport) -> bool {
        let Some(check) = position(report.check).and_then(|index| self.checks.get_mut(index))
        else {
            return false;
        };
        check.tally.note(report);
        check.last_run = report.wall;
        check.last_cpu = report.cpu;
        check.summary.clone_from(&report.summary);
        check.facts.clone_from(&report.facts);
        let changed = check.outcome != Some(report.outcome);
        if changed {
            check.outcome = Some(report.outcome);
            check.since = Some(SystemTime::now());
        }
        changed
    }

    /// Takes in a transition.
    pub(super) fn changed(&mut self, change: &StateChange, reason: &str) {
        if let Some(instance) =
            position(change.instance).and_then(|index| self.instances.get_mut(index))
        {
            instance.transitions.note(change.after, change.cause);
            instance.state = change.after;
            instance.since = UNIX_EPOCH + Duration::from_millis(change.at_unix_ms);
            reason.clone_into(&mut instance.reason);
        }
    }

    /// Takes in a transition of a sync group.
    pub(super) fn group_changed(&mut self, group: usize, change: &GroupChange, reason: &str) {
        if let Some(group) = self.groups.get_mut(group) {
            group.state = change.after;
            group.since = UNIX_EPOCH + Duration::from_millis(change.at_unix_ms);
            reason.clone_into(&mut group.reason);
        }
    }

    /// Takes in part of the router's status.
    pub(super) fn detailed(&mut self, status: InstanceStatus) {
        if let Some(instance) =
            position(status.instance).and_then(|index| self.instances.get_mut(index))
        {
            instance.detail = Some(status);
        }
    }

    /// Takes in how a call of a hook ended, for the transition `sequence` of an instance or sync group.
    pub(super) fn hook_ended(
        &mut self,
        hook: usize,
        (subject, sequence): (&str, u64),
        end: CallEnd<'_>,
    ) {
        if let Some(hook) = self.hooks.get_mut(hook) {
            hook.tally.note(end);
            let result = match end {
                CallEnd::Done => "done",
                CallEnd::Retried(error) | CallEnd::Failed(error) => error,
            };
            hook.last = Some(LastCall {
                subject: subject.to_owned(),
                sequence,
                result: result.to_owned(),
                at: SystemTime::now(),
            });
        }
    }

    /// Everything as `status` shows it.
    pub(super) fn status(
        &self,
        setup: &Setup,
        surroundings: Surroundings<'_>,
        pending: impl Fn(usize) -> usize,
    ) -> status::Status {
        let Surroundings {
            node,
            processes,
            log_level,
            last_reload,
            drains,
        } = surroundings;
        status::Status {
            node: node.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            processes,
            log_level,
            last_reload,
            counters: self.counters.iter().cloned().collect(),
            lateness: self.lateness.status(),
            instances: setup
                .instances
                .iter()
                .zip(&self.instances)
                .zip(0..)
                .map(|((plan, known), number)| {
                    let status = status::Instance {
                        drain_persists: drains.persists(number),
                        ..self.instance(plan, known, node, setup)
                    };
                    (plan.instance.name.clone(), status)
                })
                .collect(),
            sync_groups: setup
                .groups
                .iter()
                .zip(&self.groups)
                .map(|(plan, known)| (plan.group.name.clone(), known.status(&plan.group, setup)))
                .collect(),
            checks: setup
                .checks
                .iter()
                .zip(&self.checks)
                .map(|(check, known)| (check.name.clone(), known.status()))
                .collect(),
            hooks: setup
                .hooks
                .iter()
                .zip(&self.hooks)
                .enumerate()
                .map(|(index, (hook, known))| (hook.name.clone(), known.status(pending(index))))
                .collect(),
        }
    }

    /// Everything that is counted beside it.
    pub(super) fn tallies(&self, setup: &Setup) -> Tallies {
        let instances = setup.instances.iter().zip(&self.instances);
        let checks = setup.checks.iter().zip(&self.checks);
        let hooks = setup.hooks.iter().zip(&self.hooks);
        Tallies {
            instances: instances
                .map(|(plan, known)| (plan.instance.name.clone(), known.transitions.clone()))
                .collect(),
            checks: checks
                .map(|(check, known)| (check.name.clone(), known.tally.clone()))
                .collect(),
            hooks: hooks
                .map(|(hook, known)| (hook.name.clone(), known.tally.clone()))
                .collect(),
            lateness: self.lateness.histogram().clone(),
        }
    }

    fn instance(
        &self,
        plan: &InstancePlan,
        known: &Instance,
        node: &str,
        setup: &Setup,
    ) -> status::Instance {
        let outlook = Outlook::new(plan, known.state, node, setup);
        let detail = known.detail.as_ref();
        let base = plan.instance.priority.get();
        status::Instance {
            state: known.state.to_string(),
            since: timestamp(known.since),
            reason: known.reason.clone(),
            virtual_router_id: plan.instance.virtual_router_id.0.get(),
            interface: plan.instance.interface.clone(),
            version: match plan.instance.version {
                vrrp::Version::V2 => 2,
                vrrp::Version::V3 => 3,
            },
            priority: status::Priority {
                base,
                effective: detail.map_or(base, |detail| detail.priority_effective),
            },
            virtual_addresses: addresses(&plan.instance.virtual_addresses, plan),
            excluded_addresses: addresses(&plan.instance.excluded_addresses, plan),
            routes: plan.instance.routes.iter().map(Route::to_string).collect(),
            rules: plan.instance.rules.iter().map(Rule::to_string).collect(),
            virtual_mac: virtual_mac(&plan.instance),
            accept_mode: plan.instance.accept_mode,
            master: detail
                .and_then(|detail| detail.active)
                .map(|(address, priority)| status::Master {
                    address: address.to_string(),
                    node: outlook.node_at(address),
                    priority,
                }),
            drained: detail.is_some_and(|detail| detail.drained),
            drain_persists: false,
            nodes: outlook.nodes(),
            tracks: self.tracks(plan, detail, setup, &outlook),
            interfaces: interfaces(detail),
            authentication: authentication::describe(
                &plan.instance.authentication,
                detail.and_then(|detail| detail.authentication_failure.as_ref()),
            ),
            vrid_conflict: detail
                .and_then(|detail| detail.vrid_conflict.as_ref())
                .map(vrid_conflict),
            counters: detail
                .map(|detail| detail.counters.iter().cloned().collect())
                .unwrap_or_default(),
        }
    }

    fn tracks(
        &self,
        plan: &InstancePlan,
        detail: Option<&InstanceStatus>,
        setup: &Setup,
        outlook: &Outlook<'_>,
    ) -> BTreeMap<String, status::Track> {
        plan.tracks
            .iter()
            .zip(&plan.instance.tracks)
            .enumerate()
            .filter_map(|(index, (&check, track))| {
                let name = setup.checks.get(check)?.name.clone();
                let standing = self.checks.get(check)?.standing;
                let forecast = detail.and_then(|detail| detail.forecasts.get(index));
                let forecast = forecast.filter(|_| standing != Some(Standing::Down));
                let track = status::Track {
                    if_down: forecast.map(|forecast| outlook.if_down((*forecast).into())),
                    standing: standing_word(standing).to_owned(),
                    on_fail: on_fail_word(track.on_fail),
                    weight: detail
                        .and_then(|detail| detail.weights.get(index))
                        .copied()
                        .unwrap_or_default(),
                };
                Some((name, track))
            })
            .collect()
    }
}

impl Group {
    fn status(&self, group: &config::Group, setup: &Setup) -> status::SyncGroup {
        let members = group.members.iter();
        status::SyncGroup {
            state: self.state.to_string(),
            since: timestamp(self.since),
            reason: self.reason.clone(),
            members: members
                .filter_map(|member| Some(setup.instances.get(*member)?.instance.name.clone()))
                .collect(),
        }
    }
}

fn interfaces(detail: Option<&InstanceStatus>) -> BTreeMap<String, status::Track> {
    let tracked = detail.into_iter().flat_map(|detail| &detail.interfaces);
    tracked
        .map(|interface| {
            let standing = match interface.up {
                None => "pending",
                Some(true) => "up",
                Some(false) => "down",
            };
            let track = status::Track {
                standing: standing.to_owned(),
                on_fail: on_fail_word(interface.on_fail),
                weight: interface.weight,
                if_down: None,
            };
            (interface.interface.clone(), track)
        })
        .collect()
}

fn vrid_conflict(conflict: &VridConflict) -> status::VridConflict {
    status::VridConflict {
        source: conflict.source.to_string(),
        priority: conflict.priority,
        at: timestamp(UNIX_EPOCH + Duration::from_millis(conflict.at_unix_ms)),
    }
}

fn virtual_mac(instance: &config::Instance) -> Option<status::VirtualMac> {
    let family = Family::of(&instance.virtual_addresses.first()?.address);
    let mac = instance.virtual_router_id.mac(family);
    Some(status::VirtualMac {
        interface: instance.virtual_mac.clone()?,
        address: mac.map(|byte| format!("{byte:02x}")).join(":"),
    })
}

fn on_fail_word(on_fail: OnFail) -> String {
    match on_fail {
        OnFail::Fault => "fault".to_owned(),
        OnFail::Release => "release".to_owned(),
        OnFail::Weight(weight) => format!("{weight:+}"),
    }
}

impl Check {
    pub(super) fn status(&self) -> status::Check {
        status::Check {
            verdict: verdict_word(self.outcome).to_owned(),
            summary: self.summary.clone(),
            since: self.since.map(timestamp),
            standing: standing_word(self.standing).to_owned(),
            progress: self.progress.map(|progress| status::Progress {
                towards: standing_word(Some(progress.towards)).to_owned(),
                count: progress.count,
                needed: progress.needed,
            }),
            runs: self.tally.runs(),
            errors: self.tally.error,
            last_run_us: u64::try_from(self.last_run.as_micros()).unwrap_or(u64::MAX),
            last_cpu_us: u64::try_from(self.last_cpu.as_micros()).unwrap_or(u64::MAX),
            facts: self.facts.iter().cloned().collect(),
        }
    }
}

impl Hook {
    fn status(&self, pending: usize) -> status::Hook {
        status::Hook {
            runs: self.tally.runs(),
            errors: self.tally.errors(),
            superseded: self.tally.superseded,
            pending,
            last_result: self.last.as_ref().map(|last| last.result.clone()),
            last_at: self.last.as_ref().map(|last| timestamp(last.at)),
            last_subject: self.last.as_ref().map(|last| last.subject.clone()),
            last_sequence: self.last.as_ref().map(|last| last.sequence),
        }
    }
}

/// Moves what is known of each name from before to the same name after.
fn carry<'a, T>(
    (before, old_names): (&mut [T], impl Iterator<Item = &'a String>),
    (after, new_names): (&mut [T], impl Iterator<Item = &'a String> + Clone),
) {
    for (old, name) in before.iter_mut().zip(old_names) {
        let index = new_names.clone().position(|other| other == name);
        if let Some(new) = index.and_then(|index| after.get_mut(index)) {
            std::mem::swap(old, new);
        }
    }
}

/// Addresses as `status` shows them: with an interface only when it is not that of the instance.
fn addresses(addresses: &[Address], plan: &InstancePlan) -> Vec<String> {
    let shown = |address: &Address| {
        if address.interface == plan.instance.interface {
            format!("{}/{}", address.address, address.prefix_length)
        } else {
            address.to_string()
        }
    };
    addresses.iter().map(shown).collect()
}

/// The word for a verdict in the log and in `status`.
pub(super) fn verdict_word(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        None => "none",
        Some(Outcome::Passing) => "passing",
        Some(Outcome::Warning) => "warning",
        Some(Outcome::Failing) => "failing",
        Some(Outcome::Error) => "error",
    }
}

/// The word for a standing in the log and in `status`.
pub(crate) fn standing_word(standing: Option<Standing>) -> &'static str {
    match standing {
        None | Some(Standing::Pending) => "pending",
        Some(Standing::Up) => "up",
        Some(Standing::Down) => "down",
        Some(Standing::Unknown) => "unknown",
    }
}

/// A number of the channel as an index.
pub(super) fn position(number: u32) -> Option<usize> {
    usize::try_from(number).ok()
}

pub(super) fn timestamp(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}
