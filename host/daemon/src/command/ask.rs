//! Asking the running daemon, one request a connection.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::cli::Options;
use crate::exit::Failure;
use crate::supervisor::{Request, Response};

/// How long the daemon may take to answer; a reload may have modules to compile.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(150);

/// Asks the daemon at the control socket.
///
/// # Errors
/// When none answers there, or only root may ask.
pub(super) fn ask(options: &Options, request: &Request) -> Result<Response, Failure> {
    let path = options.control.display();
    let stream = UnixStream::connect(&options.control).map_err(|error| {
        if error.kind() == io::ErrorKind::PermissionDenied {
            Failure::rights(format!("{path}: {error}; only root may ask"))
        } else {
            Failure::temporary(format!("no vrrp-host answers at {path}: {error}"))
        }
    })?;
    exchange(&stream, request)
        .map_err(|error| Failure::temporary(format!("asking {path} failed: {error}")))
}

fn exchange(stream: &UnixStream, request: &Request) -> io::Result<Response> {
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    let mut line = serde_json::to_string(request)?;
    line.push('\n');
    (&*stream).write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}
