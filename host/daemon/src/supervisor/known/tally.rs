//! What is counted beside the status: for metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use vrrp::{Outcome, State};

use crate::histogram::{Bounds, Histogram};
use crate::ipc::{Cause, WorkerReport};

/// Upper bounds of the time of a run, in microseconds: from a look at the process table to a service that hardly answers.
pub(crate) const RUN_BOUNDS_US: Bounds = [
    50, 100, 500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000,
];

/// Transitions of an instance, by the state entered and the cause. There are few of either.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transitions(BTreeMap<(&'static str, Cause), u64>);

impl Transitions {
    pub(in crate::supervisor) fn note(&mut self, after: State, cause: Cause) {
        *self.0.entry((state_word(after), cause)).or_default() += 1;
    }

    /// State entered, cause, how often.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, Cause, u64)> {
        let counts = self.0.iter();
        counts.map(|((state, cause), count)| (*state, *cause, *count))
    }
}

/// The runs of a check.
#[derive(Clone, Debug, Default)]
pub(crate) struct CheckTally {
    pub(crate) passing: u64,
    pub(crate) warning: u64,
    pub(crate) failing: u64,
    pub(crate) error: u64,
    /// Wall time, with [`RUN_BOUNDS_US`].
    pub(crate) wall: Histogram,
    /// Processor time of all runs.
    pub(crate) cpu: Duration,
    /// Calls that no grant allowed.
    pub(crate) denied: u64,
}

impl CheckTally {
    pub(in crate::supervisor) fn note(&mut self, report: &WorkerReport) {
        let count = match report.outcome {
            Outcome::Passing => &mut self.passing,
            Outcome::Warning => &mut self.warning,
            Outcome::Failing => &mut self.failing,
            Outcome::Error => &mut self.error,
        };
        *count += 1;
        // A dead worker's checks report runs that never were.
        if !report.wall.is_zero() {
            self.wall.note(&RUN_BOUNDS_US, report.wall);
        }
        self.cpu += report.cpu;
        self.denied += u64::from(report.denied);
    }

    /// All of them.
    pub(super) fn runs(&self) -> u64 {
        self.passing + self.warning + self.failing + self.error
    }
}

/// The calls of a hook.
#[derive(Clone, Debug, Default)]
pub(crate) struct HookTally {
    /// Calls that ended well.
    pub(crate) done: u64,
    /// Calls that failed and are made again.
    pub(crate) retried: u64,
    /// Calls that failed for good.
    pub(crate) failed: u64,
    /// Calls dropped because a newer transition made them pointless.
    pub(crate) superseded: u64,
    /// Calls to the host that no grant allowed.
    pub(crate) denied: u64,
}

/// How a call of a hook ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::supervisor) enum CallEnd<'a> {
    Done,
    Retried(&'a str),
    Failed(&'a str),
}

impl HookTally {
    pub(in crate::supervisor) fn note(&mut self, end: CallEnd<'_>) {
        match end {
            CallEnd::Done => self.done += 1,
            CallEnd::Retried(_) => self.retried += 1,
            CallEnd::Failed(_) => self.failed += 1,
        }
    }

    /// Calls that failed, whether they are made again or not.
    pub(super) fn errors(&self) -> u64 {
        self.retried + self.failed
    }

    /// Calls that ended.
    pub(super) fn runs(&self) -> u64 {
        self.done + self.errors()
    }
}

/// Everything that is counted, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tallies {
    pub(crate) instances: BTreeMap<String, Transitions>,
    pub(crate) checks: BTreeMap<String, CheckTally>,
    pub(crate) hooks: BTreeMap<String, HookTally>,
    /// By how much the router's timers were late, with [`BOUNDS_US`](crate::lateness::BOUNDS_US).
    pub(crate) lateness: Histogram,
}

/// The word for a state in metrics and in the status.
pub(in crate::supervisor) fn state_word(state: State) -> &'static str {
    match state {
        State::Initialize => "INIT",
        State::Fault => "FAULT",
        State::Backup => "BACKUP",
        State::Active => "MASTER",
    }
}
