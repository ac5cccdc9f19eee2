//! Everything that a module can do to its host, at once, in the real daemon: each is told for what it is, and the router does
//! not notice.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use e2e::daemon::{Daemon, state_dir};
use e2e::http::{get, value};
use e2e::metronome::{Metronome, Stalls};
use e2e::refused::Attempt;
use e2e::stage::{FIRST, INSTANCE, Stage, cluster, cluster_at};
use e2e::wire::{Sent, advertisements, assert_good, elapsed};
use hostile::Guests;
use lab::scenario::State;
use tempfile::TempDir;

const INTERVAL: Duration = Duration::from_millis(10);
const METRICS: &str = "http://127.0.0.1:9650/metrics";
/// How late all but one of a hundred advertisements may be at most, on a machine that is never late itself.
const LATE: Duration = Duration::from_millis(2);
/// Runs of each module.
const RUNS: u64 = 16;
/// The size of the large module, bytes.
const LARGE: usize = 30 << 20;
/// The header that the daemon puts before a compiled module: magic and digest.
const HEADER_LEN: usize = 40;

/// A check and how each of its runs ends.
struct Hostile {
    name: &'static str,
    guest: &'static str,
    /// What it does.
    act: &'static str,
    timeout: &'static str,
    /// More keys of its table.
    keys: &'static str,
    verdict: &'static str,
    /// What the operator reads, in the log and in the status.
    summary: &'static str,
}

const fn hostile(name: &'static str, act: &'static str, summary: &'static str) -> Hostile {
    Hostile {
        name,
        guest: "hostile",
        act,
        timeout: "500ms",
        keys: "",
        verdict: "error",
        summary,
    }
}

const ALL: [Hostile; 16] = [
    hostile(
        "loops",
        "loop",
        "the module used more than 50ms of CPU time",
    ),
    hostile(
        "storms",
        "storm",
        "the module used more than 50ms of CPU time",
    ),
    hostile(
        "eats",
        "eat",
        "the module wanted more than 16384 KiB of memory",
    ),
    Hostile {
        guest: "table",
        ..hostile(
            "grows",
            "",
            "the module wanted a table of more than 100000 elements",
        )
    },
    hostile(
        "recurses",
        "recurse",
        "the module crashed: out of bounds memory access in hostile::recurse",
    ),
    hostile(
        "overruns",
        "overrun",
        "the module crashed: out of bounds memory access in hostile::overrun",
    ),
    hostile(
        "panics",
        "panic",
        "the module crashed: it gave up (panic or abort) in hostile::panic_here",
    ),
    hostile(
        "exits",
        "exit",
        "the module crashed: it exited instead of returning",
    ),
    hostile(
        "shouts",
        "shout",
        "the module handed over more than 1024 KiB at once",
    ),
    hostile(
        "boasts",
        "big summary",
        "the module handed over more than 1024 KiB at once",
    ),
    hostile(
        "garbles",
        "garble",
        "the module crashed: invalid utf-8 sequence of 1 bytes from index 4",
    ),
    hostile(
        "leaks",
        "handles",
        "the module opened more than 128 handles",
    ),
    Hostile {
        timeout: "150ms",
        ..hostile("sleeps", "sleep", "the module took longer than 150ms")
    },
    Hostile {
        guest: "curious",
        keys: "allow = [\"process:init\", \"unit:a\", \"http:GET http://h/\"]\n",
        ..hostile(
            "peeks",
            "find",
            "denied: process.find; to allow it write \
             allow = [\"process:init\", \"unit:a.service\", \"http:GET http://h/\", \"process:nobody\"]",
        )
    },
    Hostile {
        verdict: "passing",
        ..hostile("floods", "flood", "fine")
    },
    Hostile {
        guest: "large",
        verdict: "passing",
        ..hostile("weighs", "", "fine")
    },
];

