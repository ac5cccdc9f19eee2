//! What the sandbox asks of its host: the log, the process table, and privileged acts, which go to the
//! supervisor's broker.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error, info, warn};
use vrrp_linux::process::KnownProcesses;
use vrrp_sandbox::{
    Action, Answer, Broker, CommandError, FileError, Host, Level, LinkError, LinkInfo, LinkTable,
    LogLine, NetError, Pinger, ProcessError, ProcessInfo, ProcessTable, Sample, SystemdError, Unit,
};

use super::pings::Pings;
use crate::ipc::{
    Asker, BrokerAnswer, BrokerError, BrokerReply, BrokerRequest, CommandEnding, FromWorker,
    Passed, UnitAction, UnixSocketError,
};

/// Requests to the broker that wait for its answer, shared by all modules.
#[derive(Debug)]
pub(super) struct Requests {
    outgoing: mpsc::UnboundedSender<FromWorker>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    answers: HashMap<u64, Awaited>,
}

#[derive(Debug)]
struct Awaited {
    /// What has come of the answer so far.
    bytes: Vec<u8>,
    answer: oneshot::Sender<BrokerAnswer>,
}

impl Requests {
    pub(super) fn new(outgoing: mpsc::UnboundedSender<FromWorker>) -> Self {
        Self {
            outgoing,
            waiting: Mutex::default(),
        }
    }

    /// The broker sent a part of its answer.
    pub(super) fn answered_bytes(&self, request: u64, mut bytes: Vec<u8>) {
        if let Some(awaited) = self.lock().answers.get_mut(&request) {
            awaited.bytes.append(&mut bytes);
        }
    }

    /// The broker answered.
    pub(super) fn answered(&self, request: u64, reply: BrokerReply) {
        let waiting = self.lock().answers.remove(&request);
        // Nobody waits when the module's time was over before.
        if let Some(Awaited { bytes, answer }) = waiting {
            let _ = answer.send(BrokerAnswer { reply, bytes });
        }
    }

    async fn ask(&self, on_behalf_of: Asker, act: BrokerRequest) -> Option<BrokerReply> {
        let answer = self.ask_for_bytes(on_behalf_of, act).await;
        answer.map(|answer| answer.reply)
    }

