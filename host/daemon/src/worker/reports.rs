//! Reports on their way to the supervisor. One that says nothing new waits a little for others, because a message wakes two
//! more processes and costs more than many a run.

use std::cell::RefCell;
use std::num::NonZeroU16;
use std::rc::Rc;

use tokio::sync::mpsc;
use tokio::time::sleep;
use vrrp::Outcome;

use crate::ipc::{FromWorker, REPEAT_WAITS, WorkerReport};

/// Reports in one message at most.
const REPORTS_MAX: usize = 64;
/// Texts in a message of several reports at most, bytes; there is room for them.
const TEXTS_MAX: usize = 32 * 1024;

/// Where all checks report.
#[derive(Debug)]
pub(super) struct Reports {
    outgoing: mpsc::UnboundedSender<FromWorker>,
    waiting: RefCell<Waiting>,
}

/// What waits, in the order of the runs.
#[derive(Debug, Default)]
struct Waiting {
    reports: Vec<WorkerReport>,
    texts: usize,
    /// A task is there that will send it in time.
    is_timed: bool,
}

/// What a check has said last, and how often.
#[derive(Debug)]
pub(super) struct Repeats {
    /// Passing runs in a row that the core wants before it believes them.
    rise: NonZeroU16,
    weight: Option<i16>,
    passing: u16,
}

impl Repeats {
    pub(super) fn new(rise: NonZeroU16) -> Self {
        Self {
            rise,
            weight: None,
            passing: 0,
        }
    }

    /// Takes in a report; whether all that it says is that the check passes, still.
    fn is_one(&mut self, report: &WorkerReport) -> bool {
        if report.outcome != Outcome::Passing {
            self.passing = 0;
            return false;
        }
        let before = self.passing;
        self.passing = before.saturating_add(1);
        std::mem::replace(&mut self.weight, report.weight) == report.weight
            && before >= self.rise.get()
    }
}

impl Reports {
    pub(super) fn new(outgoing: mpsc::UnboundedSender<FromWorker>) -> Rc<Self> {
        Rc::new(Self {
            outgoing,
            waiting: RefCell::default(),
        })
    }

    /// Sends a report, at once when it is `urgent` or says something new, and after those that wait. False when nobody is
    /// there to hear it.
    pub(super) fn send(
        self: &Rc<Self>,
        report: WorkerReport,
        repeats: &mut Repeats,
        urgent: bool,
    ) -> bool {
        let may_wait = repeats.is_one(&report) && !urgent;
        let texts = texts(&report);
        if self.waiting.borrow().texts + texts > TEXTS_MAX && !self.flush() {
            return false;
        }
        let mut waiting = self.waiting.borrow_mut();
        waiting.texts += texts;
        waiting.reports.push(report);
        if !may_wait || waiting.reports.len() == REPORTS_MAX {
            drop(waiting);
            return self.flush();
        }
        if !std::mem::replace(&mut waiting.is_timed, true) {
            let reports = self.clone();
            tokio::task::spawn_local(async move {
                sleep(REPEAT_WAITS).await;
                reports.waiting.borrow_mut().is_timed = false;
                // Without a receiver the worker itself is ending.
                reports.flush();
            });
        }
        true
    }

    fn flush(&self) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        waiting.texts = 0;
        let reports = std::mem::take(&mut waiting.reports);
        reports.is_empty() || self.outgoing.send(FromWorker::Reports(reports)).is_ok()
    }
}

