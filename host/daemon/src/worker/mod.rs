//! The worker: loads and runs the components, with no rights of its own.
//!
//! One thread, one executor. A guest yields at each tick of its engine's clock and every host call has
//! a deadline, so no module can keep the others from running for long.

mod alone;
mod checks;
mod host;
mod load;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::{debug, warn};
use vrrp_linux::process::{ProcConnector, ProcessWatcher};
use vrrp_linux::{rights, role};
use vrrp_sandbox::{CompiledCache, HookModule};

use crate::cli::Options;
use crate::exit::Failure;
use crate::ipc::{self, AsyncChannel, CallHook, FromWorker, RecvError, ToWorker};
use crate::logging;
use crate::supervisor::compile::cache_dir;
pub(crate) use alone::Alone;
use checks::{RunningCheck, States};
use host::Requests;
use load::{Loaded, Setup};

/// The user and group `nobody`, which own nothing.
const NOBODY: u32 = 65534;

/// Runs the role until the supervisor goes away.
///
/// # Errors
/// When the process was not started by a supervisor, or cannot set itself up.
pub(crate) fn run(options: &Options, parent: u32) -> Result<(), Failure> {
    let socket = ipc::inherited().map_err(Failure::internal)?;
    // What needs rights is opened before they are given up.
    let connector = ProcConnector::open();
    let folder = File::open(cache_dir(&options.state_dir)).map_err(Failure::internal)?;
    // By descriptor, because a folder above it may be closed to the user this process becomes.
    let cache = CompiledCache::new(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    rights::drop_privileges(NOBODY).map_err(Failure::internal)?;
    role::die_with_parent(parent).map_err(Failure::internal)?;

    let _log = logging::start(options.log_format);
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
        match Worker::new(Rc::new(channel), cache, watcher).serve().await {
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
    watcher: ProcessWatcher,
    outgoing: mpsc::UnboundedSender<FromWorker>,
    requests: Arc<Requests>,
    setup: Setup,
    checks: Vec<RunningCheck>,
    hooks: Vec<Rc<HookModule>>,
    states: States,
    started: bool,
}

impl Worker {
    fn new(channel: Rc<AsyncChannel>, cache: CompiledCache, watcher: ProcessWatcher) -> Self {
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
            watcher,
            requests: Arc::new(Requests::new(outgoing.clone())),
            outgoing,
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
                event = self.watcher.next() => match event {
                    Ok(event) => self.checks.iter().for_each(|check| check.triggered(&event)),
                    Err(error) => {
                        warn!(%error, "processes cannot be watched any more; checks look on their interval");
                        return self.serve_without_watching().await;
                    }
                }
            }
        }
    }

    async fn serve_without_watching(mut self) -> RecvError {
        loop {
            match self.channel.recv().await {
                Ok(message) => self.told(message).await,
                Err(error) => return error,
            }
        }
    }

    async fn told(&mut self, message: ToWorker) {
        match message {
            ToWorker::Check(module, schedule) => self.setup.checks.push((module, schedule)),
            ToWorker::Hook(module) => self.setup.hooks.push(module),
            ToWorker::Load { memory_max } => self.load(memory_max).await,
            ToWorker::Start => self.start(),
            ToWorker::RunAll => self.checks.iter().for_each(RunningCheck::run_now),
            ToWorker::State { instance, state } => {
                self.states.borrow_mut().insert(instance, state);
            }
            ToWorker::CallHook(call) => self.call_hook(call),
            ToWorker::Broker { request, reply } => self.requests.answered(request, reply),
        }
    }

    async fn load(&mut self, memory_max: u64) {
        let setup = std::mem::take(&mut self.setup);
        let Loaded {
            checks,
            hooks,
            failures,
            check_needs,
            hook_needs,
        } = load::load(&self.cache, memory_max, &self.requests, setup).await;
        for check in &checks {
            for name in check.watched_processes() {
                self.watcher.watch(name);
            }
        }
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
        for check in &self.checks {
            check.start(self.states.clone(), self.outgoing.clone());
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
            let outcome = load::call_hook(hook.as_deref(), call).await;
            // Without a receiver the worker itself is ending.
            let _ = outgoing.send(FromWorker::HookDone {
                call: number,
                outcome,
            });
        });
    }

    fn tell(&self, message: FromWorker) {
        let _ = self.outgoing.send(message);
    }
}
