//! What a check costs in vrrp-host, and as a script under keepalived.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use e2e::checked::Checked;
use e2e::contender::Make;
use e2e::inside::{WebServer, inside};
use lab::Netns;
use tempfile::TempDir;

use super::hosts::Hosts;
use super::plan::{Check, Plan, Theirs};
use super::report::{Bar, Report, Row, Table};
use super::service::Service;
use super::{Bench, MAKES, memory};

/// For the scripts, beside what the laboratory needs: a file and the package that has it.
pub(super) const PACKAGES: [(&str, &str); 1] = [("/usr/bin/nc", "netcat-openbsd")];

/// Often enough that what a daemon does beside its checks is little.
const EVERY: Duration = Duration::from_secs(1);
/// Once, at the start, as far as anything here is concerned.
pub(super) const NEVER_AGAIN: Duration = Duration::from_secs(3600);
/// The web server's.
pub(super) const PORT: u16 = 8080;
/// Times that a script is run alone, for its wall time.
const ALONE: usize = 20;

/// A check that is measured, and what it is called in the tables.
struct Subject {
    what: &'static str,
    check: Check,
}

/// What was measured of a check in one round.
struct Figures {
    /// Processor time of a run, µs.
    run: f64,
    /// Wall time of a run, µs.
    wall: f64,
}

pub(super) fn measure(bench: Bench<'_>) -> anyhow::Result<Report> {
    let hosts = Hosts::new(1)?;
    let host = &hosts.hosts[0];
    let _server = WebServer::start(host, PORT);
    let checked = Checked::start(host);
    let pidof = Theirs::Script(format!("pidof {} >/dev/null", checked.name));
    let subjects = [
        Subject {
            what: "`process`; `sh` with `pidof`",
            check: Check::process(&checked.name, pidof),
        },
        Subject {
            what: "`http`; `curl`",
            check: Check::http(PORT),
        },
        Subject {
            what: "`tcp`; `nc -z`",
            check: Check::tcp(PORT),
        },
    ];
    let nothing = Check {
        theirs: Theirs::Program("/bin/true".to_owned()),
        ..subjects[0].check.clone()
    };

    let mut run = rows(
        &subjects,
        |what| what.to_owned(),
        Some(Bar::Ratio(1.0 / 50.0)),
    );
    let mut wall = rows(&subjects, |what| what.to_owned(), None);
    let of_nothing = |what: &str| {
        let module = what.split(';').next().unwrap_or(what);
        format!("{module}; `/bin/true`")
    };
    let mut floor = rows(&subjects, of_nothing, Some(Bar::Ratio(1.0 / 20.0)));
    let rounds = bench.times(7, 2);
    for round in 1..=rounds {
        println!("round {round} of {rounds}");
        for make in MAKES {
            let stage = Stage {
                bench,
                make,
                hosts: &hosts,
            };
            let idle = stage.idle(&subjects[0].check)?;
            for (index, subject) in subjects.iter().enumerate() {
                let Figures {
                    run: cost,
                    wall: time,
                } = stage.busy(&subject.check, idle)?;
                run[index].push(make, cost);
                wall[index].push(make, time);
                if make == Make::VrrpHost {
                    floor[index].push(make, cost);
                }
            }
            if make == Make::Keepalived {
                let cost = stage.busy(&nothing, idle)?.run;
                floor.iter_mut().for_each(|row| row.push(make, cost));
            }
        }
    }
    let checks: Vec<_> = subjects.into_iter().map(|subject| subject.check).collect();
    Ok(Report {
        title: "A check, and the script that does the same".to_owned(),
        method: format!(
            "{} checks of one kind run every second, {} of keepalived's, for {} s. A run costs what the whole service, with all \
             its processes and those that they start, takes more of a processor than while its checks wait, by the kernel's \
             account of a control group; a daemon that counts its runs is asked how many they were. What the process that is \
             looked for and the web server cost is not in it. The wall time is that of a check \
             alone, and of the script alone, as keepalived does not tell how long it takes. Memory is the proportional set size of all processes.",
            count(Make::VrrpHost),
            count(Make::Keepalived),
            busy(bench).as_secs(),
        ),
        tables: vec![
            Table::new("Processor time of a run", "µs", run),
            Table::new(
                "Processor time of a run, and of a program that does nothing",
                "µs",
                floor,
            ),
            Table::new("Wall time of a run", "µs", wall),
            Table::new(
                "Memory of checks",
                "KiB",
                memory::of_checks(bench, &hosts, &checks)?,
            ),
        ],
    })
}

