//! The commands beside running the daemon.

mod ask;
mod check_config;
mod events;
mod explain;
pub(crate) mod import;
pub(crate) mod init;
mod instances;
mod log_level;
mod manual;
pub(crate) mod module;
mod new_file;
mod progress;
mod reload;
mod run_check;
pub(crate) mod simulate;
mod status;
mod terminal;

pub(crate) use check_config::check_config;
pub(crate) use events::events;
pub(crate) use explain::explain;
pub(crate) use import::import;
pub(crate) use init::init;
pub(crate) use instances::instances;
pub(crate) use log_level::log_level;
pub(crate) use manual::{completions, manual};
pub(crate) use reload::reload;
pub(crate) use run_check::run_check;
pub(crate) use status::{status, watch};

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::cli::Options;
use crate::exit::Failure;

/// The file that a command is about, which stands after it or after `--config`.
///
/// # Errors
/// When it is named twice or not at all.
fn name_file(options: &Options, file: Option<&Path>, command: &str) -> Result<PathBuf, Failure> {
    match (file, &options.config) {
        (Some(_), Some(_)) => Err(Failure::usage(format!(
            "name the file once: {command} cluster.toml"
        ))),
        (Some(file), None) => Ok(file.to_owned()),
        (None, Some(file)) => Ok(file.clone()),
        (None, None) => Err(Failure::usage(format!(
            "which file? vrrp-host {command} cluster.toml"
        ))),
    }
}

/// The answer of a command, on stdout.
///
/// # Errors
/// When nobody takes it, for example because a pipe is closed.
fn print(text: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{}", text.trim_end()).map_err(Failure::internal)
}
