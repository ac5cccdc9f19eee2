//! The supervisor's side of the router: what it says, and what to do when it dies.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, error, info};
use vrrp::State;

use super::hooks::Subject;
use super::{Event, Supervisor, from_unix_ms, unix_ms};
use crate::event::{Happening, ProcessChange};
use crate::exit::{Failure, chain};
use crate::ipc::{
    Cause, FromRouter, GroupChange, InstanceSetup, StartFailure, StateChange, ToRouter, ToWorker,
};
use crate::supervisor::children::{Child, Ending, FromChild};
use crate::supervisor::heartbeat::Watch;
use crate::supervisor::history::kept;
use crate::supervisor::hooks::notify_on;
use crate::supervisor::http::{Entry, Kind};
use crate::supervisor::known::{position, standing_word};
use crate::supervisor::setup::Setup;

/// How long a killed router may take to end.
const KILL_MAX: Duration = Duration::from_secs(1);

impl Supervisor {
    pub(super) fn spawn_router(&mut self) -> Result<(), String> {
        self.router.generation += 1;
        self.router.started = Instant::now();
        let generation = self.router.generation;
        let (watch, heartbeat) = Watch::start(generation, self.events.clone())
            .map_err(|error| format!("cannot watch over the router: {error}"))?;
        let router = Child::spawn(
            "router",
            &self.identities.router_arguments(),
            &self.options,
            self.events.clone(),
            move |event| Event::Router(generation, event),
        )
        .map_err(|error| chain(&error))?;
        router.send(ToRouter::Heartbeat(heartbeat.into()));
        if let Some(level) = self.log_level {
            router.send(ToRouter::LogLevel(level));
        }
        self.router.child = Some(router);
        self.heartbeat = Some(watch);
        let instances: Vec<_> = (0..)
            .zip(&self.instances)
            .map(|(number, instance)| InstanceSetup {
                last_sequence: self.guardian.last_sequence(number),
                ..instance.clone()
            })
            .collect();
        self.send_router_setup(&self.setup, &instances);
        self.tell_of_drains();
        Ok(())
    }

    /// Tells the router what it is made from.
    pub(super) fn send_router_setup(&self, setup: &Setup, instances: &[InstanceSetup]) {
        for message in setup.for_router(instances) {
            self.tell_router(message);
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what does not concern the start is handled as ever"
    )]
    pub(super) async fn wait_until_started(&mut self) -> Result<(), Failure> {
        while let Some(event) = self.receiver.recv().await {
            match event {
                Event::Router(_, FromChild::Message(FromRouter::Started)) => return Ok(()),
                Event::Router(_, FromChild::Message(FromRouter::StartFailed(failure))) => {
                    return Err(match failure {
                        StartFailure::Rights(message) => Failure::rights(message),
                        StartFailure::Config(message) => Failure::config(message),
                        StartFailure::System(message) => Failure::temporary(message),
                    });
                }
                Event::Router(_, FromChild::Gone(ending)) => {
                    return Err(Failure::internal(format!(
                        "the router died at its start: {ending}"
                    )));
                }
                Event::Terminate(signal) => {
                    return Err(Failure::temporary(format!("{signal} during the start")));
                }
                other => self.handle(other).await,
            }
        }
        Err(Failure::internal("the router died at its start"))
    }

