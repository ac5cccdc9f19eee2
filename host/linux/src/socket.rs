//! VRRP datagrams: IP protocol 112, sent to and received from one interface (RFC 9568 §5.1).
//!
//! IPv4 today. The interface of [`VrrpSocket`] speaks [`IpAddr`], so that a socket for IPv6, which has no
//! header of its own to build (the kernel does), takes the same place.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd};

use pnet_packet::ip::IpNextHeaderProtocol;
use pnet_packet::ipv4::{Ipv4Packet, MutableIpv4Packet};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, netdevice, sockopt};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

/// The IP protocol number of VRRP (RFC 9568 §5.1.1.4).
pub const VRRP_PROTOCOL: u8 = 112;

/// The IPv4 group that VRRP Routers listen to (RFC 9568 §5.1.1.2).
pub const VRRP_GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// The only TTL a VRRP datagram may have: it was not forwarded (RFC 9568 §5.1.1.3).
pub const VRRP_TTL: u8 = 255;

/// Sends and receives the VRRP datagrams of one interface.
///
/// Both directions are bound to the interface that had the given name when the socket was opened. When that interface
/// is deleted and another one takes its name, the socket stays silent: open a new one.
#[derive(Debug)]
pub struct VrrpSocket {
    receive: Socket,
    send: Socket,
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
    /// What follows the IP header and its options; empty when nothing does.
    pub payload: &'b [u8],
}

/// Why a [`VrrpSocket`] or an [`ArpSocket`](crate::arp::ArpSocket) could not be opened.
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
    /// Opens the socket and joins the VRRP group on `interface`, which must exist but may be down.
    ///
    /// # Errors
    ///
    /// See [`OpenSocketError`]; needs `CAP_NET_RAW`.
    pub fn open(interface: &str) -> Result<Self, OpenSocketError> {
        let refused = |attempt| move |source| OpenSocketError::new(interface, attempt, source);
        let receive = open_receive(interface)?;
        let index = interface_index(&receive, interface)?;
        receive
            .join_multicast_v4_n(&VRRP_GROUP_V4, &InterfaceIndexOrAddress::Index(index))
            .map_err(refused("join the group 224.0.0.18"))?;
        let send = open_send(interface, index)?;
        Ok(Self { receive, send })
    }

    /// The next datagram that has arrived, or `None` when there is none; wait with [`AsFd`].
    ///
    /// `buffer` takes the IP header too; what does not fit is cut off. 2 KiB hold every VRRP message.
    ///
    /// # Errors
    ///
    /// What the kernel reports for the socket, which stays usable.
    pub fn recv<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<Received<'b>>> {
        loop {
            match rustix::net::recv(&self.receive, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((length, _)) => {
                    let length = length.min(buffer.len());
                    return Ok(Some(parse_ipv4(&buffer[..length])));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends `payload` from `source`, which need not be an address of this host, to `destination`, with TTL 255. Never blocks.
    ///
    /// # Errors
    ///
    /// What the kernel reports, `WouldBlock` when the interface's queue is full; `InvalidInput` when the
    /// addresses are not both IPv4, or the payload is too long for a datagram.
    pub fn send(&self, source: IpAddr, destination: IpAddr, payload: &[u8]) -> io::Result<()> {
        let (IpAddr::V4(source), IpAddr::V4(destination)) = (source, destination) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "this socket sends IPv4 only",
            ));
        };
        let header = ipv4_header(source, destination, payload.len()).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "the payload does not fit into a datagram",
            )
        })?;
        loop {
            let sent = rustix::net::sendmsg_addr(
                &self.send,
                &SocketAddrV4::new(destination, 0),
                &[IoSlice::new(&header), IoSlice::new(payload)],
                &mut SendAncillaryBuffer::default(),
                SendFlags::DONTWAIT,
            );
            match sent {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Readable when [`recv`](VrrpSocket::recv) has something to return.
impl AsFd for VrrpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receive.as_fd()
    }
}

/// Holds some hundred advertisements: more than the batch that a router works off between two looks at its clock,
/// and little enough that a flood cannot make it read minutes-old datagrams.
const RECEIVE_BUFFER: usize = 128 * 1024;

/// Internet control (CS6), which RFC 9568 leaves open and every implementation uses.
const TOS_INTERNETWORK_CONTROL: u8 = 0xC0;

/// `TC_PRIO_CONTROL`: ahead of all other traffic in the interface's default queue.
const PRIORITY_CONTROL: u32 = 6;

const IPV4_HEADER_LENGTH: usize = 20;

fn open_receive(interface: &str) -> Result<Socket, OpenSocketError> {
    let refused = |attempt| move |source| OpenSocketError::new(interface, attempt, source);
    // `Socket::new` sets close-on-exec.
    let socket = Socket::new(
        Domain::IPV4,
        Type::RAW,
        Some(Protocol::from(i32::from(VRRP_PROTOCOL))),
    )
    .map_err(refused("open a socket for IP protocol 112"))?;
    socket
        .bind_device(Some(interface.as_bytes()))
        .map_err(refused("bind the receiving socket"))?;
    socket
        .set_nonblocking(true)
        .map_err(refused("make the receiving socket non-blocking"))?;
    // Without this a socket gets datagrams of every group that any process of the host has joined.
    socket
        .set_multicast_all_v4(false)
        .map_err(refused("restrict the groups to those joined"))?;
    socket
        .set_recv_buffer_size(RECEIVE_BUFFER)
        .map_err(refused("size the receive buffer"))?;
    Ok(socket)
}

