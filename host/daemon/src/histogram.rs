//! How long something took, each time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How many bounds a histogram has.
const BOUNDS: usize = 11;

/// Upper bounds of the buckets, in microseconds, ascending.
pub(crate) type Bounds = [u64; BOUNDS];

/// Durations by the bounds that they are within.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Histogram {
    /// How many were within each bound and above the one before it; the last count is of those above all of them.
    counts: [u64; BOUNDS + 1],
    sum: Duration,
    max: Duration,
}

impl Histogram {
    /// Takes in one; a histogram has the same `bounds` each time.
    pub(crate) fn note(&mut self, bounds: &Bounds, duration: Duration) {
        let above = bounds.partition_point(|bound| Duration::from_micros(*bound) < duration);
        if let Some(count) = self.counts.get_mut(above) {
            *count += 1;
        }
        self.sum += duration;
        self.max = self.max.max(duration);
    }

    /// Those within each bound and above the one before it; last those above all of them.
    pub(crate) fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(crate) fn sum(&self) -> Duration {
        self.sum
    }

    pub(crate) fn max(&self) -> Duration {
        self.max
    }
}
