//! The router's sign of life. The loop gives it once per turn, so that a router that is stopped, spins or hangs in the kernel is
//! as good as dead to the supervisor.

use std::time::Duration;

use vrrp::Instant;
use vrrp_linux::heartbeat::Heartbeat;

use super::setup::Setup;

/// Intervals of the quickest instance that may pass before the supervisor begins to worry: before a third one has passed, no
/// peer takes over.
const INTERVALS: u32 = 2;
/// A busy machine may keep the router from running for a moment; what is sent every 10 ms is no reason to kill it then.
const BOUND_MIN: Duration = Duration::from_millis(400);
/// However slow the instances are, a supervisor that wakes up so often costs nothing.
const BOUND_MAX: Duration = Duration::from_secs(3);

/// The heartbeat of this process.
#[derive(Debug)]
pub(super) struct Pulse {
    heartbeat: Heartbeat,
    bound: Duration,
    due: Instant,
}

impl Pulse {
    pub(super) fn new(heartbeat: Heartbeat, setup: &Setup) -> Self {
        Self {
            heartbeat,
            bound: bound(setup),
            due: Instant::from_nanos(0),
        }
    }

    /// The loop has made a turn at `now`.
    pub(super) fn turned(&mut self, now: Instant) {
        self.heartbeat.promise(now + self.bound);
        // More than an interval, so that advertisements make all the turns that are needed.
        self.due = now + self.bound / 4 * 3;
    }

    /// When the loop has to make another turn, also if there is nothing else to do.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// The next turn may come as late as that.
    pub(super) fn takes_until(&self, until: Instant) {
        self.heartbeat.promise(until);
    }

    /// From the next turn on, the bound is that of `setup`.
    pub(super) fn reconfigure(&mut self, setup: &Setup) {
        self.bound = bound(setup);
    }
}

fn bound(setup: &Setup) -> Duration {
    let intervals = setup.instances.iter();
    let shortest = intervals.map(|instance| instance.advertisement_interval);
    of_interval(shortest.min().unwrap_or(Duration::MAX))
}

fn of_interval(shortest: Duration) -> Duration {
    shortest
        .saturating_mul(INTERVALS)
        .clamp(BOUND_MIN, BOUND_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_of_the_quickest_instance_within_limits() {
        for (interval, bound) in [
            (10, 400),
            (200, 400),
            (500, 1000),
            (1000, 2000),
            (40_000, 3000),
        ] {
            let [interval, bound] = [interval, bound].map(Duration::from_millis);
            assert_eq!(of_interval(interval), bound);
        }
        assert_eq!(bound(&Setup::default()), BOUND_MAX);
    }

    #[test]
    fn each_turn_promises_another_one_and_plans_it_in_time() {
        let now = Instant::from_nanos(5_000_000_000);
        let (theirs, file) = Heartbeat::new(now).unwrap();
        let mut pulse = Pulse::new(Heartbeat::open(file).unwrap(), &Setup::default());
        assert!(pulse.due() < now, "the first turn comes at once");
        pulse.turned(now);
        assert_eq!(theirs.promised(), now + BOUND_MAX);
        assert_eq!(pulse.due(), now + BOUND_MAX / 4 * 3);
        let later = now + Duration::from_secs(60);
        pulse.takes_until(later);
        assert_eq!(theirs.promised(), later);
    }
}
