//! The port, bound before anything else starts.

use std::io::{self, ErrorKind};
use std::net::TcpListener;

use crate::config::{self, Source};
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
        let port = address.port();
        let help = match error.kind() {
            ErrorKind::AddrInUse => format!(
                "another program has the port: `ss -ltnp 'sport = :{port}'` says which; end it, or write another port"
            ),
            ErrorKind::AddrNotAvailable => format!(
                "write an address of this host, which `ip address` lists, or `\"0.0.0.0:{port}\"` for all of them"
            ),
            ErrorKind::PermissionDenied => {
                "write a port from 1024 on, or restart vrrp-host as root".to_owned()
            }
            _ => "write another address or port".to_owned(),
        };
        let error_at = source.error_at(&["http", "listen", node], &message).help(help);
        let report = source.report(vec![error_at]);
        match error.kind() {
            ErrorKind::AddrInUse => Failure::temporary(report),
            ErrorKind::PermissionDenied => Failure::rights(report),
            _ => Failure::config(report),
        }
    })?;
    Ok(Bound {
        config: config.clone(),
        listener,
    })
}

fn listen(config: &config::Http) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(config.listen)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
