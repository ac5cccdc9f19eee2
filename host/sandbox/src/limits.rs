//! What one call of a module may use, and the two limits that wasmtime asks us about.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// Limits of one call (a run of a check, a notification of a hook, or a load).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of all the component's memories together, bytes.
    pub memory: u64,
    /// CPU time, measured on the thread that runs the module. Enforced within 10 ms.
    pub cpu: Duration,
    /// Time from the start of the call to its end, including waits for the host.
    pub wall: Duration,
    /// Bytes that the module may hand to the host in one host call, or return.
    pub output: u64,
    /// Open handles: streams, timers, pollables.
    pub handles: u32,
    /// Log lines a second, counted over all calls of the module.
    pub log_rate: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 16 << 20,
            cpu: Duration::from_millis(50),
            wall: Duration::from_secs(1),
            output: 1 << 20,
            handles: 128,
            log_rate: 20,
        }
    }
}

/// Elements of one table; each costs the host a pointer. A large Rust guest has some thousands.
pub(crate) const TABLE_ELEMENTS: u32 = 100_000;

/// Counts linear memory, refuses what is over the limit, and remembers that it did:
/// the trap that follows a refused `memory.grow` or `table.grow` says only `unreachable`.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    limit: u64,
    used: u64,
    peak: u64,
    refused: bool,
    table_refused: bool,
}

impl MemoryLimiter {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            used: 0,
            peak: 0,
            refused: false,
            table_refused: false,
        }
    }

    /// Most bytes in use at one time.
    pub(crate) fn peak(&self) -> u64 {
        self.peak
    }

    /// Whether the module asked for more than it may have.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    /// Whether the module asked for a larger table than it may have.
    pub(crate) fn table_refused(&self) -> bool {
        self.table_refused
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current) as u64;
        let wanted = self.used.saturating_add(growth);
        if wanted > self.limit {
            self.refused = true;
            return Ok(false);
        }
        self.used = wanted;
        self.peak = self.peak.max(wanted);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let refused = u32::try_from(desired).map_or(true, |desired| desired > TABLE_ELEMENTS);
        self.table_refused |= refused;
        Ok(!refused)
    }
}
