//! What a section has measured, as it is kept.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use e2e::contender::Make;
use serde::{Deserialize, Serialize};

/// A report, and how it came about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// The processors and the kernel.
    pub(super) machine: String,
    pub(super) keepalived: String,
    /// With few repetitions.
    pub(super) quick: bool,
    /// How long measuring took.
    pub(super) seconds: u64,
    pub(super) report: Report,
}

/// The figures of a section.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) title: String,
    /// How they were measured: Markdown.
    pub(super) method: String,
    pub(super) tables: Vec<Table>,
}

/// Figures of one unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Table {
    pub(super) title: String,
    pub(super) unit: String,
    pub(super) rows: Vec<Row>,
}

/// What was measured of each daemon, as often as it was. Nothing, where a daemon does no such thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) what: String,
    pub(super) vrrp_host: Vec<f64>,
    pub(super) keepalived: Vec<f64>,
    pub(super) bar: Option<Bar>,
}

/// What vrrp-host has to reach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Bar {
    /// At most this part of what keepalived takes.
    Ratio(f64),
    /// A median of at most this, in the unit of the table.
    Median(f64),
    /// This median and this 99th percentile at most, in the unit of the table.
    MedianAndP99(f64, f64),
}

/// The middle of some figures, the two ends, and the one that 1 % of them are above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) low: f64,
    pub(super) median: f64,
    pub(super) p99: f64,
    pub(super) high: f64,
}

impl Record {
    pub(super) fn new(report: Report, quick: bool, took: Duration) -> Self {
        Self {
            machine: machine(),
            keepalived: keepalived(),
            quick,
            seconds: took.as_secs(),
            report,
        }
    }

    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file);
        let text = text.with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| {
            format!(
                "{} is of another version of this program: measure that section anew",
                file.display()
            )
        })
    }

    pub(super) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

impl Table {
    pub(super) fn new(title: &str, unit: &str, rows: Vec<Row>) -> Self {
        Self {
            title: title.to_owned(),
            unit: unit.to_owned(),
            rows,
        }
    }
}

impl Row {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            vrrp_host: Vec::new(),
            keepalived: Vec::new(),
            bar: None,
        }
    }

    pub(super) fn with_bar(self, bar: Bar) -> Self {
        Self {
            bar: Some(bar),
            ..self
        }
    }

    pub(super) fn push(&mut self, make: Make, figure: f64) {
        match make {
            Make::VrrpHost => self.vrrp_host.push(figure),
            Make::Keepalived => self.keepalived.push(figure),
        }
    }

    /// The median of vrrp-host by that of keepalived, where both have one that is more than nothing.
    pub(super) fn ratio(&self) -> Option<f64> {
        let (ours, theirs) = (Spread::of(&self.vrrp_host)?, Spread::of(&self.keepalived)?);
        (ours.median > 0.0 && theirs.median > 0.0).then(|| ours.median / theirs.median)
    }

    /// Whether the bar is reached; `None` without one, or without the figures for it.
    pub(super) fn reaches_bar(&self) -> Option<bool> {
        let ours = Spread::of(&self.vrrp_host)?;
        Some(match self.bar? {
            Bar::Ratio(most) => self.ratio()? <= most,
            Bar::Median(most) => ours.median <= most,
            Bar::MedianAndP99(median, p99) => ours.median <= median && ours.p99 <= p99,
        })
    }
}

impl Spread {
    /// `None` of no figures.
    pub(super) fn of(figures: &[f64]) -> Option<Self> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let at = |index: usize| sorted.get(index).copied();
        Some(Self {
            low: at(0)?,
            median: f64::midpoint(at((count - 1) / 2)?, at(count / 2)?),
            p99: at((count * 99).div_ceil(100) - 1)?,
            high: at(count - 1)?,
        })
    }
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
    let output = Command::new("/usr/sbin/keepalived")
        .arg("--version")
        .output();
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
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        for (figures, [low, median, p99, high]) in [
            (&[3.0, 1.0, 2.0][..], [1.0, 2.0, 3.0, 3.0]),
            (&[4.0, 1.0, 2.0, 3.0], [1.0, 2.5, 4.0, 4.0]),
            (&[7.0], [7.0, 7.0, 7.0, 7.0]),
            (&hundred, [1.0, 50.5, 99.0, 100.0]),
        ] {
            let spread = Spread {
                low,
                median,
                p99,
                high,
            };
            assert_eq!(Spread::of(figures), Some(spread));
        }
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn a_bar_is_reached_by_the_figures_that_it_is_about() {
        let row = |bar| Row {
            vrrp_host: vec![1.0, 2.0, 9.0],
            keepalived: vec![100.0],
            ..Row::new("row").with_bar(bar)
        };
        for (bar, reached) in [
            (Bar::Ratio(0.02), true),
            (Bar::Ratio(0.019), false),
            (Bar::Median(2.0), true),
            (Bar::Median(1.9), false),
            (Bar::MedianAndP99(2.0, 9.0), true),
            (Bar::MedianAndP99(2.0, 8.0), false),
        ] {
            assert_eq!(row(bar).reaches_bar(), Some(reached), "{bar:?}");
        }
        assert_eq!(
            Row::new("row").with_bar(Bar::Ratio(1.0)).reaches_bar(),
            None
        );
    }
}
