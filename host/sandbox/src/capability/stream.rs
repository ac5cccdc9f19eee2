//! `stream`: conversations over TCP and Unix sockets, which may turn to TLS. They are handles of the call's table, so
//! they count against its limit and end with it.

mod connection;

use rustls::pki_types::CertificateDer;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};
use wasmtime::component::{HasSelf, Resource};

#[expect(
    unreachable_pub,
    reason = "the generated bindings re-export it as public"
)]
pub use self::connection::Connection;
use super::Capability;
use super::net::dial;
use super::net::tls;
use crate::bindings::imports::{net, stream};
use crate::grant::{Grant, GrantClass};
use crate::store::Call;

pub(super) const CAPABILITY: Capability = Capability {
    interface: "stream",
    granted_by: &[GrantClass::Tcp, GrantClass::UnixSocket],
    link: |linker| stream::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
};

type Answer<T> = wasmtime::Result<Result<T, net::Error>>;

impl stream::Host for Call {}

impl stream::HostConnection for Call {
    async fn tcp(&mut self, address: String, timeout_ms: u32) -> Answer<Resource<Connection>> {
        let deadline = self.call_deadline(timeout_ms);
        let connection = self.dial_tcp(&address, deadline).await;
        self.hold(connection)
    }

    async fn unix(&mut self, path: String, timeout_ms: u32) -> Answer<Resource<Connection>> {
        let deadline = self.call_deadline(timeout_ms);
        let connection = self.dial_unix(&path, deadline).await;
        self.hold(connection)
    }

    async fn start_tls(
        &mut self,
        connection: Resource<Connection>,
        tls: net::Tls,
        timeout_ms: u32,
    ) -> Answer<()> {
        let deadline = self.call_deadline(timeout_ms);
        let identity = match self.identity(&tls, deadline).await {
            Ok(identity) => identity,
            Err(error) => return Ok(Err(error)),
        };
        let connection = self.table().get_mut(&connection)?;
        let handshake = async {
            let config = tls::config(tls.verify, &identity).await?;
            connection.encrypt(tls.server_name, config).await
        };
        let ended = timeout_at(deadline, handshake).await;
        Ok(ended.unwrap_or(Err(net::Error::Timeout)))
    }

    async fn write(
        &mut self,
        connection: Resource<Connection>,
        data: Vec<u8>,
        timeout_ms: u32,
    ) -> Answer<()> {
        let deadline = self.call_deadline(timeout_ms);
        let connection = self.table().get_mut(&connection)?;
        let ended = timeout_at(deadline, connection.write(&data)).await;
        Ok(ended.unwrap_or(Err(net::Error::Timeout)))
    }

    async fn read(
        &mut self,
        connection: Resource<Connection>,
        max: u32,
        timeout_ms: u32,
    ) -> Answer<Vec<u8>> {
        let deadline = self.call_deadline(timeout_ms);
        let connection = self.table().get_mut(&connection)?;
        let ended = timeout_at(deadline, connection.read(max)).await;
        Ok(ended.unwrap_or(Err(net::Error::Timeout)))
    }

    fn peer(&mut self, connection: Resource<Connection>) -> wasmtime::Result<String> {
        Ok(self.table().get(&connection)?.peer().to_owned())
    }

    fn certificate_not_after(
        &mut self,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<Option<i64>> {
        let certificate = self.table().get(&connection)?.certificate();
        Ok(certificate.and_then(not_after))
    }

    fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table().delete(connection)?;
        Ok(())
    }
}

impl Call {
    /// A full table ends the run, as with every other handle.
    fn hold(&mut self, connection: Result<Connection, net::Error>) -> Answer<Resource<Connection>> {
        match connection {
            Ok(connection) => Ok(Ok(self.table().push(connection)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn dial_tcp(
        &mut self,
        address: &str,
        deadline: Instant,
    ) -> Result<Connection, net::Error> {
        let Grant::Tcp(endpoint) = self.require(&format!("tcp:{address}"))? else {
            unreachable!("`tcp:` is read as Grant::Tcp");
        };
        let attempt = dial::connect(&endpoint.host, endpoint.port);
        let socket = self.reach(address, deadline, attempt).await?;
        let peer = socket
            .peer_addr()
            .map_err(|error| net::Error::Io(error.to_string()))?;
        Ok(Connection::new(
            peer.to_string(),
            Some(endpoint.host.to_string()),
            socket,
        ))
    }

    async fn dial_unix(&mut self, path: &str, deadline: Instant) -> Result<Connection, net::Error> {
        let Grant::UnixSocket(file) = self.require(&format!("unix:{path}"))? else {
            unreachable!("`unix:` is read as Grant::UnixSocket");
        };
        let host = self.shared.host.clone();
        let socket = timeout_at(deadline, host.broker().unix_socket(&file))
            .await
            .map_err(|_| net::Error::Timeout)??;
        let socket = std::os::unix::net::UnixStream::from(socket);
        let socket = socket
            .set_nonblocking(true)
            .and_then(|()| UnixStream::from_std(socket))
            .map_err(|error| net::Error::Io(error.to_string()))?;
        Ok(Connection::new(path.to_owned(), None, socket))
    }
}

/// The end of a certificate's life in seconds since 1970.
fn not_after(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(parsed.validity().not_after.timestamp())
}
