//! The whole file: every part read, then held against the others, then seen from one node.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeTable;
use vrrp::VirtualRouterId;

use super::instance::{AddressDraft, InstanceDraft, Scenery, TrackDraft};
use super::model::{Check, Cluster, Hook, Instance, Notify, Track};
use super::module::Modules;
use super::names::Names;
use super::nodes::{Nodes, bare};
use super::reader::{Field, Keys, Sink, Table};
use super::report::Diagnostic;

const ROOT: Keys = Keys {
    known: &["nodes", "checks", "hooks", "instances"],
    later: &["sandbox", "http", "sync-groups"],
};

const INSTANCE_EXAMPLE: &str = "add at least:\n\
    [instances.VI_1]\n\
    interface = \"eth0\"\n\
    virtual-router-id = 51\n\
    virtual-addresses = [\"192.0.2.1\"]";

/// The file as far as it could be read. What could not be read was reported.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) nodes: Nodes,
    pub(super) check_names: Names,
    pub(super) hook_names: Names,
    checks: Vec<Option<Check>>,
    hooks: Vec<Option<Hook>>,
    pub(super) instances: Vec<InstanceDraft>,
}

impl Draft {
    pub(super) fn read(document: &Spanned<DeTable<'_>>, modules: Modules<'_>, sink: &Sink) -> Self {
        let root = Table::root(sink, document, ROOT);
        let nodes = Nodes::read(&root);
        let checks = named(&root, "checks");
        let hooks = named(&root, "hooks");
        let check_names = Names::new("check", "checks", &checks);
        let hook_names = Names::new("hook", "hooks", &hooks);
        let scenery = Scenery {
            nodes: &nodes,
            checks: &check_names,
            hooks: &hook_names,
        };
        let instances = named(&root, "instances");
        if instances.is_empty() {
            sink.push(
                Diagnostic::missing(root.span(), "the file has no instance").help(INSTANCE_EXAMPLE),
            );
        }
        let draft = Self {
            checks: checks
                .iter()
                .map(|field| Check::read(field, modules))
                .collect(),
            hooks: hooks
                .iter()
                .map(|field| Hook::read(field, modules))
                .collect(),
            instances: instances
                .iter()
                .filter_map(|field| InstanceDraft::read(field, scenery))
                .collect(),
            nodes,
            check_names,
            hook_names,
        };
        draft.check_conflicts(sink);
        draft
    }

    /// What the file says to `node`; `None` when something could not be read.
    pub(super) fn resolve(self, node: &str) -> Option<Cluster> {
        let mut checks = self.checks.into_iter().collect::<Option<Vec<_>>>()?;
        let mut hooks = self.hooks.into_iter().collect::<Option<Vec<_>>>()?;
        let instances: Vec<Instance> = self
            .instances
            .into_iter()
            .map(|draft| resolve_instance(draft, node))
            .collect::<Option<_>>()?;
        for instance in &instances {
            for track in &instance.tracks {
                checks[track.check].module.used = true;
            }
            for notify in &instance.notify {
                hooks[notify.hook].module.used = true;
            }
        }
        Some(Cluster {
            node: node.to_owned(),
            nodes: self.nodes.addresses,
            checks,
            hooks,
            instances,
        })
    }

    /// The nodes to look at the file from: one without a name when it describes this host alone.
    pub(super) fn viewpoints(&self) -> Vec<&str> {
        if self.nodes.is_alone() {
            vec![""]
        } else {
            self.nodes.names()
        }
    }

    /// Instances that cannot live on one node together, whichever node it is.
    fn check_conflicts(&self, sink: &Sink) {
        self.check_virtual_router_ids(sink);
        self.check_addresses(sink);
        self.check_routes(sink);
        for instance in &self.instances {
            self.check_tracks(instance, sink);
        }
    }

    fn check_virtual_router_ids(&self, sink: &Sink) {
        for (index, instance) in self.instances.iter().enumerate() {
            let Some(id) = &instance.virtual_router_id else {
                continue;
            };
            let same = self.instances[..index]
                .iter()
                .find_map(|other| Some((self.shares_link(instance, other, id.get_ref())?, other)));
            let Some(((interface, first), other)) = same else {
                continue;
            };
            let number = id.get_ref().0;
            let message = format!(
                "the instances {} and {} both have the virtual-router-id {number} on {interface}",
                bare(&other.name),
                bare(&instance.name),
            );
            sink.push(
                Diagnostic::error(id.span(), message)
                    .related(first, "the other one")
                    .help("write a number from 1 to 255 that nobody else uses on this link"),
            );
        }
    }

