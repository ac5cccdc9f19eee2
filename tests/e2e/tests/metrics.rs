//! Metrics, as Debian's Prometheus takes them; and what `dist/` makes of them.

#![expect(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::daemon::{Daemon, LIMIT};
use e2e::http::{get, value};
use e2e::path::utf8;
use e2e::stage::{INSTANCE, Stage, cluster};
use lab::scenario::State;
use lab::wait_until;
use serde_json::Value;
use tempfile::TempDir;

const URL: &str = "http://127.0.0.1:9650/metrics";
const PROMETHEUS: &str = "http://127.0.0.1:9090";

fn dist(file: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join("dist").join(file)
}

/// A cluster with one of everything that has metrics: the check fails when `gate` is gone, the hook never works.
fn everything(gate: &Path) -> String {
    let group = "[sync-groups.pair]\nmembers = [\"VI_1\", \"VI_2\"]\n";
    let second = "[instances.VI_2]\ninterface = \"eth0\"\nvirtual-router-id = 52\n\
                  virtual-addresses = [\"192.0.2.101\"]\nadvertisement-interval = \"100ms\"\n\
                  priority = { first = 200, second = 100 }\n";
    let check = format!(
        "[checks.gate]\nmodule = \"file\"\ninterval = \"200ms\"\nfall = 1\nconfig = {{ path = \"{}\" }}\n\
         [[instances.{INSTANCE}.track]]\ncheck = \"gate\"\n",
        utf8(gate)
    );
    let hook = format!(
        "[hooks.page]\nmodule = \"webhook\"\nconfig = {{ url = \"http://127.0.0.1:9/\", timeout = \"100ms\" }}\n\
         [[instances.{INSTANCE}.notify]]\non = \"fault\"\nhook = \"page\"\n"
    );
    let http = "[http]\nlisten = \"127.0.0.1:9650\"\n";
    let base = cluster("priority = { first = 200, second = 100 }");
    [base.as_str(), second, group, &check, &hook, http].join("\n")
}

