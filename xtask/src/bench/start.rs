//! From the start of a daemon until it is ready.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use e2e::checked::Checked;
use e2e::contender::Make;
use e2e::daemon::LIMIT;
use e2e::inside::WebServer;
use e2e::manager::Manager;
use lab::Signal;
use tempfile::TempDir;

use super::checks::PORT;
use super::hosts::Hosts;
use super::plan::{Check, Plan, Theirs};
use super::report::{Bar, Report, Row, Table};
use super::service::Service;
use super::{Bench, MAKES};

const SECOND: Duration = Duration::from_secs(1);
/// How often a log is looked at: little beside what is measured.
const POLL: Duration = Duration::from_micros(200);

pub(super) fn measure(bench: Bench<'_>) -> anyhow::Result<Report> {
    let hosts = Hosts::new(1)?;
    let host = &hosts.hosts[0];
    let _server = WebServer::start(host, PORT);
    let checked = Checked::start(host);
    let few = Plan::with_checks(three_checks(&checked), SECOND);
    let many = Plan::with_instances(250, SECOND);
    let mut cached = Row::new("1 instance, 3 checks; modules cached").with_bar(Bar::Median(100.0));
    let mut anew = Row::new("1 instance, 3 checks; modules compiled anew");
    let mut instances = Row::new("250 instances");
    // The cache is filled before the first figure.
    ready(Make::VrrpHost, &hosts, &few, bench.state)?;
    for _ in 0..bench.times(15, 3) {
        for make in MAKES {
            let empty = TempDir::with_prefix("vrrp-bench-")?;
            cached.push(make, ready(make, &hosts, &few, bench.state)?);
            instances.push(make, ready(make, &hosts, &many, bench.state)?);
            if make == Make::VrrpHost {
                anew.push(make, ready(make, &hosts, &few, empty.path())?);
            }
        }
    }
    Ok(Report {
        title: "Start".to_owned(),
        method: "From the start of the command that enters the host's network namespace and becomes the daemon until \
                 it is ready. vrrp-host tells its service manager so (READY=1) when the file is checked, the modules are \
                 loaded and the router runs; keepalived, which tells only process 1, has \"Startup complete\" in its log."
            .to_owned(),
        tables: vec![Table::new(
            "From start to ready",
            "ms",
            vec![cached, anew, instances],
        )],
    })
}

/// One of each kind that the other sections measure.
pub(super) fn three_checks(checked: &Checked) -> Vec<Check> {
    let pidof = Theirs::Script(format!("pidof {} >/dev/null", checked.name));
    vec![
        Check::process(&checked.name, pidof),
        Check::http(PORT),
        Check::tcp(PORT),
    ]
}

/// Milliseconds until it is ready. It is stopped then.
fn ready(make: Make, hosts: &Hosts, plan: &Plan, state: &Path) -> anyhow::Result<f64> {
    let manager = Manager::listen();
    let variable = manager.variable();
    let start = Instant::now();
    let mut service = Service::start_under(&["env", &variable], make, hosts, 0, plan, state)?;
    wait_until_ready(&service, &manager, 0)?;
    let took = start.elapsed();
    service.signal(Signal::TERM)?;
    service.wait()?;
    Ok(took.as_secs_f64() * 1e3)
}

/// Waits until a daemon is ready after its start, or after so many reloads.
pub(super) fn wait_until_ready(
    service: &Service,
    manager: &Manager,
    reloads: usize,
) -> anyhow::Result<()> {
    if service.make() == Make::VrrpHost {
        loop {
            let told = manager.next(LIMIT);
            let told =
                told.with_context(|| format!("it is not ready: {}", service.last_lines()))?;
            if told.ends_with("READY=1") {
                return Ok(());
            }
        }
    }
    // keepalived tells a service manager only when that is process 1, and its log in any case.
    let (line, times) = match reloads {
        0 => ("Startup complete", 1),
        _ => ("Reload complete", reloads),
    };
    let deadline = Instant::now() + LIMIT;
    while service.log().matches(line).count() < times {
        ensure!(
            Instant::now() < deadline,
            "{}: {line:?} is not in its log",
            service.make()
        );
        sleep(POLL);
    }
    Ok(())
}
