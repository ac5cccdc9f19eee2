//! What a check costs in vrrp-host, and as a script under keepalived.
//!
//! Both run the same checks on the same host, by turns, [`ROUNDS`] times. A run costs what the whole service, children
//! included, takes more of a processor while [`CHECKS`] checks run every second than while they wait: [`BUSY`] and [`IDLE`]
//! are whole seconds, so each check runs as often in a busy period, wherever it begins.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use e2e::inside::{WebServer, inside};
use e2e::stage::Stage;
use lab::Netns;
use tempfile::TempDir;

use super::contender::{Contender, Interval, Place, Service};
use super::table::{Figures, Memory, Row};
use crate::cargo::build_daemon;
use crate::setup;

const ROUNDS: usize = 3;
/// Checks that run every second. The worker's and keepalived's own clockwork is a small part of what they cost then.
pub(super) const CHECKS: u32 = 50;
const BUSY: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(2);
/// Checks for the memory that one more takes.
const MANY: u32 = 100;
/// Times that a script is run alone, for its wall time.
const ALONE: usize = 20;
const PORT: u16 = 8080;
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md");

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Measure the program as it is shipped; optimising it takes minutes. Otherwise as the tests have it.
    #[arg(long)]
    release: bool,
}

/// The same check in both worlds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    /// Our module.
    pub(super) module: &'static str,
    /// Its config.
    pub(super) config: &'static str,
    /// What people write instead.
    pub(super) script: &'static str,
}

/// The process that is looked for runs while anything is measured, and so does the web server.
const SUBJECTS: [Subject; 2] = [
    Subject {
        module: "process",
        config: "{ name = \"bench-service\" }",
        script: "pidof bench-service >/dev/null",
    },
    Subject {
        module: "http",
        config: "{ url = \"http://127.0.0.1:8080/\" }",
        script: "curl --silent --fail --output /dev/null http://127.0.0.1:8080/",
    },
];

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    setup::run()?;
    let selection: &[&str] = if arguments.release {
        &["--package", "vrrp-host", "--release"]
    } else {
        &["--package", "vrrp-host"]
    };
    let binary = build_daemon(selection)?;
    let stage = Stage::new()?;
    let host = &stage.first;
    let state = TempDir::with_prefix("vrrp-bench-")?;
    let place = Place {
        host,
        binary: &binary,
        state: state.path(),
    };
    let _server = WebServer::start(host, PORT);
    let _process = named_process(host)?;

    let start = Instant::now();
    let mut rows: Vec<Row> = SUBJECTS.map(Row::new).to_vec();
    for round in 1..=ROUNDS {
        println!(
            "round {round} of {ROUNDS} ({:.0} s)",
            start.elapsed().as_secs_f64()
        );
        let [ours, theirs] = Contender::BOTH;
        let idle = [idle(ours, &place)?, idle(theirs, &place)?];
        for row in &mut rows {
            let measure =
                |index: usize| busy(Contender::BOTH[index], row.subject, &place, idle[index]);
            let round = [measure(0)?, measure(1)?];
            row.rounds.push(round);
        }
    }
    let [ours, theirs] = Contender::BOTH;
    let memory = [memory(ours, &place)?, memory(theirs, &place)?];
    println!("measured in {:.0} s\n", start.elapsed().as_secs_f64());

    let document = super::table::document(&rows, &memory, arguments.release)?;
    println!("{document}");
    let path = Path::new(DOCUMENT);
    let folder = path.parent().context("the document is in a folder")?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, document))
        .with_context(|| format!("cannot write {DOCUMENT}"))
}

/// A process called `bench-service`, which does nothing.
fn named_process(host: &Netns) -> anyhow::Result<lab::Process> {
    let folder = std::env::temp_dir().join(format!("vrrp-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let program = folder.join("bench-service");
    fs::copy("/bin/sleep", &program).context("cannot copy /bin/sleep")?;
    let path = program.to_str().context("our paths are UTF-8")?;
    let process = host.spawn(&[path, "3600"])?;
    let limit = Duration::from_secs(5);
    lab::wait_until(limit, "bench-service to run", || {
        match host.output(&["pidof", "bench-service"]) {
            Ok(output) if output.status.success() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;
    // The running process keeps the file.
    fs::remove_dir_all(&folder)?;
    Ok(process)
}

/// What a second costs in which no check runs.
fn idle(contender: Contender, place: &Place<'_>) -> anyhow::Result<Duration> {
    let service = Service::start(contender, SUBJECTS[0], CHECKS, Interval::Hour, place)?;
    let before = service.account.processor_time()?;
    sleep(IDLE);
    let spent = service.account.processor_time()? - before;
    Ok(spent / u32::try_from(IDLE.as_secs())?)
}

fn busy(
    contender: Contender,
    subject: Subject,
    place: &Place<'_>,
    idle_second: Duration,
) -> anyhow::Result<Figures> {
    let service = Service::start(contender, subject, CHECKS, Interval::Second, place)?;
    let before = service.runs()?;
    let (start, spent_before) = (Instant::now(), service.account.processor_time()?);
    sleep(BUSY);
    let (took, spent) = (
        start.elapsed(),
        service.account.processor_time()? - spent_before,
    );
    let runs = match (before, service.runs()?) {
        (Some(before), Some(after)) => f64::from(after - before),
        // keepalived does not count; it has started each script when it was due.
        _ => f64::from(CHECKS) * took.as_secs_f64(),
    };
    ensure!(runs > 0.0, "{contender} ran no check");
    service.assert_all_pass()?;
    let own = idle_second.mul_f64(took.as_secs_f64());
    let wall = match service.wall()? {
        Some(wall) => wall,
        None => wall_of_script(place.host, &service.script())?,
    };
    Ok(Figures {
        run: spent.saturating_sub(own).div_f64(runs),
        wall,
        share: spent.as_secs_f64() / took.as_secs_f64(),
    })
}

/// keepalived does not tell how long a script takes: the median of runs of our own, alone.
fn wall_of_script(host: &Netns, script: &Path) -> anyhow::Result<Duration> {
    let times = inside(host, || {
        (0..ALONE)
            .map(|_| {
                let start = Instant::now();
                let status = Command::new(script).status();
                status.map(|status| (status.success(), start.elapsed()))
            })
            .collect::<std::io::Result<Vec<_>>>()
    });
    let mut times = times.with_context(|| format!("cannot run {}", script.display()))?;
    ensure!(
        times.iter().all(|(success, _)| *success),
        "{} fails",
        script.display()
    );
    times.sort();
    Ok(times[times.len() / 2].1)
}

fn memory(contender: Contender, place: &Place<'_>) -> anyhow::Result<Memory> {
    let with = |checks| {
        let service = Service::start(contender, SUBJECTS[0], checks, Interval::Hour, place)?;
        Ok::<_, anyhow::Error>(service.account.memory()?)
    };
    let (one, many) = (with(1)?, with(MANY)?);
    Ok(Memory {
        one,
        many,
        each: many.saturating_sub(one) / u64::from(MANY - 1),
    })
}
