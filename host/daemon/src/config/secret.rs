//! Files that hold secrets: read only when nobody else can read them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::process::geteuid;
use vrrp::{Key, Password};
use zeroize::Zeroizing;

use super::http::Token;
use super::key::{Kind, Text};
use super::reader::Field;

/// Where the secrets of a cluster.toml are looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct SecretFiles<'a> {
    /// Folder of cluster.toml, absolute.
    pub(super) folder: &'a Path,
}

/// A file that holds a secret.
pub(super) const SECRET_FILE: Kind = Kind::Text(Text::new(
    "the path of a file that only root can read, from the folder of cluster.toml",
));

/// More than any key or password has, in whichever way it is written.
const LONGEST: usize = 1024;
const OTHERS: u32 = 0o077;

/// A password, and whether the file has more of it than counts.
#[derive(Debug)]
pub(super) struct ReadPassword {
    pub(super) password: Password,
    pub(super) is_cut: bool,
}

impl SecretFiles<'_> {
    /// The key in the file that a value names; what is wrong with it is reported at the value.
    pub(super) fn key(self, field: &Field<'_>) -> Option<Key> {
        let path = field.string("/etc/vrrp-host/vrrp.key")?;
        let bytes = self.read(field, path, make_key)?;
        // 32 to 64 bytes, each as two digits.
        let digits = bytes.trim_ascii();
        let decoded = decode_hex(digits);
        let bytes = decoded.as_ref().map_or(&bytes[..], |decoded| &decoded[..]);
        match Key::new(bytes) {
            Ok(key) => Some(key),
            Err(error) => {
                let form = match decoded {
                    Some(_) => ", written in hexadecimal",
                    None => "",
                };
                field.error(
                    format!("the key in {path} has {error}{form}"),
                    format!("make another one: {}", make_key(path)),
                );
                None
            }
        }
    }

    /// The token in the file that a value names; what is wrong with it is reported at the value.
    pub(super) fn token(self, field: &Field<'_>) -> Option<Token> {
        let path = field.string("/etc/vrrp-host/http.token")?;
        let bytes = self.read(field, path, make_key)?;
        let token = Token::new(bytes.trim_ascii());
        if token.is_none() {
            let (least, most) = Token::LENGTH.into_inner();
            field.error(
                format!(
                    "{path} has no token: that is {least} to {most} visible ASCII characters in one line"
                ),
                format!("make another one: {}", make_key(path)),
            );
        }
        token
    }

    /// The password in the file that a value names; what is wrong with it is reported at the value.
    pub(super) fn password(self, field: &Field<'_>) -> Option<ReadPassword> {
        let path = field.string("/etc/vrrp-host/vrrp.pass")?;
        let bytes = self.read(field, path, guard)?;
        let text = bytes.trim_ascii_end();
        if text.is_empty() {
            field.error(
                format!("there is no password in {path}"),
                "write 1 to 8 bytes into it",
            );
            return None;
        }
        Some(ReadPassword {
            password: Password::new(text),
            is_cut: text.len() > Password::LEN,
        })
    }

    /// `make` says how to make a file that is missing.
    fn read(
        self,
        field: &Field<'_>,
        path: &str,
        make: impl Fn(&str) -> String,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let absolute = self.folder.join(path);
        let (message, help) = match read(&absolute) {
            Ok(bytes) => return Some(bytes),
            Err(SecretError::Io(error)) if error.kind() == io::ErrorKind::NotFound => (
                format!("there is no file {path}"),
                format!(
                    "make it on one node, and copy it to the others: {}",
                    make(path)
                ),
            ),
            Err(SecretError::Io(error)) => (
                format!("cannot read {path}: {error}"),
                "name a file that root can read".to_owned(),
            ),
            Err(SecretError::NoFile) => (
                format!("{path} is no file"),
                "name a file with nothing but the secret in it".to_owned(),
            ),
            Err(SecretError::TooLong) => (
                format!("{path} has more than {LONGEST} bytes"),
                "name a file with nothing but the secret in it".to_owned(),
            ),
            Err(SecretError::ReadableByOthers { mode }) => (
                format!("others can read {path}: its mode is {mode:04o}"),
                guard(path),
            ),
            Err(SecretError::ForeignOwner { uid }) => (
                format!("{path} belongs to the user {uid}, who can read it"),
                command(&format!("chown root {path}"), path),
            ),
        };
        field.error(message, help);
        None
    }
}

