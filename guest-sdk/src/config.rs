//! Reading a module's config: the host's JSON into the author's struct, or every error at once.

use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use crate::{ConfigError, Module};
use problem::Problem;

mod problem;
#[cfg(test)]
mod tests;

/// What is wrong with a config, collected by [`Check::validate`](crate::Check::validate). Each error has the JSON pointer
/// (RFC 6901) of its key, which the host turns into a line and column of cluster.toml.
///
/// ```
/// use vrrp_sdk::{mock, prelude::*};
///
/// /// A load that is not too high.
/// #[vrrp_sdk::check]
/// struct Load {
///     limits: Limits,
/// }
///
/// #[vrrp_sdk::config]
/// struct Limits {
///     low: u32,
///     high: u32,
/// }
///
/// impl Check for Load {
///     fn plan(&self) -> Plan {
///         Plan::new()
///     }
///
///     fn validate(&self, errors: &mut ConfigErrors) {
///         if self.limits.high < self.limits.low {
///             errors.at(["limits", "high"], format!("write {} or more", self.limits.low));
///         }
///     }
///
///     fn run(&self, _: &RunContext) -> Result<Observation, CheckError> {
///         Ok(Observation::passing("not looked at"))
///     }
/// }
///
/// let errors = mock::configure::<Load>(r#"{ "limits": { "low": 2, "high": 1 } }"#);
/// assert_eq!(errors.err().unwrap()[0].pointer, "/limits/high");
/// ```
#[derive(Debug, Default)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Adds an error at a key: `errors.at(["headers", "host"], "...")`. No key means the config as
    /// a whole. The message says what to write.
    pub fn at<K: AsRef<str>>(
        &mut self,
        path: impl IntoIterator<Item = K>,
        message: impl Into<String>,
    ) {
        let mut pointer = String::new();
        for key in path {
            push_token(&mut pointer, key.as_ref());
        }
        self.0.push(ConfigError {
            pointer,
            message: message.into(),
        });
    }
}

/// Reads and validates.
pub(crate) fn parse<T: Module>(text: &str) -> Result<T, Vec<ConfigError>> {
    let module: T = deserialize(text).map_err(|first| every_error::<T>(text, first))?;
    let mut errors = ConfigErrors::default();
    module.validate(&mut errors);
    if errors.0.is_empty() {
        Ok(module)
    } else {
        Err(errors.0)
    }
}

/// The JSON Schema of a module's config.
pub(crate) fn schema<T: Module>() -> Value {
    schemars::generate::SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<T>()
        .into()
}

type DeserializeError = serde_path_to_error::Error<serde_json::Error>;

fn deserialize<T: Module>(text: &str) -> Result<T, DeserializeError> {
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text))
}

/// Serde stops at the first error, people want all of them: take the key that is in error out and
/// read again, until the rest is right. One error a key, in the order of their pointers.
fn every_error<T: Module>(text: &str, first: DeserializeError) -> Vec<ConfigError> {
    let Ok(Value::Object(written)) = serde_json::from_str(text) else {
        return vec![ConfigError {
            pointer: String::new(),
            message: "write a table".to_owned(),
        }];
    };
    let mut rest = Value::Object(written.clone());
    let mut errors = Vec::new();
    let mut next = Some(first);
    while let Some(error) = next.take() {
        let (pointer, key) = place(error.path(), &written);
        let problem = Problem::of(error.inner());
        if key.is_some_and(|key| remove(&mut rest, &key)) {
            errors.push(ConfigError {
                pointer,
                message: problem.to_string(),
            });
            next = deserialize::<T>(&rest.to_string()).err();
        } else if let Problem::MissingKey(key) = problem {
            errors.extend(missing_keys::<T>(&key, &written));
        } else {
            errors.push(ConfigError {
                pointer,
                message: problem.to_string(),
            });
        }
    }
    errors.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    errors
}

/// Whether the key was there.
fn remove(table: &mut Value, key: &str) -> bool {
    table
        .as_object_mut()
        .is_some_and(|table| table.remove(key).is_some())
}

/// The pointer to the innermost value of the config on this path, and the key it starts with.
fn place(
    path: &serde_path_to_error::Path,
    config: &Map<String, Value>,
) -> (String, Option<String>) {
    let mut pointer = String::new();
    let mut first = None;
    let mut value = None;
    for segment in path {
        let (token, next) = match segment {
            Segment::Map { key } | Segment::Enum { variant: key } => (
                key.clone(),
                value.map_or_else(|| config.get(key), |value: &Value| value.get(key)),
            ),
            Segment::Seq { index } => (index.to_string(), value.and_then(|value| value.get(index))),
            Segment::Unknown => continue,
        };
        // An enum's variant is a place of its own only when it is written as a key.
        if next.is_some() {
            push_token(&mut pointer, &token);
            first.get_or_insert(token);
            value = next;
        }
    }
    (pointer, first)
}

/// An error for each required key that is not written; at least for `first`, unless it is written
/// and only its value was wrong.
fn missing_keys<T: Module>(first: &str, written: &Map<String, Value>) -> Vec<ConfigError> {
    let schema = schema::<T>();
    let required = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let mut keys: Vec<&str> = required.collect();
    if !keys.contains(&first) {
        keys.push(first);
    }
    let missing = keys.into_iter().filter(|key| !written.contains_key(*key));
    let error = |key: &str| {
        let what = schema["properties"][key]["description"].as_str();
        let what = what.and_then(|text| text.split("\n\n").next());
        let what = what
            .map(|what| format!(": {}", what.replace('\n', " ")))
            .unwrap_or_default();
        ConfigError {
            pointer: String::new(),
            message: format!("missing key \"{key}\"{what}"),
        }
    };
    missing.map(error).collect()
}

/// Appends a reference token, escaped as RFC 6901, section 3 says.
fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
}
