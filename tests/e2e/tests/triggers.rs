//! What wakes a check, on a host with systemd. The interval of an hour never comes round within the half minute for which anything
//! is waited for: whatever a check learns, it was told.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use e2e::daemon::LIMIT;
use e2e::wire::milliseconds;
use hostile::Guests;
use lab::scenario::vrrp_host_binary;
use lab::{Host, Segment, Signal, UnitState, wait_until};
use serde_json::Value;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SERVICE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../dist/vrrp-host.service"
));
const WATCHED: &str = "watched.service";
const WATCHED_SERVICE: &str =
    "[Service]\nType=exec\nExecStart=@/bin/sleep watched-process infinity\n";
const GUEST: &str = "/usr/local/lib/vrrp-host/link.wasm";

const CLUSTER: &str = r#"
[instances.VI_1]
interface         = "eth0"
virtual-router-id = 51
virtual-addresses = ["192.0.2.100"]
track = [
    { check = "unit", on-fail = { weight = -10 } },
    { check = "process", on-fail = { weight = -10 } },
    { check = "interface", on-fail = { weight = -10 } },
    { check = "path", on-fail = { weight = -10 } },
]

[checks.unit]
module   = "unit"
interval = "1h"
config   = { unit = "watched" }

[checks.process]
module   = "process"
interval = "1h"
config   = { name = "watched-process" }

[checks.interface]
module   = "interface"
interval = "1h"
config   = { name = "eth1", address = "ipv4" }

[checks.path]
module   = "/usr/local/lib/vrrp-host/link.wasm"
interval = "1h"
allow    = ["link:eth0", "read:/run/app"]
config   = { with = "eth0", watch = ["/run/app/ready"], needs = [] }
"#;

/// A host on which vrrp-host runs as its service.
struct Bench {
    host: Host,
    _segment: Segment,
}

impl Bench {
    fn new() -> Self {
        let segment = Segment::new("segment").unwrap();
        let host = Host::boot(&segment, "node", ADDRESS).unwrap();
        let guests = Guests::build(Path::new(env!("CARGO_TARGET_TMPDIR")));
        host.write_file(GUEST, fs::read(guests.file("link")).unwrap())
            .unwrap();
        host.install(&vrrp_host_binary().unwrap(), "vrrp-host")
            .unwrap();
        host.write_file("/etc/systemd/system/vrrp-host.service", SERVICE)
            .unwrap();
        host.write_file(&format!("/etc/systemd/system/{WATCHED}"), WATCHED_SERVICE)
            .unwrap();
        host.write_file("/etc/vrrp-host/cluster.toml", CLUSTER)
            .unwrap();
        let bench = Self {
            host,
            _segment: segment,
        };
        bench.systemctl("daemon-reload");
        bench.systemctl("start watched");
        bench.ip("link add eth1 type veth peer name eth2");
        bench.ip("address add 198.51.100.1/24 dev eth1");
        bench.ip("link set eth1 up");
        bench.ip("link set eth2 up");
        bench.systemctl("start vrrp-host");
        bench
    }

    fn systemctl(&self, arguments: &str) {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        self.host.systemctl(&arguments).unwrap();
    }

    fn ip(&self, arguments: &str) {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        self.host.netns().ip(&arguments).unwrap();
    }

    fn shell(&self, script: &str) {
        self.host.run(&["sh", "-ec", script]).unwrap();
    }

