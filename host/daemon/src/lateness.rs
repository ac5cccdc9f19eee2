//! How late the router's timers were: what tells a busy host, or a stalled one, from a network that loses advertisements.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::histogram::{Bounds, Histogram};
use crate::status;

/// Upper bounds of the buckets, in microseconds: from a wake-up on an idle machine to what costs others a takeover.
pub(crate) const BOUNDS_US: Bounds = [
    10, 25, 50, 100, 250, 500, 1_000, 2_000, 5_000, 10_000, 100_000,
];

/// A histogram of the time by which timers were late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lateness(Histogram);

impl Lateness {
    /// A timer was `late` by this much.
    pub(crate) fn note(&mut self, late: Duration) {
        self.0.note(&BOUNDS_US, late);
    }

    pub(crate) fn histogram(&self) -> &Histogram {
        &self.0
    }

    pub(crate) fn status(&self) -> status::Lateness {
        let mut count = 0;
        let buckets = BOUNDS_US
            .into_iter()
            .zip(self.0.counts())
            .map(|(le_us, more)| {
                count += more;
                status::Bucket { le_us, count }
            });
        status::Lateness {
            buckets: buckets.collect(),
            count: self.0.count(),
            sum_us: micros(self.0.sum()),
            max_us: micros(self.0.max()),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_count_what_is_within_their_bound() {
        let mut lateness = Lateness::default();
        for micros in [0, 10, 11, 2_000, 2_001, 5_000_000] {
            lateness.note(Duration::from_micros(micros));
        }
        let status = lateness.status();
        let counts: Vec<_> = status.buckets.iter().map(|bucket| bucket.count).collect();
        assert_eq!(counts, [2, 3, 3, 3, 3, 3, 3, 4, 5, 5, 5]);
        assert_eq!(status.count, 6);
        assert_eq!(status.sum_us, 5_004_022);
        assert_eq!(status.max_us, 5_000_000);
    }
}
