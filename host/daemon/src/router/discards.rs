//! Log lines about discarded datagrams, so that a flood of them neither fills the log nor hides anything.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};
use std::net::IpAddr;
use std::time::Duration;

use tracing::warn;
use vrrp::{AuthenticationError, Discard, Instant, InterfaceId};

/// How long a line of one kind keeps others of its kind away.
const WINDOW: Duration = Duration::from_secs(10);

/// What has been told, and what has happened since.
#[derive(Debug, Default)]
pub(super) struct Discards {
    told: HashMap<Kind, Told>,
}

/// Datagrams of one kind are told once in a window. Sources that the file names each have a kind of their own: forged
/// ones share one, and cannot use up what belongs to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind {
    interface: InterfaceId,
    discard: (
        Discriminant<Discard>,
        Option<Discriminant<AuthenticationError>>,
    ),
    peer: Option<IpAddr>,
}

#[derive(Debug)]
struct Told {
    until: Instant,
    /// Datagrams since then, and the last of them.
    more: u64,
    last: (IpAddr, Discard),
}

/// A line to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) interface: InterfaceId,
    pub(super) source: IpAddr,
    pub(super) discard: Discard,
    /// How many datagrams of the kind it stands for.
    pub(super) count: u64,
}

impl Discards {
    /// Takes note of a datagram. Returns what is to be told of it now.
    pub(super) fn note(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        (source, is_peer): (IpAddr, bool),
        discard: Discard,
    ) -> Option<Line> {
        let kind = Kind {
            interface,
            discard: (discriminant(&discard), authentication(discard)),
            peer: is_peer.then_some(source),
        };
        if let Some(told) = self.told.get_mut(&kind) {
            told.more += 1;
            told.last = (source, discard);
            return None;
        }
        let told = Told {
            until: now + WINDOW,
            more: 0,
            last: (source, discard),
        };
        self.told.insert(kind, told);
        Some(Line {
            interface,
            source,
            discard,
            count: 1,
        })
    }

    /// What came after a line that was written is told in one more, when its window is over.
    pub(super) fn timeout(&mut self, now: Instant) -> Vec<Line> {
        let mut lines = Vec::new();
        self.told.retain(|kind, told| {
            if told.until > now {
                return true;
            }
            let (source, discard) = told.last;
            if told.more == 0 {
                return false;
            }
            lines.push(Line {
                interface: kind.interface,
                source,
                discard,
                count: std::mem::take(&mut told.more),
            });
            told.until = now + WINDOW;
            true
        });
        lines
    }

    /// When [`timeout`](Self::timeout) has something to tell.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.told.values().map(|told| told.until).min()
    }
}

impl Line {
    /// Writes it; `interface` is the interface's name.
    pub(super) fn write(self, interface: &str) {
        let Self {
            source,
            discard,
            count,
            ..
        } = self;
        if count == 1 {
            warn!(interface, %source, "VRRP datagram discarded: {discard}");
        } else {
            warn!(interface, %source, count, "more VRRP datagrams discarded, the last one: {discard}");
        }
    }
}

/// Forged signatures must not hide that a peer has the wrong key, nor a wrong clock that something is replayed.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "one of many errors has kinds of its own"
)]
fn authentication(discard: Discard) -> Option<Discriminant<AuthenticationError>> {
    match discard {
        Discard::Authentication(error) => Some(discriminant(&error)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERFACE: InterfaceId = InterfaceId(0);

    fn source(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_flood_is_two_lines_a_window() {
        let mut discards = Discards::default();
        let mut told = 0;
        for number in 0..1_000_u64 {
            let last = u8::try_from(number % 250).unwrap();
            let forged = (source(last), false);
            told += usize::from(
                discards
                    .note(at(1), INTERFACE, forged, Discard::Checksum)
                    .is_some(),
            );
        }
        assert_eq!(told, 1);
        assert_eq!(discards.deadline(), Some(at(11)));
        assert_eq!(discards.timeout(at(10)), []);
        let lines = discards.timeout(at(11));
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].count, 999);
        // Nothing came after that line, so the next datagram is news again.
        assert_eq!(discards.timeout(at(21)), []);
        assert_eq!(discards.deadline(), None);
        let forged = (source(1), false);
        assert!(
            discards
                .note(at(22), INTERFACE, forged, Discard::Checksum)
                .is_some()
        );
    }

    #[test]
    fn a_flood_hides_no_peer_and_no_other_kind() {
        let mut discards = Discards::default();
        for last in 0..250 {
            discards.note(at(1), INTERFACE, (source(last), false), Discard::Checksum);
        }
        let mut told = |who, discard| discards.note(at(1), INTERFACE, who, discard).is_some();
        assert!(told((source(1), true), Discard::Checksum));
        assert!(!told((source(1), true), Discard::Checksum));
        assert!(told((source(2), true), Discard::Checksum));
        assert!(told((source(3), false), Discard::Version(1)));
        assert!(!told((source(4), false), Discard::Version(4)));
        for error in [AuthenticationError::Missing, AuthenticationError::Hmac(1)] {
            assert!(told((source(3), false), error.into()));
        }
        assert!(!told(
            (source(4), false),
            AuthenticationError::Hmac(2).into()
        ));
        assert!(
            discards
                .note(at(1), InterfaceId(1), (source(5), false), Discard::Checksum)
                .is_some()
        );
    }
}
