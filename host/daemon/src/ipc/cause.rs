//! Why a transition happened, in one word of few: what can be counted.

use serde::{Deserialize, Serialize};

/// The kind of a reason, without what is particular about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Cause {
    Startup,
    Shutdown,
    /// Priority 255.
    Owner,
    /// No advertisement of the MASTER any more.
    MasterDown,
    /// The MASTER gave the addresses away with priority 0.
    MasterReleased,
    /// A MASTER of a lower priority is preempted.
    Preemption,
    /// Another router advertises a higher priority.
    HigherPriority,
    /// The link of its own interface.
    Link,
    /// The address of its own interface.
    Address,
    Check,
    /// A tracked interface.
    Interface,
    SyncGroup,
    /// This host did nothing for too long.
    Late,
    /// `drain`, `undrain` or `release`.
    Command,
    Reload,
    RouterDied,
}

impl Cause {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 16] = [
        Self::Startup,
        Self::Shutdown,
        Self::Owner,
        Self::MasterDown,
        Self::MasterReleased,
        Self::Preemption,
        Self::HigherPriority,
        Self::Link,
        Self::Address,
        Self::Check,
        Self::Interface,
        Self::SyncGroup,
        Self::Late,
        Self::Command,
        Self::Reload,
        Self::RouterDied,
    ];

    /// A stable word for metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Shutdown => "shutdown",
            Self::Owner => "owner",
            Self::MasterDown => "master-down",
            Self::MasterReleased => "master-released",
            Self::Preemption => "preemption",
            Self::HigherPriority => "higher-priority",
            Self::Link => "link",
            Self::Address => "address",
            Self::Check => "check",
            Self::Interface => "interface",
            Self::SyncGroup => "sync-group",
            Self::Late => "late",
            Self::Command => "command",
            Self::Reload => "reload",
            Self::RouterDied => "router-died",
        }
    }
}
