//! `vrrp-host drain`, `undrain` and `release`: what a person wants of instances.

use std::io::{self, Write};

use super::ask::ask;
use crate::cli::{Names, Options};
use crate::exit::Failure;
use crate::supervisor::{InstanceCommand, Request, Response};

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
    match ask(options, &Request::Command { names, command })? {
        Response::Accepted(names) => {
            let word = match command {
                InstanceCommand::Drain => "drained",
                InstanceCommand::Undrain => "no longer drained",
                InstanceCommand::Release => "released",
            };
            writeln!(io::stdout(), "{word}: {}", names.join(", ")).map_err(Failure::internal)
        }
        Response::Status(_) => Err(Failure::internal("not an answer to a command")),
        Response::Error(message) => Err(Failure::temporary(message)),
    }
}
