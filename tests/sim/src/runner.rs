//! Many seeds, on all cores.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};
use std::thread;
use std::time::Duration;

use crate::marks::Marks;
use crate::rig::Rig;
use crate::run::simulate;
use crate::world::Violation;

/// The lowest seed that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed={seed}\n{what}\nreplay with: cargo xtask sim --seed {seed}")]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The broken promise, or the words of a panic.
    pub what: String,
}

/// How far a set of runs is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Runs done.
    pub done: u64,
    /// Runs in all.
    pub of: u64,
}

/// Runs the seeds `from..from + count`, and sums up what happened. `tell` is called about once a second.
///
/// # Errors
/// The lowest seed that broke a promise or panicked; higher ones are then no longer begun.
pub fn run_seeds(
    from: u64,
    count: u64,
    threads: usize,
    mut tell: impl FnMut(Progress),
) -> Result<Marks, Failure> {
    let next = AtomicU64::new(0);
    let done = AtomicU64::new(0);
    let failure: Mutex<Option<Failure>> = Mutex::new(None);
    let sum = Mutex::new(Marks::default());
    thread::scope(|scope| {
        let work = || {
            let mut marks = Marks::default();
            while let Some(seed) = take(&next, from, count, &failure) {
                match catch(|| simulate(seed, Rig::Sound)) {
                    Ok(seen) => marks.add(&seen),
                    Err(what) => keep_lowest(&failure, Failure { seed, what }),
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
            lock(&sum).add(&marks);
        };
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
            // Ends early when the last one is done, so that a short set of runs is not a second long.
            for _ in 0..50 {
                thread::sleep(Duration::from_millis(20));
                if workers.iter().all(thread::ScopedJoinHandle::is_finished) {
                    break;
                }
            }
            let done = done.load(Ordering::Relaxed);
            tell(Progress { done, of: count });
        }
    });
    match lock(&failure).take() {
        Some(failure) => Err(failure),
        None => Ok(lock(&sum).clone()),
    }
}

fn take(next: &AtomicU64, from: u64, count: u64, failure: &Mutex<Option<Failure>>) -> Option<u64> {
    let seed = next.fetch_add(1, Ordering::Relaxed);
    (seed < count && lock(failure).is_none()).then(|| from.wrapping_add(seed))
}

fn keep_lowest(known: &Mutex<Option<Failure>>, failure: Failure) {
    let mut known = lock(known);
    if known.as_ref().is_none_or(|known| failure.seed < known.seed) {
        *known = Some(failure);
    }
}

/// A panic while it is locked is a panic of ours, and ends everything anyhow.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

thread_local! {
    /// What the last panic of this thread said, and where; `None` while panics are printed as usual.
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs something that may break a promise or panic. A panic is not printed: the first thing printed is to be the seed.
pub(crate) fn catch<T>(run: impl FnOnce() -> Result<T, Violation>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_ours = CAUGHT.with_borrow_mut(|caught| {
                caught
                    .as_mut()
                    .map(|words| *words = info.to_string())
                    .is_some()
            });
            if !is_ours {
                print(info);
            }
        }));
    });
    CAUGHT.set(Some(String::new()));
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    let words = CAUGHT.take().unwrap_or_default();
    match result {
        Ok(result) => result.map_err(|violation| violation.to_string()),
        Err(_) => Err(words),
    }
}
