//! The clocks of the host. Nothing else in a check depends on time, so a test can set them.
//!
//! ```
//! # use std::time::{Duration, SystemTime};
//! # use vrrp_sdk::{clock, mock};
//! let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(12 * 3600);
//! mock::Host::new().now(noon).enter(|| assert_eq!(clock::now(), noon));
//! ```

use std::time::{Duration, SystemTime};

use crate::host::clock as host;

/// The wall clock, to a millisecond. May jump.
pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(host::unix_ms())
}

/// Time since some fixed point. Never jumps; only differences mean something.
pub fn monotonic() -> Duration {
    Duration::from_nanos(host::monotonic_ns())
}
