//! Standard output and error of a module: its lines go to its log.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::host::{Level, LogSource};
use crate::log::{MESSAGE_MAX, ModuleLog};

/// Bytes that a module may write at once; wasmtime allocates that much for `write-zeroes`.
const WRITE_MAX: usize = 4096;

/// One of the two standard streams. All its handles share one line buffer, as the guest's libc expects.
#[derive(Clone)]
pub(crate) struct LoggedStream(Arc<Lines>);

struct Lines {
    log: Arc<ModuleLog>,
    source: LogSource,
    level: Level,
    unfinished: Mutex<Vec<u8>>,
}

impl LoggedStream {
    pub(crate) fn stdout(log: Arc<ModuleLog>) -> Self {
        Self::new(log, LogSource::Stdout, Level::Info)
    }

    pub(crate) fn stderr(log: Arc<ModuleLog>) -> Self {
        Self::new(log, LogSource::Stderr, Level::Warn)
    }

    fn new(log: Arc<ModuleLog>, source: LogSource, level: Level) -> Self {
        Self(Arc::new(Lines {
            log,
            source,
            level,
            unfinished: Mutex::default(),
        }))
    }
}

impl Lines {
    fn push(&self, bytes: &[u8]) {
        let mut unfinished = self
            .unfinished
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            unfinished.extend_from_slice(piece);
            if piece.ends_with(b"\n") || unfinished.len() >= MESSAGE_MAX {
                self.emit(&std::mem::take(&mut *unfinished));
            }
        }
    }

    fn emit(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        if !line.is_empty() {
            self.log.write(self.source, self.level, line, &[]);
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let rest = std::mem::take(
            self.unfinished
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner),
        );
        self.emit(&rest);
    }
}

impl IsTerminal for LoggedStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LoggedStream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    /// Only WASI 0.3 asks for this one, and that is not linked.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }
}

#[async_trait]
impl Pollable for LoggedStream {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for LoggedStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_MAX)
    }
}
