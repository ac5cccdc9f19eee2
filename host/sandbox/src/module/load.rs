//! From an artifact to a module that can be called. Whatever could go wrong in the middle of the night
//! is tried here: the imports, the exports, an instance, the config, the grants.

mod error;
pub(super) mod interface;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use serde_json::Value;
use tokio::time::timeout;
use wasmtime::component::{Component, InstancePre, Linker};

pub use self::error::LoadError;
use self::interface::Imports;
use super::check::{CheckModule, Checker};
use super::hook::{HookModule, Notifier};
use super::{Configured, Module, Plan, Role};
use crate::bindings::imports::types;
use crate::grant::{Grant, GrantClass, allow_line};
use crate::host::Host;
use crate::limits::Limits;
use crate::meter::Metered;
use crate::rehearsal::{FaultError, Rehearsal, inject};
use crate::run::RunError;
use crate::store::{Call, Shared};
use crate::text::clean;
use crate::{Artifact, ConfigError, Engine, Metadata};

/// Wall time of the trial. A load happens when everything else starts as well, and CPU time has its own limit.
pub(super) const TRIAL_WALL: Duration = Duration::from_secs(10);

const METADATA_MAX: usize = 256;
const CONFIG_ERRORS_MAX: usize = 32;
const TRIGGERS_MAX: usize = 256;

/// Everything that makes a component this check or that hook.
pub struct Setup {
    /// The check's or hook's name, for its log.
    pub name: String,
    /// Its config.
    pub config: Value,
    /// What it may touch.
    pub grants: Grants,
    /// What a call may use.
    pub limits: Limits,
    /// The world outside.
    pub host: Arc<dyn Host>,
    /// What to watch and what to have go wrong; the daemon does neither.
    pub rehearsal: Option<Arc<Rehearsal>>,
}

/// Where the grants of a module come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Grants {
    /// The module is ours: it gets what it says it needs.
    FromConfig,
    /// The module is somebody's: it gets what the operator wrote, and must need no more.
    Listed(Vec<Grant>),
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("name", &self.name)
            .field("config", &self.config)
            .field("grants", &self.grants)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Loads a check. Nothing of it stays when it fails.
    pub async fn load_check(
        &self,
        artifact: &Artifact,
        setup: Setup,
    ) -> Result<CheckModule, LoadError> {
        load::<Checker>(self, artifact, setup)
            .await
            .map(CheckModule)
    }

    /// Loads a hook. Nothing of it stays when it fails.
    pub async fn load_hook(
        &self,
        artifact: &Artifact,
        setup: Setup,
    ) -> Result<HookModule, LoadError> {
        load::<Notifier>(self, artifact, setup)
            .await
            .map(HookModule)
    }
}

async fn load<R: Role>(
    engine: &Engine,
    artifact: &Artifact,
    setup: Setup,
) -> Result<Module<R>, LoadError> {
    if setup.limits.memory > engine.memory_max() {
        return Err(LoadError::MemoryLimit {
            limit: setup.limits.memory,
            max: engine.memory_max(),
        });
    }
    let component = artifact
        .component(engine)
        .map_err(|error| unusable(&error))?;
    interface::check_exports::<R>(engine, &component)?;
    let imports = Imports::read(engine, &component)?;
    let missing = imports.not_opened_by(setup.grants.classes().as_deref());
    let pre = link(
        engine,
        &component,
        &imports,
        &missing,
        setup.rehearsal.as_ref(),
    )?;
    let trial = Trial {
        exports: R::exports(&pre)
            .map_err(|error| LoadError::InvalidComponent(format!("{error:#}")))?,
        pre,
        config: setup.config.to_string(),
        shared: Arc::new(Shared::new(
            setup.name,
            setup.limits,
            setup.host,
            setup.rehearsal,
        )),
    };
    let outcome = trial.run::<R>(engine, setup.grants.listed().into()).await;
    if let Some(first) = missing.first() {
        return Err(import_not_granted(
            first,
            setup.grants.listed(),
            outcome.ok(),
        ));
    }
    let (metadata, plan) = outcome?;
    let permits = match setup.grants {
        Grants::FromConfig => plan.needs.clone(),
        Grants::Listed(listed) => {
            require_granted(&listed, &plan)?;
            listed
        }
    };
    Ok(Module {
        engine: engine.clone(),
        pre: trial.pre,
        exports: trial.exports,
        shared: trial.shared,
        permits: permits.into(),
        config: trial.config,
        metadata,
        plan,
    })
}

/// Why code that was compiled cannot be run. The system has a say only where memory becomes executable.
fn unusable(error: &wasmtime::Error) -> LoadError {
    match error.downcast_ref() {
        Some(&(Errno::ACCESS | Errno::PERM)) => LoadError::NotExecutable,
        _ => LoadError::ArtifactIncompatible(format!("{error:#}")),
    }
}

impl Grants {
    fn listed(&self) -> &[Grant] {
        match self {
            Self::FromConfig => &[],
            Self::Listed(grants) => grants,
        }
    }

    /// The classes that open interfaces; `None` for all.
    fn classes(&self) -> Option<Vec<GrantClass>> {
        match self {
            Self::FromConfig => None,
            Self::Listed(grants) => Some(grants.iter().map(Grant::class).collect()),
        }
    }
}

