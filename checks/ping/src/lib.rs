//! Built in as `ping`: sends echo requests and judges what comes back.

use std::net::IpAddr;
use std::time::Duration;

use vrrp_sdk::prelude::*;

/// An address answers echo requests, often and soon enough.
///
/// ```toml
/// address = "192.0.2.254"
/// ```
#[vrrp_sdk::check]
#[derive(Debug, PartialEq, Eq)]
pub struct Ping {
    /// Where to send them, such as "192.0.2.254" or "2001:db8::1"; not a name.
    address: String,
    /// How many are sent in a run.
    #[serde(default = "three")]
    count: u8,
    /// Between two of them, at least "10ms".
    #[serde(default = "default_interval")]
    interval: TimeSpan,
    /// From the first one until all answers have to be there. The check's own timeout is the upper bound.
    #[serde(default = "default_timeout")]
    timeout: TimeSpan,
    /// How many percent may stay without an answer; more is failing, and fewer a warning.
    #[serde(default = "half")]
    max_loss: u8,
    /// A mean round trip longer than this is a warning.
    warn_round_trip: Option<TimeSpan>,
    /// A mean round trip longer than this is failing.
    max_round_trip: Option<TimeSpan>,
}

const SHORTEST_INTERVAL: TimeSpan = TimeSpan::from_millis(10);

fn three() -> u8 {
    3
}

fn half() -> u8 {
    50
}

fn default_interval() -> TimeSpan {
    TimeSpan::from_millis(100)
}

fn default_timeout() -> TimeSpan {
    TimeSpan::from_millis(800)
}

impl Check for Ping {
    fn plan(&self) -> Plan {
        match self.address() {
            Some(address) => Plan::new().needs(Need::icmp(address)),
            // `validate` has refused it.
            None => Plan::new(),
        }
    }

    fn validate(&self, errors: &mut ConfigErrors) {
        match self.address() {
            None => errors.at(
                ["address"],
                format!(
                    "not an IP address: {:?}; write \"192.0.2.254\"",
                    self.address
                ),
            ),
            Some(address) if !is_one_host(address) => errors.at(
                ["address"],
                format!("{address} is not the address of one host"),
            ),
            Some(_) => {}
        }
        if self.count == 0 {
            errors.at(["count"], "none at all: write 3");
        }
        if self.interval < SHORTEST_INTERVAL {
            errors.at(
                ["interval"],
                format!("{} is a flood: write \"10ms\" or more", self.interval),
            );
        } else if self.sending() >= self.timeout.into() {
            let sending = TimeSpan(self.sending());
            errors.at(
                ["timeout"],
                format!(
                    "sending alone takes {sending}: write more than that, a smaller count or a shorter interval"
                ),
            );
        }
        if self.max_loss >= 100 {
            errors.at(
                ["max-loss"],
                "this check could never fail: write 99 or less",
            );
        }
        if let (Some(warn), Some(max)) = (self.warn_round_trip, self.max_round_trip)
            && warn >= max
        {
            errors.at(
                ["warn-round-trip"],
                format!("there is no warning before {max} is failing: write less than that"),
            );
        }
    }

    fn run(&self, context: &RunContext) -> Result<Observation, CheckError> {
        let address = self
            .address()
            .ok_or_else(|| CheckError::Internal(format!("{} is no address", self.address)))?;
        let timeout = context.within_deadline(self.timeout.into());
        match icmp::ping(address, self.count, self.interval.into(), timeout) {
            Ok(trips) => Ok(self.judge(&trips)),
            Err(icmp::Error::Unreachable) => Ok(Observation::failing(format!(
                "{address}: {}",
                icmp::Error::Unreachable
            ))),
            Err(error) => Err(error.into()),
        }
    }
}

impl Ping {
    fn address(&self) -> Option<IpAddr> {
        let address: IpAddr = self.address.parse().ok()?;
        Some(address.to_canonical())
    }

    /// From the first request to the last.
    fn sending(&self) -> Duration {
        Duration::from(self.interval) * u32::from(self.count.saturating_sub(1))
    }

    fn judge(&self, trips: &[Option<Duration>]) -> Observation {
        let address = &self.address;
        let sent = trips.len();
        let answered: Vec<Duration> = trips.iter().flatten().copied().collect();
        let lost = sent - answered.len();
        let Some(mean) = mean(&answered) else {
            let requests = if sent == 1 { "request" } else { "requests" };
            return Observation::failing(format!(
                "{address} does not answer ({sent} echo {requests})"
            ))
            .fact("loss-percent", 100);
        };
        let percent = lost * 100 / sent;
        let longer = |limit: Option<TimeSpan>| limit.filter(|limit| mean > (*limit).into());
        let trip = format!("{address} answers after {}", milliseconds(mean));
        let loss = format!("{lost} of {sent} echo requests without an answer");
        let observation = if lost * 100 > sent * usize::from(self.max_loss) {
            Observation::failing(format!("{address}: {loss}, at most {} %", self.max_loss))
        } else if let Some(limit) = longer(self.max_round_trip) {
            Observation::failing(format!("{trip}, longer than {limit}"))
        } else if let Some(limit) = longer(self.warn_round_trip) {
            Observation::warning(format!("{trip}, longer than {limit}"))
        } else if lost > 0 {
            Observation::warning(format!("{trip}, {loss}"))
        } else {
            Observation::passing(trip)
        };
        observation
            .fact("loss-percent", percent)
            .fact("round-trip-us", mean.as_micros())
    }
}

/// Answers from a group would all be taken for those of one host.
fn is_one_host(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !(address.is_multicast() || address.is_unspecified() || is_broadcast)
}

fn mean(trips: &[Duration]) -> Option<Duration> {
    let count = u32::try_from(trips.len()).ok()?;
    trips.iter().sum::<Duration>().checked_div(count)
}

fn milliseconds(trip: Duration) -> String {
    format!("{:.3} ms", trip.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests;
