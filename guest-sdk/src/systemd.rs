//! Units of systemd: their state, and jobs on them.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::bindings::imports::vrrp_host::plugin::{systemd as raw, systemd_control as raw_control};
use crate::host::{systemd as host, systemd_control as host_control};
use crate::types::Need;
use crate::{CheckError, HookError};

pub use raw::Unit;
pub use raw_control::Action;

/// The state of a unit.
///
/// ```
/// # use vrrp_sdk::{mock, systemd};
/// # mock::Host::new().unit(mock::unit("nginx.service", "active")).enter(|| {
/// assert_eq!(systemd::unit("nginx.service")?.active_state, "active");
/// # Ok::<(), systemd::Error>(()) }).unwrap();
/// ```
///
/// # Errors
/// [`Error::Denied`] without the need [`Need::unit`]; [`Error::NotFound`] when systemd knows no
/// such unit.
pub fn unit(name: &str) -> Result<Unit, Error> {
    host::get(name).map_err(|error| Error::new(error, name, || Need::unit(name)))
}

/// Queues a job on a unit and waits for its result, as `systemctl start` does, at most `timeout`.
///
/// ```
/// # use std::time::Duration;
/// # use vrrp_sdk::{mock, systemd, systemd::Action};
/// # let host = mock::Host::new().unit(mock::unit("nginx.service", "inactive"));
/// # host.enter(|| {
/// systemd::control("nginx.service", Action::Start, Duration::from_secs(25))?;
/// # Ok::<(), systemd::Error>(()) }).unwrap();
/// # assert_eq!(host.jobs(), [("nginx.service".to_owned(), Action::Start)]);
/// ```
///
/// # Errors
/// [`Error::Denied`] without the need [`Need::control`]. A job that ends in anything but success is
/// an [`Error::Bus`] that names the result; after [`Error::Timeout`] it goes on.
pub fn control(unit: &str, action: Action, timeout: Duration) -> Result<(), Error> {
    let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    host_control::run(unit, action, timeout_ms)
        .map_err(|error| Error::new(error, unit, || Need::control(unit, &[action])))
}

/// Why a unit could not be read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not granted: {0}")]
    Denied(Need),
    #[error("systemd knows no unit {unit}")]
    NotFound { unit: String },
    #[error("no result from systemd in time for {unit}")]
    Timeout { unit: String },
    #[error("{unit}: {message}")]
    Bus { unit: String, message: String },
}

impl Error {
    fn new(error: raw::Error, unit: &str, need: impl FnOnce() -> Need) -> Self {
        let unit = unit.to_owned();
        match error {
            raw::Error::Denied => Self::Denied(need()),
            raw::Error::NotFound => Self::NotFound { unit },
            raw::Error::Timeout => Self::Timeout { unit },
            raw::Error::Bus(message) => Self::Bus { unit, message },
        }
    }
}

impl From<Error> for CheckError {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(need) => Self::Denied(need.to_string()),
            Error::Timeout { .. } => Self::Timeout(error.to_string()),
            Error::NotFound { .. } | Error::Bus { .. } => Self::Unavailable(error.to_string()),
        }
    }
}

/// What may pass is worth a retry; a missing unit or grant is not.
impl From<Error> for HookError {
    fn from(error: Error) -> Self {
        match error {
            Error::Timeout { .. } | Error::Bus { .. } => Self::Retry(error.to_string()),
            Error::Denied(_) | Error::NotFound { .. } => Self::Permanent(error.to_string()),
        }
    }
}

impl Action {
    /// The word of `systemctl` and of a grant.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::TryRestart => "try-restart",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The suffixes of systemd.unit(5).
const UNIT_SUFFIXES: [&str; 11] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
];
/// Of a unit's name, in bytes: systemd.unit(5).
const UNIT_NAME_MAX: usize = 255;

/// The name of a unit in a config. Without a suffix it is a service, as for `systemctl`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub struct UnitName(String);

impl UnitName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why a text is not the name of a unit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitNameError {
    #[error("write the name of a unit, such as \"nginx.service\"")]
    Empty,
    #[error("not the name of a unit: {0:?} is not allowed in it")]
    Character(char),
    #[error("not the name of a unit: longer than 255 characters")]
    TooLong,
    #[error("\"{0}\" is a template; write an instance of it, such as \"{example}\"", example = .0.replacen('@', "@name", 1))]
    Template(String),
}

impl TryFrom<String> for UnitName {
    type Error = UnitNameError;

    fn try_from(mut name: String) -> Result<Self, UnitNameError> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        if name.is_empty() {
            return Err(UnitNameError::Empty);
        }
        if let Some(character) = name.chars().find(|&c| !is_allowed(c)) {
            return Err(UnitNameError::Character(character));
        }
        if !UNIT_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
            name.push_str(".service");
        }
        if name.len() > UNIT_NAME_MAX {
            return Err(UnitNameError::TooLong);
        }
        if name.contains("@.") {
            return Err(UnitNameError::Template(name));
        }
        Ok(Self(name))
    }
}

impl JsonSchema for UnitName {
    fn schema_name() -> Cow<'static, str> {
        "UnitName".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^[A-Za-z0-9:_.\\@-]{1,255}$", "examples": ["nginx.service"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit_name(text: &str) -> Result<String, UnitNameError> {
        UnitName::try_from(text.to_owned()).map(|name| name.0)
    }

    #[test]
    fn a_name_without_suffix_is_a_service() {
        for (written, name) in [
            ("nginx", "nginx.service"),
            ("nginx.service", "nginx.service"),
            ("backup.timer", "backup.timer"),
            ("my.app", "my.app.service"),
            ("getty@tty1", "getty@tty1.service"),
        ] {
            assert_eq!(unit_name(written).as_deref(), Ok(name));
        }
    }

    #[test]
    fn what_systemd_would_refuse_is_refused() {
        assert_eq!(unit_name(""), Err(UnitNameError::Empty));
        assert_eq!(unit_name("a b"), Err(UnitNameError::Character(' ')));
        assert_eq!(
            unit_name("../x.service"),
            Err(UnitNameError::Character('/'))
        );
        assert_eq!(unit_name(&"x".repeat(248)), Err(UnitNameError::TooLong));
        assert_eq!(unit_name(&"x".repeat(247)).map(|name| name.len()), Ok(255));
        let template = unit_name("getty@").unwrap_err();
        assert_eq!(
            template.to_string(),
            r#""getty@.service" is a template; write an instance of it, such as "getty@name.service""#
        );
    }
}
