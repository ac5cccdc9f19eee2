//! `vrrp-host`: a VRRP daemon whose health checks and hooks are sandboxed WebAssembly components.
//!
//! One binary, several processes (ARCHITECTURE.md): the one a person or systemd starts is the
//! [`supervisor`]; it starts itself again as [`router`] and [`worker`].

mod cli;
mod command;
mod config;
mod event;
mod exit;
mod histogram;
mod import;
mod ipc;
mod lateness;
mod logging;
mod modules;
mod router;
mod simulate;
mod status;
mod store;
mod supervisor;
mod worker;

use clap::Parser;

fn main() -> std::process::ExitCode {
    let arguments = match cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return exit::usage(&error),
    };
    match cli::dispatch(arguments) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
