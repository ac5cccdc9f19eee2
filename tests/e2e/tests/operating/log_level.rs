//! `vrrp-host log-level`.

use e2e::daemon::{LIMIT, kill};
use e2e::stage::INSTANCE;
use lab::scenario::State;
use lab::{Signal, wait_until};

use super::{Pair, said};

#[test]
fn the_level_is_changed_in_every_process_until_the_next_start() {
    let mut pair = Pair::new();
    assert_eq!(pair.first.status().unwrap()["log-level"], "info");
    assert!(!pair.first.to_string().contains("TRACE"), "{}", pair.first);
    let said_so = said(&pair.first.ask(&["log-level", "trace"]), 0);
    assert!(
        said_so.contains("until vrrp-host is restarted"),
        "{said_so}"
    );
    assert_eq!(pair.first.status().unwrap()["log-level"], "trace");
    // The router has a line for each packet.
    pair.first.process.wait_for_log(LIMIT, "TRACE").unwrap();

    // A new one starts with it.
    let before = pair.first.pids();
    kill(before.router.unwrap(), Signal::KILL);
    pair.first.wait_for_pids("another router", |pids| {
        pids.router.is_some_and(|pid| Some(pid) != before.router)
    });
    let traces = |log: &str| log.matches("TRACE").count();
    let until_now = traces(&pair.first.process.log());
    wait_until(LIMIT, "more lines for packets", || {
        match traces(&pair.first.process.log()) {
            now if now > until_now => Ok(()),
            now => Err(format!("{now} of them")),
        }
    })
    .unwrap();

    pair.first.process.signal(Signal::TERM).unwrap();
    pair.first.process.wait(LIMIT).unwrap();
    pair.first.start_again(&pair.stage.first);
    pair.first.wait_for_state(INSTANCE, State::Master);
    assert_eq!(pair.first.status().unwrap()["log-level"], "info");

    let refused = said(&pair.first.ask(&["log-level", "loud"]), 64);
    assert!(refused.contains("debug"), "{refused}");
}
