//! `icmp`: echo requests, sent by the host.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;
use wasmtime::component::HasSelf;

use super::Capability;
use crate::bindings::imports::{icmp, net};
use crate::grant::{Grant, GrantClass};
use crate::host::PingError;
use crate::store::Call;

pub(super) const CAPABILITY: Capability = Capability {
    interface: "icmp",
    granted_by: &[GrantClass::Icmp],
    link: |linker| icmp::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
};

/// Whoever may look at a host may not flood it.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

impl icmp::Host for Call {
    async fn ping(
        &mut self,
        address: String,
        count: u8,
        interval_ms: u32,
        timeout_ms: u32,
    ) -> wasmtime::Result<Result<Vec<Option<u64>>, net::Error>> {
        let Ok(parsed) = address.parse::<IpAddr>() else {
            let message = format!("`{address}` is not an IP address");
            return Ok(Err(net::Error::Io(message)));
        };
        let address = parsed.to_canonical();
        if !self.permits(&Grant::Icmp(address)) {
            return Ok(Err(net::Error::Denied));
        }
        let interval = Duration::from_millis(interval_ms.into()).max(SHORTEST_INTERVAL);
        let deadline = self.call_deadline(timeout_ms);
        let timeout = deadline.saturating_duration_since(Instant::now());
        let host = self.shared.host.clone();
        // The host keeps to the time itself: only it knows what was answered until then.
        let trips = host.pinger().ping(address, count, interval, timeout).await;
        Ok(match trips {
            Ok(trips) => Ok(trips
                .into_iter()
                .map(|trip| trip.map(microseconds))
                .collect()),
            Err(PingError::Timeout) => Err(net::Error::Timeout),
            Err(PingError::Unreachable) => Err(net::Error::Unreachable),
            Err(PingError::Io(message)) => Err(net::Error::Io(message)),
        })
    }
}

fn microseconds(trip: Duration) -> u64 {
    u64::try_from(trip.as_micros()).unwrap_or(u64::MAX)
}
