//! What the machine itself was late by, so that it is not held against the program under test.
//!
//! A virtual processor that its host takes away, or a kernel that cannot be interrupted, delays a real-time thread by
//! milliseconds, whatever the thread does. A metronome has such a thread on each processor, at the router's own priority, and
//! notes when it was woken late.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};

use crate::wire::{Sent, elapsed};

const BEAT: Duration = Duration::from_millis(1);
/// A beat that is late by less is not noted.
const NOTED: Duration = Duration::from_micros(200);
/// The router's real-time priority.
const PRIORITY: &str = "20";

/// A running metronome. It takes about 1 % of each processor.
#[derive(Debug)]
pub struct Metronome {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Stall>>>,
}

/// From when to when a processor did not run a thread that was to run.
#[derive(Debug, Clone, Copy)]
struct Stall {
    from: SystemTime,
    to: SystemTime,
}

/// When the machine was late.
#[derive(Debug)]
pub struct Stalls {
    stalls: Vec<Stall>,
}

/// How punctual advertisements were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Punctuality {
    /// The longest time between an advertisement and the next one.
    pub longest_gap: Duration,
    /// By how much at most an advertisement was later than due, without the time that the machine was late then.
    pub late: Duration,
}

impl Metronome {
    /// Starts to beat on each processor.
    ///
    /// # Panics
    ///
    /// When a thread cannot be made a real-time one.
    #[must_use]
    pub fn start() -> Self {
        let processors =
            sched_getaffinity(None).expect("the kernel tells which processors we have");
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..CpuSet::MAX_CPU)
            .filter(|&processor| processors.is_set(processor))
            .map(|processor| {
                let stop = Arc::clone(&stop);
                thread::spawn(move || beat(processor, &stop))
            })
            .collect();
        Self { stop, threads }
    }

    /// Stops it.
    ///
    /// # Panics
    ///
    /// When one of its threads could not start.
    #[must_use]
    pub fn stop(self) -> Stalls {
        self.stop.store(true, Ordering::Relaxed);
        let stalls = self
            .threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("a metronome beats"))
            .collect();
        Stalls { stalls }
    }
}

impl Stalls {
    /// How punctual advertisements were that are due every `interval`.
    ///
    /// # Panics
    ///
    /// When there are fewer than two.
    #[must_use]
    pub fn punctuality(&self, sent: &[Sent], interval: Duration) -> Punctuality {
        assert!(sent.len() >= 2, "a gap is between two advertisements");
        let gaps = sent.windows(2).map(|pair| (pair[0].at, pair[1].at));
        let late = |(from, to): (SystemTime, SystemTime)| self.late(from + interval, to);
        Punctuality {
            longest_gap: gaps
                .clone()
                .map(|(from, to)| elapsed(from, to))
                .max()
                .unwrap_or_default(),
            late: gaps.map(late).max().unwrap_or_default(),
        }
    }

    /// By how much what was due at `due` and came at `at` was late, without the time that the machine was late then.
    #[must_use]
    pub fn late(&self, due: SystemTime, at: SystemTime) -> Duration {
        elapsed(due, at).saturating_sub(self.within(due, at))
    }

    /// For how long the machine was late between two moments. Processors that are late one after the other add up: a thread
    /// may have been on each of them.
    fn within(&self, from: SystemTime, to: SystemTime) -> Duration {
        let mut stalls: Vec<_> = self
            .stalls
            .iter()
            .map(|stall| (stall.from.max(from), stall.to.min(to)))
            .filter(|(from, to)| from < to)
            .collect();
        stalls.sort();
        let mut counted = from;
        let mut total = Duration::ZERO;
        for (from, to) in stalls {
            total += elapsed(from.max(counted), to);
            counted = counted.max(to);
        }
        total
    }
}

fn beat(processor: usize, stop: &AtomicBool) -> Vec<Stall> {
    let mut only = CpuSet::new();
    only.set(processor);
    sched_setaffinity(None, &only).expect("a thread may stay on one of its processors");
    let thread = gettid().as_raw_pid().to_string();
    let changed = Command::new("chrt")
        .args(["--rr", "--pid", PRIORITY, &thread])
        .status()
        .expect("util-linux is installed");
    assert!(changed.success(), "chrt ended with {changed}");

    let mut stalls = Vec::new();
    let mut due = Instant::now() + BEAT;
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let late = due.elapsed();
        if late >= NOTED {
            let to = SystemTime::now();
            stalls.push(Stall {
                from: to - late,
                to,
            });
        }
        due = Instant::now() + BEAT;
    }
    stalls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
    }

    fn stalls(stalls: &[(u64, u64)]) -> Stalls {
        let stalls = stalls
            .iter()
            .map(|&(from, to)| Stall {
                from: at(from),
                to: at(to),
            })
            .collect();
        Stalls { stalls }
    }

    #[test]
    fn only_what_the_machine_was_late_by_after_the_due_time_counts() {
        let sent = [0, 100, 220, 320].map(|milliseconds| Sent {
            at: at(milliseconds),
            priority: 100,
        });
        let interval = Duration::from_millis(100);
        for (seen, late) in [
            (&[][..], 20),
            (&[(150, 200)], 20),
            (&[(190, 205)], 15),
            (&[(205, 210), (200, 207), (212, 214)], 8),
            (&[(190, 230)], 0),
        ] {
            let punctuality = stalls(seen).punctuality(&sent, interval);
            assert_eq!(punctuality.late, Duration::from_millis(late), "{seen:?}");
            assert_eq!(punctuality.longest_gap, Duration::from_millis(120));
        }
    }
}
