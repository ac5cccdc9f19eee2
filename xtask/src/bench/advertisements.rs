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

/// What the sender and the receiver take for a frame (µs), and of a processor (%).
type Figures = [[f64; 2]; 2];

pub(super) fn measure(bench: Bench<'_>) -> anyhow::Result<Report> {
    let mut cost = Vec::new();
    let mut share = Vec::new();
    for (instances, interval) in LOADS {
        let plan = Plan::with_instances(instances, interval);
        let hosts = Hosts::new(instances)?;
        let rows = ["sent", "received"]
            .map(|what| Row::new(format!("{instances} instances, {interval:?}: {what}")));
        let mut costs = rows.clone().map(|row| row.with_bar(Bar::Ratio(1.0)));
        let mut shares = rows;
        for round in 1..=bench.times(5, 1) {
            println!("{instances} instances, round {round}");
            for make in MAKES {
                let [sender, receiver] = load(bench, make, &hosts, &plan)?;
                for (index, [micros, percent]) in [sender, receiver].into_iter().enumerate() {
                    costs[index].push(make, micros);
                    shares[index].push(make, percent);
                }
            }
        }
        cost.extend(costs);
        share.extend(shares);
    }
    Ok(Report {
        title: "Advertisements".to_owned(),
        method: "Two hosts run the same daemon with the same instances, 250 on an interface; one is MASTER of all. The \
                 processor time of all processes of a service, by the kernel's account of a control group, is divided by the \
                 frames that the host's interfaces count: everything that a daemon does is in it, and the part of the \
                 network stack that it does in its own system calls."
            .to_owned(),
        tables: vec![
            Table::new("Processor time of an advertisement", "µs", cost),
            Table::new("Part of a processor", "%", share),
        ],
    })
}

fn load(bench: Bench<'_>, make: Make, hosts: &Hosts, plan: &Plan) -> anyhow::Result<Figures> {
    let time = Duration::from_secs(if bench.quick { 3 } else { 10 });
    let first = Service::start(make, hosts, 0, plan, bench.state)?;
    first.wait_until_entered(State::Master, plan.instances.into())?;
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
    let mut figures = Figures::default();
    for (index, (before, after)) in before.into_iter().zip(after).enumerate() {
        let micros = (after? - before?).as_secs_f64() * 1e6;
        let passed = u32::try_from(frames_after[index] - frames_before[index])?;
        anyhow::ensure!(passed > 0, "{make} has sent nothing");
        figures[index] = [
            micros / f64::from(passed),
            micros / (took.as_secs_f64() * 1e6) * 100.0,
        ];
    }
    anyhow::ensure!(
        second.entered(State::Master) == 0,
        "{make}: the second host took over"
    );
    Ok(figures)
}
