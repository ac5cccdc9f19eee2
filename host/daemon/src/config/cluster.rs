//! The whole file: every part read, then held against the others, then seen from one node.

mod keys;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;
use vrrp::VirtualRouterId;

use super::control::Control;
use super::group::{self, GroupDraft};
use super::http::HttpDraft;
use super::instance::peers::PeersDraft;
use super::instance::track::{InterfaceDraft, TrackDraft};
use super::instance::{AddressDraft, InstanceDraft, NotifyDraft, Scenery};
use super::model::{Check, Cluster, Group, Hook, Instance, InterfaceTrack, Notify, Sandbox, Track};
use super::module::{self, Modules};
use super::names::Names;
use super::nodes::{Nodes, bare};
use super::reader::{Field, Sink, Table};
use super::report::Diagnostic;
use super::router::RouterDraft;
use super::secret::SecretFiles;
use crate::store::PublicKey;

pub(super) use self::keys::ROOT;

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
    instance_names: Names,
    pub(super) instances: Vec<InstanceDraft>,
    pub(super) groups: Vec<GroupDraft>,
    keys: Option<Vec<PublicKey>>,
    control: Option<Control>,
    http: Option<HttpDraft>,
    router: Option<RouterDraft>,
    sandbox: Option<Sandbox>,
}

/// The keys of `[modules]` alone.
pub(super) fn read_keys(document: &Spanned<DeTable<'_>>, sink: &Sink) -> Option<Vec<PublicKey>> {
    module::read_keys(&Table::root(sink, document, ROOT))
}

