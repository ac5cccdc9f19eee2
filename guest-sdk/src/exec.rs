//! Commands, run by the host: no shell, nothing on standard input, no environment but `PATH` and `LANG`.

use std::fmt;
use std::time::Duration;

use crate::bindings::imports::vrrp_host::plugin::exec as raw;
use crate::host::exec as host;
use crate::types::Need;
use crate::{CheckError, HookError};

pub use raw::{Ending, Output};

/// Runs a command, by its absolute path, and waits for its end. After `timeout` it is killed with what it
/// started.
///
/// # Errors
/// [`Error::Denied`] without the need [`Need::exec`]. A command that ends with a code other than 0 is not an
/// error.
pub fn run<S: AsRef<str>>(command: &str, args: &[S], timeout: Duration) -> Result<Output, Error> {
    let args: Vec<String> = args.iter().map(|arg| arg.as_ref().to_owned()).collect();
    let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    host::run(command, &args, timeout_ms).map_err(|error| {
        let need = || Need::exec(command);
        let command = command.to_owned();
        match error {
            raw::Error::Denied => Error::Denied(need()),
            raw::Error::NotFound => Error::NotFound { command },
            raw::Error::Timeout => Error::Timeout {
                command,
                timeout_ms,
            },
            raw::Error::Io(message) => Error::Io { command, message },
        }
    })
}

/// Why a command did not run to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not granted: {0}")]
    Denied(Need),
    #[error("there is no {command}")]
    NotFound { command: String },
    #[error("{command} did not end within {timeout_ms} ms")]
    Timeout { command: String, timeout_ms: u32 },
    #[error("{command}: {message}")]
    Io { command: String, message: String },
}

impl Error {
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn into_raw(self) -> raw::Error {
        match self {
            Self::Denied(_) => raw::Error::Denied,
            Self::NotFound { .. } => raw::Error::NotFound,
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
            Error::NotFound { .. } | Error::Io { .. } => Self::Unavailable(error.to_string()),
        }
    }
}

/// What may pass is worth a retry; a missing command or grant is not.
impl From<Error> for HookError {
    fn from(error: Error) -> Self {
        match error {
            Error::Timeout { .. } | Error::Io { .. } => Self::Retry(error.to_string()),
            Error::Denied(_) | Error::NotFound { .. } => Self::Permanent(error.to_string()),
        }
    }
}

impl Output {
    /// The exit code, unless a signal ended it.
    pub fn code(&self) -> Option<i32> {
        match self.ending {
            Ending::Exited(code) => Some(code),
            Ending::Signaled(_) => None,
        }
    }

    /// The first line that is not empty, of its standard output or else of its standard error; what is not
    /// UTF-8 is replaced.
    pub fn first_line(&self) -> Option<String> {
        [&self.stdout, &self.stderr].into_iter().find_map(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            let mut lines = text.lines().map(str::trim);
            lines.find(|line| !line.is_empty()).map(str::to_owned)
        })
    }
}

/// `ended with code 1`, `was ended by signal 9`
impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "ended with code {code}"),
            Self::Signaled(signal) => write!(f, "was ended by signal {signal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_what_a_person_would_read() {
        let line = |stdout: &[u8], stderr: &[u8]| {
            let output = Output {
                ending: Ending::Exited(0),
                stdout: stdout.to_vec(),
                stderr: stderr.to_vec(),
                truncated: false,
            };
            output.first_line()
        };
        assert_eq!(line(b"\n  up \nmore", b"no").as_deref(), Some("up"));
        assert_eq!(line(b" \n", b"bad\xff").as_deref(), Some("bad\u{fffd}"));
        assert_eq!(line(b"", b""), None);
    }
}
