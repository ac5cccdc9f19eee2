//! Who may ask: root everything, the members of a group what changes nothing, nobody else anything.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use e2e::daemon::Daemon;
use e2e::path::utf8;
use e2e::refused::Attempt;
use e2e::service::OpenFolder;
use e2e::stage::{INSTANCE, Stage, cluster};
use lab::Output;
use lab::scenario::{State, vrrp_host_binary};

use super::PRIORITIES;

/// A group that every Debian has and that means nothing to it.
const GROUP: &str = "users";
const READERS: &str = "[control]\nread-only-group = \"users\"\n";

/// Somebody who is not root, and in this group alone.
struct Somebody<'a> {
    stage: &'a Stage,
    binary: &'a str,
    group: &'a str,
}

impl Somebody<'_> {
    fn asks(&self, daemon: &Daemon, arguments: &[&str]) -> Output {
        let mut command = vec![
            "setpriv",
            "--reuid",
            "nobody",
            "--regid",
            self.group,
            "--clear-groups",
            "--",
            self.binary,
        ];
        command.extend(arguments);
        command.extend(["--control", utf8(daemon.control())]);
        self.stage.first.output(&command).unwrap()
    }

    #[track_caller]
    fn is_refused(&self, daemon: &Daemon, arguments: &[&str], because: &str) {
        let output = self.asks(daemon, arguments);
        assert_eq!(output.status.code(), Some(77), "{output:?}");
        assert!(output.stderr.contains(because), "{output:?}");
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn members_of_the_group_look_and_do_not_act() {
    let stage = Stage::new().unwrap();
    let programs = OpenFolder::new(None);
    let binary = programs.path("vrrp-host");
    fs::copy(vrrp_host_binary().unwrap(), &binary).unwrap();
    let daemon = Daemon::start(&stage.first, "first", &cluster(PRIORITIES));
    daemon.wait_for_state(INSTANCE, State::Master);
    let folder = daemon.control().parent().unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let member = Somebody {
        stage: &stage,
        binary: &binary,
        group: GROUP,
    };
    let stranger = Somebody {
        group: "nogroup",
        ..member
    };
    assert_eq!(mode(daemon.control()), 0o600);
    for somebody in [&member, &stranger] {
        somebody.is_refused(&daemon, &["status"], "only root may ask");
    }

    // A reload lets them in.
    daemon.rewrite(&cluster(&format!("{PRIORITIES}\n{READERS}")));
    assert!(daemon.ask(&["reload"]).status.success(), "{daemon}");
    assert_eq!(mode(daemon.control()), 0o660);
    for looks in [
        &["status"][..],
        &["status", "--json"],
        &["events"],
        &["explain", INSTANCE],
    ] {
        let output = member.asks(&daemon, looks);
        assert!(output.status.success(), "{looks:?}: {output:?}");
        assert!(output.stdout.contains(INSTANCE), "{looks:?}: {output:?}");
        stranger.is_refused(&daemon, looks, "only root may ask");
    }
    for acts in [
        &["reload"][..],
        &["drain", INSTANCE],
        &["drain", "--all", "--persist"],
        &["undrain", INSTANCE],
        &["release", INSTANCE],
        &["check", "run", "any"],
        &["log-level", "debug"],
    ] {
        member.is_refused(&daemon, acts, "is for root");
        member.is_refused(&daemon, acts, GROUP);
    }
    let status = daemon.status().unwrap();
    assert_eq!(status["instances"][INSTANCE]["state"], "MASTER");
    assert_eq!(status["instances"][INSTANCE]["drained"], false);
    assert_eq!(status["log-level"], "info");

    // And another one out again.
    daemon.rewrite(&cluster(PRIORITIES));
    assert!(daemon.ask(&["reload"]).status.success(), "{daemon}");
    assert_eq!(mode(daemon.control()), 0o600);
    member.is_refused(&daemon, &["status"], "only root may ask");
}

#[test]
fn a_daemon_that_starts_with_the_group_lets_it_in_at_once() {
    let stage = Stage::new().unwrap();
    let file = cluster(&format!("{PRIORITIES}\n{READERS}"));
    let daemon = Daemon::start(&stage.first, "first", &file);
    daemon.wait_for_state(INSTANCE, State::Master);
    assert_eq!(mode(daemon.control()), 0o660);
}

#[test]
fn a_group_that_the_host_does_not_have_starts_nothing() {
    let stage = Stage::new().unwrap();
    let file = cluster("[control]\nread-only-group = \"no-such-group\"");
    let attempt = Attempt::new(file);
    attempt.start(&stage.first).assert_says(
        78,
        &[
            "this host has no group no-such-group",
            "groupadd --system no-such-group",
            "read-only-group",
        ],
    );
    attempt.assert_nothing_started(&stage.first);
}
