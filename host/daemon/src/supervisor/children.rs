//! Starting the other roles, and talking with them without ever waiting for them.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::cli::{LogFormat, Options};
use crate::ipc::{self, AsyncChannel};

/// The binary that is running, also after an upgrade replaced its file.
const OURSELVES: &str = "/proc/self/exe";

/// A running child with its typed channel. Dropping it kills the process.
#[derive(Debug)]
pub(super) struct Child<To> {
    pid: u32,
    outgoing: mpsc::UnboundedSender<To>,
    kill: Option<oneshot::Sender<LastWords>>,
}

/// What becomes of what a killed child has said and nobody has heard yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastWords {
    Heard,
    Lost,
}

/// What a child says or does.
#[derive(Debug)]
pub(super) enum FromChild<From> {
    /// A message.
    Message(From),
    /// The process ended; nothing more comes from it.
    Gone(Ending),
}

/// How a child ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// By itself or by a signal.
    Exited(ExitStatus),
    /// Its status could not be had.
    Unknown(io::Error),
}

/// Why a child could not be started.
#[derive(Debug, Error)]
#[error("cannot start the {role}")]
pub(super) struct SpawnError {
    role: &'static str,
    #[source]
    source: io::Error,
}

impl<To: Serialize + Send + Sync + 'static> Child<To> {
    /// Starts `role` with `arguments`. What it says arrives in `events`, in order, in the form that `wrap` gives it; the last
    /// is [`FromChild::Gone`]. A full `events` makes the child wait, so a flood of messages takes no memory here.
    pub(super) fn spawn<From, Event, Wrap>(
        role: &'static str,
        arguments: &[String],
        options: &Options,
        events: mpsc::Sender<Event>,
        wrap: Wrap,
    ) -> Result<Self, SpawnError>
    where
        From: DeserializeOwned + Send + 'static,
        Event: Send + 'static,
        Wrap: Fn(FromChild<From>) -> Event + Send + Sync + 'static,
    {
        Self::try_spawn(role, arguments, options, events, wrap)
            .map_err(|source| SpawnError { role, source })
    }

    fn try_spawn<From, Event, Wrap>(
        role: &str,
        arguments: &[String],
        options: &Options,
        events: mpsc::Sender<Event>,
        wrap: Wrap,
    ) -> io::Result<Self>
    where
        From: DeserializeOwned + Send + 'static,
        Event: Send + 'static,
        Wrap: Fn(FromChild<From>) -> Event + Send + Sync + 'static,
    {
        let (ours, theirs) = ipc::pair()?;
        let mut process = command(role, options, theirs).args(arguments).spawn()?;
        let pid = process.id().unwrap_or_default();
        let channel = std::sync::Arc::new(AsyncChannel::new(ours)?);
        let (outgoing, mut to_send) = mpsc::unbounded_channel::<To>();
        let (kill, killed) = oneshot::channel();

        let writer = channel.clone();
        tokio::spawn(async move {
            while let Some(message) = to_send.recv().await {
                if writer.send(&message).await.is_err() {
                    // The reader learns of the end, and everything is told again to the next process.
                    return;
                }
            }
        });
        let role = role.to_owned();
        tokio::spawn(async move {
            let read_all = async {
                loop {
                    match channel.recv().await {
                        Ok(message) => {
                            if events
                                .send(wrap(FromChild::Message(message)))
                                .await
                                .is_err()
                            {
                                return;
                            }
                        }
                        Err(ipc::RecvError::Closed) => return,
                        Err(error) => {
                            warn!(%error, "{role}: broken channel");
                            return;
                        }
                    }
                }
            };
            tokio::pin!(read_all);
            let last_words = tokio::select! {
                () = &mut read_all => Ok(LastWords::Lost),
                last_words = killed => last_words,
            };
            // A child that closed its channel is of no use any more, even if it still runs.
            let _ = process.start_kill();
            if last_words == Ok(LastWords::Heard) {
                // Its channel ends with it.
                read_all.await;
            }
            let ending = match process.wait().await {
                Ok(status) => Ending::Exited(status),
                Err(error) => Ending::Unknown(error),
            };
            // Without a receiver the supervisor itself is ending.
            let _ = events.send(wrap(FromChild::Gone(ending))).await;
        });
        Ok(Self {
            pid,
            outgoing,
            kill: Some(kill),
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Kills it. What it said before still arrives, and then its end.
    pub(super) fn kill(&mut self) {
        if let Some(kill) = self.kill.take() {
            let _ = kill.send(LastWords::Heard);
        }
    }

    /// Sends in order, without waiting. A message to a dead child is lost; its end is on the way.
    pub(super) fn send(&self, message: To) {
        let _ = self.outgoing.send(message);
    }
}

impl<To> Drop for Child<To> {
    fn drop(&mut self) {
        if let Some(kill) = self.kill.take() {
            let _ = kill.send(LastWords::Lost);
        }
    }
}

fn command(role: &str, options: &Options, channel: OwnedFd) -> Command {
    let mut command = Command::new(OURSELVES);
    command
        .arg("--log-format")
        .arg(match options.log_format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        })
        .arg("--state-dir")
        .arg(absolute(&options.state_dir))
        .args(["role", role])
        .arg(std::process::id().to_string())
        .stdin(Stdio::from(channel))
        .stdout(Stdio::null())
        // Ctrl-C at the terminal is for the supervisor, which then stops the others in order.
        .process_group(0)
        .kill_on_drop(true);
    command
}

fn absolute(path: &Path) -> std::path::PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => status.fmt(f),
            Self::Unknown(error) => error.fmt(f),
        }
    }
}
