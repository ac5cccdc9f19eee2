//! Which virtual routers there are on a link already.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use vrrp::Family;
use vrrp::packet::Advertisement;
use vrrp_linux::socket::{Inbox, OpenSocketError, VrrpSocket};

use crate::exit::chain;

/// Three advertisements of a virtual router with the usual interval.
const LISTENED: Duration = Duration::from_secs(3);

/// The number that is taken where it is free: that of the examples.
const USUAL: u8 = 51;

/// What there was to hear.
#[derive(Debug)]
pub(super) enum Heard {
    /// These virtual routers, each with who spoke for it last.
    Routers(BTreeMap<u8, IpAddr>),
    /// Only root may listen.
    NotPermitted,
    /// It was not possible, for this reason.
    Impossible(String),
}

/// Listens on an interface. Nothing is sent but the membership of the VRRP group.
pub(super) fn listen(interface: &str, family: Family) -> Heard {
    match VrrpSocket::open(interface, family) {
        Ok(socket) => match hear(&socket, Instant::now() + LISTENED) {
            Ok(routers) => Heard::Routers(routers),
            Err(error) => Heard::Impossible(error.to_string()),
        },
        Err(OpenSocketError::NotPermitted { .. }) => Heard::NotPermitted,
        Err(error) => Heard::Impossible(chain(&error)),
    }
}

fn hear(socket: &VrrpSocket, until: Instant) -> io::Result<BTreeMap<u8, IpAddr>> {
    let mut routers = BTreeMap::new();
    let mut inbox = Inbox::new();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(routers);
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut ready = [PollFd::new(socket, PollFlags::IN)];
        retry_on_intr(|| poll(&mut ready, Some(&timeout)))?;
        // What one call brings at a time: a flood of them has an end, too.
        socket.recv(&mut inbox, |received| {
            let header = (received.source, received.destination);
            let parsed = Advertisement::parse_signed(received.payload, header.0, header.1);
            if let Ok(advertisement) = parsed {
                let id = advertisement.virtual_router_id.0.get();
                routers.insert(id, received.source);
            }
        })?;
    }
}

impl Heard {
    /// A number that nobody was heard to use: the usual one, or the next one that is free.
    pub(super) fn free_number(&self) -> u8 {
        let Self::Routers(routers) = self else {
            return USUAL;
        };
        let mut candidates = (USUAL..=u8::MAX).chain(1..USUAL);
        // On a link with all 255 there is no good answer.
        candidates
            .find(|id| !routers.contains_key(id))
            .unwrap_or(USUAL)
    }

    /// What was heard, in a sentence without a full stop.
    pub(super) fn words(&self, interface: &str) -> String {
        let seconds = LISTENED.as_secs();
        match self {
            Self::Routers(routers) if routers.is_empty() => {
                format!("heard no virtual router on {interface} in {seconds} s")
            }
            Self::Routers(routers) => {
                let list = routers
                    .iter()
                    .map(|(id, source)| format!("{id} (from {source})"));
                let list: Vec<_> = list.collect();
                format!(
                    "heard virtual routers on {interface} in {seconds} s: {}",
                    list.join(", ")
                )
            }
            Self::NotPermitted => format!(
                "had no right to listen on {interface} for virtual routers that are there already (`sudo` gives it)"
            ),
            Self::Impossible(why) => {
                format!("could not listen on {interface} for virtual routers: {why}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(ids: impl IntoIterator<Item = u8>) -> Heard {
        let source = IpAddr::from([192, 0, 2, 9]);
        Heard::Routers(ids.into_iter().map(|id| (id, source)).collect())
    }

    #[test]
    fn a_number_that_was_heard_is_not_taken() {
        assert_eq!(heard([]).free_number(), 51);
        assert_eq!(heard([50, 51, 52]).free_number(), 53);
        assert_eq!(heard(51..=255).free_number(), 1);
        assert_eq!(Heard::NotPermitted.free_number(), 51);
    }

    #[test]
    fn what_was_heard_is_told() {
        let told = heard([51, 7]).words("eth0");
        assert_eq!(
            told,
            "heard virtual routers on eth0 in 3 s: 7 (from 192.0.2.9), 51 (from 192.0.2.9)"
        );
        assert!(
            Heard::NotPermitted
                .words("eth0")
                .contains("no right to listen")
        );
    }
}
