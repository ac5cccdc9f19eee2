//! Built in as the check `exec`: runs a command, such as a script that was written for keepalived.

use std::collections::BTreeSet;

use vrrp_sdk::prelude::*;

/// A command ends with code 0. Its first line of output is the summary.
///
/// ```toml
/// command = "/usr/bin/mountpoint"
/// args = ["-q", "/srv"]
/// ```
#[vrrp_sdk::check]
#[derive(Debug, PartialEq, Eq)]
pub struct Exec {
    /// The command, such as "/etc/vrrp-host/check-app.sh"; there is no shell.
    command: AbsolutePath,
    /// Its arguments.
    #[serde(default)]
    args: Vec<String>,
    /// Exit codes that are a warning, which passes. Every other code but 0 fails.
    #[serde(default)]
    warning_codes: BTreeSet<u8>,
    /// After this the command is killed. The check's own timeout is the upper bound.
    timeout: Option<TimeSpan>,
    /// What a command is that had to be killed: "error" is no verdict, "failing" is what keepalived makes of it.
    #[serde(default)]
    timeout_is: TimeoutIs,
}

#[vrrp_sdk::config]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TimeoutIs {
    #[default]
    Error,
    Failing,
}

impl Check for Exec {
    fn plan(&self) -> Plan {
        Plan::new().needs(Need::exec(self.command.as_str()))
    }

    fn validate(&self, errors: &mut ConfigErrors) {
        if self.warning_codes.contains(&0) {
            errors.at(["warning-codes"], "0 passes: leave it out");
        }
        if self
            .timeout
            .is_some_and(|timeout| timeout < TimeSpan::from_millis(1))
        {
            errors.at(["timeout"], "no time at all: write \"800ms\"");
        }
        for (index, arg) in self.args.iter().enumerate() {
            if arg.contains('\0') {
                let key = ["args", &index.to_string()];
                errors.at(key, "no command can be given a NUL character");
            }
        }
    }

