//! The processor time of an advertisement, sent and received, with many instances.

use std::thread::sleep;
use std::time::{Duration, Instant};

use e2e::contender::Make;
use lab::scenario::State;

use super::hosts::Hosts;
use super::plan::Plan;
use super::report::{Bar, Report, Row, Table};
use super::service::Service;
use super::{Bench, MAKES};

/// Beyond the second burst of gratuitous ARP, 5 s after the first.
const CALM: Duration = Duration::from_secs(6);
const LOADS: [(u16, Duration); 3] = [
    (250, Duration::from_millis(100)),
    (1000, Duration::from_secs(1)),
    (4000, Duration::from_secs(1)),
];

/// What was measured of a pair: the first host sends, the second receives.
struct Figures {
    /// Processor time of a frame, µs.
    cost: [f64; 2],
    /// Part of a processor, %.
    share: [f64; 2],
    /// How often an instance of the second host took over, although the first one was there.
    takeovers: f64,
}

pub(super) fn measure(bench: Bench<'_>) -> anyhow::Result<Report> {
    let mut cost = Vec::new();
    let mut share = Vec::new();
    let mut takeovers = Vec::new();
    for (instances, interval) in LOADS {
        let plan = Plan::with_instances(instances, interval);
        let hosts = Hosts::new(instances)?;
        let rows = ["sent", "received"]
            .map(|what| Row::new(format!("{instances} instances, {interval:?}: {what}")));
        let mut costs = rows.clone().map(|row| row.with_bar(Bar::Ratio(1.0)));
        let mut shares = rows;
        let mut taken = Row::new(format!("{instances} instances, {interval:?}"));
        for round in 1..=bench.times(5, 1) {
            println!("{instances} instances, round {round}");
            for make in MAKES {
                let Some(figures) = load(bench, make, &hosts, &plan)? else {
                    continue;
                };
                for index in 0..2 {
                    costs[index].push(make, figures.cost[index]);
                    shares[index].push(make, figures.share[index]);
                }
                taken.push(make, figures.takeovers);
            }
        }
        cost.extend(costs);
        share.extend(shares);
        takeovers.push(taken);
    }
    Ok(Report {
        title: "Advertisements".to_owned(),
        method: "Two hosts run the same daemon with the same instances, 250 on an interface; one is MASTER of all. The \
                 processor time of all processes of a service, by the kernel's account of a control group, is divided by the \
                 frames that the host's interfaces count: everything that a daemon does is in it, and the part of the \
                 network stack that it does in its own system calls. A takeover without a reason is one by the second host, which is \
                 started last and is to stay BACKUP."
            .to_owned(),
        tables: vec![
            Table::new("Processor time of an advertisement", "µs", cost),
            Table::new("Part of a processor", "%", share),
            Table::new("Takeovers without a reason", "instances", takeovers),
        ],
    })
}

/// `None` of a daemon that does not get so far that anything can be measured; it is told why.
fn load(
    bench: Bench<'_>,
    make: Make,
    hosts: &Hosts,
    plan: &Plan,
) -> anyhow::Result<Option<Figures>> {
    let time = Duration::from_secs(if bench.quick { 3 } else { 10 });
    let first = Service::start(make, hosts, 0, plan, bench.state)?;
    if let Err(error) = first.wait_until_entered(State::Master, plan.instances.into()) {
        println!("not measured: {error:#}");
        return Ok(None);
    }
    let second = Service::start(make, hosts, 1, plan, bench.state)?;
    second.wait_until_entered(State::Backup, plan.instances.into())?;
    sleep(CALM);
    let services = [&first, &second];
    let frames = || -> anyhow::Result<[u64; 2]> {
        let ([sent, _], [_, received]) = (hosts.frames(0)?, hosts.frames(1)?);
        Ok([sent, received])
    };
    let (frames_before, start) = (frames()?, Instant::now());
    let before = services.map(|service| service.account.processor_time());
    sleep(time);
    let after = services.map(|service| service.account.processor_time());
    let (took, frames_after) = (start.elapsed(), frames()?);
    let mut figures = Figures {
        cost: [0.0; 2],
        share: [0.0; 2],
        takeovers: f64::from(u32::try_from(second.entered(State::Master))?),
    };
    for (index, (before, after)) in before.into_iter().zip(after).enumerate() {
        let micros = (after? - before?).as_secs_f64() * 1e6;
        let passed = u32::try_from(frames_after[index] - frames_before[index])?;
        anyhow::ensure!(passed > 0, "{make} has sent nothing");
        figures.cost[index] = micros / f64::from(passed);
        figures.share[index] = micros / (took.as_secs_f64() * 1e6) * 100.0;
    }
    Ok(Some(figures))
}
