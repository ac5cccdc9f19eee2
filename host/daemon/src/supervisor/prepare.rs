//! Everything that can be wrong is found before anything starts: the file, its modules, their configuration.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use tokio::sync::mpsc;
use vrrp_linux::{macvlan, role};

use super::broker::{Broker, Users, user_of};
use super::children::{Child, FromChild};
use super::compile::{self, cache_dir};
use super::finder::{Finder, Refused};
use super::identities::Identities;
use super::setup::{Setup, module_setup, schedule};
use crate::cli::Options;
use crate::config::{
    self, Cluster, Diagnostic, Instance, LoadError, Loaded, Module, ModuleSource, Report, Source,
};
use crate::exit::{Failure, chain};
use crate::ipc::{Asker, FromWorker, LoadFailure, ToWorker};
use crate::modules;

/// The file, read and checked; its modules are not loaded yet.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) cluster: Cluster,
    pub(crate) source: Source,
    pub(crate) warnings: Report,
}

/// Reads and checks cluster.toml.
///
/// # Errors
/// With every error of the file at once.
pub(crate) fn read(options: &Options) -> Result<Checked, Failure> {
    let Some(path) = &options.config else {
        return Err(Failure::usage(
            "which file? vrrp-host --config cluster.toml; `vrrp-host init` writes one to begin with",
        ));
    };
    modules::with_names(|built_in| config::load(path, options.node.as_deref(), built_in))
        .map(Checked::from)
        .map_err(|error| cannot_load(&error))
}

/// Reads and checks the file at `path` for each node of its `[nodes]`; for one without a name when it has none.
///
/// # Errors
/// With every error of the file at once.
pub(crate) fn read_for_every_node(path: &Path) -> Result<Vec<Checked>, Failure> {
    modules::with_names(|built_in| config::load_for_every_node(path, built_in))
        .map(|loaded| loaded.into_iter().map(Checked::from).collect())
        .map_err(|error| cannot_load(&error))
}

/// Whoever has no file yet is told how to get one.
fn cannot_load(error: &LoadError) -> Failure {
    match error {
        LoadError::Io { path, source } if source.kind() == io::ErrorKind::NotFound => {
            Failure::config(format!(
                "{}; `vrrp-host init --output {}` writes one to begin with",
                chain(error),
                path.display()
            ))
        }
        LoadError::Io { .. } | LoadError::Invalid(_) => Failure::config(chain(error)),
    }
}

impl From<Loaded> for Checked {
    fn from(loaded: Loaded) -> Self {
        let Loaded {
            cluster,
            source,
            warnings,
        } = loaded;
        keep_secrets(&cluster);
        Self {
            cluster,
            source,
            warnings,
        }
    }
}

/// Passwords and keys are in memory from now on, and must not get from there to a disk.
fn keep_secrets(cluster: &Cluster) {
    let has_secrets = |instance: &Instance| instance.authentication != vrrp::Authentication::None;
    if cluster.instances.iter().any(has_secrets) {
        role::forbid_core_dumps();
    }
}

/// A virtual MAC needs an interface of its own, and somebody else may have one of that name.
///
/// # Errors
/// With an error for each name that is taken.
pub(super) async fn check_virtual_macs(source: &Source, setup: &Setup) -> Result<(), Failure> {
    let instances = setup.instances.iter().map(|plan| &plan.instance);
    let named: Vec<_> = instances
        .filter_map(|instance| Some((&instance.name, instance.virtual_mac.clone()?)))
        .collect();
    let names: Vec<_> = named.iter().map(|(_, name)| name.clone()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let taken = macvlan::taken_names(&names);
    let taken = taken.await.map_err(Failure::internal)?;
    let errors: Vec<_> = named
        .iter()
        .filter(|(_, name)| taken.contains(name))
        .map(|(instance, name)| {
            let place = ["instances", instance.as_str(), "virtual-mac"];
            let message = format!("this host has an interface {name}, which is not vrrp-host's");
            let help = format!(
                "write another name: `virtual-mac = \"vrrp.lan\"`, or delete it: `ip link delete {name}`"
            );
            source.error_at(&place, &message).help(help)
        })
        .collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Failure::config(source.report(errors)))
    }
}

