//! CPU time of a call. The epoch only says that wall time passed, also while the module waited for the host
//! or the thread was not scheduled, so it serves as the moment to look, and the thread's CPU clock as the measure.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time that the polls of one future took. A poll never moves between threads, so its thread's clock is right.
#[derive(Debug, Default)]
pub(crate) struct CpuMeter {
    spent_ns: AtomicU64,
    poll_started_ns: AtomicU64,
}

impl CpuMeter {
    /// Time spent in finished polls.
    pub(crate) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent_ns.load(Ordering::Relaxed))
    }

    /// Time spent so far; only from within a poll.
    pub(crate) fn spent_within_poll(&self) -> Duration {
        let poll = thread_cpu_ns().saturating_sub(self.poll_started_ns.load(Ordering::Relaxed));
        self.spent() + Duration::from_nanos(poll)
    }
}

/// Runs `future` and books its CPU time on `meter`.
pub(crate) struct Metered<F> {
    meter: Arc<CpuMeter>,
    future: Pin<Box<F>>,
}

impl<F> Metered<F> {
    pub(crate) fn new(meter: Arc<CpuMeter>, future: F) -> Self {
        Self {
            meter,
            future: Box::pin(future),
        }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let started = thread_cpu_ns();
        self.meter.poll_started_ns.store(started, Ordering::Relaxed);
        let poll = self.future.as_mut().poll(cx);
        self.meter
            .spent_ns
            .fetch_add(thread_cpu_ns().saturating_sub(started), Ordering::Relaxed);
        poll
    }
}

fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_counts_and_sleep_does_not() {
        let meter = Arc::new(CpuMeter::default());
        Metered::new(
            meter.clone(),
            tokio::time::sleep(Duration::from_millis(100)),
        )
        .await;
        let asleep = meter.spent();
        assert!(asleep < Duration::from_millis(50), "{asleep:?}");

        let inside = meter.clone();
        let busy =
            async move { while inside.spent_within_poll() < asleep + Duration::from_millis(20) {} };
        Metered::new(meter.clone(), busy).await;
        assert!(meter.spent() >= asleep + Duration::from_millis(20));
    }
}
