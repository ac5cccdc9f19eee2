//! `vrrp-host module bench`: runs a check again and again, and shows what a run costs.

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use vrrp_sandbox::{CheckModule, RunContext, VrrpState};

use super::target::Terms;
use super::workshop::{Loaded, Workshop, rehearsal};
use crate::cli::Options;
use crate::command::print;
use crate::exit::Failure;

/// What to run, and for how long.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The component's file, the name of a check that is built in, or oci://...@sha256:... of one in the store
    #[arg(value_name = "MODULE")]
    module: String,
    #[command(flatten)]
    terms: Terms,
    /// For how long to run it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs the check, one run after the other, and prints the figures.
///
/// # Errors
/// When it is a hook, or cannot be loaded.
pub(super) async fn run(options: &Options, arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.terms.config()?;
    let workshop = Workshop::open(options, &arguments.module).await?;
    let loading = Instant::now();
    let loaded = workshop
        .load(&arguments.terms, &config, &rehearsal(Vec::new()))
        .await?;
    let load = loading.elapsed();
    let Loaded::Check(check) = loaded else {
        return Err(Failure::usage(format!(
            "`{}` is a hook, and every call of a hook does something; `vrrp-host module test` calls it once and shows the time",
            arguments.module
        )));
    };
    let figures = measure(&check, load, Duration::from_secs(arguments.seconds)).await;
    print(&if arguments.json {
        serde_json::to_string_pretty(&figures.json()).map_err(Failure::internal)?
    } else {
        figures.text()
    })
}

async fn measure(check: &CheckModule, load: Duration, period: Duration) -> Figures {
    let mut figures = Figures {
        load,
        ..Figures::default()
    };
    let started = Instant::now();
    let mut previous = None;
    while started.elapsed() < period {
        let context = RunContext {
            causes: Vec::new(),
            run: figures.wall.len() as u64 + 1,
            previous,
            states: vec![("VI_1".to_owned(), VrrpState::Backup)],
        };
        let report = check.run(context).await;
        match report.outcome {
            Ok(observation) => previous = Some(observation.verdict),
            Err(error) => {
                figures.errors += 1;
                figures.last_error = Some(error.to_string());
            }
        }
        figures.wall.push(report.usage.wall);
        figures.cpu.push(report.usage.cpu);
        figures.memory = figures.memory.max(report.usage.memory_peak);
    }
    figures.period = started.elapsed();
    figures.wall.sort_unstable();
    figures.cpu.sort_unstable();
    figures
}

/// What was measured; the times are sorted.
#[derive(Debug, Default)]
struct Figures {
    load: Duration,
    period: Duration,
    wall: Vec<Duration>,
    cpu: Vec<Duration>,
    memory: u64,
    errors: usize,
    last_error: Option<String>,
}

/// What is shown of the times: the name, and how many of a thousand are not longer.
const PERCENTILES: [(&str, usize); 5] = [
    ("min", 0),
    ("p50", 500),
    ("p90", 900),
    ("p99", 990),
    ("max", 1000),
];

impl Figures {
    fn text(&self) -> String {
        let mut text = format!(
            "{} runs in {:.2} s, each in a fresh instance: {:.0} a second\n{:<10}",
            self.wall.len(),
            self.period.as_secs_f64(),
            self.per_second(),
            ""
        );
        for (name, _) in PERCENTILES {
            text.push_str(&format!("{name:>12}"));
        }
        for (name, times) in [("time", &self.wall), ("CPU time", &self.cpu)] {
            text.push_str(&format!("\n{name:<10}"));
            for (_, thousandth) in PERCENTILES {
                let time = percentile(times, thousandth).as_secs_f64() * 1e6;
                text.push_str(&format!("{:>12}", format!("{time:.1} us")));
            }
        }
        text.push_str(&format!(
            "\nmemory    {} KiB at most in a run\nload      {:.1} ms, once\n",
            self.memory >> 10,
            self.load.as_secs_f64() * 1e3
        ));
        if let Some(error) = &self.last_error {
            text.push_str(&format!(
                "{} runs came to no verdict, the last one: {error}\n",
                self.errors
            ));
        }
        text
    }

    fn json(&self) -> serde_json::Value {
        let nanoseconds = |times: &[Duration]| -> serde_json::Value {
            PERCENTILES
                .iter()
                .map(|(name, thousandth)| {
                    let time = percentile(times, *thousandth).as_nanos();
                    (
                        (*name).to_owned(),
                        json!(u64::try_from(time).unwrap_or(u64::MAX)),
                    )
                })
                .collect()
        };
        json!({
            "runs": self.wall.len(),
            "runs-per-second": self.per_second(),
            "wall-ns": nanoseconds(&self.wall),
            "cpu-ns": nanoseconds(&self.cpu),
            "memory-bytes": self.memory,
            "load-us": u64::try_from(self.load.as_micros()).unwrap_or(u64::MAX),
            "errors": self.errors,
            "last-error": self.last_error,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    fn per_second(&self) -> f64 {
        self.wall.len() as f64 / self.period.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// The shortest of the sorted times that so many thousandths of them do not exceed.
fn percentile(sorted: &[Duration], thousandth: usize) -> Duration {
    let rank = (sorted.len() * thousandth).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times: Vec<_> = (1..=200).map(Duration::from_micros).collect();
        let of = |thousandth| percentile(&times, thousandth).as_micros();
        assert_eq!(of(0), 1);
        assert_eq!(of(500), 100);
        assert_eq!(of(990), 198);
        assert_eq!(of(1000), 200);
        assert_eq!(percentile(&times[..1], 500).as_micros(), 1);
        assert_eq!(percentile(&[], 500), Duration::ZERO);
    }
}
