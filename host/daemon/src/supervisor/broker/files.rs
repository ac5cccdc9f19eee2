//! Files, read on a thread that may hang with its disk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::warn;
use vrrp_linux::files::{self, FileError};
use vrrp_sandbox::Grant;

use super::Broker;
use crate::ipc::{Asker, BrokerAnswer, BrokerError, BrokerReply};

/// Largest file, bytes; what a host trusts has some 200 KiB.
const FILE_MAX: u32 = 1024 * 1024;

impl Broker {
    pub(super) async fn read_file(
        &self,
        asker: Asker,
        path: PathBuf,
        max: u32,
        timeout: Duration,
    ) -> BrokerAnswer {
        let max = usize::try_from(max.min(FILE_MAX)).unwrap_or(usize::MAX);
        let read = self.look_at(asker, path, timeout, move |path, granted| {
            files::read(path, granted, max)
        });
        match read.await {
            Ok(bytes) => BrokerAnswer {
                reply: BrokerReply::File(Ok(())),
                bytes,
            },
            Err(error) => BrokerReply::File(Err(error)).into(),
        }
    }

    pub(super) async fn file_modified(
        &self,
        asker: Asker,
        path: PathBuf,
        timeout: Duration,
    ) -> BrokerAnswer {
        let modified = self.look_at(asker, path, timeout, files::modified_unix_ms);
        BrokerReply::Modified(modified.await).into()
    }

    /// `look` is given the path, and the grant that covers it.
    async fn look_at<T, Look>(
        &self,
        asker: Asker,
        path: PathBuf,
        timeout: Duration,
        look: Look,
    ) -> Result<T, BrokerError>
    where
        T: Send + 'static,
        Look: FnOnce(&Path, &Path) -> Result<T, FileError> + Send + 'static,
    {
        let needed = Grant::Read(path.clone());
        let Grant::Read(granted) = self.check(asker, &needed)?.clone() else {
            return Err(BrokerError::Denied(needed.to_string()));
        };
        let looked = self.reading.run(asker, timeout, move |answer| {
            let looked = look(&path, &granted);
            // Nobody waits any more when it has hung.
            let _ = answer.send(looked);
        });
        looked.await?.map_err(|error| match error {
            FileError::Outside => {
                warn!(?asker, %needed, "denied: {error}");
                BrokerError::Denied(needed.to_string())
            }
            FileError::NotFound => BrokerError::NotFound,
            FileError::TooLarge { .. } => BrokerError::TooLarge,
            FileError::NotRegular(_) | FileError::Io(_) => BrokerError::Io(error.to_string()),
        })
    }
}
