//! What the sandbox asks of its host: the log, the process table, and privileged acts, which go to the
//! supervisor's broker.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error, info, warn};
use vrrp_linux::process::KnownProcesses;
use vrrp_sandbox::{
    Action, Answer, Broker, Host, Level, LinkError, LinkInfo, LinkTable, LogLine, ProcessError,
    ProcessInfo, ProcessTable, Sample, SystemdError, Unit,
};

use crate::ipc::{Asker, BrokerError, BrokerReply, BrokerRequest, FromWorker, UnitAction};

/// Requests to the broker that wait for its answer, shared by all modules.
#[derive(Debug)]
pub(super) struct Requests {
    outgoing: mpsc::UnboundedSender<FromWorker>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    answers: HashMap<u64, oneshot::Sender<BrokerReply>>,
}

impl Requests {
    pub(super) fn new(outgoing: mpsc::UnboundedSender<FromWorker>) -> Self {
        Self {
            outgoing,
            waiting: Mutex::default(),
        }
    }

    /// The broker answered.
    pub(super) fn answered(&self, request: u64, reply: BrokerReply) {
        let waiting = self.lock().answers.remove(&request);
        // Nobody waits when the module's time was over before.
        if let Some(answer) = waiting {
            let _ = answer.send(reply);
        }
    }

    async fn ask(&self, on_behalf_of: Asker, act: BrokerRequest) -> Option<BrokerReply> {
        let (sender, answer) = oneshot::channel();
        let request = {
            let mut waiting = self.lock();
            waiting.answers.retain(|_, sender| !sender.is_closed());
            waiting.next += 1;
            let request = waiting.next;
            waiting.answers.insert(request, sender);
            request
        };
        self.outgoing
            .send(FromWorker::Broker {
                request,
                on_behalf_of,
                act,
            })
            .ok()?;
        answer.await.ok()
    }

    /// All of it runs on one thread; the lock satisfies the compiler and is never contended.
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The host of one check or hook.
#[derive(Debug)]
pub(super) struct ModuleHost {
    asker: Asker,
    requests: Arc<Requests>,
    processes: Arc<Processes>,
}

impl ModuleHost {
    pub(super) fn new(asker: Asker, requests: Arc<Requests>, processes: Arc<Processes>) -> Self {
        Self {
            asker,
            requests,
            processes,
        }
    }
}

impl Host for ModuleHost {
    fn log(&self, line: LogLine<'_>) {
        let LogLine {
            module,
            level,
            message,
            facts,
            ..
        } = line;
        let facts: String = facts
            .iter()
            .map(|(name, value)| format!(" {name}={value}"))
            .collect();
        match level {
            Level::Debug => debug!("{module}: {message}{facts}"),
            Level::Info => info!("{module}: {message}{facts}"),
            Level::Warn => warn!("{module}: {message}{facts}"),
            Level::Error => error!("{module}: {message}{facts}"),
        }
    }

    fn record(&self, module: &str, sample: Sample<'_>) {
        debug!(module, ?sample, "measured");
    }

    fn processes(&self) -> &dyn ProcessTable {
        &*self.processes
    }

    fn links(&self) -> &dyn LinkTable {
        &Links
    }

    fn broker(&self) -> &dyn Broker {
        self
    }
}

impl Broker for ModuleHost {
    fn systemd_unit<'a>(&'a self, unit: &'a str) -> Answer<'a, Result<Unit, SystemdError>> {
        Box::pin(async move {
            match self
                .requests
                .ask(
                    self.asker,
                    BrokerRequest::Unit {
                        name: unit.to_owned(),
                    },
                )
                .await
            {
                Some(BrokerReply::Unit(Ok(unit))) => Ok(Unit {
                    name: unit.name,
                    active_state: unit.active_state,
                    sub_state: unit.sub_state,
                    main_pid: unit.main_pid,
                    restarts: unit.restarts,
                }),
                Some(BrokerReply::Unit(Err(error))) => Err(systemd_error(error)),
                Some(BrokerReply::Job(_)) | None => Err(no_answer()),
            }
        })
    }

    fn systemd_job<'a>(
        &'a self,
        unit: &'a str,
        action: Action,
        timeout: Duration,
    ) -> Answer<'a, Result<(), SystemdError>> {
        Box::pin(async move {
            let action = match action {
                Action::Start => UnitAction::Start,
                Action::Stop => UnitAction::Stop,
                Action::Restart => UnitAction::Restart,
                Action::Reload => UnitAction::Reload,
                Action::TryRestart => UnitAction::TryRestart,
            };
            let act = BrokerRequest::Job {
                unit: unit.to_owned(),
                action,
                timeout,
            };
            match self.requests.ask(self.asker, act).await {
                Some(BrokerReply::Job(result)) => result.map_err(systemd_error),
                Some(BrokerReply::Unit(_)) | None => Err(no_answer()),
            }
        })
    }
}

fn systemd_error(error: BrokerError) -> SystemdError {
    match error {
        BrokerError::Denied(_) => SystemdError::Denied,
        BrokerError::NotFound => SystemdError::NotFound,
        BrokerError::Timeout => SystemdError::Timeout,
        BrokerError::Bus(message) => SystemdError::Bus(message),
    }
}

fn no_answer() -> SystemdError {
    SystemdError::Bus("the supervisor does not answer".to_owned())
}

/// The process table, which remembers who was alive: a check on a living process costs a look at its
/// pidfd, not a scan of /proc.
#[derive(Debug, Default)]
pub(super) struct Processes {
    known: Mutex<KnownProcesses>,
}

impl ProcessTable for Processes {
    fn find<'a>(&'a self, name: &'a str) -> Answer<'a, Result<Vec<ProcessInfo>, ProcessError>> {
        let found = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .find(name);
        Box::pin(std::future::ready(match found {
            Ok(processes) => Ok(processes
                .into_iter()
                .map(|process| ProcessInfo {
                    pid: process.pid,
                    comm: process.comm,
                    cmdline: process.cmdline,
                    started_unix_ms: process.started_unix_ms,
                    rss_bytes: process.rss_bytes,
                    threads: process.threads,
                })
                .collect()),
            Err(error) => {
                warn!(%error, "cannot read the process table");
                Err(ProcessError::Unavailable)
            }
        }))
    }
}

/// The network interfaces, asked for anew each time.
#[derive(Debug)]
struct Links;

impl LinkTable for Links {
    fn find<'a>(&'a self, name: &'a str) -> Answer<'a, Result<LinkInfo, LinkError>> {
        Box::pin(async move {
            match vrrp_linux::link::find(name).await {
                Ok(Some(link)) => Ok(LinkInfo {
                    name: link.name,
                    up: link.up,
                    carrier: link.carrier,
                    mtu: link.mtu,
                    addresses: link
                        .addresses
                        .iter()
                        .map(|(address, prefix_length)| format!("{address}/{prefix_length}"))
                        .collect(),
                }),
                Ok(None) => Err(LinkError::NotFound),
                Err(error) => {
                    warn!(%error, "cannot ask for an interface");
                    Err(LinkError::Unavailable)
                }
            }
        })
    }
}
