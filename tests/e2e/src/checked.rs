//! A process for a check to look at.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use lab::{Netns, Process};
use tempfile::TempDir;

use crate::path::utf8;

/// A process under a name that no other process on this machine has. Dropping it kills it.
#[derive(Debug)]
pub struct Checked {
    /// What the kernel calls it.
    pub name: String,
    pub process: Process,
    folder: TempDir,
}

impl Checked {
    /// Starts it on a host.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start(host: &Netns) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        // At most 15 bytes, or the kernel cuts the name.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("up{}-{number}", std::process::id());
        let folder = TempDir::with_prefix("checked-").expect("a temporary folder can be made");
        let program = folder.path().join(&name);
        fs::copy("/bin/sleep", &program).expect("a program can be copied");
        Self {
            process: spawn(host, &program),
            name,
            folder,
        }
    }

    /// Starts it again, after it has ended, under the same name.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn start_again(&mut self, host: &Netns) {
        self.process = spawn(host, &self.folder.path().join(&self.name));
    }

    /// The keys that make the instance of [`crate::stage::cluster`] track it on the node `node`, FAULT when it is gone.
    #[must_use]
    pub fn track(&self, node: &str) -> String {
        format!(
            "track = [{{ check = \"up\", nodes = [\"{node}\"] }}]\n\
             [checks.up]\n\
             module = \"process\"\n\
             interval = \"500ms\"\n\
             config = {{ name = \"{}\" }}\n",
            self.name
        )
    }
}

fn spawn(host: &Netns, program: &Path) -> Process {
    host.spawn(&[utf8(program), "3600"])
        .expect("a program can be started")
}
