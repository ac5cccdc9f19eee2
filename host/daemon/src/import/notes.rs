//! What there is to say about the translation beside the translation.

use super::source::Place;

/// What became of something that has no line of its own in cluster.toml.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// It is not translated: what it did will not be done.
    Lost,
    /// vrrp-host does it anyway, or does not need it.
    Needless,
}

/// A statement of keepalived's that is not in cluster.toml, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) kind: Kind,
    pub(super) place: Place,
    /// The statement.
    pub(super) what: String,
    pub(super) why: String,
}

impl Note {
    pub(super) fn new(
        kind: Kind,
        place: Place,
        what: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            place,
            what: what.into(),
            why: why.into(),
        }
    }
}
