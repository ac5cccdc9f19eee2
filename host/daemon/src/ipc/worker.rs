//! Between the supervisor and the worker.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vrrp_sandbox::EngineConfig;

use super::core::{OutcomeDef, StateDef};

/// To the worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum ToWorker {
    /// A check; numbered from 0 in the order of arrival.
    Check(ModuleSetup, Schedule),
    /// A hook; numbered from 0 in the order of arrival.
    Hook(ModuleSetup),
    /// The set-up is complete: load everything with this engine, which the components were compiled for, and answer with
    /// [`FromWorker::Loaded`].
    Load { engine: EngineConfig },
    /// Begin to run the checks.
    Start,
    /// Run every check now, whatever its interval: the router has forgotten the verdicts.
    RunAll,
    /// An instance changed its state; checks are told when they run.
    State {
        instance: String,
        #[serde(with = "StateDef")]
        state: vrrp::State,
    },
    /// Call a hook and answer with [`FromWorker::HookDone`].
    CallHook(CallHook),
    /// The answer to [`FromWorker::Broker`].
    Broker { request: u64, reply: BrokerReply },
}

/// From the worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum FromWorker {
    /// Every module was loaded and tried; these failed. The second list holds what each hook may
    /// ask the broker for, by the number of the hook.
    Loaded {
        failures: Vec<LoadFailure>,
        hook_needs: Vec<Vec<String>>,
        check_needs: Vec<Vec<String>>,
    },
    /// A run of a check ended.
    Report(WorkerReport),
    /// A call of a hook ended.
    HookDone { call: u64, outcome: HookOutcome },
    /// A privileged act is asked for.
    Broker {
        request: u64,
        on_behalf_of: Asker,
        act: BrokerRequest,
    },
}

/// A module, as the worker needs it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ModuleSetup {
    /// Name of the check or hook in cluster.toml.
    pub(crate) name: String,
    /// Key of the compiled component in the cache.
    pub(crate) key: String,
    /// The `config` table as JSON text.
    pub(crate) config: String,
    /// `None` for a module of ours: it gets what its config needs. Otherwise the `allow` list.
    pub(crate) allow: Option<Vec<String>>,
    pub(crate) memory: u64,
    pub(crate) cpu: Duration,
    pub(crate) timeout: Duration,
    pub(crate) output: u64,
    pub(crate) handles: u32,
    pub(crate) log_rate: u32,
}

/// When a check runs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Schedule {
    pub(crate) interval: Duration,
}

/// Why a module is not usable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoadFailure {
    /// `true`: a check, `false`: a hook.
    pub(crate) is_check: bool,
    /// The number of the check or hook.
    pub(crate) index: u32,
    /// RFC 6901 pointer into its `config`, when the module named a place.
    pub(crate) pointer: Option<String>,
    pub(crate) message: String,
}

/// How a run of a check ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WorkerReport {
    pub(crate) check: u32,
    #[serde(with = "OutcomeDef")]
    pub(crate) outcome: vrrp::Outcome,
    pub(crate) weight: Option<i16>,
    /// What the module or, for an error, the sandbox says.
    pub(crate) summary: String,
    pub(crate) facts: Vec<(String, String)>,
    pub(crate) wall: Duration,
}

/// A call of a hook.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CallHook {
    /// Chosen by the supervisor, never used twice.
    pub(crate) call: u64,
    pub(crate) hook: u32,
    pub(crate) instance: String,
    pub(crate) virtual_router_id: u8,
    pub(crate) interface: String,
    #[serde(with = "StateDef")]
    pub(crate) before: vrrp::State,
    #[serde(with = "StateDef")]
    pub(crate) after: vrrp::State,
    pub(crate) priority: u8,
    pub(crate) reason: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) sequence: u64,
    pub(crate) at_unix_ms: u64,
}

/// How a call of a hook ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HookOutcome {
    Done,
    /// It may work later.
    Retry(String),
    /// It will not work.
    Permanent(String),
}

/// Who asks the broker; its grants decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Asker {
    Check(u32),
    Hook(u32),
}

/// A privileged act that a grant can allow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum BrokerRequest {
    /// Read the state of a systemd unit.
    Unit { name: String },
    /// Have systemd change a unit, and wait for the job's end.
    Job {
        unit: String,
        action: UnitAction,
        timeout: Duration,
    },
}

/// What systemd can be asked to do with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum UnitAction {
    Start,
    Stop,
    Restart,
    Reload,
    TryRestart,
}

/// What became of a [`BrokerRequest`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum BrokerReply {
    Unit(Result<UnitInfo, BrokerError>),
    Job(Result<(), BrokerError>),
}

/// The state of a unit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UnitInfo {
    pub(crate) name: String,
    pub(crate) active_state: String,
    pub(crate) sub_state: String,
    pub(crate) main_pid: u32,
    pub(crate) restarts: u32,
}

/// Why a privileged act did not happen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum BrokerError {
    Denied(String),
    NotFound,
    Timeout,
    Bus(String),
}
