//! Built in as `unit`: the state of a systemd unit.

use vrrp_sdk::prelude::*;

/// A systemd unit is active.
///
/// ```toml
/// unit = "nginx.service"
/// ```
#[vrrp_sdk::check]
#[derive(Debug, PartialEq, Eq)]
pub struct Unit {
    /// The unit, such as "nginx.service"; without a suffix it is a service.
    unit: systemd::UnitName,
    /// The states that pass. A unit that is on its way to "active", or reloads, then passes with a warning.
    #[serde(default = "active")]
    states: Vec<State>,
}

/// A state of systemd(1).
#[vrrp_sdk::config]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Active,
    Reloading,
    Inactive,
    Failed,
    Activating,
    Deactivating,
}

fn active() -> Vec<State> {
    vec![State::Active]
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Reloading => "reloading",
            Self::Inactive => "inactive",
            Self::Failed => "failed",
            Self::Activating => "activating",
            Self::Deactivating => "deactivating",
        }
    }
}

impl Check for Unit {
    fn plan(&self) -> Plan {
        let unit = self.unit.as_str();
        Plan::new().needs(Need::unit(unit)).on_unit_changed(unit)
    }

    fn validate(&self, errors: &mut ConfigErrors) {
        if self.states.is_empty() {
            errors.at(["states"], "no state would pass: write [\"active\"]");
        }
    }

    fn run(&self, _: &RunContext) -> Result<Observation, CheckError> {
        let seen = systemd::unit(self.unit.as_str())?;
        let summary = format!(
            "{} is {} ({})",
            self.unit, seen.active_state, seen.sub_state
        );
        let expected = self
            .states
            .iter()
            .any(|state| state.word() == seen.active_state);
        let observation = if expected {
            Observation::passing(summary)
        } else if self.states.contains(&State::Active) && is_underway(&seen) {
            Observation::warning(summary)
        } else {
            let words: Vec<_> = self.states.iter().map(|state| state.word()).collect();
            Observation::failing(format!("{summary}, expected {}", words.join(" or ")))
        };
        Ok(observation
            .fact("state", &seen.active_state)
            .fact("sub-state", &seen.sub_state)
            .fact("main-pid", seen.main_pid)
            .fact("restarts", seen.restarts))
    }
}

/// Works already, or will soon. A service that waits to be restarted after a crash is `activating`, too, and a crash
/// loop consists of nothing else.
fn is_underway(unit: &systemd::Unit) -> bool {
    match unit.active_state.as_str() {
        "reloading" => true,
        "activating" => !unit.sub_state.starts_with("auto-restart"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use vrrp_sdk::{ConfigError, mock};

    use super::*;

    const NGINX: &str = r#"{ "unit": "nginx" }"#;

    fn unit(state: &str, sub_state: &str) -> systemd::Unit {
        systemd::Unit {
            sub_state: sub_state.to_owned(),
            ..mock::unit("nginx.service", state)
        }
    }

    #[track_caller]
    fn run(json: &str, unit: systemd::Unit) -> Observation {
        let check: Unit = mock::configure(json).unwrap();
        let host = mock::Host::new().unit(unit);
        host.enter(|| check.run(&mock::run_context())).unwrap()
    }

    #[test]
    fn the_state_decides() {
        use Verdict::{Failing, Passing, Warning};
        for (state, sub_state, verdict) in [
            ("active", "running", Passing),
            ("active", "exited", Passing),
            ("reloading", "reload", Warning),
            ("activating", "start-pre", Warning),
            ("activating", "auto-restart", Failing),
            ("activating", "auto-restart-queued", Failing),
            ("deactivating", "stop-sigterm", Failing),
            ("inactive", "dead", Failing),
            ("failed", "failed", Failing),
            ("maintenance", "of a later systemd", Failing),
        ] {
            let seen = run(NGINX, unit(state, sub_state));
            assert_eq!(seen.verdict, verdict, "{}", seen.summary);
        }
    }

    #[test]
    fn the_summary_says_what_is_and_what_should_be() {
        assert_eq!(
            run(NGINX, unit("active", "running")).summary,
            "nginx.service is active (running)"
        );
        assert_eq!(
            run(NGINX, unit("failed", "failed")).summary,
            "nginx.service is failed (failed), expected active"
        );
    }

    #[test]
    fn other_states_may_be_expected() {
        let stopped = r#"{ "unit": "nginx", "states": ["inactive", "failed"] }"#;
        assert_eq!(
            run(stopped, unit("inactive", "dead")).verdict,
            Verdict::Passing
        );
        for (state, sub_state) in [("activating", "start"), ("active", "running")] {
            let seen = run(stopped, unit(state, sub_state));
            assert_eq!(seen.verdict, Verdict::Failing);
            assert!(seen.summary.ends_with(", expected inactive or failed"));
        }
    }

    #[test]
    fn restarts_and_the_main_process_are_facts() {
        let seen = run(
            NGINX,
            systemd::Unit {
                main_pid: 812,
                restarts: 3,
                ..unit("active", "running")
            },
        );
        let facts: Vec<_> = seen
            .facts
            .iter()
            .map(|fact| format!("{}={}", fact.name, fact.value))
            .collect();
        assert_eq!(
            facts,
            [
                "state=active",
                "sub-state=running",
                "main-pid=812",
                "restarts=3"
            ]
        );
    }

    #[test]
    fn a_unit_that_does_not_exist_is_a_mistake_and_no_verdict() {
        let check: Unit = mock::configure(NGINX).unwrap();
        let outcome = mock::Host::new().enter(|| check.run(&mock::run_context()));
        assert_eq!(
            outcome,
            Err(CheckError::Unavailable(
                "systemd knows no unit nginx.service".to_owned()
            ))
        );
    }

    #[test]
    fn it_wakes_when_the_unit_changes_and_needs_only_to_read_it() {
        let check: Unit = mock::configure(NGINX).unwrap();
        let plan = check.plan();
        assert_eq!(plan.needs, ["unit:nginx.service"]);
        let unit = "nginx.service".to_owned();
        assert_eq!(plan.triggers, [Trigger::UnitChanged(unit)]);
    }

    #[test]
    fn config_errors_point_at_the_key() {
        let errors = |json| mock::configure::<Unit>(json).unwrap_err();
        let error = |pointer: &str, message: &str| ConfigError {
            pointer: pointer.to_owned(),
            message: message.to_owned(),
        };
        assert_eq!(
            errors(r#"{ "unit": "nginx", "states": [] }"#),
            [error("/states", "no state would pass: write [\"active\"]")]
        );
        assert_eq!(
            errors(r#"{ "unit": "nginx", "states": ["activ"] }"#),
            [error(
                "/states/0",
                "unknown value \"activ\"; did you mean \"active\"?"
            )]
        );
    }
}
