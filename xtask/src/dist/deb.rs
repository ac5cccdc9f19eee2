//! The Debian package, by cargo-deb.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use super::stage::Stage;
use super::{Compression, tell};
use crate::cargo::{cargo, run as run_command, target_directory};

const VERSION: &str = "3.8.0";
/// Where programs for the work on the workspace are, in Cargo's target directory.
const TOOLS: &str = "tools";

/// Installs cargo-deb beside what Cargo builds, where it is not there yet.
///
/// It is a program and no dependency: its library is experimental, and only who makes packages waits for it.
pub(crate) fn provide_cargo_deb() -> anyhow::Result<()> {
    let program = program()?;
    let version = Command::new(&program).arg("--version").output();
    let expected = format!("cargo-deb {VERSION}");
    if version.is_ok_and(|output| output.stdout.trim_ascii() == expected.as_bytes()) {
        return Ok(());
    }
    println!("installing cargo-deb {VERSION}; this takes a minute or two");
    let root = target_directory()?.join(TOOLS);
    let mut install = cargo(&["install", "--locked", "--force", "--version", VERSION]);
    // The workspace's own would mix with it.
    install.env_remove("CARGO_TARGET_DIR");
    run_command(install.arg("--root").arg(root).arg("cargo-deb"))
        .context("cargo-deb cannot be had; is there a network?")
}

/// Makes the package and returns where it is.
pub(super) fn pack(
    stage: &Stage,
    compression: Compression,
    output: &Path,
) -> anyhow::Result<PathBuf> {
    println!("packing for Debian; this takes up to a minute");
    let mut command = Command::new(program()?);
    command
        // It warns that it finds no unit file beside the maintainer scripts, where ours is not.
        .args([
            "--quiet",
            "--package",
            "vrrp-host",
            "--no-build",
            "--no-strip",
        ])
        .arg("--output")
        .arg(output.join(""))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .env("CARGO_TARGET_DIR", stage.target_directory())
        .stderr(Stdio::inherit());
    if compression == Compression::Quick {
        command.arg("--fast");
    }
    let result = command.output().context("cannot run cargo-deb")?;
    // It prints where the package is.
    let package = PathBuf::from(String::from_utf8_lossy(&result.stdout).trim());
    if !result.status.success() || package.as_os_str().is_empty() {
        bail!("cargo-deb ended with {}", result.status);
    }
    tell(&package)?;
    Ok(package)
}

fn program() -> anyhow::Result<PathBuf> {
    Ok(target_directory()?.join(TOOLS).join("bin/cargo-deb"))
}
