use super::*;
use crate::bindings::check::exports::vrrp_host::plugin::checker::Guest as _;
use crate::bindings::hook::exports::vrrp_host::plugin::notifier::Guest as _;
use crate::prelude::*;
use crate::{Verdict, mock};

/// Counts its runs.
#[vrrp_sdk::check]
struct Counter {
    limit: u8,
}

impl Check for Counter {
    fn plan(&self) -> Plan {
        Plan::new()
            .needs(Need::from_words("link:eth0"))
            .trigger(Trigger::LinkChanged("eth0".to_owned()))
    }

    fn run(&self, context: &RunContext) -> Result<Observation, CheckError> {
        let runs = state::get("runs").map_or(0, |value| value[0]) + 1;
        state::put("runs", &[runs]).map_err(|full| CheckError::Internal(full.to_string()))?;
        log::write(log::Level::Debug, "ran", &[("run", &context.run)]);
        metrics::counter_add("runs", &[("name", "counter")], 2);
        metrics::gauge("limit", &[], f64::from(self.limit));
        let verdict = if runs > self.limit {
            Verdict::Failing
        } else {
            Verdict::Passing
        };
        Ok(Observation::new(verdict, "counted")
            .weight(-3)
            .fact("runs", runs))
    }
}

#[vrrp_sdk::hook]
struct Restart {
    unit: systemd::UnitName,
}

impl Hook for Restart {
    fn plan(&self) -> Plan {
        Plan::new()
    }

    fn notify(&self, transition: &Transition) -> Result<(), HookError> {
        log::info(format_args!(
            "{} is {}",
            transition.instance, transition.after
        ));
        let timeout = std::time::Duration::from_secs(5);
        Ok(systemd::control(
            self.unit.as_str(),
            systemd::Action::Restart,
            timeout,
        )?)
    }
}

#[test]
fn a_check_component_is_described_configured_and_run() {
    type Component = CheckComponent<Counter>;
    let metadata = Component::describe();
    assert_eq!(
        (metadata.name.as_str(), metadata.description.as_str()),
        ("vrrp-sdk", "Counts its runs.")
    );
    assert!(
        metadata.config_schema.contains(r#""limit""#),
        "{}",
        metadata.config_schema
    );

    let host = mock::Host::new().state("runs", &[1]);
    let outcomes = host.enter(|| {
        let plan = Component::configure(r#"{ "limit": 2 }"#.to_owned()).unwrap();
        assert_eq!(plan.needs, ["link:eth0"]);
        [1, 2].map(|run| {
            Component::run(RunContext {
                run,
                ..mock::run_context()
            })
            .unwrap()
            .verdict
        })
    });
    assert_eq!(outcomes, [Verdict::Passing, Verdict::Failing]);
    assert_eq!(host.stored("runs"), Some(vec![3]));
    assert_eq!(host.metric(r#"runs{name="counter"}"#), Some(4.0));
    assert_eq!(host.metric("limit"), Some(2.0));
    assert_eq!(
        host.log_lines()[1].facts,
        [("run".to_owned(), "2".to_owned())]
    );
}

#[test]
fn a_hook_component_acts_on_a_transition() {
    type Component = HookComponent<Restart>;
    let host = mock::Host::new().unit(mock::unit("x.service", "active"));
    let outcome = host.enter(|| {
        Component::configure(r#"{ "unit": "x" }"#.to_owned()).unwrap();
        Component::notify(mock::transition(VrrpState::Backup, VrrpState::Master))
    });
    assert_eq!(outcome, Ok(()));
    assert_eq!(
        host.jobs(),
        [("x.service".to_owned(), systemd::Action::Restart)]
    );
    assert_eq!(host.log_lines()[0].message, "VI_1 is MASTER");
}

#[test]
fn without_a_config_nothing_runs() {
    let error = "the host did not call `configure` first, or it failed".to_owned();
    let transition = || mock::transition(VrrpState::Backup, VrrpState::Master);
    assert!(HookComponent::<Restart>::configure("{}".to_owned()).is_err());
    assert_eq!(
        HookComponent::<Restart>::notify(transition()),
        Err(HookError::Permanent(error.clone()))
    );
    assert_eq!(
        CheckComponent::<Counter>::run(mock::run_context()),
        Err(CheckError::Internal(error))
    );
}
