//! Processes of this host.

use crate::CheckError;
use crate::bindings::imports::vrrp_host::plugin::process as raw;
use crate::host::process as host;
use crate::types::Need;

pub use raw::Info;

/// The processes whose name is `name`: that of the executable as `ps` and `pidof` know it, also
/// where the kernel cuts it to 15 characters.
///
/// ```
/// # use vrrp_sdk::{mock, process};
/// # mock::Host::new().process("nginx", 812).enter(|| {
/// let pids: Vec<u32> = process::find("nginx")?.iter().map(|process| process.pid).collect();
/// assert_eq!(pids, [812]);
/// # Ok::<(), process::Error>(()) }).unwrap();
/// ```
///
/// # Errors
/// [`Error::Denied`] without the need [`Need::process`].
pub fn find(name: &str) -> Result<Vec<Info>, Error> {
    host::find(name).map_err(|error| match error {
        raw::Error::Denied => Error::Denied(Need::process(name)),
        raw::Error::Unavailable => Error::Unavailable,
    })
}

/// Why processes could not be looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not granted: {0}")]
    Denied(Need),
    #[error("the process table cannot be read")]
    Unavailable,
}

impl From<Error> for CheckError {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(need) => Self::Denied(need.to_string()),
            Error::Unavailable => Self::Unavailable(error.to_string()),
        }
    }
}
