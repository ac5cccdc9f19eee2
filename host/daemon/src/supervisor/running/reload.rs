//! Going on with another cluster.toml, all of it or nothing (DESIGN §6).
//!
//! The file is checked whole, its modules are compiled and tried in a worker of their own, and the router takes over the
//! difference; only then does anything change. Whatever fails on the way leaves everything as it was.

use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::{Event, Supervisor};
use crate::event::Happening;
use crate::exit::chain;
use crate::ipc::{FromWorker, HookOutcome, InstanceSetup, LoadFailure, ToRouter, ToWorker};
use crate::status;
use crate::supervisor::broker::Broker;
use crate::supervisor::children::{Child, FromChild};
use crate::supervisor::control::Response;
use crate::supervisor::history::kept;
use crate::supervisor::known::{Known, position, timestamp};
use crate::supervisor::prepare::{self, Checked};
use crate::supervisor::setup::{Setup, instance_setup};
use crate::supervisor::{hooks, host, http, manager};

/// How long everything may take; modules compile in some seconds.
const DEADLINE: Duration = Duration::from_secs(120);

/// A reload under way.
#[derive(Debug)]
pub(super) struct Reload {
    number: u64,
    checked: Checked,
    setup: Setup,
    step: Step,
    http: http::Next,
    /// Who asked, when it was through the control socket.
    answer: Option<oneshot::Sender<Response>>,
}

/// How far it has come.
#[derive(Debug)]
enum Step {
    /// The modules are being compiled.
    Compiling,
    /// A new worker loads and tries them.
    Loading(NewWorker),
    /// Their commands are looked at.
    Looking(NewWorker, Broker),
    /// The router takes over the difference.
    Routing(NewWorker, Broker),
}

#[derive(Debug)]
struct NewWorker {
    child: Child<ToWorker>,
    generation: u32,
    keys: Vec<String>,
}

/// A worker that was replaced and still runs hooks.
#[derive(Debug)]
pub(super) struct Retiring {
    pub(super) child: Child<ToWorker>,
    pub(super) generation: u32,
    pub(super) broker: Broker,
}

impl Supervisor {
    /// Begins a reload.
    pub(super) fn reload(&mut self, answer: Option<oneshot::Sender<Response>>) {
        if self.reload.is_some() {
            return tell(answer, "a reload is under way already".to_owned());
        }
        manager::reloading();
        let checked = prepare::read(&self.options)
            .and_then(|checked| host::check_names(&checked).map(|()| checked))
            .and_then(|checked| host::check_rights(&checked, self.all_rights).map(|()| checked));
        let checked = match checked {
            Ok(checked) => checked,
            Err(failure) => return self.refuse(answer, failure.to_string()),
        };
        if checked.cluster.node != self.node {
            let message = format!(
                "this node is {}, and would be {} by the new file; restart it for that",
                self.node, checked.cluster.node
            );
            return self.refuse(answer, message);
        }
        let config = checked.cluster.http.as_ref();
        let http = match self.http.prepare(config, &checked.source, &self.node) {
            Ok(http) => http,
            Err(failure) => return self.refuse(answer, failure.to_string()),
        };
        for line in checked.warnings.lines() {
            warn!("{line}");
        }
        let setup = Setup::for_node(&checked.cluster);
        self.reloads += 1;
        let number = self.reloads;
        let (options, source, plan) = (self.options.clone(), checked.source.clone(), setup.clone());
        let events = self.events.clone();
        tokio::spawn(async move {
            let keys = match prepare::check_virtual_macs(&source, &plan).await {
                Ok(()) => prepare::compile_modules(&options, &source, &plan).await,
                Err(failure) => Err(failure),
            };
            let keys = keys.map_err(|failure| failure.to_string());
            let _ = events.send(Event::Compiled { number, keys }).await;
        });
        self.later(DEADLINE, Event::ReloadDeadline { number });
        self.reload = Some(Reload {
            number,
            checked,
            setup,
            step: Step::Compiling,
            http,
            answer,
        });
    }

