use std::time::Duration;
use std::{io, process};

use crate::requirements::Missing;

/// Why the laboratory could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("`{command}` ended with {status}: {}", stderr.trim_end())]
    Command {
        command: String,
        status: process::ExitStatus,
        stderr: String,
    },
    #[error("{what}")]
    Io {
        what: String,
        #[source]
        source: io::Error,
    },
    #[error("waited {limit:?} for {what}; last seen: {seen}")]
    TimedOut {
        what: String,
        limit: Duration,
        seen: String,
    },
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A program printed something that we cannot read.
    #[error("{what} is not understood: {text:?}")]
    Unexpected { what: String, text: String },
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

pub(crate) trait IoContext<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> IoContext<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io {
            what: what(),
            source: source.into(),
        })
    }
}

pub(crate) fn unexpected(what: impl Into<String>, text: impl Into<String>) -> Error {
    Error::Unexpected {
        what: what.into(),
        text: text.into(),
    }
}
