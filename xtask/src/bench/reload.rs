//! From SIGHUP to the end of the reload, and what it does to advertisements meanwhile.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use e2e::checked::Checked;
use e2e::contender::Make;
use e2e::inside::WebServer;
use e2e::manager::Manager;
use e2e::metronome::Metronome;
use e2e::wire::Sent;
use lab::scenario::State;
use lab::{Frame, Signal};

use super::checks::PORT;
use super::hosts::Hosts;
use super::plan::Plan;
use super::report::{Report, Row, Table};
use super::service::Service;
use super::start::{three_checks, wait_until_ready};
use super::{Bench, MAKES};

const INTERVAL: Duration = Duration::from_millis(100);
/// Beyond the second burst of gratuitous ARP, 5 s after the first.
const CALM: Duration = Duration::from_secs(6);

/// What was measured of one reload, milliseconds.
struct Figures {
    took: f64,
    late: f64,
}

pub(super) fn measure(bench: Bench<'_>) -> anyhow::Result<Report> {
    let hosts = Hosts::new(1)?;
    let host = &hosts.hosts[0];
    let _server = WebServer::start(host, PORT);
    let checked = Checked::start(host);
    let few = Plan {
        advertisement_interval: INTERVAL,
        ..Plan::with_checks(three_checks(&checked), Duration::from_secs(1))
    };
    let plans = [
        ("1 instance, 3 checks", few),
        ("250 instances", Plan::with_instances(250, INTERVAL)),
    ];
    let mut took = plans.each_ref().map(|(what, _)| Row::new(*what));
    let mut late = took.clone();
    for _ in 0..bench.times(4, 1) {
        for make in MAKES {
            for (index, (_, plan)) in plans.iter().enumerate() {
                for figures in reload(bench, make, &hosts, plan)? {
                    took[index].push(make, figures.took);
                    late[index].push(make, figures.late);
                }
            }
        }
    }
    Ok(Report {
        title: "Reload".to_owned(),
        method: "From SIGHUP until the daemon says that it is done, as for the start, with a file that has not changed. Every instance \
                 advertises every 100 ms; the lateness is that of the latest advertisement of any instance on the wire, \
                 without what the machine itself was late by."
            .to_owned(),
        tables: vec![
            Table::new("From SIGHUP to ready", "ms", took.to_vec()),
            Table::new("The latest advertisement meanwhile", "ms late", late.to_vec()),
        ],
    })
}

/// Reloads a daemon some times.
fn reload(
    bench: Bench<'_>,
    make: Make,
    hosts: &Hosts,
    plan: &Plan,
) -> anyhow::Result<Vec<Figures>> {
    let manager = Manager::listen();
    let variable = manager.variable();
    let under = ["env", variable.as_str()];
    let mut service = Service::start_under(&under, make, hosts, 0, plan, bench.state)?;
    wait_until_ready(&service, &manager, 0)?;
    service.wait_until_entered(State::Master, plan.instances.into())?;
    std::thread::sleep(CALM);
    manager.drain();
    let mut all = Vec::new();
    for number in 1..=bench.times(5, 2) {
        let capture = hosts.segments[0].capture()?;
        let metronome = Metronome::start();
        std::thread::sleep(3 * INTERVAL);
        let start = Instant::now();
        service.signal(Signal::HUP)?;
        wait_until_ready(&service, &manager, number)?;
        let took = start.elapsed();
        std::thread::sleep(5 * INTERVAL);
        let recording = capture.record()?;
        let stalls = metronome.stop();
        let late = by_instance(&recording.frames()?)
            .values()
            .map(|sent| stalls.punctuality(sent, INTERVAL).late)
            .max();
        all.push(Figures {
            took: took.as_secs_f64() * 1e3,
            late: late.unwrap_or_default().as_secs_f64() * 1e3,
        });
    }
    Ok(all)
}

fn by_instance(frames: &[Frame]) -> BTreeMap<u8, Vec<Sent>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for frame in frames {
        if let Some(advertisement) = frame.advertisement() {
            let sent = Sent {
                at: frame.at,
                priority: advertisement.priority,
            };
            all.entry(advertisement.virtual_router_id)
                .or_default()
                .push(sent);
        }
    }
    all
}
