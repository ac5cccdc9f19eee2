//! What a test does itself in a host: sockets of its own, without a program.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lab::Netns;
use rustix::net::netdevice::name_to_index;
use rustix::net::{Shutdown, shutdown};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use socket2::{Domain, Protocol, Socket, Type};

use crate::stage::INTERFACE;

/// IP protocol number of VRRP (RFC 9568 §5.1.1.4).
const VRRP: i32 = 112;
/// Where VRRP Routers listen (RFC 9568 §5.1.1.2, §5.1.2.2).
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// Runs `body` on a thread that is in the host's network namespace. Sockets made there stay there.
///
/// # Panics
///
/// When the host is gone, or `body` panics.
pub fn inside<T: Send>(host: &Netns, body: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let namespace = File::open(host.path()).expect("the host exists");
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("root may enter a network namespace");
            body()
        });
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Sends whatever it is given as VRRP messages to the group: a host that nobody should listen to.
#[derive(Debug)]
pub struct Forger {
    socket: Socket,
    group: SocketAddr,
}

impl Forger {
    /// Ready to send from this address of the host's [`INTERFACE`], and in its family.
    ///
    /// # Panics
    ///
    /// When the host does not have the address.
    #[must_use]
    pub fn new(host: &Netns, source: impl Into<IpAddr>) -> Self {
        let open = |source| match source {
            IpAddr::V4(source) => {
                let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(VRRP)))?;
                socket.bind(&SocketAddr::from((source, 0)).into())?;
                socket.set_multicast_if_v4(&source)?;
                let group = SocketAddr::from((GROUP_V4, 0));
                Ok::<_, io::Error>(Self { socket, group })
            }
            IpAddr::V6(source) => {
                let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(VRRP)))?;
                let index = name_to_index(&socket, INTERFACE)?;
                socket.bind(&SocketAddrV6::new(source, 0, 0, index).into())?;
                let group = SocketAddrV6::new(GROUP_V6, 0, 0, index).into();
                Ok(Self { socket, group })
            }
        };
        let source = source.into();
        inside(host, || open(source)).expect("root may open a raw socket")
    }

    /// Sends a message behind an IP header with this TTL or hop limit.
    ///
    /// # Panics
    ///
    /// When the kernel does not take it.
    pub fn send(&self, ttl: u8, message: &[u8]) {
        let set = match self.group {
            SocketAddr::V4(_) => self.socket.set_multicast_ttl_v4(ttl.into()),
            SocketAddr::V6(_) => self.socket.set_multicast_hops_v6(ttl.into()),
        };
        let sent = set
            .and_then(|()| self.socket.send_to(message, &self.group.into()))
            .expect("the host can send");
        assert_eq!(sent, message.len());
    }
}

/// Whether a host answers at an address of the link: its neighbour finds it, and it says that nobody listens there.
///
/// # Panics
///
/// When `from` has no [`INTERFACE`].
#[must_use]
pub fn answers(from: &Netns, address: impl Into<IpAddr>) -> bool {
    /// The discard service, which nobody runs.
    const PORT: u16 = 9;
    let address = address.into();
    let answer = inside(from, || {
        let socket = match address {
            IpAddr::V4(address) => {
                let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
                socket.connect(&SocketAddr::from((address, PORT)).into())?;
                socket
            }
            IpAddr::V6(address) => {
                let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
                let index = name_to_index(&socket, INTERFACE)?;
                // Only a link-local address means nothing without its link.
                let scope = if address.is_unicast_link_local() {
                    index
                } else {
                    0
                };
                socket.connect(&SocketAddrV6::new(address, PORT, 0, scope).into())?;
                socket
            }
        };
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        socket.send(b"?")?;
        (&socket).read(&mut [0])
    });
    answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// An HTTP server on the loopback of a host, which answers every request with 200. Dropping it stops it.
#[derive(Debug)]
pub struct WebServer {
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

impl WebServer {
    /// Listens at this port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// When something else does.
    #[must_use]
    pub fn start(host: &Netns, port: u16) -> Self {
        let listener = inside(host, || TcpListener::bind((Ipv4Addr::LOCALHOST, port)))
            .expect("nobody else listens there");
        let accepting = listener.try_clone().expect("a descriptor can be shared");
        let thread = thread::spawn(move || {
            while let Ok((client, _)) = accepting.accept() {
                // A client that goes away early is its own affair.
                _ = answer(client);
            }
        });
        Self {
            listener,
            thread: Some(thread),
        }
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        // Ends the thread's wait with an error.
        _ = shutdown(&self.listener, Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

fn answer(mut client: TcpStream) -> io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        match client.read(&mut chunk)? {
            0 => return Ok(()),
            count => request.extend(&chunk[..count]),
        }
    }
    client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
}
