//! Modules that are not ours, in the real daemon: those that misbehave cost their own check and nothing else, and one that
//! its author has just written does its work.

#![expect(
    clippy::print_stdout,
    reason = "the figures that were measured are for whoever reads the test's output"
)]

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use e2e::checked::Checked;
use e2e::daemon::Daemon;
use e2e::inside::WebServer;
use e2e::metronome::Metronome;
use e2e::refused::Attempt;
use e2e::stage::{FIRST, INSTANCE, INTERFACE, Stage, cluster};
use e2e::wire::{advertisements, assert_good, elapsed};
use hostile::Guests;
use lab::Frame;
use lab::scenario::State;
use serde_json::Value;

const INTERVAL: Duration = Duration::from_millis(100);
/// How late an advertisement may be, whatever the modules do, on a machine that is never late itself.
const LATE: Duration = Duration::from_millis(5);
/// Bad runs in a row that leave a check its last verdict; `error-hold` in cluster.toml.
const HELD: u32 = 3;
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// A check that is good at first, and how it ends.
struct Breaking {
    name: &'static str,
    /// What the guest does.
    act: &'static str,
    /// What the operator reads.
    summary: &'static str,
}

const BREAKING: [Breaking; 4] = [
    Breaking {
        name: "loops",
        act: "loop",
        summary: "the module used more than 50ms of CPU time",
    },
    Breaking {
        name: "eats",
        act: "eat",
        summary: "the module wanted more than 16384 KiB of memory",
    },
    Breaking {
        name: "traps",
        act: "panic",
        summary: "the module crashed: it gave up (panic or abort)",
    },
    Breaking {
        name: "sleeps",
        act: "sleep",
        summary: "the module took longer than 150ms",
    },
];

#[test]
fn modules_that_misbehave_are_errors_that_cost_their_instance_priority_and_delay_nothing() {
    let stage = Stage::new().expect("the laboratory works");
    let metronome = Metronome::start();
    let mut capture = stage.segment.capture().expect("tcpdump works");
    let daemon = Daemon::start(&stage.first, "first", &breaking_cluster());
    for instance in instances() {
        daemon.wait_for_state(instance, State::Master);
    }
    let before = daemon.status().expect("the daemon answers");

    let broken = daemon.wait_for("every module to have broken for long", |status| {
        BREAKING
            .iter()
            .all(|check| status["checks"][check.name]["errors"].as_u64() >= Some(15))
    });
    let log = daemon.process.log();
    let frames = capture.frames().expect("tshark works");
    let stalls = metronome.stop();
    assert_good(&frames);

    for Breaking { name, summary, .. } in BREAKING {
        let check = &broken["checks"][name];
        assert_eq!(check["verdict"], "error", "{check}");
        assert_eq!(check["standing"], "unknown", "{check}");
        let told = check["summary"].as_str().unwrap_or_default();
        assert!(told.contains(summary), "{check}");
        assert!(
            log.contains(&format!("check {name}: error: {summary}")),
            "{log}"
        );

        let instance = &broken["instances"][name];
        assert_eq!(instance["state"], "MASTER", "{instance}");
        assert_eq!(instance["since"], before["instances"][name]["since"]);
        assert_eq!(instance["priority"]["base"], 150);
        assert_eq!(instance["priority"]["effective"], 50, "{instance}");
        assert_eq!(instance["tracks"][name]["weight"], -100, "{instance}");

        let held = held_for(&log, &frames, name);
        println!("{name}: {told}; {held:?} from the first error to the lower priority");
        assert!(held > CHECK_INTERVAL * HELD - Duration::from_millis(100));
    }
    let healthy = &broken["checks"]["healthy"];
    assert_eq!(healthy["verdict"], "passing", "{healthy}");
    assert_eq!(healthy["errors"], 0, "{healthy}");
    assert_eq!(broken["instances"][INSTANCE]["state"], "MASTER");
    assert_eq!(broken["instances"][INSTANCE]["priority"]["effective"], 100);
    println!("healthy: {} runs beside them", healthy["runs"]);
    // Each of the others has had 30.
    assert!(healthy["runs"].as_u64() >= Some(20), "{healthy}");

    for (instance, virtual_router_id) in instances().zip(51..) {
        let sent = advertisements(&of(&frames, virtual_router_id), FIRST);
        let punctuality = stalls.punctuality(&sent, INTERVAL);
        println!("{instance}: {} advertisements: {punctuality:?}", sent.len());
        assert!(
            punctuality.late <= LATE,
            "{instance}: {punctuality:?}\n{daemon}"
        );
    }
}

