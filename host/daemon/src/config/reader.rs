//! Reading TOML values into types, with every error collected on the way.
//!
//! A read returns `None` when it has reported an error; the rest of the file is read all the same.

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key::Keys;
use super::report::Diagnostic;
use super::suggest::{closest, list};

/// Where errors are collected.
#[derive(Debug, Default)]
pub(super) struct Sink(RefCell<Vec<Diagnostic>>);

impl Sink {
    pub(super) fn push(&self, diagnostic: Diagnostic) {
        self.0.borrow_mut().push(diagnostic);
    }

    pub(super) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.0.into_inner()
    }
}

/// A table of which all keys are known.
#[derive(Clone, Debug)]
pub(super) struct Table<'d> {
    sink: &'d Sink,
    title: String,
    span: Range<usize>,
    keys: Keys,
    /// Keys that an unknown key was most likely meant to be.
    misspelled: Vec<&'static str>,
    entries: &'d DeTable<'d>,
}

impl<'d> Table<'d> {
    /// The file's outermost table.
    pub(super) fn root(sink: &'d Sink, document: &'d Spanned<DeTable<'d>>, keys: Keys) -> Self {
        Self::new(
            sink,
            "the file".to_owned(),
            document.span(),
            document.get_ref(),
            keys,
        )
    }

    fn new(
        sink: &'d Sink,
        title: String,
        span: Range<usize>,
        entries: &'d DeTable<'d>,
        keys: Keys,
    ) -> Self {
        let mut table = Self {
            sink,
            title,
            span,
            keys,
            misspelled: Vec::new(),
            entries,
        };
        for (key, value) in entries {
            table.check_key(&Field::new(sink, key, value));
        }
        table
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub(super) fn push(&self, diagnostic: Diagnostic) {
        self.sink.push(diagnostic);
    }

    /// Reads the value of `key`, which may be left out.
    pub(super) fn read<T>(
        &self,
        key: &str,
        default: T,
        read: impl FnOnce(Field<'d>) -> Option<T>,
    ) -> Option<T> {
        self.get(key).map_or(Some(default), read)
    }

    /// Reads the value of `key`; `example` is a line to write when it was left out.
    pub(super) fn require<T>(
        &self,
        key: &str,
        example: &str,
        read: impl FnOnce(Field<'d>) -> Option<T>,
    ) -> Option<T> {
        let Some(field) = self.get(key) else {
            if self.misspelled.contains(&key) {
                return None;
            }
            let message = format!("{} has no `{key}`", self.title);
            self.sink.push(
                Diagnostic::missing(self.span(), message)
                    .help(format!("add, for example, `{example}`")),
            );
            return None;
        };
        read(field)
    }

    /// Whether a key that is unknown was most likely meant to be one of these.
    pub(super) fn misspells(&self, keys: &[&str]) -> bool {
        self.misspelled.iter().any(|key| keys.contains(key))
    }

    pub(super) fn get(&self, key: &str) -> Option<Field<'d>> {
        debug_assert!(self.keys.contains(key), "{key} is not listed");
        let (key, value) = self.entries.get_key_value(key)?;
        Some(Field::new(self.sink, key, value))
    }

    fn check_key(&mut self, field: &Field<'d>) {
        let (key, title) = (field.key, &self.title);
        if self.keys.contains(key) {
            return;
        }
        let known = self.keys.names();
        let close = closest(key, &known);
        self.misspelled.extend(close);
        let message = format!("unknown key `{key}` in {title}");
        self.sink.push(
            Diagnostic::error(field.key_span(), message).help(match close {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("known keys: {}", list(&known)),
            }),
        );
    }
}

/// A value of the file and what to call it in errors.
#[derive(Clone, Debug)]
pub(super) struct Field<'d> {
    sink: &'d Sink,
    key: &'d str,
    key_span: Range<usize>,
    is_element: bool,
    value: &'d Spanned<DeValue<'d>>,
}

impl<'d> Field<'d> {
    pub(super) fn new(
        sink: &'d Sink,
        key: &'d Spanned<std::borrow::Cow<'d, str>>,
        value: &'d Spanned<DeValue<'d>>,
    ) -> Self {
        Self {
            sink,
            key: key.get_ref(),
            key_span: key.span(),
            is_element: false,
            value,
        }
    }

