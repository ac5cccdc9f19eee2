//! Whether the router's loop turns.
//!
//! The router promises its next turn in memory that both processes have (`router/heartbeat.rs`), so the supervisor wakes up only
//! when a promise is over, about as often as the quickest instance advertises every other time.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use vrrp_linux::clock;
use vrrp_linux::heartbeat::Heartbeat;

use super::running::Event;

/// How long a router may take from its start to its first turn: it opens sockets, which waits for the kernel.
const START_MAX: Duration = Duration::from_secs(30);
/// A promise that was for something special, as the start, may have been replaced by a shorter one meanwhile. Those of the loop
/// are no longer than that.
const SLEEP_MAX: Duration = Duration::from_secs(3);
/// Between two looks at a router that has broken its promise.
const LOOK: Duration = Duration::from_millis(25);
/// So many looks in a row have to come on time and find nothing. After a moment in which the whole host stood still the looks
/// are late themselves, and the router gets the time to run first.
const LOOKS: u32 = 5;

/// Watches one router. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Watch {
    heartbeat: Arc<Heartbeat>,
    task: JoinHandle<()>,
}

impl Watch {
    /// With what the router needs for its side. When it is silent, [`Event::RouterSilent`] with `generation` comes, once.
    ///
    /// # Errors
    /// When the kernel has no memory or no file descriptor for it.
    pub(super) fn start(
        generation: u32,
        events: mpsc::Sender<Event>,
    ) -> io::Result<(Self, OwnedFd)> {
        let (heartbeat, theirs) = Heartbeat::new(clock::now() + START_MAX)?;
        let heartbeat = Arc::new(heartbeat);
        let watched = heartbeat.clone();
        let task = tokio::spawn(async move {
            until_silent(&watched).await;
            let _ = events.send(Event::RouterSilent { generation }).await;
        });
        Ok((Self { heartbeat, task }, theirs))
    }

    /// Whether the router keeps its promises at this moment.
    pub(super) fn is_alive(&self) -> bool {
        clock::now() < self.heartbeat.promised()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn until_silent(heartbeat: &Heartbeat) {
    loop {
        let promised = heartbeat.promised();
        let left = promised.saturating_duration_since(clock::now());
        if !left.is_zero() {
            sleep(left.min(SLEEP_MAX)).await;
        } else if is_broken(heartbeat, promised).await {
            return;
        }
    }
}

/// Whether nothing comes after this promise, although this process runs.
async fn is_broken(heartbeat: &Heartbeat, promised: vrrp::Instant) -> bool {
    let mut on_time = 0;
    while on_time < LOOKS {
        let before = clock::now();
        sleep(LOOK).await;
        if heartbeat.promised() != promised {
            return false;
        }
        let took = clock::now().saturating_duration_since(before);
        on_time = if took < LOOK * 2 { on_time + 1 } else { 0 };
    }
    true
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn who_keeps_promising_is_not_silent_and_who_stops_is() {
        const BOUND: Duration = Duration::from_millis(50);
        const BEATS: u32 = 20;
        let (events, mut silent) = mpsc::channel(1);
        let (watch, file) = Watch::start(7, events).unwrap();
        assert!(watch.is_alive());
        let router = Heartbeat::open(file).unwrap();
        let began = Instant::now();
        for _ in 0..BEATS {
            router.promise(clock::now() + BOUND);
            sleep(BOUND / 2).await;
        }
        let event = silent.recv().await;
        assert!(matches!(event, Some(Event::RouterSilent { generation: 7 })));
        assert!(!watch.is_alive());
        let last = began.elapsed();
        assert!(last >= BOUND / 2 * (BEATS + 1) + LOOK * LOOKS, "{last:?}");
    }

    /// The thread of the supervisor and the router stand still together, as on a host that was frozen.
    #[tokio::test]
    async fn a_router_that_stood_still_with_the_supervisor_has_time_to_run() {
        let (events, mut silent) = mpsc::channel(1);
        let (_watch, file) = Watch::start(7, events).unwrap();
        let router = Heartbeat::open(file).unwrap();
        let bound = Duration::from_millis(50);
        for _ in 0..3 {
            router.promise(clock::now() + bound);
            // The watching task has begun to wait for the end of the promise.
            sleep(bound / 2).await;
            std::thread::sleep(Duration::from_millis(500));
            // It finds the promise broken, and its own look late.
            sleep(LOOK * (LOOKS - 2)).await;
        }
        assert!(silent.try_recv().is_err());
    }
}
