//! The report as a person reads it: a column for each host, a line for each event, milliseconds since the stop.

use std::fmt::Write as _;
use std::time::Duration;

use lab::scenario::{Event, Expectation, Report, State, VIRTUAL_ADDRESS, What};

use crate::terminal::Style;

const TIME: usize = 9;
const COLUMN: usize = 44;

pub(crate) fn print(report: &Report) {
    println!("\n{}", render(report));
}

fn render(report: &Report) -> String {
    let mut text = String::new();
    header(&mut text, report);
    for event in &report.events {
        line(&mut text, event);
    }
    text.push('\n');
    for Expectation {
        text: expected,
        outcome,
    } in &report.expectations
    {
        match outcome {
            Ok(detail) => push(
                &mut text,
                format_args!(
                    "{} {expected} {}",
                    Style::Green.paint("✓"),
                    Style::Dim.paint(format_args!("({detail})"))
                ),
            ),
            Err(seen) => push(
                &mut text,
                format_args!("{} {expected}\n  {}", Style::Red.paint("✗"), seen),
            ),
        }
    }
    text.push('\n');
    if report.is_met() {
        summary(&mut text, report);
    } else {
        journals(&mut text, report);
    }
    text
}

fn header(text: &mut String, report: &Report) {
    let [first, second] = &report.nodes;
    let title = format!("{:>TIME$}   {first:COLUMN$}{second}", "ms");
    push(text, Style::Bold.paint(title));
    push(text, Style::Dim.paint("─".repeat(TIME + 3 + 2 * COLUMN)));
}

fn line(text: &mut String, event: &Event) {
    let (sign, style) = look(&event.what);
    let indent = " ".repeat(event.node * COLUMN);
    let at = Style::Dim.paint(format!("{:>TIME$.1}", milliseconds(event.after)));
    push(
        text,
        format_args!(
            "{at}   {indent}{}",
            style.paint(format_args!("{sign} {}", event.what))
        ),
    );
    if let What::Transition {
        reason: Some(reason),
        ..
    } = &event.what
    {
        push(
            text,
            format_args!("{:TIME$}   {indent}  {}", "", Style::Dim.paint(reason)),
        );
    }
}

/// The sign and the colour of an event: wire, state, address, service.
fn look(what: &What) -> (char, Style) {
    match what {
        What::PriorityZero | What::FirstAdvertisement { .. } | What::GratuitousArp => {
            ('~', Style::Cyan)
        }
        What::Transition {
            after: State::Master,
            ..
        } => ('●', Style::Green),
        What::Transition {
            after: State::Fault,
            ..
        } => ('●', Style::Red),
        What::Transition {
            after: State::Backup | State::Init,
            ..
        } => ('●', Style::Yellow),
        What::AddressAdded => ('+', Style::Blue),
        What::AddressRemoved => ('-', Style::Blue),
        What::ExporterStopping | What::ExporterStopped => ('■', Style::Magenta),
        What::ExporterStarted => ('▶', Style::Magenta),
    }
}

fn summary(text: &mut String, report: &Report) {
    let away = report.first(0, |what| *what == What::AddressRemoved);
    let taken = report.first(1, |what| *what == What::AddressAdded);
    let returned = report.first(0, |what| *what == What::AddressAdded);
    let [first, second] = &report.nodes;
    if let (Some(away), Some(taken), Some(returned)) = (away, taken, returned) {
        let verdict = format!(
            "{VIRTUAL_ADDRESS} was on {second} {:.0} ms after the exporter was stopped on {first}, and back after {:.1} s. \
             It was nowhere for {:.0} ms.",
            milliseconds(taken),
            returned.as_secs_f64(),
            milliseconds(taken.saturating_sub(away)),
        );
        push(text, Style::Bold.paint(verdict));
    }
}

fn journals(text: &mut String, report: &Report) {
    for (name, journal) in report.nodes.iter().zip(&report.journals) {
        push(
            text,
            Style::Bold.paint(format_args!("What {name}'s daemon logged:")),
        );
        for entry in journal {
            push(text, entry);
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn push(text: &mut String, line: impl std::fmt::Display) {
    writeln!(text, "{line}").expect("a String takes every text");
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn report(outcome: Result<String, String>) -> Report {
        let event = |milliseconds, node, what| Event {
            after: Duration::from_millis(milliseconds),
            node,
            what,
        };
        let transition = |before, after, reason: &str| What::Transition {
            before: Some(before),
            after,
            reason: Some(reason.to_owned()),
        };
        Report {
            nodes: ["master", "slave"].map(str::to_owned),
            stopped_at: SystemTime::UNIX_EPOCH,
            events: vec![
                event(0, 0, What::ExporterStopping),
                event(
                    4,
                    0,
                    transition(State::Master, State::Fault, "node-exporter is down"),
                ),
                event(5, 0, What::AddressRemoved),
                event(618, 1, What::AddressAdded),
                event(4_300, 0, What::AddressAdded),
            ],
            expectations: vec![Expectation {
                text: "slave takes over".to_owned(),
                outcome,
            }],
            journals: [Vec::new(), Vec::new()],
        }
    }

    #[test]
    fn each_host_has_its_column() {
        let text = render(&report(Ok("after 618.0 ms".to_owned())));
        let column = |needle: &str| {
            let line = text.lines().find(|line| line.contains(needle)).unwrap();
            line.chars().count()
                - line.split_once(needle).unwrap().1.chars().count()
                - needle.chars().count()
        };
        assert_eq!(column("■ systemd stops the exporter"), column("master"));
        assert_eq!(column("+ 172.27.0.247 added"), column("slave"));
        assert!(
            text.contains("      4.0   ● MASTER -> FAULT\n              node-exporter is down\n"),
            "{text}"
        );
        assert!(
            text.contains("✓ slave takes over (after 618.0 ms)"),
            "{text}"
        );
        assert!(text.contains("was on slave 618 ms after"), "{text}");
        assert!(
            text.contains("back after 4.3 s. It was nowhere for 613 ms"),
            "{text}"
        );
    }

    #[test]
    fn what_did_not_happen_is_explained() {
        let text = render(&report(Err("no transition".to_owned())));
        assert!(
            text.contains("✗ slave takes over\n  no transition\n"),
            "{text}"
        );
        assert!(text.contains("What master's daemon logged:"), "{text}");
        assert!(!text.contains("was nowhere"), "{text}");
    }
}
