//! The memory of a whole service, by instances and checks.

use std::time::Duration;

use e2e::checked::Checked;
use e2e::contender::Make;
use e2e::inside::WebServer;
use lab::scenario::State;

use super::checks::{NEVER_AGAIN, PORT};
use super::hosts::Hosts;
use super::plan::{Check, Plan};
use super::report::{Bar, Report, Row, Table};
use super::service::Service;
use super::start::three_checks;
use super::{Bench, MAKES};

const SECOND: Duration = Duration::from_secs(1);
const INSTANCES: [u16; 3] = [1, 250, 1000];
const CHECKS: [usize; 3] = [3, 100, 1000];

pub(super) fn measure(bench: Bench<'_>) -> anyhow::Result<Report> {
    let most = INSTANCES[INSTANCES.len() - 1];
    let hosts = Hosts::new(most)?;
    let host = &hosts.hosts[0];
    let _server = WebServer::start(host, PORT);
    let checked = Checked::start(host);
    let three = three_checks(&checked);
    let mut total: Vec<_> = INSTANCES
        .map(|count| Row::new(format!("instances: {count}; no check")))
        .into_iter()
        .chain(CHECKS.map(|count| Row::new(format!("checks: {count}; 1 instance"))))
        .collect();
    total[INSTANCES.len()].bar = Some(Bar::Median(24.0));
    let mut each = vec![
        Row::new("each further instance").with_bar(Bar::Median(8.0)),
        Row::new("each further check").with_bar(Bar::Median(100.0)),
    ];
    for _ in 0..bench.times(3, 1) {
        for make in MAKES {
            let mut all = Vec::new();
            for count in INSTANCES {
                let plan = Plan::with_instances(count, SECOND);
                all.push(of_service(bench, make, &hosts, &plan)?);
            }
            for count in CHECKS {
                // As many of each kind.
                let checks = three.iter().cycle().take(count).cloned().collect();
                let plan = Plan::with_checks(checks, NEVER_AGAIN);
                all.push(of_service(bench, make, &hosts, &plan)?);
            }
            for (row, memory) in total.iter_mut().zip(&all) {
                row.push(make, memory / 1024.0);
            }
            each[0].push(
                make,
                (all[2] - all[1]) / f64::from(INSTANCES[2] - INSTANCES[1]),
            );
            let further = u32::try_from(CHECKS[2] - CHECKS[1])?;
            each[1].push(make, (all[5] - all[4]) / f64::from(further));
        }
    }
    Ok(Report {
        title: "Memory".to_owned(),
        method: "The proportional set size (PSS) of all processes of a service: their own memory, and their part of what \
                 they share with others. It is MASTER of all instances, and each check has run once; a third of the checks \
                 are of each kind, `process`, `http` and `tcp`, and scripts for keepalived. What each further one takes is \
                 the difference of the last two."
            .to_owned(),
        tables: vec![
            Table::new("Memory of the whole service", "MiB", total),
            Table::new("Memory of one more", "KiB", each),
        ],
    })
}

/// Rows in KiB: checks of one kind and of another.
pub(super) fn of_checks(
    bench: Bench<'_>,
    hosts: &Hosts,
    kinds: &[Check],
) -> anyhow::Result<Vec<Row>> {
    const MANY: u32 = 100;
    let mut module = Row::new("each further module");
    let mut many = Row::new(format!("{MANY} checks of one module"));
    let mut check = Row::new("each further check of a module").with_bar(Bar::Median(100.0));
    for _ in 0..bench.times(3, 1) {
        for make in MAKES {
            let with = |checks: Vec<Check>| {
                of_service(bench, make, hosts, &Plan::with_checks(checks, NEVER_AGAIN))
            };
            let one = with(vec![kinds[0].clone()])?;
            let all = with(kinds.to_vec())?;
            let hundred = with(vec![kinds[0].clone(); usize::try_from(MANY)?])?;
            if make == Make::VrrpHost {
                let further = u32::try_from(kinds.len() - 1)?;
                module.push(make, (all - one) / f64::from(further));
            }
            many.push(make, hundred);
            check.push(make, (hundred - one) / f64::from(MANY - 1));
        }
    }
    Ok(vec![module, many, check])
}

/// KiB.
fn of_service(bench: Bench<'_>, make: Make, hosts: &Hosts, plan: &Plan) -> anyhow::Result<f64> {
    let service = Service::start(make, hosts, 0, plan, bench.state)?;
    service.wait_until_entered(State::Master, plan.instances.into())?;
    if !plan.checks.is_empty() {
        service.wait_until_checked()?;
    }
    let kibibytes = u32::try_from(service.account.memory()? >> 10)?;
    Ok(f64::from(kibibytes))
}
