//! The port, bound before anything else starts.

use std::io::{self, ErrorKind};
use std::net::TcpListener;

use vrrp_linux::process::listening_at;

use crate::config::{self, Report, Source};
use crate::exit::Failure;

/// A port that is bound, and whom to serve there.
#[derive(Debug)]
pub(in crate::supervisor) struct Bound {
    pub(super) config: config::Http,
    pub(super) listener: TcpListener,
}

/// Binds the port that the file of `source` names for `node`.
///
/// # Errors
/// With the place in the file and what to do: another program has the port, this host does not have the address, or the port
/// takes rights.
pub(in crate::supervisor) fn bind(
    config: &config::Http,
    source: &Source,
    node: &str,
) -> Result<Bound, Failure> {
    let listener = listen(config).map_err(|error| {
        let address = config.listen;
        let message = format!("cannot listen at {address}: {error}");
        let (help, failure) = advice(&error, address.port());
        let error_at = source.error_at(&["http", "listen", node], &message);
        failure(source.report(vec![error_at.help(help)]))
    })?;
    Ok(Bound {
        config: config.clone(),
        listener,
    })
}

/// What to do about it, and whose turn it is.
fn advice(error: &io::Error, port: u16) -> (String, fn(Report) -> Failure) {
    let kind = error.kind();
    if kind == ErrorKind::AddrInUse {
        let help = match listening_at(port) {
            Some((pid, name)) => {
                format!("{name} has the port (process {pid}): end it, or write another port")
            }
            None => format!(
                "another program has the port: `ss -ltnp 'sport = :{port}'` says which; end it, or write another port"
            ),
        };
        (help, Failure::temporary)
    } else if kind == ErrorKind::PermissionDenied {
        let help = "write a port from 1024 on, or restart vrrp-host as root".to_owned();
        (help, Failure::rights)
    } else if kind == ErrorKind::AddrNotAvailable {
        let help = format!(
            "write an address of this host, which `ip address` lists, or `\"0.0.0.0:{port}\"` for all of them"
        );
        (help, Failure::config)
    } else {
        ("write another address or port".to_owned(), Failure::config)
    }
}

fn listen(config: &config::Http) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(config.listen)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
