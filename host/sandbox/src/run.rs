//! How a call ended, told so that an operator can act on it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::bindings::imports::types::{CheckError, Observation};
use crate::limits::TABLE_ELEMENTS;
use crate::store::{Call, CpuExceeded};
use crate::text::clean;

/// Bytes of a message from a module.
const MESSAGE_MAX: usize = 512;

/// A run of a check, with what it cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// What the check found, or why it found nothing.
    pub outcome: Result<Observation, RunError>,
    /// What it cost.
    pub usage: Usage,
}

/// What a call cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time.
    pub cpu: Duration,
    /// Time from start to end.
    pub wall: Duration,
    /// Most linear memory at one time, bytes.
    pub memory_peak: u64,
    /// Host calls that no grant allowed.
    pub denied: u32,
}

/// Why a call gave no result. Never the same as a failing check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunError {
    /// The module crashed: which trap, and in which function.
    Trap(String),
    /// It computed for longer than it may.
    CpuLimit {
        /// The limit.
        limit: Duration,
    },
    /// It took longer than it may.
    WallLimit {
        /// The limit.
        limit: Duration,
    },
    /// It wanted more memory than it may have.
    MemoryLimit {
        /// The limit, bytes.
        limit: u64,
    },
    /// It wanted a larger table than any module may have.
    TableLimit {
        /// The limit, elements.
        limit: u32,
    },
    /// It handed the host more data at once than it may.
    OutputLimit {
        /// The limit, bytes.
        limit: u64,
    },
    /// It opened more handles than it may.
    HandleLimit {
        /// The limit.
        limit: u32,
    },
    /// Too many other modules were running.
    Busy,
    /// The module says: not allowed; with the line that would allow it.
    Denied(String),
    /// The module says: cannot be looked at.
    Unavailable(String),
    /// The module says: no answer in time.
    Timeout(String),
    /// The module says: something is wrong with me.
    Internal(String),
}

impl RunError {
    /// A stable word for metrics and status.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::CpuLimit { .. } => "cpu-limit",
            Self::WallLimit { .. } => "wall-limit",
            Self::MemoryLimit { .. } => "memory-limit",
            Self::TableLimit { .. } => "table-limit",
            Self::OutputLimit { .. } => "output-limit",
            Self::HandleLimit { .. } => "handle-limit",
            Self::Busy => "busy",
            Self::Denied(_) => "denied",
            Self::Unavailable(_) => "unavailable",
            Self::Timeout(_) => "timeout",
            Self::Internal(_) => "internal",
        }
    }

    /// What a check itself said. `hint` is the line that would have allowed what it was denied.
    pub(crate) fn from_check(error: &CheckError, hint: Option<&str>) -> Self {
        match error {
            CheckError::Unavailable(message) => Self::Unavailable(clean(message, MESSAGE_MAX)),
            CheckError::Denied(message) => {
                let message = clean(message, MESSAGE_MAX);
                Self::Denied(match hint {
                    Some(hint) => format!("{message}; to allow it write {hint}"),
                    None => message,
                })
            }
            CheckError::Timeout(message) => Self::Timeout(clean(message, MESSAGE_MAX)),
            CheckError::Internal(message) => Self::Internal(clean(message, MESSAGE_MAX)),
        }
    }

    /// Why wasmtime ended a call.
    pub(crate) fn from_wasmtime(error: &wasmtime::Error, call: &Call) -> Self {
        let limits = &call.shared.limits;
        if error.is::<CpuExceeded>() {
            return Self::CpuLimit { limit: limits.cpu };
        }
        // A guest that gets no memory traps by itself, in whatever way its language does.
        if call.memory.refused() {
            return Self::MemoryLimit {
                limit: limits.memory,
            };
        }
        if call.memory.table_refused() {
            return Self::TableLimit {
                limit: TABLE_ELEMENTS,
            };
        }
        if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
            return Self::HandleLimit {
                limit: limits.handles,
            };
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return Self::Busy;
        }
        // wasmtime's type for it is private.
        if error
            .root_cause()
            .to_string()
            .contains("fuel allocated for hostcalls has been exhausted")
        {
            return Self::OutputLimit {
                limit: limits.output,
            };
        }
        Self::Trap(describe_trap(error))
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trap(what) => write!(f, "the module crashed: {what}"),
            Self::CpuLimit { limit } => {
                write!(f, "the module used more than {limit:?} of CPU time")
            }
            Self::WallLimit { limit } => write!(f, "the module took longer than {limit:?}"),
            Self::MemoryLimit { limit } => write!(
                f,
                "the module wanted more than {} KiB of memory",
                limit >> 10
            ),
            Self::TableLimit { limit } => {
                write!(f, "the module wanted a table of more than {limit} elements")
            }
            Self::OutputLimit { limit } => write!(
                f,
                "the module handed over more than {} KiB at once",
                limit >> 10
            ),
            Self::HandleLimit { limit } => write!(f, "the module opened more than {limit} handles"),
            Self::Busy => f.write_str("too many modules were running at the same time"),
            Self::Denied(what) => write!(f, "denied: {what}"),
            Self::Unavailable(what) => write!(f, "unavailable: {what}"),
            Self::Timeout(what) => write!(f, "timeout: {what}"),
            Self::Internal(what) => write!(f, "error in the module: {what}"),
        }
    }
}

impl std::error::Error for RunError {}

fn describe_trap(error: &wasmtime::Error) -> String {
    if error.is::<I32Exit>() {
        return "it exited instead of returning".to_owned();
    }
    let what = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => "it gave up (panic or abort)".to_owned(),
        Some(trap) => trap
            .to_string()
            .trim_start_matches("wasm trap: ")
            .to_owned(),
        None => error.root_cause().to_string(),
    };
    let what = match error.downcast_ref().and_then(author_function) {
        Some(function) => format!("{what} in {function}"),
        None => what,
    };
    clean(&what, MESSAGE_MAX)
}

/// The innermost function that the module's author may have written: above it is only how a panic ends.
fn author_function(backtrace: &WasmBacktrace) -> Option<String> {
    const MACHINERY: [&str; 12] = [
        "std::", "core::", "alloc::", "<alloc::", "<core::", "<std::", "rust_", "__rust",
        "__rustc", "abort", "_abort", "dlmalloc",
    ];
    let names: Vec<_> = backtrace
        .frames()
        .iter()
        .filter_map(|frame| {
            Some(format!(
                "{:#}",
                rustc_demangle::demangle(frame.func_name()?)
            ))
        })
        .collect();
    let author = names
        .iter()
        .find(|name| !MACHINERY.iter().any(|prefix| name.starts_with(prefix)));
    author.or_else(|| names.first()).cloned()
}
