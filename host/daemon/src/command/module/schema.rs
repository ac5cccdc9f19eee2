//! The keys of a module's config, read from the JSON Schema that it describes itself with.

use serde_json::Value;

/// A key of a config, in the words of cluster.toml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// `name`, `tls.verify` for one in a table.
    pub(super) name: String,
    /// What its value is: text, a whole number, one of some words.
    pub(super) kind: String,
    pub(super) required: bool,
    /// As it is written in TOML.
    pub(super) default: Option<String>,
    /// What it means, in one line.
    pub(super) description: String,
}

/// What a schema says.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    pub(super) root: Value,
}

/// What an example begins with.
const SUCH_AS: &str = "such as ";
/// What a string is called.
const TEXT: &str = "text";

/// Tables in tables in tables; more are not shown.
const DEPTH_MAX: usize = 4;

impl Schema {
    /// The schema in a module's metadata.
    ///
    /// # Errors
    /// When it is not JSON.
    pub(super) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(|root| Self { root })
    }

    /// What the module says about itself at length, without its example.
    pub(super) fn description(&self) -> String {
        self.said().0
    }

    /// A config that the module gives as an example: the first block of TOML in its description.
    pub(super) fn example(&self) -> Option<String> {
        self.said().1
    }

    /// Prose and example.
    fn said(&self) -> (String, Option<String>) {
        let text = self.root["description"].as_str().unwrap_or_default();
        let Some((before, rest)) = text.split_once("```toml\n") else {
            return (text.trim().to_owned(), None);
        };
        let (example, after) = rest.split_once("```").unwrap_or((rest, ""));
        let prose = [before.trim(), after.trim()].join("\n\n");
        (prose.trim().to_owned(), Some(example.trim().to_owned()))
    }

    /// A config as it stands behind `config =`, with the keys that have to be there first.
    pub(super) fn write(&self, config: &Value) -> String {
        let Some(table) = config.as_object() else {
            return toml(config);
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| !is_required(&self.root, name));
        inline_table(entries)
    }

    /// The keys, at each level those that have to be there first; the keys of a table come after it.
    pub(super) fn keys(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        self.collect(&self.root, "", 0, &mut keys);
        keys
    }

    fn collect(&self, table: &Value, prefix: &str, depth: usize, keys: &mut Vec<Key>) {
        let Some(properties) = table["properties"].as_object() else {
            return;
        };
        let mut properties: Vec<_> = properties.iter().collect();
        properties.sort_by_key(|(name, _)| !is_required(table, name));
        for (name, property) in properties {
            let target = self.target(property);
            let described = [property, target]
                .into_iter()
                .find_map(|schema| schema["description"].as_str())
                .unwrap_or_default()
                .replace('\n', " ");
            let mut kind = self.kind(property);
            if described.contains(SUCH_AS) && kind.starts_with(TEXT) {
                // The key's own example says more than that of its type.
                kind.truncate(TEXT.len());
            }
            keys.push(Key {
                name: format!("{prefix}{name}"),
                kind,
                required: is_required(table, name),
                default: property
                    .get("default")
                    .filter(|value| !value.is_null())
                    .map(toml),
                description: described,
            });
            if depth < DEPTH_MAX {
                let items = &target["items"];
                let inner = if items.is_null() {
                    target
                } else {
                    self.target(items)
                };
                self.collect(inner, &format!("{prefix}{name}."), depth + 1, keys);
            }
        }
    }

    /// What a schema refers to, past `$ref`s and the `null` of an optional key.
    fn target<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let mut here = schema;
        for _ in 0..DEPTH_MAX {
            let next = if let Some(pointer) = here["$ref"].as_str() {
                self.root.pointer(pointer.trim_start_matches('#'))
            } else {
                present(here)
            };
            match next {
                Some(next) => here = next,
                None => return here,
            }
        }
        here
    }

    fn kind(&self, schema: &Value) -> String {
        let schema = self.target(schema);
        if let Some(words) = words(schema) {
            return words;
        }
        if let Some(choices) = schema["anyOf"]
            .as_array()
            .or_else(|| schema["oneOf"].as_array())
        {
            let mut kinds: Vec<_> = choices.iter().map(|choice| self.kind(choice)).collect();
            kinds.dedup();
            return kinds.join(" or ");
        }
        let kind = match schema["type"].as_array() {
            Some(types) => types
                .iter()
                .filter_map(Value::as_str)
                .find(|kind| *kind != "null"),
            None => schema["type"].as_str(),
        };
        match kind {
            Some("string") => text_kind(schema),
            Some("integer") => whole_number(schema),
            Some("number") => "number".to_owned(),
            Some("boolean") => "true or false".to_owned(),
            Some("array") => format!("list: {}", self.kind(&schema["items"])),
            Some("object") => {
                let values = &schema["additionalProperties"];
                if values.is_object() {
                    format!("table of {}", self.kind(values))
                } else {
                    "table".to_owned()
                }
            }
            _ => "any value".to_owned(),
        }
    }
}

/// What is left of a choice when one of two is `null`.
fn present(schema: &Value) -> Option<&Value> {
    let choices = schema["anyOf"].as_array()?;
    match choices.as_slice() {
        [one, null] | [null, one] if null["type"] == "null" => Some(one),
        _ => None,
    }
}