    /// The modules are compiled: have them loaded and tried.
    pub(super) fn reload_compiled(&mut self, number: u64, keys: Result<Vec<String>, String>) {
        let Some(reload) = self
            .reload
            .as_mut()
            .filter(|reload| reload.number == number)
        else {
            return;
        };
        let keys = match keys {
            Ok(keys) => keys,
            Err(message) => return self.reload_failed(message),
        };
        self.generations += 1;
        let generation = self.generations;
        let arguments = self.identities.worker_arguments(&reload.setup);
        let spawned = Child::spawn(
            "worker",
            &arguments,
            &self.options,
            self.events.clone(),
            move |event| Event::Worker(generation, event),
        );
        match spawned {
            Ok(child) => {
                if let Some(level) = self.log_level {
                    child.send(ToWorker::LogLevel(level));
                }
                prepare::send_setup(&child, &reload.setup, &keys);
                reload.step = Step::Loading(NewWorker {
                    child,
                    generation,
                    keys,
                });
            }
            Err(error) => self.reload_failed(chain(&error)),
        }
    }

    /// The generation of the worker that is being tried.
    pub(super) fn trying(&self) -> Option<u32> {
        match &self.reload.as_ref()?.step {
            Step::Compiling => None,
            Step::Loading(worker) | Step::Looking(worker, _) | Step::Routing(worker, _) => {
                Some(worker.generation)
            }
        }
    }

    /// What the worker that is being tried says or does.
    pub(super) fn tried_worker(&mut self, event: FromChild<FromWorker>) {
        let Some(mut reload) = self.reload.take() else {
            return;
        };
        let (failures, check_needs, hook_needs) = match event {
            FromChild::Message(FromWorker::Loaded {
                failures,
                check_needs,
                hook_needs,
            }) => (failures, check_needs, hook_needs),
            // It runs nothing before it is started.
            FromChild::Message(_) => return self.reload = Some(reload),
            FromChild::Gone(ending) => {
                self.reload = Some(reload);
                return self.reload_failed(format!("the worker died while loading: {ending}"));
            }
        };
        let Step::Loading(worker) = reload.step else {
            return self.reload = Some(reload);
        };
        if !failures.is_empty() {
            let report = prepare::load_report(&reload.checked.source, &reload.setup, &failures);
            self.refuse(reload.answer.take(), report.to_string());
            return;
        }
        let users = prepare::users(&reload.setup);
        let broker = self.broker.with_grants(&check_needs, &hook_needs, users);
        let (number, looking, setup) = (reload.number, broker.clone(), reload.setup.clone());
        let events = self.events.clone();
        tokio::spawn(async move {
            let failures = prepare::look_at_commands(&looking, &setup).await;
            let looked_at = Event::CommandsLookedAt { number, failures };
            let _ = events.send(looked_at).await;
        });
        reload.step = Step::Looking(worker, broker);
        self.reload = Some(reload);
    }

    /// The commands of the modules were looked at: have the router go over.
    pub(super) fn reload_looked_at(&mut self, number: u64, failures: &[LoadFailure]) {
        let Some(mut reload) = self.reload.take_if(|reload| reload.number == number) else {
            return;
        };
        let Step::Looking(worker, broker) = reload.step else {
            return self.reload = Some(reload);
        };
        if !failures.is_empty() {
            let report = prepare::load_report(&reload.checked.source, &reload.setup, failures);
            return self.refuse(reload.answer.take(), report.to_string());
        }
        if self.router.child.is_none() {
            let message = "the router is being restarted; try again".to_owned();
            return self.refuse(reload.answer.take(), message);
        }
        // What is refused until now or from then on, while the router goes over.
        let mut refused = self.setup.refused_addresses();
        refused.append(&mut reload.setup.refused_addresses());
        if let Err(error) = self.firewall.refuse(refused) {
            let message = format!("accept-mode: {}", chain(&error));
            return self.refuse(reload.answer.take(), message);
        }
        let instances: Vec<_> = reload.setup.instances.iter().map(instance_setup).collect();
        self.tell_router(ToRouter::Reload);
        self.send_router_setup(&reload.setup, &instances);
        reload.step = Step::Routing(worker, broker);
        self.reload = Some(reload);
    }

