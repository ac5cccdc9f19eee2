//! Other people's virtual routers on a link that we share. A few are discarded one by one, counted and told of, because one of
//! them may be ours with a wrong number; where they are many, the kernel keeps them away for a while, and they wake nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use vrrp::{Instant, InterfaceId};

/// So many datagrams within [`WINDOW`] are many.
const MANY: u32 = 100;
const WINDOW: Duration = Duration::from_secs(10);
/// How long the kernel keeps them away before it is looked who is there.
pub(super) const PAUSE: Duration = Duration::from_mins(5);

/// What is known of them on each interface.
#[derive(Debug, Default)]
pub(super) struct Strangers(BTreeMap<InterfaceId, Seen>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    until: Instant,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// So many datagrams in a window.
    Heard(u32),
    /// The kernel keeps them away.
    KeptAway,
}

impl Strangers {
    /// Takes note of a datagram. True when they are many: the kernel is to keep them away from now on.
    pub(super) fn note(&mut self, now: Instant, interface: InterfaceId) -> bool {
        let window = Seen {
            until: now + WINDOW,
            what: What::Heard(0),
        };
        let seen = self.0.entry(interface).or_insert(window);
        let What::Heard(before) = seen.what else {
            // It had arrived before the kernel began.
            return false;
        };
        if seen.until <= now {
            *seen = window;
            return false;
        }
        seen.what = What::Heard(before + 1);
        if before + 1 < MANY {
            return false;
        }
        *seen = Seen {
            until: now + PAUSE,
            what: What::KeptAway,
        };
        true
    }

    /// An interface on which it is to be looked who is there.
    pub(super) fn timeout(&mut self, now: Instant) -> Option<InterfaceId> {
        let is_over = |(interface, seen): (&InterfaceId, &Seen)| {
            (seen.what == What::KeptAway && seen.until <= now).then_some(*interface)
        };
        let interface = self.0.iter().find_map(is_over)?;
        self.0.remove(&interface);
        Some(interface)
    }

    /// When [`timeout`](Self::timeout) has something to return.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let kept_away = self.0.values().filter(|seen| seen.what == What::KeptAway);
        kept_away.map(|seen| seen.until).min()
    }

    /// Starts anew on an interface. True when the kernel kept them away there.
    pub(super) fn forget(&mut self, interface: InterfaceId) -> bool {
        let seen = self.0.remove(&interface);
        seen.is_some_and(|seen| seen.what == What::KeptAway)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETH0: InterfaceId = InterfaceId(0);

    fn at(milliseconds: u64) -> Instant {
        Instant::from_nanos(1_000_000 * (1 + milliseconds))
    }

    #[test]
    fn a_few_are_heard_for_ever() {
        let mut strangers = Strangers::default();
        // Nine a second.
        assert!((0..10_000).all(|turn| !strangers.note(at(turn * 111), ETH0)));
        assert_eq!(strangers.deadline(), None);
    }

    #[test]
    fn many_are_kept_away_for_a_while() {
        let mut strangers = Strangers::default();
        let many = (0..200).position(|turn| strangers.note(at(turn * 10), ETH0));
        assert_eq!(many, Some(99));
        // One window is not the other's.
        assert!(!strangers.note(at(990), InterfaceId(1)));
        let over = at(990) + PAUSE;
        assert_eq!(strangers.deadline(), Some(over));
        assert_eq!(strangers.timeout(at(5_000)), None);
        assert_eq!(strangers.timeout(over), Some(ETH0));
        assert_eq!(strangers.timeout(over), None);
        assert!(!strangers.note(over, ETH0));
    }

    #[test]
    fn another_configuration_starts_anew() {
        let mut strangers = Strangers::default();
        assert!((0..100).any(|turn| strangers.note(at(turn), ETH0)));
        assert!(strangers.forget(ETH0));
        assert!(!strangers.forget(ETH0));
        assert!(!strangers.note(at(200), ETH0));
    }
}
