//! What conversations over the network have in common: how they are encrypted, and how they go wrong.

use std::fmt::Display;

use crate::bindings::imports::vrrp_host::plugin::net as raw;
use crate::types::Need;
use crate::{CheckError, Observation};

pub use tls::{Tls, TlsOption};

mod tls;

/// Why there is no conversation, or no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not granted: {}", Need::words(.0))]
    Denied(Vec<Need>),
    #[error("no answer within {timeout_ms} ms")]
    Timeout { timeout_ms: u32 },
    #[error("connection refused")]
    Refused,
    #[error("no route to it")]
    Unreachable,
    #[error("its name is unknown")]
    NameNotFound,
    #[error("TLS failed: {0}")]
    Tls(String),
    #[error("{0}")]
    Io(String),
    /// The module asked for what this host cannot do: a file that cannot be read, an address that is none.
    #[error("{0}")]
    Unusable(String),
}

impl Error {
    /// What a check makes of it: a service that cannot be reached is a verdict, and a fault on this
    /// side of the network is not.
    ///
    /// # Errors
    /// When the service has not been asked.
    pub fn into_verdict(
        self,
        service: &(impl Display + ?Sized),
    ) -> Result<Observation, CheckError> {
        match self {
            Self::Denied(_) | Self::Unusable(_) => Err(self.into()),
            Self::Timeout { .. }
            | Self::Refused
            | Self::Unreachable
            | Self::NameNotFound
            | Self::Tls(_)
            | Self::Io(_) => Ok(Observation::failing(format!("{service}: {self}"))),
        }
    }

    pub(crate) fn new(
        error: raw::Error,
        needs: impl FnOnce() -> Vec<Need>,
        timeout_ms: u32,
    ) -> Self {
        match error {
            raw::Error::Denied => Self::Denied(needs()),
            raw::Error::Timeout => Self::Timeout { timeout_ms },
            raw::Error::Refused => Self::Refused,
            raw::Error::Unreachable => Self::Unreachable,
            raw::Error::NameNotFound => Self::NameNotFound,
            raw::Error::Tls(message) => Self::Tls(message),
            raw::Error::Io(message) => Self::Io(message),
            raw::Error::Unusable(message) => Self::Unusable(message),
        }
    }

    /// The opposite of [`Error::new`], for the mock.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn into_raw(self) -> raw::Error {
        match self {
            Self::Denied(_) => raw::Error::Denied,
            Self::Timeout { .. } => raw::Error::Timeout,
            Self::Refused => raw::Error::Refused,
            Self::Unreachable => raw::Error::Unreachable,
            Self::NameNotFound => raw::Error::NameNotFound,
            Self::Tls(message) => raw::Error::Tls(message),
            Self::Io(message) => raw::Error::Io(message),
            Self::Unusable(message) => raw::Error::Unusable(message),
        }
    }
}

impl From<Error> for CheckError {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(needs) => Self::Denied(Need::words(&needs)),
            Error::Timeout { .. } => Self::Timeout(error.to_string()),
            Error::Refused
            | Error::Unreachable
            | Error::NameNotFound
            | Error::Tls(_)
            | Error::Io(_)
            | Error::Unusable(_) => Self::Unavailable(error.to_string()),
        }
    }
}
