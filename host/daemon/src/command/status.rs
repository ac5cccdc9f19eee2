//! `vrrp-host status`: asks the running daemon.

use std::io::{self, Write};

use super::ask::ask;
use crate::cli::Options;
use crate::exit::Failure;
use crate::status::{Check, Hook, Progress, Status};
use crate::supervisor::{Request, Response};

/// Prints the status, as a table or as JSON.
///
/// # Errors
/// When no daemon answers at the control socket.
pub(crate) fn status(options: &Options, json: bool) -> Result<(), Failure> {
    let status = match ask(options, &Request::Status)? {
        Response::Status(status) => status,
        Response::Accepted(_) => return Err(Failure::internal("not an answer to `status`")),
        Response::Error(message) => return Err(Failure::temporary(message)),
    };
    let text = if json {
        serde_json::to_string_pretty(&status).map_err(Failure::internal)?
    } else {
        let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now());
        table(&status, &now.to_string())
    };
    writeln!(io::stdout(), "{}", text.trim_end()).map_err(Failure::internal)
}

/// `now` as RFC 3339 in UTC, like every time in a status.
fn table(status: &Status, now: &str) -> String {
    let mut text = format!(
        "node {}, vrrp-host {}; times are UTC\n",
        status.node, status.version
    );
    for (name, instance) in &status.instances {
        text.push_str(&format!(
            "\n{name}: {state} since {since}, priority {effective} (base {base})\n    {reason}\n    {addresses} on {interface}, virtual router {vrid}\n",
            state = instance.state,
            since = time(&instance.since, now),
            effective = instance.priority.effective,
            base = instance.priority.base,
            reason = instance.reason,
            addresses = instance.virtual_addresses.join(", "),
            interface = instance.interface,
            vrid = instance.virtual_router_id,
        ));
        if let Some(mac) = &instance.virtual_mac {
            text.push_str(&format!("    {} on {}\n", mac.address, mac.interface));
        }
        if instance.drained {
            text.push_str("    drained: it leaves the addresses to others\n");
        }
        let lists = [
            ("excluded address", &instance.excluded_addresses),
            ("route", &instance.routes),
            ("rule", &instance.rules),
        ];
        for (kind, list) in lists {
            for object in list {
                text.push_str(&format!("    {kind} {object}\n"));
            }
        }
        let pending = instance.tracks.iter();
        for (check, _) in pending.filter(|(_, track)| track.standing == "pending") {
            text.push_str(&format!("    check {check} has no verdict yet\n"));
        }
        if let Some(master) = &instance.master {
            text.push_str(&format!(
                "    MASTER is {} with priority {}\n",
                master.address, master.priority
            ));
        }
        if let Some(failure) = &instance.authentication.last_failure {
            text.push_str(&format!(
                "    last advertisement without good authentication, from {} at {}: {}\n",
                failure.source,
                time(&failure.at, now),
                failure.error
            ));
        }
    }
    for (name, group) in &status.sync_groups {
        text.push_str(&format!(
            "\nsync group {name}: {} since {}\n    {}\n    {}\n",
            group.state,
            time(&group.since, now),
            group.reason,
            group.members.join(", ")
        ));
    }
    for (name, check) in &status.checks {
        text.push_str(&format!("\n{}", check_text(name, check, now)));
    }
    for (name, hook) in &status.hooks {
        text.push_str(&format!("\n{}", hook_text(name, hook, now)));
    }
    text
}

fn check_text(name: &str, check: &Check, now: &str) -> String {
    let Some(since) = &check.since else {
        return format!("check {name}: {}, no run yet\n", check.standing);
    };
    let mut text = format!(
        "check {name}: {} since {}: {}\n    {}",
        check.verdict,
        time(since, now),
        check.summary,
        counts_as(check),
    );
    text.push_str(&format!(
        "; {} runs, {} errors, the last took {:.1} ms\n",
        check.runs,
        check.errors,
        f64::from(u32::try_from(check.last_run_us).unwrap_or(u32::MAX)) / 1000.0
    ));
    if !check.facts.is_empty() {
        let facts = check.facts.iter();
        let facts: Vec<_> = facts
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        text.push_str(&format!("    {}\n", facts.join(" ")));
    }
    text
}

/// What a check counts as, and what its last runs may make of that.
fn counts_as(check: &Check) -> String {
    let standing = match check.standing.as_str() {
        "pending" => "has no verdict yet".to_owned(),
        "unknown" => "counts as unknown, like a failing weight of -100".to_owned(),
        standing => format!("counts as {standing}"),
    };
    match &check.progress {
        None => standing,
        Some(Progress {
            towards,
            count,
            needed,
        }) if towards == "unknown" => {
            format!("{standing}; unknown after {needed} errors, {count} until now")
        }
        Some(Progress {
            towards,
            count,
            needed,
        }) => format!("{standing}; {towards} after {needed} verdicts, {count} until now"),
    }
}

fn hook_text(name: &str, hook: &Hook, now: &str) -> String {
    let mut text = format!(
        "hook {name}: {} calls, {} failed, {} superseded, {} pending\n",
        hook.runs, hook.errors, hook.superseded, hook.pending
    );
    if let (Some(result), Some(at), Some(subject), Some(sequence)) = (
        &hook.last_result,
        &hook.last_at,
        &hook.last_subject,
        hook.last_sequence,
    ) {
        text.push_str(&format!(
            "    last at {} for {subject}, transition {sequence}: {result}\n",
            time(at, now)
        ));
    }
    text
}

/// The time of day of an RFC 3339 timestamp, to the second; with the date when that is not the one of `now`.
fn time(at: &str, now: &str) -> String {
    let (Some((date, clock)), Some((today, _))) = (at.split_once('T'), now.split_once('T')) else {
        return at.to_owned();
    };
    let clock = clock.get(..8).unwrap_or(clock);
    if date == today {
        clock.to_owned()
    } else {
        format!("{date} {clock}")
    }
}

#[cfg(test)]
mod tests;
