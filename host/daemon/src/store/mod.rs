//! Modules from registries, as this node has them on disk. `vrrp-host module add` fills the store; the daemon reads it, and
//! reads it only: nothing in here speaks to a network.

mod digest;
mod lock;
mod manifest;
mod reference;
mod signature;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;

pub(crate) use digest::Digest;
pub(crate) use lock::{Entry, Lock};
pub(crate) use manifest::{Artifact, Manifest, ManifestError};
pub(crate) use reference::{Reference, SCHEME};
pub(crate) use signature::{KeyId, ParseKeyError, PublicKey, claimed_signer, verify};

/// Bytes of a component.
pub(crate) const COMPONENT_MAX: u64 = 32 << 20;

const MANIFEST: &str = "manifest.json";
const COMPONENT: &str = "module.wasm";

/// The modules below the state directory, a folder each, named by the digest of the manifest.
///
/// A folder has the manifest as the registry gave it and the component. It appears whole, and what is in it is held
/// against its name whenever it is read.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    folder: PathBuf,
}

/// A module that is what its digest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) manifest: Manifest,
    pub(crate) component: Vec<u8>,
    /// Where the component is.
    pub(crate) path: PathBuf,
}

/// A module that cannot be had from the store, or must not be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// It was never added on this node.
    #[error("this node does not have the module")]
    Missing,
    /// Not what was written.
    #[error("{path} was changed: it has the digest {found}, not {expected}")]
    Changed {
        /// The file.
        path: PathBuf,
        /// What it should have.
        expected: Digest,
        /// What it has.
        found: Digest,
    },
    /// A file that another version has written.
    #[error("this node has something else by that digest")]
    Manifest(#[from] ManifestError),
    /// The system said no.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system said no.
    #[error("cannot write {path}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Store {
    /// The store in this folder, which need not exist before the first [`Store::put`].
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The folder of a module.
    pub(crate) fn path_for(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("sha256-{}", digest.hex()))
    }

    /// The module with this digest, every byte of it checked.
    pub(crate) fn load(&self, digest: &Digest) -> Result<Stored, StoreError> {
        let folder = self.path_for(digest);
        let manifest = Manifest::parse(read_checked(&folder.join(MANIFEST), digest)?)?;
        let path = folder.join(COMPONENT);
        let component = read_checked(&path, &manifest.component)?;
        Ok(Stored {
            manifest,
            component,
            path,
        })
    }

    /// Writes a module: all of it or nothing.
    ///
    /// # Panics
    /// When the component is not the one of the manifest: whoever has both has compared them.
    pub(crate) fn put(&self, manifest: &Manifest, component: &[u8]) -> Result<(), StoreError> {
        assert_eq!(Digest::of(component), manifest.component);
        let digest = manifest.digest();
        // What is there and good stays, so that a running daemon never misses it.
        if self.load(&digest).is_ok() {
            return Ok(());
        }
        let folder = self.path_for(&digest);
        let temporary = self
            .folder
            .join(format!(".sha256-{}.{}", digest.hex(), process::id()));
        let written = open_folder(&self.folder, true)
            .and_then(|()| remove(&temporary))
            .and_then(|()| open_folder(&temporary, false))
            .and_then(|()| write_synced(&temporary.join(MANIFEST), &manifest.bytes))
            .and_then(|()| write_synced(&temporary.join(COMPONENT), component))
            .and_then(|()| File::open(&temporary)?.sync_all())
            .and_then(|()| remove(&folder))
            .and_then(|()| fs::rename(&temporary, &folder))
            .and_then(|()| File::open(&self.folder)?.sync_all());
        written.map_err(|source| {
            // Whatever failed, a later attempt makes its own.
            let _ = remove(&temporary);
            StoreError::Write {
                path: folder,
                source,
            }
        })
    }
}

/// Reads a file that has to have this digest.
fn read_checked(path: &Path, expected: &Digest) -> Result<Vec<u8>, StoreError> {
    let read = |source: io::Error| {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::NotFound {
            StoreError::Missing
        } else {
            StoreError::Read { path, source }
        }
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(read)?;
    // One byte more shows in the digest.
    file.take(COMPONENT_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(read)?;
    let found = Digest::of(&bytes);
    if found == *expected {
        Ok(bytes)
    } else {
        Err(StoreError::Changed {
            path: path.to_owned(),
            expected: *expected,
            found,
        })
    }
}

/// Only its owner may write there, whatever the umask is.
fn open_folder(path: &Path, recursive: bool) -> io::Result<()> {
    DirBuilder::new()
        .recursive(recursive)
        .mode(0o755)
        .create(path)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::manifest::tests::artifact;
    use super::*;

    const MODULE: &[u8] = b"component";

    fn store() -> (tempfile::TempDir, Store, Digest) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_folder(&folder.path().join("modules"));
        let manifest = artifact(MODULE, Some("signature")).manifest;
        store.put(&manifest, MODULE).unwrap();
        (folder, store, manifest.digest())
    }

    #[test]
    fn what_was_put_is_loaded() {
        let (_folder, store, digest) = store();
        let stored = store.load(&digest).unwrap();
        assert_eq!(stored.component, MODULE);
        assert_eq!(stored.manifest.signature.as_deref(), Some("signature"));
        assert_eq!(fs::read(&stored.path).unwrap(), MODULE);
        let names = fs::read_dir(&store.folder).unwrap();
        assert_eq!(names.count(), 1, "nothing temporary stays");
        for path in [&store.folder, &store.path_for(&digest), &stored.path] {
            let metadata = fs::metadata(path).unwrap();
            assert_eq!(metadata.uid(), rustix::process::geteuid().as_raw());
            assert_eq!(metadata.permissions().mode() & 0o022, 0, "{path:?}");
        }
        let other = Digest::of(b"other");
        assert!(matches!(store.load(&other), Err(StoreError::Missing)));
    }

    #[test]
    fn a_changed_file_is_refused_until_it_is_put_again() {
        for name in [MANIFEST, COMPONENT] {
            let (_folder, store, digest) = store();
            let path = store.path_for(&digest).join(name);
            let mut bytes = fs::read(&path).unwrap();
            bytes[3] ^= 1;
            fs::write(&path, &bytes).unwrap();
            let error = store.load(&digest).unwrap_err();
            assert!(
                matches!(&error, StoreError::Changed { path: told, .. } if *told == path),
                "{error}"
            );
            let manifest = artifact(MODULE, Some("signature")).manifest;
            store.put(&manifest, MODULE).unwrap();
            assert_eq!(store.load(&digest).unwrap().component, MODULE);
        }
    }

    #[test]
    fn a_lost_file_is_missing() {
        for name in [MANIFEST, COMPONENT] {
            let (_folder, store, digest) = store();
            fs::remove_file(store.path_for(&digest).join(name)).unwrap();
            assert!(matches!(store.load(&digest), Err(StoreError::Missing)));
        }
    }

    #[test]
    fn a_store_that_cannot_be_written_is_told_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_folder(&folder.path().join("modules"));
        fs::write(&store.folder, "a file is in the way").unwrap();
        let error = store.put(&artifact(MODULE, None).manifest, MODULE);
        assert!(matches!(error, Err(StoreError::Write { .. })), "{error:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
