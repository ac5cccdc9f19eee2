//! A hook: told about transitions.

use std::fmt;

use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use super::{Configured, Module, Plan, Role};
use crate::bindings::notifier;
use crate::run::{RunError, Usage};
use crate::store::Call;
use crate::text::clean;
use crate::{Metadata, Transition};

const MESSAGE_MAX: usize = 512;

/// A loaded hook.
#[derive(Debug)]
pub struct HookModule(pub(crate) Module<Notifier>);

impl HookModule {
    /// What the module says about itself.
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// What it decided from its config.
    pub fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// The line for cluster.toml that grants what it needs with its config; `None` when it needs nothing.
    pub fn allow_line(&self) -> Option<String> {
        self.0.allow_line()
    }

    /// Tells it once, and waits until it is done or [`Limits::wall`](crate::Limits::wall) is over.
    pub async fn notify(&self, transition: Transition) -> Result<(), HookError> {
        self.report(transition).await.outcome
    }

    /// As [`HookModule::notify`], with what it cost.
    pub async fn report(&self, transition: Transition) -> HookReport {
        let ended = self
            .0
            .call(|guest, store| {
                Box::pin(async move { guest.call_notify(store, &transition).await })
            })
            .await;
        let outcome = match ended.outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(notifier::HookError::Retry(message))) => {
                Err(HookError::Retry(clean(&message, MESSAGE_MAX)))
            }
            Ok(Err(notifier::HookError::Permanent(message))) => {
                let message = clean(&message, MESSAGE_MAX);
                Err(HookError::Permanent(match ended.hint {
                    Some(hint) => format!("{message}; to allow it write {hint}"),
                    None => message,
                }))
            }
            Err(error) => Err(HookError::Module(error)),
        };
        HookReport {
            outcome,
            usage: ended.usage,
        }
    }
}

/// A call of a hook, with what it cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookReport {
    /// Whether it did what it is for.
    pub outcome: Result<(), HookError>,
    /// What it cost.
    pub usage: Usage,
}

/// Why a notification did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum HookError {
    /// The module says: it may work the next time.
    Retry(String),
    /// The module says: it will never work.
    Permanent(String),
    /// The module did not get to say anything.
    Module(RunError),
}

impl fmt::Display for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry(message) | Self::Permanent(message) => f.write_str(message),
            Self::Module(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HookError {}

/// The world `hook`.
#[derive(Debug)]
pub(crate) struct Notifier;

impl Role for Notifier {
    const NOUN: &'static str = "hook";
    const EXPORT: &'static str = "notifier";
    type Exports = notifier::GuestIndices;
    type Guest = notifier::Guest;

    fn exports(pre: &InstancePre<Call>) -> wasmtime::Result<Self::Exports> {
        notifier::GuestIndices::new(pre)
    }

    fn guest(
        exports: &Self::Exports,
        store: &mut Store<Call>,
        instance: &Instance,
    ) -> wasmtime::Result<Self::Guest> {
        exports.load(store, instance)
    }

    async fn describe(guest: &Self::Guest, store: &mut Store<Call>) -> wasmtime::Result<Metadata> {
        guest.call_describe(store).await
    }

    async fn configure(
        guest: &Self::Guest,
        store: &mut Store<Call>,
        config: &str,
    ) -> wasmtime::Result<Configured> {
        guest.call_configure(store, config).await
    }
}
