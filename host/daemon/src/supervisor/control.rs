//! The control socket: one JSON object a line in, one out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::umask;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::debug;

use crate::exit::Failure;
use crate::status::Status;

/// Longest request, bytes.
const REQUEST_MAX: u64 = 64 * 1024;
/// How long a client may take to send its request or to read the answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request may take, a reload with new modules to compile in particular.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(150);

/// What can be asked of a running daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    Status,
    /// Read cluster.toml again and go on with it.
    Reload,
    /// Something that instances are to do.
    Command {
        /// By name, of instances or sync groups; all of them when empty.
        names: Vec<String>,
        command: InstanceCommand,
    },
}

/// What an instance can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum InstanceCommand {
    Drain,
    Undrain,
    Release,
}

/// What it answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Response {
    Status(Box<Status>),
    /// It is done, or under way for these instances.
    Accepted(Vec<String>),
    Error(String),
}

/// Listens until dropped, and removes its file then.
#[derive(Debug)]
pub(super) struct Control {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Control {
    /// Listens at `path`; each request goes through `deliver` with the place for its answer.
    ///
    /// # Errors
    /// When another daemon answers at `path`, or the socket cannot be made there.
    pub(super) async fn listen<F>(path: &Path, deliver: F) -> Result<Self, Failure>
    where
        F: Fn(Request, oneshot::Sender<Response>) + Clone + Send + 'static,
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
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let deliver = deliver.clone();
                tokio::spawn(async move {
                    if let Err(error) = serve(client, deliver).await {
                        debug!(%error, "control client");
                    }
                });
            }
        });
        Ok(Self {
            path: path.to_owned(),
            task,
        })
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
    // Root only, from its first moment on.
    let before = umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    umask(before);
    listener
}

async fn serve<F>(client: UnixStream, deliver: F) -> io::Result<()>
where
    F: Fn(Request, oneshot::Sender<Response>),
{
    let (reader, mut writer) = client.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(REQUEST_MAX));
    timeout(CLIENT_TIMEOUT, reader.read_line(&mut line)).await??;
    let response = match serde_json::from_str(&line) {
        Ok(request) => {
            let (sender, answer) = oneshot::channel();
            deliver(request, sender);
            let answer = timeout(ANSWER_TIMEOUT, answer).await?;
            answer.unwrap_or_else(|_| Response::Error("the daemon is stopping".to_owned()))
        }
        Err(error) => Response::Error(format!("not a request: {error}")),
    };
    let mut text = serde_json::to_vec(&response)?;
    text.push(b'\n');
    timeout(CLIENT_TIMEOUT, writer.write_all(&text)).await?
}
