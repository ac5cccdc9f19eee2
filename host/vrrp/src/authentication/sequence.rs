//! The number that makes each signed advertisement different from all before it.
//!
//! It is the time, so that a sender that was restarted goes on where it was without having stored anything, and a
//! receiver can tell the age of what it has never heard before. Wall clocks step, so the time alone is not enough:
//!
//! * A sender whose clock stands still or steps back a little counts on from its last number.
//! * A sender whose clock was corrected by more than the window follows its clock: no receiver with a right clock has
//!   accepted the numbers that were too far ahead, and none would accept more of them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::trailer::sign;
use crate::{Advertise, InstanceId, UnixTime};

/// Seconds (modulo 2^32), 1/65536 s, and a counter, as one number.
///
/// Numbers are ordered as in RFC 1982, so that nothing happens when the seconds start again in 2106: whichever is within
/// 2^63 after the other is the later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sequence(pub u64);

/// From a clock to a [`Sequence`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offset {
    pub(super) ahead: bool,
    pub(super) distance: Duration,
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const COUNTER_BITS: u32 = 16;

impl Sequence {
    /// The first number at `time`.
    pub const fn at(time: UnixTime) -> Self {
        let nanos = time.as_nanos();
        // The upper half drops out of a shift to the left, which is the modulo.
        let seconds = (nanos / NANOS_PER_SECOND) << 32;
        let fraction = ((nanos % NANOS_PER_SECOND) << 16) / NANOS_PER_SECOND;
        Self(seconds | fraction << COUNTER_BITS)
    }

    /// Whether a sender that sent `earlier` may send this one afterwards.
    pub(super) const fn is_after(self, earlier: Self) -> bool {
        let distance = self.0.wrapping_sub(earlier.0);
        distance != 0 && distance < 1 << 63
    }

    /// How far it is from what a clock says.
    pub(super) const fn offset_from(self, time: UnixTime) -> Offset {
        let now = Self::at(time);
        let ahead = self.is_after(now);
        let distance = if ahead {
            self.0.wrapping_sub(now.0)
        } else {
            now.0.wrapping_sub(self.0)
        };
        let fraction = ((distance & 0xffff_ffff) * NANOS_PER_SECOND) >> 32;
        let seconds = Duration::from_secs(distance >> 32);
        Offset {
            ahead,
            distance: seconds.saturating_add(Duration::from_nanos(fraction)),
        }
    }

    const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// Signs what one process sends, and knows the last number of each instance.
#[derive(Clone, Debug, Default)]
pub struct Signer {
    last: BTreeMap<InstanceId, Sequence>,
}

impl Signer {
    /// Appends to `datagram` what goes on the wire for an advertisement that is sent at `now`: its payload, and the trailer
    /// when it is to be signed. No two signed ones are the same.
    pub fn write(&mut self, advertise: &Advertise, now: UnixTime, datagram: &mut Vec<u8>) {
        match &advertise.signing {
            None => datagram.extend_from_slice(&advertise.payload),
            Some(signing) => {
                let sequence = self.number(advertise.instance, now, signing.window);
                sign(advertise, signing, sequence, datagram);
            }
        }
    }

    /// Goes on after a number that another process has used for the instance.
    pub fn resume(&mut self, instance: InstanceId, last: Sequence) {
        self.last.insert(instance, last);
    }

    /// The last number of an instance; `None` when it has signed nothing.
    pub fn last(&self, instance: InstanceId) -> Option<Sequence> {
        self.last.get(&instance).copied()
    }

    /// The last number of an instance, when it is of a later time than `now`: whoever would have to sign in this
    /// process's place could not know it from the clock.
    pub fn ahead(&self, instance: InstanceId, now: UnixTime) -> Option<Sequence> {
        let last = self.last(instance)?;
        let of_this_moment = Sequence(Sequence::at(now).0 | ((1 << COUNTER_BITS) - 1));
        last.is_after(of_this_moment).then_some(last)
    }

