//! cluster.toml after checking: the whole cluster, and what of it concerns one node.
//! Every value here is valid; whoever holds one need not look again.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU16};
use std::path::PathBuf;
use std::time::Duration;

use vrrp_linux::netlink::{Address, Route, Rule};
use vrrp_sandbox::{EngineKind, ModuleRole};

use super::control::Control;
use super::http::Http;
use super::router::Router;
use crate::store::{Digest, PublicKey, Reference};

/// The file, as one node sees it.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    /// This node's name; the host name when the file has no `[nodes]`.
    pub(crate) node: String,
    /// Every node of the file with its address; empty when the file describes this host alone.
    pub(crate) nodes: BTreeMap<String, Option<IpAddr>>,
    /// All checks of the file, in the order of their names.
    pub(crate) checks: Vec<Check>,
    /// All hooks of the file, in the order of their names.
    pub(crate) hooks: Vec<Hook>,
    /// All instances of the file, in the order of their names, with this node's values.
    pub(crate) instances: Vec<Instance>,
    /// All sync groups of the file, in the order of their names.
    pub(crate) groups: Vec<Group>,
    /// `[modules]`: who may sign modules from a registry; anybody or nobody when empty.
    pub(crate) keys: Vec<PublicKey>,
    /// Where metrics and the status page are served; nowhere when left out.
    pub(crate) http: Option<Http>,
    /// Who may ask the running daemon.
    pub(crate) control: Control,
    /// How the process that speaks VRRP runs.
    pub(crate) router: Router,
    /// How modules are run.
    pub(crate) sandbox: Sandbox,
}

/// `[sandbox]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sandbox {
    /// What runs the modules' code; native.
    pub(crate) engine: EngineKind,
}

/// Where a module comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ModuleSource {
    /// Embedded in the binary, by role and name.
    BuiltIn(ModuleRole, String),
    /// A file, absolute or made so from the folder of cluster.toml.
    File(PathBuf),
    /// From a registry: in the store of this node by that digest.
    Registry(Reference, Digest),
}

/// What a check and a hook have in common: a module with its configuration.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    /// Where the component comes from.
    pub(crate) source: ModuleSource,
    /// The `config` table as JSON; `{}` when left out.
    pub(crate) config: serde_json::Value,
    /// The `allow` list as written; `None` when left out.
    pub(crate) allow: Option<Vec<String>>,
    /// Resource limits of a run.
    pub(crate) limits: Limits,
    /// Whom its commands run as; without one, somebody who may do nothing.
    pub(crate) user: Option<String>,
    /// The longest a run or a call of the hook may take.
    pub(crate) timeout: Duration,
    /// The file's table (`["checks", "node-exporter"]`), for errors that the module reports.
    pub(crate) path: [String; 2],
    /// True when this node runs it: tracked or notified here.
    pub(crate) used: bool,
}

/// Limits of one run (DESIGN §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Linear memory, bytes; 16 MiB.
    pub(crate) memory: u64,
    /// CPU time of a run; 50 ms.
    pub(crate) cpu: Duration,
    /// Bytes from guest to host in one run; 1 MiB.
    pub(crate) output: u64,
    /// Open handles; 128.
    pub(crate) handles: u32,
    /// Log lines a second; 20.
    pub(crate) log_rate: u32,
}

/// `[checks.NAME]`.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    /// NAME.
    pub(crate) name: String,
    /// Its module.
    pub(crate) module: Module,
    /// Time from the start of a run to the start of the next.
    pub(crate) interval: Duration,
    /// Consecutive passing verdicts that turn it up.
    pub(crate) rise: NonZeroU16,
    /// Consecutive failing verdicts that turn it down.
    pub(crate) fall: NonZeroU16,
    /// What errors do.
    pub(crate) on_error: vrrp::OnError,
    /// Runs for which the last verdict outlives an error.
    pub(crate) error_hold: u16,
}

/// `[hooks.NAME]`.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    /// NAME.
    pub(crate) name: String,
    /// Its module.
    pub(crate) module: Module,
    /// Called for every transition, also for superseded ones.
    pub(crate) every: bool,
}

