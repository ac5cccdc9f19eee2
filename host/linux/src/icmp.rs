//! Echo requests and their answers (RFC 792, RFC 4443 §4).
//!
//! Raw sockets need `CAP_NET_RAW`, so [`EchoSockets`] are opened before a process gives its rights up; what is
//! sent through them later, a [`Pinger`] sends. One thread receives for all who wait.

mod message;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, timeout_at};

use message::{Echo, Family};

/// Bytes of what is received; an answer of ours is far shorter, and what is cut off was none.
const RECEIVE_MAX: usize = 256;

/// Bytes of answers that wait in the kernel for the thread: some hundreds.
const RECEIVE_BUFFER: usize = 256 << 10;

/// Sockets for echo requests of both families.
#[derive(Debug)]
pub struct EchoSockets {
    v4: Socket,
    /// `None` on a host whose kernel has no IPv6.
    v6: Option<Socket>,
    /// In every request, and so in every answer: what has another one belongs to another process.
    identifier: u16,
}

impl EchoSockets {
    /// Opens them. They receive nothing but echo replies with their own identifier.
    ///
    /// # Errors
    ///
    /// Without `CAP_NET_RAW`.
    pub fn open() -> io::Result<Self> {
        let [high, low, ..] = message::random();
        let identifier = u16::from_be_bytes([high, low]);
        let v6 = match open(Family::V6, identifier) {
            Ok(socket) => Some(socket),
            Err(error) if is_missing_family(&error) => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            v4: open(Family::V4, identifier)?,
            v6,
            identifier,
        })
    }
}

fn open(family: Family, identifier: u16) -> io::Result<Socket> {
    let (domain, protocol) = match family {
        Family::V4 => (Domain::IPV4, Protocol::ICMPV4),
        Family::V6 => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    // Before anything else: from the first moment on it receives what others ask for.
    socket.attach_filter(&message::filter(family, identifier))?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn is_missing_family(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::AFNOSUPPORT)
}

/// Sends echo requests, and knows who waits for which answer. Clones share their sockets.
#[derive(Clone, Debug)]
pub struct Pinger(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    sockets: EchoSockets,
    /// Beside the identifier, which another process may have too: nobody else sends this.
    cookie: [u8; 8],
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The sequence number of the last request.
    last: u16,
    requests: HashMap<u16, Request>,
}

/// A request that was sent.
#[derive(Debug)]
struct Request {
    to: IpAddr,
    sent: Instant,
    answer: oneshot::Sender<Duration>,
}

impl Pinger {
    /// Starts the thread that receives; it lives as long as the process.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub fn start(sockets: EchoSockets) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            sockets,
            cookie: message::random(),
            waiting: Mutex::default(),
        });
        let receiving = shared.clone();
        thread::Builder::new()
            .name("icmp".to_owned())
            .spawn(move || receiving.receive_all())?;
        Ok(Self(shared))
    }

    /// Sends `count` echo requests, `every` so often, and waits until all are answered or `patience` is over, which
    /// begins now. The round trip of each; nothing for one that was not answered.
    ///
    /// # Errors
    ///
    /// See [`PingError`]. An address that does not answer is none.
    pub async fn ping(
        &self,
        address: IpAddr,
        count: u8,
        every: Duration,
        patience: Duration,
    ) -> Result<Vec<Option<Duration>>, PingError> {
        let deadline = tokio::time::Instant::now() + patience;
        // The timer knows no shorter period.
        let mut ticks = interval(every.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut answers = Answers {
            shared: &self.0,
            expected: Vec::new(),
        };
        for _ in 0..count {
            timeout_at(deadline, ticks.tick())
                .await
                .map_err(|_| PingError::TooSlow)?;
            answers.expected.push(self.0.send(address)?);
        }
        let mut trips = Vec::new();
        for (_, answer) in &mut answers.expected {
            // One that is there already is taken, also after the deadline.
            let answered = timeout_at(deadline, answer).await;
            trips.push(answered.ok().and_then(Result::ok));
        }
        Ok(trips)
    }
}

