//! Loading modules, and calling hooks.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use vrrp_sandbox::{
    Artifact, CompiledCache, Engine, EngineConfig, Grant, Grants, HookError, HookModule, Limits,
    LoadError, Rehearsal, Setup as SandboxSetup, Transition,
};

use super::checks::{RunningCheck, guest_state};
use super::host::{ModuleHost, Processes, Requests};
use super::pings::Pings;
use crate::exit::chain;
use crate::ipc::{Asker, CallHook, HookOutcome, LoadFailure, ModuleSetup, Schedule};

/// What the supervisor asked for.
#[derive(Debug, Default)]
pub(super) struct Setup {
    pub(super) checks: Vec<(ModuleSetup, Schedule)>,
    pub(super) hooks: Vec<ModuleSetup>,
}

/// What came of it. With failures, checks and hooks are incomplete and must not be used.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) checks: Vec<RunningCheck>,
    pub(super) hooks: Vec<Rc<HookModule>>,
    pub(super) failures: Vec<LoadFailure>,
    pub(super) check_needs: Vec<Vec<String>>,
    pub(super) hook_needs: Vec<Vec<String>>,
}

/// Loads and tries every module; each failure is told, not only the first.
pub(super) async fn load(
    cache: &CompiledCache,
    engine: EngineConfig,
    requests: &Arc<Requests>,
    pings: &Arc<Pings>,
    setup: Setup,
) -> Loaded {
    let mut loaded = Loaded::default();
    let engine = match Engine::new(engine) {
        Ok(engine) => engine,
        Err(error) => {
            loaded.failures.push(LoadFailure {
                is_check: true,
                index: 0,
                pointer: None,
                message: format!("the WebAssembly engine cannot start: {error}"),
            });
            return loaded;
        }
    };
    let loader = Loader {
        engine,
        cache,
        requests,
        processes: Arc::default(),
        pings,
        artifacts: RefCell::default(),
        rehearsal: None,
    };
    for ((module, schedule), index) in setup.checks.iter().zip(0..) {
        match loader.check(module, index).await {
            Ok((check, needs)) => {
                loaded
                    .checks
                    .push(RunningCheck::new(index, *schedule, check));
                loaded.check_needs.push(needs);
            }
            Err(failures) => loaded.failures.extend(failures),
        }
    }
    for (module, index) in setup.hooks.iter().zip(0..) {
        match loader.hook(module, index).await {
            Ok((hook, needs)) => {
                loaded.hooks.push(Rc::new(hook));
                loaded.hook_needs.push(needs);
            }
            Err(failures) => loaded.failures.extend(failures),
        }
    }
    loaded
}

pub(super) struct Loader<'a> {
    pub(super) engine: Engine,
    pub(super) cache: &'a CompiledCache,
    pub(super) requests: &'a Arc<Requests>,
    pub(super) processes: Arc<Processes>,
    pub(super) pings: &'a Arc<Pings>,
    /// By their keys: a hundred checks of one module have its code once.
    pub(super) artifacts: RefCell<HashMap<String, Artifact>>,
    pub(super) rehearsal: Option<Arc<Rehearsal>>,
}

