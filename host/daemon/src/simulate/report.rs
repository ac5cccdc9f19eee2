//! What a simulation shows: its timeline and who had the addresses, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;
use vrrp::State;

use super::owners::{Spell, with_two, without};
use super::scene::{NodePlan, Scene};
use super::timeline::{Entry, What};
use super::world::World;
use crate::config::NotifyOn;
use crate::supervisor::standing_word;

/// The JSON of a simulation; times are milliseconds since every node was started.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Report {
    for_ms: f64,
    nodes: BTreeMap<String, Node>,
    timeline: Vec<Happened>,
    instances: BTreeMap<String, Instance>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Node {
    address: IpAddr,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Happened {
    at_ms: f64,
    node: String,
    #[serde(flatten)]
    what: Kind,
}

/// Something that happened, with names instead of numbers.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Kind {
    Asked {
        event: String,
    },
    InVain {
        reason: &'static str,
    },
    Starts,
    Stopped,
    Check {
        check: String,
        before: &'static str,
        after: &'static str,
    },
    State {
        instance: String,
        before: String,
        after: String,
        reason: String,
        priority: u8,
    },
    Priority {
        instance: String,
        before: u8,
        after: u8,
        reason: String,
    },
    Group {
        group: String,
        before: String,
        after: String,
        reason: String,
    },
    Has {
        instance: String,
        addresses: Vec<IpAddr>,
    },
    HasNoLonger {
        instance: String,
        addresses: Vec<IpAddr>,
    },
    Hook {
        hook: String,
        #[serde(rename = "for")]
        subject: String,
        on: &'static str,
    },
    Differs {
        instance: String,
        source: IpAddr,
        how: String,
    },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Instance {
    addresses: Vec<IpAddr>,
    /// From the first time on that somebody has them.
    owners: Vec<Owned>,
    without_owner_ms: f64,
    with_two_ms: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Owned {
    from_ms: f64,
    until_ms: f64,
    nodes: Vec<String>,
}

impl Report {
    /// What `world` has shown so far.
    pub(crate) fn new(scene: &Scene, world: &World<'_>) -> Self {
        let nodes = scene.nodes.iter().map(|node| {
            let address = node.address;
            (node.name.clone(), Node { address })
        });
        let timeline = world.timeline().iter();
        let instances = world.owners().iter().enumerate();
        Self {
            for_ms: milliseconds(world.now()),
            nodes: nodes.collect(),
            timeline: timeline.map(|entry| happened(scene, entry)).collect(),
            instances: instances
                .map(|(instance, owners)| {
                    let spells = owners.spells(Duration::ZERO, world.now());
                    let summary = Instance {
                        addresses: scene.addresses(instance),
                        without_owner_ms: milliseconds(without(&spells)),
                        with_two_ms: milliseconds(with_two(&spells)),
                        owners: spells.iter().map(|spell| owned(scene, spell)).collect(),
                    };
                    (scene.instance_name(instance).to_owned(), summary)
                })
                .collect(),
        }
    }
}

/// The timeline and the summary as text; times are milliseconds.
pub(crate) fn text(scene: &Scene, world: &World<'_>) -> String {
    let mut text = String::new();
    let width = scene.nodes.iter().map(|node| node.name.len()).max();
    let width = width.unwrap_or_default();
    let _ = writeln!(text, "{:>10}  node", "ms");
    for entry in world.timeline() {
        let plan = &scene.nodes[entry.node];
        let at = decimal(entry.at);
        let what = sentence(scene, plan, &entry.what);
        let _ = writeln!(text, "{at:>10}  {:width$}  {what}", plan.name);
    }
    for (instance, owners) in world.owners().iter().enumerate() {
        let spells = owners.spells(Duration::ZERO, world.now());
        let name = scene.instance_name(instance);
        let _ = writeln!(text, "\n{name}: {}", addresses(scene, instance));
        for spell in &spells {
            let (from, until) = (decimal(spell.from), decimal(spell.until));
            let _ = writeln!(text, "{from:>10} to {until:>10}  {}", whose(scene, spell));
        }
        if spells.is_empty() {
            let _ = writeln!(text, "{:>10}     on no node, ever", "");
            continue;
        }
        let (nobody, two) = (decimal(without(&spells)), decimal(with_two(&spells)));
        let _ = writeln!(
            text,
            "{:>10}     without an owner {nobody} ms, with two {two} ms",
            ""
        );
    }
    text
}

/// What happened, in the words of the daemon's log.
fn sentence(scene: &Scene, plan: &NodePlan, what: &What) -> String {
    let instance = |number: &usize| scene.instance_name(*number);
    match what {
        What::Asked { words, .. } => format!("<< {words}"),
        What::InVain(why) => format!("   in vain: {why}"),
        What::Starts => "starts".to_owned(),
        What::Stopped => "has stopped".to_owned(),
        What::Check {
            check,
            before,
            after,
        } => format!(
            "check {}: {} -> {}",
            plan.check_name(*check),
            standing_word(Some(*before)),
            standing_word(Some(*after))
        ),
        What::State {
            instance: number,
            before,
            after,
            reason,
            priority,
        } => format!(
            "{}: {before} -> {after} reason=\"{reason}\" priority={priority}",
            instance(number)
        ),
        What::Priority {
            instance: number,
            before,
            after,
            reason,
        } => format!(
            "{}: priority {before} -> {after} reason=\"{reason}\"",
            instance(number)
        ),
        What::Group {
            group,
            before,
            after,
            reason,
        } => format!(
            "sync group {}: {before} -> {after} reason=\"{reason}\"",
            plan.group_name(*group)
        ),
        What::Has(number) => format!("has {}", addresses(scene, *number)),
        What::HasNoLonger(number) => format!("has no longer {}", addresses(scene, *number)),
        What::Hook { hook, subject, on } => format!(
            "{subject}: calls the hook {} on {}",
            plan.hook_name(*hook),
            on_word(*on)
        ),
        What::Differs {
            instance: number,
            source,
            how,
        } => format!("{}: {source} {how}", instance(number)),
    }
}

fn happened(scene: &Scene, entry: &Entry) -> Happened {
    let plan = &scene.nodes[entry.node];
    let instance = |number: &usize| scene.instance_name(*number).to_owned();
    let state = |state: &State| state.to_string();
    let what = match &entry.what {
        What::Asked { words, .. } => Kind::Asked {
            event: words.clone(),
        },
        What::InVain(reason) => Kind::InVain { reason },
        What::Starts => Kind::Starts,
        What::Stopped => Kind::Stopped,
        What::Check {
            check,
            before,
            after,
        } => Kind::Check {
            check: plan.check_name(*check).to_owned(),
            before: standing_word(Some(*before)),
            after: standing_word(Some(*after)),
        },
        What::State {
            instance: number,
            before,
            after,
            reason,
            priority,
        } => Kind::State {
            instance: instance(number),
            before: state(before),
            after: state(after),
            reason: reason.clone(),
            priority: *priority,
        },
        What::Priority {
            instance: number,
            before,
            after,
            reason,
        } => Kind::Priority {
            instance: instance(number),
            before: *before,
            after: *after,
            reason: reason.clone(),
        },
        What::Group {
            group,
            before,
            after,
            reason,
        } => Kind::Group {
            group: plan.group_name(*group).to_owned(),
            before: state(before),
            after: state(after),
            reason: reason.clone(),
        },
        What::Has(number) => Kind::Has {
            instance: instance(number),
            addresses: scene.addresses(*number),
        },
        What::HasNoLonger(number) => Kind::HasNoLonger {
            instance: instance(number),
            addresses: scene.addresses(*number),
        },
        What::Hook { hook, subject, on } => Kind::Hook {
            hook: plan.hook_name(*hook).to_owned(),
            subject: subject.clone(),
            on: on_word(*on),
        },
        What::Differs {
            instance: number,
            source,
            how,
        } => Kind::Differs {
            instance: instance(number),
            source: *source,
            how: how.clone(),
        },
    };
    Happened {
        at_ms: milliseconds(entry.at),
        node: plan.name.clone(),
        what,
    }
}

fn owned(scene: &Scene, spell: &Spell) -> Owned {
    let nodes = spell.nodes.iter().map(|node| &scene.nodes[*node].name);
    Owned {
        from_ms: milliseconds(spell.from),
        until_ms: milliseconds(spell.until),
        nodes: nodes.cloned().collect(),
    }
}

/// The first addresses of an instance, and how many more there are.
pub(super) fn addresses(scene: &Scene, instance: usize) -> String {
    const SHOWN: usize = 3;
    let addresses = scene.addresses(instance);
    let shown: Vec<String> = addresses
        .iter()
        .take(SHOWN)
        .map(IpAddr::to_string)
        .collect();
    match addresses.len().saturating_sub(SHOWN) {
        0 if addresses.is_empty() => "no address of its own".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `master`, `nobody`, or `master and slave`.
fn whose(scene: &Scene, spell: &Spell) -> String {
    match spell.nodes.as_slice() {
        [] => "nobody".to_owned(),
        nodes => node_list(scene, nodes),
    }
}

/// Some nodes by name.
pub(super) fn node_list(scene: &Scene, nodes: &[usize]) -> String {
    let names = nodes.iter().map(|node| scene.nodes[*node].name.as_str());
    names.collect::<Vec<_>>().join(" and ")
}

fn on_word(on: NotifyOn) -> &'static str {
    match on {
        NotifyOn::Master => "master",
        NotifyOn::Backup => "backup",
        NotifyOn::Fault => "fault",
        NotifyOn::Stop => "stop",
    }
}

/// Milliseconds, to the microsecond.
pub(super) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// Milliseconds with one decimal.
pub(super) fn decimal(time: Duration) -> String {
    let tenths = (time.as_micros() + 50) / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}
