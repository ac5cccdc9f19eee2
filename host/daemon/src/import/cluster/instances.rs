//! Instances of several nodes that are one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use toml::Value;

use super::{Assembly, Instance};
use crate::import::draft::{Entry, InstanceDraft, Told};
use crate::import::notes::{Kind, Note};
use crate::import::source::Place;
use crate::import::values::strings;

/// The keys of an instance in the order in which they are written.
const ORDER: [&str; 20] = [
    "interface",
    "virtual-router-id",
    "version",
    "virtual-addresses",
    "excluded-addresses",
    "routes",
    "rules",
    "priority",
    "advertisement-interval",
    "down-after",
    "preempt",
    "preempt-delay",
    "start-delay",
    "accept-mode",
    "virtual-mac",
    "unicast",
    "peers",
    "min-ttl",
    "checksum",
    "announce",
];
/// What a node has that did not know an instance: everybody else goes first.
const LAST_RESORT: i64 = 1;

/// The same virtual router on several nodes: number of the node, and of the instance there.
pub(super) type Family = Vec<(usize, usize)>;

impl Assembly<'_> {
    /// Which instances are one: those with the same virtual router id and address family, and an address or the name in common.
    pub(super) fn families(&self) -> Vec<Family> {
        let mut families: Vec<Family> = Vec::new();
        for (node, draft) in self.nodes.iter().enumerate() {
            for (index, instance) in draft.instances.iter().enumerate() {
                let found = families
                    .iter_mut()
                    .filter(|family| family.iter().all(|(other, _)| *other != node))
                    .map(|family| {
                        let (node, index) = family[0];
                        let likeness = likeness(&self.nodes[node].instances[index], instance);
                        (likeness, family)
                    })
                    .filter(|(likeness, _)| *likeness > 0)
                    .max_by_key(|(likeness, _)| *likeness);
                match found {
                    Some((_, family)) => family.push((node, index)),
                    None => families.push(vec![(node, index)]),
                }
            }
        }
        families
    }

    fn draft(&self, (node, index): (usize, usize)) -> &InstanceDraft {
        &self.nodes[node].instances[index]
    }

    /// One instance of all of a family.
    pub(super) fn instance(&mut self, family: &Family) -> Instance {
        let drafts: Vec<(usize, InstanceDraft)> = family
            .iter()
            .map(|member| (member.0, self.draft(*member).clone()))
            .collect();
        let leader = drafts
            .iter()
            .rev()
            .max_by_key(|(_, draft)| draft.priority)
            .map_or(0, |(node, _)| *node);
        let first = &drafts[0].1;
        let mut entries = Vec::new();
        for key in ORDER {
            let said: Vec<(usize, Entry)> = drafts
                .iter()
                .filter_map(|(node, draft)| {
                    let entry = draft.entries.iter().find(|entry| entry.key == key)?;
                    Some((*node, entry.clone()))
                })
                .collect();
            if key == "peers" {
                entries.extend(self.peers(&drafts));
            } else if said.len() == drafts.len() || key == "version" {
                entries.extend(self.merged(key, &said, leader));
            } else if said.iter().any(|(node, _)| *node == leader) {
                let entry = self.merged(key, &said, leader);
                for (node, draft) in &drafts {
                    if said.iter().all(|(other, _)| other != node)
                        && let Some(entry) = &entry
                    {
                        self.extends(*node, draft.place, entry);
                    }
                }
                entries.extend(entry);
            } else {
                for (node, entry) in &said {
                    self.differs(*node, entry, leader);
                }
            }
        }
        self.add_strangers(family, first, &mut entries);
        let of_nodes = |draft: &InstanceDraft| (draft.tracks.clone(), draft.notify.clone());
        let (tracks, notify): (Vec<_>, Vec<_>) = drafts
            .iter()
            .map(|(node, draft)| {
                let (tracks, notify) = of_nodes(draft);
                ((*node, tracks), (*node, notify))
            })
            .unzip();
        let tracks = self.tracks(&tracks);
        let password = drafts.iter().find_map(|(_, draft)| draft.password.clone());
        self.note_other_passwords(&drafts, password.as_ref());
        Instance {
            name: first.name.clone(),
            places: drafts.iter().map(|(_, draft)| draft.place).collect(),
            entries,
            password,
            is_v2_by_default: drafts.iter().any(|(_, draft)| draft.is_v2_by_default),
            tracks,
            notify: self.notify(&notify),
        }
    }

    /// Nodes whose passwords differ do not hear each other.
    fn note_other_passwords(
        &mut self,
        drafts: &[(usize, InstanceDraft)],
        chosen: Option<&Told<String>>,
    ) {
        let Some(chosen) = chosen else { return };
        for (_, draft) in drafts {
            let own = draft.password.as_ref();
            if own.is_none_or(|own| own.value != chosen.value) {
                self.notes.push(Note::new(
                    Kind::Lost,
                    own.map_or(draft.place, |own| own.place),
                    "authentication",
                    "this node has another password, or none: with keepalived it heard nothing of the others; now all have one password",
                ));
            }
        }
    }

    /// A value that one node does not have and gets.
    fn extends(&mut self, node: usize, place: Place, entry: &Entry) {
        let what = format!("{} = {}", entry.key, entry.value);
        let why = format!(
            "this is now so on {} as well: one value is for all nodes",
            self.nodes[node].name
        );
        self.notes.push(Note::new(Kind::Lost, place, what, why));
    }

    /// Every node has every instance; those that did not have this one come last.
    fn add_strangers(&mut self, family: &Family, first: &InstanceDraft, entries: &mut [Entry]) {
        let strangers: Vec<String> = (0..self.nodes.len())
            .filter(|node| family.iter().all(|(member, _)| member != node))
            .map(|node| self.nodes[node].name.clone())
            .collect();
        if strangers.is_empty() {
            return;
        }
        let why = format!(
            "it was not on {}, where it is now the last resort with priority {LAST_RESORT}: every instance is on every node of the file. \
             Import nodes with other instances apart",
            strangers.join(" and ")
        );
        self.notes.push(Note::new(
            Kind::Lost,
            first.place,
            format!("vrrp_instance {}", first.name),
            why,
        ));
        for entry in entries.iter_mut() {
            let fill = match entry.key {
                "priority" => Value::from(LAST_RESORT),
                "interface" if entry.value.is_table() => first
                    .entries
                    .iter()
                    .find(|entry| entry.key == "interface")
                    .map_or_else(|| entry.value.clone(), |entry| entry.value.clone()),
                "peers" if entry.value.is_table() => all_of(&entry.value),
                _ => continue,
            };
            let of_members = || {
                let members = family.iter();
                let members =
                    members.map(|(node, _)| (self.nodes[*node].name.clone(), entry.value.clone()));
                members.collect()
            };
            let by_node = entry.value.as_table().cloned();
            let mut table: toml::Table = by_node.unwrap_or_else(of_members);
            table.extend(strangers.iter().map(|node| (node.clone(), fill.clone())));
            entry.value = Value::Table(table);
        }
    }

    /// `unicast`, and `peers` where they are not the other nodes of the file.
    fn peers(&self, drafts: &[(usize, InstanceDraft)]) -> Vec<Entry> {
        let said: Vec<_> = drafts
            .iter()
            .filter_map(|(node, draft)| Some((*node, draft.peers.as_ref()?)))
            .collect();
        if said.is_empty() {
            return Vec::new();
        }
        let places: Vec<Place> = said.iter().map(|(_, peers)| peers.place).collect();
        let unicast = Entry::new("unicast", true, places.clone());
        let sets: Vec<(usize, BTreeSet<IpAddr>)> = said
            .iter()
            .map(|(node, peers)| (*node, peers.peers.iter().copied().collect()))
            .collect();
        let without_own = |all: &BTreeSet<IpAddr>, node: usize| -> BTreeSet<IpAddr> {
            let own = self.addresses[node];
            all.iter()
                .copied()
                .filter(|peer| Some(*peer) != own)
                .collect()
        };
        let is_everywhere = said.len() == self.nodes.len();
        let nodes: BTreeSet<IpAddr> = self.addresses.iter().flatten().copied().collect();
        let knows_all = !self.is_alone && nodes.len() == self.nodes.len();
        if knows_all
            && is_everywhere
            && sets
                .iter()
                .all(|(node, set)| *set == without_own(&nodes, *node))
        {
            return vec![unicast];
        }
        let all: BTreeSet<IpAddr> = sets.iter().flat_map(|(_, set)| set).copied().collect();
        let list = |set: &BTreeSet<IpAddr>| {
            strings(&set.iter().map(IpAddr::to_string).collect::<Vec<_>>())
        };
        let value = if is_everywhere
            && sets
                .iter()
                .all(|(node, set)| *set == without_own(&all, *node))
        {
            list(&all)
        } else {
            let table = sets
                .iter()
                .map(|(node, set)| (self.nodes[*node].name.clone(), list(set)));
            Value::Table(table.collect())
        };
        vec![unicast, Entry::new("peers", value, places)]
    }
}

/// Every peer that some node has.
fn all_of(by_node: &Value) -> Value {
    let lists = by_node.as_table().into_iter().flat_map(toml::Table::values);
    let peers = lists.filter_map(Value::as_array).flatten();
    let peers: BTreeSet<&str> = peers.filter_map(Value::as_str).collect();
    strings(&peers.into_iter().collect::<Vec<_>>())
}

/// How sure it is that two instances are the same virtual router; 0 when they are not.
fn likeness(one: &InstanceDraft, other: &InstanceDraft) -> u8 {
    let same_space = one.virtual_router_id == other.virtual_router_id
        && one.is_v6 == other.is_v6
        && one.peers.is_some() == other.peers.is_some();
    if !same_space {
        return 0;
    }
    let shares_address = one.addresses.iter().any(|it| other.addresses.contains(it));
    let interface = |draft: &InstanceDraft| draft.entries.first().map(|entry| entry.value.clone());
    u8::from(shares_address) * 4
        + u8::from(one.name == other.name) * 2
        + u8::from(interface(one) == interface(other))
}
