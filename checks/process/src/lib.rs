//! Built in as `process`: counts the processes of a name.

use vrrp_sdk::prelude::*;

/// More process ids than this make a summary hard to read.
const PIDS_SHOWN: usize = 5;

/// A process of this name is running.
///
/// ```toml
/// name = "nginx"
/// ```
#[vrrp_sdk::check]
#[derive(Debug, PartialEq, Eq)]
pub struct Process {
    /// The name of the executable, such as "nginx"; not a path.
    name: String,
    /// How many have to be running at least.
    #[serde(default = "one")]
    min: u32,
    /// How many may be running at most.
    max: Option<u32>,
}

fn one() -> u32 {
    1
}

impl Check for Process {
    fn plan(&self) -> Plan {
        Plan::new()
            .needs(Need::process(&self.name))
            .on_process_exited(&self.name)
            .on_process_started(&self.name)
    }

    fn validate(&self, errors: &mut ConfigErrors) {
        if self.name.is_empty() || self.name.contains(|c: char| c == '/' || c.is_control()) {
            let base_name = self
                .name
                .rsplit('/')
                .find(|part| !part.is_empty())
                .unwrap_or("nginx");
            errors.at(
                ["name"],
                format!(
                    "write the name of a process, not a path: \"{}\"",
                    base_name.escape_default()
                ),
            );
        }
        match self.max {
            Some(max) if max < self.min => {
                errors.at(
                    ["max"],
                    format!("less than min: write {} or more", self.min),
                );
            }
            None if self.min == 0 => {
                errors.at(["min"], "0 can never fail: write 1 or more, or add max");
            }
            _ => {}
        }
    }

    fn run(&self, _: &RunContext) -> Result<Observation, CheckError> {
        let processes = process::find(&self.name)?;
        let count = u32::try_from(processes.len()).unwrap_or(u32::MAX);
        let pids: Vec<u32> = processes.iter().map(|process| process.pid).collect();
        let found = found(&self.name, &pids);

        let observation = if count < self.min && count > 0 {
            Observation::failing(format!("{found}, at least {} expected", self.min))
        } else if count < self.min {
            Observation::failing(found)
        } else if let Some(max) = self.max.filter(|&max| count > max) {
            Observation::failing(format!("{found}, at most {max} expected"))
        } else {
            Observation::passing(found)
        };
        Ok(observation.fact("count", count))
    }
}

/// `2 processes named nginx (pid 812, 813)`
fn found(name: &str, pids: &[u32]) -> String {
    let count = match pids.len() {
        0 => return format!("no process named {name}"),
        1 => "1 process".to_owned(),
        count => format!("{count} processes"),
    };
    let mut shown: Vec<String> = pids.iter().take(PIDS_SHOWN).map(u32::to_string).collect();
    if pids.len() > PIDS_SHOWN {
        shown.push("…".to_owned());
    }
    format!("{count} named {name} (pid {})", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use vrrp_sdk::mock;

    use super::*;

    fn config(json: &str) -> Result<Process, Vec<String>> {
        let errors = |errors: Vec<vrrp_sdk::ConfigError>| {
            errors
                .into_iter()
                .map(|error| format!("{}: {}", error.pointer, error.message))
                .collect()
        };
        mock::configure(json).map_err(errors)
    }

    /// Runs against a host with so many processes named nginx.
    #[track_caller]
    fn run(json: &str, running: u32) -> (Verdict, String) {
        let host = (0..running).fold(mock::Host::new().process("nginx-exporter", 7), |host, n| {
            host.process("nginx", 812 + n)
        });
        let check = config(json).unwrap();
        let observation = host.enter(|| check.run(&mock::run_context())).unwrap();
        assert_eq!(observation.facts[0].value, running.to_string());
        (observation.verdict, observation.summary)
    }

    #[test]
    fn the_count_decides() {
        let failing = |summary: &str| (Verdict::Failing, summary.to_owned());
        let passing = |summary: &str| (Verdict::Passing, summary.to_owned());

        let one = r#"{ "name": "nginx" }"#;
        assert_eq!(run(one, 0), failing("no process named nginx"));
        assert_eq!(run(one, 1), passing("1 process named nginx (pid 812)"));
        assert_eq!(
            run(one, 2),
            passing("2 processes named nginx (pid 812, 813)")
        );

        let two_or_three = r#"{ "name": "nginx", "min": 2, "max": 3 }"#;
        assert_eq!(run(two_or_three, 0), failing("no process named nginx"));
        assert_eq!(
            run(two_or_three, 1),
            failing("1 process named nginx (pid 812), at least 2 expected")
        );
        assert_eq!(
            run(two_or_three, 3),
            passing("3 processes named nginx (pid 812, 813, 814)")
        );
        assert_eq!(
            run(two_or_three, 6),
            failing("6 processes named nginx (pid 812, 813, 814, 815, 816, …), at most 3 expected")
        );

        let none = r#"{ "name": "nginx", "min": 0, "max": 0 }"#;
        assert_eq!(run(none, 0), passing("no process named nginx"));
        assert_eq!(
            run(none, 1),
            failing("1 process named nginx (pid 812), at most 0 expected")
        );
    }

    #[test]
    fn it_wakes_on_start_and_exit_and_needs_only_its_process() {
        let plan = config(r#"{ "name": "nginx" }"#).unwrap().plan();
        assert_eq!(plan.needs, ["process:nginx"]);
        let name = || "nginx".to_owned();
        assert_eq!(
            plan.triggers,
            [
                Trigger::ProcessExited(name()),
                Trigger::ProcessStarted(name())
            ]
        );
    }

    #[test]
    fn without_the_grant_there_is_no_verdict() {
        let host = mock::Host::new().denies(Need::process("nginx"));
        let check = config(r#"{ "name": "nginx" }"#).unwrap();
        let outcome = host.enter(|| check.run(&mock::run_context()));
        assert_eq!(outcome, Err(CheckError::Denied("process:nginx".to_owned())));
    }

    #[test]
    fn config_errors_point_at_the_key() {
        let not_a_path = "/name: write the name of a process, not a path: \"nginx\"";
        let never_fails = "/min: 0 can never fail: write 1 or more, or add max";
        for (json, errors) in [
            (r#"{ "name": "/usr/sbin/nginx" }"#, vec![not_a_path]),
            (r#"{ "name": "", "min": 0 }"#, vec![not_a_path, never_fails]),
            (
                r#"{ "name": "nginx", "min": 2, "max": 1 }"#,
                vec!["/max: less than min: write 2 or more"],
            ),
            (
                r#"{ "nmae": "nginx", "min": -1 }"#,
                vec![
                    ": missing key \"name\": The name of the executable, such as \"nginx\"; not a path.",
                    "/min: write a whole number, 0 or more, not integer -1",
                    "/nmae: unknown key \"nmae\"; did you mean \"name\"?",
                ],
            ),
        ] {
            let errors: Vec<String> = errors.into_iter().map(str::to_owned).collect();
            assert_eq!(config(json), Err(errors), "{json}");
        }
    }
}
