//! `files`: regular files, read by the broker.

use std::path::PathBuf;

use tokio::time::{Instant, timeout_at};
use wasmtime::component::HasSelf;

use super::Capability;
use crate::bindings::imports::files;
use crate::grant::{Grant, GrantClass};
use crate::store::Call;

pub(super) const CAPABILITY: Capability = Capability {
    interface: "files",
    granted_by: &[GrantClass::Read],
    link: |linker| files::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
};

/// Bytes of a path, `PATH_MAX` of the kernel.
const PATH_LENGTH_MAX: usize = 4096;

impl files::Host for Call {
    async fn read(
        &mut self,
        path: String,
        max: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, files::Error>> {
        let deadline = self.call_deadline(u32::MAX);
        Ok(self.read_file(&path, max, deadline).await)
    }

    async fn modified_unix_ms(
        &mut self,
        path: String,
    ) -> wasmtime::Result<Result<u64, files::Error>> {
        let path = match self.readable(&path) {
            Ok(path) => path,
            Err(error) => return Ok(Err(error)),
        };
        let deadline = self.call_deadline(u32::MAX);
        let timeout = deadline.saturating_duration_since(Instant::now());
        let host = self.shared.host.clone();
        let answer = timeout_at(deadline, host.broker().file_modified(&path, timeout)).await;
        Ok(answer.unwrap_or(Err(files::Error::Timeout)))
    }
}

impl Call {
    /// The content of a file that the module may read; also for capabilities that are told the names of files.
    pub(crate) async fn read_file(
        &mut self,
        path: &str,
        max: u32,
        deadline: Instant,
    ) -> Result<Vec<u8>, files::Error> {
        let path = self.readable(path)?;
        let timeout = deadline.saturating_duration_since(Instant::now());
        let host = self.shared.host.clone();
        timeout_at(deadline, host.broker().read_file(&path, max, timeout))
            .await
            .unwrap_or(Err(files::Error::Timeout))
    }

    /// The path, if a grant covers it.
    fn readable(&mut self, path: &str) -> Result<PathBuf, files::Error> {
        if path.len() >= PATH_LENGTH_MAX {
            return Err(files::Error::Io("the path is too long".to_owned()));
        }
        // The same rules as for a grant: absolute, and without `..`, which would lead out of a granted folder.
        match format!("read:{path}").parse() {
            Ok(need @ Grant::Read(_)) => {
                if self.permits(&need) {
                    Ok(path.into())
                } else {
                    Err(files::Error::Denied)
                }
            }
            Ok(_) => Err(files::Error::Denied),
            Err(error) => {
                self.deny(&error.to_string(), None);
                Err(files::Error::Denied)
            }
        }
    }
}
