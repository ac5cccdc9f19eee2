//! What differs between the programs that can play a role.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::SystemTime;

use serde_json::Value;

use super::{INSTANCE, Options};
use crate::error::{IoContext, unexpected};
use crate::{Error, Host, JournalEntry, Result, keepalived};

const SERVICE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../dist/vrrp-host.service"
));
const KEEPALIVED: [&str; 2] = [
    include_str!("keepalived-first.conf"),
    include_str!("keepalived-second.conf"),
];

/// A program that plays a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Daemon {
    VrrpHost,
    Keepalived,
}

/// The version of VRRP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V2,
    V3,
}

/// The state of an instance, in the words that users know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Init,
    Backup,
    Master,
    Fault,
}

/// An instance changed its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// When it was logged.
    pub at: SystemTime,
    /// `None` when the log does not say.
    pub before: Option<State>,
    pub after: State,
    /// Why, in the daemon's own words.
    pub reason: Option<String>,
}

impl Daemon {
    /// Its systemd service.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::VrrpHost => "vrrp-host.service",
            Self::Keepalived => keepalived::UNIT,
        }
    }

    /// Installs it on a host, ready to be started, as the first or the second of the scenario.
    pub(super) fn install(self, host: &Host, index: usize, options: &Options) -> Result<()> {
        match self {
            Self::Keepalived => {
                keepalived::install(host, &options.version.in_keepalived_conf(KEEPALIVED[index]))
            }
            Self::VrrpHost => {
                let binary = match &options.vrrp_host {
                    Some(path) => path.clone(),
                    None => vrrp_host_binary()?,
                };
                host.install(&binary, "vrrp-host")?;
                host.write_file("/etc/vrrp-host/cluster.toml", &options.cluster_toml)?;
                host.write_file("/etc/systemd/system/vrrp-host.service", SERVICE)?;
                host.systemctl(&["daemon-reload"]).map(drop)
            }
        }
    }

    /// The state of the instance now.
    pub(super) fn state(self, host: &Host) -> Result<Option<State>> {
        match self {
            Self::Keepalived => Ok(self
                .transitions(host)?
                .last()
                .map(|transition| transition.after)),
            Self::VrrpHost => {
                let status = host.run(&["vrrp-host", "status", "--json"])?;
                let status: Value = serde_json::from_str(&status)
                    .map_err(|_| unexpected("vrrp-host's status", &status))?;
                status["instances"][INSTANCE]["state"]
                    .as_str()
                    .map(State::from_str)
                    .transpose()
            }
        }
    }

    /// The instance's transitions since the host was booted, oldest first.
    pub(super) fn transitions(self, host: &Host) -> Result<Vec<Transition>> {
        let entries = host.journal(self.unit(), None)?;
        let mut transitions: Vec<Transition> = Vec::new();
        for entry in &entries {
            let parsed = match self {
                Self::VrrpHost => transition_of_vrrp_host(entry),
                Self::Keepalived => transition_of_keepalived(entry, transitions.last()),
            };
            transitions.extend(parsed);
        }
        Ok(transitions)
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::VrrpHost => "vrrp-host",
            Self::Keepalived => "keepalived",
        })
    }
}

impl Version {
    /// The number in the packets.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }

    /// vrrp-host speaks version 3 unless told otherwise.
    pub(super) fn in_cluster_toml(self, text: &str) -> String {
        match self {
            Self::V3 => text.to_owned(),
            Self::V2 => text.replace(
                "\nvirtual-addresses ",
                "\nversion           = 2\nvirtual-addresses ",
            ),
        }
    }

    /// keepalived speaks version 2 unless told otherwise.
    fn in_keepalived_conf(self, text: &str) -> String {
        format!(
            "global_defs {{\n    vrrp_version {}\n    script_user root\n    enable_script_security\n}}\n{text}",
            self.number()
        )
    }
}

impl FromStr for State {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "INIT" => Self::Init,
            "BACKUP" => Self::Backup,
            "MASTER" => Self::Master,
            "FAULT" => Self::Fault,
            _ => return Err(unexpected("an instance's state", text)),
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
        })
    }
}

static VRRP_HOST: OnceLock<PathBuf> = OnceLock::new();

