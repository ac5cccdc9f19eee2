//! A host on which all goes wrong that can delay a program: modules that take all the time they get, a log that nobody reads, a disk
//! that hangs, a reload that waits for it. Its advertisements and the takeover after its end keep their time.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::daemon::Daemon;
use e2e::disk::HangingDisk;
use e2e::metronome::{Metronome, Stalls};
use e2e::path::utf8;
use e2e::stage::{FIRST, INTERFACE, SECOND, Stage};
use e2e::wire::{Sent, assert_good, elapsed};
use hostile::Guests;
use lab::Frame;
use lab::scenario::vrrp_host_binary;
use tempfile::TempDir;

/// The interval of each instance, by its VRID.
const INTERVALS: [(u8, Duration); 3] = [
    (1, Duration::from_secs(1)),
    (2, Duration::from_millis(100)),
    (3, Duration::from_millis(10)),
];
/// The instance whose checks are hostile.
const VICTIM: u8 = 4;
/// Those checks, and what they do.
const HOSTILE: [(&str, &str); 3] = [("loops", "loop"), ("storms", "storm"), ("floods", "flood")];
/// Of the second host.
const PRIORITY: u8 = 100;
/// How late half of all advertisements may be at most, on a machine that is never late itself.
const MEDIAN: Duration = Duration::from_micros(500);
/// The same for all but one of a hundred.
const P99: Duration = Duration::from_millis(2);
/// How late a takeover may be, of which there is one for each interval: the start of a burst of work for a busy kernel.
const TAKEOVER: Duration = Duration::from_millis(20);
/// Advertisements of the slowest instance while everything goes wrong.
const SLOWEST: u64 = 12;

#[test]
fn nothing_that_happens_on_a_host_delays_what_it_says() {
    let stage = Stage::new().unwrap();
    let mut disk = HangingDisk::new();
    let folder = TempDir::new().unwrap();
    let unread = Unread::new(folder.path());
    let file = cluster(PRIORITY + 50);
    let mut first = Daemon::start_under(&unread.under(), &stage.first, "first", &file, disk.path());
    wait_for_all(&first, "MASTER");
    let second = Daemon::start(&stage.second, "second", &file);
    wait_for_all(&second, "BACKUP");
    first.wait_for("the log to be full", |_| unread.is_full());

    let metronome = Metronome::start();
    let capture = stage.segment.capture().unwrap();
    disk.hang();
    // It wants to write down what it has compiled, and waits.
    first.rewrite(&with_another_module(&file, folder.path()));
    let reload = reload(&first);
    first.wait_for_advertisements("I1", SLOWEST);
    let status = first.status().unwrap();
    disk.go_on();
    let output = reload.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    first.wait_for("the module of the new file", |status| {
        status["checks"]["another"]["verdict"] == "passing"
    });
    first.wait_for_advertisements("I1", 2);
    assert!(unread.is_full());
    first.cut_power();
    wait_for_all(&second, "MASTER");
    let frames = capture.stop().unwrap();
    let stalls = metronome.stop();
    assert_good(&frames);

    assert!(
        status["checks"].get("another").is_none(),
        "the disk did not hang: {status}"
    );
    for check in ["loops", "storms"] {
        assert_eq!(status["checks"][check]["verdict"], "error", "{status}");
    }
    assert_eq!(status["checks"]["floods"]["verdict"], "passing", "{status}");
    for (id, interval) in INTERVALS {
        judge(&frames, &stalls, id, interval);
    }
    _ = first.process.wait(e2e::daemon::LIMIT);
}

fn judge(frames: &[Frame], stalls: &Stalls, id: u8, interval: Duration) {
    let sent = by_host(frames, id);
    let (of_first, of_second) = (&sent[&FIRST], &sent[&SECOND]);
    let mut late: Vec<Duration> = of_first
        .windows(2)
        .map(|pair| stalls.late(pair[0].at + interval, pair[1].at))
        .collect();
    late.sort();
    let [median, p99, worst] =
        [50, 99, 100].map(|percent| late[(late.len() * percent / 100).min(late.len() - 1)]);
    let skew_time = interval * (256 - u32::from(PRIORITY)) / 256;
    let last = of_first.last().unwrap();
    let due = last.at + 3 * interval + skew_time;
    let taken = of_second[0];
    let takeover = stalls.late(due, taken.at);
    println!(
        "{interval:?}: {} advertisements late by {median:?} (median), {p99:?} (p99), {worst:?} (worst); \
         the takeover by {takeover:?}, {:?} before the formula",
        of_first.len(),
        elapsed(taken.at, due),
    );
    assert!(
        taken.at >= due - Duration::from_millis(1),
        "taken over too early"
    );
    assert!(median <= MEDIAN, "{median:?}");
    assert!(p99 <= P99, "{p99:?}");
    assert!(takeover <= TAKEOVER, "{takeover:?}");
}

