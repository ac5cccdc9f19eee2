//! `status --json`: a stable interface (DESIGN §8), described by `docs/status.schema.json`. Keys are added, never renamed or
//! removed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The daemon as it is now.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Status {
    /// This node's name.
    pub(crate) node: String,
    /// Version of vrrp-host.
    pub(crate) version: String,
    /// Process ids; null while a process is being restarted.
    pub(crate) processes: Processes,
    /// How much is logged: `error`, `warn`, `info`, `debug`, `trace`, or the filter that VRRP_HOST_LOG had at the start.
    pub(crate) log_level: String,
    /// How the last reload ended; null when there was none since the start.
    pub(crate) last_reload: Option<Reload>,
    /// Datagrams discarded before an instance was found for them, in the words of RFC 8347.
    pub(crate) counters: BTreeMap<String, u64>,
    /// By how much the router's timers were late since it started.
    pub(crate) lateness: Lateness,
    pub(crate) instances: BTreeMap<String, Instance>,
    /// Instances that are MASTER together or not at all.
    pub(crate) sync_groups: BTreeMap<String, SyncGroup>,
    pub(crate) checks: BTreeMap<String, Check>,
    pub(crate) hooks: BTreeMap<String, Hook>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Processes {
    pub(crate) supervisor: u32,
    pub(crate) router: Option<u32>,
    pub(crate) worker: Option<u32>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Reload {
    /// When it ended, RFC 3339 in UTC.
    pub(crate) at: String,
    /// Why everything goes on with the file of before; null when the new one is in use.
    pub(crate) error: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Instance {
    /// `INIT`, `FAULT`, `BACKUP` or `MASTER`.
    pub(crate) state: String,
    /// Time of the last transition, RFC 3339 in UTC.
    pub(crate) since: String,
    /// Why it is in this state.
    pub(crate) reason: String,
    pub(crate) virtual_router_id: u8,
    pub(crate) interface: String,
    /// Protocol version, 2 or 3.
    pub(crate) version: u8,
    pub(crate) priority: Priority,
    pub(crate) virtual_addresses: Vec<String>,
    /// The MAC of the virtual router; null when it speaks from its interface's own.
    pub(crate) virtual_mac: Option<VirtualMac>,
    /// Whether packets to the shared addresses are accepted by a node that does not own them.
    pub(crate) accept_mode: bool,
    /// Addresses that come and go with them and are not advertised.
    pub(crate) excluded_addresses: Vec<String>,
    /// Routes that come and go with them, in the words of `ip route`.
    pub(crate) routes: Vec<String>,
    /// Rules that come and go with them, in the words of `ip rule`.
    pub(crate) rules: Vec<String>,
    /// The MASTER as this node knows it; null when none is known.
    pub(crate) master: Option<Master>,
    /// Whether it was asked to leave the addresses to others, until `undrain`.
    pub(crate) drained: bool,
    /// Whether it still does after a restart.
    pub(crate) drain_persists: bool,
    /// Every node of the file with what it gives the instance there, by name; empty when the file describes this host alone.
    pub(crate) nodes: BTreeMap<String, Node>,
    /// The tracked checks, by name.
    pub(crate) tracks: BTreeMap<String, Track>,
    /// The tracked interfaces beside its own, by name.
    pub(crate) interfaces: BTreeMap<String, Track>,
    pub(crate) authentication: Authentication,
    /// Who else sends advertisements for this virtual router and is no node of the file; null when nobody was heard for a while.
    pub(crate) vrid_conflict: Option<VridConflict>,
    /// Counters in the words of RFC 8347.
    pub(crate) counters: BTreeMap<String, u64>,
}

/// A histogram as Prometheus has them: each bucket counts what was within its bound.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Lateness {
    pub(crate) buckets: Vec<Bucket>,
    /// Timers in all.
    pub(crate) count: u64,
    /// Microseconds in all.
    pub(crate) sum_us: u64,
    /// The latest one, microseconds.
    pub(crate) max_us: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Bucket {
    /// Upper bound, microseconds.
    pub(crate) le_us: u64,
    pub(crate) count: u64,
}

/// How an instance knows the advertisements of its peers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Authentication {
    /// `none`, `password` or `hmac`.
    pub(crate) method: String,
    /// `receive-only`, `permissive` or `enforce`; null without keys.
    pub(crate) mode: Option<String>,
    /// The number of the key that this node signs with; null when it does not sign.
    pub(crate) active_key: Option<u8>,
    /// The last advertisement that was not known to come from a peer; null when there was none.
    pub(crate) last_failure: Option<AuthenticationFailure>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct AuthenticationFailure {
    /// Who it says has sent it.
    pub(crate) source: String,
    /// What is wrong with it.
    pub(crate) error: String,
    /// When it arrived, RFC 3339 in UTC.
    pub(crate) at: String,
}

/// Another cluster with the same number on the same link, most likely.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct VridConflict {
    /// Where its advertisements come from.
    pub(crate) source: String,
    /// The priority in the last one.
    pub(crate) priority: u8,
    /// When that arrived, RFC 3339 in UTC.
    pub(crate) at: String,
}

/// The sentence about somebody at `source` who has the number of an instance, to stand after its name.
pub(crate) fn vrid_conflict_words(source: &str, virtual_router_id: u8, interface: &str) -> String {
    format!(
        "{source} also sends advertisements for virtual router {virtual_router_id} on {interface}, and is no node of cluster.toml: \
         choose another virtual-router-id, or add it to [nodes] or accept-from if it is one of yours"
    )
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct VirtualMac {
    /// As `00:00:5e:00:01:33`.
    pub(crate) address: String,
    /// The interface that has it, and the virtual addresses while this node is MASTER.
    pub(crate) interface: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct SyncGroup {
    /// The least that every member is: `FAULT`, `INIT`, `BACKUP` or `MASTER`.
    pub(crate) state: String,
    /// Time of the last transition, RFC 3339 in UTC.
    pub(crate) since: String,
    /// The member behind that transition, and why it changed.
    pub(crate) reason: String,
    pub(crate) members: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Priority {
    pub(crate) base: u8,
    pub(crate) effective: u8,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Master {
    pub(crate) address: String,
    /// The name of the node that has this address; null when the file knows none.
    pub(crate) node: Option<String>,
    pub(crate) priority: u8,
}

/// A node of the file, for an instance.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Node {
    /// Its own address; null when the file does not say.
    pub(crate) address: Option<String>,
    /// Its base priority.
    pub(crate) priority: u8,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Track {
    /// `pending`, `up`, `down` or `unknown`.
    pub(crate) standing: String,
    /// `fault`, `release` or the weight.
    pub(crate) on_fail: String,
    /// What it adds to the priority now.
    pub(crate) weight: i32,
    /// What would happen if it went down now, everything else staying as it is; null for an interface, for a check that is
    /// down, and while the router has not said.
    pub(crate) if_down: Option<IfDown>,
}

/// What would happen if a check went down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct IfDown {
    /// `FAULT`, `INIT`, `BACKUP` or `MASTER`.
    pub(crate) state: String,
    /// The effective priority.
    pub(crate) priority: u8,
    pub(crate) takeover: Takeover,
    /// The node that would take over, when the file names it.
    pub(crate) node: Option<String>,
}

/// Who would have the addresses, as far as the file tells the other nodes' priorities; they are taken to be healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Takeover {
    /// Whoever has them now.
    Unchanged,
    /// Another node.
    Other,
    /// Another node for a moment, then this one again.
    OtherAndBack,
    /// Nobody.
    Nobody,
    /// The file does not tell of other nodes.
    Unknown,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Check {
    /// `passing`, `warning`, `failing`, `error`, or `none` before the first run.
    pub(crate) verdict: String,
    /// The module's own words, or the error.
    pub(crate) summary: String,
    /// Since when the verdict has been this one, RFC 3339 in UTC; null before the first run.
    pub(crate) since: Option<String>,
    /// `pending`, `up`, `down` or `unknown`: what it counts as after rise, fall and hold.
    pub(crate) standing: String,
    /// Where its last runs lead; null when that is what it counts as already.
    pub(crate) progress: Option<Progress>,
    pub(crate) runs: u64,
    pub(crate) errors: u64,
    /// Wall time of the last run, microseconds.
    pub(crate) last_run_us: u64,
    /// Processor time of it, microseconds: what `limits = { cpu = "50ms" }` is for.
    pub(crate) last_cpu_us: u64,
    /// What the module measured.
    pub(crate) facts: BTreeMap<String, String>,
}

/// Runs in a row that will make a check count as something else when enough of them follow.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Progress {
    /// `up`, `down`, or `unknown` while errors are held.
    pub(crate) towards: String,
    pub(crate) count: u16,
    pub(crate) needed: u16,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Hook {
    /// Calls that ended, whether well or not.
    pub(crate) runs: u64,
    /// Calls that failed.
    pub(crate) errors: u64,
    /// Calls dropped because a newer transition made them pointless.
    pub(crate) superseded: u64,
    /// Calls that wait or run.
    pub(crate) pending: usize,
    /// How the last call ended: `done`, or the error; null before the first.
    pub(crate) last_result: Option<String>,
    /// When it ended, RFC 3339 in UTC.
    pub(crate) last_at: Option<String>,
    /// The instance or sync group that it was called for.
    pub(crate) last_subject: Option<String>,
    /// The number of the transition that it was called for; each instance and sync group counts its own.
    pub(crate) last_sequence: Option<u64>,
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;
    use schemars::schema_for;

    use super::Status;

    #[test]
    fn the_schema_in_the_docs_is_that_of_these_types() {
        let schema = serde_json::to_string_pretty(&schema_for!(Status)).unwrap();
        expect_file!["../../../docs/status.schema.json"].assert_eq(&format!("{schema}\n"));
    }
}
