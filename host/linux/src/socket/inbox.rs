//! Many datagrams in one system call.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, RecvMsg, SockaddrIn6, SockaddrLike, recvmmsg};

use super::BUFFER_LENGTH;

/// Room for what one call to [`VrrpSocket::recv`](super::VrrpSocket::recv) brings. One serves all sockets of a thread.
pub struct Inbox {
    buffers: Box<[[u8; BUFFER_LENGTH]]>,
    /// Over IPv4 the header is among the bytes.
    v4: MultiHeaders<()>,
    v6: MultiHeaders<SockaddrIn6>,
}

impl Inbox {
    /// Datagrams that one call brings at most.
    pub const CAPACITY: usize = 32;

    /// With all the room that it will ever need, some 150 KiB, of which it touches what is used.
    #[must_use]
    pub fn new() -> Self {
        Self {
            buffers: vec![[0; BUFFER_LENGTH]; Self::CAPACITY].into_boxed_slice(),
            v4: MultiHeaders::preallocate(Self::CAPACITY, None),
            v6: v6_headers(),
        }
    }

    /// Passes on each datagram that waits at a socket of IPv4, with its header. Returns how many there were.
    pub(super) fn receive_v4(
        &mut self,
        socket: impl AsFd,
        mut take: impl FnMut(&[u8]),
    ) -> io::Result<usize> {
        receive(&mut self.buffers, &mut self.v4, socket, |_, bytes| {
            take(bytes)
        })
    }

    /// Passes on each datagram that waits at a socket of IPv6, with what the kernel tells of it; `take` returns whether the
    /// kernel told everything that it was asked for. Returns how many there were.
    pub(super) fn receive_v6(
        &mut self,
        socket: impl AsFd,
        mut take: impl FnMut(&RecvMsg<'_, '_, SockaddrIn6>, &[u8]) -> bool,
    ) -> io::Result<usize> {
        let mut all_told = true;
        let count = receive(&mut self.buffers, &mut self.v6, socket, |message, bytes| {
            all_told &= take(message, bytes);
        });
        if !all_told {
            // The kernel left in the headers how much it told, and would not tell more the next time.
            self.v6 = v6_headers();
        }
        count
    }
}

fn v6_headers() -> MultiHeaders<SockaddrIn6> {
    MultiHeaders::preallocate(
        Inbox::CAPACITY,
        Some(cmsg_space!(libc::c_int, libc::in6_pktinfo)),
    )
}

fn receive<S: SockaddrLike + Copy>(
    buffers: &mut [[u8; BUFFER_LENGTH]],
    headers: &mut MultiHeaders<S>,
    socket: impl AsFd,
    mut take: impl FnMut(&RecvMsg<'_, '_, S>, &[u8]),
) -> io::Result<usize> {
    let mut buffers = buffers.iter_mut();
    let mut slices: [_; Inbox::CAPACITY] = std::array::from_fn(|_| {
        let buffer = buffers.next().map_or(&mut [][..], |buffer| &mut buffer[..]);
        [IoSliceMut::new(buffer)]
    });
    let descriptor = socket.as_fd().as_raw_fd();
    let flags = MsgFlags::MSG_DONTWAIT;
    match recvmmsg(descriptor, headers, slices.iter_mut(), flags, None) {
        Ok(messages) => Ok(messages
            .map(|message| take(&message, message.iovs().next().unwrap_or(&[])))
            .count()),
        // After a signal the caller looks again, as after a look that found nothing.
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}
