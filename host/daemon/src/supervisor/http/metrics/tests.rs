//! Every metric of the catalogue is written, nothing else is, and docs/metrics.md says the same.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use expect_test::expect_file;
use prometheus_client::metrics::MetricType;
use serde_json::json;
use vrrp::{Outcome, State};

use super::catalogue::{FAMILIES, Family};
use super::*;
use crate::ipc::{Cause, WorkerReport};
use crate::status::Status;
use crate::supervisor::known::tally::{CallEnd, CheckTally, HookTally, Tallies, Transitions};

/// With one of everything.
fn snapshot() -> Arc<Snapshot> {
    let status: Status = serde_json::from_value(json!({
        "node": "first",
        "version": "0.1.0",
        "processes": { "supervisor": std::process::id(), "router": null, "worker": null },
        "log-level": "info", "last-reload": null,
        "counters": { "checksum-errors": 3 },
        "lateness": { "buckets": [], "count": 0, "sum-us": 0, "max-us": 0 },
        "instances": { "VI_1": {
            "state": "MASTER", "since": "2026-01-01T00:00:00Z", "reason": "no MASTER heard",
            "virtual-router-id": 51, "interface": "eth0", "version": 3,
            "priority": { "base": 100, "effective": 80 },
            "virtual-addresses": ["192.0.2.1/32"], "virtual-mac": null, "accept-mode": true,
            "excluded-addresses": [], "routes": [], "rules": [], "master": null, "drained": false,
            "drain-persists": false, "nodes": {}, "tracks": {}, "interfaces": {},
            "authentication": { "method": "none", "mode": null, "active-key": null, "last-failure": null },
            "counters": {
                "advertisement-sent": 10, "advertisement-rcvd": 2, "priority-zero-pkts-sent": 1,
                "priority-zero-pkts-rcvd": 0, "authenticated-rcvd": 0, "source-errors": 7,
            },
        } },
        "sync-groups": { "gateway": {
            "state": "MASTER", "since": "2026-01-01T00:00:00Z", "reason": "", "members": ["VI_1"],
        } },
        "checks": { "a \"quoted\"\nname": {
            "verdict": "failing", "summary": "", "since": null, "standing": "down", "progress": null, "runs": 1,
            "errors": 0, "last-run-us": 0, "last-cpu-us": 0, "facts": {},
        } },
        "hooks": { "page": {
            "runs": 1, "errors": 1, "superseded": 0, "pending": 2, "last-result": null, "last-at": null,
            "last-subject": null, "last-sequence": null,
        } },
    }))
    .unwrap();
    let mut tallies = Tallies::default();
    let mut transitions = Transitions::default();
    transitions.note(State::Active, Cause::MasterDown);
    tallies.instances.insert("VI_1".to_owned(), transitions);
    let mut check = CheckTally::default();
    check.note(&WorkerReport {
        check: 0,
        outcome: Outcome::Failing,
        weight: None,
        summary: String::new(),
        facts: Vec::new(),
        wall: Duration::from_micros(300),
        cpu: Duration::from_micros(250),
        denied: 4,
        asked: 0,
    });
    tallies
        .checks
        .insert("a \"quoted\"\nname".to_owned(), check);
    let mut hook = HookTally::default();
    hook.note(CallEnd::Failed("no"));
    tallies.hooks.insert("page".to_owned(), hook);
    Arc::new(Snapshot::new(status, tallies, Default::default()))
}

/// The name as Prometheus shows it.
fn full_name(family: &Family) -> String {
    let mut name = format!("vrrp_host_{}", family.name);
    if let Some(unit) = &family.unit {
        name += &format!("_{}", unit.as_str());
    }
    match family.kind {
        MetricType::Counter => name + "_total",
        MetricType::Info => name + "_info",
        MetricType::Gauge | MetricType::Histogram | MetricType::Unknown => name,
    }
}

