//! The commands beside running the daemon.

mod ask;
mod check_config;
pub(crate) mod import;
mod instances;
pub(crate) mod module;
mod reload;
mod status;

pub(crate) use check_config::check_config;
pub(crate) use import::import;
pub(crate) use instances::instances;
pub(crate) use reload::reload;
pub(crate) use status::status;

use std::io::{self, Write};

use crate::exit::Failure;

/// The answer of a command, on stdout.
///
/// # Errors
/// When nobody takes it, for example because a pipe is closed.
fn print(text: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{}", text.trim_end()).map_err(Failure::internal)
}