    async fn ask_for_bytes(&self, on_behalf_of: Asker, act: BrokerRequest) -> Option<BrokerAnswer> {
        let (sender, answer) = oneshot::channel();
        let awaited = Awaited {
            bytes: Vec::new(),
            answer: sender,
        };
        let request = {
            let mut waiting = self.lock();
            waiting
                .answers
                .retain(|_, awaited| !awaited.answer.is_closed());
            waiting.next += 1;
            let request = waiting.next;
            waiting.answers.insert(request, awaited);
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
    pings: Arc<Pings>,
}

impl ModuleHost {
    pub(super) fn new(
        asker: Asker,
        requests: Arc<Requests>,
        processes: Arc<Processes>,
        pings: Arc<Pings>,
    ) -> Self {
        Self {
            asker,
            requests,
            processes,
            pings,
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

    fn pinger(&self) -> &dyn Pinger {
        &*self.pings
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
                _ => Err(SystemdError::Bus(NO_ANSWER.to_owned())),
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
                _ => Err(SystemdError::Bus(NO_ANSWER.to_owned())),
            }
        })
    }

    fn unix_socket<'a>(&'a self, path: &'a Path) -> Answer<'a, Result<OwnedFd, NetError>> {
        Box::pin(async move {
            let act = BrokerRequest::UnixSocket {
                path: path.to_owned(),
            };
            let Some(BrokerReply::UnixSocket(opened)) = self.requests.ask(self.asker, act).await
            else {
                return Err(NetError::Unusable(NO_ANSWER.to_owned()));
            };
            match opened.map(Passed::into_inner) {
                Ok(Some(socket)) => Ok(socket),
                Ok(None) => Err(NetError::Unusable(NO_ANSWER.to_owned())),
                Err(UnixSocketError::Denied) => Err(NetError::Denied),
                Err(UnixSocketError::Refused) => Err(NetError::Refused),
                // Whoever is behind the socket has not been asked: this is no verdict on it.
                Err(UnixSocketError::Closed) => Err(NetError::Unusable(format!(
                    "{} is closed to the user that vrrp-host runs as",
                    path.display()
                ))),
                Err(UnixSocketError::Io(message)) => Err(NetError::Io(message)),
            }
        })
    }

    fn read_file<'a>(
        &'a self,
        path: &'a Path,
        max: u32,
        timeout: Duration,
    ) -> Answer<'a, Result<Vec<u8>, FileError>> {
        Box::pin(async move {
            let act = BrokerRequest::ReadFile {
                path: path.to_owned(),
                max,
                timeout,
            };
            match self.requests.ask_for_bytes(self.asker, act).await {
                Some(BrokerAnswer {
                    reply: BrokerReply::File(result),
                    bytes,
                }) => result.map(|()| bytes).map_err(file_error),
                _ => Err(FileError::Io(NO_ANSWER.to_owned())),
            }
        })
    }

    fn file_modified<'a>(
        &'a self,
        path: &'a Path,
        timeout: Duration,
    ) -> Answer<'a, Result<u64, FileError>> {
        Box::pin(async move {
            let act = BrokerRequest::FileModified {
                path: path.to_owned(),
                timeout,
            };
            match self.requests.ask(self.asker, act).await {
                Some(BrokerReply::Modified(result)) => result.map_err(file_error),
                _ => Err(FileError::Io(NO_ANSWER.to_owned())),
            }
        })
    }

    fn run_command<'a>(
        &'a self,
        command: &'a Path,
        arguments: &'a [String],
        timeout: Duration,
    ) -> Answer<'a, Result<vrrp_sandbox::CommandOutput, CommandError>> {
        Box::pin(async move {
            let act = BrokerRequest::RunCommand {
                command: command.to_owned(),
                arguments: arguments.to_vec(),
                timeout,
            };
            let answer = self.requests.ask_for_bytes(self.asker, act).await;
            let Some(BrokerAnswer {
                reply: BrokerReply::Command(result),
                bytes: mut stdout,
            }) = answer
            else {
                return Err(CommandError::Io(NO_ANSWER.to_owned()));
            };
            let output = result.map_err(command_error)?;
            let stderr = stdout.split_off(output.stdout_length.min(stdout.len()));
            Ok(vrrp_sandbox::CommandOutput {
                ending: match output.ending {
                    CommandEnding::Exited(code) => vrrp_sandbox::CommandEnding::Exited(code),
                    CommandEnding::Signaled(signal) => {
                        vrrp_sandbox::CommandEnding::Signaled(signal)
                    }
                },
                stdout,
                stderr,
                truncated: output.truncated,
            })
        })
    }
}

/// For a request that the supervisor has no answer of the right kind to.
const NO_ANSWER: &str = "the supervisor does not answer";

fn systemd_error(error: BrokerError) -> SystemdError {
    match error {
        BrokerError::Denied(_) => SystemdError::Denied,
        BrokerError::NotFound => SystemdError::NotFound,
        BrokerError::Timeout => SystemdError::Timeout,
        BrokerError::TooLarge => SystemdError::Bus("too large".to_owned()),
        BrokerError::Bus(message) | BrokerError::Io(message) => SystemdError::Bus(message),
    }
}

fn file_error(error: BrokerError) -> FileError {
    match error {
        BrokerError::Denied(_) => FileError::Denied,
        BrokerError::NotFound => FileError::NotFound,
        BrokerError::TooLarge => FileError::TooLarge,
        BrokerError::Timeout => FileError::Timeout,
        BrokerError::Bus(message) | BrokerError::Io(message) => FileError::Io(message),
    }
}

fn command_error(error: BrokerError) -> CommandError {
    match error {
        BrokerError::Denied(_) => CommandError::Denied,
        BrokerError::NotFound => CommandError::NotFound,
        BrokerError::Timeout => CommandError::Timeout,
        BrokerError::TooLarge => CommandError::Io("too large".to_owned()),
        BrokerError::Bus(message) | BrokerError::Io(message) => CommandError::Io(message),
    }
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
