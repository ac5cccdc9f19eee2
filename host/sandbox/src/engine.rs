//! The wasmtime engine: how components are compiled and where their instances live.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::hex;
use crate::limits::TABLE_ELEMENTS;

/// How often a running guest is looked at; also the longest that one keeps the others of its thread waiting.
const EPOCH: Duration = Duration::from_millis(10);

/// Stack of a guest, and of the host functions under it. TLS and HTTP run on the latter.
const WASM_STACK: usize = 256 << 10;
const FIBER_STACK: usize = 1 << 20;

/// Parts of one component. A Rust guest has 1 memory, up to 5 core instances and as many tables.
const CORE_INSTANCES: u32 = 16;
const MEMORIES: u32 = 2;
const TABLES: u32 = 16;
const TABLE_KEEP_RESIDENT: usize = 64 << 10;

/// The machine whose code wasmtime's interpreter runs.
const INTERPRETED: &str = if cfg!(target_endian = "big") {
    "pulley64be"
} else {
    "pulley64"
};

/// What runs the modules' code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EngineKind {
    /// The processor, which needs memory that is written and then executed.
    #[default]
    Native,
    /// wasmtime's interpreter: a run takes some four times as long, computing ten times; no memory becomes executable.
    Pulley,
}

/// What an engine is made for. Compiler and engine must be made from equal values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineConfig {
    /// What runs the code.
    pub kind: EngineKind,
    /// Calls at one time; more have to wait. Each costs address space, not memory. At least 1.
    pub concurrent_calls: u32,
    /// The largest [`Limits::memory`](crate::Limits::memory) in use, bytes; rounded up to whole 64 KiB pages.
    pub memory_max: u64,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            kind: EngineKind::default(),
            concurrent_calls: 32,
            memory_max: 32 << 20,
        }
    }
}

impl EngineConfig {
    /// The settings that compiled code depends on.
    pub(crate) fn wasmtime(&self) -> Result<Config, EngineError> {
        let mut config = Config::new();
        if self.kind == EngineKind::Pulley {
            config
                .target(INTERPRETED)
                .map_err(|error| EngineError::Target(format!("{error:#}")))?;
        }
        config
            .wasm_component_model(true)
            .wasm_memory64(false)
            .wasm_relaxed_simd(false)
            .epoch_interruption(true)
            .max_wasm_stack(WASM_STACK)
            .async_stack_size(FIBER_STACK)
            .memory_reservation(self.memory_slot())
            .memory_guard_size(64 << 10)
            .memory_may_move(false)
            .native_unwind_info(false);
        Ok(config)
    }

    fn memory_slot(&self) -> u64 {
        self.memory_max.next_multiple_of(64 << 10)
    }

    fn pool(&self) -> PoolingAllocationConfig {
        let calls = self.concurrent_calls.max(1);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(calls)
            .total_core_instances(calls.saturating_mul(CORE_INSTANCES))
            .max_core_instances_per_component(CORE_INSTANCES)
            .total_memories(calls.saturating_mul(MEMORIES))
            .max_memories_per_component(MEMORIES)
            .total_tables(calls.saturating_mul(TABLES))
            .max_tables_per_component(TABLES)
            .table_elements(usize::try_from(TABLE_ELEMENTS).unwrap_or(usize::MAX))
            .total_stacks(calls)
            // A table is small: wiping it is cheaper than giving its pages back, 20 us a call.
            .table_keep_resident(TABLE_KEEP_RESIDENT)
            .max_memory_size(usize::try_from(self.memory_slot()).unwrap_or(usize::MAX));
        pool
    }
}

/// Loads modules and runs them. Cheap to clone; the last clone ends its thread.
#[derive(Clone)]
pub struct Engine {
    wasmtime: wasmtime::Engine,
    config: EngineConfig,
    calls: Arc<Semaphore>,
}

impl Engine {
    /// Reserves the address space for all instances and starts the thread that makes guests yield.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let mut settings = config.wasmtime()?;
        settings.allocation_strategy(InstanceAllocationStrategy::Pooling(config.pool()));
        let wasmtime = wasmtime::Engine::new(&settings)
            .map_err(|error| EngineError::Reserve(format!("{error:#}")))?;
        tick(&wasmtime)?;
        let calls =
            usize::try_from(config.concurrent_calls.max(1)).unwrap_or(Semaphore::MAX_PERMITS);
        Ok(Self {
            wasmtime,
            config,
            calls: Arc::new(Semaphore::new(calls)),
        })
    }

    /// The name under which the compiled form of `wasm` is cached.
    pub fn cache_key(&self, wasm: &[u8]) -> String {
        cache_key(&self.wasmtime, wasm)
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }

    pub(crate) fn memory_max(&self) -> u64 {
        self.config.memory_max
    }

    /// The right to have an instance; `None` when none comes free within `patience`.
    pub(crate) async fn slot(&self, patience: Duration) -> Option<OwnedSemaphorePermit> {
        tokio::time::timeout(patience, self.calls.clone().acquire_owned())
            .await
            .ok()?
            .ok()
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// An engine that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The address space, mostly: each concurrent call reserves its memory limit.
    #[error("cannot reserve memory for modules: {0}")]
    Reserve(String),
    /// This build of wasmtime has no such engine.
    #[error("cannot run modules in that way: {0}")]
    Target(String),
    /// No thread.
    #[error("cannot start the thread that limits modules")]
    Thread(#[source] io::Error),
}

/// The compiled form depends on the component and on everything that `HashedEngineCompileEnv` of wasmtime names.
pub(crate) fn cache_key(engine: &wasmtime::Engine, wasm: &[u8]) -> String {
    let mut settings = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut settings);
    format!("{}-{:016x}", hex(&Sha256::digest(wasm)), settings.finish())
}

/// Holds the engine weakly, so that dropping it ends the thread.
fn tick(engine: &wasmtime::Engine) -> Result<(), EngineError> {
    let weak = engine.weak();
    let ticker = move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(EPOCH);
        }
    };
    thread::Builder::new()
        .name("epoch".to_owned())
        .spawn(ticker)
        .map_err(EngineError::Thread)?;
    Ok(())
}
