//! Files, read by the host. Only regular ones, by their absolute paths.

use std::time::{Duration, SystemTime};

use crate::bindings::imports::vrrp_host::plugin::files as raw;
use crate::host::files as host;
use crate::types::Need;
use crate::{CheckError, HookError};

/// All of a file.
///
/// # Errors
/// [`Error::Denied`] without the need [`Need::read`]; [`Error::TooLarge`] when it has more than `max`
/// bytes, or more than the 1 MiB that the host reads.
pub fn read(path: &str, max: u32) -> Result<Vec<u8>, Error> {
    host::read(path, max).map_err(|error| Error::new(error, path))
}

/// When a file was last modified, to a millisecond.
///
/// # Errors
/// [`Error::Denied`] without the need [`Need::read`].
pub fn modified(path: &str) -> Result<SystemTime, Error> {
    let since_epoch = host::modified_unix_ms(path).map_err(|error| Error::new(error, path))?;
    Ok(SystemTime::UNIX_EPOCH + Duration::from_millis(since_epoch))
}

/// Why a file could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not granted: {0}")]
    Denied(Need),
    #[error("there is no {path}")]
    NotFound { path: String },
    #[error("{path} is too large")]
    TooLarge { path: String },
    #[error("{path} could not be read in time")]
    Timeout { path: String },
    #[error("{path}: {message}")]
    Io { path: String, message: String },
}

impl Error {
    fn new(error: raw::Error, path: &str) -> Self {
        let need = || Need::read(path);
        let path = path.to_owned();
        match error {
            raw::Error::Denied => Self::Denied(need()),
            raw::Error::NotFound => Self::NotFound { path },
            raw::Error::TooLarge => Self::TooLarge { path },
            raw::Error::Timeout => Self::Timeout { path },
            raw::Error::Io(message) => Self::Io { path, message },
        }
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn into_raw(self) -> raw::Error {
        match self {
            Self::Denied(_) => raw::Error::Denied,
            Self::NotFound { .. } => raw::Error::NotFound,
            Self::TooLarge { .. } => raw::Error::TooLarge,
            Self::Timeout { .. } => raw::Error::Timeout,
            Self::Io { message, .. } => raw::Error::Io(message),
        }
    }
}

impl From<Error> for CheckError {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(need) => Self::Denied(need.to_string()),
            Error::Timeout { .. } => Self::Timeout(error.to_string()),
            Error::NotFound { .. } | Error::TooLarge { .. } | Error::Io { .. } => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}

/// What may pass is worth a retry; a missing file or grant is not.
impl From<Error> for HookError {
    fn from(error: Error) -> Self {
        match error {
            Error::Timeout { .. } | Error::Io { .. } => Self::Retry(error.to_string()),
            Error::Denied(_) | Error::NotFound { .. } | Error::TooLarge { .. } => {
                Self::Permanent(error.to_string())
            }
        }
    }
}
