//! `[control]`: who may ask the running daemon.

use super::key::{Key, Keys, Kind, Text};
use super::reader::Table;

pub(super) const CONTROL: Keys = Keys::new(&[Key::optional(
    "read-only-group",
    Kind::Text(Text::new("the name of a group of the host")),
    "only root may ask",
    "The members of this group may look (`status`, `events`, `explain`), not act.",
)
.example("\"monitoring\"")]);

/// `[control]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Control {
    /// The group of this host whose members may look and not act; nobody but root may ask without one.
    pub(crate) read_only_group: Option<String>,
}

impl Control {
    pub(super) fn read(root: &Table<'_>) -> Option<Self> {
        root.read("control", Self::default(), |field| {
            let table = field.table("[control]", "[control]", CONTROL)?;
            let read_only_group = table.read("read-only-group", None, |field| {
                let group = field.string("monitoring")?;
                if group.is_empty() {
                    field.error(
                        "this names no group",
                        "write the name of a group of this host, or leave `read-only-group` out",
                    );
                    return None;
                }
                Some(Some(group.to_owned()))
            });
            Some(Self {
                read_only_group: read_only_group?,
            })
        })
    }
}
