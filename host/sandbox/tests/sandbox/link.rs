//! What a module sees of interfaces, and what it may have watched.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use vrrp_sandbox::{Limits, LoadError, LogSource, Trigger};

use crate::support::{TestHost, check, listed, patient, summary, try_check};

#[tokio::test]
async fn interfaces_are_found_through_the_host() {
    let host = TestHost::new();
    let config = |name| json!({ "with": name, "needs": ["link:eth0", "link:eth1"] });
    let found = summary(&check(&host, "link", config("eth0")).await).await;
    for part in ["up: true", "carrier: false", "mtu: 1500", "192.0.2.1/24"] {
        assert!(found.contains(part), "{part} in {found}");
    }
    let missing = summary(&check(&host, "link", config("eth1")).await).await;
    assert!(missing.contains("not-found"), "{missing}");
}

#[tokio::test]
async fn an_interface_of_another_name_is_denied() {
    let host = TestHost::new();
    let config = json!({ "with": "eth0", "needs": ["link:eth1"] });
    let denied = summary(&check(&host, "link", config).await).await;
    assert!(denied.contains("denied"), "{denied}");
    let told = host.lines(LogSource::Sandbox).join("\n");
    let line = r#"allow = ["link:eth1", "link:eth0"]"#;
    assert!(
        told.contains("denied: link:eth0") && told.contains(line),
        "{told}"
    );
}

#[tokio::test]
async fn a_kernel_that_does_not_answer_leaves_time_to_say_so() {
    let host = Arc::new(TestHost {
        hangs: true,
        ..TestHost::default()
    });
    let limits = Limits {
        wall: Duration::from_millis(300),
        ..patient()
    };
    let config = json!({ "with": "eth0", "needs": [] });
    let grants = listed(&["link:eth0"]);
    let check = try_check(&host, "link", config, grants, limits)
        .await
        .unwrap();
    let told = summary(&check).await;
    assert!(told.contains("unavailable"), "{told}");
}

#[tokio::test]
async fn without_a_grant_nothing_is_looked_at_or_watched() {
    let host = TestHost::new();
    let refused = async |config, grants: &[&str]| {
        try_check(&host, "link", config, listed(grants), patient())
            .await
            .unwrap_err()
            .to_string()
    };
    let import = refused(json!({ "with": "eth0", "needs": [] }), &["process:a"]).await;
    assert!(import.contains(r#"allow = ["link:NAME"]"#), "{import}");

    let watching = |path| json!({ "with": "eth0", "needs": ["link:eth0"], "watch": [path] });
    let config = watching("/etc/shadow");
    let watched = refused(config, &["link:eth0", "read:/run"]).await;
    let line = r#"allow = ["link:eth0", "read:/run", "read:/etc/shadow"]"#;
    assert!(watched.contains(line), "{watched}");

    let around = refused(watching("/run/../etc/shadow"), &["link:eth0", "read:/run"]).await;
    assert!(around.contains("cannot be granted"), "{around}");

    let too_many = vec!["/run/x"; 257];
    let config = json!({ "with": "eth0", "needs": [], "watch": too_many });
    let greedy = refused(config, &["link:eth0", "read:/run"]).await;
    assert!(greedy.contains("wants 257 things"), "{greedy}");

    let grants = listed(&["link:eth0", "read:/run"]);
    let config = watching("/run/x");
    let check = try_check(&host, "link", config, grants, patient()).await;
    let triggers = check.map(|check| check.plan().triggers.clone());
    let expected = vec![Trigger::PathChanged("/run/x".to_owned())];
    assert!(
        matches!(&triggers, Ok(triggers) if *triggers == expected),
        "{:?}",
        triggers.err().map(|error: LoadError| error.to_string())
    );
}
