//! `vrrp-host status`: asks the running daemon.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::cli::Options;
use crate::exit::Failure;
use crate::status::Status;
use crate::supervisor::{Request, Response};

/// How long the daemon may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Prints the status, as a table or as JSON.
///
/// # Errors
/// When no daemon answers at the control socket.
pub(crate) fn status(options: &Options, json: bool) -> Result<(), Failure> {
    let status = match ask(options, Request::Status)? {
        Response::Status(status) => status,
        Response::Error(message) => return Err(Failure::temporary(message)),
    };
    let text = if json {
        serde_json::to_string_pretty(&status).map_err(Failure::internal)?
    } else {
        table(&status)
    };
    writeln!(io::stdout(), "{}", text.trim_end()).map_err(Failure::internal)
}

fn ask(options: &Options, request: Request) -> Result<Response, Failure> {
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

fn exchange(stream: &UnixStream, request: Request) -> io::Result<Response> {
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    let mut line = serde_json::to_string(&request)?;
    line.push('\n');
    (&*stream).write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

fn table(status: &Status) -> String {
    let mut text = format!("node {}, vrrp-host {}\n", status.node, status.version);
    for (name, instance) in &status.instances {
        text.push_str(&format!(
            "\n{name}: {state} since {since}, priority {effective} (base {base})\n    {reason}\n    {addresses} on {interface}, virtual router {vrid}\n",
            state = instance.state,
            since = instance.since,
            effective = instance.priority.effective,
            base = instance.priority.base,
            reason = instance.reason,
            addresses = instance.virtual_addresses.join(", "),
            interface = instance.interface,
            vrid = instance.virtual_router_id,
        ));
        let lists = [
            ("excluded address", &instance.excluded_addresses),
            ("route", &instance.routes),
            ("rule", &instance.rules),
        ];
        for (kind, list) in lists {
            for object in list {
                text.push_str(&format!("    {kind} {object}\n"));
            }
        }
        if let Some(master) = &instance.master {
            text.push_str(&format!(
                "    MASTER is {} with priority {}\n",
                master.address, master.priority
            ));
        }
    }
    for (name, check) in &status.checks {
        let since = check.since.as_deref().unwrap_or("the start");
        text.push_str(&format!(
            "\ncheck {name}: {} since {since}: {}\n",
            check.verdict, check.summary
        ));
    }
    for (name, hook) in &status.hooks {
        let last = hook.last_result.as_deref().unwrap_or("never called");
        text.push_str(&format!(
            "\nhook {name}: {} calls, {} failed, last: {last}\n",
            hook.runs, hook.errors
        ));
    }
    text
}