#[test]
fn an_import_that_nothing_grants_starts_nothing_and_tells_the_line_to_paste() {
    let stage = Stage::new().expect("the laboratory works");
    let mut capture = stage.segment.capture().expect("tcpdump works");
    let attempt = Attempt::new(cluster(&format!(
        "track = [{{ check = \"healthy\" }}, {{ check = \"curious\" }}]\n{}{}",
        check("healthy", "hostile", "do = \"nothing\""),
        check("curious", "curious", "do = \"find\", with = \"init\""),
    )));
    for refusal in [
        attempt.start(&stage.first),
        attempt.check_config(&stage.first),
    ] {
        refusal.assert_says(
            78,
            &[
                "error: the module imports `vrrp-host:plugin/process@0.1.0`, which nothing in `allow` grants",
                "allow = [\"process:NAME\"]",
                " --> cluster.toml:16:10",
                "curious.wasm\"",
                "^^^^",
            ],
        );
    }
    attempt.assert_nothing_started(&stage.first);
    let frames = capture.frames().expect("tshark works");
    assert_eq!(advertisements(&frames, FIRST), []);
}

#[test]
fn a_check_that_its_author_has_just_written_works_once_the_line_it_asks_for_is_pasted() {
    let stage = Stage::new().expect("the laboratory works");
    // On the other host: where it runs does not matter, all of them share this machine's processes.
    let checked = Checked::start(&stage.second);
    let file = |allow: &str| {
        cluster(&format!(
            "track = [{{ check = \"own\" }}]\n{}{allow}\n",
            check("own", "author", &format!("name = \"{}\"", checked.name)),
        ))
    };
    let attempt = Attempt::new(file(""));
    let refusal = attempt.start(&stage.first);
    let line = format!("allow = [\"process:{}\"]", checked.name);
    refusal.assert_says(78, &[&line]);
    attempt.assert_nothing_started(&stage.first);

    let start = refusal.stderr.find("allow = [").expect("the line is there");
    let pasted = refusal.stderr[start..].split_inclusive(']').next();
    let daemon = Daemon::start(&stage.first, "first", &file(pasted.expect("a line ends")));
    daemon.wait_for_state(INSTANCE, State::Fault);
    let status = daemon.status().expect("the daemon answers");
    let runs = format!("{} runs as {}", checked.name, checked.process.id());
    assert_eq!(status["checks"]["own"]["verdict"], "failing");
    assert_eq!(status["checks"]["own"]["summary"], runs.as_str());
    drop(checked);
    daemon.wait_for_state(INSTANCE, State::Master);
}

#[test]
fn a_web_server_that_stops_lowers_the_priority_by_the_weight() {
    const PORT: u16 = 8080;
    let stage = Stage::new().expect("the laboratory works");
    let mut capture = stage.segment.capture().expect("tcpdump works");
    let server = WebServer::start(&stage.first, PORT);
    let daemon = Daemon::start(
        &stage.first,
        "first",
        &cluster(&format!(
            "track = [{{ check = \"web\", on-fail = {{ weight = -20 }} }}]\n\
             [checks.web]\n\
             module = \"http\"\n\
             interval = \"200ms\"\n\
             config = {{ url = \"http://127.0.0.1:{PORT}/\" }}\n"
        )),
    );
    daemon.wait_for_state(INSTANCE, State::Master);
    let status = daemon.wait_for("the web server to answer", |status| {
        status["checks"]["web"]["verdict"] == "passing"
    });
    let request = format!("GET http://127.0.0.1:{PORT}/");
    assert_eq!(summary(&status, "web"), format!("{request} gave 200"));
    assert_eq!(status["instances"][INSTANCE]["priority"]["effective"], 100);

    let stopped = SystemTime::now();
    drop(server);
    let status = daemon.wait_for("the priority to be lower", |status| {
        status["instances"][INSTANCE]["priority"]["effective"] == 80
    });
    assert_eq!(
        summary(&status, "web"),
        format!("{request}: connection refused")
    );
    assert_eq!(status["checks"]["web"]["verdict"], "failing");
    assert_eq!(status["instances"][INSTANCE]["state"], "MASTER");
    let frames = capture.frames().expect("tshark works");
    let sent = advertisements(&frames, FIRST);
    let lower = sent.iter().find(|sent| sent.priority == 80);
    let lower = lower.expect("the lower priority is told to the peers");
    println!(
        "priority 80 on the wire {:?} after the stop",
        elapsed(stopped, lower.at)
    );

    let _server = WebServer::start(&stage.first, PORT);
    daemon.wait_for("the priority to be back", |status| {
        status["instances"][INSTANCE]["priority"]["effective"] == 100
    });
}

