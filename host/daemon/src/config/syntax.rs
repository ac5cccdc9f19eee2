//! What is still worth saying about a file that is not valid TOML.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::Diagnostic;

/// Adds syntax errors to what the reader found, and drops what may only be their consequence.
pub(super) fn merge(
    document: &Spanned<DeTable<'_>>,
    errors: &[toml::de::Error],
    mut found: Vec<Diagnostic>,
    text: &str,
) -> Vec<Diagnostic> {
    if errors.is_empty() {
        return found;
    }
    let mut values = Vec::new();
    collect_values(document.get_ref(), text, &mut values);
    let broken = distinct(errors, &values, text);
    found.retain(|diagnostic| {
        !diagnostic.is_absence && !broken.iter().any(|broken| broken.taints(&diagnostic.span))
    });
    found.extend(
        broken
            .into_iter()
            .map(|broken| broken.into_diagnostic(text)),
    );
    found
}

/// A syntax error and the text that cannot be trusted because of it.
#[derive(Debug)]
struct Broken {
    at: Range<usize>,
    message: String,
    /// The value it is in. One that is in no value (but in a header, a key) makes
    /// everything after it doubtful.
    value: Option<Range<usize>>,
}

impl Broken {
    fn taints(&self, span: &Range<usize>) -> bool {
        match &self.value {
            Some(value) => span.start <= value.end && value.start <= span.end,
            None => self.at.start <= span.end,
        }
    }

    fn into_diagnostic(self, text: &str) -> Diagnostic {
        let word = &text[self.at.clone()];
        let unquoted = self.message.starts_with("string values must be quoted");
        if unquoted && word.is_empty() {
            return Diagnostic::error(self.at, "the value is missing")
                .help("write one after the `=`, or leave the line out");
        }
        let help = if unquoted {
            format!("write text in quotes: `\"{word}\"`")
        } else if self.message.starts_with("duplicate key") {
            "write each key and each table once".to_owned()
        } else {
            "mend this first: what is wrong because of it is not shown".to_owned()
        };
        Diagnostic::error(self.at, self.message).help(help)
    }
}

/// A parser that lost its way reports one mistake again and again: the first one in each value
/// counts, and the first one on each line.
fn distinct(errors: &[toml::de::Error], values: &[Range<usize>], text: &str) -> Vec<Broken> {
    let mut errors: Vec<(Range<usize>, &str)> = errors
        .iter()
        .map(|error| (error.span().unwrap_or(0..0), error.message()))
        .collect();
    errors.sort_by_key(|(at, _)| at.start);
    let mut broken: Vec<Broken> = Vec::new();
    for (at, message) in errors {
        let value = values
            .iter()
            .find(|value| value.start <= at.start && at.start <= value.end);
        let is_echo = broken.last().is_some_and(|last| {
            (value.is_some() && last.value.as_ref() == value)
                || !text[last.at.start..at.start].contains('\n')
        });
        if !is_echo {
            broken.push(Broken {
                value: value.cloned(),
                at,
                message: message.to_owned(),
            });
        }
    }
    broken
}

/// The outermost values that are written in one piece, unlike tables with a header.
fn collect_values(table: &DeTable<'_>, text: &str, into: &mut Vec<Range<usize>>) {
    for value in table.values() {
        match value.get_ref() {
            DeValue::Table(inner) if !text[value.span()].starts_with('{') => {
                collect_values(inner, text, into)
            }
            DeValue::Array(list) => {
                into.push(value.span());
                for element in list.iter() {
                    if let DeValue::Table(inner) = element.get_ref() {
                        collect_values(inner, text, into);
                    }
                }
            }
            DeValue::Table(_)
            | DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => into.push(value.span()),
        }
    }
}
