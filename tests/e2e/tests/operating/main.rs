//! What whoever runs it does with a running daemon: looks at it, follows it, asks it why, takes it out and puts it back.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it sees, and fails by unwrapping"
)]

mod access;
mod checks;
mod drains;
mod events;
mod explain;
mod guide;
mod log_level;
mod schema;
mod watch;

use std::process::Output;

use e2e::checked::Checked;
use e2e::daemon::Daemon;
use e2e::stage::{INSTANCE, Stage, cluster};
use lab::scenario::State;

const PRIORITIES: &str = "priority = { first = 100, second = 99 }";

/// Both nodes with [`INSTANCE`], the first one MASTER for as long as a process runs.
struct Pair {
    stage: Stage,
    checked: Checked,
    first: Daemon,
    second: Daemon,
}

impl Pair {
    fn new() -> Self {
        let stage = Stage::new().unwrap();
        let checked = Checked::start(&stage.first);
        let file = cluster(&format!("{PRIORITIES}\n{}", checked.track("first")));
        let first = Daemon::start(&stage.first, "first", &file);
        first.wait_for_state(INSTANCE, State::Master);
        let second = Daemon::start(&stage.second, "second", &file);
        second.wait_for("the MASTER to be known", |status| {
            status["instances"][INSTANCE]["master"]["node"] == "first"
        });
        Self {
            stage,
            checked,
            first,
            second,
        }
    }
}

/// What a command printed that ended with this code.
#[track_caller]
fn said(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let printed = if code == 0 || !output.stdout.is_empty() {
        &output.stdout
    } else {
        &output.stderr
    };
    String::from_utf8(printed.clone()).unwrap()
}
