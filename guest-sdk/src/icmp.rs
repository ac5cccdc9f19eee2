//! Echo requests, as `ping` sends them.

use std::net::IpAddr;
use std::time::Duration;

use crate::CheckError;
use crate::bindings::imports::vrrp_host::plugin::net as raw_net;
use crate::host::icmp as host;
use crate::types::Need;

/// Sends `count` echo requests, `interval` apart (at least 10 ms), and waits for their answers until `timeout` is over,
/// which begins with the first. Returns the round trip of each, and nothing for one that was not answered.
///
/// ```
/// # use std::time::Duration;
/// # use vrrp_sdk::{icmp, mock};
/// # let gateway = [192, 0, 2, 254].into();
/// # mock::Host::new().echoes(gateway, &[Some(Duration::from_millis(2)), None]).enter(|| {
/// let trips = icmp::ping(gateway, 2, Duration::from_millis(100), Duration::from_millis(500))?;
/// assert_eq!(trips, [Some(Duration::from_millis(2)), None]);
/// # Ok::<(), icmp::Error>(()) }).unwrap();
/// ```
///
/// # Errors
/// [`Error::Denied`] without the need [`Need::icmp`]; [`Error::Timeout`] when the time is too short to send all of them. An address
/// that does not answer is no error.
pub fn ping(
    address: IpAddr,
    count: u8,
    interval: Duration,
    timeout: Duration,
) -> Result<Vec<Option<Duration>>, Error> {
    let milliseconds = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    let timeout_ms = milliseconds(timeout);
    let trips = host::ping(
        &address.to_string(),
        count,
        milliseconds(interval),
        timeout_ms,
    )
    .map_err(|error| match error {
        raw_net::Error::Denied => Error::Denied(Need::icmp(address)),
        raw_net::Error::Timeout => Error::Timeout { timeout_ms },
        raw_net::Error::Refused | raw_net::Error::Unreachable | raw_net::Error::NameNotFound => {
            Error::Unreachable
        }
        raw_net::Error::Tls(message)
        | raw_net::Error::Io(message)
        | raw_net::Error::Unusable(message) => Error::Io(message),
    })?;
    let trips = trips.into_iter();
    Ok(trips.map(|trip| trip.map(Duration::from_micros)).collect())
}

/// Why nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not granted: {0}")]
    Denied(Need),
    #[error("sending all echo requests takes longer than {timeout_ms} ms")]
    Timeout { timeout_ms: u32 },
    #[error("no route to it")]
    Unreachable,
    #[error("{0}")]
    Io(String),
}

impl From<Error> for CheckError {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(need) => Self::Denied(need.to_string()),
            Error::Timeout { .. } => Self::Timeout(error.to_string()),
            Error::Unreachable | Error::Io(_) => Self::Unavailable(error.to_string()),
        }
    }
}
