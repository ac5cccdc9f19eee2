//! The keys of the file, each described once: its name for [`reader`](super::reader), what it may hold and what it is for
//! for docs/configuration.md and docs/cluster.schema.json, which the tests write.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The keys that a table may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) known: &'static [Key],
    /// Of these a table has exactly one; none are listed for most tables.
    pub(super) one_of: &'static [&'static str],
}

impl Keys {
    pub(super) const fn new(known: &'static [Key]) -> Self {
        Self { known, one_of: &[] }
    }

    pub(super) const fn one_of(self, one_of: &'static [&'static str]) -> Self {
        Self { one_of, ..self }
    }

    pub(super) fn names(self) -> Vec<&'static str> {
        self.known.iter().map(|key| key.name).collect()
    }

    pub(super) fn contains(self, name: &str) -> bool {
        self.known.iter().any(|key| key.name == name)
    }
}

/// A key, for those who write it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) value: Kind,
    pub(super) left_out: LeftOut,
    /// What it does, in whole sentences of Markdown.
    pub(super) about: &'static str,
    /// A value to write, as TOML; empty where a default or a table below says it.
    pub(super) example: &'static str,
    /// Where a standard defines it: a section of an RFC, a leaf of ietf-vrrp (RFC 8347).
    pub(super) source: &'static str,
}

/// What it means that a key is not there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LeftOut {
    /// It has to be there.
    Refused,
    /// The same as this value, as TOML.
    Default(&'static str),
    /// This, in words that follow "left out:".
    Means(&'static str),
}

impl Key {
    /// A key that has to be there.
    pub(super) const fn required(name: &'static str, value: Kind, about: &'static str) -> Self {
        Self::new(name, value, LeftOut::Refused, about)
    }

    /// A key that may be left out, which is the same as writing `default`, a value as TOML.
    pub(super) const fn default(
        name: &'static str,
        value: Kind,
        default: &'static str,
        about: &'static str,
    ) -> Self {
        Self::new(name, value, LeftOut::Default(default), about)
    }

    /// A key that may be left out, with what that means.
    pub(super) const fn optional(
        name: &'static str,
        value: Kind,
        left_out: &'static str,
        about: &'static str,
    ) -> Self {
        Self::new(name, value, LeftOut::Means(left_out), about)
    }

    const fn new(name: &'static str, value: Kind, left_out: LeftOut, about: &'static str) -> Self {
        Self {
            name,
            value,
            left_out,
            about,
            example: "",
            source: "",
        }
    }

    pub(super) const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    pub(super) const fn source(self, source: &'static str) -> Self {
        Self { source, ..self }
    }
}

/// What a value may be, as far as the value alone shows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    /// A whole number.
    Number(RangeInclusive<i64>),
    /// A text such as "250ms".
    Duration(RangeInclusive<Duration>),
    /// A text such as "16MiB", in bytes.
    Size(RangeInclusive<u64>),
    /// One of some words.
    Choice(&'static [&'static str]),
    Text(Text),
    /// A list with at least so many elements.
    List(&'static Self, usize),
    /// A value, or a table with one for each node.
    ByNode(&'static Self),
    /// Any of these.
    Either(&'static [Self]),
    Table(Keys),
    /// A table whose keys are names of this form.
    Named(Text, &'static Self),
    /// A table whose keys are the module's own.
    ModuleConfig,
}

#[cfg(test)]
impl Kind {
    /// The keys of the table that such a value is, or has in it.
    pub(super) fn table(&self) -> Option<Keys> {
        match self {
            Self::Table(keys) => Some(*keys),
            Self::Named(_, kind) | Self::List(kind, _) | Self::ByNode(kind) => kind.table(),
            Self::Either(kinds) => kinds.iter().find_map(Self::table),
            Self::Boolean
            | Self::Number(_)
            | Self::Duration(_)
            | Self::Size(_)
            | Self::Choice(_)
            | Self::Text(_)
            | Self::ModuleConfig => None,
        }
    }
}

/// A text of some form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// What it is, with its article.
    pub(super) what: &'static str,
    /// A regular expression (ECMA-262) that every such text matches; not all that match it are one.
    pub(super) pattern: &'static str,
}

impl Text {
    pub(super) const fn new(what: &'static str) -> Self {
        Self {
            what,
            pattern: "^.+$",
        }
    }

    pub(super) const fn pattern(self, pattern: &'static str) -> Self {
        Self { pattern, ..self }
    }
}

/// The words of a table of choices, as [`Field::choice`](super::reader::Field::choice) takes it.
pub(super) const fn words<T, const N: usize>(
    choices: &[(&'static str, T); N],
) -> [&'static str; N] {
    let mut words = [""; N];
    let mut index = 0;
    while index < N {
        words[index] = choices[index].0;
        index += 1;
    }
    words
}
