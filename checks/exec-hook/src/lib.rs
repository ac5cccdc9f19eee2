//! Built in as the hook `exec`: runs a command, such as a script that was written for keepalived.

use std::collections::BTreeSet;

use vrrp_sdk::prelude::*;

/// Runs a command, with the arguments that keepalived gives a notify script.
///
/// They follow its own ones: INSTANCE or GROUP, the name, MASTER, BACKUP, FAULT or STOP, and the priority.
///
/// ```toml
/// command = "/usr/bin/logger"
/// args = ["-t", "vrrp"]
/// ```
#[vrrp_sdk::hook]
#[derive(Debug, PartialEq, Eq)]
pub struct Exec {
    /// The command, such as "/etc/vrrp-host/notify.sh"; there is no shell.
    command: AbsolutePath,
    /// Its first arguments.
    #[serde(default)]
    args: Vec<String>,
    /// Whether the arguments of a notify script follow; without them it is a notify_master or the like.
    #[serde(default = "yes")]
    notify_args: bool,
    /// Exit codes to be called again for, with backoff. Every other code but 0 is a failure for good.
    #[serde(default)]
    retry_codes: BTreeSet<u8>,
    /// After this the command is killed. Keep it under the hook's timeout.
    #[serde(default = "default_timeout")]
    timeout: TimeSpan,
}

fn yes() -> bool {
    true
}

/// Under the 30 s that a hook has by default.
fn default_timeout() -> TimeSpan {
    TimeSpan::from_millis(25_000)
}

impl Hook for Exec {
    fn plan(&self) -> Plan {
        Plan::new().needs(Need::exec(self.command.as_str()))
    }

    fn validate(&self, errors: &mut ConfigErrors) {
        if self.retry_codes.contains(&0) {
            errors.at(["retry-codes"], "0 is a success: leave it out");
        }
        if self.timeout < TimeSpan::from_millis(1) {
            errors.at(["timeout"], "no time at all: write \"25s\"");
        }
        for (index, arg) in self.args.iter().enumerate() {
            if arg.contains('\0') {
                let key = ["args", &index.to_string()];
                errors.at(key, "no command can be given a NUL character");
            }
        }
    }

    fn notify(&self, transition: &Transition) -> Result<(), HookError> {
        let mut args = self.args.clone();
        if self.notify_args {
            args.extend(notify_args(transition));
        }
        let output = exec::run(self.command.as_str(), &args, self.timeout.into())?;
        let code = output.code();
        if code == Some(0) {
            return Ok(());
        }
        let ending = format!("{} {}", self.command, output.ending);
        let message = match output.first_line() {
            Some(line) => format!("{ending}: {line}"),
            None => ending,
        };
        let code = code.and_then(|code| u8::try_from(code).ok());
        Err(
            if code.is_some_and(|code| self.retry_codes.contains(&code)) {
                HookError::Retry(message)
            } else {
                HookError::Permanent(message)
            },
        )
    }
}

