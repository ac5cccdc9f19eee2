//! The service manager's end of a daemon's notifications (sd_notify(3)).

use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::daemon::LIMIT;
use crate::path::utf8;

/// Listens to what a daemon tells.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    /// Listens at a socket of its own.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn listen() -> Self {
        let folder = TempDir::with_prefix("manager-").expect("a temporary folder can be made");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("the folder is empty");
        Self { socket, folder }
    }

    /// What `env` has to set for a daemon that is to tell: `NOTIFY_SOCKET=...`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("NOTIFY_SOCKET={}", utf8(&self.folder.path().join("notify")))
    }

    /// The next message, if one comes within `limit`.
    ///
    /// # Panics
    ///
    /// When the socket fails.
    #[must_use]
    pub fn next(&self, limit: Duration) -> Option<String> {
        let mut buffer = [0; 4096];
        self.socket
            .set_read_timeout(Some(limit))
            .expect("a limit is more than nothing");
        match self.socket.recv(&mut buffer) {
            Ok(length) => Some(
                String::from_utf8_lossy(&buffer[..length])
                    .trim_end()
                    .to_owned(),
            ),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The next message that is not for the watchdog.
    ///
    /// # Panics
    ///
    /// When none comes within [`LIMIT`].
    #[must_use]
    pub fn next_but_food(&self) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self
                .next(left.max(Duration::from_millis(1)))
                .expect("a message");
            if message != "WATCHDOG=1" {
                return message;
            }
        }
    }

    /// The watchdog is fed within `limit`.
    ///
    /// # Panics
    ///
    /// When it is not.
    pub fn wait_for_food(&self, limit: Duration) {
        assert_eq!(self.next(limit).as_deref(), Some("WATCHDOG=1"));
    }

    /// Forgets what has been told.
    pub fn drain(&self) {
        while self.next(Duration::from_millis(10)).is_some() {}
    }
}
