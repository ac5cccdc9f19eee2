//! Over IPv6 the kernel makes the header: it splits a message of more addresses than a frame holds into fragments, which it
//! would not do with a header of ours. What we want in it goes with the socket's options and the control message for the source.
//!
//! The checksum is the core's in both directions: the kernel could compute and verify it (`IPV6_CHECKSUM`), but what it
//! finds wrong it would drop before anybody counts it.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::Ipv6RecvPacketInfo;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, RecvMsg, SockaddrIn6, sendmsg, setsockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use vrrp::packet::{MULTICAST_IPV6, PROTOCOL, TTL};

use super::{
    INTERNETWORK_CONTROL, Inbox, OpenSocketError, Outgoing, PRIORITY_CONTROL, RECEIVE_BUFFER,
    Received, interface_index, of_another_family,
};

/// See [`VrrpSocket`](super::VrrpSocket).
#[derive(Debug)]
pub(super) struct SocketV6 {
    socket: Socket,
    /// Of the interface: link-local addresses mean nothing without it.
    index: u32,
}

/// What the kernel tells of a datagram beside its payload.
struct Header {
    source: Ipv6Addr,
    destination: Option<Ipv6Addr>,
    hop_limit: Option<u8>,
}

impl SocketV6 {
    pub(super) fn open(interface: &str) -> Result<Self, OpenSocketError> {
        let refused = |attempt| move |source| OpenSocketError::new(interface, attempt, source);
        // `Socket::new` sets close-on-exec.
        let protocol = Protocol::from(i32::from(PROTOCOL));
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(protocol))
            .map_err(refused("open a socket for IPv6 and protocol 112"))?;
        socket
            .bind_device(Some(interface.as_bytes()))
            .map_err(refused("bind the socket for IPv6"))?;
        socket
            .set_nonblocking(true)
            .map_err(refused("make the socket for IPv6 non-blocking"))?;
        let index = interface_index(&socket, interface)?;
        prepare_to_receive(&socket, index)
            .map_err(refused("prepare the socket for IPv6 to receive"))?;
        prepare_to_send(&socket).map_err(refused("prepare the socket for IPv6 to send"))?;
        Ok(Self { socket, index })
    }

    pub(super) fn receiving(&self) -> &Socket {
        &self.socket
    }

    pub(super) fn recv(
        &self,
        inbox: &mut Inbox,
        mut take: impl FnMut(Received<'_>),
    ) -> io::Result<usize> {
        inbox.receive_v6(&self.socket, |message, payload| {
            let header = read_header(message);
            take(Received {
                source: header.source.into(),
                destination: header.destination.unwrap_or(Ipv6Addr::UNSPECIFIED).into(),
                ttl: header.hop_limit,
                payload,
            });
            header.destination.is_some() && header.hop_limit.is_some()
        })
    }

    /// One call for each: the source goes beside a datagram, and nothing that sends many in one call takes one for each.
    pub(super) fn send_all(&self, datagrams: &[Outgoing<'_>], mut failed: impl FnMut(io::Error)) {
        for datagram in datagrams {
            let sent = match (datagram.source, datagram.destination) {
                (IpAddr::V6(source), IpAddr::V6(destination)) => {
                    self.send(source, destination, datagram.payload)
                }
                (IpAddr::V4(_) | IpAddr::V6(_), _) => Err(of_another_family()),
            };
            if let Err(error) = sent {
                failed(error);
            }
        }
    }

    fn send(&self, source: Ipv6Addr, destination: Ipv6Addr, payload: &[u8]) -> io::Result<()> {
        let packet_info = libc::in6_pktinfo {
            ipi6_addr: libc::in6_addr {
                s6_addr: source.octets(),
            },
            ipi6_ifindex: self.index,
        };
        let destination = SockaddrIn6::from(SocketAddrV6::new(destination, 0, 0, self.index));
        loop {
            let sent = sendmsg(
                self.socket.as_raw_fd(),
                &[IoSlice::new(payload)],
                &[ControlMessage::Ipv6PacketInfo(&packet_info)],
                MsgFlags::MSG_DONTWAIT,
                Some(&destination),
            );
            match sent {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for SocketV6 {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn prepare_to_receive(socket: &Socket, index: u32) -> io::Result<()> {
    // Without this a socket gets datagrams of every group that any process of the host has joined.
    socket.set_multicast_all_v6(false)?;
    socket.join_multicast_v6(&MULTICAST_IPV6, index)?;
    socket.set_recv_hoplimit_v6(true)?;
    setsockopt(socket, Ipv6RecvPacketInfo, &true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)
}

fn prepare_to_send(socket: &Socket) -> io::Result<()> {
    // The last word, priority 0, is said also when the address it comes from has just been removed.
    socket.set_freebind_v6(true)?;
    socket.set_multicast_hops_v6(TTL.into())?;
    socket.set_unicast_hops_v6(TTL.into())?;
    socket.set_multicast_loop_v6(false)?;
    socket.set_tclass_v6(INTERNETWORK_CONTROL.into())?;
    socket.set_priority(PRIORITY_CONTROL)
}

fn read_header(message: &RecvMsg<'_, '_, SockaddrIn6>) -> Header {
    let mut header = Header {
        source: message
            .address
            .as_ref()
            .map_or(Ipv6Addr::UNSPECIFIED, SockaddrIn6::ip),
        destination: None,
        hop_limit: None,
    };
    // With what is missing, or did not fit, no receive check can succeed.
    for message in message.cmsgs().into_iter().flatten() {
        read_control(&message, &mut header);
    }
    header
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "control messages are an open set; all but those asked for mean nothing here"
)]
fn read_control(message: &ControlMessageOwned, header: &mut Header) {
    match message {
        ControlMessageOwned::Ipv6HopLimit(hop_limit) => {
            header.hop_limit = u8::try_from(*hop_limit).ok();
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            header.destination = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// On loopback. A kernel that does not say where a datagram comes from must not be taken for one that says: all is well.
    #[test]
    fn what_the_kernel_does_not_tell_is_not_known() {
        if !rustix::process::geteuid().is_root() {
            _ = writeln!(io::stderr(), "skipped, it needs root for a raw socket");
            return;
        }
        let open = || Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(253))).unwrap();
        let loopback = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0).into();
        let socket = open();
        socket.bind(&loopback).unwrap();
        socket.set_nonblocking(true).unwrap();
        let untold = SocketV6 { socket, index: 1 };
        open().send_to(&[1, 2, 3], &loopback).unwrap();
        let mut inbox = Inbox::new();
        let mut received = 0;
        let count = untold.recv(&mut inbox, |datagram| {
            received += 1;
            assert_eq!(
                datagram,
                Received {
                    source: Ipv6Addr::LOCALHOST.into(),
                    destination: Ipv6Addr::UNSPECIFIED.into(),
                    ttl: None,
                    payload: &[1, 2, 3],
                }
            );
        });
        assert_eq!((count.unwrap(), received), (1, 1));
    }
}
