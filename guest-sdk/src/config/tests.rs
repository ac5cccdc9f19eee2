use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use super::*;
use crate::prelude::*;
use crate::{Module, mock};

/// A service answers.
///
/// At length.
#[vrrp_sdk::check]
#[derive(Debug)]
struct Service {
    /// Where it
    /// listens.
    ///
    /// As a URL.
    listen_on: String,
    /// How it is called.
    name: String,
    port: u16,
    tls: Option<Tls>,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    retries: Vec<u8>,
    #[serde(default)]
    labels: BTreeMap<String, i32>,
    patience: Option<TimeSpan>,
}

#[vrrp_sdk::config]
#[derive(Debug)]
struct Tls {
    cert: String,
    #[serde(default)]
    verify: bool,
}

#[vrrp_sdk::config]
#[derive(Debug, Default)]
enum Mode {
    #[default]
    OneShot,
    Every {
        count: u32,
    },
}

impl Check for Service {
    fn plan(&self) -> Plan {
        Plan::new()
    }

    fn validate(&self, errors: &mut ConfigErrors) {
        if self.labels.contains_key("a/b~c") {
            errors.at(["labels", "a/b~c"], "no such label");
        }
        if self.port == 0 {
            errors.at(["port"], "write 1 or more");
        }
    }

    fn run(&self, _: &RunContext) -> Result<Observation, CheckError> {
        let _ = (&self.listen_on, &self.retries, self.patience);
        let every = match self.mode {
            Mode::OneShot => 0,
            Mode::Every { count } => count,
        };
        let tls = self
            .tls
            .as_ref()
            .is_some_and(|tls| tls.verify && !tls.cert.is_empty());
        Ok(Observation::passing(format!("{} {every} {tls}", self.name)))
    }
}

