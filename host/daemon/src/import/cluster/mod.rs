//! The nodes put together: one cluster.toml.

mod addresses;
mod groups;
mod instances;
mod merge;
mod modules;
mod uses;

use std::net::IpAddr;

use self::modules::Modules;
use super::draft::{Delays, Entry, ModuleDraft, NodeDraft, OnFail, Told, Tracked};
use super::notes::{Kind, Note};
use super::source::Place;

/// The whole file, ready to be written.
#[derive(Debug)]
pub(super) struct Cluster {
    /// Empty when the file describes one host alone.
    pub(super) nodes: Vec<Node>,
    pub(super) checks: Vec<Named>,
    pub(super) hooks: Vec<Named>,
    pub(super) instances: Vec<Instance>,
    pub(super) groups: Vec<Group>,
    pub(super) cpu_affinity: Option<Entry>,
    pub(super) notes: Vec<Note>,
}

/// `[nodes.NAME]`.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) address: Option<IpAddr>,
    /// Where the address was found; nowhere when it was given on the command line.
    pub(super) place: Option<Place>,
}

/// A check or a hook under its name.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) draft: ModuleDraft,
    pub(super) places: Vec<Place>,
}

/// `[instances.NAME]`.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) places: Vec<Place>,
    pub(super) entries: Vec<Entry>,
    pub(super) password: Option<Told<String>>,
    pub(super) is_v2_by_default: bool,
    pub(super) tracks: Vec<Track>,
    pub(super) notify: Vec<Notify>,
}

/// `[sync-groups.NAME]`.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) places: Vec<Place>,
    pub(super) members: Vec<String>,
    pub(super) tracks: Vec<Track>,
    pub(super) notify: Vec<Notify>,
}

/// `[[instances.NAME.track]]`.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) what: Target,
    pub(super) on_fail: OnFail,
    /// Names of nodes; all when empty.
    pub(super) nodes: Vec<String>,
    pub(super) places: Vec<Place>,
}

/// What is tracked, by its name in cluster.toml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Check(String),
    Interface {
        name: String,
        delays: Option<Delays>,
    },
}

impl Target {
    /// Whether an instance can have only one of both.
    fn is_about_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Check(one), Self::Check(other)) => one == other,
            (Self::Interface { name: one, .. }, Self::Interface { name: other, .. }) => {
                one == other
            }
            _ => false,
        }
    }
}

/// `[[instances.NAME.notify]]`.
#[derive(Debug)]
pub(super) struct Notify {
    pub(super) on: Vec<&'static str>,
    pub(super) hook: String,
    /// Names of nodes; all when empty.
    pub(super) nodes: Vec<String>,
    pub(super) places: Vec<Place>,
}

/// Puts the nodes together. `is_alone`: the file describes one host, and has no `[nodes]`.
pub(super) fn assemble(
    mut nodes: Vec<NodeDraft>,
    given: &[Option<IpAddr>],
    is_alone: bool,
) -> Cluster {
    addresses::infer(&mut nodes, given);
    let mut notes: Vec<Note> = Vec::new();
    for node in &mut nodes {
        notes.append(&mut node.notes);
    }
    let mut assembly = Assembly {
        nodes: &nodes,
        addresses: addresses::of(&nodes, given),
        is_alone,
        checks: Modules::default(),
        hooks: Modules::default(),
        check_names: Vec::new(),
        hook_names: Vec::new(),
        notes,
    };
    for node in &nodes {
        let names = node
            .checks
            .iter()
            .map(|draft| assembly.checks.take(draft, &node.name));
        assembly.check_names.push(names.collect());
        let names = node
            .hooks
            .iter()
            .map(|draft| assembly.hooks.take(draft, &node.name));
        assembly.hook_names.push(names.collect());
    }
    let families = assembly.families();
    let mut instances: Vec<Instance> = families
        .iter()
        .map(|members| assembly.instance(members))
        .collect();
    make_unique(instances.iter_mut().map(|it| &mut it.name));
    let mut groups = assembly.groups(&families, &instances);
    make_unique(groups.iter_mut().map(|it| &mut it.name));
    for group in &groups {
        for instance in instances
            .iter_mut()
            .filter(|it| group.members.contains(&it.name))
        {
            // What the group tracks, its members track.
            instance.tracks.retain(|track| {
                let mut of_group = group.tracks.iter();
                !of_group.any(|of_group| of_group.what.is_about_the_same(&track.what))
            });
        }
    }
    let cpu_affinity = assembly.cpu_affinity();
    Cluster {
        cpu_affinity,
        nodes: assembly.node_tables(),
        checks: assembly.checks.list,
        hooks: assembly.hooks.list,
        instances,
        groups,
        notes: assembly.notes,
    }
}

/// What is known while the nodes are put together.
struct Assembly<'a> {
    nodes: &'a [NodeDraft],
    addresses: Vec<Option<IpAddr>>,
    is_alone: bool,
    checks: Modules,
    hooks: Modules,
    /// Names of the checks of each node, in its own order.
    check_names: Vec<Vec<String>>,
    hook_names: Vec<Vec<String>>,
    notes: Vec<Note>,
}

impl Assembly<'_> {
    fn node_tables(&self) -> Vec<Node> {
        if self.is_alone {
            return Vec::new();
        }
        let nodes = self.nodes.iter().zip(&self.addresses);
        nodes
            .map(|(node, address)| Node {
                name: node.name.clone(),
                address: *address,
                place: node
                    .address
                    .as_ref()
                    .filter(|told| Some(told.value) == *address)
                    .map(|told| told.place),
            })
            .collect()
    }

    fn cpu_affinity(&mut self) -> Option<Entry> {
        let told = self.nodes.iter().enumerate();
        let told: Vec<_> = told
            .filter_map(|(node, draft)| {
                let told = draft.cpus.as_ref()?;
                Some((
                    node,
                    Entry::at("cpu-affinity", told.value.clone(), told.place),
                ))
            })
            .collect();
        if !told.is_empty() && told.len() < self.nodes.len() {
            for (_, entry) in &told {
                self.notes.push(Note::new(
                    Kind::Lost,
                    entry.places[0],
                    "vrrp_cpu_affinity",
                    "not every node has it: write `[router] cpu-affinity` with a list for each",
                ));
            }
            return None;
        }
        self.merged("cpu-affinity", &told, 0)
    }

    /// The target of a node's track.
    fn target(&self, node: usize, what: &Tracked) -> Target {
        match what {
            Tracked::Check(index) => Target::Check(self.check_names[node][*index].clone()),
            Tracked::Interface { name, delays } => Target::Interface {
                name: name.clone(),
                delays: *delays,
            },
        }
    }

    /// The names of these nodes; none when it is all of them.
    fn scope(&self, nodes: &[usize]) -> Vec<String> {
        if nodes.len() == self.nodes.len() {
            return Vec::new();
        }
        nodes
            .iter()
            .map(|node| self.nodes[*node].name.clone())
            .collect()
    }
}

/// Two of one name cannot be told apart.
fn make_unique<'a>(names: impl Iterator<Item = &'a mut String>) {
    let mut seen: Vec<String> = Vec::new();
    for name in names {
        let wanted = name.clone();
        let mut number = 2;
        while seen.contains(name) {
            *name = format!("{wanted}-{number}");
            number += 1;
        }
        seen.push(name.clone());
    }
}
