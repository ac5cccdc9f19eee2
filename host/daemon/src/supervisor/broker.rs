//! The broker: the few privileged acts that a grant allows, done here because the worker has no rights.
//!
//! What a check or hook may ask for was fixed when its module was loaded, before anything ran.
//! The broker holds every request against it again: a worker that was taken over gets no further
//! than the grants of the file.

mod exec;
mod files;
mod threads;

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tracing::warn;
use vrrp_linux::systemd::{Action, JobError, Systemd, SystemdError};
use vrrp_linux::user::User;
use vrrp_sandbox::{Grant, Trigger};

use crate::exit::chain;
use crate::ipc::{
    Asker, BrokerAnswer, BrokerError, BrokerReply, BrokerRequest, Passed, UnitAction, UnitInfo,
    UnixSocketError,
};
use exec::Commands;
pub(super) use exec::{Users, user_of};
use threads::Threads;

/// Does privileged acts.
#[derive(Clone, Debug)]
pub(crate) struct Broker {
    /// What each check and hook may ask for, by number.
    checks: Arc<Vec<Vec<Grant>>>,
    hooks: Arc<Vec<Vec<Grant>>>,
    /// The connection to the system bus, made when first needed: a host without systemd is fine
    /// as long as nothing asks for it.
    systemd: Arc<Mutex<Option<Arc<Systemd>>>>,
    /// Where files are read.
    reading: Threads,
    commands: Commands,
    users: Arc<Users>,
}

/// The longest that anything is waited for, whatever a worker that was taken over asks for: the longest timeout of a hook.
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);
/// Threads that read files: more than these hang only when that many modules read from file servers that are gone.
const READING_MAX: usize = 16;
/// Of one check or hook.
const READING_EACH: usize = 2;

impl Broker {
    /// One that grants nothing.
    pub(crate) fn new() -> Self {
        Self {
            checks: Arc::default(),
            hooks: Arc::default(),
            systemd: Arc::default(),
            reading: Threads::new("files", READING_MAX, READING_EACH),
            commands: Commands::new(),
            users: Arc::default(),
        }
    }

    /// One that grants this, and runs commands as it does for whoever names no user.
    pub(crate) fn granting(checks: &[Vec<String>], hooks: &[Vec<String>]) -> Self {
        let nobody = |modules: &[Vec<String>]| vec![Ok(User::unprivileged()); modules.len()];
        let users = Users {
            checks: nobody(checks),
            hooks: nobody(hooks),
        };
        Self::new().with_grants(checks, hooks, users)
    }

    /// The same with other grants: `checks` and `hooks` are in the words of `allow`, by number, and so are `users`.
    pub(super) fn with_grants(
        &self,
        checks: &[Vec<String>],
        hooks: &[Vec<String>],
        users: Users,
    ) -> Self {
        Self {
            checks: Arc::new(parse(checks)),
            hooks: Arc::new(parse(hooks)),
            systemd: self.systemd.clone(),
            reading: self.reading.for_others(),
            commands: self.commands.for_others(),
            users: Arc::new(users),
        }
    }

    /// Does `act`, if the grants of `asker` allow it.
    pub(crate) async fn perform(&self, asker: Asker, act: BrokerRequest) -> BrokerAnswer {
        match act {
            BrokerRequest::Unit { name } => {
                let needed = Grant::Unit(name.clone());
                BrokerReply::Unit(match self.check(asker, &needed) {
                    Ok(_) => self.unit(&name).await,
                    Err(denied) => Err(denied),
                })
                .into()
            }
            BrokerRequest::Job {
                unit,
                action,
                timeout,
            } => {
                let needed = Grant::UnitControl {
                    unit: unit.clone(),
                    actions: vec![grant_action(action)],
                };
                BrokerReply::Job(match self.check(asker, &needed) {
                    Ok(_) => self.job(&unit, action, timeout).await,
                    Err(denied) => Err(denied),
                })
                .into()
            }
            BrokerRequest::ReadFile { path, max, timeout } => {
                let timeout = timeout.min(TIMEOUT_MAX);
                self.read_file(asker, path, max, timeout).await
            }
            BrokerRequest::FileModified { path, timeout } => {
                let timeout = timeout.min(TIMEOUT_MAX);
                self.file_modified(asker, path, timeout).await
            }
            BrokerRequest::RunCommand {
                command,
                arguments,
                timeout,
            } => {
                let timeout = timeout.min(TIMEOUT_MAX);
                self.run_command(asker, command, arguments, timeout).await
            }
            BrokerRequest::UnixSocket { path } => {
                let needed = Grant::UnixSocket(path.clone());
                BrokerReply::UnixSocket(match self.check(asker, &needed) {
                    Ok(_) => unix_socket(&path).await,
                    Err(_) => Err(UnixSocketError::Denied),
                })
                .into()
            }
        }
    }

    /// The grant that `trigger` takes, if `asker` has one that covers it.
    pub(super) fn may_watch(&self, asker: Asker, trigger: &Trigger) -> Option<Grant> {
        // A module with anything else was not loaded.
        let needed = Grant::to_watch(trigger).ok()?;
        self.check(asker, &needed).is_ok().then_some(needed)
    }

    fn grants_of(&self, asker: Asker) -> &[Grant] {
        let (grants, index) = match asker {
            Asker::Check(index) => (&self.checks, index),
            Asker::Hook(index) => (&self.hooks, index),
        };
        let index = usize::try_from(index).ok();
        index
            .and_then(|index| grants.get(index))
            .map_or(&[], Vec::as_slice)
    }

