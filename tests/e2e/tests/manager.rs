//! What the service manager is told, seen from its end of the socket.

#![expect(clippy::print_stdout, reason = "a test prints what it sees")]

use std::time::Duration;

use e2e::daemon::{Daemon, kill, state_dir};
use e2e::manager::Manager;
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
        manager.variable(),
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
