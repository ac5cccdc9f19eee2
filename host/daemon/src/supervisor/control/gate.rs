//! Who may ask what through the control socket: the owner of the daemon and root everything; the members of the read-only
//! group, if there is one, whatever changes nothing.
//!
//! The file's mode keeps everybody else out. What a client may do, who is in, follows from whom the kernel says it is
//! (SO_PEERCRED).

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::geteuid;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use vrrp_linux::group::Group;

use super::{InstanceCommand, Request};
use crate::exit::Failure;

/// Members of the read-only group that are served at once, so that they cannot take what the owner needs.
const READERS_MAX: usize = 32;

/// Who is let in. A clone is the same gate.
#[derive(Clone, Debug)]
pub(in crate::supervisor) struct Gate {
    path: PathBuf,
    readers: watch::Sender<Option<Group>>,
    places: Arc<Semaphore>,
}

/// A client that is let in.
#[derive(Debug)]
pub(super) enum Client {
    /// It may do everything.
    Owner,
    /// It may look, and has one of the places for those.
    Reader { _place: OwnedSemaphorePermit },
}

impl Gate {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            readers: watch::Sender::new(None),
            places: Arc::new(Semaphore::new(READERS_MAX)),
        }
    }

    /// The members of `readers`, and of no other group, may look from now on.
    ///
    /// # Errors
    /// When the daemon may not give its socket to that group; everything stays as it was then.
    pub(in crate::supervisor) fn admit(&self, readers: Option<Group>) -> Result<(), Failure> {
        if *self.readers.borrow() == readers {
            return Ok(());
        }
        let (given, mode) = match &readers {
            Some(group) => (group.take(&self.path), 0o660),
            None => (Ok(()), 0o600),
        };
        given
            .and_then(|()| fs::set_permissions(&self.path, Permissions::from_mode(mode)))
            .map_err(|error| {
                let name = readers.as_ref().map_or("nobody", Group::name);
                Failure::rights(format!(
                    "the control socket cannot be given to the group {name}: {error}; \
                     run vrrp-host as root, or as a member of that group"
                ))
            })?;
        self.readers.send_replace(readers);
        Ok(())
    }

    /// Lets a client in that is `uid`.
    ///
    /// # Errors
    /// With what to tell it.
    pub(super) fn enter(&self, uid: u32) -> Result<Client, String> {
        if uid == 0 || uid == geteuid().as_raw() {
            return Ok(Client::Owner);
        }
        if self.readers.borrow().is_none() {
            return Err(
                "only root may ask; `[control] read-only-group` in cluster.toml lets others look"
                    .to_owned(),
            );
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        place
            .map(|place| Client::Reader { _place: place })
            .map_err(|_| {
                format!("{READERS_MAX} others look already; try again when one of them is done")
            })
    }

    /// Resolves when those who may look are others than now.
    pub(super) async fn changed(&self) {
        let mut readers = self.readers.subscribe();
        // The gate itself keeps the sender.
        let _ = readers.changed().await;
    }

    /// Whether a client may ask that.
    ///
    /// # Errors
    /// With what to tell it.
    pub(super) fn permits(&self, client: &Client, request: &Request) -> Result<(), String> {
        let act = match request {
            Request::Status | Request::Events { .. } => return Ok(()),
            Request::Reload => "reload",
            Request::Command { command, .. } => match command {
                InstanceCommand::Drain { .. } => "drain",
                InstanceCommand::Undrain => "undrain",
                InstanceCommand::Release => "release",
            },
            Request::RunCheck { .. } => "check run",
            Request::LogLevel { .. } => "log-level",
        };
        match client {
            Client::Owner => Ok(()),
            Client::Reader { .. } => {
                let readers = self.readers.borrow();
                let group = readers.as_ref().map_or("the group", Group::name);
                Err(format!(
                    "`{act}` is for root: members of {group} may look (status, events, explain), not act"
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::Level;

    /// Somebody who is neither root nor the owner of this process.
    fn somebody() -> u32 {
        geteuid().as_raw() + 4_711
    }

    fn gate(folder: &tempfile::TempDir) -> Gate {
        let path = folder.path().join("control.sock");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        Gate::new(&path)
    }

    fn own_group() -> Group {
        // Whoever runs the tests is in the group of its temporary files.
        let gid = nix::unistd::getegid();
        let group = nix::unistd::Group::from_gid(gid).unwrap().unwrap();
        Group::named(&group.name).unwrap().unwrap()
    }

    fn mode(gate: &Gate) -> u32 {
        fs::metadata(&gate.path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_the_owner_is_let_in_unless_a_group_may_look() {
        let folder = tempfile::tempdir().unwrap();
        let gate = gate(&folder);
        assert!(matches!(gate.enter(0), Ok(Client::Owner)));
        assert!(matches!(gate.enter(geteuid().as_raw()), Ok(Client::Owner)));
        let refused = gate.enter(somebody()).unwrap_err();
        assert!(refused.contains("read-only-group"), "{refused}");

        gate.admit(Some(own_group())).unwrap();
        assert_eq!(mode(&gate), 0o660);
        let reader = gate.enter(somebody()).unwrap();
        assert!(matches!(reader, Client::Reader { .. }));

        gate.admit(None).unwrap();
        assert_eq!(mode(&gate), 0o600);
        assert!(gate.enter(somebody()).is_err());
    }

    #[test]
    fn who_may_look_may_not_act_and_is_told_who_may() {
        let folder = tempfile::tempdir().unwrap();
        let gate = gate(&folder);
        let group = own_group();
        gate.admit(Some(group.clone())).unwrap();
        let reader = gate.enter(somebody()).unwrap();
        let drain = |persist| Request::Command {
            names: Vec::new(),
            command: InstanceCommand::Drain { persist },
        };
        let look = [
            Request::Status,
            Request::Events {
                last: 1,
                follow: true,
            },
        ];
        let check = "web".to_owned();
        let level = Level::Debug;
        let acts = [
            Request::Reload,
            drain(false),
            drain(true),
            Request::RunCheck { check },
            Request::LogLevel { level },
        ];
        for request in &look {
            assert_eq!(gate.permits(&reader, request), Ok(()), "{request:?}");
        }
        for request in &acts {
            assert_eq!(gate.permits(&Client::Owner, request), Ok(()));
            let refused = gate.permits(&reader, request).unwrap_err();
            assert!(refused.contains("is for root"), "{refused}");
            assert!(refused.contains(group.name()), "{refused}");
        }
    }

    #[test]
    fn readers_leave_room_for_the_owner() {
        let folder = tempfile::tempdir().unwrap();
        let gate = gate(&folder);
        gate.admit(Some(own_group())).unwrap();
        let mut readers: Vec<_> = (0..READERS_MAX)
            .map(|_| gate.enter(somebody()).unwrap())
            .collect();
        assert!(gate.enter(somebody()).is_err());
        assert!(gate.enter(0).is_ok());
        readers.pop();
        assert!(gate.enter(somebody()).is_ok());
    }
}