fn texts(report: &WorkerReport) -> usize {
    let facts = report.facts.iter();
    let facts: usize = facts.map(|(name, value)| name.len() + value.len()).sum();
    report.summary.len() + facts
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn what_is_new_is_sent_at_once_and_a_repetition_waits() {
        in_worker(async |reports, receiver| {
            let mut repeats = Repeats::new(NonZeroU16::MIN);
            let steps = [
                (Outcome::Passing, None, 1),
                (Outcome::Passing, None, 0),
                (Outcome::Passing, None, 0),
                // With the two that wait.
                (Outcome::Passing, Some(-5), 3),
                (Outcome::Passing, Some(-5), 0),
                (Outcome::Warning, Some(-5), 2),
                (Outcome::Warning, Some(-5), 1),
                (Outcome::Passing, Some(-5), 1),
                (Outcome::Passing, Some(-5), 0),
                (Outcome::Error, None, 2),
                (Outcome::Failing, None, 1),
                (Outcome::Failing, None, 1),
            ];
            for (step, (outcome, weight, sent)) in steps.into_iter().enumerate() {
                let report = WorkerReport {
                    weight,
                    ..report(outcome)
                };
                assert!(reports.send(report, &mut repeats, false));
                assert_eq!(received(receiver), sent, "step {step}");
            }
        })
        .await;
    }

    #[tokio::test]
    async fn as_many_passes_as_the_core_counts_are_sent_at_once() {
        in_worker(async |reports, receiver| {
            let mut repeats = Repeats::new(NonZeroU16::new(3).unwrap());
            let sent: Vec<_> = [
                Outcome::Passing,
                Outcome::Passing,
                Outcome::Passing,
                Outcome::Passing,
                Outcome::Failing,
                Outcome::Passing,
                Outcome::Passing,
                Outcome::Passing,
                Outcome::Passing,
            ]
            .into_iter()
            .map(|outcome| {
                reports.send(report(outcome), &mut repeats, false);
                received(receiver)
            })
            .collect();
            assert_eq!(sent, [1, 1, 1, 0, 2, 1, 1, 1, 0]);
        })
        .await;
    }

    #[tokio::test]
    async fn a_repetition_that_somebody_waits_for_is_sent_at_once() {
        in_worker(async |reports, receiver| {
            let mut repeats = Repeats::new(NonZeroU16::MIN);
            for urgent in [false, true] {
                reports.send(report(Outcome::Passing), &mut repeats, urgent);
                assert_eq!(received(receiver), 1);
            }
        })
        .await;
    }

    #[tokio::test]
    async fn what_waits_is_sent_in_time_also_the_second_time() {
        in_worker(async |reports, receiver| {
            let mut repeats = Repeats::new(NonZeroU16::MIN);
            reports.send(report(Outcome::Passing), &mut repeats, false);
            assert_eq!(received(receiver), 1);
            for _ in 0..2 {
                let start = Instant::now();
                reports.send(report(Outcome::Passing), &mut repeats, false);
                reports.send(report(Outcome::Passing), &mut repeats, false);
                let Some(FromWorker::Reports(sent)) = receiver.recv().await else {
                    panic!("nothing was sent");
                };
                assert_eq!(sent.len(), 2);
                assert!(start.elapsed() >= REPEAT_WAITS);
            }
        })
        .await;
    }

    #[tokio::test]
    async fn no_message_grows_beyond_its_room() {
        in_worker(async |reports, receiver| {
            let mut repeats = Repeats::new(NonZeroU16::MIN);
            reports.send(report(Outcome::Passing), &mut repeats, false);
            assert_eq!(received(receiver), 1);
            for _ in 1..REPORTS_MAX {
                reports.send(report(Outcome::Passing), &mut repeats, false);
                assert_eq!(received(receiver), 0);
            }
            reports.send(report(Outcome::Passing), &mut repeats, false);
            assert_eq!(received(receiver), REPORTS_MAX);

            let long = WorkerReport {
                summary: "x".repeat(TEXTS_MAX / 4),
                facts: vec![("y".repeat(TEXTS_MAX / 8), "z".repeat(TEXTS_MAX / 8))],
                ..report(Outcome::Passing)
            };
            let sent = [(); 4].map(|()| {
                reports.send(long.clone(), &mut repeats, false);
                received(receiver)
            });
            assert_eq!(sent, [0, 0, 2, 0]);
        })
        .await;
    }

    #[tokio::test]
    async fn without_a_supervisor_there_is_nobody_to_tell() {
        let (outgoing, receiver) = mpsc::unbounded_channel();
        drop(receiver);
        let reports = Reports::new(outgoing);
        let mut repeats = Repeats::new(NonZeroU16::MIN);
        assert!(!reports.send(report(Outcome::Passing), &mut repeats, false));
    }

    async fn in_worker(
        test: impl AsyncFnOnce(Rc<Reports>, &mut mpsc::UnboundedReceiver<FromWorker>),
    ) {
        let (outgoing, mut receiver) = mpsc::unbounded_channel();
        let tasks = tokio::task::LocalSet::new();
        tasks
            .run_until(test(Reports::new(outgoing), &mut receiver))
            .await;
    }

    /// How many reports have been sent.
    fn received(receiver: &mut mpsc::UnboundedReceiver<FromWorker>) -> usize {
        std::iter::from_fn(|| receiver.try_recv().ok())
            .map(|message| {
                let FromWorker::Reports(reports) = message else {
                    panic!("{message:?}");
                };
                reports.len()
            })
            .sum()
    }

    fn report(outcome: Outcome) -> WorkerReport {
        WorkerReport {
            check: 0,
            outcome,
            weight: None,
            summary: String::new(),
            facts: Vec::new(),
            wall: Duration::from_micros(30),
            cpu: Duration::from_micros(30),
            denied: 0,
            asked: 0,
        }
    }
}
