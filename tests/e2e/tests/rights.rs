//! What the processes may do as a service of systemd: as the unit file says, with root and without.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it sees, and fails by unwrapping"
)]

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use e2e::daemon::{Daemon, LIMIT};
use e2e::stage::{INSTANCE, Stage, cluster};
use lab::scenario::{State, vrrp_host_binary};
use lab::{Host, Segment, Signal, UnitState, wait_until};
use serde_json::Value;

const SERVICE: &str = include_str!("../../../dist/vrrp-host.service");
const UNPRIVILEGED: &str = include_str!("../../../dist/unprivileged.conf");
const SYSUSERS: &str = include_str!("../../../dist/sysusers.conf");
const UNIT: &str = "vrrp-host.service";
const DROP_IN: &str = "/etc/systemd/system/vrrp-host.service.d/unprivileged.conf";
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const SHARED: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));

const PRIORITIES: &str = "priority = { first = 200, second = 100 }";

/// CAP_NET_ADMIN 12, CAP_NET_RAW 13, CAP_IPC_LOCK 14, CAP_SYS_NICE 23.
const ROUTERS: u64 = 1 << 12 | 1 << 13 | 1 << 14 | 1 << 23;
/// CAP_DAC_OVERRIDE 1, CAP_DAC_READ_SEARCH 2, CAP_KILL 5, CAP_SETGID 6, CAP_SETUID 7, CAP_SETPCAP 8.
const BROKERS: u64 = 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8;

/// As docs/security.md has it.
const POLKIT: &str = r#"
polkit.addRule(function (action, subject) {
    if (action.id == "org.freedesktop.systemd1.manage-units" && subject.user == "vrrp-host" &&
        action.lookup("unit") == "note.service") {
        return polkit.Result.YES;
    }
});
"#;

/// A virtual MAC needs settings under /proc/sys, a command another user, and the check the whole process table.
const CLUSTER: &str = r#"
[router]
cpu-affinity = [0]

[checks.journal]
module   = "process"
interval = "100ms"
config   = { name = "systemd-journal" }

[checks.app]
module   = "exec"
interval = "100ms"
config   = { command = "/usr/bin/id", args = ["--user", "--name"] }

[hooks.note]
module = "systemctl"
config = { action = "start", unit = "note.service" }

[instances.VI_1]
interface = "eth0"
virtual-router-id = 51
virtual-addresses = ["192.0.2.100"]
virtual-mac = true
track = [{ check = "journal" }, { check = "app" }]
notify = [{ on = "master", hook = "note" }]
"#;

#[test]
fn systemd_sees_little_exposure_and_less_without_root() {
    let folder = tempfile::tempdir().unwrap();
    let score = |text: &str| {
        let path = folder.path().join(UNIT);
        fs::write(&path, text).unwrap();
        let output = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager"])
            .arg(&path)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, level) = text.rsplit_once(": ").unwrap();
        let score: f32 = level.split(' ').next().unwrap().parse().unwrap();
        score
    };
    let (root, unprivileged) = (score(SERVICE), score(&format!("{SERVICE}\n{UNPRIVILEGED}")));
    println!("exposure {root}, without root {unprivileged}");
    // What commands of other users take, and speaking VRRP at all, counts for this much.
    assert!(root <= 3.6, "{root}");
    assert!(unprivileged < 3.0, "{unprivileged}");
}

