//! The log of vrrp-host. A line carries the name of the check or hook; the host limits their rate.
//!
//! ```
//! # use vrrp_sdk::{log, mock};
//! # let host = mock::Host::new();
//! # host.enter(|| {
//! log::warn("the certificate ends in 3 days");
//! log::write(log::Level::Info, "answered", &[("status", &200)]);
//! # });
//! # assert_eq!(host.log_lines()[1].facts, [("status".to_owned(), "200".to_owned())]);
//! ```

use std::fmt::Display;

use crate::host::log as host;

pub use crate::bindings::imports::vrrp_host::plugin::log::Level;

/// For whoever debugs this module.
pub fn debug(message: impl Display) {
    write(Level::Debug, message, &[]);
}

/// Something happened that is worth a line.
pub fn info(message: impl Display) {
    write(Level::Info, message, &[]);
}

/// Somebody should look at this, in working hours.
pub fn warn(message: impl Display) {
    write(Level::Warn, message, &[]);
}

/// Somebody should look at this now.
pub fn error(message: impl Display) {
    write(Level::Error, message, &[]);
}

/// A line with fields: `write(Level::Info, "answered", &[("status", &200)])`.
pub fn write(level: Level, message: impl Display, facts: &[(&str, &dyn Display)]) {
    let facts: Vec<_> = facts
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.to_string()))
        .collect();
    host::write(level, &message.to_string(), &facts);
}
