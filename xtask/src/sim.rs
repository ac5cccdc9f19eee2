//! The simulator, as a command.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context;

use crate::cargo::cargo;

/// Builds and runs it; it prints what it finds, the seed first.
pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let status = cargo(&["run", "--quiet", "--locked", "--package", "sim", "--"])
        .args(arguments)
        .status()
        .context("cannot run cargo")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
