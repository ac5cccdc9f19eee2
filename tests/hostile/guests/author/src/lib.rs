//! The whole of a check, as the SDK's README teaches to write one.

use vrrp_sdk::prelude::*;

/// No process of a name runs for long: a backup that hangs, a lock that is never given back.
#[vrrp_sdk::check]
struct NotRunning {
    /// The command name, such as "pg_dump".
    name: String,
}

impl Check for NotRunning {
    fn plan(&self) -> Plan {
        Plan::new()
            .needs(Need::process(&self.name))
            .trigger(Trigger::ProcessStarted(self.name.clone()))
            .trigger(Trigger::ProcessExited(self.name.clone()))
    }

    fn run(&self, _: &RunContext) -> Result<Observation, CheckError> {
        Ok(match process::find(&self.name)?.first() {
            None => Observation::passing(format!("no {} runs", self.name)),
            Some(running) => Observation::failing(format!("{} runs as {}", self.name, running.pid)),
        })
    }
}