    pub(super) fn router_says(&mut self, message: FromRouter) {
        match message {
            FromRouter::Started => {
                info!("the router takes part again");
                self.history.happened(Happening::Process {
                    process: "router".to_owned(),
                    change: ProcessChange::Restarted,
                    reason: None,
                });
                // A new router knows no verdicts.
                self.tell_worker(ToWorker::RunAll);
            }
            FromRouter::StartFailed(failure) => error!(?failure, "the router cannot take part"),
            FromRouter::Reloaded { kept } => self.reloaded(&kept),
            FromRouter::NotReloaded(failure) => self.reload_failed(failure.to_string()),
            FromRouter::Holds { instance, source } => self.holds(instance, source),
            FromRouter::Signed { instance, sequence } => {
                if let Some(instance) = position(instance) {
                    self.guardian.signed(instance, sequence);
                }
            }
            FromRouter::Released { instance } => {
                if let Some(instance) = position(instance) {
                    self.guardian.released(instance);
                }
            }
            FromRouter::StateChanged(change) => self.state_changed(&change),
            FromRouter::GroupChanged(change) => self.group_changed(&change),
            FromRouter::PriorityChanged {
                instance,
                before,
                after,
                reason,
            } => {
                let name = self.instance_name(instance);
                info!(reason, "{name}: priority {before} -> {after}");
                self.history.happened(Happening::Priority {
                    instance: name,
                    from: before,
                    to: after,
                    reason: kept(&reason),
                });
            }
            FromRouter::CheckChanged(change) => {
                let Some(index) = position(change.check) else {
                    return;
                };
                let (Some(setup), Some(known)) = (
                    self.setup.checks.get(index),
                    self.known.checks.get_mut(index),
                ) else {
                    return;
                };
                known.standing = Some(change.after);
                let (before, after) = (Some(change.before), Some(change.after));
                let (before, after) = (standing_word(before), standing_word(after));
                info!("check {}: {before} -> {after}", setup.name);
                self.history.happened(Happening::Standing {
                    check: setup.name.clone(),
                    before: before.to_owned(),
                    after: after.to_owned(),
                });
                self.http.note(Entry {
                    at: unix_ms(),
                    kind: Kind::Check,
                    name: setup.name.clone(),
                    before: before.to_owned(),
                    after: after.to_owned(),
                    reason: known.summary.clone(),
                });
            }
            FromRouter::Instance(status) => self.known.detailed(status),
            FromRouter::Check {
                check,
                standing,
                progress,
            } => {
                if let Some(known) =
                    position(check).and_then(|index| self.known.checks.get_mut(index))
                {
                    known.standing = Some(standing);
                    known.progress = progress;
                }
            }
            FromRouter::StatusEnd { counters, lateness } => {
                self.known.counters = counters;
                self.known.lateness = lateness;
                self.answer_status();
            }
            FromRouter::Stopped => debug!("the router gave everything away"),
        }
    }

    pub(super) fn holds(&mut self, instance: u32, source: IpAddr) {
        if let Some(instance) = position(instance) {
            self.guardian.holds(instance, source);
        }
    }

    pub(super) fn state_changed(&mut self, change: &StateChange) {
        let Some(instance) = position(change.instance) else {
            return;
        };
        let reason = self.in_full(&change.reason, change.check);
        let name = self.instance_name(change.instance);
        info!(
            reason,
            priority = change.priority,
            "{name}: {} -> {}",
            change.before,
            change.after
        );
        self.transition_happened(&name, change, &reason);
        self.known.changed(change, &reason);
        self.tell_worker(ToWorker::State {
            instance: name,
            state: change.after,
        });
        let Some(on) = notify_on(change.after) else {
            return;
        };
        let mut template = self.call_template(instance, change.before, change.after, &reason);
        template.priority = change.priority;
        template.at_unix_ms = change.at_unix_ms;
        self.queue_hooks(Subject::Instance(instance), on, &template);
    }

    /// Tells it to those who follow the events and to the timeline of the status page.
    fn transition_happened(&mut self, instance: &str, change: &StateChange, reason: &str) {
        let what = Happening::Transition {
            instance: instance.to_owned(),
            before: change.before.to_string(),
            after: change.after.to_string(),
            reason: kept(reason),
            priority: change.priority,
        };
        self.history
            .happened_at(from_unix_ms(change.at_unix_ms), what);
        self.http.note(Entry {
            at: change.at_unix_ms,
            kind: Kind::Instance,
            name: instance.to_owned(),
            before: change.before.to_string(),
            after: change.after.to_string(),
            reason: reason.to_owned(),
        });
    }

