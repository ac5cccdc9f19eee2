use std::ffi::OsStr;
use std::process::{Command, ExitStatus, Stdio};

use crate::error::IoContext;
use crate::{Error, Result};

/// Where Debian keeps what the laboratory uses, also for a caller whose own `PATH` has no `sbin`.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How a command ended and what it printed.
#[derive(Debug, Clone)]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// A command with an environment of its own, so that the caller's settings cannot change what a program prints.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .env("HOME", "/root")
        .env("SYSTEMD_PAGER", "")
        .env("SYSTEMD_COLORS", "0")
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end and returns its output, whatever its exit status.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let output = command
        .output()
        .context(|| format!("cannot run `{}`", display(command)))?;
    Ok(Output {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs a command that has to succeed and returns its standard output.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(Error::Command {
            command: display(command),
            status: output.status,
            stderr: output.stderr,
        })
    }
}

/// `ip ARGS`, which has to succeed.
pub(crate) fn ip<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Result<String> {
    run(command("ip").args(args))
}

pub(crate) fn display(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
