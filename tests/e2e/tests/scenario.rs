//! The scenario on real systemd hosts: with vrrp-host on both, and with keepalived as the peer in either role.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::time::Duration;

use Daemon::{Keepalived, VrrpHost};
use State::{Backup, Fault, Master};
use lab::UnitState;
use lab::scenario::{
    Cluster, Daemon, INSTANCE, NAMES, Node, Options, Report, State, VIRTUAL_ADDRESS, Version, What,
    play_on,
};
use serde_json::{Value, json};

const PRIORITIES: [u8; 2] = [100, 99];

#[test]
fn two_vrrp_hosts_play_it_in_version_3() {
    play([VrrpHost, VrrpHost], Version::V3);
}

#[test]
fn two_vrrp_hosts_play_it_in_version_2() {
    play([VrrpHost, VrrpHost], Version::V2);
}

#[test]
fn keepalived_takes_over_from_vrrp_host_in_version_3() {
    play([VrrpHost, Keepalived], Version::V3);
}

#[test]
fn keepalived_takes_over_from_vrrp_host_in_version_2() {
    play([VrrpHost, Keepalived], Version::V2);
}

#[test]
fn vrrp_host_takes_over_from_keepalived_in_version_3() {
    play([Keepalived, VrrpHost], Version::V3);
}

#[test]
fn vrrp_host_takes_over_from_keepalived_in_version_2() {
    play([Keepalived, VrrpHost], Version::V2);
}

fn play(daemons: [Daemon; 2], version: Version) {
    let options = Options::new(daemons, version);
    let cluster = Cluster::boot(&options).expect("the laboratory works");
    let ours = || {
        let nodes = cluster.nodes.iter().enumerate();
        nodes.filter(|(_, node)| node.daemon == VrrpHost)
    };
    for (_, node) in ours() {
        check_config_accepts_the_file_for_every_node(node);
    }
    let report = play_on(&cluster, version, |_| ()).expect("the laboratory works");
    assert!(report.is_met(), "{report}");
    println!("\n{} and {}, {version:?}\n{report}", daemons[0], daemons[1]);

    takeover_takes_one_skew_time(&report);
    for (index, node) in ours() {
        the_service_ran_through(node);
        the_journal_tells_each_transition_once(node, index, &report);
        status_has_the_promised_shape(node, index, version);
    }
}

fn check_config_accepts_the_file_for_every_node(node: &Node) {
    for name in NAMES {
        node.host
            .run(&[
                "vrrp-host",
                "check-config",
                "/etc/vrrp-host/cluster.toml",
                "--node",
                name,
            ])
            .unwrap();
    }
}

/// After priority 0, the second host waits (256 - 99) / 256 s: in version 3 because the interval is one second.
fn takeover_takes_one_skew_time(report: &Report) {
    let first = |node, what| {
        report
            .first(node, |seen| *seen == what)
            .unwrap_or_else(|| panic!("no {what} by {}\n{report}", report.nodes[node]))
    };
    let taken = first(1, What::FirstAdvertisement { priority: 99 }) - first(0, What::PriorityZero);
    let skew = Duration::from_micros(613_281);
    println!(
        "from priority 0 to the second host's first advertisement: {taken:.1?}, skew time {skew:.1?}"
    );
    assert!(
        taken > skew - Duration::from_millis(20) && taken < skew + Duration::from_millis(200),
        "{report}"
    );
}

fn the_service_ran_through(node: &Node) {
    let unit = VrrpHost.unit();
    assert_eq!(node.host.unit_state(unit).unwrap(), UnitState::Active);
    assert_eq!(node.host.unit_property(unit, "NRestarts").unwrap(), "0");
}

