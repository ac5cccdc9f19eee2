//! Over IPv4 the header is ours to make, since only so the source need not be an address of the host.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd};

use pnet_packet::ip::IpNextHeaderProtocol;
use pnet_packet::ipv4::{Ipv4Packet, MutableIpv4Packet};
use rustix::io::Errno;
use rustix::net::addr::SocketAddrArg as _;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sockopt};
use smallvec::SmallVec;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use vrrp::packet::{MULTICAST_IPV4, PROTOCOL, TTL};

use super::{
    INTERNETWORK_CONTROL, Inbox, OpenSocketError, Outgoing, PRIORITY_CONTROL, RECEIVE_BUFFER,
    Received, interface_index, of_another_family,
};

/// See [`VrrpSocket`](super::VrrpSocket).
#[derive(Debug)]
pub(super) struct SocketV4 {
    receive: Socket,
    send: Socket,
}

impl SocketV4 {
    pub(super) fn open(interface: &str) -> Result<Self, OpenSocketError> {
        let refused = |attempt| move |source| OpenSocketError::new(interface, attempt, source);
        let receive = open_receive(interface)?;
        let index = interface_index(&receive, interface)?;
        receive
            .join_multicast_v4_n(&MULTICAST_IPV4, &InterfaceIndexOrAddress::Index(index))
            .map_err(refused("join the group 224.0.0.18"))?;
        let send = open_send(interface, index)?;
        Ok(Self { receive, send })
    }

    pub(super) fn receiving(&self) -> &Socket {
        &self.receive
    }

    pub(super) fn recv(
        &self,
        inbox: &mut Inbox,
        mut take: impl FnMut(Received<'_>),
    ) -> io::Result<usize> {
        inbox.receive_v4(&self.receive, |datagram| take(parse_ipv4(datagram)))
    }

    pub(super) fn send_all(&self, datagrams: &[Outgoing<'_>], mut failed: impl FnMut(io::Error)) {
        for datagrams in datagrams.chunks(SENT_AT_ONCE) {
            let mut ready = SmallVec::<[_; SENT_AT_ONCE]>::new();
            for datagram in datagrams {
                match Ready::new(datagram) {
                    Ok(datagram) => ready.push(datagram),
                    Err(error) => failed(error),
                }
            }
            self.send_ready(&ready, &mut failed);
        }
    }

    fn send_ready(&self, ready: &[Ready<'_>], mut failed: impl FnMut(io::Error)) {
        let parts: SmallVec<[_; SENT_AT_ONCE]> = ready
            .iter()
            .map(|it| [IoSlice::new(&it.header), IoSlice::new(it.payload)])
            .collect();
        let mut nothing: SmallVec<[_; SENT_AT_ONCE]> = ready
            .iter()
            .map(|_| SendAncillaryBuffer::default())
            .collect();
        let mut messages: SmallVec<[_; SENT_AT_ONCE]> = ready
            .iter()
            .zip(&parts)
            .zip(&mut nothing)
            .map(|((it, parts), nothing)| MMsgHdr::new_with_addr(&it.destination, parts, nothing))
            .collect();
        let mut rest = &mut messages[..];
        while !rest.is_empty() {
            let done = match rustix::net::sendmmsg(&self.send, rest, SendFlags::DONTWAIT) {
                Ok(sent) => sent,
                Err(Errno::INTR) => 0,
                // It is the first one's.
                Err(error) => {
                    failed(error.into());
                    1
                }
            };
            rest = rest.get_mut(done..).unwrap_or_default();
        }
    }
}

/// A datagram with its header.
struct Ready<'b> {
    header: [u8; IPV4_HEADER_LENGTH],
    payload: &'b [u8],
    destination: SocketAddrAny,
}

impl<'b> Ready<'b> {
    fn new(datagram: &Outgoing<'b>) -> io::Result<Self> {
        let (IpAddr::V4(source), IpAddr::V4(destination)) = (datagram.source, datagram.destination)
        else {
            return Err(of_another_family());
        };
        let payload = datagram.payload;
        let header = ipv4_header(source, destination, payload.len()).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "the payload does not fit into a datagram",
            )
        })?;
        Ok(Self {
            header,
            payload,
            destination: SocketAddrV4::new(destination, 0).as_any(),
        })
    }
}

impl AsFd for SocketV4 {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receive.as_fd()
    }
}

const IPV4_HEADER_LENGTH: usize = 20;
/// Datagrams in one system call.
const SENT_AT_ONCE: usize = 32;

fn open_receive(interface: &str) -> Result<Socket, OpenSocketError> {
    let refused = |attempt| move |source| OpenSocketError::new(interface, attempt, source);
    // `Socket::new` sets close-on-exec.
    let socket = Socket::new(
        Domain::IPV4,
        Type::RAW,
        Some(Protocol::from(i32::from(PROTOCOL))),
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
    header.set_dscp(INTERNETWORK_CONTROL >> 2);
    header.set_total_length(total_length);
    header.set_ttl(TTL);
    header.set_next_level_protocol(IpNextHeaderProtocol(PROTOCOL));
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
        let header = ipv4_header(SOURCE, MULTICAST_IPV4, 12).unwrap();
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
        assert!(ipv4_header(SOURCE, MULTICAST_IPV4, 65_515).is_some());
        assert!(ipv4_header(SOURCE, MULTICAST_IPV4, 65_516).is_none());
        assert!(ipv4_header(SOURCE, MULTICAST_IPV4, usize::MAX).is_none());
    }

    #[test]
    fn options_are_skipped() {
        let mut datagram = ipv4_header(SOURCE, MULTICAST_IPV4, 7).unwrap().to_vec();
        datagram[0] = 0x46;
        datagram.extend([1, 1, 1, 1]); // four no-operation options
        datagram.extend([0x31, 51, 100]);
        let received = parse_ipv4(&datagram);
        assert_eq!(
            received,
            Received {
                source: SOURCE.into(),
                destination: MULTICAST_IPV4.into(),
                ttl: Some(255),
                payload: &[0x31, 51, 100],
            }
        );
    }

    #[test]
    fn a_datagram_shorter_than_its_header_has_no_payload() {
        let whole = ipv4_header(SOURCE, MULTICAST_IPV4, 0).unwrap();
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
}
