//! What is asked for through the control socket.

use tokio::sync::oneshot;
use tracing::info;

use super::{Lasting, Level, Supervisor};
use crate::config::unknown;
use crate::event::Happening;
use crate::ipc::{ToRouter, ToWorker};
use crate::logging;
use crate::supervisor::control::{InstanceCommand, Request, Response};

impl Supervisor {
    pub(super) fn asked(&mut self, request: Request, answer: oneshot::Sender<Response>) {
        let response = match request {
            Request::Status => return self.asked_for_status(answer),
            Request::Reload => return self.reload(Some(answer)),
            Request::RunCheck { check } => return self.run_check(&check, answer),
            Request::Events { last, .. } => {
                let last = self.history.last(last);
                Response::Events(last.map(|event| (**event).clone()).collect())
            }
            Request::Command { names, command } => self.command(&names, command),
            Request::LogLevel { level } => self.set_log_level(level),
        };
        // A client that went away needs no answer.
        let _ = answer.send(response);
    }

    fn command(&mut self, names: &[String], command: InstanceCommand) -> Response {
        let instances = match self.named(names) {
            Ok(instances) => instances,
            Err(message) => return Response::Error(message),
        };
        if self.router.child.is_none() {
            return Response::Error("the router is being restarted; try again".to_owned());
        }
        let noted = match command {
            InstanceCommand::Drain { persist: true } => {
                self.drains.drain(&instances, Lasting::Persistent)
            }
            InstanceCommand::Drain { persist: false } => {
                self.drains.drain(&instances, Lasting::ThisRun)
            }
            InstanceCommand::Undrain => self.drains.undrain(&instances),
            InstanceCommand::Release => Ok(()),
        };
        if let Err(error) = noted {
            return Response::Error(format!(
                "cannot write down in {} which instances are drained: {error}; nothing was done",
                self.options.state_dir.display()
            ));
        }
        let (command, word, persists) = match command {
            InstanceCommand::Drain { persist } => (vrrp::Command::Drain, "drain", persist),
            InstanceCommand::Undrain => (vrrp::Command::Undrain, "undrain", false),
            InstanceCommand::Release => (vrrp::Command::Release, "release", false),
        };
        let (numbers, names): (Vec<u32>, Vec<String>) = instances.into_iter().unzip();
        info!("{}: {word} asked for", names.join(", "));
        self.history.happened(Happening::Command {
            command: word.to_owned(),
            instances: names.clone(),
            persists,
        });
        for instance in numbers {
            self.tell_router(ToRouter::Command { instance, command });
        }
        Response::Accepted(names)
    }

    /// The instances that go by these names, each with its number; a sync group goes by any of its members. All without a name.
    fn named(&self, names: &[String]) -> Result<Vec<(u32, String)>, String> {
        let instances = || self.setup.instances.iter().map(|plan| &plan.instance.name);
        if names.is_empty() {
            return Ok((0..).zip(instances().cloned()).collect());
        }
        let groups = || self.setup.groups.iter().map(|plan| &plan.group);
        let find = |name: &String| {
            let group = groups().find(|group| group.name == *name);
            let index = instances()
                .position(|instance| instance == name)
                .or_else(|| group?.members.first().copied());
            let number = index.and_then(|index| u32::try_from(index).ok());
            let number = number.ok_or_else(|| {
                let known = instances().chain(groups().map(|group| &group.name));
                let known: Vec<&str> = known.map(String::as_str).collect();
                unknown("instance or sync group", name, &known)
            })?;
            Ok((number, self.instance_name(number)))
        };
        names.iter().map(find).collect()
    }

    /// Has a router leave the addresses of what is drained to others, which it does not know.
    pub(super) fn tell_of_drains(&self) {
        for instance in self.drains.numbers() {
            let command = vrrp::Command::Drain;
            self.tell_router(ToRouter::Command { instance, command });
        }
    }

    /// Logs that much in every process of this daemon, also in those that are started later.
    fn set_log_level(&mut self, level: Level) -> Response {
        self.log_level = Some(level);
        logging::set_level(level);
        self.tell_router(ToRouter::LogLevel(level));
        self.tell_worker(ToWorker::LogLevel(level));
        if let Some(worker) = self.tried_child() {
            worker.send(ToWorker::LogLevel(level));
        }
        let level = level.to_string();
        self.history.happened(Happening::LogLevel {
            level: level.clone(),
        });
        Response::Accepted(vec![level])
    }
}