/// `[nodes]` alone, as far as it can be read.
pub(super) fn read_nodes(document: &Spanned<DeTable<'_>>) -> Nodes {
    Nodes::read(&Table::root(&Sink::default(), document, ROOT))
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
            secrets: SecretFiles {
                folder: modules.folder,
            },
        };
        let instances = named(&root, "instances");
        if instances.is_empty() {
            sink.push(
                Diagnostic::missing(root.span(), "the file has no instance").help(INSTANCE_EXAMPLE),
            );
        }
        let instance_names = Names::new("instance", "instances", &instances);
        let groups: Vec<_> = named(&root, "sync-groups")
            .iter()
            .filter_map(|field| GroupDraft::read(field, &instance_names, scenery))
            .collect();
        let http = HttpDraft::read(&root, &nodes, scenery.secrets);
        let router = RouterDraft::read(&root, &nodes);
        let mut draft = Self {
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
            instance_names,
            groups,
            keys: module::read_keys(&root),
            control: Control::read(&root),
            http,
            router,
            sandbox: Sandbox::read(&root),
        };
        for group in &draft.groups {
            group.extend(&mut draft.instances, &draft.instance_names);
        }
        draft.check_conflicts(sink);
        draft
    }

    /// What the file says to `node`; `None` when something could not be read.
    pub(super) fn resolve(self, node: &str) -> Option<Cluster> {
        let mut checks = self.checks.into_iter().collect::<Option<Vec<_>>>()?;
        let mut hooks = self.hooks.into_iter().collect::<Option<Vec<_>>>()?;
        let keys = self.keys?;
        let nodes = &self.nodes.addresses;
        let instances: Vec<Instance> = self
            .instances
            .into_iter()
            .map(|draft| resolve_instance(draft, node, nodes))
            .collect::<Option<_>>()?;
        let index_of = |member: usize| {
            let name = self.instance_names.name(member)?;
            instances.iter().position(|instance| instance.name == name)
        };
        let groups: Vec<Group> = self
            .groups
            .into_iter()
            .map(|draft| {
                Some(Group {
                    members: draft
                        .members
                        .iter()
                        .map(|member| index_of(*member.get_ref()))
                        .collect::<Option<_>>()?,
                    notify: resolve_notify(draft.notify, node),
                    name: draft.name,
                })
            })
            .collect::<Option<_>>()?;
        for instance in &instances {
            for track in &instance.tracks {
                checks[track.check].module.used = true;
            }
        }
        let of_instances = instances.iter().flat_map(|instance| &instance.notify);
        for notify in of_instances.chain(groups.iter().flat_map(|group| &group.notify)) {
            hooks[notify.hook].module.used = true;
        }
        Some(Cluster {
            node: node.to_owned(),
            nodes: self.nodes.addresses,
            checks,
            hooks,
            instances,
            groups,
            keys,
            control: self.control?,
            http: self.http?.resolve(node),
            router: self.router?.resolve(node),
            sandbox: self.sandbox?,
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
        self.check_virtual_macs(sink);
        self.check_routes(sink);
        for instance in &self.instances {
            self.check_tracks(instance, sink);
            self.check_interfaces(instance, sink);
            self.check_peers(instance, sink);
        }
        group::check_members(&self.groups, &self.instance_names, sink);
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

    /// The interface on which both speak as `id` in one address family, and where the other says so.
    fn shares_link<'a>(
        &self,
        instance: &'a InstanceDraft,
        other: &InstanceDraft,
        id: &VirtualRouterId,
    ) -> Option<(&'a str, Range<usize>)> {
        let other_id = other.virtual_router_id.as_ref()?;
        let interface = self.common_interface(instance, other)?;
        let is_unicast = |instance: &InstanceDraft| {
            let peers = instance.peers.as_ref();
            peers.is_some_and(PeersDraft::is_unicast)
        };
        // Multicast and unicast do not hear each other.
        let same_space = is_unicast(instance) == is_unicast(other);
        (other_id.get_ref() == id && same_space && instance.family()? == other.family()?)
            .then(|| (interface, other_id.span()))
    }

    /// An interface that both use on one node.
    fn common_interface<'a>(
        &self,
        instance: &'a InstanceDraft,
        other: &InstanceDraft,
    ) -> Option<&'a str> {
        let (mine, theirs) = (instance.interface.as_ref()?, other.interface.as_ref()?);
        let interface = self.viewpoints().into_iter().find_map(|node| {
            let interface = mine.at(node)?;
            (theirs.at(node)? == interface).then_some(interface)
        })?;
        Some(interface)
    }

    /// Each virtual MAC needs an interface of its own.
    fn check_virtual_macs(&self, sink: &Sink) {
        let name = |instance: &'_ InstanceDraft| instance.virtual_mac.clone().flatten();
        for (index, instance) in self.instances.iter().enumerate() {
            let Some(mac) = name(instance) else { continue };
            let others = self.instances[..index].iter().filter_map(name);
            let same = others
                .into_iter()
                .find(|other| other.get_ref() == mac.get_ref());
            let speaks_on = |other: &InstanceDraft| {
                let interface = other.interface.as_ref();
                self.viewpoints()
                    .into_iter()
                    .any(|node| interface.and_then(|it| it.at(node)) == Some(mac.get_ref()))
            };
            let what = mac.get_ref();
            let diagnostic = if let Some(same) = same {
                let message = format!("two virtual MACs would both have the interface {what}");
                Diagnostic::error(mac.span(), message).related(same.span(), "the other one")
            } else if let Some(other) = self.instances.iter().find(|it| speaks_on(it)) {
                let message = format!(
                    "the virtual MAC would have the interface {what}, which {} speaks on",
                    bare(&other.name)
                );
                Diagnostic::error(mac.span(), message)
            } else {
                continue;
            };
            sink.push(
                diagnostic
                    .help("write another name for it: `virtual-mac = \"vrrp.lan\"`, 1 to 15 bytes"),
            );
        }
    }

    fn check_addresses(&self, sink: &Sink) {
        let mut seen: BTreeMap<IpAddr, Vec<(&Spanned<AddressDraft>, &InstanceDraft)>> =
            BTreeMap::new();
        for instance in &self.instances {
            let shared = instance.virtual_addresses.iter();
            for address in shared.chain(&instance.excluded_addresses) {
                let ip = address.get_ref().address;
                let places = seen.entry(ip).or_default();
                let clash = places
                    .iter()
                    .find(|other| self.clash((address, instance), **other))
                    .copied();
                places.push((address, instance));
                let Some((first, owner)) = clash else {
                    continue;
                };
                let message = if owner.name == instance.name {
                    format!("{ip} is listed twice")
                } else {
                    let (owner, name) = (bare(&owner.name), bare(&instance.name));
                    format!("the instances {owner} and {name} both have the address {ip}")
                };
                sink.push(
                    Diagnostic::error(address.span(), message)
                        .related(first.span(), "the other one")
                        .help("leave one of them out: an address moves with one instance"),
                );
            }
        }
    }

    /// Whether an address of one instance cannot be the other's, too. A link-local address is another one on each link.
    fn clash(
        &self,
        (address, instance): (&Spanned<AddressDraft>, &InstanceDraft),
        (other, owner): (&Spanned<AddressDraft>, &InstanceDraft),
    ) -> bool {
        let is_link_local = matches!(
            address.get_ref().address,
            IpAddr::V6(address) if address.is_unicast_link_local()
        );
        let interface = |draft: &Spanned<AddressDraft>, of: &InstanceDraft, node| {
            let own = of.interface.as_ref()?.at(node)?;
            Some(draft.get_ref().at(node, own)?.interface)
        };
        let on_one_link = |node| {
            let interface_here = interface(address, instance, node);
            interface_here.is_some() && interface_here == interface(other, owner, node)
        };
        !is_link_local
            || instance.name == owner.name
            || self.viewpoints().into_iter().any(on_one_link)
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

    fn check_interfaces(&self, instance: &InstanceDraft, sink: &Sink) {
        for (index, track) in instance.interfaces.iter().enumerate() {
            let on_both = |other: &InterfaceDraft| {
                self.viewpoints()
                    .iter()
                    .any(|node| other.scope.contains(node) && track.scope.contains(node))
            };
            let name = track.interface.get_ref();
            let overlaps =
                |other: &&InterfaceDraft| other.interface.get_ref() == name && on_both(other);
            if let Some(first) = instance.interfaces[..index].iter().find(overlaps) {
                sink.push(
                    Diagnostic::error(
                        track.interface.span(),
                        "the interface is tracked twice on one node",
                    )
                    .related(first.interface.span(), "the other one")
                    .help("leave one of them out, or give each its own `nodes`"),
                );
            }
            let own = self.viewpoints().into_iter().any(|node| {
                let interface = instance.interface.as_ref().and_then(|own| own.at(node));
                track.scope.contains(node) && interface == Some(name)
            });
            if own && *track.on_fail.get_ref() != vrrp::OnFail::Fault {
                sink.push(
                    Diagnostic::error(
                        track.on_fail.span(),
                        format!(
                            "{} speaks on {name}, and cannot without it",
                            bare(&instance.name)
                        ),
                    )
                    .help("write `on-fail = \"fault\"`, or leave it out"),
                );
            }
        }
    }

    /// Whom an instance speaks to, on each node; one report of a kind is enough.
    fn check_peers(&self, instance: &InstanceDraft, sink: &Sink) {
        let Some(peers) = &instance.peers else { return };
        let nodes = &self.nodes.addresses;
        let problem = self
            .viewpoints()
            .into_iter()
            .find_map(|node| peers.at(node, nodes, &instance.virtual_addresses).err());
        if let Some(problem) = problem {
            problem.report(sink);
        }
    }
}

