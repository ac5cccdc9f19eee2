use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// The path of a file in a config: absolute and without `..`, as a grant is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct AbsolutePath(String);

/// `PATH_MAX` of Linux less the terminating zero.
const PATH_LENGTH_MAX: usize = 4095;

impl AbsolutePath {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AbsolutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why a text is not an absolute path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AbsolutePathError {
    #[error("write an absolute path, such as \"/run/app/state\"")]
    Relative,
    #[error("write the path without \"..\"")]
    Parent,
    #[error("a path cannot hold {0:?}")]
    Character(char),
    #[error("a path has 4095 characters at most")]
    TooLong,
    #[error("a path does not begin or end with white space")]
    WhiteSpace,
}

impl TryFrom<String> for AbsolutePath {
    type Error = AbsolutePathError;

    fn try_from(path: String) -> Result<Self, AbsolutePathError> {
        if path.trim() != path {
            return Err(AbsolutePathError::WhiteSpace);
        }
        if !path.starts_with('/') {
            return Err(AbsolutePathError::Relative);
        }
        if path.split('/').any(|part| part == "..") {
            return Err(AbsolutePathError::Parent);
        }
        if let Some(control) = path.chars().find(|c| c.is_control()) {
            return Err(AbsolutePathError::Character(control));
        }
        if path.len() > PATH_LENGTH_MAX {
            return Err(AbsolutePathError::TooLong);
        }
        Ok(Self(path))
    }
}

impl JsonSchema for AbsolutePath {
    fn schema_name() -> Cow<'static, str> {
        "AbsolutePath".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^/", "examples": ["/run/app/state"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_grant_would_refuse_is_refused() {
        let read = |text: &str| AbsolutePath::try_from(text.to_owned()).map(|path| path.0);
        assert_eq!(read("/run/a..b").as_deref(), Ok("/run/a..b"));
        for (text, error) in [
            ("", AbsolutePathError::Relative),
            ("run/app", AbsolutePathError::Relative),
            ("~/app", AbsolutePathError::Relative),
            ("/run/../etc", AbsolutePathError::Parent),
            ("/run/a\nb", AbsolutePathError::Character('\n')),
            ("/run/app ", AbsolutePathError::WhiteSpace),
            (&"/x".repeat(2048), AbsolutePathError::TooLong),
        ] {
            assert_eq!(read(text), Err(error), "{text:?}");
        }
    }
}
