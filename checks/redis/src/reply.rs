use std::fmt;

use vrrp_sdk::stream::Connection;

use crate::Problem;

/// Bytes of a line, and of a text; the role has seven at most.
const LINE_MAX: usize = 1024;

/// The beginning of a reply in RESP, the protocol of Redis.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A simple or a bulk string.
    Text(String),
    /// The word before the first space says which.
    Error(String),
    /// So many elements follow, each a reply.
    Array(u32),
    /// Whatever else, as it was written.
    Other(String),
}

impl Reply {
    pub(crate) fn read(connection: &mut Connection) -> Result<Self, Problem> {
        let line = connection.read_until(b"\r\n", LINE_MAX)?;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches("\r\n");
        let other = || Self::Other(line.to_owned());
        let mut rest = line.chars();
        Ok(match (rest.next(), rest.as_str()) {
            (Some('+'), text) => Self::Text(text.to_owned()),
            (Some('-'), error) => Self::Error(error.to_owned()),
            (Some('*'), count) => count.parse().map_or_else(|_| other(), Self::Array),
            (Some('$'), length) => match length.parse::<usize>() {
                Ok(length) if length <= LINE_MAX => {
                    let text = connection.read_exact(length + 2)?;
                    Self::Text(String::from_utf8_lossy(&text[..length]).into_owned())
                }
                Ok(_) | Err(_) => other(),
            },
            _ => other(),
        })
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Other(text) => write!(f, "{text:?}"),
            Self::Error(error) => f.write_str(error),
            Self::Array(count) => write!(f, "a list of {count}"),
        }
    }
}
