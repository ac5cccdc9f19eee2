//! docs/cluster.schema.json, which tells editors what the file may be, refuses nothing that the reader takes, and whatever the reader
//! refuses for its shape.
//!
//! `cargo xtask docs` writes it anew; so does this test with `UPDATE_EXPECT=1`.

use std::fs;
use std::path::Path;

use expect_test::expect_file;
use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::variants::{self, Change, toml_value, variants};
use super::{golden, guard_secrets, source_tree};
use crate::config::cluster::ROOT;
use crate::config::key::{Key, Keys, Kind, LeftOut};

/// A number with one of the units of `humantime`, or several.
const DURATION: &str = r"^\s*([0-9]+(\.[0-9]+)?\s*[A-Za-zµ]+\s*)+$";
const SIZE: &str = r"^[0-9]+\s*(B|KiB|MiB|GiB)$";

#[test]
fn the_schema_is_what_the_descriptions_say() {
    let schema = schema();
    assert!(jsonschema::meta::is_valid(&schema));
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    expect_file![source_tree().join("docs/cluster.schema.json")].assert_eq(&text);
}

#[test]
fn what_the_reader_takes_is_valid() {
    let validator = validator();
    let examples = source_tree().join("examples");
    let examples = fs::read_dir(examples).unwrap();
    let examples = examples.map(|entry| entry.unwrap().path().join("cluster.toml"));
    let mut files: Vec<_> = examples.filter(|path| path.exists()).collect();
    assert!(files.len() >= 16, "{files:?}");
    files.extend(golden("valid"));
    files.extend(golden("warnings"));
    for path in files {
        let file = read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let errors: Vec<_> = validator.iter_errors(&file).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    }
}

/// The golden files of unknown keys and wrong types.
#[test]
fn what_the_reader_refuses_for_its_shape_is_not_valid() {
    let validator = validator();
    let mut refused = 0;
    for path in golden("invalid") {
        let errors = fs::read_to_string(path.with_extension("err")).unwrap();
        let is_about_shape = errors.contains("unknown key") || errors.contains(" this is a");
        let Ok(file) = read(&path) else { continue };
        if is_about_shape {
            assert!(!validator.is_valid(&file), "{}", path.display());
            refused += 1;
        }
    }
    assert!(refused >= 10, "{refused} files are about the shape");
}

/// Each value of the valid files, made wrong in each way that its description knows.
#[test]
fn reader_and_schema_refuse_the_same() {
    guard_secrets();
    let validator = validator();
    let mut tried = 0;
    for path in golden("valid") {
        let text = fs::read_to_string(&path).unwrap();
        let file: toml::Value = text.parse::<toml::Table>().unwrap().into();
        variants::read(&file).unwrap_or_else(|errors| panic!("{errors}"));
        for (place, variant) in variants("", &Kind::Table(ROOT), &file, &spoil) {
            assert!(
                variants::read(&variant).is_err(),
                "the reader takes {place}"
            );
            let json = serde_json::to_value(&variant).unwrap();
            assert!(!validator.is_valid(&json), "the schema takes {place}");
            tried += 1;
        }
    }
    assert!(tried > 300, "{tried} were tried");
}

/// What no value of the kind is.
fn spoil(kind: &Kind, value: &toml::Value) -> Vec<Change> {
    let fraction = (" is a fraction".to_owned(), toml::Value::Float(0.5));
    let word = || {
        (
            " is no such word".to_owned(),
            toml::Value::from("no such word"),
        )
    };
    let empty = || (" is empty".to_owned(), toml::Value::Array(Vec::new()));
    let mut changes = vec![fraction];
    match (kind, value) {
        (Kind::Number(range), _) => {
            let beyond = [range.start() - 1, range.end() + 1].into_iter();
            changes.extend(beyond.map(|number| (format!(" is {number}"), number.into())));
        }
        (Kind::Duration(_) | Kind::Size(_) | Kind::Choice(_), _) => changes.push(word()),
        (Kind::List(_, least), _) if *least > 0 => changes.push(empty()),
        (Kind::Table(keys), toml::Value::Table(table)) => {
            let mut unknown = table.clone();
            unknown.insert("no-such-key".to_owned(), true.into());
            changes.push((" has an unknown key".to_owned(), unknown.into()));
            for key in keys
                .known
                .iter()
                .filter(|key| key.left_out == LeftOut::Refused)
            {
                let mut missing = table.clone();
                missing.remove(key.name);
                changes.push((format!(" has no {}", key.name), missing.into()));
            }
        }
        _ => {}
    }
    changes
}

fn read(path: &Path) -> Result<Value, toml::de::Error> {
    let file: toml::Table = fs::read_to_string(path).unwrap_or_default().parse()?;
    Ok(serde_json::to_value(file).unwrap())
}

fn validator() -> Validator {
    jsonschema::validator_for(&schema()).unwrap()
}

fn schema() -> Value {
    let mut schema = table(ROOT);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "cluster.toml".into();
    schema["description"] =
        "The configuration of vrrp-host. docs/configuration.md says the same in one page.".into();
    schema
}

fn table(keys: Keys) -> Value {
    let properties = keys
        .known
        .iter()
        .map(|key| (key.name.to_owned(), property(key)));
    let required = keys
        .known
        .iter()
        .filter(|key| key.left_out == LeftOut::Refused);
    let required: Vec<_> = required.map(|key| key.name).collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties.collect::<Map<_, _>>(),
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if !keys.one_of.is_empty() {
        let each = keys.one_of.iter().map(|key| json!({ "required": [key] }));
        schema["oneOf"] = each.collect();
    }
    schema
}

fn property(key: &Key) -> Value {
    let mut schema = value(&key.value);
    let mut description = plain(key.about);
    match key.left_out {
        // A table of names that has to be there has one.
        LeftOut::Refused if matches!(key.value, Kind::Named(..)) => {
            schema["minProperties"] = 1.into();
        }
        LeftOut::Refused => {}
        LeftOut::Default(default) => {
            schema["default"] = serde_json::to_value(toml_value(default)).unwrap();
        }
        LeftOut::Means(meaning) => description = format!("{description} Left out: {meaning}."),
    }
    schema["description"] = description.into();
    if !key.example.is_empty() {
        schema["examples"] = json!([toml_value(key.example)]);
    }
    schema
}

fn value(kind: &Kind) -> Value {
    match kind {
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Number(range) => {
            json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
        }
        Kind::Duration(_) => json!({ "type": "string", "pattern": DURATION }),
        Kind::Size(_) => json!({ "type": "string", "pattern": SIZE }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Text(text) => json!({ "type": "string", "pattern": text.pattern }),
        Kind::List(element, least) => {
            json!({ "type": "array", "items": value(element), "minItems": least })
        }
        Kind::ByNode(of) => {
            let by_node = json!({ "type": "object", "additionalProperties": value(of) });
            json!({ "anyOf": [value(of), by_node] })
        }
        Kind::Either(kinds) => json!({ "anyOf": kinds.iter().map(value).collect::<Vec<_>>() }),
        Kind::Table(keys) => table(*keys),
        Kind::Named(name, of) => json!({
            "type": "object",
            "propertyNames": { "pattern": name.pattern },
            "additionalProperties": value(of),
        }),
        Kind::ModuleConfig => json!({ "type": "object" }),
    }
}

/// The text without the targets of its links, which are paths below docs.
fn plain(markdown: &str) -> String {
    let mut parts = markdown.split("](");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if let Some(bracket) = text.rfind('[') {
            text.remove(bracket);
        }
        text += part.split_once(')').map_or(part, |(_, rest)| rest);
    }
    text
}
