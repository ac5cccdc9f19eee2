//! `cargo xtask guests`: modules in other languages than Rust, built from the same contract and run by the real daemon.
//!
//! What they are built with is downloaded, in fixed versions, below Cargo's target folder.

mod build;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use e2e::checked::Checked;
use e2e::stage::{INTERFACE, Stage};
use lab::{Netns, Signal, wait_until};
use serde_json::Value;

use self::build::Guest;
use crate::cargo::build_daemon;
use crate::setup;

const LIMIT: Duration = Duration::from_secs(60);
/// Runs of each check that have to go well.
const RUNS: u64 = 20;

pub(crate) fn run() -> anyhow::Result<()> {
    setup::run()?;
    let binary = build_daemon(&["--package", "vrrp-host"])?;
    // target/debug/vrrp-host
    let target = binary.ancestors().nth(2).context("Cargo built it")?;
    let guests = build::all(&target.join("guests"))?;
    let stage = Stage::new()?;
    for engine in ["native", "pulley"] {
        let trial = Trial {
            host: &stage.first,
            binary: &binary,
            folder: tempfile::TempDir::with_prefix("vrrp-guests-")?,
        };
        trial.run(engine, &guests)?;
    }
    println!("all of them work");
    Ok(())
}

/// A daemon with a check in each language.
struct Trial<'a> {
    host: &'a Netns,
    binary: &'a Path,
    folder: tempfile::TempDir,
}

impl Trial<'_> {
    fn run(&self, engine: &str, guests: &[Guest]) -> anyhow::Result<()> {
        let mut checked = Checked::start(self.host);
        fs::write(
            self.path("cluster.toml"),
            cluster(engine, guests, &checked.name)?,
        )?;

        let start = Instant::now();
        let output = self
            .host
            .output(&borrowed(&self.command(&["check-config"])?))?;
        ensure!(
            output.status.success(),
            "{}{}",
            output.stdout,
            output.stderr
        );
        println!(
            "\n{engine}: compiled in {:.1} s",
            start.elapsed().as_secs_f64()
        );

        let daemon = self.host.spawn(&borrowed(&self.command(&[])?))?;
        let has_run =
            |check: &Value| check["runs"].as_u64() >= Some(RUNS) && check["verdict"] == "passing";
        let status = self
            .wait_for("every check to pass", guests, has_run)
            .with_context(|| daemon.log())?;
        for guest in guests {
            let check = &status["checks"][guest.language];
            let passing = format!("{} runs as {}", checked.name, checked.process.id());
            ensure!(
                check["summary"] == passing && check["errors"] == 0,
                "{check}"
            );
            println!(
                "{:<12} {:>9} bytes, {:>6} µs a run",
                guest.language,
                fs::metadata(&guest.component)?.len(),
                check["last-run-us"]
            );
        }

        checked.process.signal(Signal::KILL)?;
        checked.process.wait(LIMIT)?;
        let failing = format!("no process named {}", checked.name);
        self.wait_for("every check to fail", guests, |check| {
            check["verdict"] == "failing" && check["summary"] == failing
        })
        .with_context(|| daemon.log())?;
        Ok(())
    }

    fn wait_for(
        &self,
        what: &str,
        guests: &[Guest],
        content: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let status = wait_until(LIMIT, what, || {
            let status = self.status().map_err(|error| format!("{error:#}"))?;
            if guests
                .iter()
                .all(|guest| content(&status["checks"][guest.language]))
            {
                Ok(status)
            } else {
                Err(status["checks"].to_string())
            }
        })?;
        Ok(status)
    }

    fn status(&self) -> anyhow::Result<Value> {
        let output = Command::new(self.binary)
            .args(["status", "--json", "--control"])
            .arg(self.path("control.sock"))
            .output()?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// `vrrp-host ARGUMENTS`, with everything it has in the folder.
    fn command(&self, arguments: &[&str]) -> anyhow::Result<Vec<String>> {
        let mut command = vec![utf8(self.binary)?];
        command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        for (option, file) in [
            ("--config", "cluster.toml"),
            ("--control", "control.sock"),
            ("--state-dir", "state"),
        ] {
            command.extend([option.to_owned(), utf8(&self.path(file))?]);
        }
        Ok(command)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// An interpreter of Python or JavaScript takes more of everything than a module in Rust.
fn cluster(engine: &str, guests: &[Guest], process: &str) -> anyhow::Result<String> {
    let tracks: Vec<_> = guests
        .iter()
        .map(|guest| format!("{{ check = \"{}\" }}", guest.language))
        .collect();
    let mut file = format!(
        "[sandbox]\n\
         engine = \"{engine}\"\n\
         [instances.VI_1]\n\
         interface = \"{INTERFACE}\"\n\
         virtual-router-id = 51\n\
         virtual-addresses = [\"192.0.2.100\"]\n\
         track = [{}]\n",
        tracks.join(", ")
    );
    for Guest {
        language,
        component,
    } in guests
    {
        write!(
            file,
            "[checks.{language}]\n\
             module = \"{}\"\n\
             interval = \"200ms\"\n\
             allow = [\"process:{process}\"]\n\
             limits = {{ memory = \"64MiB\", cpu = \"200ms\" }}\n\
             config = {{ name = \"{process}\" }}\n",
            component.display()
        )?;
    }
    Ok(file)
}

fn utf8(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().context("our paths are UTF-8")?;
    Ok(text.to_owned())
}

fn borrowed(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}
