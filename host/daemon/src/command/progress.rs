//! Telling a person that something is still going on: a bar at a terminal, a line now and then elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// What takes less is not worth a word.
const SILENT: Duration = Duration::from_secs(1);
const BAR_STEP: Duration = Duration::from_millis(100);
const LINE_STEP: Duration = Duration::from_secs(5);

/// How many bytes have come, or how much else is done; all clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// What is counted, such as `attempts`; bytes when `None`.
    of: Option<&'static str>,
    done: AtomicU64,
    /// 0 while nobody knows.
    total: AtomicU64,
}

impl Progress {
    /// Counts something else than bytes.
    pub(super) fn of(what: &'static str) -> Self {
        Self(Arc::new(Counts {
            of: Some(what),
            ..Counts::default()
        }))
    }

    /// So many are going to come.
    pub(super) fn begin(&self, total: u64) {
        self.0.done.store(0, Ordering::Relaxed);
        self.0.total.store(total, Ordering::Relaxed);
    }

    /// So many more have come.
    pub(super) fn advance(&self, by: u64) {
        self.0.done.fetch_add(by, Ordering::Relaxed);
    }

    /// `, 4 KiB of 1 MiB`, or `, 4 of 16 attempts`; nothing while the whole is not known.
    pub(super) fn so_far(&self) -> String {
        let (done, total) = self.counts();
        if total == 0 {
            return String::new();
        }
        match self.0.of {
            Some(what) => format!(", {done} of {total} {what}"),
            None => format!(", {} of {}", BinaryBytes(done), BinaryBytes(total)),
        }
    }

    fn counts(&self) -> (u64, u64) {
        let counts = &self.0;
        (
            counts.done.load(Ordering::Relaxed),
            counts.total.load(Ordering::Relaxed),
        )
    }
}

/// Waits for `work` and tells how far it is on stderr, once it has taken a while. It takes at most `timeout`, where it has one.
pub(super) async fn show<T>(
    what: &str,
    progress: &Progress,
    timeout: Option<Duration>,
    work: impl Future<Output = T>,
) -> T {
    let is_terminal = io::stderr().is_terminal();
    let step = if is_terminal { BAR_STEP } else { LINE_STEP };
    let started = Instant::now();
    let mut ticks = interval_at(started + SILENT, step);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut bar = None;
    tokio::pin!(work);
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            _ = ticks.tick() => {
                if is_terminal {
                    draw(bar.get_or_insert_with(|| new_bar(what, progress)), progress);
                } else {
                    let seconds = started.elapsed().as_secs();
                    let limit = timeout.map_or_else(String::new, |limit| {
                        format!(" of at most {}", humantime::format_duration(limit))
                    });
                    // Nothing is left to do when stderr is gone.
                    let _ = writeln!(io::stderr(), "{what}: {seconds}s{limit}{}", progress.so_far());
                }
            }
        }
    };
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    result
}

fn new_bar(what: &str, progress: &Progress) -> ProgressBar {
    let bar = ProgressBar::no_length();
    let template = match progress.0.of {
        Some(_) => "{spinner} {msg} {wide_bar} {pos}/{len} {elapsed}",
        None => "{spinner} {msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {elapsed}",
    };
    // The template is ours; a wrong one would be shown as it is by default.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar
}

fn draw(bar: &ProgressBar, progress: &Progress) {
    let (done, total) = progress.counts();
    if total > 0 {
        bar.set_length(total);
        bar.set_position(done);
    }
    bar.tick();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_come_is_told_once_the_size_is_known() {
        let progress = Progress::default();
        assert_eq!(progress.so_far(), "");
        progress.begin(3 << 20);
        progress.clone().advance(1 << 19);
        progress.advance(1 << 19);
        assert_eq!(progress.so_far(), ", 1.00 MiB of 3.00 MiB");
        let progress = Progress::of("attempts");
        progress.begin(16);
        progress.advance(4);
        assert_eq!(progress.so_far(), ", 4 of 16 attempts");
    }
}
