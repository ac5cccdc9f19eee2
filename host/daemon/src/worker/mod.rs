//! The worker: loads and runs the components, with no rights of its own.
//!
//! One thread, one executor. A guest yields at each tick of its engine's clock and every host call has
//! a deadline, so no module can keep the others from running for long.

mod alone;
mod checks;
mod confinement;
mod host;
mod load;
mod pings;
mod reports;
mod watching;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::{debug, warn};
use vrrp_linux::icmp::EchoSockets;
use vrrp_linux::process::{ProcConnector, ProcessWatcher};
use vrrp_linux::rights::{self, Identity};
use vrrp_linux::role;
use vrrp_sandbox::{CompiledCache, EngineConfig, HookModule, Trigger};

use crate::cli::Options;
use crate::exit::Failure;
use crate::ipc::{self, Asker, AsyncChannel, CallHook, FromWorker, RecvError, ToWorker};
use crate::logging;
use crate::supervisor::compile::cache_dir;
pub(crate) use alone::Alone;
use checks::{RunningCheck, States};
use host::Requests;
use load::{Loaded, Setup};
use pings::Pings;
use reports::Reports;
use watching::{Watched, Watching};

/// Runs the role until the supervisor goes away. `icmp` says that a module may send echo requests.
///
/// # Errors
/// When the process was not started by a supervisor, or cannot set itself up.
pub(crate) fn run(
    options: &Options,
    parent: u32,
    identity: Identity,
    icmp: bool,
) -> Result<(), Failure> {
    let socket = ipc::inherited().map_err(Failure::internal)?;
    // What needs rights is opened before they are given up.
    let connector = ProcConnector::open();
    let echo_sockets = icmp.then(EchoSockets::open);
    let folder = File::open(cache_dir(&options.state_dir)).map_err(Failure::internal)?;
    // By descriptor, because a folder above it may be closed to the user this process becomes.
    let cache = CompiledCache::new(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    rights::drop_privileges(identity).map_err(Failure::internal)?;
    role::die_with_parent(parent).map_err(Failure::internal)?;
    let files = confinement::reach(&folder).enforce();

    let _log = logging::start(options.log_format);
    confinement::tell(files);
    confinement::restrict_calls();
    let connector = connector
        .inspect_err(
            |error| debug!(%error, "no proc connector: process starts are found by looking"),
        )
        .ok();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::internal)?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        let channel = AsyncChannel::new(socket).map_err(Failure::internal)?;
        let watcher = ProcessWatcher::new(connector).map_err(Failure::internal)?;
        let pings = Pings::new(echo_sockets);
        let watching = Watching::new(watcher);
        let worker = Worker::new(Rc::new(channel), cache, watching, pings);
        match worker.serve().await {
            // The supervisor is gone: nobody wants a verdict any more.
            RecvError::Closed => Ok(()),
            error @ (RecvError::Undecodable(_) | RecvError::Io(_)) => Err(Failure::internal(error)),
        }
    })
}

/// The worker between messages.
struct Worker {
    channel: Rc<AsyncChannel>,
    cache: CompiledCache,
    watching: Watching,
    outgoing: mpsc::UnboundedSender<FromWorker>,
    requests: Arc<Requests>,
    pings: Arc<Pings>,
    setup: Setup,
    checks: Vec<RunningCheck>,
    hooks: Vec<Rc<HookModule>>,
    states: States,
    started: bool,
}

impl Worker {
    fn new(
        channel: Rc<AsyncChannel>,
        cache: CompiledCache,
        watching: Watching,
        pings: Pings,
    ) -> Self {
        let (outgoing, mut to_send) = mpsc::unbounded_channel();
        let writer = channel.clone();
        tokio::task::spawn_local(async move {
            while let Some(message) = to_send.recv().await {
                if let Err(error) = writer.send(&message).await {
                    warn!(%error, "the supervisor does not take messages");
                    return;
                }
            }
        });
        Self {
            channel,
            cache,
            watching,
            requests: Arc::new(Requests::new(outgoing.clone())),
            outgoing,
            pings: Arc::new(pings),
            setup: Setup::default(),
            checks: Vec::new(),
            hooks: Vec::new(),
            states: Rc::new(RefCell::new(BTreeMap::new())),
            started: false,
        }
    }

    /// Works until the channel ends.
    async fn serve(mut self) -> RecvError {
        loop {
            tokio::select! {
                message = self.channel.recv() => match message {
                    Ok(message) => self.told(message).await,
                    Err(error) => return error,
                },
                trigger = self.watching.next() => self.happened(&trigger),
            }
        }
    }

    async fn told(&mut self, message: ToWorker) {
        match message {
            ToWorker::Check(module, schedule) => self.setup.checks.push((module, schedule)),
            ToWorker::Hook(module) => self.setup.hooks.push(module),
            ToWorker::Load { engine } => self.load(engine).await,
            ToWorker::Start => self.start(),
            ToWorker::RunAll => self.checks.iter().for_each(RunningCheck::run_now),
            ToWorker::Run { check, number } => {
                let mut checks = self.checks.iter();
                if let Some(check) = checks.find(|known| known.index() == check) {
                    check.run_asked(number);
                }
            }
            ToWorker::LogLevel(level) => logging::set_level(level),
            ToWorker::State { instance, state } => {
                self.states.borrow_mut().insert(instance, state);
            }
            ToWorker::CallHook(call) => self.call_hook(call),
            ToWorker::BrokerBytes { request, bytes } => {
                self.requests.answered_bytes(request, bytes);
            }
            ToWorker::Broker { request, reply } => self.requests.answered(request, reply),
            ToWorker::Happened(trigger) => self.happened(&trigger),
        }
    }

    async fn load(&mut self, engine: EngineConfig) {
        let setup = std::mem::take(&mut self.setup);
        let Loaded {
            checks,
            hooks,
            failures,
            check_needs,
            hook_needs,
        } = load::load(&self.cache, engine, &self.requests, &self.pings, setup).await;
        self.checks = checks;
        self.hooks = hooks;
        self.tell(FromWorker::Loaded {
            failures,
            check_needs,
            hook_needs,
        });
    }

    fn start(&mut self) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let reports = Reports::new(self.outgoing.clone());
        for check in &self.checks {
            for trigger in check.triggers() {
                if self.watching.watch(trigger) == Watched::BySupervisor {
                    self.tell(FromWorker::Watch {
                        on_behalf_of: Asker::Check(check.index()),
                        trigger: trigger.clone(),
                    });
                }
            }
            check.start(self.states.clone(), reports.clone());
        }
    }

    fn happened(&self, trigger: &Trigger) {
        for check in &self.checks {
            check.happened(trigger);
        }
    }

    fn call_hook(&self, call: CallHook) {
        let hook = usize::try_from(call.hook)
            .ok()
            .and_then(|index| self.hooks.get(index))
            .cloned();
        let outgoing = self.outgoing.clone();
        tokio::task::spawn_local(async move {
            let number = call.call;
            let (outcome, denied) = load::call_hook(hook.as_deref(), call).await;
            // Without a receiver the worker itself is ending.
            let _ = outgoing.send(FromWorker::HookDone {
                call: number,
                outcome,
                denied,
            });
        });
    }

    fn tell(&self, message: FromWorker) {
        let _ = self.outgoing.send(message);
    }
}
