//! `vrrp-host check run`.

use std::fs;

use e2e::daemon::Daemon;
use e2e::stage::{INSTANCE, Stage, cluster};
use lab::scenario::State;
use tempfile::TempDir;

use super::said;

#[test]
fn a_check_runs_when_it_is_asked_to_and_says_what_it_found() {
    let stage = Stage::new().unwrap();
    let folder = TempDir::with_prefix("watched-").unwrap();
    let present = folder.path().join("present");
    fs::write(&present, "").unwrap();
    // It does not run again by itself while this test does.
    let file = cluster(&format!(
        "track = [{{ check = \"by-hand\", on-fail = {{ weight = -20 }} }}]\n\
         [checks.by-hand]\n\
         module = \"exec\"\n\
         interval = \"1h\"\n\
         user = \"root\"\n\
         config = {{ command = \"/usr/bin/test\", args = [\"-e\", \"{}\"] }}\n",
        present.display()
    ));
    let daemon = Daemon::start(&stage.first, "first", &file);
    daemon.wait_for_state(INSTANCE, State::Master);
    let runs = |status: &serde_json::Value| status["checks"]["by-hand"]["runs"].as_u64().unwrap();
    let before = runs(&daemon.wait_for("its first run", |status| runs(status) > 0));

    let passing = said(&daemon.ask(&["check", "run", "by-hand"]), 0);
    assert!(passing.starts_with("by-hand: passing: "), "{passing}");
    assert!(passing.contains("counts as up"), "{passing}");
    assert_eq!(runs(&daemon.status().unwrap()), before + 1);

    fs::remove_file(&present).unwrap();
    let failing = said(&daemon.ask(&["check", "run", "by-hand"]), 1);
    assert!(failing.starts_with("by-hand: failing: "), "{failing}");
    println!("{failing}");
    let again = said(&daemon.ask(&["check", "run", "by-hand"]), 1);
    let third = said(&daemon.ask(&["check", "run", "by-hand"]), 1);
    println!("{again}{third}");
    daemon.wait_for("it to count", |status| {
        status["instances"][INSTANCE]["priority"]["effective"] == 80
    });

    let unknown = daemon.ask(&["check", "run", "by-hant"]);
    let unknown = said(&unknown, 75);
    assert!(unknown.contains("did you mean `by-hand`?"), "{unknown}");
}
