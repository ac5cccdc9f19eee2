//! The last number that each sender was heard to use: nothing that is not later is accepted from it again.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::sequence::Sequence;
use crate::UnixTime;

/// The senders that are remembered, at most so many. Only those with a key get here, so nobody else can push one out.
const SENDERS_MAX: usize = 32;

/// The last number of each sender that had a good signature.
#[derive(Clone, Debug, Default)]
pub(crate) struct HighWaterMarks(Vec<(IpAddr, Sequence)>);

impl HighWaterMarks {
    /// Remembers that `source` has signed `sequence`; false when that is not later than what it signed before.
    ///
    /// A mark outside the window guards nothing: what it would forbid is too old, or it lies in a future that this clock
    /// has been set back from, where it would keep its sender out for as long. It is forgotten.
    pub(crate) fn raise(
        &mut self,
        source: IpAddr,
        sequence: Sequence,
        now: UnixTime,
        window: Duration,
    ) -> bool {
        self.0
            .retain(|(_, mark)| mark.offset_from(now).distance <= window);
        if let Some((_, mark)) = self.0.iter_mut().find(|(sender, _)| *sender == source) {
            let is_later = sequence.is_after(*mark);
            if is_later {
                *mark = sequence;
            }
            return is_later;
        }
        if self.0.len() == SENDERS_MAX {
            // More routers than that speak within the window: the one that has been silent for longest leaves.
            let oldest = (0..self.0.len()).reduce(|oldest, other| {
                let later = |index: usize| self.0.get(index).map(|(_, mark)| *mark);
                match (later(oldest), later(other)) {
                    (Some(mark), Some(candidate)) if mark.is_after(candidate) => other,
                    (Some(_) | None, Some(_) | None) => oldest,
                }
            });
            if let Some(oldest) = oldest {
                self.0.swap_remove(oldest);
            }
        }
        self.0.push((source, sequence));
        true
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(5);

    fn sender(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    fn time(seconds: u64) -> UnixTime {
        UnixTime::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn each_sender_has_a_mark_of_its_own() {
        let mut marks = HighWaterMarks::default();
        let now = time(100);
        let number = |n| Sequence(Sequence::at(now).0 + n);
        assert!(marks.raise(sender(1), number(5), now, WINDOW));
        assert!(!marks.raise(sender(1), number(5), now, WINDOW));
        assert!(!marks.raise(sender(1), number(4), now, WINDOW));
        assert!(marks.raise(sender(2), number(4), now, WINDOW));
        assert!(marks.raise(sender(1), number(6), now, WINDOW));
        assert!(!marks.raise(sender(1), number(5), now, WINDOW));
    }

    #[test]
    fn what_the_window_guards_is_forgotten() {
        let mut marks = HighWaterMarks::default();
        assert!(marks.raise(sender(1), Sequence::at(time(100)), time(100), WINDOW));
        assert!(marks.raise(sender(2), Sequence::at(time(106)), time(106), WINDOW));
        assert_eq!(marks.len(), 1);
    }

    #[test]
    fn a_mark_in_a_future_that_was_none_keeps_nobody_out() {
        let mut marks = HighWaterMarks::default();
        assert!(marks.raise(sender(1), Sequence::at(time(3600)), time(3600), WINDOW));
        assert!(marks.raise(sender(1), Sequence::at(time(100)), time(100), WINDOW));
        assert!(!marks.raise(sender(1), Sequence::at(time(100)), time(100), WINDOW));
    }

    #[test]
    fn memory_is_bounded_and_the_longest_silent_leaves() {
        let mut marks = HighWaterMarks::default();
        let now = time(100);
        for n in 0..=255 {
            let number = Sequence(Sequence::at(now).0 + u64::from(n));
            assert!(marks.raise(sender(n), number, now, WINDOW));
            assert!(marks.len() <= SENDERS_MAX);
        }
        let last = Sequence(Sequence::at(now).0 + 255);
        assert!(!marks.raise(sender(255), last, now, WINDOW));
        let first_remembered = Sequence(Sequence::at(now).0 + 224);
        assert!(!marks.raise(sender(224), first_remembered, now, WINDOW));
    }
}
