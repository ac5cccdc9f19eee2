//! Runs of checks that somebody asked for and waits for.

use tokio::sync::oneshot;

use super::Supervisor;
use crate::config::unknown;
use crate::ipc::{ToWorker, WorkerReport};
use crate::supervisor::control::Response;
use crate::supervisor::known::position;

/// Who waits for a run of a check.
#[derive(Debug, Default)]
pub(super) struct CheckRuns {
    /// Of the last one that was asked for.
    number: u64,
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    check: u32,
    number: u64,
    answer: oneshot::Sender<Response>,
}

impl CheckRuns {
    fn wait(&mut self, check: u32, answer: oneshot::Sender<Response>) -> u64 {
        self.number += 1;
        self.waiting.push(Waiting {
            check,
            number: self.number,
            answer,
        });
        self.number
    }

    /// Who has what it waited for.
    fn served(&mut self, report: &WorkerReport) -> Vec<oneshot::Sender<Response>> {
        self.take(|waiting| waiting.check == report.check && waiting.number <= report.asked)
    }

    fn take(&mut self, is_over: impl Fn(&Waiting) -> bool) -> Vec<oneshot::Sender<Response>> {
        let over = self.waiting.extract_if(.., |waiting| is_over(waiting));
        over.map(|waiting| waiting.answer).collect()
    }
}

impl Supervisor {
    /// Has a check run now; the answer comes with its report.
    pub(super) fn run_check(&mut self, name: &str, answer: oneshot::Sender<Response>) {
        let mut checks = self.setup.checks.iter();
        let Some(check) = checks.position(|check| check.name == name) else {
            let checks = self.setup.checks.iter();
            let known: Vec<&str> = checks.map(|check| check.name.as_str()).collect();
            let message = unknown("check on this node called", name, &known);
            let _ = answer.send(Response::Error(message));
            return;
        };
        if self.worker.child.is_none() {
            let message = "the worker is being restarted; try again".to_owned();
            let _ = answer.send(Response::Error(message));
            return;
        }
        let check = u32::try_from(check).unwrap_or(u32::MAX);
        let number = self.check_runs.wait(check, answer);
        self.tell_worker(ToWorker::Run { check, number });
    }

    /// A check ran, and the router was told of it.
    pub(super) fn check_ran(&mut self, report: &WorkerReport) {
        let served = self.check_runs.served(report);
        let known = position(report.check).and_then(|index| self.known.checks.get(index));
        let Some(known) = known else { return };
        for answer in served {
            // A client that went away needs no answer.
            let _ = answer.send(Response::CheckRun(Box::new(known.status())));
        }
    }

    /// The worker that was asked is gone.
    pub(super) fn check_runs_lost(&mut self, why: &str) {
        for answer in self.check_runs.take(|_| true) {
            let _ = answer.send(Response::Error(format!("{why}; try again")));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vrrp::Outcome;

    use super::*;

    fn report(check: u32, asked: u64) -> WorkerReport {
        WorkerReport {
            check,
            outcome: Outcome::Passing,
            weight: None,
            summary: String::new(),
            facts: Vec::new(),
            wall: Duration::ZERO,
            cpu: Duration::ZERO,
            denied: 0,
            asked,
        }
    }

    #[test]
    fn only_a_run_that_began_after_it_was_asked_for_is_the_answer() {
        let mut runs = CheckRuns::default();
        let ask = |runs: &mut CheckRuns, check| runs.wait(check, oneshot::channel().0);
        assert_eq!(ask(&mut runs, 7), 1);
        assert_eq!(ask(&mut runs, 8), 2);
        assert_eq!(ask(&mut runs, 7), 3);
        assert_eq!(runs.served(&report(7, 0)).len(), 0);
        assert_eq!(runs.served(&report(7, 1)).len(), 1);
        assert_eq!(runs.served(&report(9, 9)).len(), 0);
        assert_eq!(runs.served(&report(7, 3)).len(), 1);
        assert_eq!(runs.take(|_| true).len(), 1);
    }
}
