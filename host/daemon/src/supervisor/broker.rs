//! The broker: the few privileged acts that a grant allows, done here because the worker has no rights.
//!
//! What a check or hook may ask for was fixed when its module was loaded, before anything ran.
//! The broker holds every request against it again: a worker that was taken over gets no further
//! than the grants of the file.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tracing::warn;
use vrrp_linux::systemd::{Action, JobError, Systemd, SystemdError};
use vrrp_sandbox::{Grant, Trigger};

use crate::exit::chain;
use crate::ipc::{Asker, BrokerError, BrokerReply, BrokerRequest, UnitAction, UnitInfo};

/// Does privileged acts.
#[derive(Clone, Debug, Default)]
pub(super) struct Broker {
    /// What each check and hook may ask for, by number.
    checks: Arc<Vec<Vec<Grant>>>,
    hooks: Arc<Vec<Vec<Grant>>>,
    /// The connection to the system bus, made when first needed: a host without systemd is fine
    /// as long as nothing asks for it.
    systemd: Arc<Mutex<Option<Arc<Systemd>>>>,
}

impl Broker {
    /// `checks` and `hooks` are in the words of `allow`, by number.
    pub(super) fn new(checks: &[Vec<String>], hooks: &[Vec<String>]) -> Self {
        Self {
            checks: Arc::new(parse(checks)),
            hooks: Arc::new(parse(hooks)),
            systemd: Arc::default(),
        }
    }

    /// Does `act`, if the grants of `asker` allow it.
    pub(super) async fn perform(&self, asker: Asker, act: BrokerRequest) -> BrokerReply {
        match act {
            BrokerRequest::Unit { name } => {
                let needed = Grant::Unit(name.clone());
                BrokerReply::Unit(match self.check(asker, &needed) {
                    Ok(()) => self.unit(&name).await,
                    Err(denied) => Err(denied),
                })
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
                    Ok(()) => self.job(&unit, action, timeout).await,
                    Err(denied) => Err(denied),
                })
            }
        }
    }

    /// The grant that `trigger` takes, if `asker` has one that covers it.
    pub(super) fn may_watch(&self, asker: Asker, trigger: &Trigger) -> Option<Grant> {
        // A module with anything else was not loaded.
        let needed = Grant::to_watch(trigger).ok()?;
        self.check(asker, &needed).is_ok().then_some(needed)
    }

    fn check(&self, asker: Asker, needed: &Grant) -> Result<(), BrokerError> {
        let (grants, index) = match asker {
            Asker::Check(index) => (&self.checks, index),
            Asker::Hook(index) => (&self.hooks, index),
        };
        let granted = usize::try_from(index)
            .ok()
            .and_then(|index| grants.get(index))
            .is_some_and(|grants| grants.iter().any(|grant| grant.covers(needed)));
        if granted {
            return Ok(());
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
        let broker = Broker::new(&checks, &hooks);
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