#[test]
fn all_of_it_at_once_is_told_for_what_it_is_and_no_advertisement_is_late() {
    let stage = Stage::new().unwrap();
    let folder = TempDir::new().unwrap();
    let large = folder.path().join("large.wasm");
    let component = fs::read(guests().file("hostile")).unwrap();
    fs::write(&large, hostile::pad(&component, LARGE)).unwrap();

    let daemon = Daemon::start(&stage.first, "first", &hostile_cluster(&large));
    daemon.wait_for_state(INSTANCE, State::Master);
    let metronome = Metronome::start();
    let capture = stage.segment.capture().unwrap();
    let before = daemon.status().unwrap();
    let status = daemon.wait_for("every module to have run", |status| {
        let checks = &status["checks"];
        let runs = |check: &Hostile| checks[check.name]["runs"].as_u64();
        ALL.iter().all(|check| runs(check) >= Some(RUNS))
    });
    let metrics = get(&stage.first, METRICS, &[]).unwrap().body;
    let frames = capture.stop().unwrap();
    let stalls = metronome.stop();
    let log = daemon.process.log();
    assert_good(&frames);

    for check in &ALL {
        let Hostile {
            name,
            verdict,
            summary,
            ..
        } = check;
        let seen = &status["checks"][name];
        assert_eq!(seen["verdict"], *verdict, "{name}: {seen}");
        assert_eq!(seen["summary"], *summary, "{name}: {seen}");
        let errors = if *verdict == "error" {
            &seen["runs"]
        } else {
            &serde_json::Value::from(0)
        };
        assert_eq!(&seen["errors"], errors, "{name}: {seen}");
        let line = format!("check {name}: {verdict}: {summary}");
        assert_eq!(log.matches(&line).count(), 1, "{line}\n{log}");
        assert_counted(&metrics, name, verdict);
    }
    let denied = "vrrp_host_denied_calls_total{kind=\"check\",name=\"peeks\"}";
    assert!(value(&metrics, denied) >= Some(RUNS as f64), "{metrics}");
    assert_log_is_held_to_its_rate(&log);
    let instance = &status["instances"][INSTANCE];
    assert_eq!(instance["state"], "MASTER", "{instance}");
    let since = &before["instances"][INSTANCE]["since"];
    assert_eq!(instance["since"], *since, "{daemon}");
    assert_eq!(status["processes"], before["processes"], "{log}");
    let sent = advertisements(&frames, FIRST);
    assert_on_time(&sent, &stalls, &daemon);
    assert_lateness_is_told(&before["lateness"], &status["lateness"]);
}

/// Every run of the check has ended in this verdict, and is counted under it.
fn assert_counted(metrics: &str, check: &str, verdict: &str) {
    for outcome in ["passing", "warning", "failing", "error"] {
        let series =
            format!("vrrp_host_check_runs_total{{check=\"{check}\",outcome=\"{outcome}\"}}");
        let runs = value(metrics, &series).unwrap_or_default();
        if outcome == verdict {
            assert!(runs >= RUNS as f64, "{series}: {runs}");
        } else {
            assert_eq!(runs, 0.0, "{series}");
        }
    }
}

/// Every advertisement was a timer; how late each was, the router itself has counted.
fn assert_lateness_is_told(before: &serde_json::Value, after: &serde_json::Value) {
    let count = |lateness: &serde_json::Value| lateness["count"].as_u64().unwrap();
    assert!(count(after) - count(before) > 500, "{before}\n{after}");
    let buckets = after["buckets"].as_array().unwrap();
    let counts: Vec<_> = buckets.iter().map(count).collect();
    assert!(counts.is_sorted(), "{after}");
    let within = counts.last().copied().unwrap();
    println!("timers late by at most: {after}");
    assert!(within > 0 && within <= count(after), "{after}");
}

/// What `floods` and `storms` say: 20 lines a second and as many at once, and how many were left out.
fn assert_log_is_held_to_its_rate(log: &str) {
    let times: Vec<_> = log.lines().filter_map(time_of).collect();
    let seconds = elapsed(times[0], *times.last().unwrap()).as_secs_f64();
    for (check, line) in [("floods", "line "), ("storms", "and again")] {
        let lines = log.matches(&format!("{check}: {line}")).count();
        println!("{check}: {lines} lines in {seconds:.1} s");
        assert!(
            lines >= 20 && lines as f64 <= 21.0 + 20.0 * seconds,
            "{log}"
        );
        let dropped = |line: &&str| {
            line.contains(&format!(" {check}: "))
                && line.ends_with(" log lines dropped, the module writes too many")
        };
        assert!(log.lines().any(|line| dropped(&line)), "{log}");
    }
}

fn time_of(line: &str) -> Option<std::time::SystemTime> {
    humantime::parse_rfc3339(line.split_whitespace().next()?).ok()
}

fn assert_on_time(sent: &[Sent], stalls: &Stalls, daemon: &Daemon) {
    let gaps = sent.windows(2).map(|pair| (pair[0].at, pair[1].at));
    let mut off: Vec<Duration> = gaps
        .clone()
        .map(|(from, to)| elapsed(from, to).abs_diff(INTERVAL))
        .collect();
    let mut late: Vec<Duration> = gaps
        .map(|(from, to)| stalls.late(from + INTERVAL, to))
        .collect();
    off.sort();
    late.sort();
    let (off_p99, late_p99) = (p99(&off), p99(&late));
    println!(
        "{} advertisements: off by {:?} (median), {off_p99:?} (p99), {:?} (worst); \
         without what the machine was late by, late by {late_p99:?} (p99), {:?} (worst)",
        sent.len(),
        off[off.len() / 2],
        off.last().unwrap(),
        late.last().unwrap(),
    );
    assert!(sent.len() > 500, "{} advertisements", sent.len());
    assert!(late_p99 <= LATE, "{late_p99:?}\n{daemon}");
}

fn p99(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() * 99 / 100]
}

