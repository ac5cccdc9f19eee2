//! Network interfaces of this host.

use crate::CheckError;
use crate::bindings::imports::vrrp_host::plugin::link as raw;
use crate::host::link as host;
use crate::types::Need;

pub use raw::Info;

/// The interface of this name as it is now.
///
/// # Errors
/// [`Error::Denied`] without the need [`Need::link`]; [`Error::NotFound`] when there is none.
pub fn get(name: &str) -> Result<Info, Error> {
    host::get(name).map_err(|error| match error {
        raw::Error::Denied => Error::Denied(Need::link(name)),
        raw::Error::NotFound => Error::NotFound {
            name: name.to_owned(),
        },
        raw::Error::Unavailable => Error::Unavailable,
    })
}

/// Why there is nothing to tell of an interface.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not granted: {0}")]
    Denied(Need),
    #[error("there is no interface {name}")]
    NotFound { name: String },
    #[error("the kernel does not tell of interfaces")]
    Unavailable,
}

impl From<Error> for CheckError {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(need) => Self::Denied(need.to_string()),
            Error::NotFound { .. } | Error::Unavailable => Self::Unavailable(error.to_string()),
        }
    }
}