/// Before, after, a part of the reason.
type Line = (State, State, &'static str);

/// From the stop on: which of two hosts that start together is the first MASTER is a matter of milliseconds.
fn the_journal_tells_each_transition_once(node: &Node, index: usize, report: &Report) {
    let expected: &[Line] = [
        &[
            (Master, Fault, "no process named prometheus-node-exporter"),
            (Fault, Backup, "check node-exporter is up"),
            (Backup, Master, "172.27.0.2 has the lower priority 99"),
        ][..],
        &[
            (Backup, Master, "172.27.0.1 gave the addresses away"),
            (Master, Backup, "172.27.0.1 wins with priority 100"),
        ],
    ][index];
    let transitions: Vec<_> = node
        .transitions()
        .unwrap()
        .into_iter()
        .filter(|transition| transition.at >= report.stopped_at)
        .collect();
    assert_eq!(transitions.len(), expected.len(), "{transitions:#?}");
    for (transition, (before, after, part)) in transitions.iter().zip(expected) {
        let states = (transition.before, transition.after);
        assert_eq!(states, (Some(*before), *after), "{transitions:#?}");
        let reason = transition.reason.as_deref().unwrap_or_default();
        assert!(reason.contains(part), "{part:?} in {transition:?}");
    }
    let priority = format!(" priority={}", PRIORITIES[index]);
    for entry in node.journal().unwrap() {
        let message = &entry.message;
        if message.contains("VI_1: ") && message.contains(" -> ") {
            assert!(message.ends_with(&priority), "{message}");
        }
        assert!(!message.contains("ERROR"), "{message}");
    }
}

/// DESIGN §8: each of these keys is there, with a value of this kind.
fn status_has_the_promised_shape(node: &Node, index: usize, version: Version) {
    let printed = node.host.run(&["vrrp-host", "status", "--json"]).unwrap();
    let status: Value = serde_json::from_str(&printed).unwrap();
    let instance = &status["instances"][INSTANCE];
    let priority = PRIORITIES[index];
    for (path, expected) in [
        ("/node", json!(NAMES[index])),
        ("/version", json!(env!("CARGO_PKG_VERSION"))),
        ("/instances/VI_1/state", json!(["MASTER", "BACKUP"][index])),
        ("/instances/VI_1/virtual-router-id", json!(251)),
        ("/instances/VI_1/interface", json!("eth0")),
        ("/instances/VI_1/version", json!(version.number())),
        ("/instances/VI_1/priority/base", json!(priority)),
        ("/instances/VI_1/priority/effective", json!(priority)),
        (
            "/instances/VI_1/virtual-addresses",
            json!([format!("{VIRTUAL_ADDRESS}/32")]),
        ),
        ("/instances/VI_1/master/address", json!("172.27.0.1")),
        ("/instances/VI_1/master/priority", json!(100)),
    ] {
        assert_eq!(status.pointer(path), Some(&expected), "{path} in {printed}");
    }
    assert_time(&instance["since"], &printed);

    let counter = |name: &str| {
        instance["counters"][name]
            .as_u64()
            .unwrap_or_else(|| panic!("no counter {name} in {printed}"))
    };
    let to_master = node
        .transitions()
        .unwrap()
        .iter()
        .filter(|transition| transition.after == Master)
        .count();
    assert_eq!(counter("master-transitions"), to_master as u64, "{printed}");
    assert!(counter("advertisement-rcvd") > 0, "{printed}");
    assert!(counter("advertisement-sent") > 0, "{printed}");
    assert_eq!(
        counter("priority-zero-pkts-sent"),
        [1, 0][index],
        "{printed}"
    );
    // keepalived sends more than one.
    assert_eq!(
        counter("priority-zero-pkts-rcvd") > 0,
        index == 1,
        "{printed}"
    );
    for errors in [
        "interval-errors",
        "invalid-type-pkts-rcvd",
        "address-list-errors",
        "packet-length-errors",
    ] {
        assert_eq!(counter(errors), 0, "{errors} in {printed}");
    }

    // The check is for the first host, its hook too; the second has two hooks.
    let keys = |value: &Value| -> Vec<String> {
        let map = value
            .as_object()
            .unwrap_or_else(|| panic!("not a table in {printed}"));
        map.keys().cloned().collect()
    };
    if index == 0 {
        assert_eq!(keys(&instance["tracks"]), ["node-exporter"], "{printed}");
        let check = &status["checks"]["node-exporter"];
        assert_eq!(check["verdict"], "passing", "{printed}");
        assert!(check["summary"].is_string(), "{printed}");
        assert_time(&check["since"], &printed);
        assert!(check["runs"].as_u64() >= Some(3), "{printed}");
        assert_eq!(check["errors"], 0, "{printed}");
        assert!(check["last-run-us"].as_u64() > Some(0), "{printed}");
    } else {
        assert!(keys(&instance["tracks"]).is_empty(), "{printed}");
        assert!(keys(&status["checks"]).is_empty(), "{printed}");
    }
    let hooks: &[&str] = [
        &["start-exporter"][..],
        &["start-exporter", "stop-exporter"],
    ][index];
    assert_eq!(keys(&status["hooks"]), hooks, "{printed}");
    for hook in hooks {
        let hook = &status["hooks"][hook];
        assert_eq!(hook["last-result"], "done", "{printed}");
        assert_eq!(hook["errors"], 0, "{printed}");
    }
}

fn assert_time(value: &Value, printed: &str) {
    let text = value.as_str().unwrap_or_default();
    assert!(
        text.starts_with("20") && text.contains('T') && text.ends_with('Z'),
        "{text:?} is no time of RFC 3339 in UTC: {printed}"
    );
}
