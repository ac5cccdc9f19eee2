//! Events from a thread to its owner, who waits for them on a descriptor.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

/// The two ends, for the thread and for its owner.
///
/// # Errors
///
/// When the system has no descriptor left.
pub(crate) fn channel<E>() -> io::Result<(Outbox<E>, Inbox<E>)> {
    let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let (sender, events) = mpsc::channel();
    let outbox = Outbox {
        events: Some(sender),
        wake: Arc::clone(&wake),
    };
    let inbox = Inbox {
        events,
        wake,
        end_was_told: Cell::new(false),
    };
    Ok((outbox, inbox))
}

/// The thread's end.
pub(crate) struct Outbox<E> {
    /// `None` only while it is dropped.
    events: Option<mpsc::Sender<E>>,
    wake: Arc<OwnedFd>,
}

impl<E> Outbox<E> {
    /// Never waits.
    pub(crate) fn send(&self, event: E) {
        if let Some(events) = &self.events {
            // The owner may be gone; the thread notices that where it waits.
            let _ = events.send(event);
        }
        self.wake();
    }

    fn wake(&self) {
        // Fails only when the counter is full, and then the descriptor is readable already.
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
    }
}

/// However the thread ends, its owner wakes up and finds the queue closed.
impl<E> Drop for Outbox<E> {
    fn drop(&mut self) {
        drop(self.events.take());
        self.wake();
    }
}

/// The owner's end.
#[derive(Debug)]
pub(crate) struct Inbox<E> {
    events: mpsc::Receiver<E>,
    wake: Arc<OwnedFd>,
    end_was_told: Cell<bool>,
}

impl<E> Inbox<E> {
    /// The next event, or `None` when there is none now. What `ended` makes comes once when the thread is gone, after all that it sent.
    pub(crate) fn try_recv(&self, ended: impl FnOnce() -> E) -> Option<E> {
        let received = match self.events.try_recv() {
            Err(TryRecvError::Empty) => {
                // An event sent before this point is found below, one sent later makes the descriptor readable again.
                let mut count = [0; 8];
                let _ = rustix::io::read(&*self.wake, &mut count);
                self.events.try_recv()
            }
            received => received,
        };
        match received {
            Ok(event) => Some(event),
            Err(TryRecvError::Disconnected) => (!self.end_was_told.replace(true)).then(ended),
            Err(TryRecvError::Empty) => None,
        }
    }

    /// Waits `limit` at most until the thread has ended, and tells whether it has.
    pub(crate) fn wait_for_end(self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(rest) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }
}

/// Readable when events wait, and when the thread has ended.
impl<E> AsFd for Inbox<E> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "this is a test")]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn is_readable(inbox: &Inbox<u8>) -> bool {
        let mut descriptors = [PollFd::new(inbox, PollFlags::IN)];
        poll(&mut descriptors, Some(&Timespec::default())).unwrap() == 1
    }

    #[test]
    fn the_owner_wakes_up_for_an_event() {
        let (outbox, inbox) = channel().unwrap();
        assert!(!is_readable(&inbox));
        outbox.send(1);
        assert!(is_readable(&inbox));
        assert_eq!(inbox.try_recv(|| 0), Some(1));
        assert_eq!(inbox.try_recv(|| 0), None);
        assert!(!is_readable(&inbox));
    }

    #[test]
    fn the_owner_of_a_thread_that_panics_wakes_up_and_is_told_once() {
        let (outbox, inbox) = channel().unwrap();
        let thread = std::thread::spawn(move || {
            outbox.send(1);
            // Not a panic!, which would print into the tests' output.
            std::panic::resume_unwind(Box::new(()));
        });
        drop(thread.join());
        assert!(is_readable(&inbox));
        assert_eq!(inbox.try_recv(|| 0), Some(1));
        assert_eq!(inbox.try_recv(|| 0), Some(0));
        assert_eq!(inbox.try_recv(|| 0), None);
        assert!(inbox.wait_for_end(Duration::ZERO));
    }
}
