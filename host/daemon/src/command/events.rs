//! `vrrp-host events`: what happened, and what happens.

use std::io::{self, Write};
use std::ops::ControlFlow;

use super::ask::{ask, follow, unexpected};
use super::terminal::{Terminal, Tone};
use crate::cli::Options;
use crate::event::{Event, Happening, HookResult, ProcessChange};
use crate::exit::Failure;
use crate::supervisor::{Request, Response};

/// Events that are shown before those to come.
const BEFORE: usize = 10;

/// Prints the last events, and with `follow` those to come.
///
/// # Errors
/// When no daemon answers or it ends, or when it was not listened to for too long.
pub(crate) fn events(
    options: &Options,
    json: bool,
    following: bool,
    last: Option<usize>,
) -> Result<(), Failure> {
    let terminal = Terminal::of_stdout();
    let show = |event: &Event| show(event, json, terminal);
    if !following {
        let last = last.unwrap_or(usize::MAX);
        let request = Request::Events {
            last,
            follow: false,
        };
        let answer = ask(options, &request)?;
        let Response::Events(events) = answer else {
            return Err(unexpected(answer));
        };
        return match events.iter().try_for_each(show) {
            // Whoever read it has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            shown => shown.map_err(Failure::internal),
        };
    }
    let request = Request::Events {
        last: last.unwrap_or(BEFORE),
        follow: true,
    };
    follow(options, &request, |answer| {
        if let Response::Lost(lost) = answer {
            return Err(Failure::temporary(format!(
                "{lost} events are lost, because they were not read in time; `vrrp-host events` has the last 1,000"
            )));
        }
        let Response::Event(event) = answer else {
            return Err(unexpected(answer));
        };
        match show(&event) {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
            Err(error) => Err(Failure::internal(error)),
        }
    })
}

fn show(event: &Event, json: bool, terminal: Terminal) -> io::Result<()> {
    let mut stdout = io::stdout();
    if json {
        writeln!(stdout, "{}", serde_json::to_string(event)?)?;
    } else {
        writeln!(stdout, "{}", line(event, terminal))?;
    }
    stdout.flush()
}

/// Number, time and what happened.
fn line(event: &Event, terminal: Terminal) -> String {
    let at = format!("{:>5}  {}", event.sequence, event.at);
    format!(
        "{}  {}",
        terminal.paint(Tone::Quiet, &at),
        terminal.paint(tone(&event.what), &event.what.to_string())
    )
}

