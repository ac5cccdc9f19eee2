//! The checks `haproxy`, `http`, `postgres`, `redis` and `tcp` in the real daemon, with the real services from Debian's packages:
//! up, in the wrong role, hung, and gone.

#![expect(
    clippy::print_stdout,
    reason = "the figures that were measured are for whoever reads the test's output"
)]

mod haproxy;
mod nginx;
mod postgres;
mod redis;
mod refused;

use e2e::daemon::Daemon;
use serde_json::Value;

/// A table `[checks.NAME]`. The interval is the time of a run as well, so that a hung service is told soon.
fn check(name: &str, module: &str, config: &str) -> String {
    format!(
        "[checks.{name}]\n\
         module = \"{module}\"\n\
         interval = \"500ms\"\n\
         config = {{ {config} }}\n"
    )
}

/// The list of tracked checks, of which none moves the address.
fn track(checks: &[&str]) -> String {
    let tracks: Vec<_> = checks
        .iter()
        .map(|check| format!("{{ check = \"{check}\", on-fail = {{ weight = -1 }} }}"))
        .collect();
    format!("track = [{}]\n", tracks.join(", "))
}

/// Waits until a check has this verdict, with a summary that contains this text.
fn wait_for_verdict(daemon: &Daemon, check: &str, verdict: &str, text: &str) -> Value {
    daemon.wait_for(&format!("{check} to be {verdict}: {text}"), |status| {
        let seen = &status["checks"][check];
        let summary = seen["summary"].as_str().unwrap_or_default();
        seen["verdict"] == verdict && summary.contains(text)
    })
}
