//! A file with one place changed, for every place that the keys describe.

use toml::Value;

use super::{BUILT_IN, folder, parse};
use crate::config::key::Kind;

/// What was done, and the value afterwards.
pub(super) type Change = (String, Value);

/// Each variant of a value of that kind in which one place, itself or below it, is changed in one of the ways that `change` knows
/// for it. It comes with the place, in which names are NAME, and what was done.
pub(super) fn variants(
    place: &str,
    kind: &Kind,
    value: &Value,
    change: &dyn Fn(&Kind, &Value) -> Vec<Change>,
) -> Vec<Change> {
    let here = change(kind, value).into_iter();
    let mut found: Vec<_> = here
        .map(|(what, value)| (format!("{place}{what}"), value))
        .collect();
    match (kind, value) {
        (Kind::Table(keys), Value::Table(table)) => {
            for key in keys.known {
                let Some(below) = table.get(key.name) else {
                    continue;
                };
                let dot = if place.is_empty() { "" } else { "." };
                let place = format!("{place}{dot}{}", key.name);
                let changed = variants(&place, &key.value, below, change).into_iter();
                found.extend(changed.map(|(what, below)| (what, with(table, key.name, below))));
            }
        }
        (Kind::Named(_, kind), Value::Table(table)) => {
            for (name, below) in table {
                let changed = variants(&format!("{place}.NAME"), kind, below, change).into_iter();
                found.extend(changed.map(|(what, below)| (what, with(table, name, below))));
            }
        }
        (Kind::ByNode(kind), Value::Table(table)) => {
            for (node, below) in table {
                let changed = variants(place, kind, below, change).into_iter();
                found.extend(changed.map(|(what, below)| (what, with(table, node, below))));
            }
        }
        (Kind::ByNode(kind), _) => found.extend(variants(place, kind, value, change)),
        (Kind::List(kind, _), Value::Array(list)) => {
            for (index, below) in list.iter().enumerate() {
                let changed = variants(place, kind, below, change).into_iter();
                found.extend(changed.map(|(what, below)| {
                    let mut list = list.clone();
                    list[index] = below;
                    (what, Value::Array(list))
                }));
            }
        }
        (Kind::Either(kinds), _) => {
            let fitting = kinds.iter().filter(|kind| fits(kind, value));
            found.extend(fitting.flat_map(|kind| variants(place, kind, value, change)));
        }
        _ => {}
    }
    found
}

/// What the file says to one of its nodes, or every error.
pub(super) fn read(file: &Value) -> Result<String, String> {
    let text = toml::to_string(file).map_err(|error| error.to_string())?;
    let path = folder("valid").join("variant.toml");
    let node = file.get("nodes").and_then(Value::as_table);
    let node = node.and_then(|nodes| nodes.keys().next());
    parse(&path, &text, node.map(String::as_str), "alone", BUILT_IN)
        .map(|loaded| format!("{:?}", loaded.cluster))
        .map_err(|report| report.to_string())
}

/// A value as TOML has it.
pub(super) fn toml_value(text: &str) -> Value {
    let table: toml::Table = format!("value = {text}").parse().unwrap();
    table["value"].clone()
}

fn with(table: &toml::Table, key: &str, value: Value) -> Value {
    let mut table = table.clone();
    table.insert(key.to_owned(), value);
    Value::Table(table)
}

/// Whether the value has the type of the kind.
fn fits(kind: &Kind, value: &Value) -> bool {
    match kind {
        Kind::Boolean => value.is_bool(),
        Kind::Number(_) => value.is_integer(),
        Kind::Duration(_) | Kind::Size(_) | Kind::Choice(_) | Kind::Text(_) => value.is_str(),
        Kind::List(..) => value.is_array(),
        Kind::Table(_) | Kind::Named(..) | Kind::ModuleConfig => value.is_table(),
        Kind::ByNode(kind) => value.is_table() || fits(kind, value),
        Kind::Either(kinds) => kinds.iter().any(|kind| fits(kind, value)),
    }
}
