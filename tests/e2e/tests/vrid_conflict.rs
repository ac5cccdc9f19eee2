//! Somebody else on the segment has the number of our virtual router: it is told, and the protocol goes on as it must.

use std::net::{IpAddr, Ipv4Addr};

use e2e::daemon::Daemon;
use e2e::stage::{INSTANCE, INTERFACE, PREFIX_LENGTH, SHARED, Stage, cluster};
use lab::Netns;
use lab::scenario::State;
use serde_json::Value;

/// The host of the other cluster.
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));
const PRIORITIES: &str = "priority = { first = 200, second = 100 }";
const WORDS: &str = "VI_1: 192.0.2.9 also sends advertisements for virtual router 51 on eth0, and is no node of cluster.toml";

/// Another cluster's file, which wins every election.
const OTHERS: &str = r#"
[instances.web]
interface              = "eth0"
virtual-router-id      = 51
virtual-addresses      = ["192.0.2.200"]
advertisement-interval = "100ms"
priority               = 250
"#;

fn conflict(status: &Value) -> &Value {
    &status["instances"][INSTANCE]["vrid-conflict"]
}

#[test]
fn another_cluster_with_our_number_is_told_and_followed_until_it_is_not_listened_to() {
    let stage = Stage::new().unwrap();
    let first = Daemon::start(&stage.first, "first", &cluster(PRIORITIES));
    let second = Daemon::start(&stage.second, "second", &cluster(PRIORITIES));
    first.wait_for_state(INSTANCE, State::Master);
    second.wait_for_state(INSTANCE, State::Backup);
    first.wait_for_advertisements(INSTANCE, 5);
    for daemon in [&first, &second] {
        let status = daemon.status().unwrap();
        assert_eq!(conflict(&status), &Value::Null, "{daemon}");
    }

    let host = Netns::new("other").unwrap();
    let address = (OTHER, PREFIX_LENGTH);
    let _port = stage.segment.attach(&host, INTERFACE, address).unwrap();
    let other = Daemon::start(&host, "other", OTHERS);
    other.wait_for_state("web", State::Master);
    for daemon in [&first, &second] {
        let status = daemon.wait_for("the conflict", |status| conflict(status).is_object());
        assert_eq!(conflict(&status)["source"], OTHER.to_string());
        assert_eq!(conflict(&status)["priority"], 250);
        let shown = daemon.ask(&["status"]);
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains(&format!("WRONG  {WORDS}")), "{shown}");
        // RFC 9568 §6.4.3: it has the higher priority.
        daemon.wait_for_state(INSTANCE, State::Backup);
    }
    other.wait_for_advertisements("web", 20);
    for daemon in [&first, &second] {
        assert_eq!(daemon.process.log().matches(WORDS).count(), 1, "{daemon}");
    }

    let only_nodes = format!("{PRIORITIES}\naccept-from = \"nodes\"");
    for daemon in [&first, &second] {
        daemon.rewrite(&cluster(&only_nodes));
        let reloaded = daemon.ask(&["reload"]);
        assert!(reloaded.status.success(), "{reloaded:?}\n{daemon}");
    }
    first.wait_for_state(INSTANCE, State::Master);
    other.wait_for_advertisements("web", 5);
    for daemon in [&first, &second] {
        let status = daemon.status().unwrap();
        assert_eq!(conflict(&status), &Value::Null, "{daemon}");
    }
    assert!(stage.first.has_address(SHARED).unwrap());
}
