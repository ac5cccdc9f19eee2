//! A start that cannot succeed says why, and does nothing.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::daemon::{Daemon, state_dir};
use e2e::metronome::Metronome;
use e2e::refused::Attempt;
use e2e::stage::{FIRST, INSTANCE, INTERFACE, SHARED, Stage, cluster};
use e2e::wire::{advertisements, assert_good};
use lab::scenario::{State, vrrp_host_binary};
use lab::{Netns, Output};
use tempfile::TempDir;

const INTERVAL: Duration = Duration::from_millis(100);
/// How much later than due an advertisement may be, on a machine that is never late itself.
const LATE: Duration = Duration::from_millis(5);
const PRIORITIES: &str = "priority = { first = 200, second = 100 }";

#[test]
fn a_second_daemon_at_the_same_control_socket_ends_and_leaves_the_first_alone() {
    let stage = Stage::new().unwrap();
    let daemon = Daemon::start(&stage.first, "first", &cluster(PRIORITIES));
    daemon.wait_for_state(INSTANCE, State::Master);
    let metronome = Metronome::start();
    let capture = stage.segment.capture().unwrap();
    daemon.wait_for_advertisements(INSTANCE, 5);
    let before = daemon.pids();

    let folder = TempDir::new().unwrap();
    let config = write_config(&folder);
    let output = vrrp_host(&stage.first, &[], &config, daemon.control());
    println!("{}", output.stderr.trim_end());
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    let told = format!(
        "a vrrp-host is already running: {} answers; stop it, or give this one another --control",
        daemon.control().display()
    );
    assert!(output.stderr.contains(&told), "{output:?}");

    daemon.wait_for_advertisements(INSTANCE, 5);
    assert_eq!(daemon.pids(), before);
    assert_eq!(daemon.state(INSTANCE), Ok(State::Master));
    assert!(stage.first.has_address(SHARED).unwrap());
    let frames = capture.stop().unwrap();
    let stalls = metronome.stop();
    assert_good(&frames);
    let sent = advertisements(&frames, FIRST);
    let punctuality = stalls.punctuality(&sent, INTERVAL);
    println!("{} advertisements: {punctuality:?}", sent.len());
    assert!(punctuality.late <= LATE, "{punctuality:?}\n{daemon}");
    assert!(sent.iter().all(|sent| sent.priority == 200), "{sent:?}");
}

#[test]
fn without_rights_nothing_starts_and_the_message_names_them() {
    let stage = Stage::new().unwrap();
    let folder = TempDir::new().unwrap();
    let config = write_config(&folder);
    let control = folder.path().join("control.sock");
    let cases: [(&[&str], &str); 2] = [
        (
            &["setpriv", "--bounding-set=-net_raw,-kill"],
            "missing rights: CAP_NET_RAW, CAP_KILL; add them to the service's CapabilityBoundingSet=CAP_NET_RAW CAP_KILL",
        ),
        (
            // Nobody, who may read what only root can reach: this tree and the file.
            &[
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "--inh-caps=+dac_read_search",
                "--ambient-caps=+dac_read_search",
            ],
            "missing rights: CAP_NET_ADMIN, CAP_NET_RAW; run as root, or give the service AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_NICE CAP_IPC_LOCK",
        ),
    ];
    let capture = stage.segment.capture().unwrap();
    for (under, told) in cases {
        let output = vrrp_host(&stage.first, under, &config, &control);
        println!("{}", output.stderr.trim_end());
        assert_eq!(output.status.code(), Some(77), "{output:?}");
        assert!(output.stderr.contains(told), "{output:?}");
        assert!(!control.exists());
    }
    assert_eq!(advertisements(&capture.stop().unwrap(), FIRST), []);
}

#[test]
fn who_has_the_port_is_told_with_what_to_do() {
    let stage = Stage::new().unwrap();
    let http = "[http]\nlisten = \"127.0.0.1:9650\"";
    let daemon = Daemon::start(&stage.first, "first", &cluster(http));
    daemon.wait_for_state(INSTANCE, State::Master);
    let pid = daemon.pids().supervisor.as_raw_nonzero();

    let attempt = Attempt::new(cluster(http));
    attempt.start(&stage.first).assert_says(
        75,
        &[
            "error: cannot listen at 127.0.0.1:9650: ",
            "listen = \"127.0.0.1:9650\"\n",
            &format!("vrrp-host has the port (process {pid}): end it, or write another port"),
        ],
    );
    assert_eq!(daemon.state(INSTANCE), Ok(State::Master));
}

#[test]
fn without_an_address_of_its_own_a_node_says_how_to_get_one_and_needs_no_other_start() {
    let stage = Stage::new().unwrap();
    let own = format!("{FIRST}/24");
    let address = |act| {
        stage
            .first
            .ip(&["address", act, &own, "dev", INTERFACE])
            .unwrap()
    };
    address("del");
    let daemon = Daemon::start(&stage.first, "first", &cluster(PRIORITIES));
    daemon.wait_for_state(INSTANCE, State::Fault);
    let status = daemon.status().unwrap();
    assert_eq!(
        status["instances"][INSTANCE]["reason"],
        "the interface is without an IPv4 address of its own; give it one: `ip address add ADDRESS/LENGTH dev eth0`",
    );
    address("add");
    daemon.wait_for_state(INSTANCE, State::Master);
}

/// A cluster.toml that has nothing wrong.
fn write_config(folder: &TempDir) -> PathBuf {
    let config = folder.path().join("cluster.toml");
    fs::write(&config, cluster(PRIORITIES)).unwrap();
    config
}

/// Runs vrrp-host as the first host's daemon to its end, with the words of `under` before it.
fn vrrp_host(host: &Netns, under: &[&str], config: &Path, control: &Path) -> Output {
    let binary = vrrp_host_binary().unwrap();
    let state_dir = state_dir();
    let [binary, config, control, state_dir] =
        [&binary, config, control, &state_dir].map(|path: &Path| path.to_str().unwrap());
    let mut argv = under.to_vec();
    argv.extend([binary, "--config", config, "--node", "first"]);
    argv.extend(["--control", control, "--state-dir", state_dir]);
    host.output(&argv).unwrap()
}
