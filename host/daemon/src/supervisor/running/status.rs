//! Answering who wants the status.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{Event, Supervisor};
use crate::ipc::ToRouter;
use crate::logging;
use crate::status::Processes;
use crate::supervisor::children::Child;
use crate::supervisor::control::Response;
use crate::supervisor::http::Snapshot;
use crate::supervisor::known::Surroundings;

/// How long `status` waits for the router.
const STATUS_TIMEOUT: Duration = Duration::from_secs(1);

impl Supervisor {
    pub(super) fn asked_for_status(&mut self, answer: oneshot::Sender<Response>) {
        self.status_waiters.push(answer);
        self.ask_for_status();
    }

    /// Has those who wait for a status answered, soon.
    pub(super) fn ask_for_status(&mut self) {
        if self.router.child.is_none() {
            self.answer_status();
        } else {
            self.tell_router(ToRouter::Status);
            let answered = self.statuses_answered;
            self.later(STATUS_TIMEOUT, Event::StatusDeadline { answered });
        }
    }

    /// A deadline of those who have their answer is none of those who ask now.
    pub(super) fn status_deadline(&mut self, answered: u64) {
        if answered == self.statuses_answered {
            self.answer_status();
        }
    }

    pub(super) fn answer_status(&mut self) {
        if self.status_waiters.is_empty() && self.snapshot_waiters.is_empty() {
            return;
        }
        self.statuses_answered += 1;
        let processes = Processes {
            supervisor: std::process::id(),
            router: self.router.child.as_ref().map(Child::pid),
            worker: self.worker.child.as_ref().map(Child::pid),
        };
        let surroundings = Surroundings {
            node: &self.node,
            processes,
            log_level: logging::level(),
            last_reload: self.last_reload.clone(),
            drains: &self.drains,
        };
        let pending = |hook| self.hooks.pending(hook);
        let status = self.known.status(&self.setup, surroundings, pending);
        for waiter in self.status_waiters.drain(..) {
            // A client that went away needs no answer.
            let _ = waiter.send(Response::Status(Box::new(status.clone())));
        }
        for waiter in self.snapshot_waiters.drain(..) {
            let tallies = self.known.tallies(&self.setup);
            let snapshot = Snapshot::new(status.clone(), tallies, self.setup.nodes.clone());
            let _ = waiter.send(snapshot);
        }
    }
}
