//! Reading files that somebody else names, who has fewer rights than the reader.
//!
//! All of it may block for as long as the disk does, which is for ever with a file server that is gone: call it on a
//! thread that nobody waits for.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, open, openat2};
use rustix::io::Errno;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not below the folder that it has to be below, or is only by its name.
    #[error("it leads out of what may be read")]
    Outside,
    /// There is no such file.
    #[error("there is no such file")]
    NotFound,
    /// It is something else, such as a folder or a FIFO.
    #[error("it is {0}, not a regular file")]
    NotRegular(&'static str),
    /// It has more bytes than asked for.
    #[error("it has more than {max} bytes")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// The system refused.
    #[error(transparent)]
    Io(io::Error),
}

/// All of a regular file of at most `max` bytes.
///
/// `granted` is `path` itself, which may then be a symbolic link to anywhere, or a folder above it, which is not left.
///
/// # Errors
/// [`FileError`]. A file that grows meanwhile is cut at no place: it is too large, or whole up to where it ended.
pub fn read(path: &Path, granted: &Path, max: usize) -> Result<Vec<u8>, FileError> {
    let (file, stat) = open_regular(path, granted)?;
    let size = usize::try_from(stat.st_size).unwrap_or(usize::MAX);
    if size > max {
        return Err(FileError::TooLarge { max });
    }
    // Files of /proc and /sys say that they have no bytes, so only reading them shows how many there are.
    let mut content = Vec::with_capacity(size);
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    File::from(file)
        .take(limit)
        .read_to_end(&mut content)
        .map_err(FileError::Io)?;
    if content.len() > max {
        return Err(FileError::TooLarge { max });
    }
    Ok(content)
}

/// When a regular file was last modified, in milliseconds since 1970; `granted` as for [`read`].
///
/// # Errors
/// [`FileError`].
pub fn modified_unix_ms(path: &Path, granted: &Path) -> Result<u64, FileError> {
    let (_, stat) = open_regular(path, granted)?;
    let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
    Ok(seconds * 1000 + stat.st_mtime_nsec / 1_000_000)
}

fn open_regular(path: &Path, granted: &Path) -> Result<(OwnedFd, Stat), FileError> {
    let file = open_granted(path, granted)?;
    let stat = fstat(&file).map_err(|errno| FileError::Io(errno.into()))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok((file, stat)),
        FileType::Directory => Err(FileError::NotRegular("a folder")),
        FileType::Fifo => Err(FileError::NotRegular("a FIFO")),
        FileType::CharacterDevice | FileType::BlockDevice => Err(FileError::NotRegular("a device")),
        FileType::Socket | FileType::Symlink | FileType::Unknown => {
            Err(FileError::NotRegular("something else"))
        }
    }
}

fn open_granted(path: &Path, granted: &Path) -> Result<OwnedFd, FileError> {
    // Not to wait for the other end of a FIFO, and not to have a terminal for life.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    // The links of /proc/PID/fd lead to wherever their process could go.
    let no_magic = ResolveFlags::NO_MAGICLINKS;
    if path == granted {
        return openat2(CWD, path, flags, Mode::empty(), no_magic).map_err(explain);
    }
    let below = path.strip_prefix(granted).ok();
    let below = below
        .filter(|below| {
            below
                .components()
                .all(|part| matches!(part, Component::Normal(_)))
        })
        .ok_or(FileError::Outside)?;
    let folder_flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = open(granted, folder_flags, Mode::empty()).map_err(explain)?;
    let resolve = no_magic | ResolveFlags::BENEATH;
    // The kernel gives up when something above is renamed meanwhile, which is no answer yet.
    let mut attempts = 0..8;
    loop {
        match openat2(&folder, below, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) if attempts.next().is_some() => {}
            Err(Errno::XDEV | Errno::LOOP) => return Err(FileError::Outside),
            other => return other.map_err(explain),
        }
    }
}