/// Says which vrrp-host this process works with from now on. Only the first one that is named counts.
pub fn use_vrrp_host(binary: PathBuf) {
    _ = VRRP_HOST.set(binary);
}

/// Finds the vrrp-host to work with: that of [`use_vrrp_host`], `$VRRP_HOST_BINARY`, or the one that Cargo put beside this
/// program.
///
/// # Errors
///
/// Says how to build it.
pub fn vrrp_host_binary() -> Result<PathBuf> {
    if let Some(path) = VRRP_HOST.get() {
        return Ok(path.clone());
    }
    if let Some(path) = std::env::var_os("VRRP_HOST_BINARY") {
        return Ok(path.into());
    }
    let program = std::env::current_exe().context(|| "cannot find this program".to_owned())?;
    // Tests are in `deps`, one below where programs are.
    program
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("vrrp-host"))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            unexpected(
                "a missing program",
                "no vrrp-host here; build it: cargo build -p vrrp-host",
            )
        })
}

/// `VI_1: BACKUP -> MASTER reason="the Active Router is gone" priority=100`, with anything before it.
fn transition_of_vrrp_host(entry: &JournalEntry) -> Option<Transition> {
    let (_, text) = entry.message.split_once(&format!("{INSTANCE}: "))?;
    let (before, text) = text.split_once(" -> ")?;
    let (after, details) = text.split_once(' ').unwrap_or((text, ""));
    let reason = details
        .split_once("reason=\"")
        .and_then(|(_, reason)| Some(reason.split_once('"')?.0.to_owned()));
    Some(Transition {
        at: entry.at,
        before: before.parse().ok(),
        after: after.parse().ok()?,
        reason,
    })
}

/// `(VI_1) Entering BACKUP STATE (init)`
fn transition_of_keepalived(
    entry: &JournalEntry,
    previous: Option<&Transition>,
) -> Option<Transition> {
    let text = entry
        .message
        .strip_prefix(&format!("({INSTANCE}) Entering "))?;
    let (state, _) = text.split_once(" STATE")?;
    Some(Transition {
        at: entry.at,
        before: previous.map(|transition| transition.after),
        after: state.parse().ok()?,
        reason: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cursor;

    fn entry(message: &str) -> JournalEntry {
        JournalEntry {
            at: SystemTime::UNIX_EPOCH,
            message: message.to_owned(),
            event: None,
            identifier: String::new(),
            pid: None,
            cursor: Cursor::default(),
        }
    }

    #[test]
    fn vrrp_hosts_words_are_read() {
        let line = r#"2026-11-23T22:43:19Z  INFO VI_1: BACKUP -> MASTER reason="active_down_timer fired" priority=100"#;
        let transition = transition_of_vrrp_host(&entry(line)).unwrap();
        assert_eq!(
            (transition.before, transition.after),
            (Some(State::Backup), State::Master)
        );
        assert_eq!(
            transition.reason.as_deref(),
            Some("active_down_timer fired")
        );
        for line in ["VI_1: started", "VI_2: BACKUP -> MASTER", "VI_1: 1 -> 2"] {
            assert_eq!(transition_of_vrrp_host(&entry(line)), None, "{line}");
        }
    }

    #[test]
    fn keepaliveds_words_are_read() {
        let first =
            transition_of_keepalived(&entry("(VI_1) Entering BACKUP STATE (init)"), None).unwrap();
        assert_eq!((first.before, first.after), (None, State::Backup));
        let second =
            transition_of_keepalived(&entry("(VI_1) Entering MASTER STATE"), Some(&first)).unwrap();
        assert_eq!(
            (second.before, second.after),
            (Some(State::Backup), State::Master)
        );
        assert_eq!(
            transition_of_keepalived(&entry("(VI_1) Receive advertisement timeout"), None),
            None
        );
    }

    #[test]
    fn both_files_speak_the_version_asked_for() {
        let toml = |version: Version| version.in_cluster_toml(super::super::CLUSTER_TOML);
        assert!(toml(Version::V2).contains("\nversion           = 2\n"));
        assert!(!toml(Version::V3).contains("\nversion "));
        assert!(
            Version::V3
                .in_keepalived_conf("")
                .contains("vrrp_version 3")
        );
    }
}
