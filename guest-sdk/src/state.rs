//! A small store that outlives a run. Each check and hook has its own; a restart of vrrp-host
//! empties it.

use crate::host::state as host;

/// The value last [`put`] under this key.
pub fn get(key: &str) -> Option<Vec<u8>> {
    host::get(key)
}

/// Keeps a value for the runs to come.
///
/// # Errors
/// [`Full`] when the store has no room for it; nothing is changed then.
pub fn put(key: &str, value: &[u8]) -> Result<(), Full> {
    host::put(key, value).map_err(Full)
}

/// The store has no room for the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not stored: {0}")]
pub struct Full(String);
