//! The clocks of the router.

use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC`: not moved by anyone who sets the time, and it stands still while the host is suspended,
/// so that a resumed router does not find all its deadlines missed at once.
pub fn now() -> vrrp::Instant {
    let time = clock_gettime(ClockId::Monotonic);
    // The kernel's monotonic clock starts at zero and keeps nanoseconds below one second.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    vrrp::Instant::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// `CLOCK_REALTIME`: what signatures are stamped with, because it means the same to every host.
pub fn wall() -> vrrp::UnixTime {
    let time = clock_gettime(ClockId::Realtime);
    // A clock that was never set may stand before 1970: that is as wrong as 1970.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    vrrp::UnixTime::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    #[test]
    fn the_wall_clock_is_everybodys() {
        let ours = Duration::from_nanos(super::wall().as_nanos());
        let theirs = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(
            theirs.abs_diff(ours) < Duration::from_secs(60),
            "{ours:?} {theirs:?}"
        );
    }

    #[test]
    fn advances_with_time() {
        let before = super::now();
        std::thread::sleep(Duration::from_millis(20));
        let passed = super::now().saturating_duration_since(before);
        assert!(passed >= Duration::from_millis(20), "{passed:?}");
        assert!(passed < Duration::from_secs(60), "{passed:?}");
    }
}