/// `"start"`, `"stop"` or `"restart"`.
fn words(schema: &Value) -> Option<String> {
    let quoted: Vec<String> = if let Some(words) = schema["enum"].as_array() {
        words
            .iter()
            .filter(|word| !word.is_null())
            .map(toml)
            .collect()
    } else if let Some(word) = schema.get("const") {
        vec![toml(word)]
    } else {
        // Variants that have a description of their own stand alone.
        let variants = schema["oneOf"].as_array()?.iter();
        let words: Option<Vec<_>> = variants.map(words).collect();
        words?
    };
    Some(quoted.join(", "))
}

fn text_kind(schema: &Value) -> String {
    match schema["examples"][0].as_str() {
        Some(example) => format!("{TEXT}, {SUCH_AS}{}", toml(&example.into())),
        None => TEXT.to_owned(),
    }
}

fn whole_number(schema: &Value) -> String {
    let bound = |name: &str| schema[name].as_i64();
    match (bound("minimum"), bound("maximum")) {
        (Some(low), Some(high)) => format!("whole number, {low} to {high}"),
        (Some(low), None) => format!("whole number, {low} or more"),
        _ => "whole number".to_owned(),
    }
}

/// A value as it stands behind a key.
pub(super) fn toml(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(toml).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Object(table) => inline_table(table),
    }
}

fn inline_table<'a>(entries: impl IntoIterator<Item = (&'a String, &'a Value)>) -> String {
    let entries = entries.into_iter();
    let entries: Vec<_> = entries
        .map(|(key, value)| format!("{} = {}", bare_or_quoted(key), toml(value)))
        .collect();
    if entries.is_empty() {
        return "{}".to_owned();
    }
    format!("{{ {} }}", entries.join(", "))
}

fn is_required(table: &Value, key: &str) -> bool {
    let list = table["required"].as_array();
    list.is_some_and(|list| list.iter().any(|required| required == key))
}

fn bare_or_quoted(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        toml::Value::String(key.to_owned()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kinds(properties: Value) -> Vec<(String, String)> {
        let root = json!({ "properties": properties, "$defs": {
            "Action": { "oneOf": [{ "enum": ["start", "stop"] }, { "const": "reload", "description": "x" }] },
            "Tls": { "type": "object", "properties": { "verify": { "type": "boolean" } } },
        } });
        let keys = Schema { root }.keys();
        keys.into_iter().map(|key| (key.name, key.kind)).collect()
    }

    #[test]
    fn a_type_is_told_in_words() {
        let told = kinds(json!({
            "a": { "type": "string" },
            "b": { "type": ["integer", "null"], "minimum": 0, "maximum": 255 },
            "c": { "$ref": "#/$defs/Action" },
            "d": { "anyOf": [{ "$ref": "#/$defs/Tls" }, { "type": "null" }] },
            "e": { "type": "array", "items": { "type": "integer", "minimum": 0 } },
            "f": { "type": "object", "additionalProperties": { "type": "string" } },
            "g": { "type": "string", "examples": ["250ms"] },
        }));
        let told: Vec<_> = told.iter().map(|(name, kind)| (&**name, &**kind)).collect();
        assert_eq!(
            told,
            [
                ("a", "text"),
                ("b", "whole number, 0 to 255"),
                ("c", r#""start", "stop", "reload""#),
                ("d", "table"),
                ("d.verify", "true or false"),
                ("e", "list: whole number, 0 or more"),
                ("f", "table of text"),
                ("g", r#"text, such as "250ms""#),
            ]
        );
    }

    #[test]
    fn what_has_to_be_there_comes_first() {
        let schema = Schema {
            root: json!({
                "properties": { "args": {}, "command": {}, "user": {} },
                "required": ["command"],
            }),
        };
        let names: Vec<_> = schema.keys().into_iter().map(|key| key.name).collect();
        assert_eq!(names, ["command", "args", "user"]);
        assert_eq!(
            schema.write(&json!({ "args": ["x"], "command": "/bin/y" })),
            r#"{ command = "/bin/y", args = ["x"] }"#
        );
    }

    #[test]
    fn a_key_with_an_example_of_its_own_has_no_other() {
        let told = kinds(json!({
            "own": { "type": "string", "examples": ["250ms"], "description": "How long, such as \"14d\"." },
            "none": { "type": "string", "examples": ["250ms"], "description": "How long." },
        }));
        let told: Vec<_> = told.iter().map(|(name, kind)| (&**name, &**kind)).collect();
        assert_eq!(
            told,
            [("none", r#"text, such as "250ms""#), ("own", "text")]
        );
    }

    #[test]
    fn the_first_block_of_toml_is_the_example() {
        let said = |text: &str| {
            let schema = Schema {
                root: json!({ "description": text }),
            };
            (schema.description(), schema.example())
        };
        let (prose, example) = said("Looks.\n\nMore.\n\n```toml\nname = \"x\"\n```\n\nEnd.");
        assert_eq!(prose, "Looks.\n\nMore.\n\nEnd.");
        assert_eq!(example.as_deref(), Some("name = \"x\""));
        assert_eq!(said("Looks."), ("Looks.".to_owned(), None));
    }

    #[test]
    fn values_are_written_as_in_toml() {
        let value = json!({ "a": [200, "2xx"], "b c": { "d": true }, "e": {} });
        assert_eq!(
            toml(&value),
            r#"{ a = [200, "2xx"], "b c" = { d = true }, e = {} }"#
        );
    }
}
