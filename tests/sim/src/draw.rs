//! Random decisions, all of them from one seed.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A stream of decisions. The same seed makes the same ones, at the same commit.
#[derive(Clone, Debug)]
pub(crate) struct Draw(fastrand::Rng);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// A stream of its own, so that one more decision here moves none over there.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.0.fork())
    }

    /// True in `permille` of a thousand cases.
    pub(crate) fn chance(&mut self, permille: u32) -> bool {
        permille > 0 && self.0.u32(0..1000) < permille
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.0.usize(0..from.len())].clone()
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        self.0.usize(0..length)
    }

    pub(crate) fn number(&mut self, range: RangeInclusive<u8>) -> u8 {
        self.0.u8(range)
    }

    pub(crate) fn weight(&mut self, range: RangeInclusive<i16>) -> i16 {
        self.0.i16(range)
    }

    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = u64::try_from(most.saturating_sub(least).as_nanos()).unwrap_or(u64::MAX - 1);
        least + Duration::from_nanos(self.0.u64(0..=span))
    }

    /// From `unit * tenths.start() / 10` to `unit * tenths.end() / 10`.
    pub(crate) fn tenths(&mut self, unit: Duration, tenths: RangeInclusive<u32>) -> Duration {
        self.between(unit * *tenths.start() / 10, unit * *tenths.end() / 10)
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        self.0.shuffle(items);
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.fill(&mut bytes);
        bytes
    }
}
