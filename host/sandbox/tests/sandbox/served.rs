//! What the broker does for a module: files and commands. The broker itself is the daemon's; here it is the tests' own.

use std::sync::Arc;

use serde_json::{Value, json};
use vrrp_sandbox::{LogSource, RunError};

use crate::support::{TestHost, check, listed, patient, run, summary, try_check};

/// Does something with a subject, where these grants are needed.
fn doing(what: &str, with: &str, needs: &[&str]) -> Value {
    json!({ "do": what, "with": with, "needs": needs })
}

async fn outcome(host: &Arc<TestHost>, config: Value) -> String {
    summary(&check(host, "served", config).await).await
}

#[tokio::test]
async fn files_are_read_by_the_broker() {
    let host = TestHost::new();
    let app = ["read:/etc/app"];
    for (path, content) in [
        ("/etc/app/state", "as primary"),
        ("/etc/app/none", "Error::NotFound"),
        ("/etc/app/large", "Error::TooLarge"),
        ("/etc/app/slow", "Error::Timeout"),
    ] {
        let read = outcome(&host, doing("read", path, &app)).await;
        assert_eq!(read, content, "{path}");
    }
    let modified = outcome(&host, doing("modified", "/etc/app/state", &app)).await;
    assert_eq!(modified, "Ok(1234)");
    assert_eq!(host.files.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn a_file_that_is_not_granted_never_reaches_the_broker() {
    let host = TestHost::new();
    for path in [
        "/etc/shadow",
        "/etc/application",
        "/etc/app/../shadow",
        "etc/app/state",
        "",
    ] {
        for act in ["read", "modified"] {
            let denied = outcome(&host, doing(act, path, &["read:/etc/app"])).await;
            assert!(denied.contains("Error::Denied"), "{path}: {denied}");
        }
    }
    let long = format!("/etc/app/{}", "x".repeat(5000));
    let long = outcome(&host, doing("read", &long, &["read:/etc/app"])).await;
    assert!(long.contains("the path is too long"), "{long}");
    assert_eq!(host.files.lock().unwrap().len(), 0);
    let told = host.lines(LogSource::Sandbox).join("\n");
    let line = r#"allow = ["read:/etc/app", "read:/etc/shadow"]"#;
    assert!(told.contains(line), "{told}");
}

#[tokio::test]
async fn commands_are_run_by_the_broker() {
    let host = TestHost::new();
    let needs = ["exec:/bin/check", "exec:/bin/none", "exec:/bin/slow"];
    let ran = |command: &str, args: &[&str]| {
        let mut config = doing("run", command, &needs);
        config["args"] = json!(args);
        config
    };
    assert_eq!(
        outcome(&host, ran("/bin/check", &["-v", "a"])).await,
        r#"Ending::Exited(3) "-v a" "complaint" true"#
    );
    assert_eq!(
        outcome(&host, ran("/bin/none", &[])).await,
        "Error::NotFound"
    );
    assert_eq!(
        outcome(&host, ran("/bin/slow", &[])).await,
        "Error::Timeout"
    );
}

#[tokio::test]
async fn a_command_that_is_not_granted_never_reaches_the_broker() {
    let host = TestHost::new();
    for command in [
        "/bin/sh",
        "/bin/check/below",
        "/bin/../bin/check",
        "check",
        "",
    ] {
        let denied = outcome(&host, doing("run", command, &["exec:/bin/check"])).await;
        assert_eq!(denied, "Error::Denied", "{command}");
    }
    // More than fits into a message would break the channel to the broker for everybody.
    let much = outcome(&host, doing("run-much", "/bin/check", &["exec:/bin/check"])).await;
    assert!(much.contains("longer than 32768 bytes"), "{much}");
    assert_eq!(host.commands.lock().unwrap().len(), 0);
    let told = host.lines(LogSource::Sandbox).join("\n");
    let line = r#"allow = ["exec:/bin/check", "exec:/bin/sh"]"#;
    assert!(told.contains(line), "{told}");
}

#[tokio::test]
async fn files_and_commands_are_there_for_their_grants_only() {
    let load = async |grants: &[&str]| {
        let (host, config) = (TestHost::new(), doing("", "", &[]));
        let loaded = try_check(&host, "served", config, listed(grants), patient()).await;
        loaded.map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(load(&["read:/etc/app", "exec:/bin/check"]).await, Ok(()));
    let no_files = load(&["exec:/bin/check"]).await.unwrap_err();
    assert!(no_files.contains(r#"allow = ["read:PATH"]"#), "{no_files}");
    let no_exec = load(&["read:/etc/app"]).await.unwrap_err();
    assert!(no_exec.contains(r#"allow = ["exec:PATH"]"#), "{no_exec}");
}

#[tokio::test]
async fn a_broker_that_does_not_answer_is_a_timeout_for_the_module() {
    let host = Arc::new(TestHost {
        hangs: true,
        ..TestHost::default()
    });
    let mut limits = patient();
    limits.wall = std::time::Duration::from_secs(2);
    for (config, told) in [
        (doing("read", "/f", &["read:/f"]), "Error::Timeout"),
        (doing("modified", "/f", &["read:/f"]), "Err(Error::Timeout)"),
        (doing("run", "/c", &["exec:/c"]), "Error::Timeout"),
    ] {
        let grants = vrrp_sandbox::Grants::FromConfig;
        let check = try_check(&host, "served", config, grants, limits).await;
        let report = run(&check.unwrap()).await;
        let summary: Result<_, RunError> = report.outcome.map(|seen| seen.summary);
        assert_eq!(summary.as_deref(), Ok(told));
    }
}
