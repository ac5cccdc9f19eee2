//! Cargo, as a command.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::setup;

/// `cargo ARGS`, by the Cargo that runs us, in the workspace.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(args)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    // What Cargo told us of our own package. Build scripts look at some of it (that of `ring` does), so that what was built
    // from the shell would be built again from here, and here again from there.
    for (name, _) in std::env::vars_os() {
        let is_ours = |prefix: &&str| name.to_string_lossy().starts_with(*prefix);
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(is_ours) {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs a command that has to succeed; what it prints is for the person who waits.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    ensure!(status.success(), "{program} ended with {status}");
    Ok(())
}

/// Cargo's target directory, of this workspace.
pub(crate) fn target_directory() -> anyhow::Result<PathBuf> {
    let output = cargo(&["metadata", "--format-version=1", "--no-deps", "--locked"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("cargo metadata is not understood")?;
    match metadata["target_directory"].as_str() {
        Some(path) => Ok(path.into()),
        None => bail!("cargo metadata names no target directory"),
    }
}

/// Names the daemon that the laboratory is to run, for those who have built it: `vrrp_host_binary` of `lab` looks there.
pub(crate) const BINARY: &str = "VRRP_HOST_BINARY";

/// Installs what the laboratory needs, and builds the daemon where nobody has: it is beside this program then, where the laboratory looks.
pub(crate) fn provide_daemon() -> anyhow::Result<()> {
    setup::run()?;
    if std::env::var_os(BINARY).is_none() {
        println!("building vrrp-host; the first time, this takes some minutes");
        build_daemon(&["--package", "vrrp-host"])?;
    }
    Ok(())
}

/// Builds what `selection` names, the daemon among it, and returns where the daemon is.
///
/// Cargo unifies the features of the packages selected, so equal selections share what they compile.
pub(crate) fn build_daemon(selection: &[&str]) -> anyhow::Result<PathBuf> {
    let mut child = cargo(&[
        "build",
        "--locked",
        "--message-format",
        "json-render-diagnostics",
    ])
    .args(selection)
    .stdout(Stdio::piped())
    .spawn()
    .context("cannot run cargo")?;
    let messages = BufReader::new(child.stdout.take().context("cargo has no output")?);
    let mut daemon = None;
    for line in messages.lines() {
        let message: Value =
            serde_json::from_str(&line?).context("a message of cargo is not understood")?;
        if message["target"]["name"] == "vrrp-host" && message["profile"]["test"] == false {
            daemon = message["executable"].as_str().map(PathBuf::from).or(daemon);
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "vrrp-host does not build");
    match daemon {
        Some(path) => Ok(path),
        None => bail!("cargo built no program called vrrp-host"),
    }
}
