//! The tables below what is wrong: instances, checks, hooks.

use comfy_table::Cell;

use super::words::{Clock, counts_as, milliseconds};
use crate::command::terminal::{Terminal, Tone, cell};
use crate::status::{Check, Hook, Instance, Master, Status, SyncGroup};

/// Every table that has a line, each with its heading.
pub(super) fn all(status: &Status, clock: Clock, terminal: Terminal) -> Vec<String> {
    let table = |header: &[&str], rows: Vec<Vec<Cell>>| {
        if rows.is_empty() {
            return None;
        }
        let mut table = terminal.table();
        table.set_header(header.iter().map(|title| cell(Tone::Heading, title)));
        table.add_rows(rows);
        Some(terminal.text(&mut table))
    };
    let instances = status.instances.iter();
    let groups = status.sync_groups.iter();
    let checks = status.checks.iter();
    let hooks = status.hooks.iter();
    let tables = [
        table(
            &["INSTANCE", "STATE", "SINCE", "PRIORITY", "MASTER", "REASON"],
            instances
                .clone()
                .map(|(name, it)| instance(name, it, clock))
                .collect(),
        ),
        table(
            &["ADDRESSES OF", "ON", "VRID", "WHAT IT HOLDS AS MASTER"],
            instances.map(|(name, it)| held(name, it)).collect(),
        ),
        table(
            &["SYNC GROUP", "STATE", "SINCE", "MEMBERS", "REASON"],
            groups.map(|(name, it)| group(name, it, clock)).collect(),
        ),
        table(
            &["CHECK", "VERDICT", "SINCE", "RUNS", "TOOK", "WHAT IT SAYS"],
            checks.map(|(name, it)| check(name, it, clock)).collect(),
        ),
        table(
            &["HOOK", "CALLS", "FAILED", "PENDING", "LAST CALL"],
            hooks.map(|(name, it)| hook(name, it, clock)).collect(),
        ),
    ];
    tables.into_iter().flatten().collect()
}

fn instance(name: &str, instance: &Instance, clock: Clock) -> Vec<Cell> {
    let (base, effective) = (instance.priority.base, instance.priority.effective);
    let priority = if base == effective {
        effective.to_string()
    } else {
        format!("{effective}, base {base}")
    };
    vec![
        cell(Tone::Heading, name),
        cell(of_state(&instance.state), &instance.state),
        cell(Tone::Plain, clock.since(&instance.since)),
        cell(Tone::Plain, priority),
        cell(Tone::Plain, master(instance)),
        cell(Tone::Plain, &instance.reason),
    ]
}

fn held(name: &str, instance: &Instance) -> Vec<Cell> {
    let mut held = instance.virtual_addresses.clone();
    if let Some(mac) = &instance.virtual_mac {
        held.push(format!("MAC {} on {}", mac.address, mac.interface));
    }
    let lists = [
        ("address", &instance.excluded_addresses),
        ("route", &instance.routes),
        ("rule", &instance.rules),
    ];
    for (kind, list) in lists {
        held.extend(list.iter().map(|object| format!("{kind} {object}")));
    }
    vec![
        cell(Tone::Heading, name),
        cell(Tone::Plain, &instance.interface),
        cell(Tone::Plain, instance.virtual_router_id),
        cell(Tone::Plain, held.join("\n")),
    ]
}

fn group(name: &str, group: &SyncGroup, clock: Clock) -> Vec<Cell> {
    vec![
        cell(Tone::Heading, name),
        cell(of_state(&group.state), &group.state),
        cell(Tone::Plain, clock.since(&group.since)),
        cell(Tone::Plain, group.members.join(", ")),
        cell(Tone::Plain, &group.reason),
    ]
}

fn check(name: &str, check: &Check, clock: Clock) -> Vec<Cell> {
    let tone = match (check.standing.as_str(), check.verdict.as_str()) {
        ("down" | "unknown", _) => Tone::Bad,
        (_, "passing") => Tone::Good,
        (_, "none") => Tone::Plain,
        _ => Tone::Warning,
    };
    let Some(since) = &check.since else {
        return vec![cell(Tone::Heading, name), cell(Tone::Plain, "no run yet")];
    };
    let mut says = vec![check.summary.clone(), counts_as(check)];
    if !check.facts.is_empty() {
        let facts = check.facts.iter();
        let facts: Vec<_> = facts
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        says.push(facts.join(" "));
    }
    let runs = match check.errors {
        0 => check.runs.to_string(),
        1 => format!("{}, 1 error", check.runs),
        errors => format!("{}, {errors} errors", check.runs),
    };
    vec![
        cell(Tone::Heading, name),
        cell(tone, &check.verdict),
        cell(Tone::Plain, clock.since(since)),
        cell(Tone::Plain, runs),
        cell(Tone::Plain, milliseconds(check.last_run_us)),
        cell(Tone::Plain, says.join("\n")),
    ]
}

fn hook(name: &str, hook: &Hook, clock: Clock) -> Vec<Cell> {
    let calls = match hook.superseded {
        0 => hook.runs.to_string(),
        superseded => format!("{}, {superseded} superseded", hook.runs),
    };
    let last = (
        &hook.last_result,
        &hook.last_at,
        &hook.last_subject,
        hook.last_sequence,
    );
    let (tone, last) = match last {
        (Some(result), Some(at), Some(subject), Some(sequence)) => {
            let tone = if result == "done" {
                Tone::Plain
            } else {
                Tone::Bad
            };
            let at = clock.ago(at);
            (
                tone,
                format!("{result}; for {subject}, transition {sequence}, at {at}"),
            )
        }
        _ => (Tone::Plain, "none yet".to_owned()),
    };
    vec![
        cell(Tone::Heading, name),
        cell(Tone::Plain, calls),
        cell(Tone::Plain, hook.errors),
        cell(Tone::Plain, hook.pending),
        cell(tone, last),
    ]
}

/// Who is MASTER, as this node knows it.
pub(in crate::command) fn master(instance: &Instance) -> String {
    match (&instance.master, instance.state.as_str()) {
        (Some(_), "MASTER") => "this node".to_owned(),
        (
            Some(Master {
                address,
                node: Some(node),
                priority,
            }),
            _,
        ) => format!("{node} ({address}), priority {priority}"),
        (
            Some(Master {
                address,
                node: None,
                priority,
            }),
            _,
        ) => format!("{address}, priority {priority}"),
        (None, "BACKUP") => "nobody heard yet".to_owned(),
        (None, _) => "not known".to_owned(),
    }
}

pub(in crate::command) fn of_state(state: &str) -> Tone {
    match state {
        "MASTER" => Tone::Good,
        "FAULT" => Tone::Bad,
        "INIT" => Tone::Warning,
        _ => Tone::Plain,
    }
}
