//! `cargo xtask chaos`: real daemons, and something bad every few seconds.
//!
//! Three hosts share an address: two with vrrp-host, and keepalived as the last resort. In each episode something that the
//! seed draws happens to one of them and ends again. Judged is what the kernels tell of the address and what was on the wire: how long
//! nobody had it who could be reached, how long two had it, and that in the end exactly the right one has.

mod disturbance;
mod judge;
mod nodes;

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, ensure};
use fastrand::Rng;

use self::disturbance::Disturbance;
use self::nodes::Nodes;
use crate::cargo::provide_daemon;
use crate::terminal::Style;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// For how long.
    #[arg(long, default_value_t = 2)]
    minutes: u64,
    /// What is drawn. Without one, the time decides, and it is told.
    #[arg(long)]
    seed: Option<u64>,
}

/// Disturbs for so long. Fails at the first promise that is not kept.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    provide_daemon()?;
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    disturb(Duration::from_secs(60 * arguments.minutes), seed)?;
    Ok(ExitCode::SUCCESS)
}

/// As [`run`], with everything built.
pub(crate) fn disturb(length: Duration, seed: u64) -> anyhow::Result<()> {
    println!("seed {seed}");
    let mut random = Rng::with_seed(seed);
    let mut nodes = Nodes::start()?;
    nodes.settle()?;
    let start = Instant::now();
    let mut episodes = 0;
    while start.elapsed() < length {
        episodes += 1;
        let disturbance = Disturbance::draw(&mut random);
        let told = episode(&mut nodes, disturbance)
            .with_context(|| format!("seed {seed}, episode {episodes}: {disturbance}\n{nodes}"))?;
        println!(
            "{:7.1} s  {disturbance}: {told}",
            start.elapsed().as_secs_f64()
        );
    }
    println!(
        "{} {episodes} episodes in {:.0} s, every promise was kept",
        Style::Green.paint("✓"),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

fn episode(nodes: &mut Nodes, disturbance: Disturbance) -> anyhow::Result<judge::Outcome> {
    let capture = nodes.capture()?;
    let metronome = e2e::metronome::Metronome::start();
    let from = SystemTime::now();
    let absent = disturbance.happen(nodes)?;
    let healed = SystemTime::now();
    nodes.settle()?;
    let to = SystemTime::now();
    let stalls = metronome.stop();
    let frames = capture.stop()?;
    let episode = judge::Episode {
        from,
        healed,
        to,
        absent,
        terms: disturbance.terms(),
    };
    let outcome = judge::judge(&episode, &nodes.owners(), &frames, &stalls);
    ensure!(outcome.is_kept(), "{outcome}");
    Ok(outcome)
}
