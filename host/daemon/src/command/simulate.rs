//! `vrrp-host simulate`: what a cluster file does, without a cluster.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::progress::{self, Progress};
use super::{name_file, print};
use crate::cli::Options;
use crate::exit::Failure;
use crate::simulate::{self, Report, Scene, WhatIf, World};
use crate::supervisor;

/// More is hours of computing, and nothing new.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What is simulated, and how it is shown.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The file; the same as --config
    file: Option<PathBuf>,
    /// Make something happen, such as `--at 5s fail:node-exporter@master`; may be repeated
    ///
    /// fail:CHECK@NODE, warn:, pass:, error:; crash:NODE, stop:, start:; cut:NODE, heal:; freeze:NODE, thaw:;
    /// link-down:INTERFACE@NODE, link-up:; drain:INSTANCE@NODE, undrain:, release:
    #[arg(
        long,
        num_args = 2,
        value_names = ["TIME", "EVENT"],
        action = clap::ArgAction::Append,
        verbatim_doc_comment
    )]
    at: Vec<String>,
    /// How much time passes
    #[arg(long = "for", value_name = "TIME", default_value = "60s")]
    length: String,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Also draw the timeline
    #[arg(long, value_name = "FILE", conflicts_with = "what_if")]
    svg: Option<PathBuf>,
    /// Try every single failure instead, and show who takes over, and when
    #[arg(long, conflicts_with_all = ["at", "length"])]
    what_if: bool,
    /// Exit with 1 when an address is without an owner for longer than the protocol needs
    #[arg(long, requires = "what_if")]
    strict: bool,
}

/// Simulates, and prints what happened.
///
/// # Errors
/// When the file has errors or describes one host alone, or the events do not fit it; with `--strict`, when an address is
/// without an owner for too long.
pub(crate) fn simulate(options: &Options, arguments: Arguments) -> Result<(), Failure> {
    let file = name_file(options, arguments.file.as_deref(), "simulate")?;
    let scene = read_scene(&file)?;
    if arguments.what_if {
        return try_failures(scene, &arguments);
    }
    let length = read_length(&arguments.length)?;
    let pairs = arguments.at.chunks_exact(2);
    let pairs: Vec<_> = pairs
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect();
    let planned = simulate::read(&scene, length, &pairs).map_err(Failure::usage)?;
    let mut world = World::new(&scene);
    for planned in &planned {
        world.plan(planned.at, planned.act, &planned.words);
    }
    world.run_until(length);
    if let Some(path) = &arguments.svg {
        write(path, &simulate::draw(&scene, &world))?;
    }
    if arguments.json {
        let report = Report::new(&scene, &world);
        return print(&serde_json::to_string_pretty(&report).map_err(Failure::internal)?);
    }
    print(&simulate::text(&scene, &world))
}

/// The nodes of a file.
fn read_scene(file: &Path) -> Result<Scene, Failure> {
    let checked = supervisor::read_for_every_node(file)?;
    let clusters: Vec<_> = checked.into_iter().map(|checked| checked.cluster).collect();
    if clusters.iter().any(|cluster| cluster.nodes.is_empty()) {
        return Err(Failure::config(format!(
            "{} describes one host alone, and who else there is decides what happens.\n\
             Write the other hosts into the file:\n\
             [nodes.first]\n\
             address = \"192.0.2.1\"\n\
             [nodes.second]\n\
             address = \"192.0.2.2\"\n\
             and what differs by node: priority = {{ first = 100, second = 99 }}",
            file.display()
        )));
    }
    Scene::new(&clusters).map_err(|error| Failure::config(crate::exit::chain(&error)))
}

fn read_length(text: &str) -> Result<Duration, Failure> {
    match humantime::parse_duration(text) {
        Ok(length) if length <= LONGEST => Ok(length),
        Ok(_) => Err(Failure::usage("--for: write at most 24h")),
        Err(_) => Err(Failure::usage(format!(
            "--for: `{text}` is not a time; write a number and a unit: 60s, 5m"
        ))),
    }
}

fn try_failures(scene: Scene, arguments: &Arguments) -> Result<(), Failure> {
    let what_if = with_progress(scene)?;
    if arguments.json {
        print(&serde_json::to_string_pretty(&what_if).map_err(Failure::internal)?)?;
    } else {
        print(&what_if.text())?;
    }
    if arguments.strict && !what_if.is_within_bounds() {
        return Err(Failure::negative());
    }
    Ok(())
}

/// Tries every failure on a thread of its own, while this one tells how far it is.
fn with_progress(scene: Scene) -> Result<WhatIf, Failure> {
    let progress = Progress::of("attempts");
    let counted = progress.clone();
    let work = move || {
        let begun = OnceCell::new();
        WhatIf::new(&scene, |of| {
            begun.get_or_init(|| counted.begin(u64::try_from(of).unwrap_or(u64::MAX)));
            counted.advance(1);
        })
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(Failure::internal)?;
    let work = async { tokio::task::spawn_blocking(work).await };
    let shown = progress::show("trying every failure", &progress, None, work);
    runtime.block_on(shown).map_err(Failure::internal)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text)
        .map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))
}
