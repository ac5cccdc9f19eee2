//! Logs through tracing, on stderr.
//!
//! Levels: ERROR and WARN are worth waking someone, INFO is a change of state, DEBUG is for
//! whoever hunts a fault, TRACE has a line for each packet.

use std::fmt::{Display, Formatter};
use std::io::{IsTerminal, stderr};
use std::sync::{Mutex, OnceLock, PoisonError};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, registry, reload};

use crate::cli::LogFormat;

/// The environment variable with the filter, such as `debug` or `info,vrrp_host::router=trace`.
const FILTER_VARIABLE: &str = "VRRP_HOST_LOG";

/// What is logged when the environment says nothing.
const DEFAULT: &str = "info";

/// Lines that wait for a slow stderr before further ones are dropped.
const BUFFERED_LINES: usize = 4096;

/// Flushes the log when dropped.
pub(crate) type Guard = WorkerGuard;

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    /// What is broken.
    Error,
    /// And what may break.
    Warn,
    /// And every change of state.
    Info,
    /// And what helps to find a fault.
    Debug,
    /// And a line for each packet.
    Trace,
}

impl Display for Level {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        })
    }
}

/// The filter of this process, which has one log.
struct Filter {
    /// As a person would write it.
    text: Mutex<String>,
    handle: reload::Handle<EnvFilter, Registry>,
}

static FILTER: OnceLock<Filter> = OnceLock::new();

/// Starts logging for a process of the daemon.
///
/// Lines are handed to a thread and dropped when stderr does not take them: a full pipe or a
/// hung disk under the journal must not delay an advertisement.
#[must_use = "the log ends when the guard is dropped"]
pub(crate) fn start(format: LogFormat) -> Guard {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(BUFFERED_LINES)
        .finish(stderr());
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE);
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let text = filter.to_string();
    // The filter is behind a lock that only `set_level` writes to: where nobody does, nobody waits.
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer()
        .with_writer(writer)
        .with_target(false)
        .with_ansi(stderr().is_terminal());
    // journald stamps each line itself.
    let under_journald = std::env::var_os("JOURNAL_STREAM").is_some();
    let lines = match (format, under_journald) {
        (LogFormat::Json, _) => lines.json().flatten_event(true).boxed(),
        (LogFormat::Text, true) => lines.without_time().boxed(),
        (LogFormat::Text, false) => lines.with_timer(SystemTime).boxed(),
    };
    registry().with(filter).with(lines).init();
    let text = Mutex::new(text);
    // A process has one log.
    let _ = FILTER.set(Filter { text, handle });
    guard
}

/// Logs that much from now on, in this process.
pub(crate) fn set_level(level: Level) {
    if let Some(filter) = FILTER.get() {
        let text = level.to_string();
        // It fails when the log is gone.
        let _ = filter.handle.reload(EnvFilter::new(&text));
        *filter.text.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

/// How much is logged in this process: a level, or the filter of the environment.
pub(crate) fn level() -> String {
    let text = FILTER.get().map(|filter| &filter.text);
    text.map_or_else(
        || DEFAULT.to_owned(),
        |text| text.lock().unwrap_or_else(PoisonError::into_inner).clone(),
    )
}
