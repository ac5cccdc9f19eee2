//! `vrrp-host reload`: has the running daemon read its file again.

use std::io::{self, Write};

use super::ask::ask;
use crate::cli::Options;
use crate::exit::Failure;
use crate::supervisor::{Request, Response};

/// Asks the running daemon, and waits until it goes on with the file as it is now.
///
/// # Errors
/// When no daemon answers, or the file has errors: it goes on as before then.
pub(crate) fn reload(options: &Options) -> Result<(), Failure> {
    match ask(options, &Request::Reload)? {
        Response::Accepted(_) => writeln!(io::stdout(), "reloaded").map_err(Failure::internal),
        Response::Status(_) => Err(Failure::internal("not an answer to `reload`")),
        Response::Error(message) => Err(Failure::config(message)),
    }
}
