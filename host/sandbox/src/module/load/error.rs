//! Why a module cannot be loaded, for the one who has to make it load.

use crate::ConfigError;
use crate::grant::{Grant, ParseGrantError};
use crate::run::RunError;

/// A module that cannot be loaded.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LoadError {
    /// The compiled form is of another wasmtime or other settings. Compiling again helps.
    #[error("the compiled module does not fit this version of vrrp-host: {0}")]
    ArtifactIncompatible(String),
    /// What runs this process allows no memory that was written to be executed.
    #[error(
        "nothing in this process may become executable (MemoryDenyWriteExecute= of the service, or a policy like it), \
         which native code needs; write `engine = \"pulley\"` under [sandbox]"
    )]
    NotExecutable,
    /// wasmtime cannot link it.
    #[error("the module does not follow the contract: {0}")]
    InvalidComponent(String),
    /// It is something else.
    #[error("the module is not a {wanted}: {found}")]
    WrongExports {
        /// `check` or `hook`.
        wanted: &'static str,
        /// What it is instead.
        found: String,
    },
    /// It wants something that no module can have.
    #[error("the module imports `{import}`, which vrrp-host does not offer{}", .hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
    UnknownImport {
        /// Name of the interface.
        import: String,
        /// What its author could use instead.
        hint: Option<String>,
    },
    /// It wants something that a later version will have.
    #[error("the module imports `{import}`, which is not available in this version of vrrp-host")]
    UnavailableImport {
        /// Name of the interface.
        import: String,
    },
    /// It wants something that the operator did not allow.
    #[error(
        "the module imports `{import}`, which nothing in `allow` grants; to allow it write {hint}"
    )]
    ImportNotGranted {
        /// Name of the interface.
        import: String,
        /// The line to paste.
        hint: String,
    },
    /// With this config it needs something that the operator did not allow.
    #[error("the module needs `{need}`, which nothing in `allow` grants; to allow it write {hint}")]
    NotGranted {
        /// The first need without a grant.
        need: Grant,
        /// The line to paste.
        hint: String,
    },
    /// It wants more to be watched than could be watched for every module.
    #[error("the module wants {count} things to be watched; {max} are the most")]
    TooManyTriggers {
        /// So many.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// It says in words nobody understands what it needs.
    #[error("the module asks for something that cannot be granted")]
    InvalidNeed(#[from] ParseGrantError),
    /// It does not accept its config.
    #[error("the module refuses its config: {}", list(.0))]
    Config(Vec<ConfigError>),
    /// A rehearsal wants something to fail that the module never calls, or in a way that it cannot.
    #[error("{0}")]
    Fault(String),
    /// It crashed, or ran into a limit.
    #[error("the module cannot {phase}")]
    Trial {
        /// What it was doing.
        phase: &'static str,
        /// How it ended.
        #[source]
        error: RunError,
    },
    /// [`Limits::memory`](crate::Limits::memory) is more than the engine was made for.
    #[error("the memory limit of {} KiB is more than the {} KiB that the engine has for a module", limit >> 10, max >> 10)]
    MemoryLimit {
        /// What was asked for, bytes.
        limit: u64,
        /// What there is, bytes.
        max: u64,
    },
}

fn list(errors: &[ConfigError]) -> String {
    let texts: Vec<_> = errors
        .iter()
        .map(|error| match error.pointer.as_str() {
            "" => error.message.clone(),
            pointer => format!("{pointer}: {}", error.message),
        })
        .collect();
    texts.join("; ")
}