impl Loader<'_> {
    pub(super) async fn check(
        &self,
        module: &ModuleSetup,
        index: u32,
    ) -> Result<(vrrp_sandbox::CheckModule, Vec<String>), Vec<LoadFailure>> {
        let place = Place {
            is_check: true,
            index,
        };
        let artifact = self.artifact(module, place)?;
        let setup = self.sandbox_setup(module, Asker::Check(index), place)?;
        let check = self
            .engine
            .load_check(&artifact, setup)
            .await
            .map_err(|error| place.failures(error))?;
        let needs = granted(module, &check.plan().needs);
        Ok((check, needs))
    }

    pub(super) async fn hook(
        &self,
        module: &ModuleSetup,
        index: u32,
    ) -> Result<(HookModule, Vec<String>), Vec<LoadFailure>> {
        let place = Place {
            is_check: false,
            index,
        };
        let artifact = self.artifact(module, place)?;
        let setup = self.sandbox_setup(module, Asker::Hook(index), place)?;
        let hook = self
            .engine
            .load_hook(&artifact, setup)
            .await
            .map_err(|error| place.failures(error))?;
        let needs = granted(module, &hook.plan().needs);
        Ok((hook, needs))
    }

    fn artifact(&self, module: &ModuleSetup, place: Place) -> Result<Artifact, Vec<LoadFailure>> {
        if let Some(artifact) = self.artifacts.borrow().get(&module.key) {
            return Ok(artifact.clone());
        }
        let artifact = self
            .cache
            .load(&module.key)
            .map_err(|error| vec![place.failure(None, chain(&error))])?;
        self.artifacts
            .borrow_mut()
            .insert(module.key.clone(), artifact.clone());
        Ok(artifact)
    }

    fn sandbox_setup(
        &self,
        module: &ModuleSetup,
        asker: Asker,
        place: Place,
    ) -> Result<SandboxSetup, Vec<LoadFailure>> {
        let grants = match &module.allow {
            None => Grants::FromConfig,
            Some(allow) => Grants::Listed(
                allow
                    .iter()
                    .map(|grant| grant.parse())
                    .collect::<Result<Vec<Grant>, _>>()
                    .map_err(|error| vec![place.failure(None, chain(&error))])?,
            ),
        };
        let config = serde_json::from_str(&module.config)
            .map_err(|error| vec![place.failure(None, error.to_string())])?;
        Ok(SandboxSetup {
            name: module.name.clone(),
            config,
            grants,
            limits: Limits {
                memory: module.memory,
                cpu: module.cpu,
                wall: module.timeout,
                output: module.output,
                handles: module.handles,
                log_rate: module.log_rate,
            },
            rehearsal: self.rehearsal.clone(),
            host: Arc::new(ModuleHost::new(
                asker,
                self.requests.clone(),
                self.processes.clone(),
                self.pings.clone(),
            )),
        })
    }
}

/// Which module a failure belongs to.
#[derive(Clone, Copy)]
struct Place {
    is_check: bool,
    index: u32,
}

impl Place {
    fn failure(self, pointer: Option<String>, message: String) -> LoadFailure {
        LoadFailure {
            is_check: self.is_check,
            index: self.index,
            pointer,
            message,
        }
    }

    fn failures(self, error: LoadError) -> Vec<LoadFailure> {
        if let LoadError::Config(errors) = error {
            return errors
                .into_iter()
                .map(|error| self.failure(Some(error.pointer), error.message))
                .collect();
        }
        vec![self.failure(None, chain(&error))]
    }
}

/// Calls a hook with a deadline. Beside how it ended comes how many of its calls no grant allowed.
pub(super) async fn call_hook(hook: Option<&HookModule>, call: CallHook) -> (HookOutcome, u32) {
    let Some(hook) = hook else {
        let outcome = HookOutcome::Permanent("the hook is not loaded".to_owned());
        return (outcome, 0);
    };
    let transition = Transition {
        instance: call.instance,
        virtual_router_id: call.virtual_router_id,
        interface_name: call.interface,
        before: guest_state(call.before),
        after: guest_state(call.after),
        effective_priority: call.priority,
        reason: call.reason,
        addresses: call.addresses,
        sequence: call.sequence,
        at_unix_ms: call.at_unix_ms,
    };
    let report = hook.report(transition).await;
    let outcome = match report.outcome {
        Ok(()) => HookOutcome::Done,
        Err(HookError::Retry(message)) => HookOutcome::Retry(message),
        Err(HookError::Permanent(message)) => HookOutcome::Permanent(message),
        Err(HookError::Module(error)) => HookOutcome::Permanent(error.to_string()),
    };
    (outcome, report.usage.denied)
}

/// What the broker may do for a module: what the file lists or, for a module of ours, what its config needs.
fn granted(module: &ModuleSetup, needs: &[Grant]) -> Vec<String> {
    match &module.allow {
        Some(allow) => allow.clone(),
        None => needs.iter().map(ToString::to_string).collect(),
    }
}