#[test]
fn as_a_service_each_process_has_what_its_work_takes() {
    let segment = Segment::new("segment").unwrap();
    let host = Host::boot(&segment, "first", ADDRESS).unwrap();
    install(&host);

    host.systemctl(&["start", UNIT]).unwrap();
    let status = wait_for_master(&host);
    let pid = |role: &str| status["processes"][role].as_u64().unwrap();
    let [supervisor, router, worker] = ["supervisor", "router", "worker"].map(pid);
    let user = |name: &str| host.run(&["id", "--user", name]).unwrap().trim().to_owned();
    let of_root = of(&host, supervisor);
    assert_eq!(
        (of_root.uid.as_str(), of_root.capabilities),
        ("0", ROUTERS | BROKERS)
    );
    let of_router = of(&host, router);
    assert_eq!(of_router.uid, user("vrrp-router"));
    assert_eq!(of_router.processors, "0");
    assert_eq!(of_router.capabilities, ROUTERS);
    assert_eq!(of_router.filters, of_root.filters + 2);
    let of_worker = of(&host, worker);
    assert_eq!(of_worker.uid, user("vrrp-worker"));
    assert_eq!(of_worker.capabilities, 0);
    assert_eq!(of_worker.filters, of_root.filters + 2);
    let summary = status["checks"]["app"]["summary"].as_str().unwrap();
    assert!(summary.contains("nobody"), "{status}");
    host.wait_for_unit(LIMIT, "note.service", UnitState::Active)
        .unwrap();
    host.systemctl(&["reload", UNIT]).unwrap();
    assert_eq!(host.unit_state(UNIT).unwrap(), UnitState::Active);
    assert_nothing_refused(&host);
    host.systemctl(&["stop", UNIT]).unwrap();
    assert!(!host.netns().has_address(SHARED).unwrap());

    host.systemctl(&["stop", "note.service"]).unwrap();
    host.write_file(DROP_IN, UNPRIVILEGED).unwrap();
    host.write_file("/etc/polkit-1/rules.d/50-vrrp-host.rules", POLKIT)
        .unwrap();
    host.systemctl(&["daemon-reload"]).unwrap();
    host.systemctl(&["start", UNIT]).unwrap();
    let status = wait_for_master(&host);
    let ours = user("vrrp-host");
    for (role, capabilities) in [("supervisor", ROUTERS), ("router", ROUTERS), ("worker", 0)] {
        let found = of(&host, status["processes"][role].as_u64().unwrap());
        assert_eq!(
            (&found.uid, found.capabilities),
            (&ours, capabilities),
            "{role}"
        );
    }
    let summary = status["checks"]["app"]["summary"].as_str().unwrap();
    assert!(summary.contains("vrrp-host"), "{status}");
    host.wait_for_unit(LIMIT, "note.service", UnitState::Active)
        .unwrap();
    assert_nothing_refused(&host);
    host.systemctl(&["stop", UNIT]).unwrap();
    assert!(!host.netns().has_address(SHARED).unwrap());
}

/// What was given up at the start does not come back, and a file that needs it is refused.
#[test]
fn only_a_start_with_a_command_of_root_keeps_the_rights_for_one() {
    let stage = Stage::new().unwrap();
    let without = cluster(PRIORITIES);
    let with = format!(
        "{without}track = [{{ check = \"app\" }}]\n\
         [checks.app]\n\
         module = \"exec\"\n\
         interval = \"100ms\"\n\
         config = {{ command = \"/usr/bin/id\", args = [\"--user\"] }}\n\
         user = \"root\"\n"
    );
    let mut daemon = Daemon::start(&stage.first, "first", &without);
    daemon.wait_for_state(INSTANCE, State::Master);
    daemon.rewrite(&with);
    let refused = daemon.ask(&["reload"]);
    let told = String::from_utf8(refused.stderr).unwrap();
    println!("{told}");
    assert_eq!(refused.status.code(), Some(78), "{told}");
    assert!(told.contains("user = \"root\""), "{told}");
    assert!(told.contains("systemctl restart vrrp-host"), "{told}");

    daemon.process.signal(Signal::TERM).unwrap();
    daemon.process.wait(LIMIT).unwrap();
    daemon.start_again(&stage.first);
    daemon.wait_for("the command to have run", |status| {
        status["checks"]["app"]["verdict"] == "passing"
    });
    let capabilities = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = text.lines().find(|line| line.starts_with("CapEff:"));
        line.unwrap().to_owned()
    };
    let supervisor = daemon.pids().supervisor.as_raw_pid();
    assert_eq!(
        capabilities(supervisor.try_into().unwrap()),
        capabilities(std::process::id())
    );
    daemon.rewrite(&without);
    assert!(daemon.ask(&["reload"]).status.success(), "{daemon}");
}