#[test]
fn prometheus_scrapes_what_happens() {
    let stage = Stage::new().unwrap();
    let folder = TempDir::with_prefix("metrics-").unwrap();
    // The sandbox reads what its user may.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let gate = folder.path().join("gate");
    fs::write(&gate, "open").unwrap();
    let daemon = Daemon::start(&stage.first, "first", &everything(&gate));
    daemon.wait_for_state(INSTANCE, State::Master);

    let scraped = get(&stage.first, URL, &[]).unwrap();
    assert_eq!(scraped.status, 200, "{scraped:?}");
    assert!(
        scraped.has_header("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{scraped:?}"
    );
    let master = "vrrp_host_instance_state{vrrp_instance=\"VI_1\",state=\"MASTER\"}";
    assert_eq!(value(&scraped.body, master), Some(1.0), "{}", scraped.body);
    for process in ["supervisor", "router", "worker"] {
        let series = format!("vrrp_host_process_resident_memory_bytes{{process=\"{process}\"}}");
        let memory = value(&scraped.body, &series).unwrap();
        assert!(memory > 1e6, "{process}: {memory}");
    }
    check_metrics(&folder, &scraped.body);

    let config = folder.path().join("prometheus.yml");
    let rules = dist("prometheus/vrrp-host.rules.yml")
        .canonicalize()
        .unwrap();
    fs::write(
        &config,
        format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
             rule_files: [\"{}\"]\n\
             scrape_configs:\n  - job_name: vrrp-host\n    static_configs: [{{ targets: [\"127.0.0.1:9650\"] }}]\n",
            rules.display()
        ),
    )
    .unwrap();
    let prometheus = stage
        .first
        .spawn(&[
            "prometheus",
            &format!("--config.file={}", utf8(&config)),
            &format!("--storage.tsdb.path={}", utf8(&folder.path().join("data"))),
            "--web.listen-address=127.0.0.1:9090",
        ])
        .unwrap();
    let query = |expression: &str| -> Result<f64, String> {
        let url = format!("{PROMETHEUS}/api/v1/query");
        let argument = format!("query={expression}");
        let answer = get(
            &stage.first,
            &url,
            &["--get", "--data-urlencode", &argument],
        )?;
        let answer: Value =
            serde_json::from_str(&answer.body).map_err(|error| error.to_string())?;
        let result = answer["data"]["result"][0]["value"][1].as_str();
        let result = result.and_then(|value| value.parse().ok());
        result.ok_or_else(|| answer.to_string())
    };
    let wait_for = |expression: &str, wanted: f64| {
        wait_until(LIMIT, expression, || match query(expression) {
            Ok(value) if (value - wanted).abs() < f64::EPSILON => Ok(()),
            Ok(value) => Err(value.to_string()),
            Err(error) => Err(error),
        })
        .unwrap_or_else(|error| panic!("{error}\n{}\n{daemon}", prometheus.log()));
    };
    wait_for("up{job=\"vrrp-host\"}", 1.0);
    wait_for(master, 1.0);
    wait_for(
        "vrrp_host_check_standing{check=\"gate\",standing=\"up\"}",
        1.0,
    );

    fs::remove_file(&gate).unwrap();
    daemon.wait_for_state(INSTANCE, State::Fault);
    wait_for(master, 0.0);
    wait_for(
        "vrrp_host_instance_transitions_total{vrrp_instance=\"VI_1\",state=\"FAULT\",reason=\"check\"}",
        1.0,
    );
    wait_for(
        "vrrp_host_check_standing{check=\"gate\",standing=\"down\"}",
        1.0,
    );
    wait_for("vrrp_host_sync_group_state{state=\"FAULT\"}", 1.0);
    wait_for(
        "vrrp_host_check_runs_total{outcome=\"failing\"} > bool 0",
        1.0,
    );
    wait_for(
        "sum(vrrp_host_hook_calls_total{result=~\"retried|failed\"}) > bool 0",
        1.0,
    );
    wait_for("sum(vrrp_host_advertisements_sent_total) > bool 0", 1.0);
    wait_for(
        "vrrp_host_router_timer_lateness_seconds_count > bool 0",
        1.0,
    );
    wait_for("vrrp_host_check_run_duration_seconds_count > bool 0", 1.0);

    let answer = get(&stage.first, &format!("{PROMETHEUS}/api/v1/rules"), &[]).unwrap();
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    let rules = answer["data"]["groups"][0]["rules"].as_array().unwrap();
    assert!(!rules.is_empty(), "{answer}");
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    let after = get(&stage.first, URL, &[]).unwrap();
    check_metrics(&folder, &after.body);
    let written = families(&after.body);
    let missing: Vec<_> = documented().difference(&written).cloned().collect();
    assert!(missing.is_empty(), "{missing:?}\n{}", after.body);
}

/// promtool finds nothing to say about it.
#[track_caller]
fn check_metrics(folder: &TempDir, metrics: &str) {
    let file = folder.path().join("metrics.txt");
    fs::write(&file, metrics).unwrap();
    let output = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// The names after `# TYPE`.
fn families(metrics: &str) -> BTreeSet<String> {
    let types = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

/// Those of docs/metrics.md, which a test of the daemon holds to its code.
fn documented() -> BTreeSet<String> {
    let page = dist("../docs/metrics.md");
    let page = fs::read_to_string(page).unwrap();
    page.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn rules_fire_when_they_should() {
    let rules = dist("prometheus/vrrp-host.rules.yml");
    let tests = dist("prometheus/vrrp-host.test.yml");
    for (what, file) in [("check", &rules), ("test", &tests)] {
        let output = Command::new("promtool")
            .args([what, "rules"])
            .arg(file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    // A rule without a test would not be seen to fire.
    let rules = fs::read_to_string(rules).unwrap();
    let tests = fs::read_to_string(tests).unwrap();
    let alerts: Vec<_> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        let fires = format!("alertname: {alert}\n    exp_alerts:\n");
        assert!(tests.contains(&fires), "no test has {alert} fire");
    }
}

#[test]
fn rules_and_dashboard_use_metrics_that_there_are() {
    let documented = documented();
    for file in ["prometheus/vrrp-host.rules.yml", "grafana/vrrp-host.json"] {
        let text = fs::read_to_string(dist(file)).unwrap();
        let used = used(&text);
        assert!(used.len() > 5, "{file}: {used:?}");
        for name in used {
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|part| name.strip_suffix(part))
                .unwrap_or(&name);
            assert!(documented.contains(base), "{file} uses {name}");
        }
    }
    let dashboard = fs::read_to_string(dist("grafana/vrrp-host.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    assert_eq!(dashboard["uid"], "vrrp-host");
}

/// Every name of ours in a text.
fn used(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_part(c))
        .filter(|word| word.starts_with("vrrp_host_"))
        .map(str::to_owned)
        .collect()
}
