//! `[sync-groups.NAME]`: instances that are MASTER together or not at all.

use std::collections::BTreeMap;

use toml::Spanned;

use super::instance::track::{self, InterfaceDraft, TRACK, TrackDraft};
use super::instance::{
    InstanceDraft, NOTIFY, NOTIFY_EXAMPLE, NotifyDraft, Scenery, read_list, read_notify,
};
use super::key::{Key, Keys, Kind, Text};
use super::names::Names;
use super::nodes::{bare, check_name};
use super::reader::{Field, Sink};
use super::report::Diagnostic;

pub(super) const GROUP: Keys = Keys::new(&[
    Key::required(
        "members",
        Kind::List(&Kind::Text(Text::new("the name of an instance")), 2),
        "The instances, two or more. An instance is in one group.",
    )
    .example("[\"inside\", \"outside\"]"),
    Key::optional(
        "track",
        Kind::List(&Kind::Table(TRACK), 1),
        "the group depends on what its members track",
        "What every member depends on.",
    )
    .example("[{ check = \"uplink\" }]"),
    Key::optional(
        "notify",
        Kind::List(&Kind::Table(NOTIFY), 1),
        "no hook is called for the group",
        "The hooks that are called once for the whole group.",
    )
    .example("[{ on = \"master\", hook = \"tell\" }]"),
]);

/// A group as far as it could be read. What could not be read was reported.
#[derive(Debug)]
pub(super) struct GroupDraft {
    pub(super) name: String,
    /// Indices among the names of all instances.
    pub(super) members: Vec<Spanned<usize>>,
    tracks: Vec<TrackDraft>,
    interfaces: Vec<InterfaceDraft>,
    pub(super) notify: Vec<NotifyDraft>,
}

impl GroupDraft {
    pub(super) fn read(field: &Field<'_>, instances: &Names, scenery: Scenery<'_>) -> Option<Self> {
        check_name(field, "a sync group");
        let title = format!("[sync-groups.{}]", bare(field.key()));
        let table = field.table(&title, &title, GROUP)?;
        let (tracks, interfaces) = track::read_all(&table, &title, scenery);
        let notify = read_list(&table, "notify", &title, NOTIFY_EXAMPLE, NOTIFY, |entry| {
            read_notify(entry, scenery)
        });
        let members = table.require("members", "members = [\"VI_1\", \"VI_2\"]", |field| {
            let elements = field.elements("[\"VI_1\", \"VI_2\"]")?;
            if elements.len() < 2 {
                field.error(
                    "a sync group has two or more members",
                    "add another instance, or leave out the group",
                );
            }
            let member = |element: &Field<'_>| {
                Some(Spanned::new(element.span(), instances.resolve(element)?))
            };
            Some(elements.iter().filter_map(member).collect())
        });
        Some(Self {
            name: field.key().to_owned(),
            members: members?,
            tracks,
            interfaces,
            notify,
        })
    }

    /// Makes its members track what the group tracks.
    pub(super) fn extend(&self, instances: &mut [InstanceDraft], names: &Names) {
        for member in &self.members {
            let name = names.name(*member.get_ref());
            let found = instances
                .iter_mut()
                .find(|instance| Some(instance.name.as_str()) == name);
            if let Some(instance) = found {
                instance.tracks.extend(self.tracks.iter().cloned());
                instance.interfaces.extend(self.interfaces.iter().cloned());
            }
        }
    }
}

/// An instance moves with one group.
pub(super) fn check_members(groups: &[GroupDraft], names: &Names, sink: &Sink) {
    let mut seen = BTreeMap::new();
    for group in groups {
        for member in &group.members {
            let index = *member.get_ref();
            let Some((first, owner)) = seen.insert(index, (member.span(), &group.name)) else {
                continue;
            };
            let name = bare(names.name(index).unwrap_or_default());
            let message = if *owner == group.name {
                format!("{name} is listed twice")
            } else {
                format!(
                    "{name} is in the sync groups {} and {}",
                    bare(owner),
                    bare(&group.name)
                )
            };
            sink.push(
                Diagnostic::error(member.span(), message)
                    .related(first, "the other one")
                    .help("leave one of them out: an instance moves with one group"),
            );
        }
    }
}
