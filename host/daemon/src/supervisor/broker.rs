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
use vrrp_sandbox::Grant;

use crate::exit::chain;
use crate::ipc::{Asker, BrokerError, BrokerReply, BrokerRequest, UnitAction, UnitInfo};

/// Does privileged acts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Broker {
    /// What each check and hook may ask for, by number.
    checks: Arc<Vec<Vec<Grant>>>,
    hooks: Arc<Vec<Vec<Grant>>>,
    /// The connection to the system bus, made when first needed: a host without systemd is fine
    /// as long as nothing asks for it.
    systemd: Arc<Mutex<Option<Arc<Systemd>>>>,
}

impl Broker {
    /// `checks` and `hooks` are in the words of `allow`, by number.
    pub(crate) fn new(checks: &[Vec<String>], hooks: &[Vec<String>]) -> Self {
        Self {
            checks: Arc::new(parse(checks)),
            hooks: Arc::new(parse(hooks)),
            systemd: Arc::default(),
        }
    }

    /// Does `act`, if the grants of `asker` allow it.
    pub(crate) async fn perform(&self, asker: Asker, act: BrokerRequest) -> BrokerReply {
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
