//! What `cargo xtask dist` makes, on hosts that have nothing else of this repository: every command of `docs/installing.md`
//! is run.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use e2e::daemon::LIMIT;
use e2e::wire::{advertisements, assert_good, longest_absence};
use hostile::guide::{Block, blocks};
use lab::scenario::{
    ADDRESSES, Cluster, Daemon, EXPORTER, NAMES, Node, State, VIRTUAL_ADDRESS, Version, play_on,
    vrrp_host_binary,
};
use lab::{Host, Segment, UnitState, wait_until};
use tempfile::TempDir;

const UNIT: &str = "vrrp-host.service";
const PACKAGE: &str = "vrrp-host_0.1.0-1_amd64.deb";
const NEWER_PACKAGE: &str = "vrrp-host_0.2.0-1_amd64.deb";
const ARCHIVE: &str = "vrrp-host-0.1.0-x86_64-linux.tar.gz";
/// Where a host has the files, and where commands of the guide are run.
const DOWNLOADS: &str = "/root";
/// Had the address not been handed over, the second host would have taken it one skew time after priority 0:
/// (256 - 99) / 256 of a second.
const HANDED_OVER: Duration = Duration::from_millis(500);

/// What dpkg, apt and systemd write down when any package comes and goes, and the users, who stay.
const NOT_OURS: [&str; 11] = [
    "/etc/group-",
    "/etc/passwd-",
    "/run/log/",
    "/run/systemd/",
    "/var/cache/",
    "/var/lib/PackageKit/",
    "/var/lib/apt/",
    "/var/lib/dpkg/",
    "/var/lib/systemd/linger",
    "/var/log/",
    "/var/tmp/systemd-private-",
];

#[test]
fn a_package_brings_the_scenario_is_upgraded_under_a_master_and_leaves_nothing() {
    let dist = dist();
    let segment = Segment::new("segment").unwrap();
    let nodes = [0, 1].map(|index| {
        let host = Host::boot(&segment, NAMES[index], ADDRESSES[index]).unwrap();
        Node::adopt(host, Daemon::VrrpHost).unwrap()
    });
    let cluster = Cluster { nodes, segment };
    let [first, second] = &cluster.nodes;
    let before = files(&first.host);

    for node in &cluster.nodes {
        for file in [PACKAGE, NEWER_PACKAGE] {
            bring(&node.host, &dist.path().join(file));
        }
        follow(&node.host, "On Debian");
        let host = &node.host;
        assert_eq!(host.unit_state(UNIT).unwrap(), UnitState::Inactive);
        let enabled = host.output(&["systemctl", "is-enabled", UNIT]).unwrap();
        assert_eq!(enabled.stdout.trim(), "disabled", "{enabled:?}");
        assert_complete(host, "/usr", "vendor-completions");
        // Without the file it says what is missing.
        assert!(
            !host
                .output(&["systemctl", "start", UNIT])
                .unwrap()
                .status
                .success()
        );
        host.systemctl(&["reset-failed", UNIT]).unwrap();
        // One package more that stops nothing, starts nothing.
        host.run(&["dpkg", "--install", &format!("{DOWNLOADS}/{PACKAGE}")])
            .unwrap();
        assert_eq!(host.unit_state(UNIT).unwrap(), UnitState::Inactive);
    }
    first.host.systemctl(&["start", EXPORTER]).unwrap();
    for node in &cluster.nodes {
        follow(&node.host, "The first start");
    }
    let report = play_on(&cluster, Version::V3, |_| ()).unwrap();
    assert!(report.is_met(), "{:#?}", report.expectations);

    upgrade(&cluster);
    remove(&cluster);

    let left: Vec<_> = files(&first.host)
        .difference(&before)
        .filter(|path| !NOT_OURS.iter().any(|prefix| path.starts_with(prefix)))
        .cloned()
        .collect();
    assert!(left.is_empty(), "{left:#?}");
    first.host.run(&["id", "vrrp-router"]).unwrap();
    second.stop().unwrap();
}

