//! `vrrp-host explain`: why an instance is in its state, and what would happen if each of its checks failed.

use std::time::SystemTime;

use super::ask::ask_status;
use super::print;
use super::status::words::{Clock, counts_as};
use super::status::{master, of_state};
use super::terminal::{Terminal, Tone, cell};
use crate::cli::Options;
use crate::config::unknown;
use crate::exit::Failure;
use crate::status::{IfDown, Instance, Status, Takeover, Track};

/// Asks the running daemon, and explains.
///
/// # Errors
/// When no daemon answers, or it has no such instance.
pub(crate) fn explain(options: &Options, name: &str) -> Result<(), Failure> {
    let status = ask_status(options)?;
    let Some(instance) = status.instances.get(name) else {
        let known: Vec<&str> = status.instances.keys().map(String::as_str).collect();
        return Err(Failure::temporary(unknown("instance", name, &known)));
    };
    let clock = Clock::at(SystemTime::now());
    let terminal = Terminal::of_stdout();
    print(&explanation(name, instance, &status, clock, terminal))
}

fn explanation(
    name: &str,
    instance: &Instance,
    status: &Status,
    clock: Clock,
    terminal: Terminal,
) -> String {
    let mut text = format!(
        "{name} on node {node} is {state} since {since}:\n{reason}.\n{master}\n",
        node = status.node,
        state = terminal.paint(of_state(&instance.state), &instance.state),
        since = clock.since(&instance.since),
        reason = instance.reason,
        master = who_is_master(instance, status),
    );
    let group = status.sync_groups.iter();
    let mut group = group.filter(|(_, group)| group.members.iter().any(|member| member == name));
    if let Some((group, members)) = group.next() {
        text.push_str(&format!(
            "It is MASTER together with {}, or not at all (sync group {group}).\n",
            members
                .members
                .iter()
                .filter(|member| *member != name)
                .cloned()
                .collect::<Vec<_>>()
                .join(", "),
        ));
    }
    if instance.drained {
        text.push_str(&format!(
            "It is drained: its priority is 1 until `vrrp-host undrain {name}`.\n"
        ));
    }
    let sections = [
        priority(instance, status, terminal),
        nodes(instance, status, terminal),
        forecasts(instance, terminal),
    ];
    for section in sections.iter().filter(|section| !section.is_empty()) {
        text.push('\n');
        text.push_str(section);
    }
    text
}

/// Who is MASTER, and why.
fn who_is_master(instance: &Instance, status: &Status) -> String {
    let own = instance.priority.effective;
    let Some(heard) = &instance.master else {
        return match instance.state.as_str() {
            "BACKUP" => "No MASTER was heard yet; when its timer runs out, this node takes over.".to_owned(),
            _ => "Who is MASTER is not known here: an instance that takes part in no election does not listen.".to_owned(),
        };
    };
    if instance.state == "MASTER" {
        let others = instance.nodes.iter();
        let stronger: Vec<&str> = others
            .filter(|(name, node)| **name != status.node && node.priority > own)
            .map(|(name, _)| name.as_str())
            .collect();
        return match stronger.as_slice() {
            [] => format!("MASTER is this node, with priority {own}."),
            names => format!(
                "MASTER is this node, with priority {own}, although {} would have a higher one: not heard, not healthy, or not allowed to preempt.",
                names.join(", ")
            ),
        };
    }
    let who = master(instance);
    let because = match heard.priority.cmp(&own) {
        std::cmp::Ordering::Greater => format!("this node has {own}, which is lower"),
        std::cmp::Ordering::Equal => {
            format!("this node has {own} too, and who is MASTER stays that")
        }
        std::cmp::Ordering::Less => format!(
            "this node has {own}, which is higher: it is about to take over, unless `preempt` or `preempt-delay` keep it from that"
        ),
    };
    format!("MASTER is {who}; {because}.")
}

