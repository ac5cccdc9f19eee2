//! Sync groups of several nodes that are one.

use std::collections::BTreeSet;

use super::instances::Family;
use super::{Assembly, Group, Instance};
use crate::import::notes::{Kind, Note};

impl Assembly<'_> {
    /// The sync groups, with the names that their members have by now.
    pub(super) fn groups(&mut self, families: &[Family], instances: &[Instance]) -> Vec<Group> {
        let mut groups: Vec<(Group, Vec<(usize, usize)>)> = Vec::new();
        for (node, draft) in self.nodes.iter().enumerate() {
            for (index, group) in draft.groups.iter().enumerate() {
                let member = |name: &String| {
                    let instance = draft.instances.iter().position(|it| it.name == *name)?;
                    let family = families
                        .iter()
                        .position(|family| family.contains(&(node, instance)))?;
                    Some(instances.get(family)?.name.clone())
                };
                let mut members: Vec<String> = group.members.iter().filter_map(member).collect();
                members.dedup();
                let overlaps = |known: &Group| known.members.iter().any(|it| members.contains(it));
                if let Some((known, drafts)) = groups.iter_mut().find(|(known, _)| overlaps(known))
                {
                    known.places.push(group.place);
                    let same =
                        known.members.iter().collect::<BTreeSet<_>>() == members.iter().collect();
                    if !same || drafts.iter().any(|(other, _)| *other == node) {
                        self.notes.push(Note::new(
                            Kind::Lost,
                            group.place,
                            format!("vrrp_sync_group {}", group.name),
                            format!("an instance is in one group, with the same members on every node: those of {}", known.name),
                        ));
                    }
                    drafts.push((node, index));
                } else {
                    let known = Group {
                        name: group.name.clone(),
                        places: vec![group.place],
                        members,
                        tracks: Vec::new(),
                        notify: Vec::new(),
                    };
                    groups.push((known, vec![(node, index)]));
                }
            }
        }
        let groups = groups.into_iter();
        groups
            .map(|(group, drafts)| {
                let of =
                    |(node, index): &(usize, usize)| (*node, &self.nodes[*node].groups[*index]);
                let tracks: Vec<_> = drafts
                    .iter()
                    .map(of)
                    .map(|(node, it)| (node, it.tracks.clone()))
                    .collect();
                let notify: Vec<_> = drafts
                    .iter()
                    .map(of)
                    .map(|(node, it)| (node, it.notify.clone()))
                    .collect();
                Group {
                    tracks: self.tracks(&tracks),
                    notify: self.notify(&notify),
                    ..group
                }
            })
            .collect()
    }
}
