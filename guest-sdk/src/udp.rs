//! Datagrams: one there, one back.

use std::time::Duration;

use crate::host::udp as host;
use crate::net::Error;
use crate::types::Need;

/// Sends a datagram to `host:port` and returns the first that comes back from there, cut to `max`
/// bytes.
///
/// # Errors
/// [`Error::Denied`] without the need [`Need::udp`]. [`Error::Refused`] when the host says that
/// nobody listens there; a host that says nothing is an [`Error::Timeout`].
pub fn exchange(
    address: &str,
    datagram: &[u8],
    max: u32,
    timeout: Duration,
) -> Result<Vec<u8>, Error> {
    let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    host::exchange(address, datagram, max, timeout_ms)
        .map_err(|error| Error::new(error, || vec![Need::udp(address)], timeout_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mock;

    #[test]
    fn a_datagram_is_answered_or_refused() {
        let ask = |host: mock::Host, datagram: &[u8]| {
            host.enter(|| exchange("127.0.0.1:53", datagram, 3, Duration::from_millis(100)))
        };
        let server = || mock::Server::new().answers(b"ask", b"tell");
        let host = || mock::Host::new().serves_udp("127.0.0.1:53", server());
        assert_eq!(ask(host(), b"ask"), Ok(b"tel".to_vec()));
        assert_eq!(ask(host(), b"?"), Err(Error::Timeout { timeout_ms: 100 }));
        assert_eq!(ask(mock::Host::new(), b"ask"), Err(Error::Refused));
        let need = Need::udp("127.0.0.1:53");
        assert_eq!(
            ask(host().denies(need.clone()), b"ask"),
            Err(Error::Denied(vec![need]))
        );
    }
}
