//! VRRP datagrams: IP protocol 112, sent to and received from one interface (RFC 9568 §5.1).
//!
//! The families differ in who makes the IP header. For IPv4 it is `v4`, and a received one is there to be read;
//! for IPv6 it is the kernel, which is told the source and tells the rest in control messages (`v6`).

mod filter;
mod inbox;
mod v4;
mod v6;
mod virtual_mac;

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use rustix::net::netdevice;
use socket2::Socket;
use vrrp::{Family, VirtualRouterId};

use v4::SocketV4;
use v6::SocketV6;

pub use inbox::Inbox;
pub use virtual_mac::VirtualMacSocket;

/// Sends and receives the VRRP datagrams of one interface in one address family.
///
/// Both directions are bound to the interface that had the given name when the socket was opened. When that interface
/// is deleted and another one takes its name, the socket stays silent: open a new one.
#[derive(Debug)]
pub struct VrrpSocket(OfFamily);

#[derive(Debug)]
enum OfFamily {
    V4(SocketV4),
    V6(SocketV6),
}

/// A datagram of IP protocol 112, as the interface received it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'b> {
    /// Source of the IP header.
    pub source: IpAddr,
    /// Destination of the IP header.
    pub destination: IpAddr,
    /// TTL or hop limit; `None` when the kernel did not tell.
    pub ttl: Option<u8>,
    /// What follows the IP header and its options or extension headers; empty when nothing does.
    pub payload: &'b [u8],
}

/// A datagram of IP protocol 112 to be sent with TTL or hop limit 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing<'b> {
    /// Source of the IP header; need not be an address of this host.
    pub source: IpAddr,
    /// Destination of the IP header.
    pub destination: IpAddr,
    /// What follows the IP header.
    pub payload: &'b [u8],
}

/// Why a [`VrrpSocket`], an [`ArpSocket`](crate::arp::ArpSocket) or an [`NdpSocket`](crate::ndp::NdpSocket) could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenSocketError {
    /// The process lacks a capability.
    #[error(
        "opening a raw socket on {interface} is not permitted: start as root, or grant CAP_NET_RAW (systemd: AmbientCapabilities=CAP_NET_RAW)"
    )]
    NotPermitted {
        /// The interface asked for.
        interface: String,
    },
    /// The interface does not exist (any more).
    #[error("there is no interface {interface}; `ip link` lists those of this network namespace")]
    NoSuchInterface {
        /// The interface asked for.
        interface: String,
    },
    /// The kernel refused something that it grants on every usual host.
    #[error("cannot {attempt} on {interface}")]
    Refused {
        /// The interface asked for.
        interface: String,
        /// What was being done.
        attempt: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl OpenSocketError {
    pub(crate) fn new(interface: &str, attempt: &'static str, source: io::Error) -> Self {
        let interface = interface.to_owned();
        match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::PERM | Errno::ACCESS) => Self::NotPermitted { interface },
            Some(Errno::NODEV | Errno::NXIO) => Self::NoSuchInterface { interface },
            _ => Self::Refused {
                interface,
                attempt,
                source,
            },
        }
    }
}

impl VrrpSocket {
    /// Opens the socket and joins the VRRP group of `family` on `interface`, which must exist but may be down.
    ///
    /// # Errors
    ///
    /// See [`OpenSocketError`]; needs `CAP_NET_RAW`.
    pub fn open(interface: &str, family: Family) -> Result<Self, OpenSocketError> {
        let socket = match family {
            Family::V4 => OfFamily::V4(SocketV4::open(interface)?),
            Family::V6 => OfFamily::V6(SocketV6::open(interface)?),
        };
        Ok(Self(socket))
    }

