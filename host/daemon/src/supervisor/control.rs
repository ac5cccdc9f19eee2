//! The control socket: one JSON object a line in, one out; a client that follows the events gets one line for each.

mod gate;
mod serve;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::umask;
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tracing::{debug, warn};
use vrrp_linux::group::Group;

pub(super) use gate::Gate;
use serve::serve;

use super::history::Following;
use crate::event::Event;
use crate::exit::Failure;
use crate::logging::Level;
use crate::status::{Check, Status};

/// The pause after a client that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What can be asked of a running daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    Status,
    /// The last so many events, oldest first, and with `follow` those that happen from now on.
    Events {
        last: usize,
        follow: bool,
    },
    /// Read cluster.toml again and go on with it.
    Reload,
    /// Something that instances are to do.
    Command {
        /// By name, of instances or sync groups; all of them when empty.
        names: Vec<String>,
        command: InstanceCommand,
    },
    /// Run a check now.
    RunCheck {
        check: String,
    },
    /// Log that much, in every process.
    LogLevel {
        level: Level,
    },
}

/// What an instance can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum InstanceCommand {
    Drain {
        /// Also after a restart.
        persist: bool,
    },
    Undrain,
    Release,
}

/// What it answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Response {
    Status(Box<Status>),
    Events(Vec<Event>),
    /// One of those that are followed.
    Event(Box<Event>),
    /// The client took the events too slowly: so many are lost, and no more follow.
    Lost(u64),
    /// It is done, or under way for these instances.
    Accepted(Vec<String>),
    /// How the run ended that was asked for.
    CheckRun(Box<Check>),
    /// The one who asks may not do that.
    Refused(String),
    Error(String),
}

/// What a client wants of the supervisor, with the place for the answer.
#[derive(Debug)]
pub(super) enum Asked {
    Once(Request, oneshot::Sender<Response>),
    /// The last so many events, and those that follow.
    Follow(usize, oneshot::Sender<Following>),
}

/// Listens until dropped, and removes its file then.
#[derive(Debug)]
pub(super) struct Control {
    path: PathBuf,
    gate: Gate,
    task: tokio::task::JoinHandle<()>,
}

impl Control {
    /// Listens at `path`; each request goes through `deliver`. The members of `readers` may look.
    ///
    /// # Errors
    /// When another daemon answers at `path`, or the socket cannot be made there.
    pub(super) async fn listen<F>(
        path: &Path,
        readers: Option<Group>,
        deliver: F,
    ) -> Result<Self, Failure>
    where
        F: Fn(Asked) + Clone + Send + Sync + 'static,
    {
        if UnixStream::connect(path).await.is_ok() {
            return Err(Failure::temporary(format!(
                "a vrrp-host is already running: {} answers; stop it, or give this one another --control",
                path.display()
            )));
        }
        let listener = bind(path).map_err(|error| {
            let text = format!(
                "cannot listen at {}: {error}; --control names another place",
                path.display()
            );
            if error.kind() == io::ErrorKind::PermissionDenied {
                Failure::rights(text)
            } else {
                Failure::temporary(text)
            }
        })?;
        let gate = Gate::new(path);
        gate.admit(readers)?;
        let admission = gate.clone();
        let task = tokio::spawn(async move {
            loop {
                let client = match listener.accept().await {
                    Ok((client, _)) => client,
                    Err(error) => {
                        // Too many open files, for example: it passes when others have their answers.
                        warn!(%error, "control client not served");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                };
                let (deliver, gate) = (deliver.clone(), admission.clone());
                tokio::spawn(async move {
                    if let Err(error) = serve(client, &gate, deliver).await {
                        debug!(%error, "control client");
                    }
                });
            }
        });
        Ok(Self {
            path: path.to_owned(),
            gate,
            task,
        })
    }

    /// Who is let in, for a reload to change.
    pub(super) fn gate(&self) -> Gate {
        self.gate.clone()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        let _ = fs::remove_file(&self.path);
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Nobody answered there, so it is what a killed daemon left behind.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    // Its owner's only, from its first moment on.
    let before = umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    umask(before);
    listener
}
