//! What checks want to hear of: who watches it, and what is said when it happens.
//!
//! Processes and interfaces are watched here, for which it takes no rights; units and paths by the supervisor, which holds
//! each against the grants of the check that asks.

use std::future::pending;

use tracing::warn;
use vrrp_linux::link::{LinkEvent, LinkWatcher};
use vrrp_linux::process::{ProcessEvent, ProcessWatcher};
use vrrp_sandbox::Trigger;

/// Watches what the worker may see by itself.
#[derive(Debug)]
pub(super) struct Watching {
    /// `None` when the kernel does not tell any more.
    processes: Option<ProcessWatcher>,
    links: LinkWatcher,
}

/// Who watches for a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    /// The worker, from now on.
    Here,
    /// It has to be asked for.
    BySupervisor,
}

impl Watching {
    pub(super) fn new(processes: ProcessWatcher) -> Self {
        Self {
            processes: Some(processes),
            links: LinkWatcher::new(),
        }
    }

    /// Watches for a trigger, as far as the worker can.
    pub(super) fn watch(&mut self, trigger: &Trigger) -> Watched {
        match trigger {
            Trigger::ProcessStarted(name) | Trigger::ProcessExited(name) => {
                if let Some(processes) = &mut self.processes {
                    processes.watch(name);
                }
                Watched::Here
            }
            Trigger::LinkChanged(name) | Trigger::AddressChanged(name) => {
                self.links.watch(name);
                Watched::Here
            }
            Trigger::UnitChanged(_) | Trigger::PathChanged(_) => Watched::BySupervisor,
        }
    }

    /// The next thing that happened. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Trigger {
        loop {
            tokio::select! {
                event = next_process(self.processes.as_mut()) => match event {
                    Ok(ProcessEvent::Started(name)) => return Trigger::ProcessStarted(name),
                    Ok(ProcessEvent::Exited(name)) => return Trigger::ProcessExited(name),
                    Err(error) => {
                        warn!(%error, "processes cannot be watched any more; checks look on their interval");
                        self.processes = None;
                    }
                },
                event = self.links.next() => return match event {
                    LinkEvent::Link(name) => Trigger::LinkChanged(name),
                    LinkEvent::Addresses(name) => Trigger::AddressChanged(name),
                },
            }
        }
    }
}

async fn next_process(watcher: Option<&mut ProcessWatcher>) -> std::io::Result<ProcessEvent> {
    match watcher {
        Some(watcher) => watcher.next().await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_takes_rights_is_left_to_the_supervisor() {
        let processes = ProcessWatcher::new(None).unwrap();
        let mut watching = Watching::new(processes);
        let name = || "x".to_owned();
        for (trigger, watched) in [
            (Trigger::ProcessStarted(name()), Watched::Here),
            (Trigger::ProcessExited(name()), Watched::Here),
            (Trigger::LinkChanged(name()), Watched::Here),
            (Trigger::AddressChanged(name()), Watched::Here),
            (Trigger::UnitChanged(name()), Watched::BySupervisor),
            (Trigger::PathChanged("/x".to_owned()), Watched::BySupervisor),
        ] {
            assert_eq!(watching.watch(&trigger), watched, "{trigger:?}");
        }
    }

    #[tokio::test]
    async fn what_is_said_is_what_was_armed() {
        let mut watching = Watching::new(ProcessWatcher::new(None).unwrap());
        let armed = [
            Trigger::LinkChanged("lo".to_owned()),
            Trigger::AddressChanged("lo".to_owned()),
        ];
        for trigger in &armed {
            watching.watch(trigger);
        }
        // The watch begins with one of each.
        for trigger in &armed {
            assert_eq!(watching.next().await, *trigger);
        }
    }
}
