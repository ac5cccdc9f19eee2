use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::Need;

/// Where a service listens, in a config: `"db.lan:5432"`, `"[2001:db8::1]:443"`, or the path of a Unix
/// socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Address {
    /// `host:port`
    Tcp(String),
    /// An absolute path.
    Unix(String),
}

/// Why a text is not where a service listens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address such as \"127.0.0.1:80\" or \"/run/service.sock\": \"{0}\"")]
pub struct AddressError(String);

impl Address {
    /// What connecting to it needs.
    pub fn need(&self) -> Need {
        match self {
            Self::Tcp(address) => Need::tcp(address),
            Self::Unix(path) => Need::unix_socket(path),
        }
    }

    /// The name or address without the port, and without brackets; `None` for a Unix socket.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Tcp(address) => {
                let (host, _) = address.rsplit_once(':')?;
                Some(host.trim_start_matches('[').trim_end_matches(']'))
            }
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(text) | Self::Unix(text) => f.pad(text),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = || AddressError(text.to_owned());
        if text.starts_with('/') {
            let climbs = text.split('/').any(|part| part == "..");
            let is_path = !climbs && !text.ends_with('/') && !text.contains(char::is_control);
            return if is_path {
                Ok(Self::Unix(text.to_owned()))
            } else {
                Err(error())
            };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(error)?;
        let is_host = match host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => {
                let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
                !host.is_empty() && host.chars().all(is_part)
            }
        };
        if !is_host || port.parse::<u16>().unwrap_or(0) == 0 {
            return Err(error());
        }
        Ok(Self::Tcp(text.to_owned()))
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(/|.+:[0-9]+$)", "examples": ["127.0.0.1:80", "/run/service.sock"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_service_listens_is_a_host_and_a_port_or_a_path() {
        for (text, need, host) in [
            ("127.0.0.1:80", "tcp:127.0.0.1:80", Some("127.0.0.1")),
            ("db_1.lan:5432", "tcp:db_1.lan:5432", Some("db_1.lan")),
            (
                "[2001:db8::1]:443",
                "tcp:[2001:db8::1]:443",
                Some("2001:db8::1"),
            ),
            (
                "/run/haproxy/admin.sock",
                "unix:/run/haproxy/admin.sock",
                None,
            ),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(address.need().as_str(), need);
            assert_eq!(address.host(), host);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "localhost",
            "localhost:",
            "localhost:0",
            "localhost:65536",
            ":80",
            "::1:80",
            "[localhost]:80",
            "local host:80",
            "http://localhost:80",
            "run/a.sock",
            "/",
            "/run/",
            "/run/../a.sock",
            "/run/a\n.sock",
        ] {
            assert_eq!(text.parse::<Address>(), Err(AddressError(text.to_owned())));
        }
    }
}
