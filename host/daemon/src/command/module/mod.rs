//! `vrrp-host module`: what concerns modules, apart from running them.

mod add;
mod progress;
mod push;
mod registry;

use clap::Subcommand;

use crate::cli::Options;
use crate::exit::Failure;

/// What to do with a module.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Download a module into the store of this node, and pin it in modules.lock
    Add(Box<add::Arguments>),
    /// Upload a module to a registry
    Push(Box<push::Arguments>),
}

/// Does it.
///
/// # Errors
/// With what there is to do about it.
pub(crate) fn run(options: &Options, command: Command) -> Result<(), Failure> {
    match command {
        Command::Add(arguments) => add::run(options, &arguments),
        Command::Push(arguments) => push::run(&arguments),
    }
}
