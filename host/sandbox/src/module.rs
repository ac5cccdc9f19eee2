//! A loaded component, and one call of it: a fresh instance each time, under every limit, gone afterwards.

pub(crate) mod check;
pub(crate) mod describe;
pub(crate) mod hook;
pub(crate) mod load;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout;
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use crate::bindings::imports::types;
use crate::grant::{Grant, ParseGrantError};
use crate::meter::Metered;
use crate::run::{RunError, Usage};
use crate::store::{Call, Shared};
use crate::text::clean;
use crate::{Engine, Metadata, Trigger};

/// What a module decided from its config.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What should cause a run, beside the interval.
    pub triggers: Vec<Trigger>,
    /// What the module will touch; all of it is granted.
    pub needs: Vec<Grant>,
}

impl Plan {
    /// What the module touches itself, and what is watched for it.
    ///
    /// # Errors
    /// When a trigger is of what cannot be granted; a module that was loaded has none.
    pub fn wants(&self) -> Result<Vec<Grant>, ParseGrantError> {
        let watched: Result<Vec<_>, _> = self.triggers.iter().map(Grant::to_watch).collect();
        Ok([self.needs.clone(), watched?].concat())
    }
}

/// A world of the contract: how its exports are found and called.
pub(crate) trait Role: 'static {
    /// What an operator calls it.
    const NOUN: &'static str;
    /// The interface that a component of this world exports.
    const EXPORT: &'static str;
    type Exports: Send + Sync;
    type Guest: Send + Sync;

    fn exports(pre: &InstancePre<Call>) -> wasmtime::Result<Self::Exports>;

    fn guest(
        exports: &Self::Exports,
        store: &mut Store<Call>,
        instance: &Instance,
    ) -> wasmtime::Result<Self::Guest>;

    fn describe(
        guest: &Self::Guest,
        store: &mut Store<Call>,
    ) -> impl Future<Output = wasmtime::Result<Metadata>> + Send;

    fn configure(
        guest: &Self::Guest,
        store: &mut Store<Call>,
        config: &str,
    ) -> impl Future<Output = wasmtime::Result<Configured>> + Send;
}

/// The answer of `configure`.
pub(crate) type Configured = Result<types::Plan, Vec<types::ConfigError>>;

/// The end of one call.
pub(crate) struct Ended<T> {
    pub(crate) outcome: Result<T, RunError>,
    pub(crate) usage: Usage,
    /// The line that would have allowed the first denied call.
    pub(crate) hint: Option<String>,
}

/// What to do with a configured guest.
pub(crate) type Act<'a, T> = Pin<Box<dyn Future<Output = wasmtime::Result<T>> + Send + 'a>>;

/// A component that was loaded, tried and configured.
pub(crate) struct Module<R: Role> {
    engine: Engine,
    pre: InstancePre<Call>,
    exports: R::Exports,
    shared: Arc<Shared>,
    permits: Arc<[Grant]>,
    /// The config as JSON. A fresh instance knows nothing, so each is configured before it is called.
    config: String,
    metadata: Metadata,
    plan: Plan,
}

/// `configure` accepted the config at load and refuses it now.
#[derive(Debug, thiserror::Error)]
#[error("the config that was accepted at load is refused now: {0}")]
struct ConfigRefused(String);

impl<R: Role> Module<R> {
    /// Calls `act` on a fresh guest.
    pub(crate) async fn call<T, F>(&self, act: F) -> Ended<T>
    where
        F: for<'a> FnOnce(&'a R::Guest, &'a mut Store<Call>) -> Act<'a, T> + Send,
    {
        let limits = &self.shared.limits;
        let Some(_slot) = self.engine.slot(limits.wall).await else {
            return Ended {
                outcome: Err(RunError::Busy),
                usage: Usage::default(),
                hint: None,
            };
        };
        let started = Instant::now();
        let mut store = Call::store(
            self.engine.wasmtime(),
            self.shared.clone(),
            self.permits.clone(),
            limits.wall,
        );
        let meter = store.data().meter.clone();
        let work = async {
            let guest = self.configured(&mut store).await?;
            act(&guest, &mut store).await
        };
        let ended = timeout(limits.wall, Metered::new(meter, work)).await;
        let call = store.data_mut();
        let outcome = match ended {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(match error.downcast_ref::<ConfigRefused>() {
                Some(refused) => RunError::Internal(refused.to_string()),
                None => RunError::from_wasmtime(&error, call),
            }),
            Err(_) => Err(RunError::WallLimit { limit: limits.wall }),
        };
        let usage = Usage {
            cpu: call.meter.spent(),
            wall: started.elapsed(),
            memory_peak: call.memory.peak(),
            denied: call.denials.count,
        };
        Ended {
            outcome,
            usage,
            hint: call.denials.hint.take(),
        }
    }

    async fn configured(&self, store: &mut Store<Call>) -> wasmtime::Result<R::Guest> {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        let guest = R::guest(&self.exports, store, &instance)?;
        match R::configure(&guest, store, &self.config).await? {
            Ok(_) => Ok(guest),
            Err(errors) => {
                let first = errors.first().map(|error| clean(&error.message, 256));
                Err(ConfigRefused(first.unwrap_or_default()).into())
            }
        }
    }
}

impl<R: Role> fmt::Debug for Module<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module")
            .field("role", &R::NOUN)
            .field("shared", &self.shared)
            .field("permits", &self.permits)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}