#[test]
fn what_is_no_module_for_us_starts_nothing_and_says_why() {
    let stage = Stage::new().unwrap();
    let attempt = Attempt::new("");
    let component = fs::read(guests().file("hostile")).unwrap();
    attempt.write("large.wasm", hostile::pad(&component, (32 << 20) + 1));
    attempt.write("half.wasm", &component[..component.len() / 2]);
    // A module that is loaded leaves its compiled form, which is then offered as a module.
    let cached = compile(&stage, &attempt, &component, 7);
    let compiled = fs::read(&cached).unwrap();
    attempt.write("compiled.wasm", &compiled[HEADER_LEN..]);
    fs::copy(guests().file("mistyped"), attempt.path("mistyped.wasm")).unwrap();

    for (file, told) in [
        ("large.wasm", "large.wasm is larger than 32 MiB"),
        ("half.wasm", "the module is not a valid component: "),
        (
            "compiled.wasm",
            "the module is already compiled; give the .wasm component it was made from",
        ),
        ("mistyped.wasm", "the module cannot"),
    ] {
        attempt.write("cluster.toml", one_check(&format!("./{file}")));
        for refusal in [
            attempt.start(&stage.first),
            attempt.check_config(&stage.first),
        ] {
            println!("{file}: {}", refusal.stderr.lines().next().unwrap());
            let place = format!("module = \"./{file}\"");
            refusal.assert_says(78, &[told, &place, "^^^^"]);
        }
        attempt.assert_nothing_started(&stage.first);
    }
}

#[test]
fn a_compiled_module_that_is_not_what_was_written_is_compiled_again() {
    let stage = Stage::new().unwrap();
    let attempt = Attempt::new("");
    let component = fs::read(guests().file("hostile")).unwrap();
    let cached = compile(&stage, &attempt, &component, 8);
    let whole = fs::read(&cached).unwrap();
    let mut forged = whole.clone();
    *forged.last_mut().unwrap() ^= 1;
    let spoilt: [(&str, &[u8], u32); 4] = [
        ("truncated", &whole[..whole.len() / 2], 0o644),
        ("empty", &[], 0o644),
        ("forged", &forged, 0o644),
        ("writable by anybody", &whole, 0o666),
    ];
    for (what, content, mode) in spoilt {
        fs::write(&cached, content).unwrap();
        fs::set_permissions(&cached, fs::Permissions::from_mode(mode)).unwrap();
        let checked = attempt.check_config(&stage.first);
        assert_eq!(checked.code, Some(0), "{what}: {checked}");
        let mode = fs::metadata(&cached).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "{what}");
        assert!(fs::read(&cached).unwrap() == whole, "{what}");
    }
}

/// Has the daemon accept the component with so many bytes more, which nobody else has, and returns the file of its compiled
/// form.
fn compile(stage: &Stage, attempt: &Attempt, component: &[u8], more: usize) -> PathBuf {
    let own = attempt.path("own.wasm");
    fs::write(&own, hostile::pad(component, component.len() + 20 + more)).unwrap();
    attempt.write("cluster.toml", one_check("./own.wasm"));
    let checked = attempt.check_config(&stage.first);
    assert_eq!(checked.code, Some(0), "{checked}");
    let digest = Command::new("sha256sum").arg(&own).output().unwrap();
    let digest = String::from_utf8(digest.stdout).unwrap();
    let digest = digest.split_whitespace().next().unwrap();
    let modules = fs::read_dir(state_dir().join("modules")).unwrap();
    let of_it = |path: &PathBuf| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with(digest)
    };
    let mut found = modules.map(|entry| entry.unwrap().path()).filter(of_it);
    found.next().expect("its compiled form is kept")
}

fn one_check(module: &str) -> String {
    cluster(&format!(
        "track = [{{ check = \"only\" }}]\n[checks.only]\nmodule = \"{module}\"\n"
    ))
}

/// One instance that all of the checks are tracked by.
fn hostile_cluster(large: &Path) -> String {
    let tracks: Vec<_> = ALL
        .iter()
        .map(|check| {
            format!(
                "{{ check = \"{}\", on-fail = {{ weight = -1 }} }}",
                check.name
            )
        })
        .collect();
    let mut keys = format!("track = [{}]\n", tracks.join(", "));
    for check in &ALL {
        let file = match check.guest {
            "large" => large.to_owned(),
            guest => guests().file(guest),
        };
        keys += &format!(
            "[checks.{}]\n\
             module = \"{}\"\n\
             interval = \"500ms\"\n\
             timeout = \"{}\"\n\
             config = {{ do = \"{}\", with = \"nobody\" }}\n\
             {}",
            check.name,
            file.display(),
            check.timeout,
            check.act,
            check.keys,
        );
    }
    keys += "[http]\nlisten = \"127.0.0.1:9650\"\n";
    cluster_at(&format!("{}ms", INTERVAL.as_millis()), &keys)
}

fn guests() -> &'static Guests {
    Guests::build(Path::new(env!("CARGO_TARGET_TMPDIR")))
}