/// Links what the component imports and may have. What is `missing` traps when called, so that the component can still
/// be asked what it wants it for.
pub(super) fn link(
    engine: &Engine,
    component: &Component,
    imports: &Imports,
    missing: &[&str],
    rehearsal: Option<&Arc<Rehearsal>>,
) -> Result<InstancePre<Call>, LoadError> {
    let mut linker = Linker::new(engine.wasmtime());
    let linked = wasmtime_wasi::p2::add_to_linker_async(&mut linker)
        .and_then(|()| {
            imports
                .links()
                .filter(|(name, _)| !missing.contains(name))
                .try_for_each(|(_, link)| link(&mut linker))
        })
        .and_then(|()| {
            if missing.is_empty() {
                Ok(())
            } else {
                linker.define_unknown_imports_as_traps(component)
            }
        })
        .and_then(|()| match rehearsal {
            Some(rehearsal) => inject(engine, component, &mut linker, rehearsal),
            None => Ok(()),
        })
        .and_then(|()| linker.instantiate_pre(component));
    linked.map_err(|error| match error.downcast_ref::<FaultError>() {
        Some(fault) => LoadError::Fault(fault.to_string()),
        None => LoadError::InvalidComponent(format!("{error:#}")),
    })
}

/// A first instance, to see whether the component works and what it wants.
struct Trial<E> {
    pre: InstancePre<Call>,
    exports: E,
    config: String,
    shared: Arc<Shared>,
}

impl<E> Trial<E> {
    async fn run<R: Role<Exports = E>>(
        &self,
        engine: &Engine,
        permits: Arc<[Grant]>,
    ) -> Result<(Metadata, Plan), LoadError> {
        let Some(_slot) = engine.slot(TRIAL_WALL).await else {
            return Err(LoadError::Trial {
                phase: "wait for a free slot",
                error: RunError::Busy,
            });
        };
        let mut store = Call::store(engine.wasmtime(), self.shared.clone(), permits, TRIAL_WALL);
        let meter = store.data().meter.clone();
        let mut phase = "start";
        let work = async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            phase = "export the functions of the contract";
            let guest = R::guest(&self.exports, &mut store, &instance)?;
            phase = "describe itself";
            let metadata = R::describe(&guest, &mut store).await?;
            phase = "read its config";
            let configured = R::configure(&guest, &mut store, &self.config).await?;
            Ok((metadata, configured))
        };
        let ended = timeout(TRIAL_WALL, Metered::new(meter, work)).await;
        let error = match ended {
            Ok(Ok((metadata, configured))) => {
                return Ok((presentable(metadata), plan(configured)?));
            }
            Ok(Err(error)) => RunError::from_wasmtime(&error, store.data()),
            Err(_) => RunError::WallLimit { limit: TRIAL_WALL },
        };
        Err(LoadError::Trial { phase, error })
    }
}

pub(super) fn presentable(metadata: Metadata) -> Metadata {
    Metadata {
        name: clean(&metadata.name, METADATA_MAX),
        version: clean(&metadata.version, METADATA_MAX),
        description: clean(&metadata.description, METADATA_MAX),
        config_schema: metadata.config_schema,
    }
}

fn plan(configured: Configured) -> Result<Plan, LoadError> {
    let types::Plan { triggers, needs } = configured.map_err(|errors| {
        let cleaned = errors
            .into_iter()
            .take(CONFIG_ERRORS_MAX)
            .map(|error| ConfigError {
                pointer: clean(&error.pointer, METADATA_MAX),
                message: clean(&error.message, METADATA_MAX),
            });
        LoadError::Config(cleaned.collect())
    })?;
    if triggers.len() > TRIGGERS_MAX {
        return Err(LoadError::TooManyTriggers {
            count: triggers.len(),
            max: TRIGGERS_MAX,
        });
    }
    let needs = needs
        .iter()
        .map(|need| need.parse())
        .collect::<Result<_, _>>()?;
    Ok(Plan { triggers, needs })
}

/// Every need, and everything that is watched on the module's behalf, must be covered.
fn require_granted(listed: &[Grant], plan: &Plan) -> Result<(), LoadError> {
    let wanted = plan.wants()?;
    let uncovered = |need: &&Grant| !listed.iter().any(|grant| grant.covers(need));
    let Some(need) = wanted.iter().find(uncovered) else {
        return Ok(());
    };
    Err(LoadError::NotGranted {
        need: need.clone(),
        hint: complete(listed, &wanted),
    })
}

fn import_not_granted(
    import: &str,
    listed: &[Grant],
    trial: Option<(Metadata, Plan)>,
) -> LoadError {
    let needs = trial.map(|(_, plan)| plan.needs).unwrap_or_default();
    let hint = match Imports::grant_form(import) {
        form if needs.is_empty() => format!("allow = [\"{form}\"]"),
        _ => complete(listed, &needs),
    };
    LoadError::ImportNotGranted {
        import: import.to_owned(),
        hint,
    }
}

/// The `allow` line that keeps what is listed and adds what is wanted.
pub(super) fn complete(listed: &[Grant], wanted: &[Grant]) -> String {
    let mut all: Vec<&Grant> = listed.iter().collect();
    for need in wanted {
        if !all.iter().any(|grant| grant.covers(need)) {
            all.push(need);
        }
    }
    allow_line(all)
}
