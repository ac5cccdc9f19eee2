//! Answering the control socket.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{Event, Supervisor};
use crate::ipc::ToRouter;
use crate::status::Processes;
use crate::supervisor::children::Child;
use crate::supervisor::control::{Request, Response};

/// How long `status` waits for the router.
const STATUS_TIMEOUT: Duration = Duration::from_secs(1);

impl Supervisor {
    pub(super) fn asked(&mut self, request: Request, answer: oneshot::Sender<Response>) {
        match request {
            Request::Status => {
                self.status_waiters.push(answer);
                if self.router.child.is_none() {
                    self.answer_status();
                } else {
                    self.tell_router(ToRouter::Status);
                    self.later(STATUS_TIMEOUT, Event::StatusDeadline);
                }
            }
        }
    }

    pub(super) fn answer_status(&mut self) {
        if self.status_waiters.is_empty() {
            return;
        }
        let processes = Processes {
            supervisor: std::process::id(),
            router: self.router.child.as_ref().map(Child::pid),
            worker: self.worker.child.as_ref().map(Child::pid),
        };
        let status = self
            .known
            .status(&self.node, &self.setup, processes, |hook| {
                self.hooks.pending(hook)
            });
        for waiter in self.status_waiters.drain(..) {
            // A client that went away needs no answer.
            let _ = waiter.send(Response::Status(Box::new(status.clone())));
        }
    }
}
