//! The check `my-module`.

use vrrp_sdk::prelude::*;

/// So many processes of a name are running.
///
/// The first paragraph here is what `vrrp-host module inspect` says the check does; this block is its example:
///
/// ```toml
/// name = "nginx"
/// ```
#[vrrp_sdk::check]
pub struct MyModule {
    /// The command name, such as "nginx".
    name: String,
    /// How many have to be running at least.
    #[serde(default = "one")]
    min: u32,
}

fn one() -> u32 {
    1
}

impl Check for MyModule {
    // What it touches, which cluster.toml has to allow, and what makes it run at once beside its interval.
    fn plan(&self) -> Plan {
        Plan::new()
            .needs(Need::process(&self.name))
            .trigger(Trigger::ProcessStarted(self.name.clone()))
            .trigger(Trigger::ProcessExited(self.name.clone()))
    }

    // What types cannot say. The key is shown at its line of cluster.toml.
    fn validate(&self, errors: &mut ConfigErrors) {
        if self.min == 0 {
            errors.at(["min"], "0 can never fail: write 1 or more");
        }
    }

    // A service that does not work is `failing`. An error means that nothing could be found out.
    fn run(&self, _: &RunContext) -> Result<Observation, CheckError> {
        let count = process::find(&self.name)?.len();
        let summary = format!("{count} processes named {}", self.name);
        let observation = if count < self.min as usize {
            Observation::failing(summary)
        } else {
            Observation::passing(summary)
        };
        Ok(observation.fact("count", count))
    }
}

// Run natively by `cargo test`, against a mock of the host.
#[cfg(test)]
mod tests {
    use vrrp_sdk::mock;

    use super::*;

    #[test]
    fn enough_processes_are_passing() {
        let host = mock::Host::new().process("nginx", 812).process("nginx", 813);
        let verdict = |config: &str| {
            let check: MyModule = mock::configure(config).expect("a config");
            let run = || check.run(&mock::run_context());
            host.enter(run).expect("a verdict").verdict
        };
        assert_eq!(verdict(r#"{ "name": "nginx", "min": 2 }"#), Verdict::Passing);
        assert_eq!(verdict(r#"{ "name": "nginx", "min": 3 }"#), Verdict::Failing);
        assert_eq!(verdict(r#"{ "name": "redis" }"#), Verdict::Failing);
    }

    #[test]
    fn a_check_that_cannot_fail_is_refused() {
        let errors = mock::configure::<MyModule>(r#"{ "name": "nginx", "min": 0 }"#).err();
        assert_eq!(errors.expect("an error")[0].pointer, "/min");
    }
}
