//! `systemd-control`: jobs on a unit, run by the broker.

use tokio::time::{Instant, timeout_at};
use wasmtime::component::HasSelf;

use super::Capability;
use crate::bindings::imports::{systemd, systemd_control};
use crate::grant::{Grant, GrantClass, unit_name};
use crate::host::Action;
use crate::store::Call;

pub(super) const CAPABILITY: Capability = Capability {
    interface: "systemd-control",
    granted_by: &[GrantClass::UnitControl],
    link: |linker| systemd_control::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
};

impl systemd_control::Host for Call {
    async fn run(
        &mut self,
        name: String,
        action: Action,
        timeout_ms: u32,
    ) -> wasmtime::Result<Result<(), systemd::Error>> {
        let unit = unit_name(&name);
        let need = Grant::UnitControl {
            unit: unit.clone(),
            actions: vec![action],
        };
        if !self.permits(&need) {
            return Ok(Err(systemd::Error::Denied));
        }
        let deadline = self.call_deadline(timeout_ms);
        let timeout = deadline.saturating_duration_since(Instant::now());
        let host = self.shared.host.clone();
        let answer = timeout_at(deadline, host.broker().systemd_job(&unit, action, timeout)).await;
        Ok(answer.unwrap_or(Err(systemd::Error::Timeout)))
    }
}

impl Action {
    /// The word that systemctl and a grant use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::TryRestart => "try-restart",
        }
    }

    /// The opposite of [`Action::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::Start,
            Self::Stop,
            Self::Restart,
            Self::Reload,
            Self::TryRestart,
        ]
        .into_iter()
        .find(|action| action.word() == word)
    }
}
