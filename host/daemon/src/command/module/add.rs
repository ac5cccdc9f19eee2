//! `vrrp-host module add`: from a registry into the store of this node, and into modules.lock.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use vrrp_sandbox::Outline;

use super::registry::{Pulled, Registry, RegistryOptions};
use crate::cli::Options;
use crate::command::progress::Progress;
use crate::config;
use crate::exit::{Failure, chain};
use crate::store::{self, Entry, Lock, ParseKeyError, PublicKey, Reference, Store, StoreError};
use crate::supervisor::compile::cache_dir;

/// What to download.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The module: oci://HOST/REPOSITORY:TAG, or with @sha256:DIGEST
    #[arg(required_unless_present = "locked", conflicts_with = "locked")]
    reference: Option<Reference>,
    /// Download what modules.lock lists and this node does not have yet
    #[arg(long)]
    locked: bool,
    /// A public key of minisign, or its .pub file, that has to have signed the module; beside those of `[modules]`
    #[arg(long, value_name = "PUBKEY", value_parser = read_key)]
    key: Vec<PublicKey>,
    #[command(flatten)]
    registry: RegistryOptions,
}

fn read_key(text: &str) -> Result<PublicKey, String> {
    let content = fs::read_to_string(text);
    content
        .as_deref()
        .unwrap_or(text)
        .parse()
        .map_err(|error: ParseKeyError| error.to_string())
}

/// Downloads what is asked for, checks it, stores it and tells what to write.
///
/// # Errors
/// When it cannot be had or must not be used; then nothing has changed.
pub(super) fn run(options: &Options, arguments: &Arguments) -> Result<(), Failure> {
    let Some(config) = &options.config else {
        return Err(Failure::usage(
            "of which cluster? modules.lock is beside its file: vrrp-host module add ... --config cluster.toml",
        ));
    };
    let signers = config::signing_keys(config).map_err(|error| Failure::config(chain(&error)))?;
    let folder = config.parent().unwrap_or_else(|| Path::new(""));
    let adding = Adding {
        store: Store::in_folder(&cache_dir(&options.state_dir)),
        keys: arguments.key.iter().chain(&signers).cloned().collect(),
        registry: &arguments.registry,
    };
    let lock = Lock::in_folder(folder).map_err(|error| Failure::config(chain(&error)))?;
    match &arguments.reference {
        Some(reference) => adding.one(reference, lock),
        None => adding.locked(&lock),
    }
}

struct Adding<'a> {
    store: Store,
    keys: Vec<PublicKey>,
    registry: &'a RegistryOptions,
}

impl Adding<'_> {
    fn one(&self, reference: &Reference, mut lock: Lock) -> Result<(), Failure> {
        let (entry, outline) = self.fetch(reference)?;
        let pinned = entry.pinned();
        lock.insert(entry);
        lock.write()
            .map_err(|error| Failure::rights(chain(&error)))?;
        let forms: Vec<_> = outline
            .grant_forms()
            .iter()
            .map(|form| format!("{form:?}"))
            .collect();
        let mut text = format!("module = \"{pinned}\"\n");
        if !forms.is_empty() {
            text += &format!("allow  = [{}]\n", forms.join(", "));
        }
        print(&text)
    }

    fn locked(&self, lock: &Lock) -> Result<(), Failure> {
        if lock.entries().is_empty() {
            return Err(Failure::config(format!(
                "{} lists no module; copy it from the node on which they were added",
                lock.path().display()
            )));
        }
        for entry in lock.entries() {
            let pinned = entry.pinned();
            let is_here = match self.store.load(&entry.digest) {
                Ok(stored) => {
                    self.signer(
                        &pinned,
                        stored.manifest.signature.as_deref(),
                        &stored.component,
                    )?;
                    true
                }
                Err(StoreError::Read { path, source }) => {
                    let path = path.display();
                    return Err(Failure::rights(format!("cannot read {path}: {source}")));
                }
                Err(_) => false,
            };
            if is_here {
                print(&format!("{pinned}: is here\n"))?;
            } else {
                self.fetch(&pinned)?;
                print(&format!("{pinned}: added\n"))?;
            }
        }
        Ok(())
    }

    /// Everything is checked before anything is written.
    fn fetch(&self, reference: &Reference) -> Result<(Entry, Outline), Failure> {
        let registry = Registry::of(reference, self.registry)?;
        let progress = Progress::default();
        let what = format!("downloading {reference}");
        let pulling = registry.pull(reference, &progress);
        let Pulled {
            manifest,
            component,
        } = self.registry.run(&what, &progress, pulling)?;
        let signed_by = self.signer(reference, manifest.signature.as_deref(), &component)?;
        let outline = Outline::read(&component)
            .map_err(|error| Failure::config(format!("{reference}: {}", chain(&error))))?;
        self.store
            .put(&manifest, &component)
            .map_err(|error| Failure::rights(chain(&error)))?;
        let entry = Entry {
            reference: reference.without_digest(),
            digest: manifest.digest(),
            size: manifest.size,
            signed_by,
        };
        Ok((entry, outline))
    }

    /// Whose signature was wanted and found.
    fn signer(
        &self,
        reference: &Reference,
        signature: Option<&str>,
        component: &[u8],
    ) -> Result<Option<store::KeyId>, Failure> {
        if self.keys.is_empty() {
            if let Some(key) = signature.and_then(store::claimed_signer) {
                // Nothing is left to do when stderr is gone.
                let _ = writeln!(
                    io::stderr(),
                    "{reference} says to be signed by key {key}, which was not checked: --key PUBKEY, or `[modules]` in cluster.toml"
                );
            }
            return Ok(None);
        }
        store::verify(&self.keys, signature, component)
            .map(Some)
            .map_err(|error| Failure::config(format!("{reference}: {error}")))
    }
}

fn print(text: &str) -> Result<(), Failure> {
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(Failure::internal)
}
