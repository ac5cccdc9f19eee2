//! `cargo xtask soak`: a MASTER and a BACKUP of many instances and checks, for a long time.
//!
//! Nothing that happens may add up: a check that fails and passes again, a reload, somebody who asks for the status. Looked at are the
//! memory, the open files and the threads of every process, and each advertisement on the wire.

mod footprint;
mod load;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::ensure;
use e2e::daemon::Pids;
use e2e::metronome::Metronome;
use e2e::stage::{FIRST, SECOND, Stage};
use lab::Frame;
use rustix::process::Pid;

use self::footprint::{Footprints, ROLES};
use self::load::{INSTANCES, INTERVAL, Load};
use crate::cargo::provide_daemon;
use crate::terminal::Style;

/// How late an advertisement may be, without what the machine was late by.
const LATE: Duration = Duration::from_millis(20);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// For how long.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(5..))]
    minutes: u64,
}

/// Watches for so long. Fails when something has grown, or an advertisement was late.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    provide_daemon()?;
    let stage = Stage::new()?;
    let mut load = Load::start(&stage)?;
    println!(
        "{INSTANCES} instances every {} ms and {} checks on each of two hosts, for {} min",
        INTERVAL.as_millis(),
        load::CHECKS,
        arguments.minutes
    );

    let mut footprints = Footprints::default();
    let mut late = Vec::new();
    let before = load.pids();
    let start = Instant::now();
    for minute in 1..=arguments.minutes {
        let metronome = Metronome::start();
        let capture = stage.segment.capture()?;
        let end = start + Duration::from_secs(60 * minute);
        load.disturb(minute)?;
        std::thread::sleep(end.saturating_duration_since(Instant::now()));
        let frames = capture.stop()?;
        let punctuality = load::punctuality(&frames, &metronome.stop())?;
        ensure!(
            !is_contested(&frames),
            "more than one host has advertised\n{load}"
        );
        let pids = load.pids();
        ensure!(
            lasting(&pids) == lasting(&before),
            "a process has been started again\n{load}"
        );
        let now = footprints.take(pids)?;
        println!(
            "{minute:4} min  advertisements late by {:.2} ms at most, {:.2} ms without the machine's part; {now}",
            punctuality
                .longest_gap
                .saturating_sub(INTERVAL)
                .as_secs_f64()
                * 1e3,
            punctuality.late.as_secs_f64() * 1e3,
        );
        late.push(punctuality.late);
    }

    let worst = late.into_iter().max().unwrap_or_default();
    ensure!(
        worst <= LATE,
        "an advertisement was late by {worst:?}\n{load}"
    );
    for role in ROLES {
        println!("{}", footprints.judge(role)?);
    }
    println!(
        "{} {} min: nothing has grown, no advertisement late by more than {:.2} ms",
        Style::Green.paint("✓"),
        arguments.minutes,
        worst.as_secs_f64() * 1e3
    );
    Ok(ExitCode::SUCCESS)
}

/// The processes that nothing ends: a reload brings another worker.
fn lasting(daemons: &[Pids; 2]) -> [(Pid, Option<Pid>); 2] {
    daemons.map(|pids| (pids.supervisor, pids.router))
}

/// Whether anybody but the first host claims an address.
fn is_contested(frames: &[Frame]) -> bool {
    frames
        .iter()
        .any(|frame| frame.advertisement().is_some() && frame.sender() != Some(FIRST))
        || frames
            .iter()
            .any(|frame| frame.announced().is_some() && frame.sender() == Some(SECOND))
}
