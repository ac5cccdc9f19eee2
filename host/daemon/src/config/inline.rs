//! The `config` of one module by itself, as `vrrp-host module test --config` takes it.

use std::borrow::Cow;
use std::path::Path;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::DeValue;

use super::module::read_config;
use super::reader::{Field, Sink};
use super::report::{Diagnostic, Report, Source, locate_in, tokens};

/// Where the text comes from, for errors.
const ORIGIN: &str = "--config";

/// What stands behind `config =` in cluster.toml, and its text, to point into.
#[derive(Clone, Debug)]
pub(crate) struct Inline {
    value: Value,
    text: String,
}

impl Inline {
    /// A config that was left out.
    pub(crate) fn empty() -> Self {
        Self {
            value: Value::Object(Map::new()),
            text: "{}".to_owned(),
        }
    }

    /// Reads `{ name = "nginx" }`.
    ///
    /// # Errors
    /// With everything that is wrong with it as TOML.
    pub(crate) fn read(text: &str) -> Result<Self, Report> {
        let refuse = |diagnostics| Err(source(text).report(diagnostics));
        let (value, errors) = DeValue::parse_recoverable(text);
        if let Some(error) = errors.first() {
            let help = if serde_json::from_str::<Value>(text).is_ok() {
                "this is JSON; write it as in cluster.toml: { name = \"nginx\" }"
            } else {
                "write what stands behind `config =` in cluster.toml: { name = \"nginx\" }"
            };
            let span = error.span().unwrap_or(0..text.len());
            return refuse(vec![Diagnostic::error(span, error.message()).help(help)]);
        }
        let sink = Sink::default();
        let key = Spanned::new(0..0, Cow::Borrowed("config"));
        let field = Field::new(&sink, &key, &value);
        let read = read_config(&field, "{ name = \"nginx\" }");
        let errors = sink.into_diagnostics();
        match read {
            Some(value) if errors.is_empty() => Ok(Self {
                value,
                text: text.to_owned(),
            }),
            _ => refuse(errors),
        }
    }

    /// As the module gets it.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// What a module says about it: JSON pointers (RFC 6901) and messages.
    pub(crate) fn report<'a>(
        &self,
        errors: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Report {
        let (root, _) = DeValue::parse_recoverable(&self.text);
        let diagnostics = errors.into_iter().map(|(pointer, message)| {
            let tokens = tokens(pointer);
            let path: Vec<&str> = tokens.iter().map(String::as_str).collect();
            Diagnostic::error(locate_in(&root, &path), message)
        });
        source(&self.text).report(diagnostics.collect())
    }
}

fn source(text: &str) -> Source {
    Source::new(Path::new(ORIGIN), text)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_config_is_written_as_in_cluster_toml() {
        let read = |text| Inline::read(text).map(|inline| inline.value);
        assert_eq!(
            read(r#"{ name = "nginx", min = 2 }"#).unwrap(),
            json!({ "name": "nginx", "min": 2 })
        );
        assert_eq!(read("{}").unwrap(), json!({}));
        assert_eq!(Inline::empty().value, json!({}));
    }

    #[track_caller]
    fn refused(text: &str, expected: Expect) {
        expected.assert_eq(&Inline::read(text).unwrap_err().to_string());
    }

    #[test]
    fn another_text_is_told_what_to_write() {
        refused(
            r#"{ "name": "nginx" }"#,
            expect![[r#"
            error: missing assignment between key-value pairs, expected `=`
             --> --config:1:9
              |
            1 | { "name": "nginx" }
              |         ^
              |
              = help: this is JSON; write it as in cluster.toml: { name = "nginx" }"#]],
        );
        refused(
            r#"name = "nginx""#,
            expect![[r#"
            error: unexpected content, expected nothing
             --> --config:1:5
              |
            1 | name = "nginx"
              |     ^
              |
              = help: write what stands behind `config =` in cluster.toml: { name = "nginx" }"#]],
        );
        refused(
            r#"["nginx"]"#,
            expect![[r#"
            error: `config` must be a table
             --> --config:1:1
              |
            1 | ["nginx"]
              | ^^^^^^^^^ this is a list
              |
              = help: write, for example, { name = "nginx" }"#]],
        );
        refused(
            "{ since = 2026-01-01 }",
            expect![[r#"
            error: modules are given no dates or times
             --> --config:1:11
              |
            1 | { since = 2026-01-01 }
              |           ^^^^^^^^^^
              |
              = help: write it as a string: `"2026-01-01"`"#]],
        );
        refused(
            "",
            expect![[r#"
            error: string values must be quoted, expected literal string
             --> --config:1:1
              |
            1 |
              | ^
              |
              = help: write what stands behind `config =` in cluster.toml: { name = "nginx" }"#]],
        );
    }

    #[test]
    fn what_a_module_says_points_into_the_text() {
        let config = Inline::read(r#"{ url = "x", headers = { "a/b" = 1 } }"#).unwrap();
        let report = config.report([
            ("/headers/a~1b", "write text"),
            ("", "missing key \"name\""),
        ]);
        expect![[r#"
            error: missing key "name"
             --> --config:1:1
              |
            1 | { url = "x", headers = { "a/b" = 1 } }
              | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

            error: write text
             --> --config:1:34
              |
            1 | { url = "x", headers = { "a/b" = 1 } }
              |                                  ^

            --config: 2 errors"#]]
        .assert_eq(&report.to_string());
    }
}
