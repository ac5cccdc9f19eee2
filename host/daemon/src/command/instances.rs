//! `vrrp-host drain`, `undrain` and `release`: what a person wants of instances.

use super::ask::ask_for;
use super::print;
use crate::cli::{Names, Options};
use crate::exit::Failure;
use crate::supervisor::{InstanceCommand, Request};

/// Asks the running daemon, and says which instances do it.
///
/// # Errors
/// When no daemon answers, or it knows no instance of a name.
pub(crate) fn instances(
    options: &Options,
    names: Names,
    command: InstanceCommand,
) -> Result<(), Failure> {
    let Names { names, .. } = names;
    let names = ask_for(options, &Request::Command { names, command })?;
    let word = match command {
        InstanceCommand::Drain { persist: false } => "drained",
        InstanceCommand::Drain { persist: true } => "drained, also after a restart",
        InstanceCommand::Undrain => "no longer drained",
        InstanceCommand::Release => "released",
    };
    print(&format!("{word}: {}", names.join(", ")))
}