/// Why a secret is not used.
#[derive(Debug)]
enum SecretError {
    Io(io::Error),
    NoFile,
    TooLong,
    ReadableByOthers { mode: u32 },
    ForeignOwner { uid: u32 },
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    // A pipe would keep an open call waiting for whoever writes to it.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(SecretError::Io)?;
    check(&file)?;
    // As large as it will ever be: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(vec![0; LONGEST + 1]);
    let mut length = 0;
    loop {
        match (&file).read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(SecretError::Io(error)),
        }
    }
    if length > LONGEST {
        return Err(SecretError::TooLong);
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Looks at what was opened, not at what has its name by now.
fn check(file: &File) -> Result<(), SecretError> {
    let metadata = file.metadata().map_err(SecretError::Io)?;
    if !metadata.is_file() {
        return Err(SecretError::NoFile);
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(SecretError::ReadableByOthers { mode });
    }
    let uid = metadata.uid();
    if uid != 0 && uid != geteuid().as_raw() {
        return Err(SecretError::ForeignOwner { uid });
    }
    Ok(())
}

/// The bytes that an even number of hexadecimal digits stands for; `None` when there is anything else.
fn decode_hex(digits: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(pairs.len()));
    for [high, low] in pairs {
        bytes.push(nibble(*high)? << 4 | nibble(*low)?);
    }
    (!bytes.is_empty()).then_some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

fn make_key(path: &str) -> String {
    command(&format!("(umask 077; openssl rand -hex 32 > {path})"), path)
}

fn guard(path: &str) -> String {
    command(&format!("chmod 600 {path}"), path)
}

/// A command about `path`, for somebody who has cluster.toml before their eyes.
fn command(command: &str, path: &str) -> String {
    if Path::new(path).is_relative() {
        format!("in the folder of this file, `{command}`")
    } else {
        format!("`{command}`")
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::path::PathBuf;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn write(&self, name: &str, mode: u32, content: &[u8]) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            path
        }
    }

    #[test]
    fn only_the_owner_may_be_able_to_read() {
        let folder = Folder::new();
        for mode in 0..0o1000 {
            let path = folder.write("key", mode, b"secret");
            // Root reads whatever the mode says; others cannot open what they may not read.
            match read(&path) {
                Ok(bytes) => {
                    assert_eq!(mode & 0o077, 0, "{mode:o}");
                    assert_eq!(bytes.as_slice(), b"secret");
                }
                Err(SecretError::ReadableByOthers { mode: seen }) => {
                    assert_eq!(seen, mode);
                    assert_ne!(mode & 0o077, 0, "{mode:o}");
                }
                Err(SecretError::Io(error)) => {
                    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
                    assert_eq!(mode & 0o400, 0, "{mode:o}");
                }
                Err(error) => panic!("{mode:o}: {error:?}"),
            }
        }
    }

    #[test]
    fn a_file_of_somebody_else_is_no_secret() {
        let folder = Folder::new();
        let path = folder.write("key", 0o600, b"secret");
        if chown(&path, Some(65_534), None).is_err() {
            // Only root can give a file away; the suite runs as root.
            assert!(!geteuid().is_root());
            return;
        }
        let error = read(&path).unwrap_err();
        assert!(
            matches!(error, SecretError::ForeignOwner { uid: 65_534 }),
            "{error:?}"
        );
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let folder = Folder::new();
        let pipe = folder.0.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(matches!(read(&pipe), Err(SecretError::NoFile)));
        assert!(matches!(read(folder.0.path()), Err(SecretError::NoFile)));
        let missing = read(&folder.0.path().join("missing"));
        assert!(matches!(missing, Err(SecretError::Io(_))), "{missing:?}");
    }

    #[test]
    fn a_link_leads_to_its_target() {
        let folder = Folder::new();
        let target = folder.write("target", 0o644, b"secret");
        let link = folder.0.path().join("link");
        symlink(&target, &link).unwrap();
        assert!(matches!(
            read(&link),
            Err(SecretError::ReadableByOthers { mode: 0o644 })
        ));
        std::fs::set_permissions(&target, Permissions::from_mode(0o400)).unwrap();
        assert_eq!(read(&link).unwrap().as_slice(), b"secret");
    }

    #[test]
    fn long_files_are_not_read() {
        let folder = Folder::new();
        let longest = folder.write("longest", 0o600, &[b'a'; LONGEST]);
        assert_eq!(read(&longest).unwrap().len(), LONGEST);
        let longer = folder.write("longer", 0o600, &[b'a'; LONGEST + 1]);
        assert!(matches!(read(&longer), Err(SecretError::TooLong)));
    }

    #[test]
    fn hexadecimal_digits() {
        let decoded = |text: &str| decode_hex(text.as_bytes()).map(|bytes| bytes.to_vec());
        assert_eq!(decoded("00fFa1"), Some(vec![0x00, 0xff, 0xa1]));
        for other in ["", "0", "0g", "00 11", "+1", "café"] {
            assert_eq!(decoded(other), None, "{other}");
        }
    }
}
