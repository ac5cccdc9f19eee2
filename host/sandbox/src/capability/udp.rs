//! `udp`: one datagram there, one back.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::time::Instant;
use wasmtime::component::HasSelf;

use super::Capability;
use super::net::dial;
use crate::bindings::imports::{net, udp};
use crate::grant::{Grant, GrantClass};
use crate::store::Call;

pub(super) const CAPABILITY: Capability = Capability {
    interface: "udp",
    granted_by: &[GrantClass::Udp],
    link: |linker| udp::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
};

/// The largest datagram there is, bytes.
const DATAGRAM_MAX: u32 = 65_535;

impl udp::Host for Call {
    async fn exchange(
        &mut self,
        address: String,
        send: Vec<u8>,
        max_read: u32,
        timeout_ms: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, net::Error>> {
        let deadline = self.call_deadline(timeout_ms);
        Ok(self.exchange(&address, &send, max_read, deadline).await)
    }
}

impl Call {
    async fn exchange(
        &mut self,
        address: &str,
        send: &[u8],
        max_read: u32,
        deadline: Instant,
    ) -> Result<Vec<u8>, net::Error> {
        let Grant::Udp(endpoint) = self.require(&format!("udp:{address}"))? else {
            unreachable!("`udp:` is read as Grant::Udp");
        };
        let max = usize::try_from(max_read.min(DATAGRAM_MAX)).unwrap_or_default();
        let attempt = dial::first_of(&endpoint.host, endpoint.port, |peer| {
            exchange_with(peer, send, max)
        });
        self.reach(address, deadline, attempt).await
    }
}

async fn exchange_with(peer: SocketAddr, send: &[u8], max: usize) -> io::Result<Vec<u8>> {
    // Connected, so that datagrams of others are not seen, and a refusal is.
    let socket = UdpSocket::bind(any(peer)).await?;
    socket.connect(peer).await?;
    socket.send(send).await?;
    let mut answer = vec![0; max];
    let length = socket.recv(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}

/// An address to send from, in the family of `peer`.
fn any(peer: SocketAddr) -> SocketAddr {
    match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}