fn rows(subjects: &[Subject], name: impl Fn(&str) -> String, bar: Option<Bar>) -> Vec<Row> {
    let row = |subject: &Subject| Row {
        bar,
        ..Row::new(name(subject.what))
    };
    subjects.iter().map(row).collect()
}

/// Checks at a time. Ours are so cheap that few of them would be lost in what a daemon does anyway.
fn count(make: Make) -> usize {
    match make {
        Make::VrrpHost => 500,
        Make::Keepalived => 50,
    }
}

/// Whole seconds, so that each check runs as often, wherever they begin.
fn busy(bench: Bench<'_>) -> Duration {
    Duration::from_secs(if bench.quick { 3 } else { 8 })
}

#[derive(Clone, Copy)]
struct Stage<'a> {
    bench: Bench<'a>,
    make: Make,
    hosts: &'a Hosts,
}

impl Stage<'_> {
    /// With all checks passed once.
    fn start(&self, check: &Check, every: Duration) -> anyhow::Result<Service> {
        let plan = Plan::with_checks(vec![check.clone(); count(self.make)], every);
        let service = Service::start(self.make, self.hosts, 0, &plan, self.bench.state)?;
        service.wait_until_checked()?;
        Ok(service)
    }

    /// The processor time of a second in which no check runs.
    fn idle(&self, check: &Check) -> anyhow::Result<Duration> {
        let service = self.start(check, NEVER_AGAIN)?;
        let (took, spent) = spend(&service, busy(self.bench))?;
        Ok(spent.div_f64(took.as_secs_f64()))
    }

    fn busy(&self, check: &Check, idle_second: Duration) -> anyhow::Result<Figures> {
        let service = self.start(check, EVERY)?;
        let before = service.runs()?;
        let (took, spent) = spend(&service, busy(self.bench))?;
        let runs = match (before, service.runs()?) {
            (Some(before), Some(after)) => f64::from(u32::try_from(after - before)?),
            // It has started each script when it was due.
            _ => f64::from(u32::try_from(count(self.make))?) * took.as_secs_f64(),
        };
        ensure!(runs > 0.0, "{} ran no check", self.make);
        service.assert_all_pass()?;
        drop(service);
        let wall = self.wall(check)?;
        let own = idle_second.mul_f64(took.as_secs_f64());
        Ok(Figures {
            run: micros(spent.saturating_sub(own)) / runs,
            wall: micros(wall),
        })
    }

    /// The wall time of a run that waits for no other one.
    fn wall(&self, check: &Check) -> anyhow::Result<Duration> {
        if self.make == Make::Keepalived {
            return wall_of_script(&self.hosts.hosts[0], &check.theirs);
        }
        let plan = Plan::with_checks(vec![check.clone()], EVERY);
        let service = Service::start(self.make, self.hosts, 0, &plan, self.bench.state)?;
        service.wait_until_checked()?;
        // The first run finds everything cold.
        sleep(3 * EVERY);
        service
            .wall()?
            .context("vrrp-host tells how long a run took")
    }
}

/// For how long it took, and how much of a processor, while it was left alone for some time.
fn spend(service: &Service, time: Duration) -> anyhow::Result<(Duration, Duration)> {
    let (start, before) = (Instant::now(), service.account.processor_time()?);
    sleep(time);
    Ok((start.elapsed(), service.account.processor_time()? - before))
}

/// The median of runs of our own.
fn wall_of_script(host: &Netns, theirs: &Theirs) -> anyhow::Result<Duration> {
    let folder = TempDir::with_prefix("vrrp-bench-")?;
    let command = theirs.command(folder.path())?;
    let command = command.context("only a script has a wall time")?;
    let words: Vec<&str> = command.split(' ').collect();
    let times = inside(host, || {
        (0..ALONE)
            .map(|_| {
                let start = Instant::now();
                let status = Command::new(words[0]).args(&words[1..]).output()?.status;
                Ok((status.success(), start.elapsed()))
            })
            .collect::<std::io::Result<Vec<_>>>()
    });
    let mut times = times.with_context(|| format!("cannot run {command}"))?;
    ensure!(times.iter().all(|(success, _)| *success), "{command} fails");
    times.sort();
    Ok(times[times.len() / 2].1)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
