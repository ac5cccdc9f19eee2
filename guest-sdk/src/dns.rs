//! Questions to servers of the domain name system.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::CheckError;
use crate::bindings::imports::vrrp_host::plugin::{dns as raw, net as raw_net};
use crate::host::dns as host;
use crate::types::Need;

pub use raw::RecordType;

/// How long a question may take when nothing else is said.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// A question that is being put together.
///
/// ```
/// # use vrrp_sdk::{dns, mock};
/// use vrrp_sdk::dns::{Query, RecordType};
///
/// # mock::Host::new().resolves("www.example.com", RecordType::A, &["192.0.2.80"]).enter(|| {
/// let answers = Query::new("www.example.com", RecordType::A)
///     .server(([192, 0, 2, 53], 53).into())
///     .send()?;
/// assert_eq!(answers, ["192.0.2.80"]);
/// # Ok::<(), dns::Error>(()) }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a question is nothing until it is sent"]
pub struct Query {
    name: String,
    record_type: RecordType,
    server: Option<SocketAddr>,
    timeout: Duration,
}

impl Query {
    /// The name is complete: no search list is tried.
    pub fn new(name: impl Into<String>, record_type: RecordType) -> Self {
        Self {
            name: name.into(),
            record_type,
            server: None,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Which server to ask; the host's own ones by default.
    pub fn server(mut self, server: SocketAddr) -> Self {
        self.server = Some(server);
        self
    }

    /// Until the answer is there, however many servers are asked how often; 1 s by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What sending this needs: the name, and a server that was chosen.
    pub fn needs(&self) -> Vec<Need> {
        let server = self
            .server
            .map(|server| Need::from_words(format!("udp:{server}")));
        [Need::dns(&self.name)].into_iter().chain(server).collect()
    }

    /// Asks, and returns the records of the wanted type, each as a zone file writes it. There may be
    /// none: the name exists then, but has no such record.
    ///
    /// # Errors
    /// When there is no answer, or one that refuses; [`Error::NameNotFound`] when there is no such name.
    pub fn send(&self) -> Result<Vec<String>, Error> {
        let server = self.server.map(|server| server.to_string());
        let timeout_ms = u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX);
        host::query(&self.name, self.record_type, server.as_deref(), timeout_ms).map_err(|error| {
            match error {
                raw_net::Error::Denied => Error::Denied(self.needs()),
                raw_net::Error::Timeout => Error::Timeout { timeout_ms },
                raw_net::Error::Refused => Error::Refused,
                raw_net::Error::Unreachable => Error::Unreachable,
                raw_net::Error::NameNotFound => Error::NameNotFound,
                raw_net::Error::Tls(message)
                | raw_net::Error::Io(message)
                | raw_net::Error::Unusable(message) => Error::Io(message),
            }
        })
    }
}

/// `A www.example.com at 192.0.2.53:53`
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.record_type, self.name)?;
        match self.server {
            Some(server) => write!(f, " at {server}"),
            None => Ok(()),
        }
    }
}

impl RecordType {
    /// The word of a zone file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Ns => "NS",
            Self::Ptr => "PTR",
            Self::Soa => "SOA",
            Self::Srv => "SRV",
            Self::Txt => "TXT",
        }
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not granted: {}", Need::words(.0))]
    Denied(Vec<Need>),
    #[error("no answer within {timeout_ms} ms")]
    Timeout { timeout_ms: u32 },
    #[error("no server listens there")]
    Refused,
    #[error("no route to the server")]
    Unreachable,
    #[error("there is no such name")]
    NameNotFound,
    #[error("{0}")]
    Io(String),
}

impl From<Error> for CheckError {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(needs) => Self::Denied(Need::words(&needs)),
            Error::Timeout { .. } => Self::Timeout(error.to_string()),
            Error::Refused | Error::Unreachable | Error::NameNotFound | Error::Io(_) => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}
