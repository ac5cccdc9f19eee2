//! Echo requests, through sockets that were opened while the worker still had the right to.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use vrrp_linux::icmp::{self, EchoSockets};
use vrrp_sandbox::{Answer, PingError, Pinger};

use crate::exit::chain;

/// What sends echo requests for the modules, or why nothing does.
#[derive(Clone, Debug)]
pub(super) struct Pings(Result<icmp::Pinger, String>);

impl Pings {
    /// `sockets` is `None` when no module was to need them.
    pub(super) fn new(sockets: Option<io::Result<EchoSockets>>) -> Self {
        let Some(opened) = sockets else {
            return Self(Err("no socket was opened for echo requests".to_owned()));
        };
        let started = opened.and_then(icmp::Pinger::start);
        Self(started.map_err(|error| format!("cannot open a socket for echo requests: {error}")))
    }
}

impl Pinger for Pings {
    fn ping<'a>(
        &'a self,
        address: IpAddr,
        count: u8,
        interval: Duration,
        timeout: Duration,
    ) -> Answer<'a, Result<Vec<Option<Duration>>, PingError>> {
        Box::pin(async move {
            let pinger = self.0.as_ref().map_err(|why| PingError::Io(why.clone()))?;
            let trips = pinger.ping(address, count, interval, timeout).await;
            trips.map_err(|error| match error {
                icmp::PingError::TooSlow => PingError::Timeout,
                icmp::PingError::Unreachable => PingError::Unreachable,
                icmp::PingError::Refused(_) => PingError::Io(chain(&error)),
            })
        })
    }
}
