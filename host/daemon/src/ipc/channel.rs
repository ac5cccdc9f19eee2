//! One end of a socketpair, for the router's plain loop and for tokio.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::io::Interest;
use tokio::net::UnixStream;

use super::passed::{self, Passed};

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
            Ok((length, files)) => decode(&self.buffer[..length], files).map(Some),
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
    waiting: VecDeque<Packet>,
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
        while let Some(packet) = self.waiting.front() {
            match transmit(channel.as_fd(), packet) {
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
    /// Of one message at a time; kept, because it is larger than most messages by far.
    buffer: Mutex<Vec<u8>>,
}

impl AsyncChannel {
    /// Must be called within a tokio runtime.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            socket: UnixStream::from_std(socket.into())?,
            buffer: Mutex::new(vec![0; MAX_MESSAGE]),
        })
    }

    /// Sends a message, waiting for room. Safe to cancel: a message is sent whole or not at all.
    pub(crate) async fn send<T: Serialize>(&self, message: &T) -> io::Result<()> {
        let packet = encode(message)?;
        self.socket
            .async_io(Interest::WRITABLE, || {
                transmit(self.socket.as_fd(), &packet)
            })
            .await
    }

    /// Waits for the next message. Safe to cancel: a message is received whole or not at all.
    pub(crate) async fn recv<T: DeserializeOwned>(&self) -> Result<T, RecvError> {
        self.socket
            .async_io(Interest::READABLE, || {
                let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
                let (length, files) = receive(self.socket.as_fd(), &mut buffer)?;
                Ok(decode(&buffer[..length], files))
            })
            .await
            .map_err(RecvError::Io)?
    }
}

/// A message as it goes over the socket.
#[derive(Debug)]
struct Packet {
    bytes: Vec<u8>,
    files: Vec<Passed>,
}

fn encode<T: Serialize>(message: &T) -> io::Result<Packet> {
    let (bytes, files) = passed::collected(|| postcard::to_stdvec(message));
    let bytes = bytes.map_err(io::Error::other)?;
    if bytes.len() > MAX_MESSAGE || files.len() > passed::MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "message too large",
        ));
    }
    Ok(Packet { bytes, files })
}

fn decode<T: DeserializeOwned>(bytes: &[u8], files: Vec<OwnedFd>) -> Result<T, RecvError> {
    if bytes.is_empty() {
        return Err(RecvError::Closed);
    }
    passed::supplied(files, || postcard::from_bytes(bytes)).map_err(RecvError::Undecodable)
}

/// The length of a message and what came beside it. No bytes are the end of file: no message encodes to nothing.
fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(passed::MAX))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut beside, flags)
    });
    let length = match received {
        Ok(message) => message.bytes,
        // The peer died with our messages unread; for us that is the same as its end of file.
        Err(rustix::io::Errno::CONNRESET) => 0,
        Err(error) => return Err(error.into()),
    };
    let mut files = Vec::new();
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(some) = message {
            files.extend(some);
        }
    }
    Ok((length, files))
}

fn transmit(socket: BorrowedFd<'_>, packet: &Packet) -> io::Result<()> {
    let files: Vec<_> = packet.files.iter().map(|file| file.get().as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(passed::MAX))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    // There is room for as many as `encode` lets through.
    if !files.is_empty() {
        beside.push(SendAncillaryMessage::ScmRights(&files));
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    rustix::io::retry_on_intr(|| {
        sendmsg(socket, &[IoSlice::new(&packet.bytes)], &mut beside, flags)
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[tokio::test]
    async fn an_open_file_goes_with_its_message() {
        let (ours, theirs) = pair().unwrap();
        let (ours, theirs) = (
            AsyncChannel::new(ours).unwrap(),
            AsyncChannel::new(theirs).unwrap(),
        );
        let (mut reader, writer) = io::pipe().unwrap();
        let message = (7_u32, Some(Passed::from(OwnedFd::from(writer))));
        ours.send(&message).await.unwrap();
        drop(message);
        let (number, file): (u32, Option<Passed>) = theirs.recv().await.unwrap();
        assert_eq!(number, 7);
        let file = file.and_then(Passed::into_inner).unwrap();
        io::PipeWriter::from(file).write_all(b"through").unwrap();
        // It ends because nobody else holds the other end any more.
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");

        ours.send(&(8_u32, None::<Passed>)).await.unwrap();
        let (number, file): (u32, Option<Passed>) = theirs.recv().await.unwrap();
        assert_eq!((number, file.is_none()), (8, true));
    }

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
        let packet = Packet {
            bytes: vec![0xff; 4],
            files: Vec::new(),
        };
        transmit(ours.as_fd(), &packet).unwrap();
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
