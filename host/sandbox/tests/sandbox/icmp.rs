//! The `icmp` capability against a host whose network is imagined.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use vrrp_sandbox::{Grants, Limits, LogSource};

use crate::support::{TestHost, listed, patient, run, summary, try_check};

async fn ping(host: &Arc<TestHost>, address: &str, grants: Grants, more: Value) -> String {
    let mut config = json!({ "with": address });
    let merged = config.as_object_mut().unwrap();
    merged.extend(more.as_object().unwrap().clone());
    let check = try_check(host, "pinger", config, grants, patient())
        .await
        .unwrap();
    summary(&check).await
}

#[tokio::test]
async fn the_round_trips_of_a_granted_address_are_seen() {
    let host = TestHost::new();
    let more = json!({ "count": "3", "interval": "100", "timeout": "2000" });
    let seen = ping(&host, "192.0.2.1", listed(&["icmp:192.0.2.1"]), more).await;
    assert_eq!(seen, "Ok([Some(1500), None, Some(1500)])");
    let pings = host.pings.lock().unwrap().clone();
    let [(address, count, interval, timeout)] = pings[..] else {
        panic!("{pings:?}");
    };
    assert_eq!((address.to_string().as_str(), count), ("192.0.2.1", 3));
    assert_eq!(interval, Duration::from_millis(100));
    assert!(timeout <= Duration::from_secs(2), "{timeout:?}");
    assert!(timeout > Duration::from_secs(1), "{timeout:?}");
}

#[tokio::test]
async fn an_address_is_granted_exactly() {
    let host = TestHost::new();
    for address in ["192.0.2.2", "2001:db8::1", "127.0.0.1"] {
        let seen = ping(&host, address, listed(&["icmp:192.0.2.1"]), json!({})).await;
        assert_eq!(seen, "Err(Error::Denied)", "{address}");
    }
    assert!(host.pings.lock().unwrap().is_empty());
    let denied = host.lines(LogSource::Sandbox);
    assert_eq!(
        denied[0],
        "denied: icmp:192.0.2.2; to allow it write allow = [\"icmp:192.0.2.1\", \"icmp:192.0.2.2\"]"
    );
    // The same address in another form.
    let seen = ping(
        &host,
        "::ffff:192.0.2.1",
        listed(&["icmp:192.0.2.1"]),
        json!({}),
    )
    .await;
    assert_eq!(seen, "Ok([Some(1500)])");
}

#[tokio::test]
async fn nothing_is_sent_for_what_is_no_address() {
    let host = TestHost::new();
    for text in ["gateway", "", "192.0.2.1/32"] {
        let seen = ping(&host, text, listed(&["icmp:192.0.2.1"]), json!({})).await;
        assert!(seen.contains("is not an IP address"), "{seen}");
    }
    assert!(host.pings.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_flood_is_slowed_down() {
    let host = TestHost::new();
    let more = json!({ "count": "255", "timeout": "1000" });
    let seen = ping(&host, "192.0.2.1", listed(&["icmp:192.0.2.1"]), more).await;
    assert_eq!(seen, "Err(Error::Timeout)");
    assert_eq!(host.pings.lock().unwrap()[0].2, Duration::from_millis(10));
}

#[tokio::test]
async fn what_the_host_says_is_seen() {
    let host = TestHost::new();
    let grants = || listed(&["icmp:198.51.100.1", "icmp:198.51.100.2"]);
    let seen = ping(&host, "198.51.100.1", grants(), json!({})).await;
    assert_eq!(seen, "Err(Error::Unreachable)");
    let seen = ping(&host, "198.51.100.2", grants(), json!({})).await;
    assert_eq!(seen, "Err(Error::Io(\"no CAP_NET_RAW\"))");
}

#[tokio::test]
async fn an_address_that_never_answers_still_leaves_time_for_a_verdict() {
    let host = TestHost::new();
    let config = json!({ "with": "192.0.2.9", "timeout": "60000" });
    let limits = Limits {
        wall: Duration::from_secs(1),
        ..patient()
    };
    let check = try_check(&host, "pinger", config, listed(&["icmp:192.0.2.9"]), limits)
        .await
        .unwrap();
    let report = run(&check).await;
    assert_eq!(report.outcome.unwrap().summary, "Ok([None])");
}