    /// The interface on which both speak as `id`, and where the other says so.
    fn shares_link<'a>(
        &self,
        instance: &'a InstanceDraft,
        other: &InstanceDraft,
        id: &VirtualRouterId,
    ) -> Option<(&'a str, std::ops::Range<usize>)> {
        let other_id = other.virtual_router_id.as_ref()?;
        let (mine, theirs) = (instance.interface.as_ref()?, other.interface.as_ref()?);
        let interface = self.viewpoints().into_iter().find_map(|node| {
            let interface = mine.at(node)?;
            (theirs.at(node)? == interface).then_some(interface)
        })?;
        (other_id.get_ref() == id).then(|| (interface.as_str(), other_id.span()))
    }

    fn check_addresses(&self, sink: &Sink) {
        let mut seen = BTreeMap::new();
        for instance in &self.instances {
            let shared = instance.virtual_addresses.iter();
            for address in shared.chain(&instance.excluded_addresses) {
                let ip = address.get_ref().address;
                let Some((first, owner)) = seen.insert(ip, (address.span(), &instance.name)) else {
                    continue;
                };
                let message = if *owner == instance.name {
                    format!("{ip} is listed twice")
                } else {
                    let (owner, name) = (bare(owner), bare(&instance.name));
                    format!("the instances {owner} and {name} both have the address {ip}")
                };
                sink.push(
                    Diagnostic::error(address.span(), message)
                        .related(first, "the other one")
                        .help("leave one of them out: an address moves with one instance"),
                );
            }
        }
    }

    /// The kernel has one route for a destination, table and metric. Instances may share it, whether they are MASTER at once or not.
    fn check_routes(&self, sink: &Sink) {
        let mut seen = BTreeMap::new();
        for instance in &self.instances {
            for route in &instance.routes {
                let draft = route.get_ref();
                let (first, owner) = *seen.entry(draft.place()).or_insert((route, &instance.name));
                let is_first = std::ptr::eq(first, route);
                if is_first || (*owner != instance.name && draft == first.get_ref()) {
                    continue;
                }
                let message = format!(
                    "two routes lead to {} in the same table with the same metric",
                    draft.destination()
                );
                sink.push(
                    Diagnostic::error(route.span(), message)
                        .related(first.span(), "the other one")
                        .help("leave one of them out, or give it another `metric` or `table`"),
                );
            }
            for (index, rule) in instance.rules.iter().enumerate() {
                let before = instance.rules[..index].iter();
                let same = before.rev().find(|other| other.get_ref() == rule.get_ref());
                if let Some(first) = same {
                    sink.push(
                        Diagnostic::error(rule.span(), "the rule is listed twice")
                            .related(first.span(), "the other one")
                            .help("leave one of them out"),
                    );
                }
            }
        }
    }

    fn check_tracks(&self, instance: &InstanceDraft, sink: &Sink) {
        for (index, track) in instance.tracks.iter().enumerate() {
            let overlaps = |other: &&TrackDraft| {
                other.check.get_ref() == track.check.get_ref()
                    && self
                        .viewpoints()
                        .iter()
                        .any(|node| other.scope.contains(node) && track.scope.contains(node))
            };
            let Some(first) = instance.tracks[..index].iter().find(overlaps) else {
                continue;
            };
            sink.push(
                Diagnostic::error(track.check.span(), "the check is tracked twice on one node")
                    .related(first.check.span(), "the other one")
                    .help("leave one of them out, or give each its own `nodes`"),
            );
        }
    }
}

fn named<'d>(root: &Table<'d>, key: &str) -> Vec<Field<'d>> {
    root.get(key)
        .and_then(|field| field.named(&format!("[{key}.NAME]")))
        .unwrap_or_default()
}

fn resolve_instance(draft: InstanceDraft, node: &str) -> Option<Instance> {
    let tracks = draft
        .tracks
        .iter()
        .filter(|track| track.scope.contains(node));
    let notify = draft
        .notify
        .into_iter()
        .filter(|notify| notify.scope.contains(node));
    let interface = draft.interface?.at(node)?.clone();
    let addresses = |drafts: &[Spanned<AddressDraft>]| {
        let drafts = drafts.iter().map(Spanned::get_ref);
        drafts
            .map(|address| address.at(node, &interface))
            .collect::<Option<_>>()
    };
    let routes = draft.routes.iter().map(Spanned::get_ref);
    let rules = draft.rules.iter().map(Spanned::get_ref);
    Some(Instance {
        virtual_addresses: addresses(&draft.virtual_addresses)?,
        excluded_addresses: addresses(&draft.excluded_addresses)?,
        routes: routes
            .map(|route| route.at(node, &interface))
            .collect::<Option<_>>()?,
        rules: rules.map(|rule| rule.at(node)).collect::<Option<_>>()?,
        tracks: tracks
            .map(|track| Track {
                check: *track.check.get_ref(),
                on_fail: *track.on_fail.get_ref(),
            })
            .collect(),
        notify: notify
            .map(|notify| Notify {
                on: notify.on,
                hook: notify.hook,
            })
            .collect(),
        name: draft.name,
        interface,
        virtual_router_id: draft.virtual_router_id?.into_inner(),
        version: draft.version?,
        priority: *draft.priority?.at(node)?,
        advertisement_interval: draft.advertisement_interval?,
        checksum: draft.checksum?,
        preempt: draft.preempt?,
        down_after: draft.down_after?,
        init_grace: draft.init_grace?,
        announce: draft.announce?,
    })
}
