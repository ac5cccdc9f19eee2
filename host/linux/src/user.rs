//! Users by name.

use std::ffi::CString;
use std::io;

use rustix::process::{Gid, Uid, geteuid, getgid};

use crate::rights::{self, Identity};

/// Whether this process is root's.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Whom a command runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: String,
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl User {
    /// The user of this name with all its groups, as a login would have them; `None` when there is none.
    ///
    /// It asks whatever the host asks for its users, which may be a server elsewhere.
    ///
    /// # Errors
    /// When that cannot be asked.
    pub fn named(name: &str) -> io::Result<Option<Self>> {
        let Some(user) = nix::unistd::User::from_name(name)? else {
            return Ok(None);
        };
        let c_name = CString::new(name)?;
        let groups = nix::unistd::getgrouplist(&c_name, user.gid)?;
        Ok(Some(Self {
            name: user.name,
            uid: Uid::from_raw(user.uid.as_raw()),
            gid: Gid::from_raw(user.gid.as_raw()),
            groups: groups
                .into_iter()
                .map(|group| Gid::from_raw(group.as_raw()))
                .collect(),
        }))
    }

    /// Who has no rights: `nobody`, or without root the user of this process, who can become nobody else.
    pub fn unprivileged() -> Self {
        let (uid, gid) = if geteuid().is_root() {
            let Identity { uid, gid } = Identity::NOBODY;
            (Uid::from_raw(uid), Gid::from_raw(gid))
        } else {
            (geteuid(), getgid())
        };
        Self {
            name: format!("with the number {}", uid.as_raw()),
            uid,
            gid,
            groups: Vec::new(),
        }
    }

    /// What to call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its numbers, without its other groups.
    pub fn identity(&self) -> Identity {
        Identity {
            uid: self.uid.as_raw(),
            gid: self.gid.as_raw(),
        }
    }

    /// Whether it may do everything.
    pub fn is_root(&self) -> bool {
        self.uid.is_root()
    }

    /// Whether this process can start something as this user.
    pub fn can_be_assumed(&self) -> bool {
        geteuid().is_root() || self.uid == geteuid()
    }

    /// Whether files of `uid` are in its own hands, in those of root, or in those of this process.
    pub(crate) fn trusts(&self, uid: u32) -> bool {
        [Uid::ROOT, self.uid, geteuid()]
            .iter()
            .any(|trusted| trusted.as_raw() == uid)
    }

    /// Whether the members of the group `gid` are no others.
    pub(crate) fn trusts_group(&self, gid: u32) -> bool {
        gid == 0 || gid == self.gid.as_raw()
    }

    /// The calling thread becomes this user for good; unless it is root, without any capability, and no program
    /// gives it more. It only makes system calls.
    pub(crate) fn assume(&self) -> io::Result<()> {
        if self.is_root() {
            return Ok(());
        }
        rights::become_unprivileged(self.uid, self.gid, &self.groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name() {
        let root = User::named("root").unwrap().unwrap();
        assert!(root.is_root());
        assert_eq!(root.name(), "root");
        let daemon = User::named("daemon").unwrap().unwrap();
        assert!(!daemon.is_root());
        assert!(daemon.groups.contains(&daemon.gid));
        assert_eq!(User::named("no-such-user-here").unwrap(), None);
    }
}
