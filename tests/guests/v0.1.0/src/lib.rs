//! A check and a hook in one component, which use what the first version of the contract has and say back what they were told.

wit_bindgen::generate!({
    path: "wit",
    inline: "
        package tests:first;
        world first {
            import vrrp-host:plugin/log@0.1.0;
            import vrrp-host:plugin/clock@0.1.0;
            import vrrp-host:plugin/metrics@0.1.0;
            import vrrp-host:plugin/process@0.1.0;
            import vrrp-host:plugin/state@0.1.0;
            import vrrp-host:plugin/systemd@0.1.0;
            import vrrp-host:plugin/systemd-control@0.1.0;
            export vrrp-host:plugin/checker@0.1.0;
            export vrrp-host:plugin/notifier@0.1.0;
        }
        ",
    generate_all,
});

use exports::vrrp_host::plugin::{checker, notifier};
use vrrp_host::plugin::types::{
    CheckError, ConfigError, Fact, Metadata, Observation, Plan, RunContext, Transition, Trigger,
    Verdict,
};
use vrrp_host::plugin::{clock, log, metrics, process, state, systemd, systemd_control};

struct First;

impl checker::Guest for First {
    fn describe() -> Metadata {
        metadata()
    }

    fn configure(config: String) -> Result<Plan, Vec<ConfigError>> {
        plan(&config)
    }

    fn run(context: RunContext) -> Result<Observation, CheckError> {
        let found = process::find("named").map_err(|error| match error {
            process::Error::Denied => CheckError::Denied("process:named".to_owned()),
            process::Error::Unavailable => CheckError::Unavailable("no processes".to_owned()),
        })?;
        let unit = systemd::get("named.service")
            .map_err(|error| CheckError::Internal(format!("{error:?}")))?;
        let runs = state::get("runs").map_or(0, |bytes| bytes[0]) + 1;
        state::put("runs", &[runs]).map_err(CheckError::Internal)?;
        log::write(
            log::Level::Info,
            "I am the first",
            &[("run".to_owned(), context.run.to_string())],
        );
        metrics::counter_add("runs_total", &[], 1);
        metrics::gauge("clock", &[], clock::unix_ms() as f64);
        Ok(Observation {
            verdict: if clock::monotonic_ns() > 0 {
                Verdict::Warning
            } else {
                Verdict::Failing
            },
            summary: format!(
                "{} named, unit {}, runs {runs}, {:?}, deadline {}, previous {:?}, {:?}",
                found.len(),
                unit.active_state,
                context.causes,
                context.deadline_ms,
                context.previous,
                context.states,
            ),
            weight: Some(-3),
            facts: vec![Fact {
                name: "pid".to_owned(),
                value: unit.main_pid.to_string(),
            }],
        })
    }
}

impl notifier::Guest for First {
    fn describe() -> Metadata {
        metadata()
    }

    fn configure(config: String) -> Result<Plan, Vec<ConfigError>> {
        plan(&config)
    }

    fn notify(event: Transition) -> Result<(), notifier::HookError> {
        log::write(log::Level::Warn, &format!("{event:?}"), &[]);
        systemd_control::run("named.service", systemd_control::Action::Start, 1000)
            .map_err(|error| notifier::HookError::Retry(format!("{error:?}")))?;
        Err(notifier::HookError::Permanent(format!(
            "{} done, and no more",
            event.sequence
        )))
    }
}

fn metadata() -> Metadata {
    Metadata {
        name: "first".to_owned(),
        version: "0.1.0".to_owned(),
        description: "The first of all modules.".to_owned(),
        config_schema: "{}".to_owned(),
    }
}

fn plan(config: &str) -> Result<Plan, Vec<ConfigError>> {
    if config != "{}" {
        return Err(vec![ConfigError {
            pointer: "/key".to_owned(),
            message: "there is no key".to_owned(),
        }]);
    }
    let (named, unit) = ("named".to_owned(), "named.service".to_owned());
    Ok(Plan {
        triggers: vec![
            Trigger::ProcessStarted(named.clone()),
            Trigger::ProcessExited(named),
            Trigger::UnitChanged(unit),
        ],
        needs: vec![
            "process:named".to_owned(),
            "unit:named".to_owned(),
            "unit:named:start".to_owned(),
        ],
    })
}

export!(First);
