//! From the checked file to what the router and the worker are told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use vrrp_linux::netlink::Object;
use vrrp_sandbox::{EngineConfig, EngineKind};

use crate::config::{Check, Cluster, Group, Hook, Instance, Module, ModuleSource, NotifyOn};
use crate::ipc::{
    CheckSetup, GroupSetup, InstanceSetup, InterfaceSetup, ModuleSetup, REPEAT_WAITS, Schedule,
    ToRouter, TrackSetup,
};
use crate::modules;
use crate::store::PublicKey;

/// Beyond interval, timeout and the wait of a report that repeats another, how long a report may be late before it counts as an error.
const REPORT_SLACK: Duration = Duration::from_secs(1);

/// The part of the file that is loaded, numbered as router and worker know it.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) checks: Vec<Check>,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) instances: Vec<InstancePlan>,
    pub(crate) groups: Vec<GroupPlan>,
    engine: EngineKind,
    /// Every node of the file with its address.
    pub(super) nodes: BTreeMap<String, Option<IpAddr>>,
    /// The address that the file gives this node.
    pub(super) address: Option<IpAddr>,
    /// Those of the other nodes.
    pub(super) peers: Vec<IpAddr>,
    /// The processors that the router runs on; all when empty.
    pub(super) cpus: Vec<usize>,
    /// Who may sign modules from a registry.
    pub(super) keys: Vec<PublicKey>,
}

/// An instance with its references turned into the numbers of [`Setup`].
#[derive(Clone, Debug)]
pub(crate) struct InstancePlan {
    pub(crate) instance: Instance,
    /// Number of the check of each track.
    pub(crate) tracks: Vec<usize>,
    pub(crate) notify: HookPlan,
}

/// What calls which hook.
pub(crate) type HookPlan = Vec<(Vec<NotifyOn>, usize)>;

/// A sync group with its references turned into the numbers of [`Setup`].
#[derive(Clone, Debug)]
pub(crate) struct GroupPlan {
    pub(crate) group: Group,
    pub(crate) notify: HookPlan,
}

impl Setup {
    /// What this node runs.
    pub(crate) fn for_node(cluster: &Cluster) -> Self {
        Self::of(cluster, |module| module.used)
    }

    /// Everything in the file, whichever node runs it.
    pub(super) fn whole(cluster: &Cluster) -> Self {
        Self::of(cluster, |_| true)
    }

    fn of(cluster: &Cluster, wanted: impl Fn(&Module) -> bool) -> Self {
        let checks: Vec<_> = (0..cluster.checks.len())
            .filter(|&index| wanted(&cluster.checks[index].module))
            .collect();
        let hooks: Vec<_> = (0..cluster.hooks.len())
            .filter(|&index| wanted(&cluster.hooks[index].module))
            .collect();
        let number = |kept: &[usize], index: usize| kept.iter().position(|&other| other == index);
        let hook_plan = |notify: &[crate::config::Notify]| -> HookPlan {
            notify
                .iter()
                .filter_map(|notify| Some((notify.on.clone(), number(&hooks, notify.hook)?)))
                .collect()
        };
        let instances = cluster
            .instances
            .iter()
            .map(|instance| InstancePlan {
                tracks: instance
                    .tracks
                    .iter()
                    .filter_map(|track| number(&checks, track.check))
                    .collect(),
                notify: hook_plan(&instance.notify),
                instance: instance.clone(),
            })
            .collect();
        let groups = cluster
            .groups
            .iter()
            .map(|group| GroupPlan {
                notify: hook_plan(&group.notify),
                group: group.clone(),
            })
            .collect();
        let others = cluster
            .nodes
            .iter()
            .filter(|(name, _)| **name != cluster.node);
        Self {
            checks: checks
                .iter()
                .map(|&index| cluster.checks[index].clone())
                .collect(),
            hooks: hooks
                .iter()
                .map(|&index| cluster.hooks[index].clone())
                .collect(),
            instances,
            groups,
            engine: cluster.sandbox.engine,
            nodes: cluster.nodes.clone(),
            address: cluster.nodes.get(&cluster.node).copied().flatten(),
            peers: others.filter_map(|(_, address)| *address).collect(),
            cpus: cluster.router.cpus.clone(),
            keys: cluster.keys.clone(),
        }
    }

    /// What a router is told of it before it takes part, with these instances, which are those of [`instances`](Self::instances).
    pub(crate) fn for_router(&self, instances: &[InstanceSetup]) -> Vec<ToRouter> {
        let checks = self.checks.iter().map(check_setup).map(ToRouter::Check);
        let instances = instances.iter().cloned().map(Box::new);
        let groups = self.groups.iter().map(group_setup).map(ToRouter::Group);
        let start = ToRouter::Start {
            address: self.address,
            peers: self.peers.clone(),
            all_nodes_known: self.nodes.values().all(Option::is_some),
            cpus: self.cpus.clone(),
        };
        checks
            .chain(instances.map(ToRouter::Instance))
            .chain(groups)
            .chain([start])
            .collect()
    }

    /// The number of the instance of this name.
    pub(super) fn instance_number(&self, name: &str) -> Option<u32> {
        let mut instances = self.instances.iter();
        let index = instances.position(|plan| plan.instance.name == name)?;
        u32::try_from(index).ok()
    }