/// Compiles the modules of `setup` into the cache; the keys come in the order of [`Setup::modules`].
///
/// # Errors
/// With an error for each module that does not compile.
pub(super) async fn compile_modules(
    options: &Options,
    source: &Source,
    setup: &Setup,
) -> Result<Vec<String>, Failure> {
    let mut distinct: Vec<ModuleSource> = Vec::new();
    for module in setup.modules() {
        if !distinct.contains(&module.source) {
            distinct.push(module.source.clone());
        }
    }
    if distinct.is_empty() {
        return Ok(Vec::new());
    }
    let finder = Finder::new(options, source, setup);
    // It reads up to 32 MiB for each, and checks signatures.
    let (found, refused): (Vec<_>, Vec<_>) = tokio::task::spawn_blocking(move || {
        let checked = distinct.into_iter().map(|source| {
            let result = finder.find(&source);
            (source, result)
        });
        checked.partition(|(_, result)| result.is_ok())
    })
    .await
    .map_err(Failure::internal)?;
    let (found, _): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let compiled = compile::compile(&options.state_dir, setup.engine(), &found).await?;
    let compiled = compiled
        .into_iter()
        .map(|result| result.map_err(Refused::from));
    let refused = refused
        .into_iter()
        .filter_map(|(source, result)| Some((source, Err(result.err()?))));
    let outcomes: Vec<_> = found.into_iter().zip(compiled).chain(refused).collect();
    let mut errors = Vec::new();
    let mut keys = Vec::new();
    for module in setup.modules() {
        let mut outcomes = outcomes.iter();
        match outcomes.find(|(source, _)| *source == module.source) {
            Some((_, Ok(key))) => keys.push(key.clone()),
            Some((_, Err(refused))) => errors.push(refused.at(source, module)),
            None => {
                return Err(Failure::internal(
                    "the compiler answered for fewer modules than asked",
                ));
            }
        }
    }
    if errors.is_empty() {
        Ok(keys)
    } else {
        Err(Failure::config(source.report(errors)))
    }
}

/// Tells a worker what to load.
pub(super) fn send_setup(worker: &Child<ToWorker>, setup: &Setup, keys: &[String]) {
    let mut keys = keys.iter().cloned();
    for check in &setup.checks {
        let key = keys.next().unwrap_or_default();
        worker.send(ToWorker::Check(
            module_setup(&check.name, &check.module, key),
            schedule(check),
        ));
    }
    for hook in &setup.hooks {
        let key = keys.next().unwrap_or_default();
        worker.send(ToWorker::Hook(module_setup(&hook.name, &hook.module, key)));
    }
    worker.send(ToWorker::Load {
        engine: setup.engine(),
    });
}

/// The failures of a load in the words of the file.
pub(super) fn load_report(source: &Source, setup: &Setup, failures: &[LoadFailure]) -> Report {
    source.report(
        failures
            .iter()
            .map(|failure| diagnostic(source, setup, failure))
            .collect(),
    )
}

fn diagnostic(source: &Source, setup: &Setup, failure: &LoadFailure) -> Diagnostic {
    let index = usize::try_from(failure.index).unwrap_or(usize::MAX);
    let module: Option<&Module> = if failure.is_check {
        setup.checks.get(index).map(|check| &check.module)
    } else {
        setup.hooks.get(index).map(|hook| &hook.module)
    };
    let path = module.map_or_else(Default::default, |module| module.path.clone());
    match &failure.pointer {
        Some(pointer) => source.module_error(&path, pointer, &failure.message),
        None => source.error_at(&[&path[0], &path[1], "module"], &failure.message),
    }
}

