//! What belongs to one call of a module (the data of its wasmtime `Store`), and what outlives the call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::capability::state::KeyValues;
use crate::grant::{Grant, allow_line};
use crate::host::{Host, Level, LogSource};
use crate::limits::{Limits, MemoryLimiter};
use crate::log::ModuleLog;
use crate::meter::CpuMeter;
use crate::permits::Permits;
use crate::rehearsal::Rehearsal;
use crate::stdio::LoggedStream;

/// Random bytes that a module may ask for at once; seeding a hash map takes 16.
const RANDOM_MAX: u64 = 4096;

/// Time kept back from the waits of host calls, so that a module whose target hangs can still say so:
/// a hung service must become a verdict, not an error.
const VERDICT_MARGIN: Duration = Duration::from_millis(50);

/// What the calls of one module have in common.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) limits: Limits,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) log: Arc<ModuleLog>,
    pub(crate) key_values: KeyValues,
    pub(crate) rehearsal: Option<Arc<Rehearsal>>,
}

impl Shared {
    pub(crate) fn new(
        name: String,
        limits: Limits,
        host: Arc<dyn Host>,
        rehearsal: Option<Arc<Rehearsal>>,
    ) -> Self {
        Self {
            log: Arc::new(ModuleLog::new(name.clone(), host.clone(), limits.log_rate)),
            key_values: KeyValues::default(),
            name,
            limits,
            host,
            rehearsal,
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("name", &self.name)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// One call of a module.
pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    pub(crate) meter: Arc<CpuMeter>,
    pub(crate) memory: MemoryLimiter,
    pub(crate) denials: Denials,
    permits: Permits,
    deadline: Instant,
    wasi: WasiCtx,
    table: ResourceTable,
}

/// What was refused during a call.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    pub(crate) count: u32,
    /// The line that would have allowed the first.
    pub(crate) hint: Option<String>,
}

/// The epoch callback's reason to stop a guest.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("out of CPU time")]
pub(crate) struct CpuExceeded;

impl Call {
    /// A fresh store with every limit armed. `wall` is the time until the call is over.
    pub(crate) fn store(
        engine: &Engine,
        shared: Arc<Shared>,
        permits: Arc<[Grant]>,
        wall: Duration,
    ) -> Store<Self> {
        let limits = shared.limits;
        let mut table = ResourceTable::new();
        table.set_max_capacity(usize::try_from(limits.handles).unwrap_or(usize::MAX));
        let call = Self {
            meter: Arc::default(),
            memory: MemoryLimiter::new(limits.memory),
            denials: Denials::default(),
            permits: Permits::new(permits, shared.rehearsal.clone()),
            deadline: Instant::now() + wall,
            wasi: wasi(&shared.log),
            table,
            shared,
        };
        let mut store = Store::new(engine, call);
        store.limiter(|call| &mut call.memory);
        store.set_hostcall_fuel(usize::try_from(limits.output).unwrap_or(usize::MAX));
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            let call = store.data();
            if call.meter.spent_within_poll() > call.shared.limits.cpu {
                return Err(CpuExceeded.into());
            }
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }

    /// Whether the module may do what `need` says. A refusal is counted, and logged with the line that would allow it.
    pub(crate) fn permits(&mut self, need: &Grant) -> bool {
        self.permits_all(std::slice::from_ref(need))
    }

    /// As [`Call::permits`], for an act that takes more than one grant; the line has all that are missing.
    pub(crate) fn permits_all(&mut self, needs: &[Grant]) -> bool {
        let is_missing = |need: &&Grant| !self.permits.allow(need);
        let missing: Vec<_> = needs.iter().filter(is_missing).collect();
        if missing.is_empty() {
            return true;
        }
        self.refuse_all(&missing);
        false
    }

    /// Counts and logs that nothing grants `need`, with the line that would.
    pub(crate) fn refuse(&mut self, need: &Grant) {
        self.refuse_all(&[need]);
    }

    fn refuse_all(&mut self, missing: &[&Grant]) {
        let hint = allow_line(self.permits.iter().chain(missing.iter().copied()));
        let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
        let what = format!("{}; to allow it write {hint}", missing.join(" and "));
        self.deny(&what, Some(hint));
    }

    /// Counts and logs a refusal.
    pub(crate) fn deny(&mut self, what: &str, hint: Option<String>) {
        let message = format!("denied: {what}");
        self.shared
            .log
            .write(LogSource::Sandbox, Level::Warn, &message, &[]);
        self.denials.count = self.denials.count.saturating_add(1);
        self.denials.hint = self.denials.hint.take().or(hint);
    }

    /// When a host call has to be over that the module wants to wait `timeout_ms` for.
    pub(crate) fn call_deadline(&self, timeout_ms: u32) -> Instant {
        let margin = VERDICT_MARGIN.min(self.shared.limits.wall / 10);
        let wanted = Instant::now() + Duration::from_millis(timeout_ms.into());
        let latest = self.deadline.checked_sub(margin).unwrap_or(self.deadline);
        wanted.min(latest)
    }

    /// What the module holds open; all of it ends with the call.
    pub(crate) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// What the module may touch, for checks that happen while it waits.
    pub(crate) fn permit_list(&self) -> Permits {
        self.permits.clone()
    }
}

impl WasiView for Call {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// WASI with nothing in it: no arguments, no environment, no files, no sockets.
fn wasi(log: &Arc<ModuleLog>) -> WasiCtx {
    WasiCtx::builder()
        .stdout(LoggedStream::stdout(log.clone()))
        .stderr(LoggedStream::stderr(log.clone()))
        .max_random_size(RANDOM_MAX)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}
