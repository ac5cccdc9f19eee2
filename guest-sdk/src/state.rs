//! A small store that outlives a run. Each check and hook has its own; a restart of vrrp-host
//! empties it.
//!
//! ```
//! # use vrrp_sdk::{mock, state};
//! # let host = mock::Host::new().state("seen", b"41");
//! # host.enter(|| {
//! let seen: u32 = state::get("seen")
//!     .and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok())
//!     .unwrap_or(0);
//! state::put("seen", (seen + 1).to_string().as_bytes())?;
//! # Ok::<(), state::Full>(()) }).unwrap();
//! # assert_eq!(host.stored("seen").as_deref(), Some(&b"42"[..]));
//! ```

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