    /// Passes on the datagrams that have arrived, in their order and as many as one system call brings; wait with [`AsFd`].
    /// Fewer than [`Inbox::CAPACITY`] were all there were.
    ///
    /// What is longer than [`BUFFER_LENGTH`] is cut off.
    ///
    /// # Errors
    ///
    /// What the kernel reports for the socket, which stays usable. Nothing was received then.
    pub fn recv(&self, inbox: &mut Inbox, take: impl FnMut(Received<'_>)) -> io::Result<usize> {
        match &self.0 {
            OfFamily::V4(socket) => socket.recv(inbox, take),
            OfFamily::V6(socket) => socket.recv(inbox, take),
        }
    }

    /// From now on the kernel drops datagrams of all virtual routers but these, until [`hear_all`](Self::hear_all).
    ///
    /// # Errors
    ///
    /// `ENOMEM` when the kernel has no memory for the filter; everything is heard as before then.
    pub fn hear_only(&self, ours: impl IntoIterator<Item = VirtualRouterId>) -> io::Result<()> {
        let (socket, family) = self.receiving();
        socket.attach_filter(&filter::only(family, ours))
    }

    /// From now on the datagrams of all virtual routers are received, as from the start.
    ///
    /// # Errors
    ///
    /// None, unless the socket has no filter.
    pub fn hear_all(&self) -> io::Result<()> {
        self.receiving().0.detach_filter()
    }

    /// The address family it speaks.
    pub fn family(&self) -> Family {
        self.receiving().1
    }

    fn receiving(&self) -> (&Socket, Family) {
        match &self.0 {
            OfFamily::V4(socket) => (socket.receiving(), Family::V4),
            OfFamily::V6(socket) => (socket.receiving(), Family::V6),
        }
    }

    /// Sends `payload` from `source`, which need not be an address of this host, to `destination`, with TTL or hop limit 255.
    /// Never blocks.
    ///
    /// # Errors
    ///
    /// What the kernel reports, `WouldBlock` when the interface's queue is full; `InvalidInput` when the
    /// addresses are not both of the socket's family, or the payload is too long for a datagram.
    pub fn send(&self, source: IpAddr, destination: IpAddr, payload: &[u8]) -> io::Result<()> {
        let mut result = Ok(());
        let datagram = Outgoing {
            source,
            destination,
            payload,
        };
        self.send_all(&[datagram], |error| result = Err(error));
        result
    }

    /// Sends datagrams in their order, over IPv4 as many as possible in one system call. `failed` is told of each that was not
    /// sent, as by [`send`](Self::send); those after it are.
    pub fn send_all(&self, datagrams: &[Outgoing<'_>], failed: impl FnMut(io::Error)) {
        match &self.0 {
            OfFamily::V4(socket) => socket.send_all(datagrams, failed),
            OfFamily::V6(socket) => socket.send_all(datagrams, failed),
        }
    }
}

/// Readable when [`recv`](VrrpSocket::recv) has something to return.
impl AsFd for VrrpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            OfFamily::V4(socket) => socket.as_fd(),
            OfFamily::V6(socket) => socket.as_fd(),
        }
    }
}

/// Room for the longest VRRP message, 255 IPv6 addresses in 4088 bytes, and for what may be around it. A longer datagram is
/// cut off to a length that no message has.
pub const BUFFER_LENGTH: usize = 4608;

/// Holds some hundred advertisements: more than the batch that a router works off between two looks at its clock,
/// and little enough that a flood cannot make it read minutes-old datagrams.
const RECEIVE_BUFFER: usize = 128 * 1024;

/// Internet control (CS6), which RFC 9568 leaves open and every implementation uses: IPv4's type of service, IPv6's traffic class.
const INTERNETWORK_CONTROL: u8 = 0xC0;

/// `TC_PRIO_CONTROL`: ahead of all other traffic in the interface's default queue.
pub(crate) const PRIORITY_CONTROL: u32 = 6;

/// The index of `interface` in the network namespace of `socket`.
pub(crate) fn interface_index(socket: impl AsFd, interface: &str) -> Result<u32, OpenSocketError> {
    netdevice::name_to_index(socket, interface)
        .map_err(|error| OpenSocketError::new(interface, "find the index", error.into()))
}

fn of_another_family() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "the addresses are not of the socket's family",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        let error = |errno: Errno| OpenSocketError::new("eth9", "bind", errno.into()).to_string();
        assert!(error(Errno::PERM).contains("CAP_NET_RAW"));
        assert!(error(Errno::NODEV).contains("no interface eth9"));
        assert_eq!(error(Errno::NOMEM), "cannot bind on eth9");
    }
}
