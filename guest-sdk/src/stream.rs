//! Conversations over TCP and Unix sockets, with the host's name resolution, TLS and deadlines.
//!
//! ```
//! # use vrrp_sdk::{mock, net, stream};
//! # use std::time::Duration;
//! # let server = mock::Server::new().answers(b"PING\r\n", b"+PONG\r\n");
//! # mock::Host::new().serves("127.0.0.1:6379", server).enter(|| {
//! let address: stream::Address = "127.0.0.1:6379".parse().unwrap();
//! let mut redis = address.connect(Duration::from_millis(500))?;
//! redis.write(b"PING\r\n")?;
//! assert_eq!(redis.read_until(b"\r\n", 1000)?, b"+PONG\r\n");
//! # Ok::<(), net::Error>(()) }).unwrap();
//! ```

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::bindings::imports::vrrp_host::plugin::net as raw_net;
use crate::clock;
use crate::host::stream as host;
use crate::net::{Error, Tls};
use crate::types::Need;

pub use address::{Address, AddressError};

mod address;

/// A conversation with a server. Its time is for all of it: a server that trickles does not make it longer.
pub struct Connection {
    host: host::Connection,
    need: Need,
    timeout_ms: u32,
    /// On the monotonic clock.
    deadline: Duration,
    /// What has arrived and was not asked for yet.
    arrived: Vec<u8>,
}

impl Address {
    /// Connects. `timeout` is for the whole conversation.
    ///
    /// # Errors
    /// [`Error::Denied`] without the need [`Address::need`].
    pub fn connect(&self, timeout: Duration) -> Result<Connection, Error> {
        let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        let deadline = clock::monotonic() + Duration::from_millis(timeout_ms.into());
        let connected = match self {
            Self::Tcp(address) => host::Connection::tcp(address, timeout_ms),
            Self::Unix(path) => host::Connection::unix(path, timeout_ms),
        };
        let host =
            connected.map_err(|error| Error::new(error, || vec![self.need()], timeout_ms))?;
        Ok(Connection {
            host,
            need: self.need(),
            timeout_ms,
            deadline,
            arrived: Vec::new(),
        })
    }
}

impl Connection {
    /// Encrypts what follows, also in the middle of a conversation.
    ///
    /// # Errors
    /// [`Error::Tls`] when the handshake fails. The conversation is over then. [`Error::Denied`] without the needs
    /// [`Tls::needs`].
    pub fn start_tls(&mut self, tls: &Tls) -> Result<(), Error> {
        self.host
            .start_tls(&tls.to_raw(), self.time_left())
            .map_err(|error| Error::new(error, || tls.needs().collect(), self.timeout_ms))
    }

    /// Sends all of `data`.
    ///
    /// # Errors
    /// When the peer does not take it. The conversation is over then.
    pub fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        self.host
            .write(data, self.time_left())
            .map_err(|error| self.error(error))
    }

    /// What has arrived; waits for the first byte. Empty at the end of the conversation.
    ///
    /// # Errors
    /// When the conversation breaks, or nothing arrives in time.
    pub fn read(&mut self) -> Result<Vec<u8>, Error> {
        if !self.arrived.is_empty() {
            return Ok(std::mem::take(&mut self.arrived));
        }
        self.host
            .read(u32::MAX, self.time_left())
            .map_err(|error| self.error(error))
    }

    /// What arrives up to the first `end`, with it. What comes after it is for the next read.
    ///
    /// # Errors
    /// As [`Connection::read`]; also when there is none within `max` bytes, or before the end.
    pub fn read_until(&mut self, end: &[u8], max: usize) -> Result<Vec<u8>, Error> {
        loop {
            if let Some(start) = find(&self.arrived, end).filter(|start| start + end.len() <= max) {
                let rest = self.arrived.split_off(start + end.len());
                return Ok(std::mem::replace(&mut self.arrived, rest));
            }
            if self.arrived.len() >= max {
                return Err(Error::Io(format!(
                    "no {:?} in the first {max} bytes of its answer",
                    String::from_utf8_lossy(end)
                )));
            }
            self.more()?;
        }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// As [`Connection::read`]; also when the conversation ends before.
    pub fn read_exact(&mut self, count: usize) -> Result<Vec<u8>, Error> {
        while self.arrived.len() < count {
            self.more()?;
        }
        let rest = self.arrived.split_off(count);
        Ok(std::mem::replace(&mut self.arrived, rest))
    }

    /// Everything up to the end of the conversation.
    ///
    /// # Errors
    /// As [`Connection::read`]; also when it is more than `max` bytes.
    pub fn read_to_end(&mut self, max: usize) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        loop {
            let part = self.read()?;
            if part.is_empty() {
                return Ok(all);
            }
            all.extend(part);
            if all.len() > max {
                return Err(Error::Io(format!("an answer of more than {max} bytes")));
            }
        }
    }

    /// What has arrived and was not asked for: what a server said instead of what was awaited.
    pub fn unread(&self) -> &[u8] {
        &self.arrived
    }

    /// The address and port that answered, or the path.
    pub fn peer(&self) -> String {
        self.host.peer()
    }

    /// When the certificate that the server presented ends to be valid; `None` without TLS.
    pub fn certificate_not_after(&self) -> Option<SystemTime> {
        let seconds = self.host.certificate_not_after()?;
        let distance = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(distance)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(distance)
        }
    }

    fn more(&mut self) -> Result<(), Error> {
        let part = self
            .host
            .read(u32::MAX, self.time_left())
            .map_err(|error| self.error(error))?;
        if part.is_empty() {
            return Err(Error::Io("it closed the connection".to_owned()));
        }
        self.arrived.extend(part);
        Ok(())
    }

    fn time_left(&self) -> u32 {
        let left = self.deadline.saturating_sub(clock::monotonic());
        u32::try_from(left.as_millis()).unwrap_or(u32::MAX)
    }

    fn error(&self, error: raw_net::Error) -> Error {
        Error::new(error, || vec![self.need.clone()], self.timeout_ms)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer())
            .finish_non_exhaustive()
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests;
