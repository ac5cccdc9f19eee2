//! What shells and man(1) are told of the command line. It comes from the definition that the command line itself is read by.

use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::cli::Arguments;
use crate::exit::Failure;

/// `vrrp-host completions SHELL`.
///
/// # Errors
/// When nobody takes it, for example because a pipe is closed.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut without_hidden(), "vrrp-host", &mut script);
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

/// The command line that users see: `clap_complete` has shells offer what is hidden, too.
fn without_hidden() -> Command {
    let whole = Arguments::command();
    let shown = whole
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    Command::new("vrrp-host")
        .version(env!("CARGO_PKG_VERSION"))
        .args(whole.get_arguments())
        .subcommands(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_and_man_are_told_of_every_command_but_the_hidden_ones() {
        let folder = tempfile::tempdir().unwrap();
        manual(folder.path()).unwrap();
        let has_page = |name: &str| {
            let page = folder.path().join(format!("vrrp-host-{name}.1"));
            page.exists()
        };
        let mut script = Vec::new();
        clap_complete::generate(Shell::Bash, &mut without_hidden(), "vrrp-host", &mut script);
        let script = String::from_utf8(script).unwrap();
        for command in Arguments::command().get_subcommands() {
            let name = command.get_name();
            let is_shown = !command.is_hide_set();
            assert_eq!(has_page(name), is_shown, "{name}");
            assert_eq!(
                script.contains(&format!("vrrp__host,{name})")),
                is_shown,
                "{name}"
            );
        }
        assert!(!has_page("role") && has_page("status"));
    }
}
