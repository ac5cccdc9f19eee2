//! Every metric that there is: name, type, labels, and what it says.

use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// A metric with all its series.
#[derive(Debug)]
pub(super) struct Family {
    /// Without the prefix `vrrp_host_`, the unit, and what the type adds (`_total`, `_info`).
    pub(super) name: &'static str,
    pub(super) unit: Option<Unit>,
    pub(super) kind: MetricType,
    pub(super) labels: &'static [&'static str],
    /// A sentence with a full stop.
    pub(super) help: &'static str,
}

const fn family(
    kind: MetricType,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family {
        name,
        unit: None,
        kind,
        labels,
        help,
    }
}

const fn measured(
    unit: Unit,
    kind: MetricType,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family {
        name,
        unit: Some(unit),
        kind,
        labels,
        help,
    }
}

pub(super) static BUILD: Family = family(
    MetricType::Info,
    "build",
    &["version"],
    "The version that runs; always 1.",
);
pub(super) static NODE: Family = family(
    MetricType::Info,
    "node",
    &["node"],
    "The name of this node in cluster.toml; always 1.",
);
pub(super) static PROCESS_UP: Family = family(
    MetricType::Gauge,
    "process_up",
    &["process"],
    "Whether a process of vrrp-host runs: `supervisor`, `router` or `worker`. 0 while it is being started again.",
);
pub(super) static PROCESS_MEMORY: Family = measured(
    Unit::Bytes,
    MetricType::Gauge,
    "process_resident_memory",
    &["process"],
    "Resident memory of a process of vrrp-host.",
);
pub(super) static INSTANCE: Family = family(
    MetricType::Info,
    "instance",
    &["vrrp_instance", "interface", "virtual_router_id", "version"],
    "An instance of cluster.toml, with its interface, virtual router id and protocol version; always 1.",
);
pub(super) static INSTANCE_STATE: Family = family(
    MetricType::Gauge,
    "instance_state",
    &["vrrp_instance", "state"],
    "1 for the state that an instance is in: `INIT`, `FAULT`, `BACKUP` or `MASTER`; 0 for the others.",
);
pub(super) static BASE_PRIORITY: Family = family(
    MetricType::Gauge,
    "instance_base_priority",
    &["vrrp_instance"],
    "The priority that cluster.toml gives an instance on this node, 1 to 255.",
);
pub(super) static EFFECTIVE_PRIORITY: Family = family(
    MetricType::Gauge,
    "instance_effective_priority",
    &["vrrp_instance"],
    "The priority that an instance has with the weights of its checks and interfaces.",
);
pub(super) static DRAINED: Family = family(
    MetricType::Gauge,
    "instance_drained",
    &["vrrp_instance"],
    "1 for an instance that was asked to leave its addresses to others (`vrrp-host drain`).",
);
pub(super) static TRANSITIONS: Family = family(
    MetricType::Counter,
    "instance_transitions",
    &["vrrp_instance", "state", "reason"],
    "Transitions of an instance into a state, by the kind of reason.",
);
pub(super) static SYNC_GROUP_STATE: Family = family(
    MetricType::Gauge,
    "sync_group_state",
    &["sync_group", "state"],
    "1 for the state that a sync group is in; 0 for the others.",
);
pub(super) static SENT: Family = family(
    MetricType::Counter,
    "advertisements_sent",
    &["vrrp_instance"],
    "Advertisements sent, those with priority 0 among them.",
);
pub(super) static RECEIVED: Family = family(
    MetricType::Counter,
    "advertisements_received",
    &["vrrp_instance"],
    "Advertisements received and found good.",
);
pub(super) static PRIORITY_ZERO_SENT: Family = family(
    MetricType::Counter,
    "priority_zero_sent",
    &["vrrp_instance"],
    "Advertisements sent with priority 0, which gives the addresses away.",
);
pub(super) static PRIORITY_ZERO_RECEIVED: Family = family(
    MetricType::Counter,
    "priority_zero_received",
    &["vrrp_instance"],
    "Advertisements received with priority 0.",
);
pub(super) static AUTHENTICATED: Family = family(
    MetricType::Counter,
    "authenticated_received",
    &["vrrp_instance"],
    "Advertisements received with the right password or a good signature.",
);
pub(super) static INSTANCE_DISCARDS: Family = family(
    MetricType::Counter,
    "instance_discards",
    &["vrrp_instance", "reason"],
    "Packets of an instance with something wrong, by the leaf name of RFC 8347 or of vrrp-host. They are discarded, but for an \
     interval that version 3 learns, another list of addresses, and what the roll-out of signatures tolerates.",
);
pub(super) static DISCARDS: Family = family(
    MetricType::Counter,
    "discards",
    &["reason"],
    "Packets discarded before an instance was found for them, by the leaf name of RFC 8347.",
);
pub(super) static LATENESS: Family = measured(
    Unit::Seconds,
    MetricType::Histogram,
    "router_timer_lateness",
    &[],
    "By how much the timers of the router were late.",
);
pub(super) static CHECK_STANDING: Family = family(
    MetricType::Gauge,
    "check_standing",
    &["check", "standing"],
    "1 for what a check counts as after rise, fall and hold: `pending`, `up`, `down` or `unknown`; 0 for the others.",
);
pub(super) static CHECK_VERDICT: Family = family(
    MetricType::Gauge,
    "check_verdict",
    &["check", "verdict"],
    "1 for how the last run of a check ended: `passing`, `warning`, `failing`, `error`, or `none` before the first; 0 for the \
     others.",
);
pub(super) static CHECK_RUNS: Family = family(
    MetricType::Counter,
    "check_runs",
    &["check", "outcome"],
    "Runs of a check by how they ended: `passing`, `warning`, `failing` or `error`.",
);
pub(super) static CHECK_DURATION: Family = measured(
    Unit::Seconds,
    MetricType::Histogram,
    "check_run_duration",
    &["check"],
    "Wall time of a run.",
);
pub(super) static CHECK_CPU: Family = measured(
    Unit::Seconds,
    MetricType::Counter,
    "check_cpu",
    &["check"],
    "Processor time of all runs of a check.",
);
pub(super) static HOOK_CALLS: Family = family(
    MetricType::Counter,
    "hook_calls",
    &["hook", "result"],
    "Calls of a hook by how they ended: `done`, `retried` (failed, and made again) or `failed`.",
);
pub(super) static HOOK_SUPERSEDED: Family = family(
    MetricType::Counter,
    "hook_superseded",
    &["hook"],
    "Calls of a hook that were dropped because a newer transition made them pointless.",
);
pub(super) static HOOK_PENDING: Family = family(
    MetricType::Gauge,
    "hook_pending",
    &["hook"],
    "Calls of a hook that wait or run.",
);
pub(super) static DENIED: Family = family(
    MetricType::Counter,
    "denied_calls",
    &["kind", "name"],
    "What a module asked for that no grant allows, by the check or hook that it is.",
);

/// All of them, in the order in which they are written: what the documentation is made from.
#[cfg(test)]
pub(super) static FAMILIES: [&Family; 28] = [
    &BUILD,
    &NODE,
    &PROCESS_UP,
    &PROCESS_MEMORY,
    &INSTANCE,
    &INSTANCE_STATE,
    &BASE_PRIORITY,
    &EFFECTIVE_PRIORITY,
    &DRAINED,
    &TRANSITIONS,
    &SYNC_GROUP_STATE,
    &SENT,
    &RECEIVED,
    &PRIORITY_ZERO_SENT,
    &PRIORITY_ZERO_RECEIVED,
    &AUTHENTICATED,
    &INSTANCE_DISCARDS,
    &DISCARDS,
    &LATENESS,
    &CHECK_STANDING,
    &CHECK_VERDICT,
    &CHECK_RUNS,
    &CHECK_DURATION,
    &CHECK_CPU,
    &HOOK_CALLS,
    &HOOK_SUPERSEDED,
    &HOOK_PENDING,
    &DENIED,
];
