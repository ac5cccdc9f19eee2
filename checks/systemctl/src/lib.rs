//! Built in as `systemctl`: does to a unit what the command of that name does.

use vrrp_sdk::prelude::*;

/// Starts, stops, restarts or reloads a systemd unit and waits for the result.
///
/// ```toml
/// action = "start"
/// unit = "nginx.service"
/// ```
#[vrrp_sdk::hook]
#[derive(Debug, PartialEq, Eq)]
pub struct Systemctl {
    /// What to do.
    action: Action,
    /// The unit, such as "nginx.service"; without a suffix it is a service.
    unit: systemd::UnitName,
    /// How long to wait for the result; the job itself goes on. Keep it under the hook's timeout.
    #[serde(default = "default_timeout")]
    timeout: TimeSpan,
}

/// Under the 30 s that a hook has by default.
fn default_timeout() -> TimeSpan {
    TimeSpan::from_millis(25_000)
}

#[vrrp_sdk::config]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Start,
    Stop,
    Restart,
    Reload,
    /// Restart if it is running.
    TryRestart,
}

impl From<Action> for systemd::Action {
    fn from(action: Action) -> Self {
        match action {
            Action::Start => Self::Start,
            Action::Stop => Self::Stop,
            Action::Restart => Self::Restart,
            Action::Reload => Self::Reload,
            Action::TryRestart => Self::TryRestart,
        }
    }
}

impl Hook for Systemctl {
    fn plan(&self) -> Plan {
        Plan::new().needs(Need::control(self.unit.as_str(), &[self.action.into()]))
    }

    fn validate(&self, errors: &mut ConfigErrors) {
        if self.timeout < TimeSpan::from_millis(1) {
            errors.at(["timeout"], "no time at all: write \"25s\"");
        }
    }

    fn notify(&self, _: &Transition) -> Result<(), HookError> {
        systemd::control(self.unit.as_str(), self.action.into(), self.timeout.into())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use vrrp_sdk::{ConfigError, mock};

    use super::*;

    const START: &str = r#"{ "action": "start", "unit": "node_exporter" }"#;
    const UNIT: &str = "node_exporter.service";

    fn configure(json: &str) -> Systemctl {
        mock::configure(json).unwrap()
    }

    fn notify(host: &mock::Host, hook: &Systemctl) -> Result<(), HookError> {
        let transition = mock::transition(VrrpState::Backup, VrrpState::Master);
        host.enter(|| hook.notify(&transition))
    }

    #[test]
    fn it_runs_the_job_on_the_unit() {
        for (word, action) in [
            ("start", systemd::Action::Start),
            ("stop", systemd::Action::Stop),
            ("restart", systemd::Action::Restart),
            ("reload", systemd::Action::Reload),
            ("try-restart", systemd::Action::TryRestart),
        ] {
            let hook = configure(&START.replace("start", word));
            let host = mock::Host::new().unit(mock::unit(UNIT, "inactive"));
            assert_eq!(notify(&host, &hook), Ok(()));
            assert_eq!(host.jobs(), [(UNIT.to_owned(), action)]);
            assert_eq!(hook.plan().needs, [format!("unit:{UNIT}:{word}")]);
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let hook = configure(START);
        let unit = || UNIT.to_owned();
        let failing = |error| {
            let host = mock::Host::new().unit(mock::unit(UNIT, "inactive"));
            notify(&host.job_fails(UNIT, systemd::Action::Start, error), &hook)
        };
        let message = "start job: failed".to_owned();
        assert_eq!(
            failing(systemd::Error::Bus {
                unit: unit(),
                message
            }),
            Err(HookError::Retry(
                "node_exporter.service: start job: failed".to_owned()
            ))
        );
        assert_eq!(
            failing(systemd::Error::Timeout { unit: unit() }),
            Err(HookError::Retry(
                "no result from systemd in time for node_exporter.service".to_owned()
            ))
        );
        assert_eq!(
            notify(&mock::Host::new(), &hook),
            Err(HookError::Permanent(
                "systemd knows no unit node_exporter.service".to_owned()
            ))
        );
        let denied = mock::Host::new().denies(Need::control(UNIT, &[systemd::Action::Start]));
        assert_eq!(
            notify(&denied, &hook),
            Err(HookError::Permanent(
                "not granted: unit:node_exporter.service:start".to_owned()
            ))
        );
    }

    #[test]
    fn config_errors_point_at_the_key() {
        let errors =
            mock::configure::<Systemctl>(r#"{ "action": "sart", "unit": "a b", "timeout": 5 }"#);
        let error = |pointer: &str, message: &str| ConfigError {
            pointer: pointer.to_owned(),
            message: message.to_owned(),
        };
        assert_eq!(
            errors,
            Err(vec![
                error("/action", "unknown value \"sart\"; did you mean \"start\"?"),
                error(
                    "/timeout",
                    "write a duration such as \"250ms\" or \"2s\", not integer 5"
                ),
                error("/unit", "not the name of a unit: ' ' is not allowed in it"),
            ])
        );
        let errors = mock::configure::<Systemctl>(&START.replace('}', r#", "timeout": "0s" }"#));
        assert_eq!(
            errors,
            Err(vec![error("/timeout", "no time at all: write \"25s\"")])
        );
    }
}
