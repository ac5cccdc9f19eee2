//! A VRRP daemon of either make on a light host, under one set of verbs.

use std::fmt;
use std::fs;

use lab::scenario::State;
use lab::{Netns, Signal, wait_until};
use tempfile::TempDir;

use crate::checked::Checked;
use crate::daemon::{Daemon, LIMIT};
use crate::keepalived::Keepalived;

/// Whose daemon it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    VrrpHost,
    Keepalived,
}

/// What a daemon is started with, as each make writes it.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The instance's name in both files.
    pub instance: &'static str,
    /// A cluster.toml without tables after that of the instance.
    pub cluster_toml: String,
    /// keepalived.conf before the instance.
    pub global: String,
    /// The lines of keepalived's instance.
    pub lines: String,
}

/// A running daemon that can be made to fail. Dropping it kills it.
#[derive(Debug)]
pub enum Contender {
    VrrpHost {
        daemon: Box<Daemon>,
        instance: &'static str,
        /// What it tracks.
        checked: Checked,
    },
    Keepalived {
        keepalived: Keepalived,
        /// Has the file that it tracks.
        folder: TempDir,
    },
}

const TRACKED: &str = "fault";

impl Contender {
    /// Starts a daemon on a host, as the node `node`.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start(make: Make, host: &Netns, node: &str, terms: &Terms) -> Self {
        match make {
            Make::VrrpHost => {
                let checked = Checked::start(host);
                let toml = format!("{}{}", terms.cluster_toml, checked.track(node));
                Self::VrrpHost {
                    daemon: Box::new(Daemon::start(host, node, &toml)),
                    instance: terms.instance,
                    checked,
                }
            }
            Make::Keepalived => {
                let folder =
                    TempDir::with_prefix("tracked-").expect("a temporary folder can be made");
                set_tracked(&folder, 0);
                let file = folder.path().join(TRACKED);
                let (instance, global, lines) = (terms.instance, &terms.global, &terms.lines);
                let configuration = format!(
                    "global_defs {{\n{global}\n}}\n\
                     track_file {TRACKED} {{\n    file {}\n    weight 0\n}}\n\
                     vrrp_instance {instance} {{\n{lines}\n    track_file {{\n        {TRACKED}\n    }}\n}}\n",
                    file.display()
                );
                Self::Keepalived {
                    keepalived: Keepalived::start(host, &configuration),
                    folder,
                }
            }
        }
    }

    /// Starts it again, after it has ended.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn start_again(&mut self, host: &Netns) {
        match self {
            Self::VrrpHost { daemon, .. } => daemon.start_again(host),
            Self::Keepalived { keepalived, .. } => keepalived.start_again(host),
        }
    }

    /// Has it stop in order, and waits until it has.
    ///
    /// # Panics
    ///
    /// When it does not stop.
    pub fn stop(&mut self) {
        match self {
            Self::VrrpHost { daemon, .. } => daemon
                .process
                .signal(Signal::TERM)
                .and_then(|()| daemon.process.wait(LIMIT).map(drop))
                .expect("vrrp-host stops"),
            Self::Keepalived { keepalived, .. } => keepalived.stop(),
        }
    }

    /// Ends it so that it can say and clean up nothing, and waits until it has ended.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn cut_power(&mut self) {
        match self {
            Self::VrrpHost { daemon, .. } => {
                daemon.cut_power();
                daemon.process.wait(LIMIT).expect("a killed process ends");
            }
            Self::Keepalived { keepalived, .. } => keepalived.cut_power(),
        }
    }

    /// Takes away what it tracks: it is in FAULT until [`Contender::recover`].
    ///
    /// # Panics
    ///
    /// When that cannot be.
    pub fn fail(&mut self) {
        match self {
            Self::VrrpHost { checked, .. } => checked
                .process
                .signal(Signal::KILL)
                .and_then(|()| checked.process.wait(LIMIT).map(drop))
                .expect("a killed process ends"),
            Self::Keepalived { folder, .. } => set_tracked(folder, 1),
        }
    }

    /// Ends what [`Contender::fail`] began.
    ///
    /// # Panics
    ///
    /// When that cannot be.
    pub fn recover(&mut self, host: &Netns) {
        match self {
            Self::VrrpHost { checked, .. } => checked.start_again(host),
            Self::Keepalived { folder, .. } => set_tracked(folder, 0),
        }
    }

    /// The state that its instance is in.
    ///
    /// # Errors
    ///
    /// Says what it told instead.
    pub fn state(&self) -> Result<State, String> {
        match self {
            Self::VrrpHost {
                daemon, instance, ..
            } => daemon.state(instance),
            Self::Keepalived { keepalived, .. } => {
                let log = keepalived.process.log();
                let entered = log
                    .lines()
                    .rev()
                    .find_map(|line| line.split_once("Entering ")?.1.split_once(" STATE"));
                match entered {
                    Some((state, _)) => {
                        state.parse().map_err(|error: lab::Error| error.to_string())
                    }
                    None => Err(log),
                }
            }
        }
    }

    /// Waits until its instance is in a state.
    ///
    /// # Panics
    ///
    /// When it is not within [`LIMIT`]; tells what it has logged.
    #[track_caller]
    pub fn wait_for_state(&self, wanted: State) {
        let waited = wait_until(LIMIT, &format!("{wanted}"), || match self.state() {
            Ok(state) if state == wanted => Ok(()),
            other => Err(format!("{other:?}")),
        });
        waited.unwrap_or_else(|error| panic!("{error}\n{self}"));
    }

    /// The daemon, where it is vrrp-host.
    #[must_use]
    pub fn vrrp_host(&self) -> Option<&Daemon> {
        match self {
            Self::VrrpHost { daemon, .. } => Some(daemon),
            Self::Keepalived { .. } => None,
        }
    }
}

/// Writes the number that keepalived tracks: anything but 0 is FAULT.
fn set_tracked(folder: &TempDir, number: u8) {
    fs::write(folder.path().join(TRACKED), format!("{number}\n")).expect("a file can be written");
}

impl fmt::Display for Contender {
    /// What it has logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VrrpHost { daemon, .. } => daemon.fmt(f),
            Self::Keepalived { keepalived, .. } => {
                write!(
                    f,
                    "--- what keepalived logged\n{}",
                    keepalived.process.log()
                )
            }
        }
    }
}

impl fmt::Display for Make {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::VrrpHost => "vrrp-host",
            Self::Keepalived => "keepalived",
        })
    }
}