    /// The modules, checks first, in the order of their numbers.
    pub(super) fn modules(&self) -> impl Iterator<Item = &Module> {
        self.checks
            .iter()
            .map(|check| &check.module)
            .chain(self.hooks.iter().map(|hook| &hook.module))
    }

    /// Whether a module may be granted echo requests.
    pub(super) fn may_ping(&self) -> bool {
        self.modules().any(may_ping)
    }

    /// What the modules run on, with room for the largest memory limit. Compiler and worker have to agree on it: compiled
    /// code depends on it.
    pub(super) fn engine(&self) -> EngineConfig {
        let default = EngineConfig::default();
        let limits = self.modules().map(|module| module.limits.memory);
        EngineConfig {
            kind: self.engine,
            memory_max: limits.fold(default.memory_max, u64::max),
            ..default
        }
    }

    /// The shared addresses to which no packets are accepted (RFC 9568 §6.1, `Accept_Mode`): an owner always accepts them.
    pub(super) fn refused_addresses(&self) -> BTreeSet<IpAddr> {
        let instances = self.instances.iter().map(|plan| &plan.instance);
        instances
            .filter(|instance| !instance.accept_mode && instance.priority != NonZeroU8::MAX)
            .flat_map(|instance| {
                let advertised = instance.virtual_addresses.iter();
                advertised.chain(&instance.excluded_addresses)
            })
            .map(|address| address.address)
            .collect()
    }
}

/// A check, for the core.
fn check_setup(check: &Check) -> CheckSetup {
    CheckSetup {
        name: check.name.clone(),
        rise: check.rise,
        fall: check.fall,
        on_error: check.on_error,
        error_hold: check.error_hold,
        stale_after: check.interval + check.module.timeout + REPEAT_WAITS + REPORT_SLACK,
    }
}

/// An instance, for the router.
pub(crate) fn instance_setup(plan: &InstancePlan) -> InstanceSetup {
    let instance = &plan.instance;
    InstanceSetup {
        name: instance.name.clone(),
        interface: instance.interface.clone(),
        virtual_router_id: instance.virtual_router_id.0,
        version: instance.version,
        priority: instance.priority,
        advertisement_interval: instance.advertisement_interval,
        max_learned_interval: instance.max_learned_interval,
        checksum: instance.checksum,
        peers: instance.peers.clone(),
        addresses: instance.virtual_addresses.clone(),
        virtual_mac: instance.virtual_mac.clone(),
        others: others(instance),
        preempt: instance.preempt,
        preempt_delay: instance.preempt_delay,
        start_delay: instance.start_delay,
        down_after: instance.down_after,
        init_grace: instance.init_grace,
        announce: instance.announce,
        authentication: instance.authentication.clone(),
        last_sequence: None,
        tracks: plan
            .tracks
            .iter()
            .zip(&instance.tracks)
            .map(|(&check, track)| TrackSetup {
                check: u32::try_from(check).unwrap_or(u32::MAX),
                on_fail: track.on_fail,
            })
            .collect(),
        interfaces: instance
            .interfaces
            .iter()
            .map(|track| InterfaceSetup {
                interface: track.interface.clone(),
                on_fail: track.on_fail,
                up_delay: track.up_delay,
                down_delay: track.down_delay,
            })
            .collect(),
    }
}

/// A sync group, for the router.
fn group_setup(plan: &GroupPlan) -> GroupSetup {
    let number = |member: &usize| u32::try_from(*member).unwrap_or(u32::MAX);
    GroupSetup {
        name: plan.group.name.clone(),
        members: plan.group.members.iter().map(number).collect(),
    }
}

/// What an instance holds beside the advertised addresses.
fn others(instance: &Instance) -> Vec<Object> {
    let addresses = instance.excluded_addresses.iter().cloned();
    let routes = instance.routes.iter().cloned();
    let rules = instance.rules.iter().cloned();
    addresses
        .map(Object::from)
        .chain(routes.map(Object::from))
        .chain(rules.map(Object::from))
        .collect()
}

/// Whether a module may be granted echo requests: by its `allow`, or as one of ours that can send them.
fn may_ping(module: &Module) -> bool {
    match (&module.allow, &module.source) {
        (Some(allow), _) => allow.iter().any(|grant| grant.starts_with("icmp:")),
        (None, ModuleSource::BuiltIn(role, name)) => modules::imports(*role, name, "icmp"),
        (None, ModuleSource::File(_) | ModuleSource::Registry(..)) => false,
    }
}

/// A module, for the worker.
pub(crate) fn module_setup(name: &str, module: &Module, key: String) -> ModuleSetup {
    let allow = match (&module.source, &module.allow) {
        (ModuleSource::BuiltIn(..), None) => None,
        (ModuleSource::BuiltIn(..) | ModuleSource::File(_) | ModuleSource::Registry(..), allow) => {
            Some(allow.clone().unwrap_or_default())
        }
    };
    ModuleSetup {
        name: name.to_owned(),
        key,
        config: module.config.to_string(),
        allow,
        memory: module.limits.memory,
        cpu: module.limits.cpu,
        timeout: module.timeout,
        output: module.limits.output,
        handles: module.limits.handles,
        log_rate: module.limits.log_rate,
    }
}

/// When a check runs.
pub(super) fn schedule(check: &Check) -> Schedule {
    Schedule {
        interval: check.interval,
        rise: check.rise,
    }
}
