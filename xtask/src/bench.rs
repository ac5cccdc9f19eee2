//! `cargo xtask bench`: what things cost, beside what people have today.

mod checks;
mod contender;
mod table;

use std::process::ExitCode;

use clap::Subcommand;

/// What can be measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Processor time, wall time and memory of our checks, and of the same checks as scripts under keepalived.
    Checks(checks::Arguments),
}

pub(crate) fn run(bench: &Bench) -> anyhow::Result<ExitCode> {
    match bench {
        Bench::Checks(arguments) => checks::run(arguments).map(|()| ExitCode::SUCCESS),
    }
}
