//! `vrrp-host init`: what it writes on each kind of host, and that it can be started as it is.

#![expect(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use e2e::daemon::Daemon;
use e2e::refused::{Attempt, Refusal};
use e2e::stage::{FIRST, INSTANCE, INTERFACE, Stage, cluster};
use lab::scenario::State;
use lab::{Netns, Segment};

/// An address of the file that the reader is to change: this one in a network for documentation that the stage is not in.
const PLACEHOLDER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 100));
/// Nobody, who may read what only root can reach: this tree.
const NOBODY: [&str; 6] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
];

/// A folder without a file.
fn nothing() -> Attempt {
    let attempt = Attempt::new("");
    fs::remove_file(attempt.path("cluster.toml")).unwrap();
    attempt
}

/// `vrrp-host init --output cluster.toml` as the node `first`.
fn init(attempt: &Attempt, host: &Netns, more: &[&str]) -> Refusal {
    let command = ["init", "--output", "cluster.toml", "--node", "first"];
    attempt.run(host, &[&command, more].concat())
}

fn written(attempt: &Attempt) -> String {
    fs::read_to_string(attempt.path("cluster.toml")).unwrap()
}

#[test]
fn what_it_writes_is_accepted_and_can_be_started() {
    let stage = Stage::new().unwrap();
    let attempt = nothing();
    let initialised = init(&attempt, &stage.first, &[]);
    initialised.assert_says(
        0,
        &[
            "heard no virtual router on eth0 in 3 s: virtual-router-id = 51\n",
            "vrrp-host check-config cluster.toml\n",
            "vrrp-host --config cluster.toml\n",
            "vrrp-host status\n",
        ],
    );
    let text = written(&attempt);
    assert!(text.contains("192.0.2.1/24 on eth0"), "{text}");
    let checked = attempt.check_config(&stage.first);
    assert_eq!(checked.code, Some(0), "{checked}");
    assert!(checked.stdout.contains("2 nodes, 1 instances"), "{checked}");
    assert!(!checked.stdout.contains("warning"), "{checked}");

    let daemon = Daemon::start(&stage.first, "first", &text);
    daemon.wait_for_state(INSTANCE, State::Master);
    daemon.wait_for("the placeholder to be there", |_| {
        stage.first.has_address(PLACEHOLDER).unwrap()
    });
}

#[test]
fn a_file_that_is_there_stays_unless_it_is_forced() {
    let stage = Stage::new().unwrap();
    let attempt = Attempt::new("# mine\n");
    let refused = init(&attempt, &stage.first, &[]);
    refused.assert_says(64, &["cluster.toml is there already", "--force"]);
    assert_eq!(written(&attempt), "# mine\n");
    let forced = init(&attempt, &stage.first, &["--force"]);
    assert_eq!(forced.code, Some(0), "{forced}");
    assert!(written(&attempt).contains("[instances.VI_1]"));
}

#[test]
fn the_number_of_a_virtual_router_that_is_heard_is_not_taken() {
    let stage = Stage::new().unwrap();
    let daemon = Daemon::start(&stage.first, "first", &cluster("priority = 200"));
    daemon.wait_for_state(INSTANCE, State::Master);
    let attempt = nothing();
    let initialised = init(&attempt, &stage.second, &[]);
    let told = format!(
        "heard virtual routers on eth0 in 3 s: 51 (from {FIRST}): virtual-router-id = 52\n"
    );
    initialised.assert_says(0, &[&told]);
    let text = written(&attempt);
    assert!(text.contains("\nvirtual-router-id = 52\n"), "{text}");
}

#[test]
fn of_several_interfaces_the_default_route_decides_or_who_types() {
    let stage = Stage::new().unwrap();
    let other = Segment::new("other").unwrap();
    let address = (Ipv4Addr::new(10, 0, 0, 1), 24);
    let _port = other.attach(&stage.first, "eth1", address).unwrap();
    let attempt = nothing();
    init(&attempt, &stage.first, &[]).assert_says(
        78,
        &[
            "which interface?",
            "eth0 has 192.0.2.1/24, eth1 has 10.0.0.1/24",
            "vrrp-host init --interface",
        ],
    );
    init(&attempt, &stage.first, &["--interface", "eth11"]).assert_says(
        78,
        &[
            "there is no interface `eth11`; did you mean `eth1`?",
            "`eth0`",
        ],
    );
    assert!(!attempt.path("cluster.toml").exists());

    let named = init(&attempt, &stage.first, &["--interface", "eth0"]);
    assert_eq!(named.code, Some(0), "{named}");
    assert!(written(&attempt).contains("\ninterface = \"eth0\"\n"));

    stage
        .first
        .ip(&["route", "add", "default", "via", "10.0.0.254"])
        .unwrap();
    let by_route = init(&attempt, &stage.first, &["--force"]);
    assert_eq!(by_route.code, Some(0), "{by_route}");
    assert!(written(&attempt).contains("\ninterface = \"eth1\"\n"));
}

#[test]
fn a_host_without_an_address_is_told_to_get_one() {
    let attempt = nothing();
    let host = Netns::new("host").unwrap();
    let alone = init(&attempt, &host, &[]);
    alone.assert_says(78, &["no network interface but the loopback"]);
    let segment = Segment::new("segment").unwrap();
    let address = (Ipv4Addr::new(10, 0, 0, 1), 24);
    let _port = segment.attach(&host, INTERFACE, address).unwrap();
    // Of its addresses, the one of the link alone comes back by itself.
    host.ip(&["address", "flush", "dev", INTERFACE]).unwrap();
    let without = init(&attempt, &host, &[]);
    without.assert_says(78, &["eth0 has no address", "ip address add", "dev eth0"]);
    assert!(!attempt.path("cluster.toml").exists());
}

#[test]
fn over_ipv6_alone_it_writes_addresses_of_that() {
    let segment = Segment::new("segment").unwrap();
    let host = Netns::new("host").unwrap();
    let address = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
    let _port = segment.attach(&host, INTERFACE, (address, 64)).unwrap();
    let attempt = nothing();
    let initialised = init(&attempt, &host, &[]);
    initialised.assert_says(0, &["heard no virtual router on eth0"]);
    let text = written(&attempt);
    let addresses = "\nvirtual-addresses = [\"fe80::51\", \"2001:db8::64\"]\n";
    assert!(text.contains(addresses), "{text}");
    let checked = attempt.check_config(&host);
    assert_eq!(checked.code, Some(0), "{checked}");
}

#[test]
fn without_rights_it_writes_to_stdout_and_says_that_it_did_not_listen() {
    let stage = Stage::new().unwrap();
    let attempt = nothing();
    let command = ["init", "--node", "first", "--output"];
    let shown = attempt.run_under(&NOBODY, &stage.first, &[&command[..], &["-"]].concat());
    shown.assert_says(
        0,
        &[
            "had no right to listen on eth0",
            "sudo",
            "virtual-router-id = 51\n",
        ],
    );
    attempt.write("cluster.toml", &shown.stdout);
    let checked = attempt.check_config(&stage.first);
    assert_eq!(checked.code, Some(0), "{checked}");

    let refused = attempt.run_under(
        &NOBODY,
        &stage.first,
        &[&command[..], &["new.toml"]].concat(),
    );
    refused.assert_says(77, &["cannot write new.toml", "sudo", "--output"]);
}
