//! Groups by name, and giving a file to one.

use std::io;
use std::path::Path;

use rustix::fs::chown;
use rustix::process::{Gid, getegid, getgid};
use rustix::thread::set_thread_res_gid;

/// A group of this host's users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    name: String,
    gid: Gid,
}

impl Group {
    /// The group of this name; `None` when there is none.
    ///
    /// It asks whatever the host asks for its groups, which may be a server elsewhere.
    ///
    /// # Errors
    /// When that cannot be asked.
    pub fn named(name: &str) -> io::Result<Option<Self>> {
        let group = nix::unistd::Group::from_name(name)?;
        Ok(group.map(|group| Self {
            name: group.name,
            gid: Gid::from_raw(group.gid.as_raw()),
        }))
    }

    /// What to call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes it the group of a file that this process owns.
    ///
    /// Root needs no CAP_CHOWN for that, only CAP_SETGID: an owner may give its file to a group that it is in.
    ///
    /// # Errors
    /// When this process is not the owner, or may not be in the group.
    pub fn take(&self, path: &Path) -> io::Result<()> {
        if chown(path, None, Some(self.gid)).is_ok() {
            return Ok(());
        }
        let (real, effective) = (getgid(), getegid());
        set_thread_res_gid(real, self.gid, effective)?;
        let taken = chown(path, None, Some(self.gid));
        set_thread_res_gid(real, effective, effective)?;
        Ok(taken?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn groups_are_found_by_name() {
        let daemon = Group::named("daemon").unwrap().unwrap();
        assert_eq!(daemon.name(), "daemon");
        assert_eq!(Group::named("no-such-group-here").unwrap(), None);
    }

    #[test]
    fn a_group_takes_a_file_of_its_own_process() {
        let own = Group {
            name: "own".to_owned(),
            gid: getegid(),
        };
        let folder = std::env::temp_dir().join(format!("group-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        own.take(&folder).unwrap();
        assert_eq!(std::fs::metadata(&folder).unwrap().gid(), own.gid.as_raw());
        std::fs::remove_dir(&folder).unwrap();
        assert!(own.take(&folder).is_err());
        assert_eq!(getegid(), own.gid);
    }
}
