//! References from one part of the file to another.

use std::ops::Range;

use super::nodes::bare;
use super::reader::Field;
use super::report::Diagnostic;
use super::suggest::{closest, list};

/// The names of all checks, hooks or instances, also of those that could not be read:
/// an error in one must not make every reference to it look wrong.
#[derive(Debug)]
pub(super) struct Names {
    what: &'static str,
    table: &'static str,
    list: Vec<(String, Range<usize>)>,
}

impl Names {
    /// `fields` in the order of their names.
    pub(super) fn new(what: &'static str, table: &'static str, fields: &[Field<'_>]) -> Self {
        let list = fields
            .iter()
            .map(|field| (field.key().to_owned(), field.key_span()))
            .collect();
        Self { what, table, list }
    }

    /// Each name with its place, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        self.list
            .iter()
            .map(|(name, span)| (name.as_str(), span.clone()))
    }

    /// The name at an index.
    pub(super) fn name(&self, index: usize) -> Option<&str> {
        self.list.get(index).map(|(name, _)| name.as_str())
    }

    /// The index of the name that `field` holds.
    pub(super) fn resolve(&self, field: &Field<'_>) -> Option<usize> {
        let name = field.string("NAME")?;
        let index = self.list.iter().position(|(known, _)| known == name);
        if index.is_none() {
            let Self { what, table, .. } = self;
            let known: Vec<&str> = self.iter().map(|(name, _)| name).collect();
            let help = match closest(name, &known) {
                Some(close) => format!("did you mean \"{close}\"?"),
                None if known.is_empty() => format!("add `[{table}.{}]`", bare(name)),
                None => format!("known: {}; or add `[{table}.{}]`", list(&known), bare(name)),
            };
            let message = format!("no {what} is called `{name}`");
            field.push(Diagnostic::missing(field.span(), message).help(help));
        }
        index
    }
}
