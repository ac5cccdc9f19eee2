//! A disk that hangs when it is told to.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::path::utf8;

const SIZE: &str = "128M";

/// A file system of its own, whose writers can be made to wait. Dropping it lets them go on, and takes it away.
#[derive(Debug)]
pub struct HangingDisk {
    mounted: PathBuf,
    hangs: bool,
    _folder: TempDir,
}

impl HangingDisk {
    /// A disk that works so far.
    ///
    /// # Panics
    ///
    /// Without root, or when the kernel has no loop devices or no ext4.
    #[must_use]
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("disk-").expect("a temporary folder can be made");
        let (image, mounted) = (folder.path().join("image"), folder.path().join("mounted"));
        std::fs::create_dir(&mounted).expect("a folder can be made");
        run(&["truncate", "--size", SIZE, utf8(&image)]);
        run(&["mkfs.ext4", "-q", utf8(&image)]);
        run(&["mount", "-o", "loop", utf8(&image), utf8(&mounted)]);
        Self {
            mounted,
            hangs: false,
            _folder: folder,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.mounted
    }

    /// Has everybody wait who writes, until [`HangingDisk::go_on`].
    ///
    /// # Panics
    ///
    /// When it hangs already.
    pub fn hang(&mut self) {
        run(&["fsfreeze", "--freeze", utf8(&self.mounted)]);
        self.hangs = true;
    }

    /// Ends what [`HangingDisk::hang`] began.
    ///
    /// # Panics
    ///
    /// When it does not hang.
    pub fn go_on(&mut self) {
        run(&["fsfreeze", "--unfreeze", utf8(&self.mounted)]);
        self.hangs = false;
    }
}

impl Default for HangingDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for HangingDisk {
    fn drop(&mut self) {
        if self.hangs {
            self.go_on();
        }
        run(&["umount", "--lazy", utf8(&self.mounted)]);
    }
}

fn run(argv: &[&str]) {
    let status = Command::new(argv[0])
        .args(&argv[1..])
        .status()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", argv[0]));
    assert!(status.success(), "{argv:?} ended with {status}");
}