/// Why nothing, or not everything, was sent.
#[derive(Debug, thiserror::Error)]
pub enum PingError {
    /// The time was over before the last request.
    #[error("the time is too short to send all echo requests")]
    TooSlow,
    /// The host knows no way to the address.
    #[error("no route to the address")]
    Unreachable,
    /// The kernel refused something else.
    #[error("cannot send an echo request")]
    Refused(#[source] io::Error),
}

/// Answers that somebody waits for. Who stops waiting leaves nothing behind.
struct Answers<'a> {
    shared: &'a Shared,
    expected: Vec<(u16, oneshot::Receiver<Duration>)>,
}

impl Drop for Answers<'_> {
    fn drop(&mut self) {
        let mut waiting = self.shared.lock();
        for (sequence, answer) in &mut self.expected {
            answer.close();
            // After 65,536 others the number may be somebody else's, who still waits.
            let request = waiting.requests.get(sequence);
            if request.is_some_and(|request| request.answer.is_closed()) {
                waiting.requests.remove(sequence);
            }
        }
    }
}

impl Shared {
    fn send(&self, to: IpAddr) -> Result<(u16, oneshot::Receiver<Duration>), PingError> {
        let (family, socket) = match to {
            IpAddr::V4(_) => (Family::V4, Some(&self.sockets.v4)),
            IpAddr::V6(_) => (Family::V6, self.sockets.v6.as_ref()),
        };
        let socket = socket.ok_or(PingError::Unreachable)?;
        let (sender, answer) = oneshot::channel();
        let mut waiting = self.lock();
        waiting.last = waiting.last.wrapping_add(1);
        let sequence = waiting.last;
        let echo = Echo {
            identifier: self.sockets.identifier,
            sequence,
            cookie: self.cookie,
        };
        // Known before it is sent: an answer from this host is there before `send_to` returns.
        let request = Request {
            to,
            sent: Instant::now(),
            answer: sender,
        };
        waiting.requests.insert(sequence, request);
        drop(waiting);
        let sent = socket.send_to(&echo.request(family), &SocketAddr::new(to, 0).into());
        if let Err(error) = sent {
            self.lock().requests.remove(&sequence);
            return Err(refused(error));
        }
        Ok((sequence, answer))
    }

    fn receive_all(&self) {
        let sockets = || {
            let v6 = self.sockets.v6.as_ref();
            [(Family::V4, Some(&self.sockets.v4)), (Family::V6, v6)]
                .into_iter()
                .filter_map(|(family, socket)| Some((family, socket?)))
        };
        loop {
            let mut readable: Vec<_> = sockets()
                .map(|(_, socket)| PollFd::new(socket, PollFlags::IN))
                .collect();
            // Whatever it says, the sockets are looked at.
            _ = poll(&mut readable, None);
            for (family, socket) in sockets() {
                self.receive(family, socket);
            }
        }
    }

    /// Everything that has arrived.
    fn receive(&self, family: Family, socket: impl AsFd) {
        let mut buffer = [0; RECEIVE_MAX];
        loop {
            let received = recvfrom(&socket, &mut buffer[..], RecvFlags::DONTWAIT);
            let now = Instant::now();
            match received {
                Ok((length, _, source)) => {
                    let source = source.and_then(|source| SocketAddr::try_from(source).ok());
                    let echo = Echo::read_reply(family, &buffer[..length]);
                    if let Some((source, echo)) = source.zip(echo) {
                        self.answered(source.ip(), echo, now);
                    }
                }
                // Nothing more has arrived; or something was wrong with one datagram, and the caller looks again.
                Err(_) => return,
            }
        }
    }

    fn answered(&self, from: IpAddr, echo: Echo, now: Instant) {
        if echo.cookie != self.cookie || echo.identifier != self.sockets.identifier {
            return;
        }
        let mut waiting = self.lock();
        let request = waiting.requests.get(&echo.sequence);
        if request.is_none_or(|request| request.to != from) {
            return;
        }
        if let Some(request) = waiting.requests.remove(&echo.sequence) {
            // Nobody waits when the time was over before.
            _ = request.answer.send(now.duration_since(request.sent));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(error: io::Error) -> PingError {
    match Errno::from_io_error(&error) {
        Some(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::NETDOWN | Errno::ADDRNOTAVAIL) => {
            PingError::Unreachable
        }
        _ => PingError::Refused(error),
    }
}
