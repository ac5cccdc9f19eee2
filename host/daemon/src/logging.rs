//! Logs through tracing, on stderr.
//!
//! Levels: ERROR and WARN are worth waking someone, INFO is a change of state, DEBUG is for
//! whoever hunts a fault, TRACE has a line for each packet.

use std::io::{IsTerminal, stderr};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

use crate::cli::LogFormat;

/// The environment variable with the filter, such as `debug` or `info,vrrp_host::router=trace`.
const FILTER_VARIABLE: &str = "VRRP_HOST_LOG";

/// Lines that wait for a slow stderr before further ones are dropped.
const BUFFERED_LINES: usize = 4096;

/// Flushes the log when dropped.
pub(crate) type Guard = WorkerGuard;

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
    let filter =
        EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_target(false)
        .with_ansi(stderr().is_terminal());
    // journald stamps each line itself.
    let under_journald = std::env::var_os("JOURNAL_STREAM").is_some();
    match (format, under_journald) {
        (LogFormat::Json, _) => builder.json().flatten_event(true).init(),
        (LogFormat::Text, true) => builder.without_time().init(),
        (LogFormat::Text, false) => builder.with_timer(SystemTime).init(),
    }
    guard
}