    /// The grant that covers what is needed.
    fn check(&self, asker: Asker, needed: &Grant) -> Result<&Grant, BrokerError> {
        let mut grants = self.grants_of(asker).iter();
        if let Some(grant) = grants.find(|grant| grant.covers(needed)) {
            return Ok(grant);
        }
        warn!(?asker, %needed, "denied: not granted");
        Err(BrokerError::Denied(needed.to_string()))
    }

    async fn unit(&self, name: &str) -> Result<UnitInfo, BrokerError> {
        let unit = self
            .connection()
            .await?
            .unit(name)
            .await
            .map_err(|error| unit_error(&error))?;
        Ok(UnitInfo {
            name: unit.name,
            active_state: unit.active_state,
            sub_state: unit.sub_state,
            main_pid: unit.main_pid,
            restarts: unit.restarts,
        })
    }

    async fn job(
        &self,
        unit: &str,
        action: UnitAction,
        timeout: Duration,
    ) -> Result<(), BrokerError> {
        let action = match action {
            UnitAction::Start => Action::Start,
            UnitAction::Stop => Action::Stop,
            UnitAction::Restart => Action::Restart,
            UnitAction::Reload => Action::Reload,
            UnitAction::TryRestart => Action::TryRestart,
        };
        let systemd = self.connection().await?;
        systemd
            .run_job(unit, action, timeout)
            .await
            .map_err(|error| match error {
                JobError::Systemd(error) => unit_error(&error),
                JobError::Timeout { .. } => BrokerError::Timeout,
                JobError::Failed { .. } | JobError::Lost => BrokerError::Bus(chain(&error)),
            })
    }

    /// Made when first needed; it mends itself when the bus is restarted.
    async fn connection(&self) -> Result<Arc<Systemd>, BrokerError> {
        let mut slot = self.systemd.lock().await;
        if let Some(systemd) = &*slot {
            return Ok(systemd.clone());
        }
        let systemd = Arc::new(
            Systemd::connect()
                .await
                .map_err(|error| unit_error(&error))?,
        );
        *slot = Some(systemd.clone());
        Ok(systemd)
    }
}

/// Connects with the supervisor's rights, because a service's socket is often closed to everybody but root and a group.
async fn unix_socket(path: &Path) -> Result<Passed, UnixSocketError> {
    let connected = UnixStream::connect(path).await;
    let socket = connected.and_then(UnixStream::into_std);
    socket
        .map(|socket| OwnedFd::from(socket).into())
        .map_err(|error| {
            if error.kind() == io::ErrorKind::ConnectionRefused {
                UnixSocketError::Refused
            } else if error.kind() == io::ErrorKind::PermissionDenied {
                UnixSocketError::Closed
            } else if error.kind() == io::ErrorKind::WouldBlock {
                // The kernel makes nobody wait here (unix(7)).
                UnixSocketError::Io("too many connections wait to be accepted".to_owned())
            } else {
                UnixSocketError::Io(error.to_string())
            }
        })
}

fn unit_error(error: &SystemdError) -> BrokerError {
    match error {
        SystemdError::NotFound(_) => BrokerError::NotFound,
        SystemdError::Timeout => BrokerError::Timeout,
        SystemdError::Denied(_) => BrokerError::Denied(chain(error)),
        SystemdError::Bus(_) => BrokerError::Bus(chain(error)),
    }
}

fn parse(words: &[Vec<String>]) -> Vec<Vec<Grant>> {
    words
        .iter()
        .map(|grants| {
            grants
                .iter()
                .filter_map(|grant| grant.parse().ok())
                .collect()
        })
        .collect()
}

fn grant_action(action: UnitAction) -> vrrp_sandbox::Action {
    match action {
        UnitAction::Start => vrrp_sandbox::Action::Start,
        UnitAction::Stop => vrrp_sandbox::Action::Stop,
        UnitAction::Restart => vrrp_sandbox::Action::Restart,
        UnitAction::Reload => vrrp_sandbox::Action::Reload,
        UnitAction::TryRestart => vrrp_sandbox::Action::TryRestart,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_check_may_see_is_watched_for_it() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let checks: [Vec<String>; 2] = [words(&["read:/run/app", "unit:a"]), words(&["link:eth0"])];
        let hooks: [Vec<String>; 1] = [words(&["unit:b:start"])];
        let broker = Broker::granting(&checks, &hooks);
        let may = |asker, trigger: &Trigger| broker.may_watch(asker, trigger);

        let path = |path: &str| Trigger::PathChanged(path.to_owned());
        let inside = path("/run/app/ready");
        assert_eq!(
            may(Asker::Check(0), &inside),
            Some(Grant::Read("/run/app/ready".into()))
        );
        for outside in ["/run/app2", "/run/app/../../etc/shadow", "run/app"] {
            assert_eq!(may(Asker::Check(0), &path(outside)), None, "{outside}");
        }
        for other in [Asker::Check(1), Asker::Check(2), Asker::Hook(0)] {
            assert_eq!(may(other, &inside), None, "{other:?}");
        }
        let unit = |unit: &str| Trigger::UnitChanged(unit.to_owned());
        let granted = Some(Grant::Unit("a.service".to_owned()));
        assert_eq!(may(Asker::Check(0), &unit("a")), granted);
        assert_eq!(may(Asker::Check(0), &unit("b")), None);
    }
}