#[test]
fn a_processor_that_is_not_there_starts_nothing() {
    let stage = Stage::new().unwrap();
    let file = format!(
        "{}[router]\ncpu-affinity = [0, 1023]\n",
        cluster(PRIORITIES)
    );
    let mut daemon = Daemon::start(&stage.first, "first", &file);
    let status = daemon.process.wait(LIMIT).unwrap();
    assert_eq!(status.code(), Some(78), "{daemon}");
    let log = daemon.process.log();
    assert!(
        log.contains("vrrp-host cannot run on processor 1023"),
        "{log}"
    );
    assert!(log.contains("it may run on 0"), "{log}");
}

fn install(host: &Host) {
    host.install(&vrrp_host_binary().unwrap(), "vrrp-host")
        .unwrap();
    host.write_file(&format!("/etc/systemd/system/{UNIT}"), SERVICE)
        .unwrap();
    host.write_file(
        "/etc/systemd/system/note.service",
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
    )
    .unwrap();
    host.write_file("/etc/vrrp-host/cluster.toml", CLUSTER)
        .unwrap();
    host.write_file("/usr/lib/sysusers.d/vrrp-host.conf", SYSUSERS)
        .unwrap();
    host.run(&["systemd-sysusers", "vrrp-host.conf"]).unwrap();
    host.systemctl(&["daemon-reload"]).unwrap();
}

/// Waits until the instance is MASTER, has the address, and both checks have passed.
fn wait_for_master(host: &Host) -> Value {
    wait_until(LIMIT, "the instance to be MASTER", || {
        let status = host.run(&["vrrp-host", "status", "--json"]);
        let status: Value = serde_json::from_str(&status.map_err(|error| error.to_string())?)
            .map_err(|error| error.to_string())?;
        let passing = |check: &str| status["checks"][check]["verdict"] == "passing";
        let is_master = status["instances"]["VI_1"]["state"] == "MASTER";
        let has_address = host.netns().has_address(SHARED).is_ok_and(|has| has);
        if is_master && passing("journal") && passing("app") && has_address {
            Ok(status)
        } else {
            Err(format!("{status}\n{}", journal(host)))
        }
    })
    .unwrap()
}

/// What the kernel says of a process.
#[derive(Debug)]
struct Rights {
    uid: String,
    capabilities: u64,
    /// Filters of system calls; systemd's count too.
    filters: u32,
    processors: String,
}

fn of(host: &Host, pid: u64) -> Rights {
    let text = host.run(&["cat", &format!("/proc/{pid}/status")]).unwrap();
    let field = |name: &str| {
        let lines = text.lines();
        let mut fields = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let value = fields.next().unwrap().trim();
        value.split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(field("NoNewPrivs"), "1", "{text}");
    assert_eq!(field("CapEff"), field("CapPrm"), "{text}");
    let found = Rights {
        uid: field("Uid"),
        capabilities: u64::from_str_radix(&field("CapEff"), 16).unwrap(),
        filters: field("Seccomp_filters").parse().unwrap(),
        processors: field("Cpus_allowed_list"),
    };
    println!("process {pid}: {found:?}");
    found
}

fn assert_nothing_refused(host: &Host) {
    let journal = journal(host);
    for sign in [
        "refused the system call",
        "advertisements late",
        "may make any",
    ] {
        assert!(!journal.contains(sign), "{journal}");
    }
}

fn journal(host: &Host) -> String {
    let entries = host.journal(UNIT, None).unwrap();
    let lines: Vec<_> = entries.iter().map(|entry| entry.message.as_str()).collect();
    lines.join("\n")
}
