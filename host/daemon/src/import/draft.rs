//! One node's configuration in the words of cluster.toml, before the nodes are put together.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use toml::Value;

use super::command::Module;
use super::notes::Note;
use super::source::Place;

/// A value, and where it was said.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

impl<T> Told<T> {
    pub(super) fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }
}

/// A line `key = value` of cluster.toml.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: &'static str,
    pub(super) value: Value,
    /// Where it comes from.
    pub(super) places: Vec<Place>,
    /// What is not the same as it was.
    pub(super) remarks: Vec<String>,
}

impl Entry {
    pub(super) fn new(key: &'static str, value: impl Into<Value>, places: Vec<Place>) -> Self {
        Self {
            key,
            value: value.into(),
            places,
            remarks: Vec::new(),
        }
    }

    pub(super) fn at(key: &'static str, value: impl Into<Value>, place: Place) -> Self {
        Self::new(key, value, vec![place])
    }

    pub(super) fn remark(mut self, remark: impl Into<String>) -> Self {
        self.remarks.push(remark.into());
        self
    }
}

/// A check or a hook: a table of cluster.toml.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ModuleDraft {
    /// The name that it should have.
    pub(super) name: String,
    pub(super) place: Place,
    /// As keepalived calls it: `vrrp_script chk_haproxy`.
    pub(super) what: String,
    pub(super) module: Module,
    /// The keys beside `module` and `config`.
    pub(super) entries: Vec<Entry>,
}

impl ModuleDraft {
    /// Whether both do the same.
    pub(super) fn does_the_same(&self, other: &Self) -> bool {
        let keys = |draft: &Self| -> Vec<(&'static str, Value)> {
            let entries = draft.entries.iter();
            entries
                .map(|entry| (entry.key, entry.value.clone()))
                .collect()
        };
        self.module.name == other.module.name
            && self.module.config == other.module.config
            && keys(self) == keys(other)
    }
}

/// What the failure of something tracked does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnFail {
    Fault,
    Weight(i16),
}

/// What an instance or a group depends on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TrackDraft {
    pub(super) what: Tracked,
    pub(super) on_fail: OnFail,
    pub(super) place: Place,
}

/// A check, by its index in the node, or an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tracked {
    Check(usize),
    Interface {
        name: String,
        delays: Option<Delays>,
    },
}

/// How patiently an interface is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delays {
    pub(super) down: Duration,
    pub(super) up: Duration,
}

/// A hook, by its index in the node, and what calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotifyDraft {
    pub(super) on: &'static [&'static str],
    pub(super) hook: usize,
    pub(super) place: Place,
}

/// The other routers of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PeersDraft {
    pub(super) peers: Vec<IpAddr>,
    pub(super) place: Place,
}

/// `vrrp_instance`.
#[derive(Clone, Debug)]
pub(super) struct InstanceDraft {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) virtual_router_id: u8,
    pub(super) is_v6: bool,
    pub(super) priority: u8,
    /// The addresses that it advertises, to tell instances of several nodes apart.
    pub(super) addresses: Vec<IpAddr>,
    pub(super) entries: Vec<Entry>,
    pub(super) peers: Option<PeersDraft>,
    pub(super) password: Option<Told<String>>,
    /// Whether keepalived speaks version 2 because nothing else is said.
    pub(super) is_v2_by_default: bool,
    pub(super) tracks: Vec<TrackDraft>,
    pub(super) notify: Vec<NotifyDraft>,
}

/// `vrrp_sync_group`.
#[derive(Clone, Debug)]
pub(super) struct GroupDraft {
    pub(super) name: String,
    pub(super) place: Place,
    /// Names of instances of this node.
    pub(super) members: Vec<String>,
    pub(super) tracks: Vec<TrackDraft>,
    pub(super) notify: Vec<NotifyDraft>,
}

/// All of a node.
#[derive(Debug)]
pub(super) struct NodeDraft {
    pub(super) name: String,
    pub(super) address: Option<Told<IpAddr>>,
    pub(super) checks: Vec<ModuleDraft>,
    pub(super) hooks: Vec<ModuleDraft>,
    pub(super) instances: Vec<InstanceDraft>,
    pub(super) groups: Vec<GroupDraft>,
    pub(super) cpus: Option<Told<Value>>,
    pub(super) notes: Vec<Note>,
}

/// How patiently interfaces are taken, by name.
pub(super) type DelaysByInterface = BTreeMap<String, Told<Delays>>;
