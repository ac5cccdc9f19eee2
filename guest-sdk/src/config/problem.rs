//! Serde's errors in words for somebody who writes a cluster.toml.

use std::fmt;

/// Names this close are taken for typing errors.
const TYPING_ERROR_DISTANCE: usize = 2;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    MissingKey(String),
    UnknownKey {
        key: String,
        known: Vec<String>,
    },
    UnknownChoice {
        choice: String,
        known: Vec<String>,
    },
    WrongType {
        found: String,
        expected: String,
    },
    /// What a type's own reader says.
    Other(String),
}

impl Problem {
    /// Serde passes on text only; its wording has been stable since 1.0, and an unknown one is
    /// passed on as it is.
    pub(super) fn of(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let position = format!(" at line {} column {}", error.line(), error.column());
        let text = text.strip_suffix(&position).unwrap_or(&text);

        let mut quoted = text.split('`').skip(1).step_by(2).map(str::to_owned);
        if text.starts_with("missing field `") {
            Self::MissingKey(quoted.next().unwrap_or_default())
        } else if text.starts_with("unknown field `") {
            Self::UnknownKey {
                key: quoted.next().unwrap_or_default(),
                known: quoted.collect(),
            }
        } else if text.starts_with("unknown variant `") {
            Self::UnknownChoice {
                choice: quoted.next().unwrap_or_default(),
                known: quoted.collect(),
            }
        } else if let Some((found, expected)) = split_mismatch(text) {
            Self::WrongType {
                found: found.replace('`', ""),
                expected: in_toml(expected).to_owned(),
            }
        } else {
            Self::Other(text.to_owned())
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingKey(key) => write!(f, "missing key \"{key}\""),
            Self::UnknownKey { key, known } => {
                write!(f, "unknown key \"{key}\"")?;
                suggest(f, key, known)
            }
            Self::UnknownChoice { choice, known } => {
                write!(f, "unknown value \"{choice}\"")?;
                suggest(f, choice, known)
            }
            Self::WrongType { found, expected } => write!(f, "write {expected}, not {found}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

fn suggest(f: &mut fmt::Formatter<'_>, written: &str, known: &[String]) -> fmt::Result {
    let distance = |known: &&String| strsim::osa_distance(written, known);
    let closest = known.iter().min_by_key(distance);
    match closest.filter(|known| distance(known) <= TYPING_ERROR_DISTANCE) {
        Some(closest) => write!(f, "; did you mean \"{closest}\"?"),
        None if known.is_empty() => f.write_str("; none is known here"),
        None => write!(f, "; write one of \"{}\"", known.join("\", \"")),
    }
}

fn split_mismatch(text: &str) -> Option<(&str, &str)> {
    let mismatch = text
        .strip_prefix("invalid type: ")
        .or_else(|| text.strip_prefix("invalid value: "))?;
    mismatch.rsplit_once(", expected ")
}

/// The words of TOML for a Rust type.
fn in_toml(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        table if table.starts_with("struct ") => "a table",
        other => other,
    }
}
