//! What a component is and says of itself, before anybody decides what it may do.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::check::Checker;
use super::hook::Notifier;
use super::load::interface::{self, Imports};
use super::load::{LoadError, TRIAL_WALL, complete, link, presentable};
use super::{Module, Role};
use crate::host::Host;
use crate::limits::Limits;
use crate::meter::Metered;
use crate::run::RunError;
use crate::store::{Call, Shared};
use crate::{Artifact, Engine, Metadata};

/// What a component is and says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// What it can be used as.
    pub role: ModuleRole,
    /// The version of the contract that it was built for.
    pub contract: String,
    /// What it calls, in the order of its imports, without WASI.
    pub imports: Vec<Import>,
    /// Its own words.
    pub metadata: Metadata,
}

/// What a module can be used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModuleRole {
    /// It gives verdicts.
    Check,
    /// It is told about transitions.
    Hook,
}

/// `check` or `hook`, as in cluster.toml.
impl fmt::Display for ModuleRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Check => Checker::NOUN,
            Self::Hook => Notifier::NOUN,
        })
    }
}

/// An interface that a component calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its full name: `vrrp-host:plugin/http@0.1.0`.
    pub interface: String,
    /// How the grants that open it are written; none when it is open to all.
    pub opened_by: Vec<&'static str>,
}

impl Engine {
    /// Asks a component what it is. It gets every interface, and nothing behind one: it is not configured, so that it has
    /// no reason to call any.
    ///
    /// # Errors
    /// When it is no module, or cannot say.
    pub async fn describe(
        &self,
        artifact: &Artifact,
        name: &str,
        host: Arc<dyn Host>,
    ) -> Result<Description, LoadError> {
        let component = artifact
            .component(self)
            .map_err(|error| LoadError::ArtifactIncompatible(format!("{error:#}")))?;
        let (role, contract) = interface::role(self, &component)?;
        let imports = Imports::read(self, &component)?;
        let pre = link(self, &component, &imports, &[], None)?;
        let shared = Shared::new(name.to_owned(), Limits::default(), host, None);
        let trial = Trial {
            engine: self,
            pre: &pre,
            shared: Arc::new(shared),
        };
        let metadata = match role {
            ModuleRole::Check => trial.metadata::<Checker>().await,
            ModuleRole::Hook => trial.metadata::<Notifier>().await,
        }?;
        Ok(Description {
            role,
            contract,
            imports: imports.described(),
            metadata,
        })
    }
}

/// A first instance.
struct Trial<'a> {
    engine: &'a Engine,
    pre: &'a wasmtime::component::InstancePre<Call>,
    shared: Arc<Shared>,
}

impl Trial<'_> {
    async fn metadata<R: Role>(&self) -> Result<Metadata, LoadError> {
        let exports = R::exports(self.pre)
            .map_err(|error| LoadError::InvalidComponent(format!("{error:#}")))?;
        let failed = |error| LoadError::Trial {
            phase: "describe itself",
            error,
        };
        let Some(_slot) = self.engine.slot(TRIAL_WALL).await else {
            return Err(failed(RunError::Busy));
        };
        let engine = self.engine.wasmtime();
        let mut store = Call::store(engine, self.shared.clone(), Arc::new([]), TRIAL_WALL);
        let meter = store.data().meter.clone();
        let work = async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            let guest = R::guest(&exports, &mut store, &instance)?;
            R::describe(&guest, &mut store).await
        };
        match timeout(TRIAL_WALL, Metered::new(meter, work)).await {
            Ok(Ok(metadata)) => Ok(presentable(metadata)),
            Ok(Err(error)) => Err(failed(RunError::from_wasmtime(&error, store.data()))),
            Err(_) => Err(failed(RunError::WallLimit { limit: TRIAL_WALL })),
        }
    }
}

impl<R: Role> Module<R> {
    /// The line for cluster.toml that grants what it needs with its config, and what is watched for it; `None` when it needs nothing.
    pub(crate) fn allow_line(&self) -> Option<String> {
        // What cannot be granted was refused when it was loaded.
        let wanted = self.plan.wants().ok()?;
        (!wanted.is_empty()).then(|| complete(&[], &wanted))
    }
}