fn tone(what: &Happening) -> Tone {
    let of_state = |state: &str| match state {
        "MASTER" => Tone::Good,
        "FAULT" => Tone::Bad,
        _ => Tone::Plain,
    };
    match what {
        Happening::Transition { after, .. } | Happening::GroupTransition { after, .. } => {
            of_state(after)
        }
        Happening::Verdict { after, .. } => match after.as_str() {
            "failing" | "error" => Tone::Bad,
            "warning" => Tone::Warning,
            _ => Tone::Plain,
        },
        Happening::Standing { after, .. } => match after.as_str() {
            "down" | "unknown" => Tone::Bad,
            _ => Tone::Plain,
        },
        Happening::Hook { result, .. } => match result {
            HookResult::Failed => Tone::Bad,
            HookResult::Retried => Tone::Warning,
            HookResult::Done | HookResult::Superseded => Tone::Plain,
        },
        Happening::Process {
            change: ProcessChange::Died,
            ..
        }
        | Happening::Reload { error: Some(_) } => Tone::Bad,
        Happening::Process { .. }
        | Happening::Reload { error: None }
        | Happening::Priority { .. }
        | Happening::Started { .. }
        | Happening::Command { .. }
        | Happening::LogLevel { .. } => Tone::Plain,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn event(what: Happening) -> Event {
        Event {
            sequence: 42,
            at: "2026-11-25T14:03:07.123Z".to_owned(),
            what,
        }
    }

    #[test]
    fn a_line_has_number_time_and_reason() {
        let reason = || "check web is down: GET http://127.0.0.1:8080/ gave 503".to_owned();
        let hook = |result, message: Option<&str>| Happening::Hook {
            hook: "page".to_owned(),
            subject: "VI_1".to_owned(),
            transition: 7,
            result,
            message: message.map(str::to_owned),
        };
        let process = |change, reason: Option<&str>| Happening::Process {
            process: "worker".to_owned(),
            change,
            reason: reason.map(str::to_owned),
        };
        let events = [
            Happening::Started {
                node: "master".to_owned(),
                version: "0.1.0".to_owned(),
            },
            Happening::Verdict {
                check: "web".to_owned(),
                before: "passing".to_owned(),
                after: "failing".to_owned(),
                summary: "GET http://127.0.0.1:8080/ gave 503".to_owned(),
            },
            Happening::Standing {
                check: "web".to_owned(),
                before: "up".to_owned(),
                after: "down".to_owned(),
            },
            Happening::Priority {
                instance: "VI_1".to_owned(),
                from: 100,
                to: 80,
                reason: reason(),
            },
            Happening::Transition {
                instance: "VI_1".to_owned(),
                before: "MASTER".to_owned(),
                after: "FAULT".to_owned(),
                reason: reason(),
                priority: 80,
            },
            Happening::GroupTransition {
                sync_group: "gateway".to_owned(),
                before: "MASTER".to_owned(),
                after: "FAULT".to_owned(),
                reason: format!("VI_1: {}", reason()),
            },
            hook(HookResult::Retried, Some("no answer in time")),
            hook(HookResult::Superseded, None),
            hook(HookResult::Done, None),
            process(ProcessChange::Died, Some("signal: 9 (SIGKILL)")),
            process(ProcessChange::Restarted, None),
            Happening::Command {
                command: "drain".to_owned(),
                instances: vec!["VI_1".to_owned(), "VI_2".to_owned()],
                persists: true,
            },
            Happening::LogLevel {
                level: "debug".to_owned(),
            },
            Happening::Reload { error: None },
            Happening::Reload {
                error: Some("error: unknown key\n --> cluster.toml:3".to_owned()),
            },
        ];
        // The number is right-aligned, and `expect!` takes what all lines begin with for its own indentation.
        let lines = events.map(|what| {
            let line = line(&event(what), Terminal::PLAIN);
            line.trim_start().to_owned()
        });
        expect![[r#"
               42  2026-11-25T14:03:07.123Z  vrrp-host 0.1.0 takes part as node master
               42  2026-11-25T14:03:07.123Z  check web: passing -> failing: GET http://127.0.0.1:8080/ gave 503
               42  2026-11-25T14:03:07.123Z  check web: counts as down now (up before)
               42  2026-11-25T14:03:07.123Z  VI_1: priority 100 -> 80: check web is down: GET http://127.0.0.1:8080/ gave 503
               42  2026-11-25T14:03:07.123Z  VI_1: MASTER -> FAULT, priority 80: check web is down: GET http://127.0.0.1:8080/ gave 503
               42  2026-11-25T14:03:07.123Z  sync group gateway: MASTER -> FAULT: VI_1: check web is down: GET http://127.0.0.1:8080/ gave 503
               42  2026-11-25T14:03:07.123Z  VI_1: hook page for transition 7: will be called again: no answer in time
               42  2026-11-25T14:03:07.123Z  VI_1: hook page for transition 7: not called, a newer transition came first
               42  2026-11-25T14:03:07.123Z  VI_1: hook page for transition 7: done
               42  2026-11-25T14:03:07.123Z  the worker died: signal: 9 (SIGKILL)
               42  2026-11-25T14:03:07.123Z  the worker was started again
               42  2026-11-25T14:03:07.123Z  VI_1, VI_2: drain asked for, also after a restart
               42  2026-11-25T14:03:07.123Z  the log level is debug now
               42  2026-11-25T14:03:07.123Z  cluster.toml reloaded
               42  2026-11-25T14:03:07.123Z  reload refused, everything goes on as before: error: unknown key"#]].assert_eq(&lines.join("\n"));
    }

    #[test]
    fn json_has_the_kind_beside_its_words() {
        let event = event(Happening::Transition {
            instance: "VI_1".to_owned(),
            before: "BACKUP".to_owned(),
            after: "MASTER".to_owned(),
            reason: "no MASTER heard".to_owned(),
            priority: 100,
        });
        let json = serde_json::to_string(&event).unwrap();
        expect![[r#"{"sequence":42,"at":"2026-11-25T14:03:07.123Z","event":"transition","instance":"VI_1","before":"BACKUP","after":"MASTER","reason":"no MASTER heard","priority":100}"#]].assert_eq(&json);
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }
}
