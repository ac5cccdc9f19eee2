//! `vrrp-host module`: what the author of a check or hook works with, what an operator looks at before trusting one, and how
//! they are shared.
//!
//! All of it runs without a cluster.toml and without root, with the daemon's own code: its compiler, loader, limits, host
//! functions and broker.

mod add;
mod bench;
mod diff;
mod inspect;
mod new;
mod page;
mod push;
mod registry;
mod schema;
mod target;
mod test;
mod workshop;

use clap::Subcommand;

use crate::cli::Options;
use crate::exit::Failure;

/// What to do with a module.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write the project of a new check or hook, which builds and passes its test as it is
    New(new::Arguments),
    /// Run a module as the daemon would, and show what it finds, takes and asks for.
    ///
    /// The exit code is 0 when it is passing or warning, or a hook is done; 1 when it is failing, or a hook is not done;
    /// 2 when it came to no verdict.
    Test(test::Arguments),
    /// Show what a module is, what its config holds and what it needs; without a module, those that are built in
    Inspect(inspect::Arguments),
    /// Run a check again and again, and show what a run costs
    Bench(bench::Arguments),
    /// Show what an update newly asks for; the exit code is 1 when it does
    Diff(diff::Arguments),
    /// Download a module into the store of this node, and pin it in modules.lock
    Add(Box<add::Arguments>),
    /// Upload a module to a registry
    Push(Box<push::Arguments>),
}

/// Does what the command says.
///
/// # Errors
/// With what there is to do about it.
pub(crate) fn run(options: &Options, command: Command) -> Result<(), Failure> {
    match command {
        Command::New(arguments) => new::run(&arguments),
        Command::Test(arguments) => in_runtime(options, test::run(options, &arguments)),
        Command::Inspect(arguments) => in_runtime(options, inspect::run(options, &arguments)),
        Command::Bench(arguments) => in_runtime(options, bench::run(options, &arguments)),
        Command::Diff(arguments) => in_runtime(options, diff::run(options, &arguments)),
        Command::Add(arguments) => add::run(options, &arguments),
        Command::Push(arguments) => push::run(&arguments),
    }
}

/// One thread, as in the worker.
fn in_runtime(
    options: &Options,
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let _log = crate::logging::start(options.log_format);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::internal)?
        .block_on(work)
}