/// The first host, which has the address, is upgraded.
fn upgrade(cluster: &Cluster) {
    let [first, second] = &cluster.nodes;
    let capture = cluster.segment.capture().unwrap();
    let from = SystemTime::now();
    let old = first.host.unit_property(UNIT, "MainPID").unwrap();
    follow(&first.host, "Upgrade");
    assert_ne!(first.host.unit_property(UNIT, "MainPID").unwrap(), old);
    let version = [
        "dpkg-query",
        "--show",
        "--showformat=${Version}",
        "vrrp-host",
    ];
    assert_eq!(first.host.run(&version).unwrap(), "0.2.0-1");
    second.wait_for_state(LIMIT, State::Backup).unwrap();
    first.wait_for_state(LIMIT, State::Master).unwrap();
    wait_until(LIMIT, "the address to be back", || {
        match (first.holds_address(), second.holds_address()) {
            (Ok(true), Ok(false)) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .unwrap();

    let frames = capture.stop().unwrap();
    assert_good(&frames);
    let of_first = advertisements(&frames, ADDRESSES[0]);
    let of_second = advertisements(&frames, ADDRESSES[1]);
    let given = of_first.iter().find(|sent| sent.priority == 0).unwrap();
    let taken = of_second.first().unwrap();
    let back = of_first.last().unwrap();
    assert!(given.at < taken.at && taken.at < back.at, "{frames:#?}");
    assert_eq!((taken.priority, back.priority), (99, 100));
    let absence = absence(cluster, from);
    println!("upgraded: the address was nowhere for {absence:?} at most");
    assert!(absence < HANDED_OVER, "{absence:?}");
    assert_eq!(second.exporter().unwrap(), UnitState::Inactive);
}

/// The package is removed from the first host, which has the address, and then purged.
fn remove(cluster: &Cluster) {
    let [first, second] = &cluster.nodes;
    let capture = cluster.segment.capture().unwrap();
    let from = SystemTime::now();
    let [removal, purge] = &commands("Removal")[..] else {
        panic!("the guide removes in two steps");
    };
    run(&first.host, removal);
    assert_eq!(first.host.unit_state(UNIT).unwrap(), UnitState::Inactive);
    assert!(!first.holds_address().unwrap());
    second.wait_for_state(LIMIT, State::Master).unwrap();
    wait_until(
        LIMIT,
        "the second host to have the address",
        || match second.holds_address() {
            Ok(true) => Ok(()),
            seen => Err(format!("{seen:?}")),
        },
    )
    .unwrap();
    let frames = capture.stop().unwrap();
    let last = *advertisements(&frames, ADDRESSES[0]).last().unwrap();
    assert!(last.priority == 0 && last.at >= from, "{last:?}");
    let absence = absence(cluster, from);
    println!("removed: the address was nowhere for {absence:?} at most");
    assert!(absence < HANDED_OVER, "{absence:?}");
    // What its owner wrote is there until it is purged.
    first.host.read_file("/etc/vrrp-host/cluster.toml").unwrap();
    run(&first.host, purge);
}

#[test]
fn an_archive_is_put_below_usr_local_and_removed() {
    let dist = dist();
    let segment = Segment::new("segment").unwrap();
    let host = Host::boot(&segment, NAMES[0], ADDRESSES[0]).unwrap();
    let before = files(&host);
    bring(&host, &dist.path().join(ARCHIVE));
    let [installation, upgrade, removal] = &commands("On another Linux")[..] else {
        panic!("the guide installs, upgrades and removes");
    };
    host.systemctl(&["start", EXPORTER]).unwrap();
    run(&host, installation);
    assert_complete(&host, "/usr/local", "site-functions");
    let node = Node::adopt(host, Daemon::VrrpHost).unwrap();
    node.wait_for_state(LIMIT, State::Master).unwrap();
    run(&node.host, upgrade);
    node.wait_for_state(LIMIT, State::Master).unwrap();
    run(&node.host, removal);
    let left: Vec<_> = files(&node.host)
        .difference(&before)
        .filter(|path| path.contains("vrrp"))
        .cloned()
        .collect();
    assert!(left.is_empty(), "{left:#?}");
}

/// For how long at most no host had the address, from a moment on when one had it.
fn absence(cluster: &Cluster, from: SystemTime) -> Duration {
    let [first, second] = cluster.nodes.each_ref().map(|node| {
        let mut moves = node.moves();
        moves.retain(|change| change.at >= from);
        moves
    });
    longest_absence(&[&first, &second], VIRTUAL_ADDRESS)
}

/// Everything that a user expects is below `prefix`, and can be used.
fn assert_complete(host: &Host, prefix: &str, zsh: &str) {
    let started = host.unit_property(UNIT, "ExecStart").unwrap();
    assert!(
        started.contains(&format!("path={prefix}/bin/vrrp-host ;")),
        "{started}"
    );
    let share = |path: &str| format!("{prefix}/share/{path}");
    for path in [
        "man/man1/vrrp-host.1.gz",
        "man/man1/vrrp-host-status.1.gz",
        "fish/vendor_completions.d/vrrp-host.fish",
        &format!("zsh/{zsh}/_vrrp-host"),
        "vrrp-host/schemas/status.schema.json",
        "vrrp-host/prometheus/vrrp-host.rules.yml",
        "vrrp-host/grafana/vrrp-host.json",
        "doc/vrrp-host/copyright",
        "doc/vrrp-host/examples/01-haproxy/cluster.toml",
    ] {
        host.run(&["test", "-s", &share(path)]).unwrap();
    }
    let bash = share("bash-completion/completions/vrrp-host");
    let script = format!("source {bash}; complete -p vrrp-host");
    host.run(&["bash", "-euc", &script]).unwrap();
    for user in ["vrrp-router", "vrrp-worker", "vrrp-host"] {
        host.run(&["id", user]).unwrap();
    }
}

/// Packs the daemon under test, as two versions.
fn dist() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["xtask", "dist", "--daemon"])
        .arg(vrrp_host_binary().unwrap())
        .arg("--output")
        .arg(folder.path())
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let raw = folder.path().join("raw");
    let dpkg_deb = |arguments: &[&Path]| {
        let status = Command::new("dpkg-deb").args(arguments).status().unwrap();
        assert!(status.success(), "{arguments:?}");
    };
    dpkg_deb(&[
        Path::new("--raw-extract"),
        &folder.path().join(PACKAGE),
        &raw,
    ]);
    let control = raw.join("DEBIAN/control");
    let text = fs::read_to_string(&control).unwrap();
    assert!(text.contains("\nVersion: 0.1.0-1\n"), "{text}");
    fs::write(
        &control,
        text.replace("\nVersion: 0.1.0-1\n", "\nVersion: 0.2.0-1\n"),
    )
    .unwrap();
    let quick = ["-Zgzip", "-z1", "--build"].map(Path::new);
    dpkg_deb(&[&quick[..], &[&raw, &folder.path().join(NEWER_PACKAGE)]].concat());
    folder
}

/// Copies a file to a host.
fn bring(host: &Host, file: &Path) {
    let name = file.file_name().unwrap().to_str().unwrap();
    let target = format!("{DOWNLOADS}/{name}");
    host.write_file(&target, fs::read(file).unwrap()).unwrap();
}

/// Runs the commands of a section of the guide.
fn follow(host: &Host, section: &str) {
    for script in commands(section) {
        run(host, &script);
    }
}

fn run(host: &Host, script: &str) {
    let script = format!("cd {DOWNLOADS}\n{script}");
    let output = host.output(&["sh", "-euxc", &script]).unwrap();
    assert!(output.status.success(), "{script}{output:?}");
    println!("{script}{}", output.stdout);
}

/// The blocks of commands of a section of the guide.
fn commands(section: &str) -> Vec<String> {
    let guide = fs::read_to_string(root().join("docs/installing.md")).unwrap();
    let text = guide
        .split("\n## ")
        .find(|text| text.lines().next() == Some(section))
        .unwrap_or_else(|| panic!("the guide has no section {section:?}"));
    let commands: Vec<_> = blocks(text)
        .into_iter()
        .map(|block| match block {
            Block::Commands(script, 0) => script,
            other @ (Block::Commands(..) | Block::File(..)) => panic!("{other:?}: is not run"),
        })
        .collect();
    assert!(!commands.is_empty(), "{section:?} has lost its commands");
    commands
}

/// Every file, link and folder where packages put some.
fn files(host: &Host) -> BTreeSet<String> {
    let found = host.run(&["find", "/etc", "/run", "/usr", "/var", "-xdev"]);
    found.unwrap().lines().map(str::to_owned).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