/// `[instances.NAME]`, with the values of this node.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    /// NAME.
    pub(crate) name: String,
    /// Interface to speak on.
    pub(crate) interface: String,
    /// 1 to 255.
    pub(crate) virtual_router_id: vrrp::VirtualRouterId,
    /// Protocol version.
    pub(crate) version: vrrp::Version,
    /// This node's base priority; 1 to 255.
    pub(crate) priority: NonZeroU8,
    /// The base priority of every node of the file; empty when it describes this host alone.
    pub(crate) priorities: BTreeMap<String, NonZeroU8>,
    /// Time between advertisements.
    pub(crate) advertisement_interval: Duration,
    /// The longest interval that is learned from a MASTER.
    pub(crate) max_learned_interval: Duration,
    /// Checksum form on send.
    pub(crate) checksum: vrrp::ChecksumForm,
    /// Who it speaks to and listens to.
    pub(crate) peers: vrrp::Peers,
    /// The shared addresses, which are advertised; none where a hook moves them.
    pub(crate) virtual_addresses: Vec<Address>,
    /// Addresses that come and go with them and are not advertised, of either family.
    pub(crate) excluded_addresses: Vec<Address>,
    /// Routes that come and go with the addresses.
    pub(crate) routes: Vec<Route>,
    /// Rules that come and go with the routes.
    pub(crate) rules: Vec<Rule>,
    /// The name of the macvlan that has them, where the virtual router has a MAC of its own.
    pub(crate) virtual_mac: Option<String>,
    /// Whether packets to the shared addresses are accepted by a node that does not own them.
    pub(crate) accept_mode: bool,
    /// Whether a higher priority takes over from a living MASTER.
    pub(crate) preempt: bool,
    /// How long a living MASTER with a lower priority is followed.
    pub(crate) preempt_delay: Duration,
    /// How long after the start it takes part in no election.
    pub(crate) start_delay: Duration,
    /// Missed advertisements until the MASTER counts as gone.
    pub(crate) down_after: NonZeroU8,
    /// How long the first verdicts are waited for.
    pub(crate) init_grace: Duration,
    /// Gratuitous ARP.
    pub(crate) announce: vrrp::AnnounceConfig,
    /// How the advertisements of peers are known from others.
    pub(crate) authentication: vrrp::Authentication,
    /// `[[instances.NAME.track]]` of this node with a check, and those of its sync group.
    pub(crate) tracks: Vec<Track>,
    /// `[[instances.NAME.track]]` of this node with an interface, and those of its sync group.
    pub(crate) interfaces: Vec<InterfaceTrack>,
    /// `[[instances.NAME.notify]]` of this node.
    pub(crate) notify: Vec<Notify>,
}

/// A tracked check.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    /// Index into [`Cluster::checks`].
    pub(crate) check: usize,
    /// What its failure does.
    pub(crate) on_fail: vrrp::OnFail,
}

/// A tracked interface.
#[derive(Clone, Debug)]
pub(crate) struct InterfaceTrack {
    /// Its name.
    pub(crate) interface: String,
    /// What its loss does.
    pub(crate) on_fail: vrrp::OnFail,
    /// How long it has to be up before it counts as up.
    pub(crate) up_delay: Duration,
    /// How long it has to be down before it counts as down.
    pub(crate) down_delay: Duration,
}

/// `[sync-groups.NAME]`, with what concerns this node.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// NAME.
    pub(crate) name: String,
    /// Indices into [`Cluster::instances`].
    pub(crate) members: Vec<usize>,
    /// `[[sync-groups.NAME.notify]]` of this node.
    pub(crate) notify: Vec<Notify>,
}

/// A hook with the transitions that call it.
#[derive(Clone, Debug)]
pub(crate) struct Notify {
    /// The states that, when entered, call it.
    pub(crate) on: Vec<NotifyOn>,
    /// Index into [`Cluster::hooks`].
    pub(crate) hook: usize,
}

/// A transition that a hook can be called on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotifyOn {
    /// MASTER entered.
    Master,
    /// BACKUP entered.
    Backup,
    /// FAULT entered.
    Fault,
    /// The daemon stopped.
    Stop,
}
