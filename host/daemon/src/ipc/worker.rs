//! Between the supervisor and the worker.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vrrp_sandbox::{EngineConfig, Trigger};

use super::Passed;
use super::core::{OutcomeDef, StateDef};
use crate::logging::Level;

/// How long a report that only repeats that a check passes may wait for others.
pub(crate) const REPEAT_WAITS: Duration = Duration::from_millis(250);

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
    /// Run a check now, whatever its interval: the report of that run, or of one after it, has this number or a higher one as
    /// [`WorkerReport::asked`].
    Run { check: u32, number: u64 },
    /// Log that much.
    LogLevel(Level),
    /// An instance changed its state; checks are told when they run.
    State {
        instance: String,
        #[serde(with = "StateDef")]
        state: vrrp::State,
    },
    /// Call a hook and answer with [`FromWorker::HookDone`].
    CallHook(CallHook),
    /// Bytes of the answer to [`FromWorker::Broker`], in order and ahead of it: what is too long for a message.
    BrokerBytes { request: u64, bytes: Vec<u8> },
    /// The answer to [`FromWorker::Broker`].
    Broker { request: u64, reply: BrokerReply },
    /// Something happened that was asked for with [`FromWorker::Watch`]; also said once when the watch begins.
    Happened(Trigger),
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
    /// Runs of checks ended, in this order; those that say nothing new may have waited for [`REPEAT_WAITS`].
    Reports(Vec<WorkerReport>),
    /// A call of a hook ended.
    HookDone {
        call: u64,
        outcome: HookOutcome,
        /// Host calls that no grant allowed.
        denied: u32,
    },
    /// A privileged act is asked for.
    Broker {
        request: u64,
        on_behalf_of: Asker,
        act: BrokerRequest,
    },
    /// A check wants to be told when something happens that it takes rights to see: to a unit or to a path.
    Watch {
        on_behalf_of: Asker,
        trigger: Trigger,
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

/// When a check runs, and from when on a verdict of it is nothing new.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Schedule {
    pub(crate) interval: Duration,
    /// Passing runs in a row that make it up.
    pub(crate) rise: NonZeroU16,
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
    pub(crate) cpu: Duration,
    /// Host calls that no grant allowed.
    pub(crate) denied: u32,
    /// The last [`ToWorker::Run`] that this check was asked before the run began; 0 when there was none.
    pub(crate) asked: u64,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Connect to a Unix socket.
    UnixSocket { path: PathBuf },
    /// Read a file of at most `max` bytes.
    ReadFile {
        path: PathBuf,
        max: u32,
        timeout: Duration,
    },
    /// Tell when a file was last modified.
    FileModified { path: PathBuf, timeout: Duration },
    /// Run a command.
    RunCommand {
        command: PathBuf,
        arguments: Vec<String>,
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
    UnixSocket(Result<Passed, UnixSocketError>),
    /// The content is in the [`ToWorker::BrokerBytes`] before.
    File(Result<(), BrokerError>),
    /// In milliseconds since 1970.
    Modified(Result<u64, BrokerError>),
    /// What it wrote is in the [`ToWorker::BrokerBytes`] before.
    Command(Result<CommandOutput, BrokerError>),
}

/// Why a Unix socket was not opened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum UnixSocketError {
    /// Not granted.
    Denied,
    /// Nobody listens there.
    Refused,
    /// The supervisor itself may not open it.
    Closed,
    Io(String),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct CommandOutput {
    pub(crate) ending: CommandEnding,
    /// Bytes of its standard output; those of its standard error follow.
    pub(crate) stdout_length: usize,
    pub(crate) truncated: bool,
}

/// With a code, or by a signal.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum CommandEnding {
    Exited(i32),
    Signaled(i32),
}

/// An answer of the broker with the bytes that go ahead of it.
#[derive(Debug)]
pub(crate) struct BrokerAnswer {
    pub(crate) reply: BrokerReply,
    pub(crate) bytes: Vec<u8>,
}

impl From<BrokerReply> for BrokerAnswer {
    fn from(reply: BrokerReply) -> Self {
        Self {
            reply,
            bytes: Vec::new(),
        }
    }
}

impl BrokerAnswer {
    /// Bytes in one message; it has room for that and everything else.
    const PART: usize = 64 * 1024;

    /// The messages that it takes.
    pub(crate) fn messages(self, request: u64) -> impl Iterator<Item = ToWorker> {
        let parts: Vec<_> = self.bytes.chunks(Self::PART).map(<[u8]>::to_vec).collect();
        let reply = ToWorker::Broker {
            request,
            reply: self.reply,
        };
        parts
            .into_iter()
            .map(move |bytes| ToWorker::BrokerBytes { request, bytes })
            .chain([reply])
    }
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
    TooLarge,
    Timeout,
    Bus(String),
    Io(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::channel::MAX_MESSAGE;

    #[test]
    fn an_answer_of_any_length_fits_into_messages() {
        let answer = BrokerAnswer {
            reply: BrokerReply::File(Ok(())),
            bytes: vec![0xff; 300_000],
        };
        let messages: Vec<_> = answer.messages(u64::MAX).collect();
        let mut received = 0;
        for message in &messages {
            let size = postcard::to_stdvec(message).unwrap().len();
            assert!(size <= MAX_MESSAGE, "{size} bytes");
            if let ToWorker::BrokerBytes { bytes, .. } = message {
                received += bytes.len();
            }
        }
        assert_eq!(received, 300_000);
        let last = messages.last();
        assert!(matches!(last, Some(ToWorker::Broker { .. })), "{last:?}");
    }
}
