//! Threads for what may block for ever: a disk that hangs keeps one of them, and never the supervisor.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};
use tracing::error;

use crate::ipc::{Asker, BrokerError};

/// A thread needs little more than its buffers, which are on the heap.
const STACK_SIZE: usize = 256 * 1024;

/// A bounded number of threads for one purpose, of which no check and no hook can have all.
#[derive(Clone, Debug)]
pub(super) struct Threads {
    purpose: &'static str,
    all: Arc<Semaphore>,
    number: usize,
    each: usize,
    of_asker: Arc<Mutex<HashMap<Asker, Arc<Semaphore>>>>,
}

/// A place among [`Threads`], until it is dropped.
#[derive(Debug)]
struct Place {
    _among_all: OwnedSemaphorePermit,
    _of_asker: OwnedSemaphorePermit,
}

impl Threads {
    /// At most `all` at one time, at most `each` of them for one check or hook.
    pub(super) fn new(purpose: &'static str, all: usize, each: usize) -> Self {
        Self {
            purpose,
            all: Arc::new(Semaphore::new(all)),
            number: all,
            each,
            of_asker: Arc::default(),
        }
    }

    /// The same threads for other checks and hooks, whose numbers mean others.
    pub(super) fn for_others(&self) -> Self {
        Self {
            of_asker: Arc::default(),
            ..self.clone()
        }
    }

    /// Whether none of them is at work, for anybody.
    pub(super) fn is_idle(&self) -> bool {
        self.all.available_permits() == self.number
    }

    /// Has a thread do `work`, which answers through what it is given; it keeps its place for as long as it goes on.
    ///
    /// # Errors
    /// [`BrokerError::Timeout`] when there was no answer, or no place, within `timeout`.
    pub(super) async fn run<T, Work>(
        &self,
        asker: Asker,
        timeout: Duration,
        work: Work,
    ) -> Result<T, BrokerError>
    where
        T: Send + 'static,
        Work: FnOnce(oneshot::Sender<T>) + Send + 'static,
    {
        let deadline = Instant::now() + timeout;
        let Ok(Some(place)) = timeout_at(deadline, self.place(asker)).await else {
            return Err(BrokerError::Timeout);
        };
        let (sender, answer) = oneshot::channel();
        std::thread::Builder::new()
            .name(self.purpose.to_owned())
            .stack_size(STACK_SIZE)
            .spawn(move || {
                work(sender);
                drop(place);
            })
            .map_err(|error| {
                error!(%error, "no thread for {}", self.purpose);
                BrokerError::Io(format!("no thread could be started: {error}"))
            })?;
        match timeout_at(deadline, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(BrokerError::Io("it ended without an answer".to_owned())),
            Err(_) => Err(BrokerError::Timeout),
        }
    }

    /// First among those of the asker, so that whoever waits for itself keeps nobody else waiting.
    async fn place(&self, asker: Asker) -> Option<Place> {
        let of_asker = self
            .of_asker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(asker)
            .or_insert_with(|| Arc::new(Semaphore::new(self.each)))
            .clone();
        Some(Place {
            _of_asker: of_asker.acquire_owned().await.ok()?,
            _among_all: self.all.clone().acquire_owned().await.ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(30);

    fn timed_out<T>(outcome: &Result<T, BrokerError>) -> bool {
        matches!(outcome, Err(BrokerError::Timeout))
    }

    #[tokio::test]
    async fn what_hangs_is_a_timeout_and_keeps_its_place_alone() {
        let threads = Threads::new("test", 2, 1);
        let (release, hang) = std::sync::mpsc::channel::<()>();
        let hanging = threads.run(Asker::Check(0), SHORT, move |answer| {
            let _ = hang.recv();
            let _ = answer.send(());
        });
        assert!(timed_out(&hanging.await));

        let ask = async |asker, timeout| {
            let work = |answer: oneshot::Sender<u8>| answer.send(7).unwrap();
            threads.run(asker, timeout, work).await
        };
        assert!(timed_out(&ask(Asker::Check(0), SHORT).await));
        // A hook of the same number is another asker.
        assert_eq!(ask(Asker::Hook(0), LONG).await.unwrap(), 7);
        drop(release);
        assert_eq!(ask(Asker::Check(0), LONG).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn the_number_of_threads_is_bounded_across_reloads() {
        let threads = Threads::new("test", 1, 1);
        let (release, hang) = std::sync::mpsc::channel::<()>();
        let hanging = threads.run(Asker::Check(0), SHORT, move |_: oneshot::Sender<u8>| {
            let _ = hang.recv();
        });
        assert!(timed_out(&hanging.await));
        let others = threads.for_others();
        let ask = async |timeout| {
            let work = |answer: oneshot::Sender<u8>| answer.send(7).unwrap();
            others.run(Asker::Check(0), timeout, work).await
        };
        assert!(timed_out(&ask(SHORT).await));
        drop(release);
        assert_eq!(ask(LONG).await.unwrap(), 7);
    }
}
