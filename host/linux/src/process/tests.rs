use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::time::{Duration, SystemTime};

use super::*;

/// A sleeping process that ends with the test.
struct Sleeper(Child);

impl Sleeper {
    /// Called `name`, in its first argument only: a copy of its binary would be needed for `comm`.
    fn called(name: &str) -> Self {
        let child = Command::new("sleep").arg0(name).arg("600").spawn().unwrap();
        let sleeper = Self(child);
        wait_for(|| !find(name).unwrap().is_empty());
        sleeper
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Ends it, and leaves a zombie until it is dropped.
    fn kill(&mut self) {
        self.0.kill().unwrap();
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn wait_for(mut condition: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "it did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn names() {
    let cases: &[(&str, &str, &str, bool)] = &[
        (
            "node_exporter",
            "node_exporter",
            "/usr/bin/node_exporter",
            true,
        ),
        ("node_exporter", "node_exporter", "renamed itself", true),
        ("node_exporter", "ld.so", "/opt/node_exporter", true),
        ("node_exporter", "ld.so", "node_exporter", true),
        (
            "node_exporter",
            "node_exporter2",
            "/usr/bin/node_exporter2",
            false,
        ),
        ("exporter", "node_exporter", "/usr/bin/node_exporter", false),
        ("node_exporter", "sh", "/bin/sh", false),
        // 15 bytes are kept in full, more are cut.
        ("fifteen_bytes__", "fifteen_bytes__", "", true),
        (
            "prometheus-node-exporter",
            "prometheus-node",
            "/usr/bin/prometheus-node-exporter",
            true,
        ),
        (
            "prometheus-node-exporter",
            "prometheus-node",
            "/usr/bin/prometheus-node-other",
            false,
        ),
        (
            "prometheus-node",
            "prometheus-node",
            "/usr/bin/prometheus-node-exporter",
            true,
        ),
        ("", "", "", false),
    ];
    for (name, comm, argument, expected) in cases {
        let found = has_name(name.as_bytes(), comm.as_bytes(), argument.as_bytes());
        assert_eq!(found, *expected, "{name:?} in {comm:?} {argument:?}");
    }
}

#[test]
fn finds_a_process_and_what_it_is() {
    let before = SystemTime::now();
    let sleeper = Sleeper::called("vl-test-find");
    let found = find("vl-test-find").unwrap();
    assert_eq!(found.len(), 1);
    let process = &found[0];
    assert_eq!(process.pid, sleeper.pid());
    assert_eq!(process.comm, "sleep");
    assert_eq!(process.cmdline, ["vl-test-find", "600"]);
    assert_eq!(process.threads, 1);
    let before = before
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_millis();
    let age = i128::from(process.started_unix_ms) - i128::try_from(before).unwrap();
    assert!(
        (-1000..60_000).contains(&age),
        "started {age} ms after it was"
    );
}

#[test]
fn a_zombie_is_not_found() {
    let mut sleeper = Sleeper::called("vl-test-zombie");
    sleeper.kill();
    wait_for(|| find("vl-test-zombie").unwrap().is_empty());
    assert!(std::path::Path::new(&format!("/proc/{}", sleeper.pid())).exists());
}

#[test]
fn known_processes_follow_exits_and_starts() {
    let mut known = KnownProcesses::new();
    assert_eq!(known.find("vl-test-known").unwrap(), []);
    let mut first = Sleeper::called("vl-test-known");
    let pids = |known: &mut KnownProcesses| {
        let found = known.find("vl-test-known").unwrap();
        found.iter().map(|process| process.pid).collect::<Vec<_>>()
    };
    assert_eq!(pids(&mut known), [first.pid()]);
    let second = Sleeper::called("vl-test-known");
    first.kill();
    wait_for(|| pids(&mut known) == [second.pid()]);
    known.forget("vl-test-known");
    assert_eq!(pids(&mut known), [second.pid()]);
}

#[test]
fn a_known_process_that_becomes_another_program_is_not_known_any_more() {
    // The shell waits for a line, and becomes another program by another name.
    let mut child = Command::new("sh")
        .arg0("vl-test-exec")
        .args(["-c", "read line; exec sleep 600"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let input = child.stdin.take().unwrap();
    let sleeper = Sleeper(child);
    let mut known = KnownProcesses::new();
    let mut pids = || {
        let found = known.find("vl-test-exec").unwrap();
        found.iter().map(|process| process.pid).collect::<Vec<_>>()
    };
    wait_for(|| pids() == [sleeper.pid()]);
    drop(input);
    wait_for(|| pids().is_empty());
}
