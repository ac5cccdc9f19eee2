//! `vrrp-host reload`: has the running daemon read its file again.

use super::ask::{ask, unexpected};
use super::print;
use crate::cli::Options;
use crate::exit::Failure;
use crate::supervisor::{Request, Response};

/// Asks the running daemon, and waits until it goes on with the file as it is now.
///
/// # Errors
/// When no daemon answers, or the file has errors: it goes on as before then.
pub(crate) fn reload(options: &Options) -> Result<(), Failure> {
    let answer = ask(options, &Request::Reload)?;
    if let Response::Accepted(_) = answer {
        return print("reloaded");
    }
    if let Response::Error(message) = answer {
        return Err(Failure::config(message));
    }
    Err(unexpected(answer))
}
