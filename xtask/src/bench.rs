//! `cargo xtask bench`: what vrrp-host and Debian's keepalived cost, and how fast they are, side by side.
//!
//! Each section measures both by turns on the same hosts and leaves its figures in `benchmarks/SECTION.json`. From all such
//! files that are there, `benchmarks.md` and a plot for each of its tables are made anew, so sections can be run one at a
//! time.

mod advertisements;
mod checks;
mod document;
mod hosts;
mod memory;
mod plan;
mod plot;
mod reload;
mod report;
mod service;
mod start;
mod takeover;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use clap::ValueEnum;
use e2e::contender::Make;
use lab::scenario::use_vrrp_host;
use tempfile::TempDir;

use self::report::{Record, Report};
use crate::cargo::build_daemon;
use crate::setup;
use crate::terminal::Style;

/// By turns.
const MAKES: [Make; 2] = [Make::VrrpHost, Make::Keepalived];

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What to measure; everything when left out.
    #[arg(value_enum)]
    sections: Vec<Section>,
    /// A few repetitions only: to see that it works, not for figures to keep.
    #[arg(long)]
    quick: bool,
    /// The folder that gets benchmarks.md and benchmarks/.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"))]
    output: PathBuf,
}

/// What is measured together, in the order of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Processor time, wall time and memory of checks, and of the same checks as scripts.
    Checks,
    /// For how long nobody, or two, have the address.
    Takeover,
    /// Processor time of an advertisement.
    Advertisements,
    /// Memory by instances and checks.
    Memory,
    /// From the start to ready.
    Start,
    /// From SIGHUP to the end of the reload.
    Reload,
}

/// What every section works with.
#[derive(Debug, Clone, Copy)]
struct Bench<'a> {
    /// Where vrrp-host keeps compiled modules, so that only the first daemon compiles.
    state: &'a Path,
    quick: bool,
}

impl Bench<'_> {
    /// How often something is repeated.
    fn times(self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}

/// Measures what was asked for. A section that is done has its files when a later one fails.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    setup::run()?;
    setup::packages(&checks::PACKAGES)?;
    println!("building vrrp-host, optimised; the first time, this takes minutes");
    use_vrrp_host(build_daemon(&["--package", "vrrp-host", "--release"])?);
    let folder = arguments.output.join("benchmarks");
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let state = TempDir::with_prefix("vrrp-bench-")?;
    let bench = Bench {
        state: state.path(),
        quick: arguments.quick,
    };
    let sections = match arguments.sections.as_slice() {
        [] => Section::value_variants(),
        some => some,
    };
    for section in sections {
        println!("{}", Style::Bold.paint(format_args!("==> {section:?}")));
        let start = Instant::now();
        let report = section.measure(bench)?;
        let record = Record::new(report, bench.quick, start.elapsed());
        println!("{}", document::section(&record, None)?);
        record.write(&section.file(&folder))?;
        write_document(&arguments.output, &folder)?;
    }
    Ok(())
}

impl Section {
    fn measure(self, bench: Bench<'_>) -> anyhow::Result<Report> {
        match self {
            Self::Checks => checks::measure(bench),
            Self::Takeover => takeover::measure(bench),
            Self::Advertisements => advertisements::measure(bench),
            Self::Memory => memory::measure(bench),
            Self::Start => start::measure(bench),
            Self::Reload => reload::measure(bench),
        }
    }

    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    fn file(self, folder: &Path) -> PathBuf {
        folder.join(self.name()).with_extension("json")
    }
}

/// Makes the document and its plots of all figures that are there.
fn write_document(output: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut text = document::HEAD.to_owned();
    for section in Section::value_variants() {
        let file = section.file(folder);
        if !file.exists() {
            continue;
        }
        let record = Record::read(&file)?;
        let name = section.name();
        for (index, table) in record.report.tables.iter().enumerate() {
            let plot = document::plot_file(&name, index);
            plot::draw(table, &folder.join(&plot))?;
        }
        text += &document::section(&record, Some(&name))?;
    }
    let path = output.join("benchmarks.md");
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
