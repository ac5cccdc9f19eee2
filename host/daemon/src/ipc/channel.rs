//! One end of a socketpair, for the router's plain loop and for tokio.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Largest message, bytes. The kernel's default socket buffer takes it with room to spare.
pub(super) const MAX_MESSAGE: usize = 96 * 1024;

/// Why no message was received.
#[derive(Debug, Error)]
pub(crate) enum RecvError {
    /// The other process is gone.
    #[error("the other process closed the channel")]
    Closed,
    /// The bytes are not a message: the other side is broken.
    #[error("undecodable message")]
    Undecodable(#[source] postcard::Error),
    /// The socket failed.
    #[error("receiving failed")]
    Io(#[source] io::Error),
}

/// A connected pair: one end stays, the other goes to a child.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    Ok((ours, theirs))
}

/// The end that the supervisor gave this process as its standard input.
pub(crate) fn inherited() -> io::Result<OwnedFd> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    rustix::net::sockopt::socket_type(&socket)
        .map_err(|_| io::Error::other("this role is started by vrrp-host itself, not by hand"))?;
    Ok(socket)
}

/// An end used without an executor.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Channel {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            buffer: vec![0; MAX_MESSAGE],
        }
    }

    /// The next message, or `None` when none waits.
    pub(crate) fn try_recv<T: DeserializeOwned>(&mut self) -> Result<Option<T>, RecvError> {
        match receive(self.socket.as_fd(), &mut self.buffer) {
            Ok(bytes) => decode(bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(RecvError::Io(error)),
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Messages that wait until the other side has room, so that a sender never blocks on a busy peer.
///
/// It is bounded by what the peer can miss while it is stopped: beyond that, the oldest are dropped and counted.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Vec<u8>>,
    dropped: u64,
}

impl Outbox {
    const CAPACITY: usize = 65_536;

    /// Sends `message`, or keeps it for [`flush`](Self::flush) when the peer's buffer is full.
    pub(crate) fn send<T: Serialize>(&mut self, channel: &Channel, message: &T) -> io::Result<()> {
        if self.waiting.len() == Self::CAPACITY {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        self.waiting.push_back(encode(message)?);
        self.flush(channel)
    }

    /// Sends what waits, as far as the peer has room.
    pub(crate) fn flush(&mut self, channel: &Channel) -> io::Result<()> {
        while let Some(bytes) = self.waiting.front() {
            match transmit(channel.as_fd(), bytes) {
                Ok(()) => {
                    self.waiting.pop_front();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether messages wait for room.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Messages dropped since the last call, because the peer took none for too long.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

/// An end used under tokio.
#[derive(Debug)]
pub(crate) struct AsyncChannel {
    /// tokio's type for a stream serves as well for whole packets, as only its readiness is used.
    socket: UnixStream,
}

impl AsyncChannel {
    /// Must be called within a tokio runtime.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            socket: UnixStream::from_std(socket.into())?,
        })
    }

    /// Sends a message, waiting for room. Safe to cancel: a message is sent whole or not at all.
    pub(crate) async fn send<T: Serialize>(&self, message: &T) -> io::Result<()> {
        let bytes = encode(message)?;
        self.socket
            .async_io(Interest::WRITABLE, || transmit(self.socket.as_fd(), &bytes))
            .await
    }

    /// Waits for the next message. Safe to cancel: a message is received whole or not at all.
    pub(crate) async fn recv<T: DeserializeOwned>(&self) -> Result<T, RecvError> {
        let mut buffer = vec![0; MAX_MESSAGE];
        let length = self
            .socket
            .async_io(Interest::READABLE, || {
                receive(self.socket.as_fd(), &mut buffer).map(<[u8]>::len)
            })
            .await
            .map_err(RecvError::Io)?;
        decode(&buffer[..length])
    }
}

fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let bytes = postcard::to_stdvec(message).map_err(io::Error::other)?;
    if bytes.len() > MAX_MESSAGE {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "message too large",
        ));
    }
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecvError> {
    if bytes.is_empty() {
        return Err(RecvError::Closed);
    }
    postcard::from_bytes(bytes).map_err(RecvError::Undecodable)
}

/// An empty slice is the end of file: no message encodes to nothing.
fn receive<'b>(socket: BorrowedFd<'_>, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let (length, _) = rustix::io::retry_on_intr(|| recv(socket, &mut *buffer, RecvFlags::DONTWAIT))
        .or_else(|error| match error {
            // The peer died with our messages unread; for us that is the same as its end of file.
            rustix::io::Errno::CONNRESET => Ok((0, 0)),
            other => Err(other),
        })?;
    Ok(&buffer[..length])
}

fn transmit(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    rustix::io::retry_on_intr(|| send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_whole_and_in_order() {
        let (ours, theirs) = channels();
        let mut outbox = Outbox::default();
        for message in ["one", "", "three"] {
            outbox.send(&ours, &message.to_owned()).unwrap();
        }
        assert_eq!(received(theirs), ["one", "", "three"]);
    }

    #[test]
    fn what_a_busy_peer_has_no_room_for_waits() {
        let (ours, mut theirs) = channels();
        let mut outbox = Outbox::default();
        let mut sent = 0_u32;
        while !outbox.is_waiting() {
            outbox.send(&ours, &sent).unwrap();
            sent += 1;
        }
        outbox.send(&ours, &sent).unwrap();
        let mut received = Vec::new();
        while received.len() <= sent as usize {
            match theirs.try_recv::<u32>().unwrap() {
                Some(number) => received.push(number),
                None => outbox.flush(&ours).unwrap(),
            }
        }
        assert!(received.into_iter().eq(0..=sent));
        assert!(!outbox.is_waiting());
    }

    #[test]
    fn the_end_of_a_process_is_the_end_of_its_channel() {
        let (ours, mut theirs) = channels();
        drop(ours);
        let end = theirs.try_recv::<String>();
        assert!(matches!(end, Err(RecvError::Closed)), "{end:?}");
    }

    #[test]
    fn bytes_that_are_no_message_are_refused() {
        let (ours, mut theirs) = channels();
        transmit(ours.as_fd(), &[0xff; 4]).unwrap();
        let message = theirs.try_recv::<String>();
        assert!(
            matches!(message, Err(RecvError::Undecodable(_))),
            "{message:?}"
        );
    }

    #[test]
    fn a_message_that_is_too_large_is_not_cut() {
        let (ours, _theirs) = channels();
        let error = Outbox::default()
            .send(&ours, &vec![0_u8; MAX_MESSAGE + 1])
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[tokio::test]
    async fn both_kinds_of_ends_understand_each_other() {
        let (ours, theirs) = pair().unwrap();
        let (ours, mut theirs) = (AsyncChannel::new(ours).unwrap(), Channel::new(theirs));
        ours.send(&"to the plain end".to_owned()).await.unwrap();
        let message = theirs.try_recv::<String>().unwrap();
        assert_eq!(message.as_deref(), Some("to the plain end"));
        Outbox::default().send(&theirs, &"back".to_owned()).unwrap();
        assert_eq!(ours.recv::<String>().await.unwrap(), "back");
        drop(theirs);
        assert!(matches!(
            ours.recv::<String>().await,
            Err(RecvError::Closed)
        ));
    }

    fn channels() -> (Channel, Channel) {
        let (ours, theirs) = pair().unwrap();
        (Channel::new(ours), Channel::new(theirs))
    }

    fn received(mut channel: Channel) -> Vec<String> {
        std::iter::from_fn(|| channel.try_recv().unwrap()).collect()
    }
}
