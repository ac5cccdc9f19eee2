//! `vrrp-host status`: what the running daemon does, what is wrong first.

mod problems;
mod tables;
mod watch;
pub(super) mod words;

use std::time::SystemTime;

pub(super) use tables::{master, of_state};
pub(crate) use watch::watch;

use self::problems::{Severity, problems};
use self::words::Clock;
use super::ask::ask_status;
use super::print;
use super::terminal::{Terminal, Tone, cell};
use crate::cli::Options;
use crate::exit::Failure;
use crate::status::Status;

/// Prints the status, as a person reads it or as JSON.
///
/// # Errors
/// When no daemon answers at the control socket.
pub(crate) fn status(options: &Options, json: bool) -> Result<(), Failure> {
    let status = ask_status(options)?;
    let text = if json {
        serde_json::to_string_pretty(&status).map_err(Failure::internal)?
    } else {
        page(&status, Clock::at(SystemTime::now()), Terminal::of_stdout())
    };
    print(&text)
}

/// The whole status: one line of who and when, what is wrong, then everything.
fn page(status: &Status, clock: Clock, terminal: Terminal) -> String {
    let mut text = format!(
        "{} on node {}, {} UTC, log level {}\n\n",
        terminal.paint(Tone::Quiet, &format!("vrrp-host {}", status.version)),
        terminal.paint(Tone::Heading, &status.node),
        clock.now(),
        status.log_level,
    );
    text.push_str(&told_first(status, clock, terminal));
    for table in tables::all(status, clock, terminal) {
        text.push('\n');
        text.push_str(&table);
    }
    text
}

/// What is wrong, in the order of what to look at first; or that nothing is.
fn told_first(status: &Status, clock: Clock, terminal: Terminal) -> String {
    let problems = problems(status, clock);
    if problems.is_empty() {
        return format!("{}\n", terminal.paint(Tone::Good, "Nothing is wrong."));
    }
    let mut table = terminal.table();
    for problem in problems {
        let tone = match problem.severity {
            Severity::Broken => Tone::Bad,
            Severity::Doubtful => Tone::Warning,
            Severity::Wanted => Tone::Heading,
        };
        let mark = cell(tone, problem.severity.mark());
        table.add_row([mark, cell(Tone::Plain, problem.text)]);
    }
    terminal.text(&mut table)
}

#[cfg(test)]
pub(super) mod tests;