/// What each part adds or takes.
fn priority(instance: &Instance, status: &Status, terminal: Terminal) -> String {
    let mut table = terminal.table();
    table.set_header(["PRIORITY", "", ""].map(|title| cell(Tone::Heading, title)));
    let base = instance.priority.base;
    table.add_row([
        cell(Tone::Plain, "base"),
        cell(Tone::Plain, base),
        cell(Tone::Plain, "from cluster.toml"),
    ]);
    let tone = |track: &Track| match track.standing.as_str() {
        "down" | "unknown" => Tone::Bad,
        _ => Tone::Plain,
    };
    for (name, track) in &instance.tracks {
        let check = status.checks.get(name);
        let says = check.map_or_else(String::new, |check| {
            let words = [counts_as(check), check.summary.clone()];
            let words = words.into_iter().filter(|words| !words.is_empty());
            words.collect::<Vec<_>>().join(": ")
        });
        table.add_row([
            cell(tone(track), format!("check {name}")),
            cell(tone(track), signed(track)),
            cell(tone(track), says),
        ]);
    }
    for (name, track) in &instance.interfaces {
        table.add_row([
            cell(tone(track), format!("interface {name}")),
            cell(tone(track), signed(track)),
            cell(tone(track), &track.standing),
        ]);
    }
    let effective = instance.priority.effective;
    let sum = i32::from(base)
        + instance
            .tracks
            .values()
            .chain(instance.interfaces.values())
            .map(|track| track.weight)
            .sum::<i32>();
    let held = match (instance.drained, base) {
        (true, _) => "while it is drained",
        (false, 255) => "the owner's is never moved",
        (false, _) if sum != i32::from(effective) => "held to 1 to 254",
        _ => "",
    };
    table.add_row([
        cell(Tone::Heading, "effective"),
        cell(Tone::Heading, effective),
        cell(Tone::Plain, held),
    ]);
    terminal.text(&mut table)
}

/// What a track adds, or that it is not about the priority.
fn signed(track: &Track) -> String {
    match (
        track.weight,
        track.standing.as_str(),
        track.on_fail.as_str(),
    ) {
        (0, "down", "fault") => "FAULT".to_owned(),
        (0, ..) => "0".to_owned(),
        (weight, ..) => format!("{weight:+}"),
    }
}

/// The nodes as the file has them.
fn nodes(instance: &Instance, status: &Status, terminal: Terminal) -> String {
    if instance.nodes.is_empty() {
        return String::new();
    }
    let mut table = terminal.table();
    let header = ["NODE", "ADDRESS", "BASE PRIORITY", ""];
    table.set_header(header.map(|title| cell(Tone::Heading, title)));
    let heard = instance.master.as_ref().and_then(|it| it.node.as_ref());
    for (name, node) in &instance.nodes {
        let mut words = Vec::new();
        if *name == status.node {
            words.push("this node");
        }
        if heard == Some(name) {
            words.push("MASTER");
        }
        table.add_row([
            cell(Tone::Plain, name),
            cell(Tone::Plain, node.address.as_deref().unwrap_or("")),
            cell(Tone::Plain, node.priority),
            cell(Tone::Plain, words.join(", ")),
        ]);
    }
    terminal.text(&mut table)
}

/// What would happen if each check went down.
fn forecasts(instance: &Instance, terminal: Terminal) -> String {
    if instance.tracks.is_empty() {
        return "No check is tracked: only its interface can take it out of the election.\n"
            .to_owned();
    }
    let mut table = terminal.table();
    let header = ["IF IT WENT DOWN NOW", "THIS NODE", "THE ADDRESSES"];
    table.set_header(header.map(|title| cell(Tone::Heading, title)));
    for (name, track) in &instance.tracks {
        let (here, addresses) = match &track.if_down {
            Some(if_down) => (
                format!("{}, priority {}", if_down.state, if_down.priority),
                addresses(if_down, instance),
            ),
            None if track.standing == "down" => ("it is down already".to_owned(), String::new()),
            None => (
                "not known while the router restarts".to_owned(),
                String::new(),
            ),
        };
        table.add_row([
            cell(Tone::Plain, format!("check {name}")),
            cell(Tone::Plain, here),
            cell(Tone::Plain, addresses),
        ]);
    }
    format!(
        "{}The other nodes are taken to be healthy; only cluster.toml is known of them here.\n",
        terminal.text(&mut table)
    )
}

/// Who would have the addresses.
fn addresses(if_down: &IfDown, instance: &Instance) -> String {
    let node = if_down.node.as_deref().unwrap_or("another node");
    let priority = if_down.node.as_ref();
    let priority = priority.and_then(|node| instance.nodes.get(node));
    let priority = priority.map(|node| format!(" (priority {})", node.priority));
    let priority = priority.unwrap_or_default();
    match if_down.takeover {
        Takeover::Unchanged if instance.state == "MASTER" => "stay here".to_owned(),
        Takeover::Unchanged => "stay where they are".to_owned(),
        Takeover::Other => format!("{node}{priority} takes over"),
        Takeover::OtherAndBack => format!(
            "{node}{priority} takes over, and this node takes them back: its priority is still higher"
        ),
        Takeover::Nobody => "nobody has them".to_owned(),
        Takeover::Unknown => {
            "go to another node if one has a higher priority; cluster.toml names none".to_owned()
        }
    }
}

#[cfg(test)]
mod tests;
