//! Asking the running daemon, one request a connection.

use std::io::{self, BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::cli::Options;
use crate::exit::Failure;
use crate::status::Status;
use crate::supervisor::{Request, Response};

/// How long the daemon may take to answer; a reload may have modules to compile.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(150);

/// Asks the daemon at the control socket.
///
/// # Errors
/// When none answers there, or this user may not ask that.
pub(super) fn ask(options: &Options, request: &Request) -> Result<Response, Failure> {
    let stream = connect(options)?;
    let answer = exchange(&stream, request).map_err(|error| failed(options, &error))?;
    permitted(answer)
}

/// Asks for the status.
///
/// # Errors
/// As [`ask`].
pub(super) fn ask_status(options: &Options) -> Result<Status, Failure> {
    let answer = ask(options, &Request::Status)?;
    if let Response::Status(status) = answer {
        return Ok(*status);
    }
    Err(unexpected(answer))
}

/// Asks for something to be done. Returns what it is done for.
///
/// # Errors
/// As [`ask`], and when it is not done.
pub(super) fn ask_for(options: &Options, request: &Request) -> Result<Vec<String>, Failure> {
    let answer = ask(options, request)?;
    if let Response::Accepted(names) = answer {
        return Ok(names);
    }
    Err(unexpected(answer))
}

/// Asks, and takes answers for as long as there are any and `take` goes on.
///
/// # Errors
/// As [`ask`], and those of `take`.
pub(super) fn follow(
    options: &Options,
    request: &Request,
    mut take: impl FnMut(Response) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    let stream = connect(options)?;
    let failed = |error| failed(options, &error);
    send(&stream, request).map_err(failed)?;
    // From now on silence means that nothing happens.
    stream.set_read_timeout(None).map_err(failed)?;
    for line in BufReader::new(&stream).lines() {
        let answer = serde_json::from_str(&line.map_err(failed)?);
        let answer = permitted(answer.map_err(|error| failed(error.into()))?)?;
        if take(answer)?.is_break() {
            return Ok(());
        }
    }
    Err(Failure::temporary("vrrp-host ended"))
}

/// What it means when the daemon answers with something else than was asked for.
pub(super) fn unexpected(response: Response) -> Failure {
    match response {
        Response::Error(message) => Failure::temporary(message),
        Response::Refused(message) => Failure::rights(message),
        Response::Status(_)
        | Response::Events(_)
        | Response::Event(_)
        | Response::Lost(_)
        | Response::Accepted(_)
        | Response::CheckRun(_) => Failure::internal(
            "not an answer to what was asked: vrrp-host was replaced by another version; restart it",
        ),
    }
}

fn permitted(response: Response) -> Result<Response, Failure> {
    if let Response::Refused(message) = response {
        return Err(Failure::rights(message));
    }
    Ok(response)
}

fn connect(options: &Options) -> Result<UnixStream, Failure> {
    let path = options.control.display();
    UnixStream::connect(&options.control).map_err(|error| {
        if error.kind() == io::ErrorKind::PermissionDenied {
            Failure::rights(format!(
                "{path}: {error}; only root may ask, and to look the members of `[control] read-only-group` in cluster.toml"
            ))
        } else {
            Failure::temporary(format!(
                "no vrrp-host answers at {path}: {error}; is it running? `systemctl status vrrp-host`"
            ))
        }
    })
}

fn failed(options: &Options, error: &io::Error) -> Failure {
    let path = options.control.display();
    Failure::temporary(format!("asking {path} failed: {error}"))
}

fn exchange(stream: &UnixStream, request: &Request) -> io::Result<Response> {
    send(stream, request)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

fn send(stream: &UnixStream, request: &Request) -> io::Result<()> {
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    let mut line = serde_json::to_string(request)?;
    line.push('\n');
    let mut stream = stream;
    stream.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::LogFormat;

    #[test]
    fn that_nobody_runs_is_told_with_what_to_type() {
        let options = Options {
            config: None,
            node: None,
            control: "/nonexistent/control.sock".into(),
            state_dir: "/nonexistent".into(),
            log_format: LogFormat::Text,
        };
        let failure = ask_status(&options).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "no vrrp-host answers at /nonexistent/control.sock: No such file or directory (os error 2); \
             is it running? `systemctl status vrrp-host`"
        );
    }
}
