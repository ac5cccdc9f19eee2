//! What the service manager is told, seen from its end of the socket.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it sees, and fails by unwrapping"
)]

use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use e2e::daemon::{Daemon, LIMIT, kill, state_dir};
use e2e::stage::{INSTANCE, Stage, cluster};
use lab::Signal;
use lab::scenario::State;

/// What `WatchdogSec=` would say.
const WATCHDOG: Duration = Duration::from_secs(2);
const PRIORITIES: &str = "priority = { first = 200, second = 100 }";

#[test]
fn the_watchdog_is_fed_while_both_loops_turn_and_reloads_are_told() {
    let stage = Stage::new().unwrap();
    let manager = Manager::listen();
    let under = [
        "env".to_owned(),
        format!("NOTIFY_SOCKET={}", manager.path()),
        format!("WATCHDOG_USEC={}", WATCHDOG.as_micros()),
    ];
    let under: Vec<_> = under.iter().map(String::as_str).collect();
    let file = cluster(PRIORITIES);
    let daemon = Daemon::start_under(&under, &stage.first, "first", &file, &state_dir());
    assert_eq!(manager.next_but_food(), "READY=1");
    daemon.wait_for_state(INSTANCE, State::Master);
    for _ in 0..4 {
        manager.wait_for_food(WATCHDOG / 2);
    }

    assert!(daemon.ask(&["reload"]).status.success(), "{daemon}");
    let reloading = manager.next_but_food();
    println!("{reloading:?}");
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    let since: u128 = since.unwrap().trim_end().parse().unwrap();
    assert!(since > 0);
    assert_eq!(manager.next_but_food(), "READY=1");
    // One that changes nothing ends as well.
    daemon.rewrite("nonsense");
    assert!(!daemon.ask(&["reload"]).status.success(), "{daemon}");
    assert!(manager.next_but_food().starts_with("RELOADING=1"));
    assert_eq!(manager.next_but_food(), "READY=1");
    daemon.rewrite(&file);

    // A router that is killed is there again before anybody worries.
    let before = daemon.pids();
    kill(before.router.unwrap(), Signal::KILL);
    for _ in 0..4 {
        manager.wait_for_food(WATCHDOG);
    }
    // A supervisor that is stuck tells nothing.
    kill(before.supervisor, Signal::STOP);
    manager.drain();
    assert_eq!(manager.next(WATCHDOG), None);
    kill(before.supervisor, Signal::CONT);
    manager.wait_for_food(WATCHDOG);
}

/// The manager's end.
struct Manager {
    socket: UnixDatagram,
    folder: tempfile::TempDir,
}

impl Manager {
    fn listen() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        Self { socket, folder }
    }

    fn path(&self) -> String {
        let path = self.folder.path().join("notify");
        path.to_str().unwrap().to_owned()
    }

    /// The next message, if one comes within `limit`.
    fn next(&self, limit: Duration) -> Option<String> {
        let mut buffer = [0; 4096];
        self.socket.set_read_timeout(Some(limit)).unwrap();
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
    fn next_but_food(&self) -> String {
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
    fn wait_for_food(&self, limit: Duration) {
        assert_eq!(self.next(limit).as_deref(), Some("WATCHDOG=1"));
    }

    /// Forgets what has been told.
    fn drain(&self) {
        while self.next(Duration::from_millis(10)).is_some() {}
    }
}
