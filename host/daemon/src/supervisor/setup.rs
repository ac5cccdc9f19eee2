//! From the checked file to what the router and the worker are told.

use std::time::Duration;

use vrrp_linux::netlink::Object;

use crate::config::{Check, Cluster, Hook, Instance, Module, ModuleSource, NotifyOn};
use crate::ipc::{CheckSetup, InstanceSetup, ModuleSetup, Schedule, TrackSetup};

/// Beyond interval and timeout, how long a report may be late before it counts as an error.
const REPORT_SLACK: Duration = Duration::from_secs(1);

/// The part of the file that is loaded, numbered as router and worker know it.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) checks: Vec<Check>,
    pub(super) hooks: Vec<Hook>,
    pub(super) instances: Vec<InstancePlan>,
}

/// An instance with its references turned into the numbers of [`Setup`].
#[derive(Clone, Debug)]
pub(super) struct InstancePlan {
    pub(super) instance: Instance,
    /// Number of the check of each track.
    pub(super) tracks: Vec<usize>,
    /// What calls which hook.
    pub(super) notify: Vec<(Vec<NotifyOn>, usize)>,
}

impl Setup {
    /// What this node runs.
    pub(super) fn for_node(cluster: &Cluster) -> Self {
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
        let instances = cluster
            .instances
            .iter()
            .map(|instance| InstancePlan {
                tracks: instance
                    .tracks
                    .iter()
                    .filter_map(|track| number(&checks, track.check))
                    .collect(),
                notify: instance
                    .notify
                    .iter()
                    .filter_map(|notify| Some((notify.on.clone(), number(&hooks, notify.hook)?)))
                    .collect(),
                instance: instance.clone(),
            })
            .collect();
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
        }
    }

    /// The modules, checks first, in the order of their numbers.
    pub(super) fn modules(&self) -> impl Iterator<Item = &Module> {
        self.checks
            .iter()
            .map(|check| &check.module)
            .chain(self.hooks.iter().map(|hook| &hook.module))
    }

    /// The largest memory limit, bytes. Compiler and worker have to agree on it: compiled code depends on it.
    pub(super) fn memory_max(&self) -> u64 {
        let default = vrrp_sandbox::EngineConfig::default().memory_max;
        self.modules()
            .map(|module| module.limits.memory)
            .fold(default, u64::max)
    }
}

/// A check, for the core.
pub(super) fn check_setup(check: &Check) -> CheckSetup {
    CheckSetup {
        name: check.name.clone(),
        rise: check.rise,
        fall: check.fall,
        on_error: check.on_error,
        error_hold: check.error_hold,
        stale_after: check.interval + check.module.timeout + REPORT_SLACK,
    }
}

/// An instance, for the router.
pub(super) fn instance_setup(plan: &InstancePlan) -> InstanceSetup {
    let instance = &plan.instance;
    InstanceSetup {
        name: instance.name.clone(),
        interface: instance.interface.clone(),
        virtual_router_id: instance.virtual_router_id.0,
        version: instance.version,
        priority: instance.priority,
        advertisement_interval: instance.advertisement_interval,
        checksum: instance.checksum,
        addresses: instance.virtual_addresses.clone(),
        others: others(instance),
        preempt: instance.preempt,
        down_after: instance.down_after,
        init_grace: instance.init_grace,
        announce_repeat: instance.announce.repeat,
        announce_delay: instance.announce.delay,
        tracks: plan
            .tracks
            .iter()
            .zip(&instance.tracks)
            .map(|(&check, track)| TrackSetup {
                check: u32::try_from(check).unwrap_or(u32::MAX),
                on_fail: track.on_fail,
            })
            .collect(),
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

/// A module, for the worker.
pub(super) fn module_setup(name: &str, module: &Module, key: String) -> ModuleSetup {
    let allow = match (&module.source, &module.allow) {
        (ModuleSource::BuiltIn(_), None) => None,
        (ModuleSource::BuiltIn(_) | ModuleSource::File(_), allow) => {
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
    }
}
