//! `cargo xtask demo | test | bench | chaos | soak | guests | sim | fuzz | docs | dist | setup`: what a newcomer types first.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool"
)]

mod bench;
mod cargo;
mod chaos;
mod demo;
mod dist;
mod docs;
mod fuzz;
mod guests;
mod rules;
mod setup;
mod sim;
mod soak;
mod terminal;
mod test;

use std::ffi::OsString;
use std::process::ExitCode;
use std::{io, process, thread};

use clap::{Parser, Subcommand};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Set-up, demo and tests of vrrp-host.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Boot two hosts, stop a service on one, and watch the address move and come back.
    Demo(demo::Arguments),
    /// Run every check and test there is.
    Test,
    /// Measure what things cost and how fast they are, beside Debian's keepalived, and write docs/benchmarks.md.
    Bench(bench::Arguments),
    /// Disturb three real hosts for some minutes, and see that one of them has the address.
    Chaos(chaos::Arguments),
    /// Run two hosts with many instances and checks for half an hour, and see that nothing grows and nothing is late.
    Soak(soak::Arguments),
    /// Build modules in C, Python and JavaScript, and run them in the daemon.
    Guests,
    /// Simulate many hosts around the protocol core: `--seeds N --from S`, or `--seed S` to read what happens in one.
    #[command(disable_help_flag = true)]
    Sim {
        /// What the simulator takes; `--help` tells.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Look for inputs that break the core, with libFuzzer; what it finds new goes to the corpus.
    Fuzz(fuzz::Arguments),
    /// Write the generated pages of docs/ and the files of examples/ anew, from what the program says of itself.
    Docs,
    /// Make what is given to users: a Debian package, and an archive with a static program for every other Linux.
    Dist(dist::Arguments),
    /// Install what demo and test need: compilation targets and Debian packages.
    Setup,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    clean_up_when_interrupted()?;
    match command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Test => test::run(),
        Command::Bench(arguments) => bench::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Chaos(arguments) => chaos::run(&arguments),
        Command::Soak(arguments) => soak::run(&arguments),
        Command::Guests => guests::run().map(|()| ExitCode::SUCCESS),
        Command::Sim { arguments } => sim::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Docs => docs::run().map(|()| ExitCode::SUCCESS),
        Command::Dist(arguments) => dist::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Setup => setup::run().map(|()| ExitCode::SUCCESS),
    }
}

/// Ctrl-C ends a program without running its destructors, and hosts would go on without us.
fn clean_up_when_interrupted() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            lab::sweep_own();
            // The tests got the signal too, and what they made has no owner any more.
            lab::sweep();
            setup::allow_services();
            process::exit(128 + signal);
        }
    });
    Ok(())
}
