//! Compiled components on disk. Native code is only as trustworthy as the one who wrote it,
//! so nothing is loaded that anyone but root or ourselves could have written.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use crate::Engine;

const MAGIC: &[u8; 8] = b"vrrpwasm";
const DIGEST_LEN: usize = 32;
const HEADER_LEN: usize = MAGIC.len() + DIGEST_LEN;

/// Compiled components, one file each, named by [`Engine::cache_key`].
///
/// A file is the magic, the SHA-256 of key and artifact, and the artifact. The digest finds what a full disk or a
/// crash left behind; against a forger stands that only the folder's owner can write there.
#[derive(Clone, Debug)]
pub struct CompiledCache {
    folder: PathBuf,
}

impl CompiledCache {
    /// A cache in `folder`, which need not exist before the first [`CompiledCache::store`].
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Where the artifact of `key` is kept.
    pub fn path_for(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.cwasm"))
    }

    /// Writes what [`Compiler::compile`](crate::Compiler::compile) made: all of it or nothing, readable by all.
    pub fn store(&self, key: &str, artifact: &[u8]) -> Result<(), CacheError> {
        let path = self.path_for(key);
        let temporary = self.folder.join(format!(".{key}.{}", process::id()));
        self.make_folder()
            .and_then(|()| write_synced(&temporary, key, artifact))
            .and_then(|()| fs::rename(&temporary, &path))
            .and_then(|()| File::open(&self.folder)?.sync_all())
            .map_err(|source| {
                // Whatever failed, a later attempt makes its own.
                let _ = fs::remove_file(&temporary);
                CacheError::Write { path, source }
            })
    }

    /// Makes its folder, where there is none yet. For who may make none later.
    ///
    /// # Errors
    /// As the file system reports them.
    pub fn make_folder(&self) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&self.folder)
    }

    /// Reads the artifact of `key`, if it is there, whole, and nobody else's work.
    pub fn load(&self, key: &str) -> Result<Artifact, CacheError> {
        let path = self.path_for(key);
        let read = |source: io::Error| {
            let path = path.clone();
            if source.kind() == io::ErrorKind::NotFound {
                CacheError::Missing { path }
            } else {
                CacheError::Read { path, source }
            }
        };
        trust(&self.folder, &fs::metadata(&self.folder).map_err(read)?)?;
        let no_follow = i32::from_ne_bytes(OFlags::NOFOLLOW.bits().to_ne_bytes());
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(no_follow)
            .open(&path)
            .map_err(read)?;
        trust(&path, &file.metadata().map_err(read)?)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(read)?;
        Artifact::parse(key, bytes).ok_or(CacheError::Corrupt { path })
    }
}

/// An artifact that cannot be written or must not be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Never compiled, or with another version of the engine.
    #[error("no compiled module at {path}")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Not what was written.
    #[error("the compiled module {path} is damaged; remove it and it is compiled again")]
    Corrupt {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else could have written it.
    #[error(
        "{path} belongs to uid {uid} with mode {mode:o}; only root or the daemon's user may be able to write it"
    )]
    Untrusted {
        /// The file or the folder.
        path: PathBuf,
        /// Its owner.
        uid: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// The system said no.
    #[error("cannot read the compiled module {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system said no.
    #[error("cannot write the compiled module {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Native or interpreted code of a component, from a source that may be trusted. The only thing that [`Engine`] loads.
/// What is loaded from one artifact, and from its clones, shares the code.
#[derive(Clone)]
pub struct Artifact {
    file: Arc<[u8]>,
    loaded: Arc<Mutex<Option<Component>>>,
}

impl Artifact {
    fn parse(key: &str, file: Vec<u8>) -> Option<Self> {
        let (magic, rest) = file.split_first_chunk()?;
        let (stored, artifact) = rest.split_first_chunk()?;
        (magic == MAGIC && *stored == digest(key, artifact)).then(|| Self {
            loaded: Arc::default(),
            file: file.into(),
        })
    }

    /// The component, ready to be linked. Fails when it was compiled for an engine with other settings.
    #[expect(
        unsafe_code,
        reason = "wasmtime runs the bytes as native code and cannot tell who wrote them"
    )]
    pub(crate) fn component(&self, engine: &Engine) -> wasmtime::Result<Component> {
        let engine = engine.wasmtime();
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |component: &&Component| wasmtime::Engine::same(component.engine(), engine);
        if let Some(component) = loaded.as_ref().filter(same) {
            return Ok(component.clone());
        }
        // JUSTIFICATION: compiling in this process instead would let a module's author decide how much time and
        // memory the daemon spends; see ARCHITECTURE.md.
        // SAFETY: the bytes are what `CompiledCache::store` wrote, unchanged (digest), into a place where only root
        // and this process's own user can write (owner and mode). They come from `Engine::precompile_component`,
        // and wasmtime itself refuses those of another version or other settings.
        let component = unsafe { Component::deserialize(engine, &self.file[HEADER_LEN..]) }?;
        *loaded = Some(component.clone());
        Ok(component)
    }
}

