//! Answering the control socket.

use std::time::Duration;

use tokio::sync::oneshot;
use tracing::info;

use super::{Event, Supervisor};
use crate::ipc::ToRouter;
use crate::status::Processes;
use crate::supervisor::children::Child;
use crate::supervisor::control::{InstanceCommand, Request, Response};
use crate::supervisor::http::Snapshot;

/// How long `status` waits for the router.
const STATUS_TIMEOUT: Duration = Duration::from_secs(1);

impl Supervisor {
    pub(super) fn asked(&mut self, request: Request, answer: oneshot::Sender<Response>) {
        match request {
            Request::Status => {
                self.status_waiters.push(answer);
                self.ask_for_status();
            }
            Request::Reload => self.reload(Some(answer)),
            Request::Command { names, command } => {
                // A client that went away needs no answer.
                let _ = answer.send(self.command(&names, command));
            }
        }
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

    fn command(&mut self, names: &[String], command: InstanceCommand) -> Response {
        let instances = match self.named(names) {
            Ok(instances) => instances,
            Err(unknown) => {
                let known = self.setup.instances.iter().map(|plan| &plan.instance.name);
                let groups = self.setup.groups.iter().map(|plan| &plan.group.name);
                let known: Vec<&str> = known.chain(groups).map(String::as_str).collect();
                return Response::Error(format!(
                    "there is no instance or sync group {unknown}; there are {}",
                    known.join(", ")
                ));
            }
        };
        if self.router.child.is_none() {
            return Response::Error("the router is being restarted; try again".to_owned());
        }
        let command = match command {
            InstanceCommand::Drain => vrrp::Command::Drain,
            InstanceCommand::Undrain => vrrp::Command::Undrain,
            InstanceCommand::Release => vrrp::Command::Release,
        };
        let mut accepted = Vec::new();
        for index in instances {
            let instance = u32::try_from(index).unwrap_or(u32::MAX);
            let name = self.instance_name(instance);
            info!("{name}: {command:?} asked for");
            match command {
                vrrp::Command::Drain => _ = self.drained.insert(instance),
                vrrp::Command::Undrain => _ = self.drained.remove(&instance),
                vrrp::Command::Release => {}
            }
            self.tell_router(ToRouter::Command { instance, command });
            accepted.push(name);
        }
        Response::Accepted(accepted)
    }

    /// The numbers of the instances that go by these names; a sync group goes by any of its members. All without a name.
    fn named(&self, names: &[String]) -> Result<Vec<usize>, String> {
        if names.is_empty() {
            return Ok((0..self.setup.instances.len()).collect());
        }
        let find = |name: &String| {
            let instances = self.setup.instances.iter();
            let group = self
                .setup
                .groups
                .iter()
                .find(|plan| plan.group.name == *name);
            instances
                .map(|plan| &plan.instance.name)
                .position(|instance| instance == name)
                .or_else(|| group?.group.members.first().copied())
                .ok_or_else(|| name.clone())
        };
        names.iter().map(find).collect()
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
        let status = self
            .known
            .status(&self.node, &self.setup, processes, |hook| {
                self.hooks.pending(hook)
            });
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
