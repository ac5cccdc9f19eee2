//! The archive for every Linux: what the package has, to be put below `/usr/local`, and how that is done.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use tempfile::TempDir;

use super::{Compression, stage, tell};
use crate::cargo::{build_daemon, run as run_command};
use crate::setup;

const INSTALL: &str = include_str!("../../../docs/installing.md");
/// For a program below `/usr/local`.
const UNIT: &str = include_str!("../../../dist/vrrp-host.service");

/// Builds the daemon for release, with no library but those in it.
///
/// # Errors
///
/// Where musl is not to be had, or something does not build with it.
pub(super) fn build_static() -> anyhow::Result<PathBuf> {
    let target = format!("{ARCH}-unknown-linux-musl");
    // For what is C in it.
    setup::packages(&[("/usr/bin/musl-gcc", "musl-tools")])?;
    setup::add_target(&target)?;
    build_daemon(&["--package", "vrrp-host", "--release", "--target", &target])
}

/// Makes the archive, with the files of `package` and this daemon.
pub(super) fn pack(
    package: &Path,
    daemon: &Path,
    compression: Compression,
    output: &Path,
) -> anyhow::Result<()> {
    println!("packing for other systems; this takes some seconds");
    let name = format!("vrrp-host-{}-{ARCH}-linux", env!("CARGO_PKG_VERSION"));
    let folder = TempDir::with_prefix("vrrp-host-archive-")?;
    let unpacked = folder.path().join("package");
    run_command(
        Command::new("dpkg-deb")
            .arg("--extract")
            .args([package, &unpacked]),
    )?;
    let tree = folder.path().join(&name);
    fs::rename(unpacked.join("usr"), &tree).context("the package has nothing in /usr")?;
    stage::strip(daemon, &tree.join("bin/vrrp-host"))?;
    fs::write(tree.join("lib/systemd/system/vrrp-host.service"), UNIT)?;
    // Debian has a folder of its own for what comes from packages.
    let zsh = tree.join("share/zsh");
    fs::rename(zsh.join("vendor-completions"), zsh.join("site-functions"))?;
    fs::write(tree.join("INSTALL.md"), INSTALL)?;

    let archive = output.join(format!("{name}.tar.gz"));
    let compressor = match compression {
        Compression::Quick => "gzip -1",
        Compression::Small => "gzip -9",
    };
    run_command(
        Command::new("tar")
            .args([
                "--create",
                "--sort=name",
                "--owner=root:0",
                "--group=root:0",
            ])
            .arg(format!("--use-compress-program={compressor}"))
            .arg("--file")
            .arg(&archive)
            .arg("--directory")
            .arg(folder.path())
            .arg(&name),
    )?;
    tell(&archive)
}
