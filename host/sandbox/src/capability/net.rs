//! What every conversation over the network has in common: how it is dialled, encrypted and refused.

pub(super) mod dial;
pub(super) mod tls;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::bindings::imports::net;
use crate::grant::Grant;
use crate::store::Call;

/// Bytes of a file with certificates or a key: the authorities of a whole operating system have a fifth of it.
const PEM_MAX: u64 = 1 << 20;

/// Why there is no conversation, or no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// No grant allows this.
    Denied(Grant),
    /// The host is granted, but its name leads to where a name must not lead.
    Address,
    /// Everything else, as the module sees it.
    Net(net::Error),
}

impl From<net::Error> for Failure {
    fn from(error: net::Error) -> Self {
        Self::Net(error)
    }
}

impl Call {
    /// Waits for `attempt` to reach `target`, until `deadline`. What was refused is counted and logged.
    pub(super) async fn reach<T>(
        &mut self,
        target: &str,
        deadline: Instant,
        attempt: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, net::Error> {
        match timeout_at(deadline, attempt).await {
            Ok(Ok(reached)) => Ok(reached),
            Ok(Err(Failure::Denied(need))) => {
                self.refuse(&need);
                Err(net::Error::Denied)
            }
            Ok(Err(Failure::Address)) => {
                let what = format!(
                    "the address that the host of {target} resolved to; only a grant of the address itself allows it"
                );
                self.deny(&what, None);
                Err(net::Error::Denied)
            }
            Ok(Err(Failure::Net(error))) => Err(error),
            Err(_) => Err(net::Error::Timeout),
        }
    }

    /// The grant that `words` stand for, if the module has it.
    pub(super) fn require(&mut self, words: &str) -> Result<Grant, net::Error> {
        let need: Grant = words
            .parse()
            .map_err(|error: crate::ParseGrantError| net::Error::Unusable(error.to_string()))?;
        if self.permits(&need) {
            Ok(need)
        } else {
            Err(net::Error::Denied)
        }
    }

    /// Reads a file with certificates or a key, of which the module gets to see nothing.
    pub(super) async fn pem_file(
        &mut self,
        path: &str,
        deadline: Instant,
    ) -> Result<Vec<u8>, net::Error> {
        self.require(&format!("read:{path}"))?;
        let unusable =
            |error: io::Error| net::Error::Unusable(format!("{path} cannot be read: {error}"));
        timeout_at(deadline, read_file(path.into()))
            .await
            .map_err(|_| net::Error::Timeout)?
            .map_err(unusable)
    }
}

/// On a thread of its own, because a file may be on a network.
async fn read_file(path: PathBuf) -> io::Result<Vec<u8>> {
    spawn_blocking(move || read_regular_file(&path))
        .await
        .map_err(io::Error::other)?
}

fn read_regular_file(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for somebody to write into it.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut content = Vec::new();
    File::open(path)?
        .take(PEM_MAX + 1)
        .read_to_end(&mut content)?;
    if u64::try_from(content.len()).is_ok_and(|length| length > PEM_MAX) {
        return Err(io::Error::other(format!(
            "it has more than {PEM_MAX} bytes"
        )));
    }
    Ok(content)
}