impl std::fmt::Debug for Artifact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Artifact")
            .field("bytes", &self.file.len())
            .finish()
    }
}

fn digest(key: &str, artifact: &[u8]) -> [u8; DIGEST_LEN] {
    Sha256::new()
        .chain_update(key)
        .chain_update(artifact)
        .finalize()
        .into()
}

fn write_synced(path: &Path, key: &str, artifact: &[u8]) -> io::Result<()> {
    // Left by a process of the same number that was killed.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(MAGIC)?;
    file.write_all(&digest(key, artifact))?;
    file.write_all(artifact)?;
    // Whatever the umask: the worker runs as another user.
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.sync_all()
}

fn trust(path: &Path, metadata: &Metadata) -> Result<(), CacheError> {
    let uid = metadata.uid();
    let mode = metadata.mode() & 0o7777;
    let ours = uid == 0 || uid == rustix::process::geteuid().as_raw();
    if ours && mode & 0o022 == 0 {
        return Ok(());
    }
    Err(CacheError::Untrusted {
        path: path.to_owned(),
        uid,
        mode,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, CompiledCache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = CompiledCache::new(folder.path().join("compiled"));
        cache.store("key", b"native code").unwrap();
        (folder, cache)
    }

    #[test]
    fn what_was_stored_is_loaded() {
        let (_folder, cache) = cache();
        assert_eq!(
            &cache.load("key").unwrap().file[HEADER_LEN..],
            b"native code"
        );
        cache.store("key", b"newer").unwrap();
        assert_eq!(&cache.load("key").unwrap().file[HEADER_LEN..], b"newer");
        assert!(matches!(
            cache.load("other"),
            Err(CacheError::Missing { .. })
        ));
        let left = fs::read_dir(cache.path_for("key").parent().unwrap())
            .unwrap()
            .count();
        assert_eq!(left, 1, "no temporary file stays");
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let (_folder, cache) = cache();
        let path = cache.path_for("key");
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(
                matches!(cache.load("key"), Err(CacheError::Corrupt { .. })),
                "{length} bytes"
            );
        }
        for at in 0..whole.len() {
            let mut forged = whole.clone();
            forged[at] ^= 1;
            fs::write(&path, &forged).unwrap();
            assert!(
                matches!(cache.load("key"), Err(CacheError::Corrupt { .. })),
                "byte {at}"
            );
        }
    }

    #[test]
    fn the_file_of_another_module_is_refused() {
        let (_folder, cache) = cache();
        fs::copy(cache.path_for("key"), cache.path_for("other")).unwrap();
        assert!(matches!(
            cache.load("other"),
            Err(CacheError::Corrupt { .. })
        ));
    }

    #[test]
    fn what_others_can_write_is_refused() {
        let (_folder, cache) = cache();
        let path = cache.path_for("key");
        fs::set_permissions(&path, Permissions::from_mode(0o664)).unwrap();
        assert!(matches!(
            cache.load("key"),
            Err(CacheError::Untrusted { mode: 0o664, .. })
        ));
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        cache.load("key").unwrap();
        fs::set_permissions(path.parent().unwrap(), Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(
            cache.load("key"),
            Err(CacheError::Untrusted { mode: 0o777, .. })
        ));
    }

    #[test]
    fn a_link_is_not_followed() {
        let (_folder, cache) = cache();
        let path = cache.path_for("key");
        let elsewhere = path.with_extension("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(matches!(cache.load("key"), Err(CacheError::Read { .. })));
    }
}
