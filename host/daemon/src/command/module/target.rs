//! Which module a command is about, and with what.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use vrrp_sandbox::ModuleRole;

use crate::config::{
    CHECK_TIMEOUT_DEFAULT, HOOK_TIMEOUT_DEFAULT, Inline, Limits, Module, ModuleSource, closest,
    list,
};
use crate::exit::Failure;
use crate::modules;

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
            timeout: self.timeout.unwrap_or(default),
            path: ["checks".to_owned(), target.name.clone()],
            used: true,
        }
    }
}

/// A module, by file or by name.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// For the log and for people: the name in the binary, or that of the file without its ending.
    pub(super) name: String,
    pub(super) source: ModuleSource,
    /// Bytes of the component.
    pub(super) size: u64,
}

impl Target {
    /// As `module =` in cluster.toml: what looks like a path is a file, everything else is built in.
    ///
    /// # Errors
    /// When there is no such module.
    pub(super) fn find(text: &str) -> Result<Self, Failure> {
        let path = Path::new(text);
        if text.contains('/') || path.extension().is_some_and(|end| end == "wasm") {
            return Self::file(path);
        }
        if let Some(component) = modules::find(text) {
            return Ok(Self {
                name: text.to_owned(),
                source: ModuleSource::BuiltIn(text.to_owned()),
                size: component.len() as u64,
            });
        }
        let names = modules::names();
        let help = match closest(text, &names) {
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
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            source: ModuleSource::File(path.to_owned()),
            size: metadata.len(),
        })
    }
}