/// TYPE NAME STATE PRIORITY. A group has no number and, as with keepalived, priority 0.
fn notify_args(transition: &Transition) -> [String; 4] {
    let subject = if transition.virtual_router_id == 0 {
        "GROUP"
    } else {
        "INSTANCE"
    };
    let state = match transition.after {
        VrrpState::Initialize => "STOP".to_owned(),
        after @ (VrrpState::Backup | VrrpState::Master | VrrpState::Fault) => after.to_string(),
    };
    [
        subject.to_owned(),
        transition.instance.clone(),
        state,
        transition.effective_priority.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use vrrp_sdk::mock;

    use super::*;

    const COMMAND: &str = "/etc/notify.sh";

    fn config(keys: &str) -> Result<Exec, Vec<String>> {
        let errors = |errors: Vec<vrrp_sdk::ConfigError>| {
            errors
                .into_iter()
                .map(|error| format!("{}: {}", error.pointer, error.message))
                .collect()
        };
        mock::configure(&format!(r#"{{ "command": "{COMMAND}"{keys} }}"#)).map_err(errors)
    }

    fn notify(host: &mock::Host, keys: &str, transition: &Transition) -> Result<(), HookError> {
        let hook = config(keys).unwrap();
        host.enter(|| hook.notify(transition))
    }

    fn to_master() -> Transition {
        mock::transition(VrrpState::Backup, VrrpState::Master)
    }

    #[test]
    fn it_is_given_what_keepalived_gives() {
        let host = mock::Host::new().command(COMMAND, mock::output(0, ""));
        for after in [
            VrrpState::Master,
            VrrpState::Backup,
            VrrpState::Fault,
            VrrpState::Initialize,
        ] {
            let transition = mock::transition(VrrpState::Backup, after);
            notify(&host, "", &transition).unwrap();
        }
        let group = Transition {
            instance: "gateway".to_owned(),
            virtual_router_id: 0,
            effective_priority: 0,
            ..to_master()
        };
        notify(&host, "", &group).unwrap();
        let runs: Vec<String> = host.commands().iter().map(|run| run.join(" ")).collect();
        assert_eq!(
            runs,
            [
                "/etc/notify.sh INSTANCE VI_1 MASTER 100",
                "/etc/notify.sh INSTANCE VI_1 BACKUP 100",
                "/etc/notify.sh INSTANCE VI_1 FAULT 100",
                "/etc/notify.sh INSTANCE VI_1 STOP 100",
                "/etc/notify.sh GROUP gateway MASTER 0",
            ]
        );
    }

    #[test]
    fn its_own_arguments_come_first_or_alone() {
        let host = mock::Host::new().command(COMMAND, mock::output(0, ""));
        let args = r#", "args": ["-v", "a b"]"#;
        notify(&host, args, &to_master()).unwrap();
        let alone = format!(r#"{args}, "notify-args": false"#);
        notify(&host, &alone, &to_master()).unwrap();
        let command = ["/etc/notify.sh", "-v", "a b"];
        let whole = [&command[..], &["INSTANCE", "VI_1", "MASTER", "100"]].concat();
        assert_eq!(host.commands(), [whole, command.to_vec()]);
    }

    #[test]
    fn a_code_is_a_failure_or_worth_a_retry() {
        let retry = r#", "retry-codes": [75]"#;
        let ended = |output: exec::Output| {
            let host = mock::Host::new().command(COMMAND, output);
            notify(&host, retry, &to_master())
        };
        assert_eq!(ended(mock::output(0, "")), Ok(()));
        let message = |ending: &str| format!("/etc/notify.sh {ending}");
        assert_eq!(
            ended(mock::output(75, "busy\n")),
            Err(HookError::Retry(message("ended with code 75: busy")))
        );
        assert_eq!(
            ended(mock::output(1, "")),
            Err(HookError::Permanent(message("ended with code 1")))
        );
        let killed = exec::Output {
            ending: exec::Ending::Signaled(9),
            ..mock::output(0, "")
        };
        assert_eq!(
            ended(killed),
            Err(HookError::Permanent(message("was ended by signal 9")))
        );
    }

    #[test]
    fn what_may_pass_is_worth_a_retry() {
        let hangs = exec::Error::Timeout {
            command: COMMAND.to_owned(),
            timeout_ms: 0,
        };
        let host = mock::Host::new().command_fails(COMMAND, hangs);
        let message = "/etc/notify.sh did not end within 25000 ms".to_owned();
        assert_eq!(
            notify(&host, "", &to_master()),
            Err(HookError::Retry(message))
        );
        let gone = "there is no /etc/notify.sh".to_owned();
        assert_eq!(
            notify(&mock::Host::new(), "", &to_master()),
            Err(HookError::Permanent(gone))
        );
    }

    #[test]
    fn it_needs_its_command_and_nothing_else() {
        assert_eq!(config("").unwrap().plan().needs, ["exec:/etc/notify.sh"]);
    }

    #[test]
    fn config_errors_point_at_the_key() {
        let errors =
            config(r#", "retry-codes": [0], "timeout": "0s", "args": ["\u0000"]"#).unwrap_err();
        assert_eq!(
            errors,
            [
                "/retry-codes: 0 is a success: leave it out",
                "/timeout: no time at all: write \"25s\"",
                "/args/0: no command can be given a NUL character",
            ]
        );
    }
}
