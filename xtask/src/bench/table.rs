//! The figures, for people.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Duration;

use super::checks::{CHECKS, Subject};

/// What was measured of a check under one daemon in one round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    /// Processor time of a run.
    pub(super) run: Duration,
    /// Wall time of a run.
    pub(super) wall: Duration,
    /// The part of one processor that the whole service takes.
    pub(super) share: f64,
}

/// A check, with the figures of each round: vrrp-host's, then keepalived's.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) subject: Subject,
    pub(super) rounds: Vec<[Figures; 2]>,
}

/// The memory of a service, bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// With one check.
    pub(super) one: u64,
    /// With a hundred.
    pub(super) many: u64,
    /// Of each check beyond the first.
    pub(super) each: u64,
}

impl Row {
    pub(super) fn new(subject: Subject) -> Self {
        Self {
            subject,
            rounds: Vec::new(),
        }
    }

    fn spread(&self, figure: impl Fn(&[Figures; 2]) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(figure).collect())
    }
}

/// The middle of some figures, and the two ends.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

impl Spread {
    /// Of at least one.
    fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
        let count = figures.len();
        Self {
            low: at(0),
            median: f64::midpoint(at(count.saturating_sub(1) / 2), at(count / 2)),
            high: at(count.saturating_sub(1)),
        }
    }

    fn show(self, unit: &str, digits: usize) -> String {
        let Self { low, median, high } = self;
        format!("{median:.digits$}{unit} ({low:.digits$} to {high:.digits$})")
    }
}

/// `docs/benchmarks.md`.
pub(super) fn document(
    rows: &[Row],
    memory: &[Memory; 2],
    release: bool,
) -> anyhow::Result<String> {
    let mut text = String::from(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench checks`; the figures are of the machine it ran on last.\n\n\
         ## A check, and the script that does the same\n\n\
         Both daemons run the same checks on the same host, by turns. Each figure is the median of the rounds, with the \
         lowest and the highest.\n\n",
    );
    let rounds = rows
        .iter()
        .map(|row| row.rounds.len())
        .max()
        .unwrap_or_default();
    let profile = if release {
        "release"
    } else {
        "dev (as in the tests)"
    };
    writeln!(
        text,
        "{}; {}; vrrp-host built as {profile}; {CHECKS} checks every second, {rounds} rounds.\n",
        machine(),
        keepalived()
    )?;
    text += "| check | the script | processor time of a run: vrrp-host | keepalived | ratio | wall time of a run: vrrp-host | the script | \
             the whole service: vrrp-host | keepalived |\n|---|---|---|---|---|---|---|---|---|\n";
    for row in rows {
        let run = |index: usize| {
            row.spread(move |round| micros(round[index].run))
                .show(" µs", 0)
        };
        let wall = |index: usize| {
            row.spread(move |round| micros(round[index].wall))
                .show(" µs", 0)
        };
        let share = |index: usize| {
            row.spread(move |round| round[index].share * 100.0)
                .show(" %", 1)
        };
        let ratio = row.spread(|[ours, theirs]| micros(theirs.run) / micros(ours.run));
        writeln!(
            text,
            "| `{}` | `{}` | {} | {} | {} | {} | {} | {} | {} |",
            row.subject.module,
            row.subject.script,
            run(0),
            run(1),
            ratio.show("", 0),
            wall(0),
            wall(1),
            share(0),
            share(1),
        )?;
    }
    text += "\nProcessor time is the service's, with all its processes and the scripts that it starts, less what it takes while its \
             checks wait, by the kernel's account of a control group. The share of a processor is the whole of it. keepalived does \
             not tell how long a script takes; its wall time is of the script alone.\n\n\
             ## Memory\n\n\
             The proportional set size of all processes of the service, with checks of `process` (scripts, for keepalived) that \
             have run once.\n\n\
             | | with 1 check | with 100 | each further check |\n|---|---|---|---|\n";
    for (name, Memory { one, many, each }) in ["vrrp-host", "keepalived"].iter().zip(memory) {
        writeln!(
            text,
            "| {name} | {} KiB | {} KiB | {} KiB |",
            one >> 10,
            many >> 10,
            each >> 10
        )?;
    }
    Ok(text)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn machine() -> String {
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("a processor", |(_, model)| model)
        .to_owned();
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{count} × {model}, Linux {}", release.trim())
}

fn keepalived() -> String {
    let output = Command::new("keepalived").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    let text = text.unwrap_or_default();
    let version = text.split_whitespace().nth(1).unwrap_or_default();
    format!("keepalived {version}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_its_middle_and_its_ends() {
        for (figures, spread) in [
            (vec![3.0, 1.0, 2.0], [1.0, 2.0, 3.0]),
            (vec![4.0, 1.0, 2.0, 3.0], [1.0, 2.5, 4.0]),
            (vec![7.0], [7.0, 7.0, 7.0]),
        ] {
            let [low, median, high] = spread;
            assert_eq!(Spread::of(figures), Spread { low, median, high });
        }
    }
}
