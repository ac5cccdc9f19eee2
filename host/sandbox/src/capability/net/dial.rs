//! From a host and a port to a peer, by way of the addresses that the grant allows.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use url::Host;

use super::Failure;
use crate::bindings::imports::net;
use crate::grant::may_lead_to;

/// Lookups at one time. A hung resolver keeps its thread until it gives up, whatever the module's deadline says;
/// this keeps it from taking all the threads.
static LOOKUPS: Semaphore = Semaphore::const_new(8);

/// How long one of several addresses may take before the next is tried.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(2);

/// Connects to the first address of `host` that answers.
pub(in crate::capability) async fn connect(host: &Host, port: u16) -> Result<TcpStream, Failure> {
    first_of(host, port, connect_to).await
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // A request is one small write: waiting to fill a segment only delays it.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// What `attempt` makes of the first address of `host` with which it succeeds.
pub(in crate::capability) async fn first_of<T, F: Future<Output = io::Result<T>>>(
    host: &Host,
    port: u16,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<T, Failure> {
    let addresses = match host {
        Host::Ipv4(address) => vec![SocketAddr::new(IpAddr::V4(*address), port)],
        Host::Ipv6(address) => vec![SocketAddr::new(IpAddr::V6(*address), port)],
        Host::Domain(name) => lookup(name.clone(), port).await?,
    };
    let mut allowed = addresses
        .into_iter()
        .filter(|address| may_lead_to(host, address.ip()))
        .peekable();
    let mut failure = Failure::Address;
    while let Some(address) = allowed.next() {
        // The last one may use up the whole of the call's time.
        let limit = if allowed.peek().is_some() {
            ADDRESS_TIMEOUT
        } else {
            Duration::MAX
        };
        match timeout(limit, attempt(address)).await {
            Ok(Ok(reached)) => return Ok(reached),
            Ok(Err(error)) => failure = unreachable(&error).into(),
            Err(_) => failure = net::Error::Timeout.into(),
        }
    }
    Err(failure)
}

async fn lookup(name: String, port: u16) -> Result<Vec<SocketAddr>, net::Error> {
    let permit = LOOKUPS
        .acquire()
        .await
        .map_err(|_| net::Error::NameNotFound)?;
    let found = spawn_blocking(move || {
        let _permit = permit;
        (name.as_str(), port).to_socket_addrs()
    });
    match found.await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(_)) => Err(net::Error::NameNotFound),
        Err(error) => Err(net::Error::Io(error.to_string())),
    }
}

/// What a module sees of a peer that cannot be reached.
pub(in crate::capability) fn unreachable(error: &io::Error) -> net::Error {
    if error.kind() == io::ErrorKind::ConnectionRefused {
        net::Error::Refused
    } else if matches!(
        error.kind(),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable
    ) {
        net::Error::Unreachable
    } else if error.kind() == io::ErrorKind::TimedOut {
        net::Error::Timeout
    } else {
        net::Error::Io(error.to_string())
    }
}
