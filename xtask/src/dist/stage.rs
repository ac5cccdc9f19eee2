//! What is made of the program before it is packed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::cargo::run as run_command;

const UNIT: &str = include_str!("../../../dist/vrrp-host.service");
const USERS: &str = include_str!("../../../dist/sysusers.conf");
/// Where a program is that somebody has installed by hand, as the unit file of the repository has it...
const BY_HAND: &str = "/usr/local/bin/";
/// ...and where one of a package is.
const BY_PACKAGE: &str = "/usr/bin/";

/// A target directory of Cargo with nothing in it but what is packed: cargo-deb takes what is generated from there.
#[derive(Debug)]
pub(super) struct Stage {
    folder: TempDir,
}

impl Stage {
    pub(super) fn new(daemon: &Path) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("vrrp-host-dist-")?;
        let stage = Self { folder };
        for folder in ["man", "completions"] {
            fs::create_dir_all(stage.path(folder))?;
        }
        strip(daemon, &stage.path("vrrp-host"))?;
        fs::write(stage.path("vrrp-host.service"), unit_of_package()?)?;
        // cargo-deb has systemd-sysusers look for the name that the file has here.
        fs::write(stage.path("vrrp-host.conf"), USERS)?;
        stage.write_manual(daemon)?;
        for shell in ["bash", "zsh", "fish"] {
            let output = Command::new(daemon)
                .args(["completions", shell])
                .stderr(Stdio::inherit())
                .output()
                .with_context(|| format!("cannot run {}", daemon.display()))?;
            ensure!(output.status.success(), "there is nothing for {shell}");
            let script = stage.path(&format!("completions/vrrp-host.{shell}"));
            fs::write(script, output.stdout)?;
        }
        Ok(stage)
    }

    /// The target directory.
    pub(super) fn target_directory(&self) -> &Path {
        self.folder.path()
    }

    /// Manual pages are compressed, without the time, so that they are always the same.
    fn write_manual(&self, daemon: &Path) -> anyhow::Result<()> {
        let folder = self.path("man");
        run_command(Command::new(daemon).arg("man").arg(&folder))?;
        run_command(
            Command::new("gzip")
                .args(["-9", "--no-name", "--recursive"])
                .arg(&folder),
        )
    }

    /// A file that is packed.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("release").join(name)
    }
}

/// Copies a program without its debugging symbols, which are most of it.
pub(super) fn strip(program: &Path, target: &Path) -> anyhow::Result<()> {
    run_command(
        Command::new("strip")
            .args(["--strip-unneeded", "--remove-section=.comment", "-o"])
            .args([target, program]),
    )
}

fn unit_of_package() -> anyhow::Result<String> {
    ensure!(
        UNIT.contains(BY_HAND),
        "dist/vrrp-host.service names no program in {BY_HAND}"
    );
    Ok(UNIT.replace(BY_HAND, BY_PACKAGE))
}
