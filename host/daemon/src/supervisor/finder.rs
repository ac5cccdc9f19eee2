//! Whether this node has the modules that the file wants from registries, and what to do about those that are not there or must
//! not run. Other modules are found by the compiler.

use std::path::PathBuf;

use super::compile::cache_dir;
use super::setup::Setup;
use crate::cli::{Options, STATE_DIR};
use crate::config::{Diagnostic, Module, ModuleSource, Source};
use crate::exit::chain;
use crate::store::{self, Digest, PublicKey, Reference, Store, StoreError};

/// A module that does not run, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    message: String,
    help: Option<String>,
}

impl From<String> for Refused {
    fn from(message: String) -> Self {
        Self {
            message,
            help: None,
        }
    }
}

impl Refused {
    /// The same, where the file names the module.
    pub(super) fn at(&self, source: &Source, module: &Module) -> Diagnostic {
        let place = [&module.path[0], &module.path[1], "module"];
        let error = source.error_at(&place, &self.message);
        match &self.help {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

/// Finds modules; it reads files and does nothing else.
#[derive(Debug)]
pub(super) struct Finder {
    store: Store,
    keys: Vec<PublicKey>,
    config: PathBuf,
    state_dir: PathBuf,
}

impl Finder {
    pub(super) fn new(options: &Options, source: &Source, setup: &Setup) -> Self {
        Self {
            store: Store::in_folder(&cache_dir(&options.state_dir)),
            keys: setup.keys.clone(),
            config: source.path().to_owned(),
            state_dir: options.state_dir.clone(),
        }
    }

    /// Compares a module of the store with its digest, and its signature with the keys if the file has some.
    pub(super) fn find(&self, source: &ModuleSource) -> Result<(), Refused> {
        match source {
            ModuleSource::BuiltIn(..) | ModuleSource::File(_) => Ok(()),
            ModuleSource::Registry(reference, digest) => self.check(reference, digest),
        }
    }

    fn check(&self, reference: &Reference, digest: &Digest) -> Result<(), Refused> {
        let stored = self.store.load(digest).map_err(|error| Refused {
            message: chain(&error),
            help: match error {
                StoreError::Missing => Some(format!("download it: `{}`", self.add(reference))),
                StoreError::Changed { .. } | StoreError::Manifest(_) => Some(format!(
                    "find out who did that; this puts it back: `{}`",
                    self.add(reference)
                )),
                StoreError::Read { .. } | StoreError::Write { .. } => None,
            },
        })?;
        if !self.keys.is_empty() {
            let signature = stored.manifest.signature.as_deref();
            store::verify(&self.keys, signature, &stored.component).map_err(|error| Refused {
                message: chain(&error),
                help: Some(
                    "use a version that has such a signature, or add the key of who has signed this one to `[modules]`"
                        .to_owned(),
                ),
            })?;
        }
        Ok(())
    }

    /// The command that brings a module here.
    fn add(&self, reference: &Reference) -> String {
        let config = self.config.display();
        let mut command = format!("vrrp-host module add {reference} --config {config}");
        if self.state_dir.as_os_str() != STATE_DIR {
            command += &format!(" --state-dir {}", self.state_dir.display());
        }
        command
    }
}
