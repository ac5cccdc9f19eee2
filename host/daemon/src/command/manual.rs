//! What shells and man(1) are told of the command line. It comes from the definition that the command line itself is read by.

use std::io::{self, Write};
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Arguments;
use crate::exit::Failure;

/// `vrrp-host completions SHELL`.
///
/// # Errors
/// When nobody takes it, for example because a pipe is closed.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "vrrp-host", &mut script);
    io::stdout().write_all(&script).map_err(Failure::internal)
}

/// `vrrp-host man FOLDER`: a page for the program and one for each command, `vrrp-host-status.1` and so on.
///
/// # Errors
/// When the folder cannot be written to.
pub(crate) fn manual(folder: &Path) -> Result<(), Failure> {
    clap_mangen::generate_to(Arguments::command(), folder).map_err(|error| {
        Failure::usage(format!(
            "cannot write to {}: {error}; name a folder that exists and may be written to",
            folder.display()
        ))
    })
}
