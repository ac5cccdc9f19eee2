//! The formulas of RFC 9568 §6.1 and RFC 3768 §6.1, in whole nanoseconds.

use core::num::NonZeroU8;
use core::time::Duration;

use crate::Version;

/// Skew_Time: how much later a router of this priority takes over than one of priority 256 would, so that the best one does.
///
/// `interval` is Active_Adver_Interval, which v2 does not scale by. Rounded down to a nanosecond, never to a
/// centisecond: at 10 ms that would leave no skew at all.
pub fn skew_time(version: Version, priority: u8, interval: Duration) -> Duration {
    let scale = match version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => interval,
    };
    scale.saturating_mul(256 - u32::from(priority)) / 256
}

/// Active_Down_Interval: the silence after which the Active router counts as gone. `down_after` is 3 in the RFC.
pub fn active_down_interval(
    version: Version,
    down_after: NonZeroU8,
    priority: u8,
    interval: Duration,
) -> Duration {
    interval
        .saturating_mul(u32::from(down_after.get()))
        .saturating_add(skew_time(version, priority, interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: NonZeroU8 = NonZeroU8::new(3).unwrap();

    #[test]
    fn exact_at_every_interval() {
        // (interval ms, priority, v3 skew ns)
        let table = [
            (1_000, 100, 609_375_000),
            (1_000, 1, 996_093_750),
            (1_000, 254, 7_812_500),
            (1_000, 255, 3_906_250),
            (100, 100, 60_937_500),
            (100, 99, 61_328_125),
            (100, 254, 781_250),
            (10, 100, 6_093_750),
            (10, 254, 78_125),
            (10, 255, 39_062),
            (40_950, 1, 40_790_039_062),
        ];
        for (milliseconds, priority, skew) in table {
            let interval = Duration::from_millis(milliseconds);
            let skew = Duration::from_nanos(skew);
            assert_eq!(skew_time(Version::V3, priority, interval), skew);
            assert_eq!(
                active_down_interval(Version::V3, THREE, priority, interval),
                interval * 3 + skew,
                "priority {priority} at {interval:?}"
            );
        }
    }

    #[test]
    fn v2_skew_is_not_scaled() {
        for seconds in [1, 5, 255] {
            let interval = Duration::from_secs(seconds);
            let skew = Duration::from_nanos(609_375_000);
            assert_eq!(skew_time(Version::V2, 100, interval), skew);
            assert_eq!(
                active_down_interval(Version::V2, THREE, 100, interval),
                interval * 3 + skew
            );
        }
    }

    #[test]
    fn down_after_counts_advertisements() {
        let two = NonZeroU8::new(2).unwrap();
        assert_eq!(
            active_down_interval(Version::V3, two, 192, Duration::from_secs(1)),
            Duration::from_millis(2_250)
        );
    }
}