fn named<'d>(root: &Table<'d>, key: &str) -> Vec<Field<'d>> {
    root.get(key)
        .and_then(|field| field.named(&format!("[{key}.NAME]")))
        .unwrap_or_default()
}

fn resolve_notify(notify: Vec<NotifyDraft>, node: &str) -> Vec<Notify> {
    let notify = notify
        .into_iter()
        .filter(|notify| notify.scope.contains(node));
    notify
        .map(|notify| Notify {
            on: notify.on,
            hook: notify.hook,
        })
        .collect()
}

fn resolve_instance(
    draft: InstanceDraft,
    node: &str,
    nodes: &BTreeMap<String, Option<IpAddr>>,
) -> Option<Instance> {
    let peers = draft
        .peers?
        .at(node, nodes, &draft.virtual_addresses)
        .ok()?;
    let interfaces = draft
        .interfaces
        .iter()
        .filter(|track| track.scope.contains(node));
    let tracks = draft
        .tracks
        .iter()
        .filter(|track| track.scope.contains(node));
    let interface = draft.interface?.at(node)?.clone();
    let priority = draft.priority?;
    let priorities = nodes.keys();
    let priorities = priorities
        .map(|node| Some((node.clone(), *priority.at(node)?)))
        .collect::<Option<_>>()?;
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
        interfaces: interfaces
            .map(|track| InterfaceTrack {
                interface: track.interface.get_ref().clone(),
                on_fail: *track.on_fail.get_ref(),
                up_delay: track.up_delay,
                down_delay: track.down_delay,
            })
            .collect(),
        notify: resolve_notify(draft.notify, node),
        name: draft.name,
        interface,
        virtual_router_id: draft.virtual_router_id?.into_inner(),
        version: draft.version?,
        priority: *priority.at(node)?,
        priorities,
        advertisement_interval: draft.advertisement_interval?,
        max_learned_interval: draft.max_learned_interval?,
        checksum: draft.checksum?,
        peers,
        virtual_mac: draft.virtual_mac?.map(Spanned::into_inner),
        accept_mode: draft.accept_mode?,
        preempt: draft.preempt?,
        preempt_delay: draft.preempt_delay?,
        start_delay: draft.start_delay?,
        down_after: draft.down_after?,
        init_grace: draft.init_grace?,
        announce: draft.announce?,
        authentication: draft.authentication?.authentication,
    })
}
