//! Running checks: on their interval, and at once when something they watch happened.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use vrrp::{Outcome, State};
use vrrp_sandbox::{
    CheckModule, Observation, RunContext, RunReport, Trigger, Usage, Verdict, VrrpState,
};

use super::reports::{Repeats, Reports};
use crate::ipc::{Schedule, WorkerReport};

/// The state of every instance, as the supervisor last told it.
pub(super) type States = Rc<RefCell<BTreeMap<String, State>>>;

/// Causes remembered between two runs. A run looks at the world anew, so what is beyond this is not missed.
const CAUSES_MAX: usize = 16;
/// Triggered runs keep this distance from the run before, so that a flapping process cannot occupy the worker.
const DEBOUNCE: Duration = Duration::from_millis(10);

/// A loaded check.
#[derive(Clone)]
pub(super) struct RunningCheck {
    index: u32,
    schedule: Schedule,
    module: Rc<CheckModule>,
    wake: Rc<Wake>,
}

/// Why a check is to run before its interval is over.
#[derive(Debug, Default)]
struct Wake {
    causes: RefCell<Vec<Trigger>>,
    /// The verdict is wanted at once, also when it is the same.
    is_urgent: Cell<bool>,
    /// The last number by which somebody asked for a run.
    asked: Cell<u64>,
    /// One permit is kept: whatever happens during a run leads to exactly one more.
    notify: Notify,
}

impl Wake {
    fn cause(&self, trigger: &Trigger) {
        let mut causes = self.causes.borrow_mut();
        if causes.len() < CAUSES_MAX && !causes.contains(trigger) {
            causes.push(trigger.clone());
        }
    }
}

impl RunningCheck {
    pub(super) fn new(index: u32, schedule: Schedule, module: CheckModule) -> Self {
        Self {
            index,
            schedule,
            module: Rc::new(module),
            wake: Rc::default(),
        }
    }

    /// Its number.
    pub(super) fn index(&self) -> u32 {
        self.index
    }

    /// What it wants to hear of.
    pub(super) fn triggers(&self) -> &[Trigger] {
        &self.module.plan().triggers
    }

    /// Takes in something that happened; what it did not ask for does not matter to it.
    pub(super) fn happened(&self, trigger: &Trigger) {
        if !self.triggers().contains(trigger) {
            return;
        }
        self.wake.cause(trigger);
        self.wake.notify.notify_one();
    }

    /// Runs as soon as no run is under way, and reports at once.
    pub(super) fn run_now(&self) {
        self.wake.is_urgent.set(true);
        self.wake.notify.notify_one();
    }

    /// As [`run_now`](Self::run_now), because somebody asked for it with this number.
    pub(super) fn run_asked(&self, number: u64) {
        self.wake.asked.set(number);
        self.run_now();
    }

    /// Runs at once and then for ever; each run is reported.
    pub(super) fn start(&self, states: States, reports: Rc<Reports>) {
        let check = self.clone();
        tokio::task::spawn_local(async move { check.run_for_ever(states, reports).await });
    }

    async fn run_for_ever(self, states: States, reports: Rc<Reports>) {
        let mut repeats = Repeats::new(self.schedule.rise);
        let mut number = 0;
        let mut previous = None;
        let mut due = Instant::now();
        let mut last_start = None;
        loop {
            tokio::select! {
                () = sleep_until(due) => {}
                () = self.wake.notify.notified() => {
                    if let Some(last) = last_start {
                        sleep_until(last + DEBOUNCE).await;
                    }
                }
            }
            let started = Instant::now();
            last_start = Some(started);
            number += 1;
            let asked = self.wake.asked.get();
            let is_urgent = self.wake.is_urgent.take();
            let context = RunContext {
                causes: self.wake.causes.take(),
                run: number,
                previous,
                states: states
                    .borrow()
                    .iter()
                    .map(|(instance, state)| (instance.clone(), guest_state(*state)))
                    .collect(),
            };
            let report = self.module.run(context).await;
            if let Ok(observation) = &report.outcome {
                previous = Some(observation.verdict);
            }
            let report = self.report(report, asked);
            if !reports.send(report, &mut repeats, is_urgent) {
                return;
            }
            due = (started + self.schedule.interval).max(Instant::now());
        }
    }

    fn report(&self, report: RunReport, asked: u64) -> WorkerReport {
        let Usage {
            wall, cpu, denied, ..
        } = report.usage;
        let (outcome, weight, summary, facts) = match report.outcome {
            Ok(Observation {
                verdict,
                summary,
                weight,
                facts,
            }) => {
                let outcome = match verdict {
                    Verdict::Passing => Outcome::Passing,
                    Verdict::Warning => Outcome::Warning,
                    Verdict::Failing => Outcome::Failing,
                };
                let facts = facts
                    .into_iter()
                    .map(|fact| (fact.name, fact.value))
                    .collect();
                (outcome, weight, summary, facts)
            }
            Err(error) => (Outcome::Error, None, error.to_string(), Vec::new()),
        };
        WorkerReport {
            check: self.index,
            outcome,
            weight,
            summary,
            facts,
            wall,
            cpu,
            denied,
            asked,
        }
    }
}

/// The state in the words of the contract with guests.
pub(super) fn guest_state(state: State) -> VrrpState {
    match state {
        State::Initialize => VrrpState::Initialize,
        State::Fault => VrrpState::Fault,
        State::Backup => VrrpState::Backup,
        State::Active => VrrpState::Master,
    }
}