fn by_host(frames: &[Frame], id: u8) -> BTreeMap<std::net::IpAddr, Vec<Sent>> {
    let mut sent = BTreeMap::<_, Vec<Sent>>::new();
    for frame in frames {
        let (Some(sender), Some(advertisement)) = (frame.sender(), frame.advertisement()) else {
            continue;
        };
        if advertisement.virtual_router_id == id {
            sent.entry(sender).or_default().push(Sent {
                at: frame.at,
                priority: advertisement.priority,
            });
        }
    }
    sent
}

fn wait_for_all(daemon: &Daemon, state: &str) {
    daemon.wait_for(&format!("all to be {state}"), |status| {
        INTERVALS
            .iter()
            .all(|(id, _)| status["instances"][format!("I{id}")]["state"] == state)
    });
}

fn reload(daemon: &Daemon) -> std::process::Child {
    Command::new(vrrp_host_binary().unwrap())
        .args(["reload", "--control", utf8(daemon.control())])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A log that nobody reads: a pipe that is soon full.
struct Unread {
    script: String,
    fifo: std::path::PathBuf,
}

impl Unread {
    fn new(folder: &Path) -> Self {
        let fifo = folder.join("log");
        let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        // Open for reading too, by the daemon itself: a pipe without a reader is an error, not a wait.
        let script = format!("exec 9<>{0} && exec \"$0\" \"$@\" 2>{0}", fifo.display());
        Self { script, fifo }
    }

    fn under(&self) -> [&str; 3] {
        ["sh", "-c", &self.script]
    }

    /// Whether a writer would have to wait.
    fn is_full(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, poll};
        let pipe = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&self.fifo)
            .unwrap();
        let mut descriptors = [PollFd::new(&pipe, PollFlags::OUT)];
        let now = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut descriptors, Some(&now)).unwrap() == 0
    }
}

/// The hostile modules lower the priority of an instance that nobody looks at.
fn cluster(first: u8) -> String {
    let module = Guests::build(Path::new(env!("CARGO_TARGET_TMPDIR"))).file("hostile");
    let mut file = "[nodes.first]\n[nodes.second]\n".to_owned();
    for (check, act) in HOSTILE {
        file += &format!(
            "[checks.{check}]\nmodule = \"{}\"\ninterval = \"100ms\"\nconfig = {{ do = \"{act}\", with = \"nobody\" }}\n",
            module.display()
        );
    }
    for (id, interval) in INTERVALS {
        file += &instance(id, interval, first);
    }
    file += &instance(VICTIM, Duration::from_secs(1), first);
    file += "track = [\n";
    for (check, _) in HOSTILE {
        file += &track(check);
    }
    file + "]\n"
}

fn instance(id: u8, interval: Duration, first: u8) -> String {
    format!(
        "[instances.I{id}]\n\
         interface = \"{INTERFACE}\"\n\
         virtual-router-id = {id}\n\
         virtual-addresses = [\"192.0.2.{}\"]\n\
         advertisement-interval = \"{}ms\"\n\
         priority = {{ first = {first}, second = {PRIORITY} }}\n",
        100 + id,
        interval.as_millis()
    )
}

fn track(check: &str) -> String {
    format!("    {{ check = \"{check}\", nodes = [\"first\"], on-fail = {{ weight = -1 }} }},\n")
}

/// The file with a check whose module has not been compiled before.
fn with_another_module(file: &str, folder: &Path) -> String {
    let known = Guests::build(Path::new(env!("CARGO_TARGET_TMPDIR"))).file("hostile");
    let component = std::fs::read(known).unwrap();
    let another = folder.join("another.wasm");
    std::fs::write(&another, hostile::pad(&component, component.len() + 99)).unwrap();
    let tracked = file.replacen(
        "track = [\n",
        "track = [\n    { check = \"another\", nodes = [\"first\"], on-fail = { weight = -1 } },\n",
        1,
    );
    format!(
        "{tracked}\n[checks.another]\nmodule = \"{}\"\nconfig = {{ do = \"pass\", with = \"nobody\" }}\n",
        another.display()
    )
}