/// Whom the commands of the modules run as.
pub(super) fn users(setup: &Setup) -> Users {
    Users {
        checks: setup
            .checks
            .iter()
            .map(|check| user_of(&check.module))
            .collect(),
        hooks: setup
            .hooks
            .iter()
            .map(|hook| user_of(&hook.module))
            .collect(),
    }
}

/// Looks at the commands that the modules of this node may run: what is wrong with one would only show when it is needed.
pub(super) async fn look_at_commands(broker: &Broker, setup: &Setup) -> Vec<LoadFailure> {
    let checks = setup.checks.iter().zip(0..);
    let checks = checks.map(|(check, index)| (&check.module, Asker::Check(index)));
    let hooks = setup.hooks.iter().zip(0..);
    let hooks = hooks.map(|(hook, index)| (&hook.module, Asker::Hook(index)));
    let mut failures = Vec::new();
    for (module, asker) in checks.chain(hooks).filter(|(module, _)| module.used) {
        let (is_check, index) = match asker {
            Asker::Check(index) => (true, index),
            Asker::Hook(index) => (false, index),
        };
        for (command, wrong) in broker.look_at_commands(asker).await {
            let command = command.to_string_lossy();
            failures.push(LoadFailure {
                is_check,
                index,
                pointer: pointer_to(&module.config, &command),
                message: format!("{command} cannot be run: {wrong}"),
            });
        }
    }
    failures
}

/// Where a config says `text` (RFC 6901), if one of its keys does.
fn pointer_to(config: &serde_json::Value, text: &str) -> Option<String> {
    let mut entries = config.as_object()?.iter();
    let (key, _) = entries.find(|(_, value)| value.as_str() == Some(text))?;
    Some(format!("/{}", key.replace('~', "~0").replace('/', "~1")))
}

/// Loads every module of the file in a worker of its own, for all nodes, and ends it.
///
/// # Errors
/// With every error of every module.
pub(crate) async fn try_modules(options: &Options, checked: &Checked) -> Result<(), Failure> {
    prepare_cache(options)?;
    let setup = Setup::whole(&checked.cluster);
    let keys = compile_modules(options, &checked.source, &setup).await?;
    let (sender, mut receiver) = mpsc::channel(16);
    let identities = Identities::find().map_err(Failure::internal)?;
    let arguments = identities.worker_arguments(&setup);
    let worker = Child::spawn("worker", &arguments, options, sender, |event| event)
        .map_err(|error| Failure::internal(chain(&error)))?;
    send_setup(&worker, &setup, &keys);
    let (mut failures, needs) = loop {
        match receiver.recv().await {
            Some(FromChild::Message(FromWorker::Loaded {
                failures,
                check_needs,
                hook_needs,
            })) => break (failures, (check_needs, hook_needs)),
            Some(FromChild::Message(_)) => {}
            Some(FromChild::Gone(ending)) => {
                return Err(Failure::internal(format!(
                    "the worker died while loading: {ending}"
                )));
            }
            None => return Err(Failure::internal("the worker died while loading")),
        }
    };
    if failures.is_empty() {
        let broker = Broker::new().with_grants(&needs.0, &needs.1, users(&setup));
        failures = look_at_commands(&broker, &setup).await;
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::config(load_report(
            &checked.source,
            &setup,
            &failures,
        )))
    }
}

/// Makes the folder of compiled modules, readable by the worker's own user.
pub(super) fn prepare_cache(options: &Options) -> Result<(), Failure> {
    let folder = cache_dir(&options.state_dir);
    make_readable(&folder).map_err(|error| {
        Failure::rights(format!(
            "cannot keep compiled modules in {}: {error}; --state-dir names another place",
            folder.display()
        ))
    })
}

fn make_readable(folder: &Path) -> io::Result<()> {
    const MODE: u32 = 0o755;
    DirBuilder::new()
        .recursive(true)
        .mode(MODE)
        .create(folder)?;
    // Whatever the umask.
    let permissions = fs::metadata(folder)?.permissions();
    if permissions.mode() & MODE != MODE {
        fs::set_permissions(folder, Permissions::from_mode(MODE))?;
    }
    Ok(())
}
