//! The kernel's process events connector (`NETLINK_CONNECTOR`, `CN_IDX_PROC`).
//!
//! It answers only in the first network, process and user namespace. So whoever starts there opens it and
//! hands it on; everybody else falls back to looking at `/proc`.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::{CONNECTOR, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use socket2::{SockFilter, SockRef};

/// Opens the process events connector.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ProcConnector;

/// Why there is no process events connector.
#[derive(Debug, thiserror::Error)]
pub enum OpenConnectorError {
    /// It does not exist in this network namespace, or this kernel was built without it.
    #[error("the kernel's process events are not available in this network namespace")]
    NotHere,
    /// It exists, but gives nothing to this process: not in the first process and user namespace, or no `CAP_NET_ADMIN`.
    #[error("the kernel's process events are not permitted to this process")]
    NotPermitted,
    /// The kernel refused something else.
    #[error("cannot listen to the kernel's process events")]
    Refused(#[source] io::Error),
}

impl ProcConnector {
    /// A socket that receives events of processes that execute a program or rename themselves, for
    /// [`ProcessWatcher::new`](super::ProcessWatcher::new), here or in a child process. Waits up to a fifth of a second for the kernel's consent.
    ///
    /// # Errors
    ///
    /// See [`OpenConnectorError`]; all of them are usual in containers.
    pub fn open() -> Result<OwnedFd, OpenConnectorError> {
        let refused = |errno: Errno| match errno {
            Errno::CONNREFUSED | Errno::PROTONOSUPPORT => OpenConnectorError::NotHere,
            Errno::PERM | Errno::ACCESS => OpenConnectorError::NotPermitted,
            _ => OpenConnectorError::Refused(errno.into()),
        };
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(CONNECTOR),
        )
        .map_err(refused)?;
        SockRef::from(&socket)
            .attach_filter(&filter())
            .map_err(OpenConnectorError::Refused)?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, CN_IDX_PROC)).map_err(refused)?;
        rustix::net::send(&socket, &listen_request(), SendFlags::empty()).map_err(refused)?;
        await_consent(&socket).map_err(refused)?;
        Ok(socket)
    }
}

/// What the connector told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// This process may have another name now.
    Process(u32),
    /// The kernel's consent to listen.
    Consent,
    /// Something that does not matter here.
    Other,
    /// Events were lost.
    Overrun,
}

/// The next event of a socket of [`ProcConnector::open`]; `WouldBlock` when there is none.
pub(super) fn receive(socket: &OwnedFd) -> io::Result<Heard> {
    let mut buffer = [0; 256];
    match rustix::net::recv(socket, &mut buffer, RecvFlags::DONTWAIT) {
        Ok((_, length)) => Ok(parse(&buffer[..length.min(buffer.len())])),
        Err(Errno::NOBUFS) => Ok(Heard::Overrun),
        Err(errno) => Err(errno.into()),
    }
}

// linux/connector.h and linux/cn_proc.h.
const CN_IDX_PROC: u32 = 1;
const CN_VAL_PROC: u32 = 1;
const PROC_CN_MCAST_LISTEN: u32 = 1;
const PROC_EVENT_NONE: u32 = 0;
const PROC_EVENT_EXEC: u32 = 2;
const PROC_EVENT_COMM: u32 = 0x200;

// linux/netlink.h.
const NLMSG_DONE: u16 = 3;

// A message: `struct nlmsghdr` (16 bytes), `struct cn_msg` (20), `struct proc_event`, which is the kind of event (4),
// the processor (4), the time (8), and here the thread's id (4) and that of its process (4).
const WHAT: u8 = 36;
const PROCESS: u8 = 56;

const CONSENT_TIMEOUT: Duration = Duration::from_millis(200);

fn listen_request() -> Vec<u8> {
    const LENGTH: u32 = 40;
    let mut request = Vec::new();
    request.extend(LENGTH.to_ne_bytes());
    request.extend(NLMSG_DONE.to_ne_bytes());
    request.extend([0; 2 + 4 + 4]); // flags, sequence number, port
    request.extend(CN_IDX_PROC.to_ne_bytes());
    request.extend(CN_VAL_PROC.to_ne_bytes());
    request.extend([0; 4 + 4]); // sequence number, acknowledgement
    request.extend(4_u16.to_ne_bytes()); // length of what follows the flags
    request.extend([0; 2]); // flags
    request.extend(PROC_CN_MCAST_LISTEN.to_ne_bytes());
    request
}

/// Without a filter every fork and exit of the host would wake us up.
fn filter() -> [SockFilter; 6] {
    // Classic BPF (linux/filter.h): load a word, jump if equal, return.
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    // A filter loads words in network byte order, the kernel writes this one in its own.
    let accept_if = |what: u32, to_accept| {
        SockFilter::new(
            JUMP_IF_EQUAL,
            to_accept,
            0,
            u32::from_be_bytes(what.to_ne_bytes()),
        )
    };
    [
        SockFilter::new(LOAD_WORD, 0, 0, WHAT.into()),
        accept_if(PROC_EVENT_EXEC, 3),
        accept_if(PROC_EVENT_COMM, 2),
        accept_if(PROC_EVENT_NONE, 1),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
}

/// A kernel that does not permit it says nothing at all.
fn await_consent(socket: &OwnedFd) -> Result<(), Errno> {
    let deadline = Instant::now() + CONSENT_TIMEOUT;
    loop {
        match receive(socket) {
            Ok(Heard::Consent) => return Ok(()),
            // Events reach a socket only when somebody on this host listens; they prove nothing about this one.
            Ok(Heard::Process(_) | Heard::Other | Heard::Overrun) => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
        }
        let rest = deadline.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Err(Errno::PERM);
        }
        let rest = Timespec {
            tv_sec: 0,
            tv_nsec: rest.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&rest)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn parse(message: &[u8]) -> Heard {
    let word = |at: u8| {
        let bytes = message.get(at.into()..)?.get(..4)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?))
    };
    match (word(WHAT), word(PROCESS)) {
        (Some(PROC_EVENT_NONE), _) => Heard::Consent,
        (Some(PROC_EVENT_EXEC | PROC_EVENT_COMM), Some(pid)) => Heard::Process(pid),
        _ => Heard::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_every_prefix_of_an_event() {
        let mut message = vec![0; 60];
        message[36..40].copy_from_slice(&PROC_EVENT_EXEC.to_ne_bytes());
        message[56..].copy_from_slice(&4711_u32.to_ne_bytes());
        assert_eq!(parse(&message), Heard::Process(4711));
        for length in 0..message.len() {
            assert_eq!(parse(&message[..length]), Heard::Other);
        }
    }

    #[test]
    fn the_request_is_as_long_as_it_says() {
        let request = listen_request();
        assert_eq!(request.len(), 40);
        assert_eq!(request[..4], 40_u32.to_ne_bytes());
    }
}