    fn group_changed(&mut self, change: &GroupChange) {
        let Some(plan) = position(change.group).and_then(|group| self.setup.groups.get(group))
        else {
            return;
        };
        let name = plan.group.name.clone();
        let member = self.instance_name(change.member);
        let reason = format!("{member}: {}", self.in_full(&change.reason, change.check));
        info!(
            reason,
            "sync group {name}: {} -> {}", change.before, change.after
        );
        let Some(group) = position(change.group) else {
            return;
        };
        let what = Happening::GroupTransition {
            sync_group: name.clone(),
            before: change.before.to_string(),
            after: change.after.to_string(),
            reason: kept(&reason),
        };
        self.history
            .happened_at(from_unix_ms(change.at_unix_ms), what);
        self.known.group_changed(group, change, &reason);
        self.http.note(Entry {
            at: change.at_unix_ms,
            kind: Kind::SyncGroup,
            name,
            before: change.before.to_string(),
            after: change.after.to_string(),
            reason: reason.clone(),
        });
        let Some(on) = notify_on(change.after) else {
            return;
        };
        let mut template = self.group_template(group, change.before, change.after, &reason);
        template.at_unix_ms = change.at_unix_ms;
        self.queue_hooks(Subject::Group(group), on, &template);
    }

    /// A reason with the words of the check behind it.
    fn in_full(&self, reason: &str, check: Option<u32>) -> String {
        let summary = check
            .and_then(position)
            .and_then(|check| self.known.checks.get(check))
            .map(|check| check.summary.as_str())
            .filter(|summary| !summary.is_empty());
        match summary {
            Some(summary) => format!("{reason}: {summary}"),
            None => reason.to_owned(),
        }
    }

    /// Its loop does not turn: it is as good as dead, and soon it is dead.
    pub(super) fn router_silent(&mut self, generation: u32) {
        if let Some(router) = &mut self.router.child
            && generation == self.router.generation
        {
            error!("the router does nothing any more: killing it");
            router.kill();
            self.later(KILL_MAX, Event::RouterKillDeadline { generation });
        }
    }

    /// The kernel does not end it, as when it hangs in a driver: everything goes on without waiting for that.
    pub(super) async fn router_unkillable(&mut self, generation: u32) {
        if self.router.child.is_some() && generation == self.router.generation {
            // Its end, should it ever come, is nobody's any more.
            self.router.generation += 1;
            let ending = io::Error::other("killed, but the kernel has not ended it");
            self.router_gone(&Ending::Unknown(ending)).await;
        }
    }

    pub(super) async fn router_gone(&mut self, ending: &Ending) {
        self.router.child = None;
        self.heartbeat = None;
        self.answer_status();
        self.reload_failed("the router died".to_owned());
        if matches!(ending, Ending::Exited(status) if status.success()) {
            return;
        }
        error!("the router died ({ending}): giving away what it held");
        self.history.happened(Happening::Process {
            process: "router".to_owned(),
            change: ProcessChange::Died,
            reason: Some(ending.to_string()),
        });
        self.guardian.give_away(&self.instances).await;
        for instance in 0..self.setup.instances.len() {
            self.lost_with_router(instance);
        }
        let delay = self.router.next_delay();
        self.later(delay, Event::RestartRouter);
    }

    /// An instance is in no state any more, as its router died.
    fn lost_with_router(&mut self, index: usize) {
        let (Some(plan), Some(known)) = (
            self.setup.instances.get(index),
            self.known.instances.get(index),
        ) else {
            return;
        };
        let (before, after) = (known.state, State::Initialize);
        if before == after {
            return;
        }
        let reason = "the router died";
        let name = plan.instance.name.clone();
        let change = StateChange {
            instance: u32::try_from(index).unwrap_or(u32::MAX),
            before,
            after,
            reason: reason.to_owned(),
            cause: Cause::RouterDied,
            check: None,
            priority: plan.instance.priority.get(),
            at_unix_ms: unix_ms(),
        };
        info!(reason, "{name}: {before} -> {after}");
        self.transition_happened(&name, &change, reason);
        self.known.changed(&change, reason);
    }

    pub(super) fn restart_router(&mut self) {
        if let Err(message) = self.spawn_router() {
            error!("{message}");
            let delay = self.router.next_delay();
            self.later(delay, Event::RestartRouter);
        }
    }

    pub(super) fn tell_router(&self, message: ToRouter) {
        if let Some(router) = &self.router.child {
            router.send(message);
        }
    }
}
