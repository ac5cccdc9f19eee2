//! One conversation, encrypted or not.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::client::TlsStream;

use crate::bindings::imports::net;
use crate::capability::net::tls;

/// Bytes that one read gives at most; also the most that a conversation costs the host.
const READ_MAX: usize = 64 << 10;

/// An open socket, as a handle of the module. Dropping it closes it.
#[expect(
    unreachable_pub,
    reason = "the generated bindings re-export it as public"
)]
pub struct Connection {
    peer: String,
    /// What was dialled, by which its certificate is known; a Unix socket has no name there.
    host: Option<String>,
    socket: Socket,
}

enum Socket {
    Plain(Box<dyn Duplex>),
    Encrypted(Box<TlsStream<Box<dyn Duplex>>>),
    /// Nobody knows how much of a message has arrived: it was cut off in the middle.
    Lost,
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

impl Connection {
    pub(super) fn new(
        peer: String,
        host: Option<String>,
        socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Self {
        Self {
            peer,
            host,
            socket: Socket::Plain(Box::new(socket)),
        }
    }

    pub(super) fn peer(&self) -> &str {
        &self.peer
    }

    /// What the peer showed, the certificate itself first.
    pub(super) fn certificate(&self) -> Option<&CertificateDer<'static>> {
        match &self.socket {
            Socket::Encrypted(stream) => stream.get_ref().1.peer_certificates()?.first(),
            Socket::Plain(_) | Socket::Lost => None,
        }
    }

    /// Shakes hands. A handshake that fails, or is given up, ends the conversation.
    pub(super) async fn encrypt(
        &mut self,
        server_name: Option<String>,
        config: Arc<ClientConfig>,
    ) -> Result<(), net::Error> {
        let Some(name) = server_name.or_else(|| self.host.clone()) else {
            return Err(net::Error::Unusable(
                "a path is no name in a certificate: TLS over a Unix socket takes a server name"
                    .to_owned(),
            ));
        };
        match std::mem::replace(&mut self.socket, Socket::Lost) {
            Socket::Plain(plain) => {
                let stream = tls::connect(&name, plain, config).await?;
                self.socket = Socket::Encrypted(Box::new(stream));
                Ok(())
            }
            encrypted @ Socket::Encrypted(_) => {
                self.socket = encrypted;
                Err(net::Error::Unusable("it is encrypted already".to_owned()))
            }
            Socket::Lost => Err(lost()),
        }
    }

    /// Hands over all of `data`. A write that fails, or is given up, ends the conversation.
    pub(super) async fn write(&mut self, data: &[u8]) -> Result<(), net::Error> {
        let mut socket = std::mem::replace(&mut self.socket, Socket::Lost);
        let stream = socket.stream()?;
        stream
            .write_all(data)
            .await
            .map_err(|error| broken(&error))?;
        stream.flush().await.map_err(|error| broken(&error))?;
        self.socket = socket;
        Ok(())
    }

    /// Waits for something to arrive; empty at the end. Nothing is lost when it is given up.
    pub(super) async fn read(&mut self, max: u32) -> Result<Vec<u8>, net::Error> {
        let max = usize::try_from(max).unwrap_or(READ_MAX).min(READ_MAX);
        if max == 0 {
            return Err(net::Error::Unusable("a read of 0 bytes".to_owned()));
        }
        let mut data = vec![0; max];
        let length = self
            .socket
            .stream()?
            .read(&mut data)
            .await
            .map_err(|error| broken(&error))?;
        data.truncate(length);
        Ok(data)
    }
}

impl Socket {
    fn stream(&mut self) -> Result<&mut dyn Duplex, net::Error> {
        match self {
            Self::Plain(stream) => Ok(stream),
            Self::Encrypted(stream) => Ok(stream),
            Self::Lost => Err(lost()),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

fn lost() -> net::Error {
    net::Error::Io("the conversation has ended in an error before".to_owned())
}

fn broken(error: &io::Error) -> net::Error {
    if tls::is_failure(error) {
        net::Error::Tls(error.to_string())
    } else {
        net::Error::Io(error.to_string())
    }
}
