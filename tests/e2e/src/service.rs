//! Real services for checks to look at: Debian's programs in a host, with folders of their own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use lab::{Netns, Process};
use tempfile::TempDir;

use crate::path::utf8;

/// A folder that every user of this machine can read: services and the modules' process are not root.
#[derive(Debug)]
pub struct OpenFolder(TempDir);

impl OpenFolder {
    /// An empty one, of the user of a service when one is named.
    ///
    /// # Panics
    ///
    /// When it cannot be made, or there is no such user.
    #[must_use]
    pub fn new(owner: Option<&str>) -> Self {
        let folder = TempDir::with_prefix("service-").expect("a temporary folder can be made");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
            .expect("it is our folder");
        if let Some(owner) = owner {
            chown(folder.path(), Some(user_id(owner)), None).expect("root may give it away");
        }
        Self(folder)
    }

    /// The path of a file in it.
    ///
    /// # Panics
    ///
    /// Never: our paths are UTF-8.
    #[must_use]
    pub fn path(&self, file: &str) -> String {
        let path: PathBuf = self.0.path().join(file);
        utf8(&path).to_owned()
    }

    /// Writes a file that only root can read.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write_secret(&self, file: &str, content: &str) {
        self.write(file, content);
        fs::set_permissions(self.path(file), fs::Permissions::from_mode(0o600))
            .expect("it is our file");
    }

    /// Writes a file.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write(&self, file: &str, content: &str) {
        fs::write(self.path(file), content).expect("a file can be written");
    }
}

/// Runs a program as another user, to its end.
///
/// # Panics
///
/// When it fails.
pub fn run_as(user: &str, host: &Netns, argv: &[&str]) {
    let output = host
        .output(&as_user(user, argv))
        .expect("a program can be started");
    assert!(
        output.status.success(),
        "{argv:?}\n{}{}",
        output.stdout,
        output.stderr
    );
}

/// Starts a program as another user.
///
/// # Panics
///
/// When it cannot be started.
#[must_use]
pub fn spawn_as(user: &str, host: &Netns, argv: &[&str]) -> Process {
    host.spawn(&as_user(user, argv))
        .expect("a program can be started")
}

fn as_user<'a>(user: &'a str, argv: &[&'a str]) -> Vec<&'a str> {
    // Not by `su`, which would make the service its child.
    let mut all = vec![
        "setpriv",
        "--reuid",
        user,
        "--regid",
        user,
        "--clear-groups",
        "--",
    ];
    all.extend(argv);
    all
}

fn user_id(name: &str) -> u32 {
    let users = fs::read_to_string("/etc/passwd").expect("there are users");
    let prefix = format!("{name}:");
    let line = users.lines().find(|line| line.starts_with(&prefix));
    line.and_then(|line| line.split(':').nth(2)?.parse().ok())
        .unwrap_or_else(|| panic!("there is no user {name}"))
}

/// A program that Debian keeps beside its versions of PostgreSQL: the newest.
///
/// # Panics
///
/// When PostgreSQL is not installed.
#[must_use]
pub fn postgres_program(name: &str) -> String {
    let versions =
        fs::read_dir("/usr/lib/postgresql").expect("the package postgresql is installed");
    let programs = versions.filter_map(|version| {
        let version = version.ok()?.path();
        let number: u32 = version.file_name()?.to_str()?.parse().ok()?;
        let program: PathBuf = version.join("bin").join(name);
        Path::is_file(&program).then_some((number, program))
    });
    let newest = programs.max().map(|(_, program)| program);
    newest
        .and_then(|program| program.to_str().map(str::to_owned))
        .expect("PostgreSQL has a server")
}