#[track_caller]
fn check(config: &str, expected: Expect) {
    let errors = mock::configure::<Service>(config).unwrap_err();
    let lines: Vec<String> = errors
        .iter()
        .map(|error| format!("{:?}: {}", error.pointer, error.message))
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

const RIGHT: &str = r#"{ "listen-on": "x", "name": "x", "port": 1 }"#;

/// The right config with one more key, or with another value for one.
fn with(key: &str, value: &str) -> String {
    let mut config: Value = serde_json::from_str(RIGHT).unwrap();
    config[key] = serde_json::from_str(value).unwrap();
    config.to_string()
}

#[test]
fn a_right_config_is_read() {
    let with_tls = with("tls", r#"{ "cert": "c", "verify": true }"#);
    let service: Service = mock::configure(&with_tls).unwrap();
    assert_eq!(
        service.run(&mock::run_context()),
        Ok(Observation::passing("x 0 true"))
    );
    for (key, value) in [
        ("mode", r#""one-shot""#),
        ("mode", r#"{ "every": { "count": 3 } }"#),
        ("retries", "[1, 2]"),
        ("labels", r#"{ "a": -1 }"#),
        ("patience", r#""1m 30s""#),
        ("tls", "null"),
    ] {
        let read = mock::configure::<Service>(&with(key, value));
        assert!(read.is_ok(), "{key} = {value}: {read:?}");
    }
}

#[test]
fn every_error_is_reported_at_its_place() {
    check(
        r#"{ "nmae": "x", "listen-on": 5, "port": 65536, "retries": [1, 256], "weather": "fine" }"#,
        expect![[r#"
            "": missing key "name": How it is called.
            "/listen-on": write a string, not integer 5
            "/nmae": unknown key "nmae"; did you mean "name"?
            "/port": write a whole number from 0 to 65535, not integer 65536
            "/retries/1": write a whole number from 0 to 255, not integer 256
            "/weather": unknown key "weather"; write one of "listen-on", "name", "port", "tls", "mode", "retries", "labels", "patience""#]],
    );
    check(
        "{}",
        expect![[r#"
            "": missing key "listen-on": Where it listens.
            "": missing key "name": How it is called.
            "": missing key "port""#]],
    );
    check(r#""x""#, expect![[r#""": write a table"#]]);
    check("{ \"x\": ", expect![[r#""": write a table"#]]);
}

#[test]
fn an_error_in_a_nested_value_points_into_it() {
    for (key, value, expected) in [
        ("tls", r#"{}"#, expect![[r#""/tls": missing key "cert""#]]),
        (
            "tls",
            r#"{ "cert": "c", "verfy": true }"#,
            expect![[r#""/tls/verfy": unknown key "verfy"; did you mean "verify"?"#]],
        ),
        (
            "tls",
            r#"{ "cert": 1.5 }"#,
            expect![[r#""/tls/cert": write a string, not floating point 1.5"#]],
        ),
        (
            "tls",
            "true",
            expect![[r#""/tls": write a table, not boolean true"#]],
        ),
        (
            "mode",
            r#""sometimes""#,
            expect![[r#""/mode": unknown value "sometimes"; write one of "one-shot", "every""#]],
        ),
        (
            "mode",
            r#"{ "every": { "count": "x" } }"#,
            expect![[r#""/mode/every/count": write a whole number, 0 or more, not string "x""#]],
        ),
        (
            "mode",
            r#"{ "every": {} }"#,
            expect![[r#""/mode/every": missing key "count""#]],
        ),
        (
            "labels",
            r#"{ "x/y": "z" }"#,
            expect![[r#""/labels/x~1y": write a whole number, not string "z""#]],
        ),
        (
            "patience",
            r#""2 fortnights""#,
            expect![[
                r#""/patience": write a duration such as "250ms" or "2s", not string "2 fortnights""#
            ]],
        ),
        (
            "patience",
            r#""2""#,
            expect![[r#""/patience": write a duration such as "250ms" or "2s", not string "2""#]],
        ),
    ] {
        check(&with(key, value), expected);
    }
}

#[test]
fn validate_sees_a_config_of_the_right_types() {
    check(
        r#"{ "listen-on": "x", "name": "x", "port": 0, "labels": { "a/b~c": 1 } }"#,
        expect![[r#"
            "/labels/a~1b~0c": no such label
            "/port": write 1 or more"#]],
    );
}

#[test]
fn the_schema_says_what_may_be_written() {
    let schema = schema::<Service>();
    assert_eq!(schema["description"], "A service answers.\n\nAt length.");
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(
        schema["required"],
        serde_json::json!(["listen-on", "name", "port"])
    );
    assert_eq!(
        schema["properties"]["name"]["description"],
        "How it is called."
    );
    assert_eq!(
        schema["properties"]["patience"]["type"],
        serde_json::json!(["string", "null"])
    );
    assert_eq!(Service::DESCRIPTION, "A service answers.");
    assert_eq!(Service::NAME, "vrrp-sdk");
}

/// Waits.
///
/// ```toml
/// kind = "short"
/// ```
#[vrrp_sdk::check]
struct Waits {
    /// How long.
    #[serde(default = "a_while")]
    patience: TimeSpan,
    #[serde(default)]
    kind: Kind,
}

#[vrrp_sdk::config]
#[derive(Clone, Copy, Debug, Default)]
enum Kind {
    #[default]
    NotLong,
    Short,
}

fn a_while() -> TimeSpan {
    TimeSpan::from_millis(1500)
}

impl Check for Waits {
    fn plan(&self) -> Plan {
        Plan::new()
    }

    fn run(&self, _: &RunContext) -> Result<Observation, CheckError> {
        Ok(Observation::passing(format!(
            "{} {:?}",
            self.patience, self.kind
        )))
    }
}

#[test]
fn the_schema_shows_defaults_as_they_are_written() {
    let schema = schema::<Waits>();
    assert_eq!(schema["properties"]["patience"]["default"], "1s 500ms");
    assert_eq!(schema["properties"]["kind"]["default"], "not-long");
    let waits: Waits =
        mock::configure(r#"{ "patience": "1s 500ms", "kind": "not-long" }"#).unwrap();
    assert_eq!(
        waits.run(&mock::run_context()),
        Ok(Observation::passing("1s 500ms NotLong"))
    );
}

#[test]
fn the_whole_documentation_is_in_the_schema_and_its_first_paragraph_describes() {
    assert_eq!(Waits::DESCRIPTION, "Waits.");
    assert_eq!(
        schema::<Waits>()["description"],
        "Waits.\n\n```toml\nkind = \"short\"\n```"
    );
}
