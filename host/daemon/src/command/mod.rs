//! The commands beside running the daemon.

mod ask;
mod check_config;
mod events;
mod explain;
mod instances;
mod log_level;
pub(crate) mod module;
mod reload;
mod run_check;
mod status;
mod terminal;

pub(crate) use check_config::check_config;
pub(crate) use events::events;
pub(crate) use explain::explain;
pub(crate) use instances::instances;
pub(crate) use log_level::log_level;
pub(crate) use reload::reload;
pub(crate) use run_check::run_check;
pub(crate) use status::{status, watch};

use std::io::{self, Write};

use crate::exit::Failure;

/// The answer of a command, on stdout.
///
/// # Errors
/// When nobody takes it, for example because a pipe is closed.
fn print(text: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{}", text.trim_end()).map_err(Failure::internal)
}
