//! Times, durations and standings in words.

use std::time::{Duration, SystemTime};

use crate::status::{Check, Progress};

/// What time it is for a text: every time in it is told from here.
#[derive(Clone, Copy, Debug)]
pub(in crate::command) struct Clock {
    now: SystemTime,
}

impl Clock {
    pub(in crate::command) fn at(now: SystemTime) -> Self {
        Self { now }
    }

    /// The time of day, to the second.
    pub(in crate::command) fn now(self) -> String {
        let now = humantime::format_rfc3339_seconds(self.now).to_string();
        clock(&now).to_owned()
    }

    /// `14:03:07, 57 min ago` for an RFC 3339 timestamp.
    pub(in crate::command) fn ago(self, at: &str) -> String {
        match self.passed(at) {
            Some(passed) => format!("{}, {} ago", self.time(at), rough(passed)),
            None => self.time(at),
        }
    }

    /// `14:03:07, for 57 min` for the timestamp of something that has lasted since.
    pub(in crate::command) fn since(self, at: &str) -> String {
        match self.passed(at) {
            Some(passed) => format!("{}, for {}", self.time(at), rough(passed)),
            None => self.time(at),
        }
    }

    /// The time of day of a timestamp, to the second; with the date when that is not today's.
    pub(in crate::command) fn time(self, at: &str) -> String {
        let now = humantime::format_rfc3339_seconds(self.now).to_string();
        let today = now.split_once('T').map(|(date, _)| date);
        match at.split_once('T') {
            Some((date, _)) if Some(date) == today => clock(at).to_owned(),
            Some((date, _)) => format!("{date} {}", clock(at)),
            None => at.to_owned(),
        }
    }

    fn passed(self, at: &str) -> Option<Duration> {
        let at = humantime::parse_rfc3339(at).ok()?;
        self.now.duration_since(at).ok()
    }
}

/// The time of day of a timestamp.
fn clock(at: &str) -> &str {
    let clock = at.split_once('T').map_or(at, |(_, clock)| clock);
    clock.get(..8).unwrap_or(clock)
}

/// A duration as a person would say it.
fn rough(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, 1..10) => format!("{minutes} min {} s", seconds % 60),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// Microseconds as `1.2 ms`.
pub(in crate::command) fn milliseconds(microseconds: u64) -> String {
    let microseconds = u32::try_from(microseconds).unwrap_or(u32::MAX);
    format!("{:.1} ms", f64::from(microseconds) / 1_000.0)
}

/// What a check counts as, and what its last runs may make of that.
pub(in crate::command) fn counts_as(check: &Check) -> String {
    let standing = match check.standing.as_str() {
        "pending" => "has no verdict yet".to_owned(),
        "unknown" => "counts as unknown, like a failing weight of -100".to_owned(),
        standing => format!("counts as {standing}"),
    };
    match progress(check) {
        Some(progress) => format!("{standing}; {progress}"),
        None => standing,
    }
}

/// What the last runs of a check may make of what it counts as.
pub(super) fn progress(check: &Check) -> Option<String> {
    let Progress {
        towards,
        count,
        needed,
    } = check.progress.as_ref()?;
    let runs = if towards == "unknown" {
        "errors"
    } else {
        "verdicts"
    };
    Some(format!(
        "{towards} after {needed} {runs}, {count} until now"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock_at(now: &str) -> Clock {
        Clock::at(humantime::parse_rfc3339(now).unwrap())
    }

    #[test]
    fn times_are_told_with_how_long_ago_they_were() {
        let at = "2026-11-25T14:03:07.123Z";
        for (now, ago) in [
            ("2026-11-25T14:03:07.500Z", "14:03:07, 0 s ago"),
            ("2026-11-25T14:03:50Z", "14:03:07, 42 s ago"),
            ("2026-11-25T14:05:10Z", "14:03:07, 2 min 2 s ago"),
            ("2026-11-25T15:00:10Z", "14:03:07, 57 min ago"),
            ("2026-11-25T17:15:10Z", "14:03:07, 3 h 12 min ago"),
            ("2026-11-28T20:00:00Z", "2026-11-25 14:03:07, 3 d 5 h ago"),
            // The clock was set back.
            ("2026-11-25T14:00:00Z", "14:03:07"),
        ] {
            assert_eq!(clock_at(now).ago(at), ago);
        }
        let clock = clock_at("2026-11-25T15:00:10Z");
        assert_eq!(clock.since(at), "14:03:07, for 57 min");
        assert_eq!(clock.now(), "15:00:10");
        assert_eq!(clock.ago("never"), "never");
    }

    #[test]
    fn a_check_tells_what_the_next_runs_may_make_of_it() {
        for (standing, progress, told) in [
            ("up", None, "counts as up"),
            (
                "up",
                Some(("down", 2, 3)),
                "counts as up; down after 3 verdicts, 2 until now",
            ),
            (
                "up",
                Some(("unknown", 1, 4)),
                "counts as up; unknown after 4 errors, 1 until now",
            ),
            (
                "unknown",
                Some(("up", 1, 2)),
                "counts as unknown, like a failing weight of -100; up after 2 verdicts, 1 until now",
            ),
            (
                "pending",
                Some(("down", 1, 3)),
                "has no verdict yet; down after 3 verdicts, 1 until now",
            ),
        ] {
            let progress = progress.map(|(towards, count, needed): (&str, _, _)| Progress {
                towards: towards.to_owned(),
                count,
                needed,
            });
            let check = Check {
                standing: standing.to_owned(),
                progress,
                ..Check::default()
            };
            assert_eq!(counts_as(&check), told);
        }
    }
}
