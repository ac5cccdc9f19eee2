//! modules.lock: which modules the cluster has, by digest. It is beside cluster.toml and, like it, the same on every node.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;

use serde::{Deserialize, Serialize};

use super::{Digest, KeyId, Reference};

const NAME: &str = "modules.lock";
const VERSION: u32 = 1;
const HEADER: &str = "\
# Written by `vrrp-host module add`; the same on every node, like cluster.toml.
# `vrrp-host module add --locked` gets exactly these modules.
";

/// A modules.lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lock {
    path: PathBuf,
    entries: Vec<Entry>,
}

/// A module of the lock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Entry {
    /// What it was asked for by, without the digest.
    pub(crate) reference: Reference,
    /// That of its manifest.
    pub(crate) digest: Digest,
    /// Bytes of the component.
    pub(crate) size: u64,
    /// The key that has signed it; `None` when no signature was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signed_by: Option<KeyId>,
}

impl Entry {
    /// The module by its digest, as cluster.toml names it.
    pub(crate) fn pinned(&self) -> Reference {
        self.reference.pinned(self.digest)
    }
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Content {
    version: u32,
    #[serde(default, rename = "module")]
    modules: Vec<Entry>,
}

/// A lock that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// The system said no.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody has edited it, or half of it is missing.
    #[error("{path} is damaged; copy it from another node, or add the modules again:\n{problem}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Of a later version of vrrp-host.
    #[error("{path} has version {version}; this vrrp-host knows version {VERSION}")]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        version: u32,
    },
    /// The system said no.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Lock {
    /// The lock in the folder of a cluster.toml; empty when there is none.
    pub(crate) fn in_folder(folder: &Path) -> Result<Self, LockError> {
        let path = folder.join(NAME);
        let entries = match fs::read_to_string(&path) {
            Ok(text) => parse(&path, &text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(LockError::Read { path, source }),
        };
        Ok(Self { path, entries })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its modules, in order.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The version that the lock has of a module: of this tag when it has one, else the only one there is.
    pub(crate) fn find(&self, reference: &Reference) -> Option<&Entry> {
        let mut versions = self.entries.iter().filter(|entry| {
            let same_tag = reference.tag.is_none() || entry.reference.tag == reference.tag;
            entry.reference.is_version_of(reference) && same_tag
        });
        let found = versions.next()?;
        versions.next().is_none().then_some(found)
    }

    /// Puts a module in. What a tag meant before, it does not mean any more.
    pub(crate) fn insert(&mut self, entry: Entry) {
        self.entries.retain(|other| {
            let replaced = match entry.reference.tag {
                Some(_) => other.reference == entry.reference,
                None => other.pinned() == entry.pinned(),
            };
            !replaced
        });
        self.entries.push(entry);
        self.entries.sort();
    }

    /// Writes the file: all of it or nothing.
    pub(crate) fn write(&self) -> Result<(), LockError> {
        let content = Content {
            version: VERSION,
            modules: self.entries.clone(),
        };
        let text = toml::to_string(&content).map_err(|error| LockError::Invalid {
            path: self.path.clone(),
            problem: error.to_string(),
        })?;
        let temporary = self
            .path
            .with_file_name(format!(".{NAME}.{}", process::id()));
        write_synced(&temporary, &format!("{HEADER}{text}"))
            .and_then(|()| fs::rename(&temporary, &self.path))
            .map_err(|source| {
                // Whatever failed, a later attempt makes its own.
                let _ = fs::remove_file(&temporary);
                LockError::Write {
                    path: self.path.clone(),
                    source,
                }
            })
    }
}

fn parse(path: &Path, text: &str) -> Result<Vec<Entry>, LockError> {
    let content: Content = toml::from_str(text).map_err(|error| LockError::Invalid {
        path: path.to_owned(),
        problem: error.to_string(),
    })?;
    if content.version != VERSION {
        return Err(LockError::Version {
            path: path.to_owned(),
            version: content.version,
        });
    }
    Ok(content.modules)
}

fn write_synced(path: &Path, text: &str) -> io::Result<()> {
    let mut file: File = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(reference: &str, content: &str) -> Entry {
        Entry {
            reference: reference.parse().unwrap(),
            digest: Digest::of(content.as_bytes()),
            size: 9,
            signed_by: None,
        }
    }

    fn lock(folder: &tempfile::TempDir) -> Lock {
        Lock::in_folder(folder.path()).unwrap()
    }

    #[test]
    fn the_file_says_what_was_put_in_sorted() {
        let folder = tempfile::tempdir().unwrap();
        let mut written = lock(&folder);
        assert_eq!(written.entries(), []);
        let text = "{\"signed-by\":\"AB34567890CDEF\"}";
        let signer: serde_json::Value = serde_json::from_str(text).unwrap();
        let signed = Entry {
            signed_by: serde_json::from_value(signer["signed-by"].clone()).unwrap(),
            ..entry("oci://reg.lan/queue:1", "abc")
        };
        written.insert(signed);
        written.insert(entry("oci://reg.lan/disk:2", "disk"));
        written.write().unwrap();
        expect_test::expect![[r##"
            # Written by `vrrp-host module add`; the same on every node, like cluster.toml.
            # `vrrp-host module add --locked` gets exactly these modules.
            version = 1

            [[module]]
            reference = "oci://reg.lan/disk:2"
            digest = "sha256:1044dec7206e8d7c9fbb4ae8f766668406d2567fc7fc1a160a9d4700fcf8f8e9"
            size = 9

            [[module]]
            reference = "oci://reg.lan/queue:1"
            digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
            size = 9
            signed-by = "AB34567890CDEF"
        "##]]
        .assert_eq(&fs::read_to_string(written.path()).unwrap());
        assert_eq!(lock(&folder), written);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_tag_means_one_module_and_a_digest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut lock = lock(&folder);
        lock.insert(entry("oci://reg.lan/queue:1", "old"));
        lock.insert(entry("oci://reg.lan/queue:1", "new"));
        lock.insert(entry("oci://reg.lan/queue:2", "other tag"));
        lock.insert(entry("oci://reg.lan/disk", "one"));
        lock.insert(entry("oci://reg.lan/disk", "one"));
        let digest = |reference: &str| {
            let found = lock.find(&reference.parse().unwrap())?;
            Some(found.digest)
        };
        assert_eq!(lock.entries().len(), 3);
        assert_eq!(digest("oci://reg.lan/queue:1"), Some(Digest::of(b"new")));
        assert_eq!(digest("oci://reg.lan/disk"), Some(Digest::of(b"one")));
        assert_eq!(digest("oci://reg.lan/queue"), None, "which of the two?");
        assert_eq!(digest("oci://reg.lan/queue:3"), None);
        assert_eq!(digest("oci://other.lan/disk"), None);

        lock.insert(entry("oci://reg.lan/disk", "two"));
        assert_eq!(lock.entries().len(), 4);
    }

    #[test]
    fn a_damaged_lock_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut good = lock(&folder);
        good.insert(entry("oci://reg.lan/queue:1", "abc"));
        good.write().unwrap();
        let text = fs::read_to_string(good.path()).unwrap();
        for (change, problem) in [
            (text.replace("version = 1", "version = 2"), "has version 2"),
            (
                text.replace("size = 9", "size = \"nine\""),
                "size = \"nine\"",
            ),
            (
                text.replace("sha256:ba", "sha256:b"),
                "64 hexadecimal digits",
            ),
            (
                text.replace("oci://", ""),
                "it does not begin with `oci://`",
            ),
            (text.replace("size", "length"), "unknown field `length`"),
            (text[..text.len() - 20].to_owned(), "is damaged"),
        ] {
            fs::write(good.path(), &change).unwrap();
            let error = Lock::in_folder(folder.path()).unwrap_err();
            assert!(error.to_string().contains(problem), "{error}");
        }
    }
}
