//! How the program ends: the exit codes of sysexits.h that service managers and scripts can rely on.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
}

/// Whose turn it is to act; each has its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 64: the command line says something that cannot be.
    Usage,
    /// 78: cluster.toml, or what it names, has to be changed.
    Config,
    /// 77: rights are missing.
    Rights,
    /// 75: it may work later.
    Temporary,
    /// 70: a fault of the program.
    Internal,
    /// 1: what was asked has the answer no.
    Negative,
    /// 2: what was asked has no answer.
    NoVerdict,
}

impl Failure {
    pub(crate) fn usage(message: impl Display) -> Self {
        Self::new(Kind::Usage, message)
    }

    pub(crate) fn config(message: impl Display) -> Self {
        Self::new(Kind::Config, message)
    }

    pub(crate) fn rights(message: impl Display) -> Self {
        Self::new(Kind::Rights, message)
    }

    pub(crate) fn temporary(message: impl Display) -> Self {
        Self::new(Kind::Temporary, message)
    }

    pub(crate) fn internal(message: impl Display) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// For commands whose exit code is their answer: it is no. It was told on stdout.
    pub(crate) fn negative() -> Self {
        Self::new(Kind::Negative, "")
    }

    /// For commands whose exit code is their answer: there is none, for this reason, unless stdout has it.
    pub(crate) fn no_verdict(message: impl Display) -> Self {
        Self::new(Kind::NoVerdict, message)
    }

    fn new(kind: Kind, message: impl Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
        }
    }

    /// Tells the person at the terminal (or the journal) and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            write_stderr(&self.message);
        }
        ExitCode::from(match self.kind {
            Kind::Usage => 64,
            Kind::Config => 78,
            Kind::Rights => 77,
            Kind::Temporary => 75,
            Kind::Internal => 70,
            Kind::Negative => 1,
            Kind::NoVerdict => 2,
        })
    }
}

/// What there is to say to a person.
impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message.trim_end())
    }
}

/// Prints what clap has to say: help and version are successes, anything else is a usage error (64).
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Nothing is left to do when the terminal is gone.
    let _ = error.print();
    if error.use_stderr() {
        ExitCode::from(64)
    } else {
        ExitCode::SUCCESS
    }
}

/// An error with its sources, in one line. Some libraries repeat the source in their own words; that is said once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    for source in std::iter::successors(error.source(), |error| error.source()) {
        let source = source.to_string();
        if !text.ends_with(&source) {
            text.push_str(": ");
            text.push_str(&source);
        }
    }
    text
}

fn write_stderr(message: &str) {
    // Nothing is left to do when stderr is gone.
    let _ = writeln!(std::io::stderr(), "{}", message.trim_end());
}