    fn number(&mut self, instance: InstanceId, now: UnixTime, window: Duration) -> Sequence {
        let clock = Sequence::at(now);
        let number = match self.last(instance) {
            Some(last) if !clock.is_after(last) && last.offset_from(now).distance <= window => {
                last.next()
            }
            Some(_) | None => clock,
        };
        self.last.insert(instance, number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(5);
    const INSTANCE: InstanceId = InstanceId(3);

    fn time(seconds: u64, nanos: u64) -> UnixTime {
        UnixTime::from_nanos(seconds * NANOS_PER_SECOND + nanos)
    }

    #[test]
    fn a_time_is_seconds_and_a_fraction() {
        let table = [
            (time(0, 0), 0),
            (time(1, 0), 0x0000_0001_0000_0000),
            (time(0x6800_0000, 500_000_000), 0x6800_0000_8000_0000),
            (time(7, 999_999_999), 0x0000_0007_ffff_0000),
            // 2106
            (time(1 << 32, 0), 0),
        ];
        for (time, sequence) in table {
            assert_eq!(Sequence::at(time), Sequence(sequence), "{time:?}");
        }
    }

    #[test]
    fn order_goes_round() {
        assert!(Sequence(1).is_after(Sequence(0)));
        assert!(!Sequence(0).is_after(Sequence(0)));
        assert!(!Sequence(0).is_after(Sequence(1)));
        assert!(Sequence(0).is_after(Sequence(u64::MAX)));
        assert!(!Sequence(u64::MAX).is_after(Sequence(0)));
    }

    #[test]
    fn distances_have_a_direction() {
        let offset = |sequence, now| Sequence::at(sequence).offset_from(now);
        let (early, late) = (time(1000, 0), time(1002, 500_000_000));
        let distance = Duration::from_millis(2500);
        let (ahead, behind) = (offset(late, early), offset(early, late));
        assert!(ahead.ahead && ahead.distance == distance, "{ahead:?}");
        assert!(!behind.ahead && behind.distance == distance, "{behind:?}");
        assert_eq!(offset(early, early).distance, Duration::ZERO);
        // Over the end of the seconds.
        let over = offset(time((1 << 32) + 1, 0), time((1 << 32) - 1, 0));
        assert!(over.ahead && over.distance == Duration::from_secs(2));
    }

    /// What a clock says, and the numbers that come of it.
    #[track_caller]
    fn check(clock: &[UnixTime], expected: &[u64]) {
        let mut signer = Signer::default();
        let numbers: Vec<_> = clock
            .iter()
            .map(|now| signer.number(INSTANCE, *now, WINDOW).0)
            .collect();
        assert_eq!(numbers, expected, "{numbers:x?}");
    }

    #[test]
    fn numbers_follow_the_clock() {
        check(&[time(10, 0), time(11, 0)], &[0xa_0000_0000, 0xb_0000_0000]);
    }

    #[test]
    fn a_clock_that_stands_still_is_counted_on() {
        check(
            &[time(10, 0), time(10, 0), time(10, 1000), time(10, 20_000)],
            &[0xa_0000_0000, 0xa_0000_0001, 0xa_0000_0002, 0xa_0001_0000],
        );
    }

    #[test]
    fn a_clock_that_steps_back_within_the_window_is_counted_on() {
        check(
            &[time(10, 0), time(5, 0), time(9, 0), time(11, 0)],
            &[0xa_0000_0000, 0xa_0000_0001, 0xa_0000_0002, 0xb_0000_0000],
        );
    }

    /// A host that boots with its clock a year ahead must not stay unheard for a year after its clock was set right.
    #[test]
    fn a_clock_that_steps_back_by_more_is_followed() {
        check(
            &[time(1000, 0), time(994, 0), time(995, 0)],
            &[0x3e8_0000_0000, 0x3e2_0000_0000, 0x3e3_0000_0000],
        );
    }

    #[test]
    fn instances_are_counted_apart_and_taken_over() {
        let mut signer = Signer::default();
        let now = time(10, 0);
        assert_eq!(signer.number(INSTANCE, now, WINDOW).0, 0xa_0000_0000);
        assert_eq!(signer.number(InstanceId(4), now, WINDOW).0, 0xa_0000_0000);
        assert_eq!(signer.ahead(INSTANCE, now), None);
        assert_eq!(signer.number(INSTANCE, now, WINDOW).0, 0xa_0000_0001);
        assert_eq!(signer.ahead(INSTANCE, now), None, "of the same moment");
        let earlier = time(9, 0);
        let last = signer.ahead(INSTANCE, earlier).unwrap();

        let mut successor = Signer::default();
        successor.resume(INSTANCE, last);
        let number = successor.number(INSTANCE, earlier, WINDOW);
        assert!(number.is_after(last));
        assert_eq!(successor.last(INSTANCE), Some(number));
    }
}
