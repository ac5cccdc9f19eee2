use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::command::{command, run};
use crate::error::IoContext;
use crate::owner::unique_name;
use crate::sweep::unmount_below;

/// Where the laboratory keeps its files while it works.
pub(crate) const LAB_FOLDER: &str = "/run/vrrp-lab";

/// A folder in memory, gone when dropped.
///
/// It is a file system of its own, so that removing it is one unmount and never a walk that could stray into a mount.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(crate) fn new(label: &str) -> Result<Self> {
        let path = Path::new(LAB_FOLDER).join(unique_name(label));
        fs::create_dir_all(&path).context(|| format!("cannot create {}", path.display()))?;
        let folder = Self { path };
        run(command("mount")
            .args(["-t", "tmpfs", "-o", "mode=755", "vrrp-lab"])
            .arg(&folder.path))?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        unmount_below(&self.path);
    }
}
