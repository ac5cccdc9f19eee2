//! `vrrp-host log-level`: how much the running daemon logs.

use super::ask::ask_for;
use super::print;
use crate::cli::Options;
use crate::exit::Failure;
use crate::logging::Level;
use crate::supervisor::Request;

/// Has the running daemon log that much until it ends.
///
/// # Errors
/// When no daemon answers.
pub(crate) fn log_level(options: &Options, level: Level) -> Result<(), Failure> {
    ask_for(options, &Request::LogLevel { level })?;
    print(&format!("log level {level}, until vrrp-host is restarted"))
}