    fn wait_for(&self, what: &str, mut content: impl FnMut(&Value) -> bool) -> Value {
        wait_until(LIMIT, what, || {
            let printed = self.host.run(&["vrrp-host", "status", "--json"]);
            let printed = printed.map_err(|error| error.to_string())?;
            match serde_json::from_str(&printed) {
                Ok(status) if content(&status) => Ok(status),
                Ok(status) => Err(status.to_string()),
                Err(_) => Err(printed),
            }
        })
        .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Does something, after which a check at once has another verdict, with these words in its summary.
    fn expect(&self, what: &str, check: &str, (verdict, words): (&str, &str), act: impl FnOnce()) {
        let is_so = |status: &Value| {
            let seen = &status["checks"][check];
            let summary = seen["summary"].as_str().unwrap_or_default();
            seen["verdict"] == verdict && summary.contains(words)
        };
        let status = self.wait_for("a status", |_| true);
        assert!(!is_so(&status), "before {what}: {status}");
        let before = SystemTime::now();
        act();
        let what = format!("{check} to be {verdict} after {what}");
        let status = self.wait_for(&what, is_so);
        let since = status["checks"][check]["since"].as_str().unwrap();
        let since = humantime::parse_rfc3339(since).unwrap();
        let took = milliseconds(before, since);
        println!("{what}: {took:.1} ms, most of it the act itself");
    }

    /// Does something after which a check runs once more, at least.
    fn expect_run(&self, what: &str, check: &str, act: impl FnOnce()) {
        let runs = |status: &Value| status["checks"][check]["runs"].as_u64().unwrap();
        let before = runs(&self.settled(check));
        act();
        self.wait_for(&format!("{check} to run after {what}"), |status| {
            runs(status) > before
        });
    }

    /// The status when the check has not run for a while, so that the next run has another reason.
    fn settled(&self, check: &str) -> Value {
        let mut last = None;
        self.wait_for(&format!("{check} to have settled"), |status| {
            let runs = status["checks"][check]["runs"].as_u64().unwrap();
            let (seen, since) = *last.get_or_insert_with(|| (runs, SystemTime::now()));
            if seen != runs {
                last = Some((runs, SystemTime::now()));
            }
            runs > 0 && seen == runs && since.elapsed().unwrap() > Duration::from_millis(300)
        })
    }
}

#[test]
fn whatever_a_check_watches_wakes_it_at_once() {
    let bench = Bench::new();
    bench.wait_for("every check to have a verdict", |status| {
        let checks = ["unit", "process", "interface", "path"];
        checks
            .iter()
            .all(|check| status["checks"][check]["verdict"] == "passing")
    });

    units(&bench);
    processes(&bench);
    interfaces(&bench);
    paths(&bench);
    a_new_worker(&bench);
    the_bus_restarts(&bench);
    let refused = bench.host.journal("vrrp-host.service", None).unwrap();
    assert!(
        refused
            .iter()
            .all(|entry| !entry.message.contains("denied")),
        "{refused:?}"
    );
}

const INACTIVE: (&str, &str) = (
    "failing",
    "watched.service is inactive (dead), expected active",
);
const ACTIVE: (&str, &str) = ("passing", "watched.service is active (running)");

fn units(bench: &Bench) {
    bench.expect("systemctl stop", "unit", INACTIVE, || {
        bench.systemctl("stop watched");
    });
    let shown = bench.host.run(&["vrrp-host", "status"]).unwrap();
    assert!(shown.contains(INACTIVE.1), "{shown}");
    println!("{shown}");
    bench.expect("systemctl start", "unit", ACTIVE, || {
        bench.systemctl("start watched");
    });

    for act in ["daemon-reload", "daemon-reexec"] {
        bench.systemctl(act);
        bench.expect(&format!("stop after {act}"), "unit", INACTIVE, || {
            bench.systemctl("stop watched");
        });
        bench.expect(&format!("start after {act}"), "unit", ACTIVE, || {
            bench.systemctl("start watched");
        });
    }
}

fn processes(bench: &Bench) {
    let all = bench.host.processes();
    let watched = all
        .iter()
        .find(|process| {
            process
                .command_line
                .first()
                .is_some_and(|name| name == "watched-process")
        })
        .unwrap();
    bench.wait_for("the process to be found", |status| {
        status["checks"]["process"]["verdict"] == "passing"
    });
    bench.expect("SIGKILL", "process", ("failing", "no process"), || {
        bench.host.kill(watched, Signal::KILL).unwrap();
    });
    bench.wait_for("its unit to have failed", |status| {
        status["checks"]["unit"]["summary"] == "watched.service is failed (failed), expected active"
    });
    bench.expect("a start", "process", ("passing", "1 process"), || {
        bench.systemctl("start watched");
    });
    bench.wait_for("its unit to be active", |status| {
        status["checks"]["unit"]["summary"] == ACTIVE.1
    });
}

fn interfaces(bench: &Bench) {
    for (act, undo, summary) in [
        (
            "link set eth2 down",
            "link set eth2 up",
            "eth1 has no carrier",
        ),
        ("link set eth1 down", "link set eth1 up", "eth1 is down"),
        (
            "address delete 198.51.100.1/24 dev eth1",
            "address add 198.51.100.1/24 dev eth1",
            "eth1 has no IPv4 address",
        ),
    ] {
        bench.expect(act, "interface", ("failing", summary), || bench.ip(act));
        let works = ("passing", "eth1 is up, with a carrier");
        bench.expect(undo, "interface", works, || bench.ip(undo));
    }
    let gone = ("failing", "there is no interface eth1");
    bench.expect("link delete", "interface", gone, || {
        bench.ip("link delete eth1");
    });
}

fn paths(bench: &Bench) {
    for script in [
        "mkdir /run/app",
        "echo 1 > /run/app/ready",
        "echo 2 > /run/app/new; mv /run/app/new /run/app/ready",
        "echo 3 > /run/app/ready",
        "rm /run/app/ready",
        "mkdir /run/data; echo 4 > /run/data/ready; ln -s ../data/ready /run/app/ready",
        "echo 5 > /run/data/ready",
        "rm -r /run/app",
    ] {
        bench.expect_run(script, "path", || bench.shell(script));
    }
}

/// What was watched for the old one is watched for the new one.
fn a_new_worker(bench: &Bench) {
    let worker = |status: &Value| status["processes"]["worker"].as_u64();
    let before = worker(&bench.wait_for("a worker", |status| worker(status).is_some()));
    bench.shell(&format!("kill -KILL {}", before.unwrap()));
    bench.wait_for("another worker with verdicts", |status| {
        worker(status).is_some_and(|pid| Some(pid) != before)
            && status["checks"]["unit"]["verdict"] == "passing"
            && status["checks"]["path"]["verdict"] == "passing"
    });
    bench.expect_run("a file made for a new worker", "path", || {
        bench.shell("mkdir /run/app");
    });
    bench.settled("unit");
    bench.expect("stop for a new worker", "unit", INACTIVE, || {
        bench.systemctl("stop watched");
    });
    bench.expect("start for a new worker", "unit", ACTIVE, || {
        bench.systemctl("start watched");
    });
}

fn the_bus_restarts(bench: &Bench) {
    // A run that the last start has woken may be under way: it would lose its answer with the bus.
    bench.settled("unit");
    bench.systemctl("stop dbus.socket dbus.service");
    // Nobody can tell: the last verdict holds.
    bench.systemctl("stop watched");
    bench
        .host
        .wait_for_unit(LIMIT, WATCHED, UnitState::Inactive)
        .unwrap();
    let status = bench.settled("unit");
    assert_eq!(status["checks"]["unit"]["standing"], "up", "{status}");
    assert_ne!(status["checks"]["unit"]["verdict"], "failing", "{status}");

    bench.systemctl("start dbus.socket dbus.service");
    bench.wait_for("the change to be found when the bus is back", |status| {
        status["checks"]["unit"]["summary"] == INACTIVE.1
    });
    bench.expect("start over the new bus", "unit", ACTIVE, || {
        bench.systemctl("start watched");
    });
}
