//! Which module a command is about, and with what.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use vrrp_sandbox::ModuleRole;

use crate::config::{
    CHECK_TIMEOUT_DEFAULT, HOOK_TIMEOUT_DEFAULT, Inline, Limits, Module, ModuleSource, closest,
    is_path, list,
};
use crate::exit::{Failure, chain};
use crate::modules::{self, BuiltIn};
use crate::store::{Reference, SCHEME, Store, StoreError};

/// The module's own part of cluster.toml.
#[derive(Args, Debug, Default)]
pub(super) struct ConfigArgument {
    /// What stands behind `config =` in cluster.toml, such as '{ name = "nginx" }'
    // A global option has this name as well, and clap gives both the same value: so both have the same type.
    #[arg(long, value_name = "TABLE")]
    config: Option<PathBuf>,
}

/// What makes a component this check or that hook, as in cluster.toml.
#[derive(Args, Debug, Default)]
pub(super) struct Terms {
    #[command(flatten)]
    pub(super) config: ConfigArgument,
    /// Something that the module may touch, such as 'process:nginx'; may be repeated. One that is built in may touch what
    /// it needs
    #[arg(long, value_name = "GRANT")]
    allow: Vec<String>,
    /// The longest that a run may take; 1s, and 30s for a hook, when left out
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
}

impl ConfigArgument {
    /// The config that was given.
    ///
    /// # Errors
    /// With what is wrong with it as TOML.
    pub(super) fn read(&self) -> Result<Option<Inline>, Failure> {
        let Some(text) = &self.config else {
            return Ok(None);
        };
        let text = text
            .to_str()
            .ok_or_else(|| Failure::usage("the config is not UTF-8 text"))?;
        Inline::read(text).map(Some).map_err(Failure::no_verdict)
    }
}

impl Terms {
    /// The config that was given, or an empty one.
    ///
    /// # Errors
    /// As [`ConfigArgument::read`].
    pub(super) fn config(&self) -> Result<Inline, Failure> {
        Ok(self.config.read()?.unwrap_or_else(Inline::empty))
    }

    /// The module in the form that cluster.toml would give it.
    pub(super) fn module(&self, target: &Target, role: ModuleRole, config: &Inline) -> Module {
        let default = match role {
            ModuleRole::Check => CHECK_TIMEOUT_DEFAULT,
            ModuleRole::Hook => HOOK_TIMEOUT_DEFAULT,
        };
        Module {
            source: target.source.clone(),
            config: config.value().clone(),
            allow: (!self.allow.is_empty()).then(|| self.allow.clone()),
            limits: Limits::default(),
            user: None,
            timeout: self.timeout.unwrap_or(default),
            path: ["checks".to_owned(), target.name.clone()],
            used: true,
        }
    }
}

/// A module, as a person names it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// For the log and for people: the name in the binary, that of the file without its ending, or the last one of the
    /// repository.
    pub(super) name: String,
    /// As cluster.toml has it.
    pub(super) source: ModuleSource,
    /// What the compiler is given. A module from a registry is a file in the store.
    pub(super) component: ModuleSource,
    /// Bytes of the component.
    pub(super) size: u64,
}

impl Target {
    /// As `module =` in cluster.toml; besides, `check:NAME` and `hook:NAME` are built in.
    ///
    /// # Errors
    /// When there is no such module, or more than one.
    pub(super) fn find(text: &str, store: &Store) -> Result<Self, Failure> {
        if text.starts_with(SCHEME) {
            Self::stored(text, store)
        } else if is_path(text) {
            Self::file(Path::new(text))
        } else {
            Self::built_in(text)
        }
    }

    fn built_in(text: &str) -> Result<Self, Failure> {
        let found: Vec<_> = modules::all()
            .iter()
            .filter(|module| module.name == text || full_name(module) == text)
            .collect();
        if let [module] = found.as_slice() {
            let source = ModuleSource::BuiltIn(module.role, module.name.to_owned());
            return Ok(Self {
                name: module.name.to_owned(),
                component: source.clone(),
                source,
                size: module.component.len() as u64,
            });
        }
        if !found.is_empty() {
            let choices: Vec<_> = found
                .iter()
                .map(|module| format!("`{}`", full_name(module)))
                .collect();
            return Err(Failure::usage(format!(
                "more than one module is called `{text}`; write {}",
                choices.join(" or ")
            )));
        }
        let names: Vec<_> = modules::all().iter().map(shortest_name).collect();
        let full_names: Vec<_> = modules::all().iter().map(full_name).collect();
        let candidates: Vec<_> = names
            .iter()
            .chain(&full_names)
            .map(String::as_str)
            .collect();
        let help = match closest(text, &candidates) {
            Some(close) => format!("did you mean `{close}`?"),
            None => format!(
                "built in are {}; a file is written with a slash: ./my-check.wasm",
                list(&names)
            ),
        };
        Err(Failure::usage(format!(
            "no module is called `{text}`; {help}"
        )))
    }

    fn stored(text: &str, store: &Store) -> Result<Self, Failure> {
        let reference: Reference = text.parse().map_err(Failure::usage)?;
        let Some(digest) = reference.digest else {
            return Err(Failure::usage(format!(
                "which version? Write {reference}@sha256:DIGEST, as it is in cluster.toml and modules.lock"
            )));
        };
        let stored = store.load(&digest).map_err(|error| {
            let help = match error {
                StoreError::Missing | StoreError::Changed { .. } | StoreError::Manifest(_) => {
                    format!("; write `vrrp-host module add {reference} --config CLUSTER.TOML`")
                }
                StoreError::Read { .. } | StoreError::Write { .. } => String::new(),
            };
            Failure::usage(format!("{reference}: {}{help}", chain(&error)))
        })?;
        let repository = reference.repository.as_str();
        Ok(Self {
            name: repository
                .rsplit('/')
                .next()
                .unwrap_or(repository)
                .to_owned(),
            source: ModuleSource::Registry(reference, digest),
            component: ModuleSource::File(stored.path),
            size: stored.component.len() as u64,
        })
    }

    fn file(path: &Path) -> Result<Self, Failure> {
        let explain = |error: std::io::Error| {
            let help = if error.kind() == std::io::ErrorKind::NotFound {
                "; `cargo build --release --target wasm32-wasip2` writes target/wasm32-wasip2/release/NAME.wasm"
            } else {
                ""
            };
            Failure::usage(format!("cannot read {}: {error}{help}", path.display()))
        };
        let metadata = std::fs::metadata(path).map_err(explain)?;
        if !metadata.is_file() {
            return Err(Failure::usage(format!(
                "{} is not a file; write the path of the .wasm",
                path.display()
            )));
        }
        let name = path.file_stem().unwrap_or(path.as_os_str());
        let source = ModuleSource::File(path.to_owned());
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            component: source.clone(),
            source,
            size: metadata.len(),
        })
    }
}

/// The role and the name of a module that is built in: no other one has both.
pub(super) fn full_name(module: &BuiltIn) -> String {
    format!("{}:{}", module.role, module.name)
}

/// What is enough to name a module that is built in.
pub(super) fn shortest_name(module: &BuiltIn) -> String {
    let others = modules::all()
        .iter()
        .filter(|other| other.role != module.role);
    if others
        .map(|other| other.name)
        .any(|name| name == module.name)
    {
        full_name(module)
    } else {
        module.name.to_owned()
    }
}