    /// The router goes on with the new set-up, and so does everything else.
    pub(super) fn reloaded(&mut self, kept: &[(u32, u32)]) {
        let Some(Reload {
            checked,
            setup,
            step: Step::Routing(worker, broker),
            http,
            answer,
            ..
        }) = self.reload.take()
        else {
            error!("the router reloaded without being asked");
            return;
        };
        let readers = host::readers(&checked).unwrap_or_else(|failure| {
            error!("nobody but root may look: {failure}");
            None
        });
        let instances: Vec<InstanceSetup> = setup.instances.iter().map(instance_setup).collect();
        let kept: Vec<(usize, usize)> = kept
            .iter()
            .filter_map(|(before, after)| Some((position(*before)?, position(*after)?)))
            .collect();
        self.guardian.renumber(&kept);
        let drained_again = self
            .drains
            .renumber(&kept, |name| setup.instance_number(name));
        let plan = hooks::Renumbering::new(&self.setup, &setup, &kept);
        self.hooks.renumber(&plan);
        let known = Known::new(&setup);
        self.known = std::mem::replace(&mut self.known, known).carried(&self.setup, &setup, &kept);
        self.instances = instances;
        self.setup = setup;
        self.update_firewall();
        self.source = checked.source;
        self.http.go_over(http);
        self.http.changed();
        self.keys = worker.keys;
        self.replace_worker(worker.child, worker.generation, broker);
        for instance in drained_again {
            let command = vrrp::Command::Drain;
            self.tell_router(ToRouter::Command { instance, command });
        }
        if let Err(failure) = self.gate.admit(readers) {
            error!("who may look stays as it is: {failure}");
        }
        info!("reloaded {}", self.source.path().display());
        self.reload_ended(None);
        manager::ready();
        if let Some(answer) = answer {
            // A client that went away needs no answer.
            let _ = answer.send(Response::Accepted(Vec::new()));
        }
    }

    /// Everything stays as it is.
    pub(super) fn reload_failed(&mut self, message: String) {
        if let Some(reload) = self.reload.take() {
            self.update_firewall();
            self.refuse(reload.answer, message);
        }
    }

    /// Refuses what the set-up in use refuses.
    fn update_firewall(&mut self) {
        if let Err(error) = self.firewall.refuse(self.setup.refused_addresses()) {
            error!(
                error = chain(&error),
                "accept-mode: what is refused stays as it is"
            );
        }
    }

    /// A reload that takes too long.
    pub(super) fn reload_deadline(&mut self, number: u64) {
        if self
            .reload
            .as_ref()
            .is_some_and(|reload| reload.number == number)
        {
            self.reload_failed(format!("not done within {DEADLINE:?}"));
        }
    }

    /// The new worker takes over; the old one only ends the hooks that it has begun.
    fn replace_worker(&mut self, child: Child<ToWorker>, generation: u32, broker: Broker) {
        self.check_runs_lost("the configuration changed meanwhile");
        let before = self.worker.child.replace(child);
        let (old_generation, old_broker) = (self.worker.generation, self.broker.clone());
        self.worker.generation = generation;
        self.broker = broker;
        self.watches = None;
        self.worker.started = tokio::time::Instant::now();
        if let Some(retiring) = self.retiring.take() {
            // Two reloads within one call of a hook: its outcome will not be known.
            drop(retiring);
            self.broker.end_commands();
            for call in self.hooks.running() {
                let outcome = HookOutcome::Retry("its worker was replaced".to_owned());
                self.hook_ended(call, outcome);
            }
        }
        if !self.hooks.running().is_empty() {
            self.retiring = before.map(|child| Retiring {
                child,
                generation: old_generation,
                broker: old_broker,
            });
        }
        self.start_worker();
    }

    /// Ends the reload under way.
    fn refuse(&mut self, answer: Option<oneshot::Sender<Response>>, message: String) {
        manager::ready();
        self.reload_ended(Some(&message));
        tell(answer, message);
    }

    fn reload_ended(&mut self, error: Option<&str>) {
        let error = error.map(kept);
        self.last_reload = Some(status::Reload {
            at: timestamp(SystemTime::now()),
            error: error.clone(),
        });
        self.history.happened(Happening::Reload { error });
    }

    /// The worker that is being tried.
    pub(super) fn tried_child(&self) -> Option<&Child<ToWorker>> {
        match &self.reload.as_ref()?.step {
            Step::Compiling => None,
            Step::Loading(worker) | Step::Looking(worker, _) | Step::Routing(worker, _) => {
                Some(&worker.child)
            }
        }
    }

    /// Lets a replaced worker go when its last hook has ended.
    pub(super) fn retire(&mut self) {
        if self.hooks.running().is_empty() {
            self.retiring = None;
        }
    }
}

fn tell(answer: Option<oneshot::Sender<Response>>, message: String) {
    error!("not reloaded, everything goes on as before:\n{message}");
    if let Some(answer) = answer {
        let _ = answer.send(Response::Error(message));
    }
}
