//! `vrrp-host check run`: has the running daemon run a check now.

use super::ask::{ask, ask_status, unexpected};
use super::print;
use super::status::words::{counts_as, milliseconds};
use crate::cli::Options;
use crate::exit::Failure;
use crate::supervisor::{Request, Response};

/// Asks the running daemon, waits for the run, and says how it ended and what the check counts as after it.
///
/// # Errors
/// When no daemon answers or it has no such check; and when the check does not pass, which is the exit code's to say.
pub(crate) fn run_check(options: &Options, name: &str) -> Result<(), Failure> {
    let check = name.to_owned();
    let answer = ask(options, &Request::RunCheck { check })?;
    let Response::CheckRun(run) = answer else {
        return Err(unexpected(answer));
    };
    // The router has had the verdict before it is asked for this.
    let status = ask_status(options)?;
    let standing = status.checks.get(name).map(counts_as);
    print(&format!(
        "{name}: {}: {}\n    took {}; {}",
        run.verdict,
        run.summary,
        milliseconds(run.last_run_us),
        standing.unwrap_or_default(),
    ))?;
    match run.verdict.as_str() {
        "passing" | "warning" => Ok(()),
        "failing" => Err(Failure::negative()),
        _ => Err(Failure::no_verdict("")),
    }
}
