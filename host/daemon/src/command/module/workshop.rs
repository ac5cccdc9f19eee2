//! From a component to something that runs in this process, on the daemon's own way: compiled by the short-lived child,
//! loaded by the worker's loader.

use std::sync::Arc;

use tempfile::TempDir;
use vrrp_sandbox::{
    CheckModule, CompiledCache, Description, Engine, EngineConfig, Fault, HookModule, ModuleRole,
    Rehearsal,
};

use super::schema::Schema;
use super::target::{Target, Terms};
use crate::cli::Options;
use crate::config::Inline;
use crate::exit::{Failure, chain};
use crate::ipc::{LoadFailure, ModuleSetup};
use crate::store::Store;
use crate::supervisor::compile::cache_dir;
use crate::supervisor::{compile, module_setup};
use crate::worker::Alone;

/// A compiled component, which can be loaded again and again.
pub(super) struct Workshop {
    pub(super) target: Target,
    pub(super) description: Description,
    engine: Engine,
    key: String,
    /// Removed with the workshop: what an author has compiled a minute ago is of no use to anybody.
    folder: TempDir,
}

/// A module that is ready to be called.
pub(super) enum Loaded {
    Check(CheckModule),
    Hook(HookModule),
}

impl Workshop {
    /// Compiles `module`, named as [`Target::find`] has it, and asks it what it is.
    ///
    /// # Errors
    /// When there is no such module, or the component is none.
    pub(super) async fn open(options: &Options, module: &str) -> Result<Self, Failure> {
        let store = Store::in_folder(&cache_dir(&options.state_dir));
        let target = Target::find(module, &store)?;
        let folder = tempfile::Builder::new()
            .prefix("vrrp-host-module-")
            .tempdir()
            .map_err(|error| {
                Failure::temporary(format!("cannot make a folder to compile into: {error}"))
            })?;
        let config = EngineConfig::default();
        let sources = [target.component.clone()];
        let mut compiled = compile(folder.path(), config, &sources)
            .await
            .map_err(Failure::no_verdict)?;
        let key = compiled
            .pop()
            .unwrap_or_else(|| Err("the compiler does not answer".to_owned()))
            .map_err(Failure::no_verdict)?;
        let engine = Engine::new(config).map_err(|error| Failure::internal(chain(&error)))?;
        let alone = alone(&engine, &folder, Arc::default());
        let description = alone
            .describe(&target.name, &key)
            .await
            .map_err(Failure::no_verdict)?;
        Ok(Self {
            target,
            description,
            engine,
            key,
            folder,
        })
    }

    /// What its config holds.
    ///
    /// # Errors
    /// When the module's schema cannot be read.
    pub(super) fn schema(&self) -> Result<Schema, Failure> {
        Schema::parse(&self.description.metadata.config_schema).map_err(|error| {
            Failure::no_verdict(format!(
                "the schema of the config of {} is not JSON: {error}",
                self.target.name
            ))
        })
    }

    /// Loads it with this config, as cluster.toml would have it.
    ///
    /// # Errors
    /// With everything that is wrong with it, shown in the text of the config where it is about that.
    pub(super) async fn load(
        &self,
        terms: &Terms,
        config: &Inline,
        rehearsal: &Arc<Rehearsal>,
    ) -> Result<Loaded, Failure> {
        let module = terms.module(&self.target, self.description.role, config);
        let setup = module_setup(&self.target.name, &module, self.key.clone());
        self.load_setup(&setup, rehearsal.clone())
            .await
            .map_err(|failures| Failure::no_verdict(told(config, &failures)))
    }

    /// Finds out what it needs with this config, by giving it all of that; nothing is run.
    ///
    /// # Errors
    /// As [`Workshop::load`].
    pub(super) async fn survey(&self, config: &Inline) -> Result<Loaded, Failure> {
        let module = Terms::default().module(&self.target, self.description.role, config);
        let setup = ModuleSetup {
            allow: None,
            ..module_setup(&self.target.name, &module, self.key.clone())
        };
        self.load_setup(&setup, Arc::default())
            .await
            .map_err(|failures| Failure::no_verdict(told(config, &failures)))
    }

    async fn load_setup(
        &self,
        setup: &ModuleSetup,
        rehearsal: Arc<Rehearsal>,
    ) -> Result<Loaded, Vec<LoadFailure>> {
        let alone = alone(&self.engine, &self.folder, rehearsal);
        match self.description.role {
            ModuleRole::Check => alone.check(setup).await.map(Loaded::Check),
            ModuleRole::Hook => alone.hook(setup).await.map(Loaded::Hook),
        }
    }
}

impl Loaded {
    pub(super) fn plan(&self) -> &vrrp_sandbox::Plan {
        match self {
            Self::Check(check) => check.plan(),
            Self::Hook(hook) => hook.plan(),
        }
    }

    /// The line for cluster.toml that grants what it needs.
    pub(super) fn allow_line(&self) -> Option<String> {
        match self {
            Self::Check(check) => check.allow_line(),
            Self::Hook(hook) => hook.allow_line(),
        }
    }
}

/// In which these calls fail.
pub(super) fn rehearsal(faults: Vec<Fault>) -> Arc<Rehearsal> {
    Arc::new(Rehearsal::new(faults))
}

fn alone(engine: &Engine, folder: &TempDir, rehearsal: Arc<Rehearsal>) -> Alone {
    let cache = CompiledCache::new(cache_dir(folder.path()));
    Alone::new(engine.clone(), cache, rehearsal)
}

/// What is wrong, as `check-config` would show it.
fn told(config: &Inline, failures: &[LoadFailure]) -> String {
    let about_config: Vec<(&str, &str)> = failures
        .iter()
        .filter_map(|failure| Some((failure.pointer.as_deref()?, failure.message.as_str())))
        .collect();
    let mut texts = Vec::new();
    if !about_config.is_empty() {
        texts.push(config.report(about_config).to_string());
    }
    let others = failures.iter().filter(|failure| failure.pointer.is_none());
    texts.extend(others.map(|failure| format!("error: {}", failure.message)));
    texts.join("\n")
}
