//! From the outcomes of a check's runs to what it counts as, and from that to a priority.

use crate::{
    CheckConfig, CheckStatus, Instant, OnError, OnFail, Outcome, Progress, Report, Standing,
};

/// What an unknown check adds to the priority of an instance, whatever its failure would do; also what a check with
/// [`OnFail::Release`] adds while it is down.
///
/// Large enough to lose the election against a healthy peer at common priorities, and the same
/// on every node, so that a module that is broken everywhere moves nothing.
pub const UNKNOWN_WEIGHT: i16 = -100;

/// A check and the history that decides what it counts as.
#[derive(Debug)]
pub(crate) struct Check {
    config: CheckConfig,
    standing: Standing,
    since: Option<Instant>,
    /// Whether it was ever up or down; until then a single passing verdict suffices.
    settled: bool,
    streak: Streak,
    /// Errors since the last verdict.
    errors_in_a_row: u16,
    weight: i16,
    stale_timer: Option<Instant>,
    last: Option<Outcome>,
    runs: u64,
    errors: u64,
}

/// Equal verdicts in a row. An error is not a verdict and does not interrupt it.
#[derive(Clone, Copy, Debug, Default)]
struct Streak {
    passing: bool,
    length: u16,
}

impl Check {
    pub(crate) fn new(config: CheckConfig) -> Self {
        Self {
            config,
            standing: Standing::Pending,
            since: None,
            settled: false,
            streak: Streak::default(),
            errors_in_a_row: 0,
            weight: 0,
            stale_timer: None,
            last: None,
            runs: 0,
            errors: 0,
        }
    }

    pub(crate) fn config(&self) -> CheckConfig {
        self.config
    }

    /// What is known of the check is judged by another configuration from now on.
    pub(crate) fn reconfigure(&mut self, now: Instant, config: CheckConfig) {
        if self.config != config {
            self.config = config;
            self.stale_timer = self.stale_timer.map(|_| now + config.stale_after);
        }
    }

    /// From now on reports are expected.
    pub(crate) fn startup(&mut self, now: Instant) {
        self.stale_timer
            .get_or_insert(now + self.config.stale_after);
    }

    pub(crate) fn report(&mut self, now: Instant, report: &Report) {
        self.runs += 1;
        self.last = Some(report.outcome);
        self.stale_timer = Some(now + self.config.stale_after);
        match report.outcome {
            Outcome::Passing | Outcome::Warning => self.verdict(now, true, report.weight),
            Outcome::Failing => self.verdict(now, false, report.weight),
            Outcome::Error => self.error(now),
        }
    }

    /// Counts an overdue report as an error. However long the stall was it is one error: the check is not to blame for it.
    pub(crate) fn timeout(&mut self, now: Instant) {
        let Some(due) = self.stale_timer.filter(|due| *due <= now) else {
            return;
        };
        let regular = due + self.config.stale_after;
        self.stale_timer = Some(if regular > now {
            regular
        } else {
            now + self.config.stale_after
        });
        self.error(now);
    }

    /// No longer waits for a first verdict.
    pub(crate) fn give_up(&mut self, now: Instant) {
        if self.standing == Standing::Pending {
            self.stand(now, Standing::Unknown);
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        self.standing
    }

    /// The adjustment that the module reported, as long as the check has a verdict.
    pub(crate) fn weight(&self) -> i16 {
        match self.standing {
            Standing::Up | Standing::Down => self.weight,
            Standing::Pending | Standing::Unknown => 0,
        }
    }

    pub(crate) fn stale_timer(&self) -> Option<Instant> {
        self.stale_timer
    }

    pub(crate) fn status(&self) -> CheckStatus {
        CheckStatus {
            standing: self.standing,
            since: self.since,
            last: self.last,
            runs: self.runs,
            errors: self.errors,
            progress: self.progress(),
        }
    }

    fn progress(&self) -> Option<Progress> {
        let (count, (towards, needed)) = match (self.errors_in_a_row, self.streak.length) {
            (0, 0) => return None,
            (0, verdicts) => (verdicts, self.towards(self.streak.passing)),
            (errors, _) => {
                let needed = self.config.error_hold.saturating_add(1);
                (errors, (Standing::Unknown, needed))
            }
        };
        (towards != self.standing).then_some(Progress {
            towards,
            count,
            needed,
        })
    }

    /// Where verdicts lead, and how many it takes.
    fn towards(&self, passing: bool) -> (Standing, u16) {
        match (passing, self.settled) {
            (true, false) => (Standing::Up, 1),
            (true, true) => (Standing::Up, self.config.rise.get()),
            (false, _) => (Standing::Down, self.config.fall.get()),
        }
    }

    fn verdict(&mut self, now: Instant, passing: bool, weight: Option<i16>) {
        self.weight = weight.unwrap_or(0);
        self.count_verdict(now, passing);
    }

    fn count_verdict(&mut self, now: Instant, passing: bool) {
        self.errors_in_a_row = 0;
        if self.streak.passing != passing {
            self.streak = Streak { passing, length: 0 };
        }
        self.streak.length = self.streak.length.saturating_add(1);
        let (standing, needed) = self.towards(passing);
        if self.streak.length >= needed {
            self.settled = true;
            self.stand(now, standing);
        }
    }

    fn error(&mut self, now: Instant) {
        self.errors += 1;
        match self.config.on_error {
            OnError::Fail => self.count_verdict(now, false),
            OnError::Hold => {
                self.errors_in_a_row = self.errors_in_a_row.saturating_add(1);
                if self.errors_in_a_row > self.config.error_hold {
                    self.streak = Streak::default();
                    self.stand(now, Standing::Unknown);
                }
            }
        }
    }

    fn stand(&mut self, now: Instant, standing: Standing) {
        if self.standing != standing {
            self.standing = standing;
            self.since = Some(now);
        }
    }
}

/// What a tracked check adds to the priority. `reported` is the adjustment of its module.
pub(crate) fn contribution(on_fail: OnFail, standing: Standing, reported: i16) -> i32 {
    let configured = match (standing, on_fail) {
        (Standing::Unknown, _) | (Standing::Down, OnFail::Release) => UNKNOWN_WEIGHT,
        (Standing::Up, OnFail::Weight(weight)) => weight.max(0),
        (Standing::Down, OnFail::Weight(weight)) => weight.min(0),
        (Standing::Pending, _)
        | (Standing::Up, OnFail::Fault | OnFail::Release)
        | (Standing::Down, OnFail::Fault) => 0,
    };
    i32::from(configured) + i32::from(reported)
}

#[cfg(test)]
mod tests;