    fn run(&self, context: &RunContext) -> Result<Observation, CheckError> {
        let wanted = self
            .timeout
            .map_or_else(|| context.deadline(), |timeout| timeout.0);
        let timeout = context.within_deadline(wanted);
        let output = match exec::run(self.command.as_str(), &self.args, timeout) {
            Ok(output) => output,
            Err(error @ exec::Error::Timeout { .. }) if self.timeout_is == TimeoutIs::Failing => {
                return Ok(Observation::failing(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        };
        let said = output.first_line();
        let ending = format!("{} {}", self.command, output.ending);
        let code = output.code();
        let is_warning = code
            .and_then(|code| u8::try_from(code).ok())
            .is_some_and(|code| self.warning_codes.contains(&code));
        let observation = match code {
            Some(0) => Observation::passing(said.unwrap_or(ending)),
            _ if is_warning => Observation::warning(summary(ending, said)),
            _ => Observation::failing(summary(ending, said)),
        };
        Ok(match code {
            Some(code) => observation.fact("code", code),
            None => observation,
        })
    }
}

/// `/etc/check.sh ended with code 1: no answer from the app`
fn summary(ending: String, said: Option<String>) -> String {
    match said {
        Some(line) => format!("{ending}: {line}"),
        None => ending,
    }
}

#[cfg(test)]
mod tests {
    use vrrp_sdk::mock;

    use super::*;

    const COMMAND: &str = "/etc/check.sh";

    fn config(keys: &str) -> Result<Exec, Vec<String>> {
        let errors = |errors: Vec<vrrp_sdk::ConfigError>| {
            errors
                .into_iter()
                .map(|error| format!("{}: {}", error.pointer, error.message))
                .collect()
        };
        mock::configure(&format!(r#"{{ "command": "{COMMAND}"{keys} }}"#)).map_err(errors)
    }

    fn run(host: &mock::Host, keys: &str) -> Result<(Verdict, String), CheckError> {
        let check = config(keys).unwrap();
        let observation = host.enter(|| check.run(&mock::run_context()))?;
        Ok((observation.verdict, observation.summary))
    }

    fn ended(ending: exec::Ending, stdout: &str, stderr: &str) -> mock::Host {
        let output = exec::Output {
            ending,
            stdout: stdout.as_bytes().to_vec(),
            stderr: stderr.as_bytes().to_vec(),
            truncated: false,
        };
        mock::Host::new().command(COMMAND, output)
    }

    #[test]
    fn the_code_decides_and_the_first_line_is_told() {
        let warning = r#", "warning-codes": [2, 3]"#;
        for (code, keys, stdout, stderr, verdict, summary) in [
            (
                0,
                "",
                "3 backends\nmore",
                "",
                Verdict::Passing,
                "3 backends",
            ),
            (
                0,
                "",
                "",
                "",
                Verdict::Passing,
                "/etc/check.sh ended with code 0",
            ),
            (
                1,
                "",
                "",
                "no answer",
                Verdict::Failing,
                "/etc/check.sh ended with code 1: no answer",
            ),
            (
                127,
                "",
                "",
                "",
                Verdict::Failing,
                "/etc/check.sh ended with code 127",
            ),
            (
                3,
                warning,
                "slow",
                "",
                Verdict::Warning,
                "/etc/check.sh ended with code 3: slow",
            ),
            (
                4,
                warning,
                "",
                "",
                Verdict::Failing,
                "/etc/check.sh ended with code 4",
            ),
        ] {
            let host = ended(exec::Ending::Exited(code), stdout, stderr);
            assert_eq!(run(&host, keys), Ok((verdict, summary.to_owned())));
        }
    }

    #[test]
    fn a_command_that_a_signal_ends_fails() {
        let host = ended(exec::Ending::Signaled(11), "", "");
        let summary = "/etc/check.sh was ended by signal 11".to_owned();
        assert_eq!(run(&host, ""), Ok((Verdict::Failing, summary)));
    }

    #[test]
    fn it_is_given_its_arguments() {
        let host = ended(exec::Ending::Exited(0), "", "");
        run(&host, r#", "args": ["-p", "a b"]"#).unwrap();
        assert_eq!(host.commands(), [["/etc/check.sh", "-p", "a b"]]);
    }

    #[test]
    fn a_timeout_is_what_the_config_says() {
        let hangs = mock::Host::new().command_fails(
            COMMAND,
            exec::Error::Timeout {
                command: COMMAND.to_owned(),
                timeout_ms: 0,
            },
        );
        let message = |ms| format!("/etc/check.sh did not end within {ms} ms");
        assert_eq!(run(&hangs, ""), Err(CheckError::Timeout(message(980))));
        assert_eq!(
            run(&hangs, r#", "timeout": "200ms", "timeout-is": "failing""#),
            Ok((Verdict::Failing, message(200)))
        );
    }

    #[test]
    fn what_did_not_run_is_no_verdict() {
        let gone = "there is no /etc/check.sh".to_owned();
        assert_eq!(
            run(&mock::Host::new(), ""),
            Err(CheckError::Unavailable(gone))
        );
        let broken = exec::Error::Io {
            command: COMMAND.to_owned(),
            message: "not executable".to_owned(),
        };
        let broken = mock::Host::new().command_fails(COMMAND, broken);
        assert_eq!(
            run(&broken, ""),
            Err(CheckError::Unavailable(
                "/etc/check.sh: not executable".to_owned()
            ))
        );
        let denied = mock::Host::new().denies(Need::exec(COMMAND));
        assert_eq!(
            run(&denied, ""),
            Err(CheckError::Denied("exec:/etc/check.sh".to_owned()))
        );
    }

    #[test]
    fn it_needs_its_command_and_nothing_else() {
        let plan = config("").unwrap().plan();
        assert_eq!(plan.needs, ["exec:/etc/check.sh"]);
        assert_eq!(plan.triggers, []);
    }

    #[test]
    fn config_errors_point_at_the_key() {
        let errors =
            config(r#", "warning-codes": [0, 1], "timeout": "0s", "args": ["a", "\u0000"]"#);
        assert_eq!(
            errors,
            Err(vec![
                "/warning-codes: 0 passes: leave it out".to_owned(),
                "/timeout: no time at all: write \"800ms\"".to_owned(),
                "/args/1: no command can be given a NUL character".to_owned(),
            ])
        );
        let errors = mock::configure::<Exec>(r#"{ "command": "check.sh" }"#).unwrap_err();
        assert_eq!(errors[0].pointer, "/command");
    }
}
