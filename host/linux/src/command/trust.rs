//! Whether a command can be changed by somebody who may do less than the user that it runs as.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::user::User;

const OTHERS_WRITE: u32 = 0o002;
const GROUP_WRITE: u32 = 0o020;
const STICKY: u32 = 0o1000;

/// Why a command is not run. The text says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// It is not an absolute path.
    #[error("a command is written with its absolute path, such as /usr/bin/pg_isready")]
    Relative,
    /// It does not exist.
    #[error("there is no such file")]
    NotFound,
    /// It is a folder or something else.
    #[error("it is not a regular file")]
    NotAFile,
    /// It, or a folder above it, can be changed by everybody or by a group.
    #[error("others than its owner can change {path}: chmod go-w {path}", path = .0.display())]
    Writable(PathBuf),
    /// It, or a folder above it, belongs to somebody else.
    #[error(
        "{path} belongs to the user with the number {owner}, who could have anything run as the user {user}: chown root {path}, or name its owner with `user`",
        path = path.display()
    )]
    Owner {
        /// What belongs to somebody else.
        path: PathBuf,
        /// Whom it belongs to.
        owner: u32,
        /// Whom the command runs as.
        user: String,
    },
    /// The user may not execute it.
    #[error("the user {user} may not execute it: chmod a+rx {path}, and the folders above it", path = path.display())]
    NotExecutable {
        /// The command.
        path: PathBuf,
        /// Whom it runs as.
        user: String,
    },
    /// It cannot be looked at.
    #[error("it cannot be looked at: {0}")]
    Io(String),
}

/// Whether a command can be run as a user, and only its owner or root can change what that means.
///
/// It may block for as long as the disk does.
///
/// # Errors
/// [`Untrusted`], the first that is found.
pub fn check(program: &Path, user: &User) -> Result<(), Untrusted> {
    check_owners(program, user)?;
    if is_executable(program, user) {
        return Ok(());
    }
    Err(Untrusted::NotExecutable {
        path: program.to_owned(),
        user: user.name().to_owned(),
    })
}

/// The part of [`check`] that matters at every run.
pub(super) fn check_owners(program: &Path, user: &User) -> Result<(), Untrusted> {
    if !program.is_absolute() {
        return Err(Untrusted::Relative);
    }
    let real = program.canonicalize().map_err(|error| unreadable(&error))?;
    let metadata = fs::metadata(&real).map_err(|error| unreadable(&error))?;
    if !metadata.is_file() {
        return Err(Untrusted::NotAFile);
    }
    if metadata.mode() & GROUP_WRITE != 0 && !user.trusts_group(metadata.gid()) {
        return Err(Untrusted::Writable(real));
    }
    // The folders of the links on the way there, and those of the program itself.
    for path in program.ancestors().chain(real.ancestors()) {
        check_one(path, user)?;
    }
    Ok(())
}

fn check_one(path: &Path, user: &User) -> Result<(), Untrusted> {
    let metadata = fs::symlink_metadata(path).map_err(|error| unreadable(&error))?;
    if !user.trusts(metadata.uid()) {
        return Err(Untrusted::Owner {
            path: path.to_owned(),
            owner: metadata.uid(),
            user: user.name().to_owned(),
        });
    }
    if is_open_to_others(&metadata) {
        return Err(Untrusted::Writable(path.to_owned()));
    }
    Ok(())
}

/// In a folder such as /tmp everybody can add files, and nobody can replace those of others. A link has no mode.
fn is_open_to_others(metadata: &Metadata) -> bool {
    let is_sticky_folder = metadata.is_dir() && metadata.mode() & STICKY != 0;
    !metadata.is_symlink() && !is_sticky_folder && metadata.mode() & OTHERS_WRITE != 0
}

/// The kernel is asked by a thread that has become the user.
fn is_executable(program: &Path, user: &User) -> bool {
    let (program, user) = (program.to_owned(), user.clone());
    let asked = std::thread::spawn(move || {
        user.assume()?;
        accessat(CWD, &program, Access::EXEC_OK, AtFlags::EACCESS).map_err(io::Error::from)
    });
    asked.join().is_ok_and(|answer| answer.is_ok())
}

fn unreadable(error: &io::Error) -> Untrusted {
    let missing = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
    if missing.contains(&error.kind()) {
        Untrusted::NotFound
    } else {
        Untrusted::Io(error.to_string())
    }
}
