//! Servers to talk to, and the imports `stream` and `udp` that lead to them.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, SystemTime};

/// A server of a [`Host`](super::Host): what it says, and what it answers to.
///
/// What it knows no answer to it leaves unanswered, and a read of nothing is a timeout.
#[derive(Default)]
pub struct Server {
    greeting: Vec<u8>,
    answers: Vec<Answer>,
    closes: bool,
    certificate_until: Option<i64>,
}

/// Gives the answer to something that was written as a whole, or nothing.
type Answer = Box<dyn FnMut(&[u8]) -> Option<Vec<u8>>>;

impl Server {
    pub fn new() -> Self {
        Self::default()
    }

    /// It says this to whoever connects.
    #[must_use]
    pub fn says(mut self, greeting: &[u8]) -> Self {
        self.greeting.extend_from_slice(greeting);
        self
    }

    /// It answers this request, as it is written at once, with that.
    #[must_use]
    pub fn answers(self, request: &[u8], answer: &[u8]) -> Self {
        let (request, answer) = (request.to_vec(), answer.to_vec());
        self.answers_with(move |written| (written == request).then(|| answer.clone()))
    }

    /// It answers what `answer` knows an answer to.
    #[must_use]
    pub fn answers_with(mut self, answer: impl FnMut(&[u8]) -> Option<Vec<u8>> + 'static) -> Self {
        self.answers.push(Box::new(answer));
        self
    }

    /// It closes the connection after whatever it has said.
    #[must_use]
    pub fn closes(mut self) -> Self {
        self.closes = true;
        self
    }

    /// It speaks TLS, with a certificate that is valid until then.
    ///
    /// # Panics
    /// When that is before 1970 or out of all proportion.
    #[must_use]
    pub fn certificate_until(mut self, end: SystemTime) -> Self {
        let since_epoch: Duration = end
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("after 1970");
        let seconds =
            i64::try_from(since_epoch.as_secs()).expect("a time that a certificate holds");
        self.certificate_until = Some(seconds);
        self
    }

    fn answer(&mut self, written: &[u8]) -> Option<Vec<u8>> {
        self.answers.iter_mut().find_map(|answer| answer(written))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

pub(crate) mod stream {
    use std::cell::{Cell, RefCell};

    use super::VecDeque;
    use crate::Need;
    use crate::bindings::imports::vrrp_host::plugin::net::{Error, Tls};
    use crate::mock::current;

    pub(crate) struct Connection {
        address: String,
        /// What the server has said and nobody has read.
        unread: RefCell<VecDeque<u8>>,
        encrypted: Cell<bool>,
    }

    impl Connection {
        pub(crate) fn tcp(address: &str, _timeout_ms: u32) -> Result<Self, Error> {
            Self::open(address, &Need::tcp(address))
        }

        pub(crate) fn unix(path: &str, _timeout_ms: u32) -> Result<Self, Error> {
            Self::open(path, &Need::unix_socket(path))
        }

        fn open(address: &str, need: &Need) -> Result<Self, Error> {
            current(|world| {
                if world.denies(need) {
                    return Err(Error::Denied);
                }
                if let Some(error) = world.failing_servers.get(address) {
                    return Err(error.clone());
                }
                let server = world.servers.get(address).ok_or(Error::Refused)?;
                Ok(Self {
                    address: address.to_owned(),
                    unread: RefCell::new(server.greeting.iter().copied().collect()),
                    encrypted: Cell::new(false),
                })
            })
        }

        pub(crate) fn start_tls(&self, tls: &Tls, _timeout_ms: u32) -> Result<(), Error> {
            current(|world| {
                if world.denies_file_of(tls) {
                    return Err(Error::Denied);
                }
                if world.servers[&self.address].certificate_until.is_none() {
                    return Err(Error::Tls("the server does not speak TLS".to_owned()));
                }
                self.encrypted.set(true);
                Ok(())
            })
        }

        pub(crate) fn write(&self, data: &[u8], _timeout_ms: u32) -> Result<(), Error> {
            current(|world| {
                let server = world
                    .servers
                    .get_mut(&self.address)
                    .expect("it was connected to");
                self.unread
                    .borrow_mut()
                    .extend(server.answer(data).unwrap_or_default());
                Ok(())
            })
        }

        pub(crate) fn read(&self, max: u32, _timeout_ms: u32) -> Result<Vec<u8>, Error> {
            let mut unread = self.unread.borrow_mut();
            let count = unread.len().min(usize::try_from(max).unwrap_or(usize::MAX));
            if count > 0 {
                return Ok(unread.drain(..count).collect());
            }
            let closes = current(|world| world.servers[&self.address].closes);
            if closes {
                Ok(Vec::new())
            } else {
                Err(Error::Timeout)
            }
        }

        pub(crate) fn peer(&self) -> String {
            self.address.clone()
        }

        pub(crate) fn certificate_not_after(&self) -> Option<i64> {
            let until = current(|world| world.servers[&self.address].certificate_until);
            until.filter(|_| self.encrypted.get())
        }
    }
}

pub(crate) mod udp {
    use crate::Need;
    use crate::bindings::imports::vrrp_host::plugin::net::Error;
    use crate::mock::current;

    pub(crate) fn exchange(
        address: &str,
        send: &[u8],
        max_read: u32,
        _timeout_ms: u32,
    ) -> Result<Vec<u8>, Error> {
        current(|world| {
            if world.denies(&Need::udp(address)) {
                return Err(Error::Denied);
            }
            let server = world.udp_servers.get_mut(address).ok_or(Error::Refused)?;
            let mut answer = server.answer(send).ok_or(Error::Timeout)?;
            answer.truncate(usize::try_from(max_read).unwrap_or(usize::MAX));
            Ok(answer)
        })
    }
}