/// The instance of [`cluster`] with a healthy check, and one instance for each of [`BREAKING`].
fn breaking_cluster() -> String {
    let mut keys = format!(
        "track = [{{ check = \"healthy\" }}]\n{}",
        check("healthy", "hostile", "do = \"nothing\"")
    );
    for (Breaking { name, act, .. }, virtual_router_id) in BREAKING.iter().zip(52u8..) {
        let address = Ipv4Addr::new(192, 0, 2, virtual_router_id + 100);
        keys += &format!(
            "{}error-hold = {HELD}\n\
             timeout = \"150ms\"\n\
             [instances.{name}]\n\
             interface = \"{INTERFACE}\"\n\
             virtual-router-id = {virtual_router_id}\n\
             virtual-addresses = [\"{address}\"]\n\
             advertisement-interval = \"100ms\"\n\
             priority = 150\n\
             track = [{{ check = \"{name}\" }}, {{ check = \"healthy\" }}]\n",
            check(
                name,
                "hostile",
                &format!("do = \"{act}\", after-runs = \"15\"")
            ),
        );
    }
    cluster(&keys)
}

/// The table of a check that is a guest, with more keys to follow.
fn check(name: &str, guest: &str, config: &str) -> String {
    format!(
        "[checks.{name}]\n\
         module = \"{}\"\n\
         interval = \"{}ms\"\n\
         config = {{ {config} }}\n",
        guest_file(guest).display(),
        CHECK_INTERVAL.as_millis(),
    )
}

fn guest_file(guest: &str) -> PathBuf {
    Guests::build(Path::new(env!("CARGO_TARGET_TMPDIR"))).file(guest)
}

/// By virtual router id, from 51 on.
fn instances() -> impl Iterator<Item = &'static str> {
    [INSTANCE]
        .into_iter()
        .chain(BREAKING.iter().map(|check| check.name))
}

/// The frames of a virtual router.
fn of(frames: &[Frame], virtual_router_id: u8) -> Vec<Frame> {
    let concerns = |frame: &&Frame| {
        frame
            .advertisement()
            .is_some_and(|advertisement| advertisement.virtual_router_id == virtual_router_id)
    };
    frames.iter().filter(concerns).cloned().collect()
}

/// From the line of a check's first error to the first advertisement with a lower priority.
fn held_for(log: &str, frames: &[Frame], check: &str) -> Duration {
    let line = log
        .lines()
        .find(|line| line.contains(&format!("check {check}: error: ")))
        .expect("the error is logged");
    let time = line.split_whitespace().next().unwrap_or_default();
    let failed = humantime::parse_rfc3339(time).expect("a line begins with its time");
    let index = instances().position(|instance| instance == check);
    let virtual_router_id = 51 + u8::try_from(index.expect("it has an instance")).expect("few");
    let sent = advertisements(&of(frames, virtual_router_id), FIRST);
    let lower = sent.iter().find(|sent| sent.priority == 50);
    elapsed(
        failed,
        lower.expect("the lower priority is told to the peers").at,
    )
}

fn summary<'a>(status: &'a Value, check: &str) -> &'a str {
    status["checks"][check]["summary"]
        .as_str()
        .unwrap_or_default()
}
