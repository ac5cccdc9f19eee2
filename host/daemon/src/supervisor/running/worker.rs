//! The supervisor's side of the worker: verdicts, privileged acts, and what to do when it dies.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info, warn};
use vrrp::Outcome;
use vrrp_sandbox::Trigger;

use super::{Event, Supervisor};
use crate::event::{Happening, ProcessChange};
use crate::exit::{Failure, chain};
use crate::ipc::{
    Asker, BrokerAnswer, BrokerRequest, FromWorker, HookOutcome, Report, ToRouter, ToWorker,
    WorkerReport,
};
use crate::supervisor::broker::Broker;
use crate::supervisor::children::{Child, Ending, FromChild};
use crate::supervisor::history::kept;
use crate::supervisor::known::{position, verdict_word};
use crate::supervisor::prepare;
use crate::supervisor::watches::Watches;

impl Supervisor {
    pub(super) fn spawn_worker(&mut self) -> Result<(), String> {
        self.generations += 1;
        self.worker.generation = self.generations;
        self.worker.started = Instant::now();
        let generation = self.worker.generation;
        let worker = Child::spawn(
            "worker",
            &self.identities.worker_arguments(&self.setup),
            &self.options,
            self.events.clone(),
            move |event| Event::Worker(generation, event),
        )
        .map_err(|error| chain(&error))?;
        if let Some(level) = self.log_level {
            worker.send(ToWorker::LogLevel(level));
        }
        prepare::send_setup(&worker, &self.setup, &self.keys);
        self.worker.child = Some(worker);
        Ok(())
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what does not concern the start is handled as ever"
    )]
    pub(super) async fn wait_until_loaded(&mut self) -> Result<(), Failure> {
        while let Some(event) = self.receiver.recv().await {
            match event {
                Event::Worker(
                    _,
                    FromChild::Message(FromWorker::Loaded {
                        failures,
                        check_needs,
                        hook_needs,
                    }),
                ) => {
                    if !failures.is_empty() {
                        let report = prepare::load_report(&self.source, &self.setup, &failures);
                        return Err(Failure::config(report));
                    }
                    let users = prepare::users(&self.setup);
                    self.broker = self.broker.with_grants(&check_needs, &hook_needs, users);
                    let failures = prepare::look_at_commands(&self.broker, &self.setup).await;
                    if failures.is_empty() {
                        return Ok(());
                    }
                    let report = prepare::load_report(&self.source, &self.setup, &failures);
                    return Err(Failure::config(report));
                }
                Event::Worker(_, FromChild::Gone(ending)) => {
                    return Err(Failure::internal(format!(
                        "the worker died while loading: {ending}"
                    )));
                }
                Event::Terminate(signal) => {
                    return Err(Failure::temporary(format!("{signal} during the start")));
                }
                other => self.handle(other).await,
            }
        }
        Err(Failure::internal("the worker died while loading"))
    }

    pub(super) fn worker_says(&mut self, message: FromWorker) {
        match message {
            // What the modules may ask for was fixed by the first worker; this one loaded the same.
            FromWorker::Loaded { failures, .. } => {
                for failure in &failures {
                    error!(
                        ?failure,
                        "a module that was loaded before cannot be loaded any more"
                    );
                }
                info!("the worker runs the checks again");
                self.history.happened(Happening::Process {
                    process: "worker".to_owned(),
                    change: ProcessChange::Restarted,
                    reason: None,
                });
                self.start_worker();
            }
            FromWorker::Reports(reports) => self.reported(&reports),
            FromWorker::HookDone {
                call,
                outcome,
                denied,
            } => self.hook_done(call, outcome, denied),
            FromWorker::Broker {
                request,
                on_behalf_of,
                act,
            } => self.ask_broker(request, on_behalf_of, act),
            FromWorker::Watch {
                on_behalf_of,
                trigger,
            } => self.watch(on_behalf_of, trigger),
        }
    }

    /// Has something watched for a check that may see it.
    fn watch(&mut self, asker: Asker, trigger: Trigger) {
        let Some(grant) = self.broker.may_watch(asker, &trigger) else {
            return;
        };
        let generation = self.worker.generation;
        self.watches
            .get_or_insert_with(|| Watches::start(generation, self.events.clone()))
            .watch(grant, trigger);
    }

    /// Has a worker that has loaded everything begin.
    pub(super) fn start_worker(&mut self) {
        for (plan, known) in self.setup.instances.iter().zip(&self.known.instances) {
            let instance = plan.instance.name.clone();
            self.tell_worker(ToWorker::State {
                instance,
                state: known.state,
            });
        }
        self.tell_worker(ToWorker::Start);
        for queue in self.queues() {
            self.call_next(queue);
        }
    }

    /// What a worker says that a reload replaced: only its hooks still matter.
    pub(super) fn retiring_worker(&mut self, generation: u32, event: FromChild<FromWorker>) {
        let Some(retiring) = self
            .retiring
            .as_ref()
            .filter(|retiring| retiring.generation == generation)
        else {
            return;
        };
        match event {
            FromChild::Message(FromWorker::HookDone {
                call,
                outcome,
                denied,
            }) => {
                self.hook_done(call, outcome, denied);
                self.retire();
            }
            FromChild::Message(FromWorker::Broker {
                request,
                on_behalf_of,
                act,
            }) => {
                let broker = retiring.broker.clone();
                self.have_done(broker, generation, request, on_behalf_of, act);
            }
            FromChild::Message(
                FromWorker::Loaded { .. } | FromWorker::Reports(_) | FromWorker::Watch { .. },
            ) => {}
            FromChild::Gone(_) => {
                self.retiring = None;
                self.broker.end_commands();
                for call in self.hooks.running() {
                    let outcome = HookOutcome::Retry("the worker died".to_owned());
                    self.hook_ended(call, outcome);
                }
            }
        }
    }

    fn reported(&mut self, reports: &[WorkerReport]) {
        let for_router = |report: &WorkerReport| Report {
            check: report.check,
            outcome: report.outcome,
            weight: report.weight,
        };
        self.tell_router(ToRouter::Reports(reports.iter().map(for_router).collect()));
        for report in reports {
            self.note_run(report);
        }
    }

    /// Takes in a run of a check for those who ask.
    fn note_run(&mut self, report: &WorkerReport) {
        let Some(name) = position(report.check)
            .and_then(|index| self.setup.checks.get(index))
            .map(|check| check.name.clone())
        else {
            return;
        };
        let known = position(report.check).and_then(|index| self.known.checks.get(index));
        let before = verdict_word(known.and_then(|check| check.outcome));
        if self.known.reported(report) {
            self.http.changed();
            let verdict = verdict_word(Some(report.outcome));
            self.history.happened(Happening::Verdict {
                check: name.clone(),
                before: before.to_owned(),
                after: verdict.to_owned(),
                summary: kept(&report.summary),
            });
            match report.outcome {
                Outcome::Passing => info!("check {name}: {verdict}: {}", report.summary),
                Outcome::Warning | Outcome::Failing | Outcome::Error => {
                    warn!("check {name}: {verdict}: {}", report.summary);
                }
            }
        }
        self.check_ran(report);
    }

    pub(super) fn ask_broker(&self, request: u64, asker: Asker, act: BrokerRequest) {
        let generation = self.worker.generation;
        self.have_done(self.broker.clone(), generation, request, asker, act);
    }

    fn have_done(
        &self,
        broker: Broker,
        generation: u32,
        request: u64,
        asker: Asker,
        act: BrokerRequest,
    ) {
        let events = self.events.clone();
        tokio::spawn(async move {
            let answer = broker.perform(asker, act).await;
            let _ = events
                .send(Event::BrokerDone {
                    generation,
                    request,
                    answer,
                })
                .await;
        });
    }

    /// Passes an answer on to the worker that asked, if it is still there.
    pub(super) fn broker_answered(&self, generation: u32, request: u64, answer: BrokerAnswer) {
        let retiring = self.retiring.as_ref();
        let retiring = retiring.filter(|retiring| retiring.generation == generation);
        let worker = match retiring {
            Some(retiring) => Some(&retiring.child),
            None if generation == self.worker.generation => self.worker.child.as_ref(),
            None => None,
        };
        if let Some(worker) = worker {
            for message in answer.messages(request) {
                worker.send(message);
            }
        }
    }

    pub(super) fn worker_gone(&mut self, ending: &Ending) {
        self.worker.child = None;
        // Its hooks are called again, and must not find themselves at work.
        self.broker.end_commands();
        self.watches = None;
        let delay = self.worker.next_delay();
        error!(
            "the worker died ({ending}): its checks report errors until it runs again, in {delay:?}"
        );
        self.history.happened(Happening::Process {
            process: "worker".to_owned(),
            change: ProcessChange::Died,
            reason: Some(ending.to_string()),
        });
        self.check_runs_lost("the worker died");
        let checks = 0..u32::try_from(self.setup.checks.len()).unwrap_or(u32::MAX);
        let died = |check| WorkerReport {
            check,
            outcome: Outcome::Error,
            weight: None,
            summary: "the worker died".to_owned(),
            facts: Vec::new(),
            wall: Duration::ZERO,
            cpu: Duration::ZERO,
            denied: 0,
            asked: 0,
        };
        self.reported(&checks.map(died).collect::<Vec<_>>());
        for call in self.hooks.running() {
            self.hook_ended(call, HookOutcome::Retry("the worker died".to_owned()));
        }
        self.later(delay, Event::RestartWorker);
    }

    pub(super) fn restart_worker(&mut self) {
        if let Err(message) = self.spawn_worker() {
            error!("{message}");
            let delay = self.worker.next_delay();
            self.later(delay, Event::RestartWorker);
        }
    }

    pub(super) fn tell_worker(&self, message: ToWorker) {
        if let Some(worker) = &self.worker.child {
            worker.send(message);
        }
    }
}