fn explain(errno: Errno) -> FileError {
    match errno {
        Errno::NOENT | Errno::NOTDIR => FileError::NotFound,
        // A socket, or a device that nothing drives.
        Errno::NXIO => FileError::NotRegular("something else"),
        other => FileError::Io(other.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::SystemTime;

    use tempfile::TempDir;

    use super::*;

    /// `granted/inside`, `granted/below/deep`, and `outside` beside them.
    fn tree() -> TempDir {
        let folder = TempDir::new().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("granted/below")).unwrap();
        for file in ["granted/inside", "granted/below/deep", "outside"] {
            fs::write(at(file), file).unwrap();
        }
        folder
    }

    /// What reading `path` gives where `granted` is, both in [`tree`].
    fn outcome(tree: &TempDir, path: &str, granted: &str) -> String {
        let at = |path: &str| tree.path().join(path);
        match read(&at(path), &at(granted), 100) {
            Ok(content) => String::from_utf8(content).unwrap(),
            Err(error) => error.to_string(),
        }
    }

    const OUTSIDE: &str = "it leads out of what may be read";

    #[test]
    fn what_is_granted_is_read() {
        let tree = tree();
        for (path, granted) in [
            ("granted/inside", "granted/inside"),
            ("granted/inside", "granted"),
            ("granted/below/deep", "granted"),
        ] {
            assert_eq!(outcome(&tree, path, granted), path);
        }
    }

    #[test]
    fn nothing_leads_out_of_a_granted_folder() {
        let tree = tree();
        let link = |to: &str, name: &str| symlink(to, tree.path().join("granted").join(name));
        link("../outside", "up").unwrap();
        link("/etc/passwd", "absolute").unwrap();
        link("..", "folder").unwrap();
        link("loop", "loop").unwrap();
        for path in [
            "granted/../outside",
            "granted/below/../inside",
            "granted/up",
            "granted/absolute",
            "granted/folder/outside",
            "granted/loop",
            "outside",
        ] {
            assert_eq!(outcome(&tree, path, "granted"), OUTSIDE, "{path}");
        }
        link("below/deep", "within").unwrap();
        let within = outcome(&tree, "granted/within", "granted");
        assert_eq!(within, "granted/below/deep");
    }

    #[test]
    fn a_file_that_is_granted_by_its_name_may_be_a_link() {
        let tree = tree();
        symlink("../outside", tree.path().join("granted/current")).unwrap();
        let granted = "granted/current";
        assert_eq!(outcome(&tree, granted, granted), "outside");
    }

    #[test]
    fn links_of_proc_lead_nowhere() {
        let open = File::open("/etc/passwd").unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open));
        for granted in [path.as_str(), "/proc"] {
            let read = read(Path::new(&path), Path::new(granted), 100_000);
            assert!(
                matches!(read, Err(FileError::Io(_) | FileError::Outside)),
                "{read:?}"
            );
        }
    }

    #[test]
    fn what_is_no_regular_file_is_not_read() {
        let tree = tree();
        let fifo = tree.path().join("granted/fifo");
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(tree.path().join("granted/socket"));
        let _socket = socket.unwrap();
        let refused = |what: &str| format!("it is {what}, not a regular file");
        for (path, what) in [
            ("granted/fifo", "a FIFO"),
            ("granted/socket", "something else"),
            ("granted/below", "a folder"),
        ] {
            assert_eq!(outcome(&tree, path, "granted"), refused(what));
        }
        let device = read(Path::new("/dev/zero"), Path::new("/dev/zero"), 100).unwrap_err();
        assert_eq!(device.to_string(), refused("a device"));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let tree = tree();
        for (path, granted) in [
            ("granted/none", "granted"),
            ("granted/none", "granted/none"),
            ("granted/inside/none", "granted"),
            ("none/none", "none"),
        ] {
            assert_eq!(outcome(&tree, path, granted), "there is no such file");
        }
    }

    #[test]
    fn a_limit_is_met_exactly() {
        let tree = tree();
        let path = tree.path().join("outside");
        assert_eq!(read(&path, &path, 7).unwrap(), b"outside");
        let larger = read(&path, &path, 6).unwrap_err();
        assert_eq!(larger.to_string(), "it has more than 6 bytes");
        // A file that does not know its size.
        let proc = Path::new("/proc/self/status");
        assert!(read(proc, proc, 100_000).unwrap().starts_with(b"Name:"));
        let larger = read(proc, proc, 10).unwrap_err();
        assert!(
            matches!(larger, FileError::TooLarge { max: 10 }),
            "{larger}"
        );
    }

    #[test]
    fn the_time_of_modification_is_that_of_the_file() {
        let tree = tree();
        let path = tree.path().join("granted/inside");
        let modified = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_234_567);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(modified).unwrap();
        let granted = tree.path().join("granted");
        assert_eq!(modified_unix_ms(&path, &granted).unwrap(), 1_234_567);
    }
}