#[test]
fn every_metric_is_written_and_no_other() {
    let text = encode(&snapshot(), Format::Prometheus).unwrap();
    let written: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .map(str::to_owned)
        .collect();
    let wanted: BTreeSet<_> = FAMILIES.iter().map(|family| full_name(family)).collect();
    assert_eq!(written, wanted, "{text}");
    for line in [
        "vrrp_host_build_info{version=\"0.1.0\"} 1",
        "vrrp_host_process_up{process=\"router\"} 0",
        "vrrp_host_instance_state{vrrp_instance=\"VI_1\",state=\"MASTER\"} 1",
        "vrrp_host_instance_state{vrrp_instance=\"VI_1\",state=\"FAULT\"} 0",
        "vrrp_host_instance_effective_priority{vrrp_instance=\"VI_1\"} 80",
        "vrrp_host_instance_transitions_total{vrrp_instance=\"VI_1\",state=\"MASTER\",reason=\"master-down\"} 1",
        "vrrp_host_instance_discards_total{vrrp_instance=\"VI_1\",reason=\"source-errors\"} 7",
        "vrrp_host_discards_total{reason=\"checksum-errors\"} 3",
        "vrrp_host_check_runs_total{check=\"a \\\"quoted\\\"\\nname\",outcome=\"failing\"} 1",
        "vrrp_host_check_run_duration_seconds_bucket{check=\"a \\\"quoted\\\"\\nname\",le=\"0.0005\"} 1",
        "vrrp_host_check_run_duration_seconds_bucket{check=\"a \\\"quoted\\\"\\nname\",le=\"+Inf\"} 1",
        "vrrp_host_check_cpu_seconds_total{check=\"a \\\"quoted\\\"\\nname\"} 0.00025",
        "vrrp_host_hook_calls_total{hook=\"page\",result=\"failed\"} 1",
        "vrrp_host_denied_calls_total{kind=\"check\",name=\"a \\\"quoted\\\"\\nname\"} 4",
    ] {
        assert!(
            text.lines().any(|written| written == line),
            "{line}\n{text}"
        );
    }
}

#[test]
fn both_formats_say_the_same() {
    let samples = |format| {
        let text = encode(&snapshot(), format).unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        // Memory is another one each time, and bounds are written in their own way: 1 and 1.0.
        let samples =
            samples.filter(|line| !line.contains("_memory_") && !line.contains("_bucket"));
        samples.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    assert_eq!(samples(Format::OpenMetrics), samples(Format::Prometheus));
    let text = encode(&snapshot(), Format::OpenMetrics).unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn a_client_gets_what_it_understands() {
    let prometheus =
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
    assert_eq!(Format::for_client(Some(prometheus)), Format::OpenMetrics);
    for accept in [None, Some(""), Some("*/*"), Some("text/html,*/*;q=0.8")] {
        assert_eq!(Format::for_client(accept), Format::Prometheus, "{accept:?}");
    }
}

#[test]
fn the_documentation_lists_them() {
    let mut page = String::from(
        "<!-- Written by the tests of `vrrp-host`: UPDATE_EXPECT=1 cargo test -p vrrp-host the_documentation_lists_them -->\n\n\
         # Metrics\n\n\
         What `/metrics` of [`[http]`](monitoring.md) has. The label of an instance is `vrrp_instance`, because Prometheus calls the\n\
         target of a scrape `instance`.\n\n\
         | metric | type | labels | |\n|---|---|---|---|\n",
    );
    for family in FAMILIES {
        let labels = family.labels.iter().map(|label| format!("`{label}`"));
        let labels: Vec<_> = labels.collect();
        // To Prometheus an info is a gauge.
        let kind = match family.kind {
            MetricType::Info => "gauge",
            MetricType::Counter
            | MetricType::Gauge
            | MetricType::Histogram
            | MetricType::Unknown => family.kind.as_str(),
        };
        writeln!(
            page,
            "| `{}` | {kind} | {} | {} |",
            full_name(family),
            labels.join(", "),
            family.help
        )
        .unwrap();
    }
    page +=
        "\nKinds of reason for a transition (`reason` of `vrrp_host_instance_transitions_total`): ";
    let reasons = Cause::ALL.iter().map(|cause| format!("`{}`", cause.word()));
    page += &reasons.collect::<Vec<_>>().join(", ");
    page += ".\n";
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    expect_file![format!("{root}/docs/metrics.md")].assert_eq(&page);
}
