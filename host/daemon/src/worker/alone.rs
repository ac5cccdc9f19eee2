//! The worker's part for one module in the process of a command: loaded by the same loader, with the same host, the same
//! limits and the same broker. What is missing is what keeps the daemon safe from the module: another user, another process.

use std::cell::RefCell;
use std::sync::Arc;

use tokio::sync::mpsc;
use vrrp_linux::icmp::EchoSockets;
use vrrp_sandbox::{
    CheckModule, CompiledCache, Description, Engine, HookModule, LoadError, Rehearsal,
};

use super::host::{ModuleHost, Requests};
use super::load::Loader;
use super::pings::Pings;
use crate::exit::chain;
use crate::ipc::{Asker, FromWorker, LoadFailure, ModuleSetup};
use crate::supervisor::Broker;

/// Loads one module, and answers what it asks of the broker.
pub(crate) struct Alone {
    engine: Engine,
    cache: CompiledCache,
    requests: Arc<Requests>,
    pings: Arc<Pings>,
    /// What waits for the broker, until there is one: its grants are known when the module is loaded.
    waiting: mpsc::UnboundedReceiver<FromWorker>,
    rehearsal: Arc<Rehearsal>,
}

impl Alone {
    /// With an engine that `cache` was compiled for.
    pub(crate) fn new(engine: Engine, cache: CompiledCache, rehearsal: Arc<Rehearsal>) -> Self {
        let (outgoing, waiting) = mpsc::unbounded_channel();
        Self {
            engine,
            cache,
            requests: Arc::new(Requests::new(outgoing)),
            // Who may not open them hears why when a module wants to send one.
            pings: Arc::new(Pings::new(Some(EchoSockets::open()))),
            waiting,
            rehearsal,
        }
    }

    /// What the module is and says of itself.
    ///
    /// # Errors
    /// When it is no module.
    pub(crate) async fn describe(&self, name: &str, key: &str) -> Result<Description, String> {
        let artifact = self.cache.load(key).map_err(|error| chain(&error))?;
        let host = Arc::new(ModuleHost::new(
            Asker::Check(0),
            self.requests.clone(),
            Arc::default(),
            self.pings.clone(),
        ));
        let described = self.engine.describe(&artifact, name, host).await;
        described.map_err(|error: LoadError| chain(&error))
    }

    /// Loads it as a check. The broker then serves it as long as the runtime runs.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub(crate) async fn check(self, setup: &ModuleSetup) -> Result<CheckModule, Vec<LoadFailure>> {
        let (check, needs) = self.loader().check(setup, 0).await?;
        self.serve(Broker::granting(&[needs], &[]));
        Ok(check)
    }

    /// As [`Alone::check`], as a hook.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub(crate) async fn hook(self, setup: &ModuleSetup) -> Result<HookModule, Vec<LoadFailure>> {
        let (hook, needs) = self.loader().hook(setup, 0).await?;
        self.serve(Broker::granting(&[], &[needs]));
        Ok(hook)
    }

    fn loader(&self) -> Loader<'_> {
        Loader {
            engine: self.engine.clone(),
            cache: &self.cache,
            requests: &self.requests,
            processes: Arc::default(),
            pings: &self.pings,
            artifacts: RefCell::default(),
            rehearsal: Some(self.rehearsal.clone()),
        }
    }

    fn serve(self, broker: Broker) {
        let Self {
            requests,
            mut waiting,
            ..
        } = self;
        tokio::spawn(async move {
            while let Some(message) = waiting.recv().await {
                let FromWorker::Broker {
                    request,
                    on_behalf_of,
                    act,
                } = message
                else {
                    continue;
                };
                let (broker, requests) = (broker.clone(), requests.clone());
                tokio::spawn(async move {
                    let answer = broker.perform(on_behalf_of, act).await;
                    requests.answered_bytes(request, answer.bytes);
                    requests.answered(request, answer.reply);
                });
            }
        });
    }
}