    /// The key that the value, or the list it is in, was given for.
    pub(super) fn key(&self) -> &'d str {
        self.key
    }

    pub(super) fn key_span(&self) -> Range<usize> {
        self.key_span.clone()
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    pub(super) fn value(&self) -> &'d DeValue<'d> {
        self.value.get_ref()
    }

    /// Reports an error at the value.
    pub(super) fn error(&self, message: impl Into<String>, help: impl Into<String>) {
        self.push(Diagnostic::error(self.span(), message).help(help));
    }

    pub(super) fn push(&self, diagnostic: Diagnostic) {
        self.sink.push(diagnostic);
    }

    /// Any text.
    pub(super) fn string(&self, example: &str) -> Option<&'d str> {
        self.text("a string", example)
    }

    fn text(&self, expected: &str, example: &str) -> Option<&'d str> {
        match self.value() {
            DeValue::String(text) => Some(text),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => {
                self.wrong_type(expected, &self.written(&format!("{example:?}")))
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Option<bool> {
        let help = || {
            format!(
                "write {} or {}",
                self.written("true"),
                self.written("false")
            )
        };
        match self.value() {
            DeValue::Boolean(value) => Some(*value),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => self.wrong_type_help("true or false", help()),
        }
    }

    /// A whole number in `range`.
    pub(super) fn number(&self, range: RangeInclusive<i64>, example: i64) -> Option<i64> {
        let integer = match self.value() {
            DeValue::Integer(integer) => integer,
            DeValue::String(text) if text.parse().is_ok_and(|n: i64| range.contains(&n)) => {
                let help = format!("leave out the quotes: {}", self.written(text));
                return self.wrong_type_help("a number", help);
            }
            DeValue::String(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => {
                return self.wrong_type("a whole number", &self.written(&example.to_string()));
            }
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.out_of_range(&integer.to_string(), &range.start(), &range.end());
        }
        number
    }

    /// A duration in `range`, as text with a unit.
    pub(super) fn duration(
        &self,
        range: &RangeInclusive<Duration>,
        example: &str,
    ) -> Option<Duration> {
        if let DeValue::Integer(number) = self.value() {
            let help = format!(
                "write it with a unit: {}",
                self.written(&format!("\"{number}s\""))
            );
            return self.wrong_type_help("a duration", help);
        }
        let text = self.text("a duration", example)?;
        let Ok(duration) = humantime::parse_duration(text) else {
            self.error(
                format!("{} is not a duration", self.what()),
                format!("write a number and a unit: `\"{example}\"`; units are ms, s, m and h"),
            );
            return None;
        };
        if !range.contains(&duration) {
            let show = |end: &Duration| humantime::format_duration(*end).to_string();
            self.out_of_range(text, &show(range.start()), &show(range.end()));
            return None;
        }
        Some(duration)
    }

    /// A number of bytes in `range`, as text with a unit.
    pub(super) fn size(&self, range: RangeInclusive<u64>, example: &str) -> Option<u64> {
        let text = self.text("a size", example)?;
        let Some(size) = parse_size(text) else {
            self.error(
                format!("{} is not a size", self.what()),
                format!(
                    "write a whole number and a unit: `\"{example}\"`; units are B, KiB, MiB and GiB"
                ),
            );
            return None;
        };
        if !range.contains(&size) {
            self.out_of_range(text, &show_size(*range.start()), &show_size(*range.end()));
            return None;
        }
        Some(size)
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let text = self.string(words[0])?;
        let found = choices.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            self.error(
                format!("{} cannot be \"{text}\"", self.what()),
                match closest(text, &words) {
                    Some(close) => format!("did you mean \"{close}\"?"),
                    None => format!("write one of {}", list(&words)),
                },
            );
        }
        found.map(|(_, value)| *value)
    }

    /// The elements of a list that has at least one.
    pub(super) fn elements(&self, example: &str) -> Option<Vec<Self>> {
        match self.value() {
            DeValue::Array(elements) if elements.is_empty() => {
                self.error(
                    format!("{} is empty", self.what()),
                    format!("write, for example, {}", self.written(example)),
                );
                None
            }
            DeValue::Array(elements) => {
                Some(elements.iter().map(|value| self.inside(value)).collect())
            }
            DeValue::String(text) => self.wrong_type_help(
                "a list",
                format!(
                    "put it into brackets: {}",
                    self.written(&format!("[{text:?}]"))
                ),
            ),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Table(_) => self.wrong_type("a list", &self.written(example)),
        }
    }

    /// A table with some of `keys`; `title` names it, `example` is how to write it.
    pub(super) fn table(&self, title: &str, example: &str, keys: Keys) -> Option<Table<'d>> {
        let entries = self.any_table(example)?;
        Some(Table::new(
            self.sink,
            title.to_owned(),
            self.span(),
            entries,
            keys,
        ))
    }

    /// The values of a table whose keys are names, in the order of the names.
    pub(super) fn named(&self, example: &str) -> Option<Vec<Self>> {
        let entries = self.any_table(example)?;
        let mut fields: Vec<_> = entries
            .iter()
            .map(|(key, value)| Self::new(self.sink, key, value))
            .collect();
        fields.sort_by_key(|field| field.key);
        Some(fields)
    }

    fn any_table(&self, example: &str) -> Option<&'d DeTable<'d>> {
        match self.value() {
            DeValue::Table(table) => Some(table),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => self.wrong_type("a table", &format!("`{example}`")),
        }
    }

    /// Reports that the value has the wrong type, and returns `None`.
    pub(super) fn wrong_type<T>(&self, expected: &str, example: &str) -> Option<T> {
        self.wrong_type_help(expected, format!("write, for example, {example}"))
    }

    pub(super) fn wrong_type_help<T>(&self, expected: &str, help: impl Into<String>) -> Option<T> {
        let message = format!("{} must be {expected}", self.what());
        let found = kind(self.value());
        self.push(
            Diagnostic::error(self.span(), message)
                .label(format!("this is {found}"))
                .help(help),
        );
        None
    }

    fn out_of_range(&self, value: &str, low: &dyn std::fmt::Display, high: &dyn std::fmt::Display) {
        self.error(
            format!("{} cannot be {value}", self.what()),
            format!("write a value from {low} to {high}"),
        );
    }

    /// A value within this one.
    pub(super) fn inside(&self, value: &'d Spanned<DeValue<'d>>) -> Self {
        Self {
            value,
            is_element: true,
            ..self.clone()
        }
    }

    /// What to call the value in a sentence.
    pub(super) fn what(&self) -> String {
        if self.is_element {
            format!("an entry of `{}`", self.key)
        } else {
            format!("`{}`", self.key)
        }
    }

    /// How `value` is written in its place.
    fn written(&self, value: &str) -> String {
        if self.is_element {
            format!("`{value}`")
        } else {
            format!("`{} = {value}`", self.key)
        }
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

const UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

fn parse_size(text: &str) -> Option<u64> {
    let (digits, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    let number: u64 = digits.trim_end().parse().ok()?;
    number.checked_mul(*factor)
}

pub(super) fn show_size(size: u64) -> String {
    let (unit, factor) = UNITS
        .iter()
        .find(|(_, factor)| size >= *factor && size.is_multiple_of(*factor))
        .unwrap_or(&("B", 1));
    format!("{}{unit}", size / factor)
}
