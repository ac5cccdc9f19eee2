use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// How often a condition is looked at: often enough not to matter beside a VRRP timer, seldom enough not to disturb one.
const PERIOD: Duration = Duration::from_millis(20);

/// Waits until `probe` is content, for at most `limit`. While it is not, `probe` says what it sees instead.
///
/// The condition is looked at once more after the limit, so that a stalled test process does not report a time-out for
/// something that has happened meanwhile.
///
/// # Errors
///
/// [`Error::TimedOut`] names `what` was awaited and what was seen last.
pub fn wait_until<T, Seen: Display>(
    limit: Duration,
    what: &str,
    mut probe: impl FnMut() -> std::result::Result<T, Seen>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let last_look = start.elapsed() >= limit;
        match probe() {
            Ok(value) => return Ok(value),
            Err(seen) if last_look => {
                return Err(Error::TimedOut {
                    what: what.to_owned(),
                    limit,
                    seen: seen.to_string(),
                });
            }
            Err(_) => thread::sleep(PERIOD),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_comes_true_ends_the_wait() {
        let mut looks = 0;
        let value = wait_until(Duration::from_secs(60), "the third look", || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err(looks) }
        });
        assert_eq!(value.unwrap(), 3);
    }

    #[test]
    fn a_time_out_says_what_was_awaited_and_what_was_seen() {
        let error = wait_until(Duration::ZERO, "rain", || Err::<(), _>("sunshine")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "waited 0ns for rain; last seen: sunshine"
        );
    }
}
