//! What is given to users: a Debian package, and an archive for every other Linux.
//!
//! Which files they have is said once, in `[package.metadata.deb]` of the daemon's Cargo.toml; the archive is made from the
//! package.

mod archive;
mod deb;
mod stage;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

pub(crate) use self::deb::provide_cargo_deb;
use self::stage::Stage;
use crate::cargo::{build_daemon, target_directory};
use crate::setup;

/// What is made, and of what.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Pack this vrrp-host, lightly compressed, and build none: for tests.
    #[arg(long, value_name = "FILE")]
    daemon: Option<PathBuf>,
    /// Where the files go; `dist` in Cargo's target directory when left out.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// How much time compression may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    Quick,
    Small,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    setup::packages(&[
        ("/usr/bin/dpkg-shlibdeps", "dpkg-dev"),
        ("/usr/bin/strip", "binutils"),
    ])?;
    provide_cargo_deb()?;
    let output = match &arguments.output {
        Some(output) => output.clone(),
        None => target_directory()?.join("dist"),
    };
    // cargo-deb is run elsewhere, where a relative path would be another one.
    let output = fs::create_dir_all(&output)
        .and_then(|()| output.canonicalize())
        .with_context(|| format!("cannot create {}", output.display()))?;

    if let Some(daemon) = &arguments.daemon {
        let package = deb::pack(&Stage::new(daemon)?, Compression::Quick, &output)?;
        return archive::pack(&package, daemon, Compression::Quick, &output);
    }
    println!("building vrrp-host for release; this takes some minutes");
    let daemon = build_daemon(&["--package", "vrrp-host", "--release"])?;
    let package = deb::pack(&Stage::new(&daemon)?, Compression::Small, &output)?;
    println!("building vrrp-host once more, static; this takes some minutes");
    match archive::build_static() {
        Ok(daemon) => archive::pack(&package, &daemon, Compression::Small, &output),
        // Whoever wants the package has it.
        Err(error) => {
            println!("no archive with a static vrrp-host: {error:#}");
            Ok(())
        }
    }
}

/// Tells that a file is done.
fn tell(path: &Path) -> anyhow::Result<()> {
    let bytes = fs::metadata(path)
        .with_context(|| format!("{} was not made", path.display()))?
        .len();
    println!("{} ({} KiB)", path.display(), bytes / 1024);
    Ok(())
}
