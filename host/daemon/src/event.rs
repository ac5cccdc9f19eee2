//! What `events` tells: a stable interface with `--json`, described by `docs/event.schema.json`. Keys and kinds are added, never
//! renamed or removed.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that happened to the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Event {
    /// Counts from 1 since the daemon was started.
    pub(crate) sequence: u64,
    /// When it happened, RFC 3339 in UTC with milliseconds.
    pub(crate) at: String,
    #[serde(flatten)]
    pub(crate) what: Happening,
}

/// What happened; `event` names its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Happening {
    /// The daemon takes part.
    Started { node: String, version: String },
    /// An instance changed its state.
    #[serde(rename_all = "kebab-case")]
    Transition {
        instance: String,
        /// `INIT`, `FAULT`, `BACKUP` or `MASTER`.
        before: String,
        after: String,
        reason: String,
        /// The effective priority then.
        priority: u8,
    },
    /// A sync group as a whole changed its state.
    #[serde(rename_all = "kebab-case")]
    GroupTransition {
        sync_group: String,
        before: String,
        after: String,
        reason: String,
    },
    /// The effective priority of an instance changed without a change of state.
    #[serde(rename_all = "kebab-case")]
    Priority {
        instance: String,
        from: u8,
        to: u8,
        reason: String,
    },
    /// A run of a check ended in another verdict than the one before.
    #[serde(rename_all = "kebab-case")]
    Verdict {
        check: String,
        /// `none`, `passing`, `warning`, `failing` or `error`.
        before: String,
        after: String,
        /// The module's own words, or the error.
        summary: String,
    },
    /// A check counts as something else from now on.
    #[serde(rename_all = "kebab-case")]
    Standing {
        check: String,
        /// `pending`, `up`, `down` or `unknown`.
        before: String,
        after: String,
    },
    /// A call of a hook ended, or was dropped.
    #[serde(rename_all = "kebab-case")]
    Hook {
        hook: String,
        /// The instance or sync group.
        subject: String,
        /// The number of the transition that it was called for; each subject counts its own.
        transition: u64,
        result: HookResult,
        /// What it says; null when it is done.
        message: Option<String>,
    },
    /// A reload ended.
    #[serde(rename_all = "kebab-case")]
    Reload {
        /// Why everything goes on with the file of before; null when the new one is in use.
        error: Option<String>,
    },
    /// One of the daemon's processes ended or was started again.
    #[serde(rename_all = "kebab-case")]
    Process {
        /// `router` or `worker`.
        process: String,
        change: ProcessChange,
        /// How it ended; null when it was started.
        reason: Option<String>,
    },
    /// Somebody wanted something of instances.
    #[serde(rename_all = "kebab-case")]
    Command {
        /// `drain`, `undrain` or `release`.
        command: String,
        instances: Vec<String>,
        /// Whether it outlives a restart.
        persists: bool,
    },
    /// Another level is logged.
    #[serde(rename_all = "kebab-case")]
    LogLevel { level: String },
}

/// How a call of a hook ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HookResult {
    Done,
    /// It is called again.
    Retried,
    /// It is not called again.
    Failed,
    /// It was dropped, because a newer transition made it pointless.
    Superseded,
}

/// What became of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProcessChange {
    Died,
    Restarted,
}

impl fmt::Display for Happening {
    /// One sentence without a full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { node, version } => {
                write!(f, "vrrp-host {version} takes part as node {node}")
            }
            Self::Transition {
                instance,
                before,
                after,
                reason,
                priority,
            } => write!(
                f,
                "{instance}: {before} -> {after}, priority {priority}: {reason}"
            ),
            Self::GroupTransition {
                sync_group,
                before,
                after,
                reason,
            } => write!(f, "sync group {sync_group}: {before} -> {after}: {reason}"),
            Self::Priority {
                instance,
                from,
                to,
                reason,
            } => write!(f, "{instance}: priority {from} -> {to}: {reason}"),
            Self::Verdict {
                check,
                before,
                after,
                summary,
            } => write!(f, "check {check}: {before} -> {after}: {summary}"),
            Self::Standing {
                check,
                before,
                after,
            } => write!(f, "check {check}: counts as {after} now ({before} before)"),
            Self::Hook {
                hook,
                subject,
                transition,
                result,
                message,
            } => {
                let result = match result {
                    HookResult::Done => "done",
                    HookResult::Retried => "will be called again",
                    HookResult::Failed => "failed",
                    HookResult::Superseded => "not called, a newer transition came first",
                };
                write!(
                    f,
                    "{subject}: hook {hook} for transition {transition}: {result}"
                )?;
                match message {
                    Some(message) => write!(f, ": {message}"),
                    None => Ok(()),
                }
            }
            Self::Reload { error: None } => write!(f, "cluster.toml reloaded"),
            Self::Reload { error: Some(error) } => write!(
                f,
                "reload refused, everything goes on as before: {}",
                one_line(error)
            ),
            Self::Process {
                process,
                change: ProcessChange::Died,
                reason,
            } => write!(
                f,
                "the {process} died: {}",
                reason.as_deref().unwrap_or("for no known reason")
            ),
            Self::Process {
                process,
                change: ProcessChange::Restarted,
                ..
            } => write!(f, "the {process} was started again"),
            Self::Command {
                command,
                instances,
                persists,
            } => {
                let persists = if *persists {
                    ", also after a restart"
                } else {
                    ""
                };
                write!(f, "{}: {command} asked for{persists}", instances.join(", "))
            }
            Self::LogLevel { level } => write!(f, "the log level is {level} now"),
        }
    }
}

/// The first line of a text that has more of them, such as an error that points into a file.
pub(crate) fn one_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;
    use schemars::schema_for;

    use super::Event;

    #[test]
    fn the_schema_in_the_docs_is_that_of_these_types() {
        let schema = serde_json::to_string_pretty(&schema_for!(Event)).unwrap();
        expect_file!["../../../docs/event.schema.json"].assert_eq(&format!("{schema}\n"));
    }
}