fn open_send(interface: &str, index: u32) -> Result<Socket, OpenSocketError> {
    let refused = |attempt| move |source| OpenSocketError::new(interface, attempt, source);
    // IPPROTO_RAW receives nothing; a socket of protocol 112 would queue a copy of every datagram that nobody reads.
    let socket = Socket::new(
        Domain::IPV4,
        Type::RAW,
        Some(Protocol::from(libc::IPPROTO_RAW)),
    )
    .map_err(refused("open a raw socket"))?;
    socket
        .bind_device(Some(interface.as_bytes()))
        .map_err(refused("bind the sending socket"))?;
    socket
        .set_nonblocking(true)
        .map_err(refused("make the sending socket non-blocking"))?;
    socket
        .set_header_included_v4(true)
        .map_err(refused("take over the IP header"))?;
    socket
        .set_multicast_loop_v4(false)
        .map_err(refused("turn off multicast loopback"))?;
    socket
        .set_priority(PRIORITY_CONTROL)
        .map_err(refused("set the socket's priority"))?;
    sockopt::set_ip_multicast_if_with_ifindex(
        &socket,
        &Ipv4Addr::UNSPECIFIED,
        &Ipv4Addr::UNSPECIFIED,
        index,
    )
    .map_err(io::Error::from)
    .map_err(refused("choose the interface for multicast"))?;
    Ok(socket)
}

/// The index of `interface` in the network namespace of `socket`.
pub(crate) fn interface_index(socket: impl AsFd, interface: &str) -> Result<u32, OpenSocketError> {
    netdevice::name_to_index(socket, interface)
        .map_err(|error| OpenSocketError::new(interface, "find the index", error.into()))
}

/// Identification, total length and checksum are left to the kernel, which fills them in for `IP_HDRINCL`.
fn ipv4_header(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    payload_length: usize,
) -> Option<[u8; IPV4_HEADER_LENGTH]> {
    let total_length = u16::try_from(payload_length.checked_add(IPV4_HEADER_LENGTH)?).ok()?;
    let mut bytes = [0; IPV4_HEADER_LENGTH];
    let mut header = MutableIpv4Packet::new(&mut bytes)?;
    header.set_version(4);
    header.set_header_length(5);
    header.set_dscp(TOS_INTERNETWORK_CONTROL >> 2);
    header.set_total_length(total_length);
    header.set_ttl(VRRP_TTL);
    header.set_next_level_protocol(IpNextHeaderProtocol(VRRP_PROTOCOL));
    header.set_source(source);
    header.set_destination(destination);
    Some(bytes)
}

/// A datagram too short for its own header has no payload, so that the parser of VRRP discards and counts it.
fn parse_ipv4(datagram: &[u8]) -> Received<'_> {
    let Some(packet) = Ipv4Packet::new(datagram) else {
        return Received {
            source: Ipv4Addr::UNSPECIFIED.into(),
            destination: Ipv4Addr::UNSPECIFIED.into(),
            ttl: None,
            payload: &[],
        };
    };
    let header_length = usize::from(packet.get_header_length()) * 4;
    let payload = if header_length < IPV4_HEADER_LENGTH {
        &[]
    } else {
        datagram.get(header_length..).unwrap_or(&[])
    };
    Received {
        source: packet.get_source().into(),
        destination: packet.get_destination().into(),
        ttl: Some(packet.get_ttl()),
        payload,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Ipv4Addr = Ipv4Addr::new(172, 27, 0, 1);

    #[test]
    fn header_bytes() {
        let header = ipv4_header(SOURCE, VRRP_GROUP_V4, 12).unwrap();
        assert_eq!(
            header,
            [
                0x45, 0xC0, 0, 32, // version and IHL, TOS, total length
                0, 0, 0, 0, // identification, flags and fragment offset
                255, 112, 0, 0, // TTL, protocol, checksum
                172, 27, 0, 1, // source
                224, 0, 0, 18, // destination
            ]
        );
    }

    #[test]
    fn a_payload_that_no_datagram_holds_has_no_header() {
        assert!(ipv4_header(SOURCE, VRRP_GROUP_V4, 65_515).is_some());
        assert!(ipv4_header(SOURCE, VRRP_GROUP_V4, 65_516).is_none());
        assert!(ipv4_header(SOURCE, VRRP_GROUP_V4, usize::MAX).is_none());
    }

    #[test]
    fn options_are_skipped() {
        let mut datagram = ipv4_header(SOURCE, VRRP_GROUP_V4, 7).unwrap().to_vec();
        datagram[0] = 0x46;
        datagram.extend([1, 1, 1, 1]); // four no-operation options
        datagram.extend([0x31, 51, 100]);
        let received = parse_ipv4(&datagram);
        assert_eq!(
            received,
            Received {
                source: SOURCE.into(),
                destination: VRRP_GROUP_V4.into(),
                ttl: Some(255),
                payload: &[0x31, 51, 100],
            }
        );
    }

    #[test]
    fn a_datagram_shorter_than_its_header_has_no_payload() {
        let whole = ipv4_header(SOURCE, VRRP_GROUP_V4, 0).unwrap();
        for header_length in 0..=15 {
            for length in 0..=whole.len() {
                let mut datagram = whole[..length].to_vec();
                if let Some(first) = datagram.first_mut() {
                    *first = 0x40 | header_length;
                }
                assert_eq!(parse_ipv4(&datagram).payload, &[], "{datagram:?}");
            }
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let error = |errno: Errno| OpenSocketError::new("eth9", "bind", errno.into()).to_string();
        assert!(error(Errno::PERM).contains("CAP_NET_RAW"));
        assert!(error(Errno::NODEV).contains("no interface eth9"));
        assert_eq!(error(Errno::NOMEM), "cannot bind on eth9");
    }
}
