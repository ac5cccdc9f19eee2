//! Grants: what a module may touch, in the words of cluster.toml's `allow`.

mod endpoint;
mod http;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

pub use self::endpoint::Endpoint;
pub(crate) use self::endpoint::may_lead_to;
pub use self::http::HttpRule;
use crate::Trigger;
use crate::host::Action;

/// One thing that a module may touch; also the way a module says what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// `process:NAME`: see the processes with this command name.
    Process(String),
    /// `unit:NAME`: read the state of a systemd unit. The name is complete (`named.service`).
    Unit(String),
    /// `unit:NAME:start,stop`: run jobs on a unit, and read its state.
    UnitControl {
        /// Complete unit name.
        unit: String,
        /// The jobs allowed; not empty.
        actions: Vec<Action>,
    },
    /// `http:METHOD URL-PREFIX`: send requests to URLs below the prefix.
    Http(HttpRule),
    /// `tcp:HOST:PORT`: connect.
    Tcp(Endpoint),
    /// `udp:HOST:PORT`: send and receive.
    Udp(Endpoint),
    /// `unix:PATH`: connect to this socket.
    UnixSocket(PathBuf),
    /// `dns:NAME`: ask about this name, here in small letters and without a dot at its end.
    Dns(String),
    /// `icmp:ADDRESS`: send echo requests.
    Icmp(IpAddr),
    /// `read:PATH`: read this file, or what is below this folder.
    Read(PathBuf),
    /// `exec:PATH`: run this command.
    Exec(PathBuf),
    /// `link:NAME`: see the state of this interface.
    Link(String),
}

/// What may be granted: the word before the first colon, where reading and controlling a unit are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrantClass {
    Process,
    Unit,
    UnitControl,
    Http,
    Tcp,
    Udp,
    UnixSocket,
    Dns,
    Icmp,
    Read,
    Exec,
    Link,
}

impl GrantClass {
    /// How such a grant is written.
    pub(crate) fn form(self) -> &'static str {
        match self {
            Self::Process => "process:NAME",
            Self::Unit => "unit:NAME",
            Self::UnitControl => "unit:NAME:start,stop",
            Self::Http => "http:METHOD URL-PREFIX",
            Self::Tcp => "tcp:HOST:PORT",
            Self::Udp => "udp:HOST:PORT",
            Self::UnixSocket => "unix:PATH",
            Self::Dns => "dns:NAME",
            Self::Icmp => "icmp:ADDRESS",
            Self::Read => "read:PATH",
            Self::Exec => "exec:PATH",
            Self::Link => "link:NAME",
        }
    }
}

impl Grant {
    /// Whether a module with this grant may do what `need` says.
    pub fn covers(&self, need: &Self) -> bool {
        match (self, need) {
            (Self::UnitControl { unit, .. }, Self::Unit(wanted)) => unit == wanted,
            (
                Self::UnitControl { unit, actions },
                Self::UnitControl {
                    unit: wanted,
                    actions: wanted_actions,
                },
            ) => unit == wanted && wanted_actions.iter().all(|action| actions.contains(action)),
            (Self::Http(rule), Self::Http(wanted)) => rule.covers(wanted),
            (Self::Read(path), Self::Read(wanted)) => wanted.starts_with(path),
            (granted, wanted) => granted == wanted,
        }
    }

    /// The grant that a trigger takes: to be told that a thing changes is to see it.
    ///
    /// # Errors
    /// When what is to be watched could not be granted: a relative path, for example.
    pub fn to_watch(trigger: &Trigger) -> Result<Self, ParseGrantError> {
        Ok(match trigger {
            Trigger::ProcessStarted(name) | Trigger::ProcessExited(name) => {
                Self::Process(name.clone())
            }
            Trigger::UnitChanged(unit) => Self::Unit(unit_name(unit)),
            Trigger::PathChanged(path) => format!("read:{path}").parse()?,
            Trigger::LinkChanged(link) | Trigger::AddressChanged(link) => Self::Link(link.clone()),
        })
    }

    pub(crate) fn class(&self) -> GrantClass {
        match self {
            Self::Process(_) => GrantClass::Process,
            Self::Unit(_) => GrantClass::Unit,
            Self::UnitControl { .. } => GrantClass::UnitControl,
            Self::Http(_) => GrantClass::Http,
            Self::Tcp(_) => GrantClass::Tcp,
            Self::Udp(_) => GrantClass::Udp,
            Self::UnixSocket(_) => GrantClass::UnixSocket,
            Self::Dns(_) => GrantClass::Dns,
            Self::Icmp(_) => GrantClass::Icmp,
            Self::Read(_) => GrantClass::Read,
            Self::Exec(_) => GrantClass::Exec,
            Self::Link(_) => GrantClass::Link,
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(name) => write!(f, "process:{name}"),
            Self::Unit(unit) => write!(f, "unit:{unit}"),
            Self::UnitControl { unit, actions } => {
                let actions: Vec<_> = actions.iter().map(|action| action.word()).collect();
                write!(f, "unit:{unit}:{}", actions.join(","))
            }
            Self::Http(rule) => write!(f, "http:{rule}"),
            Self::Tcp(endpoint) => write!(f, "tcp:{endpoint}"),
            Self::Udp(endpoint) => write!(f, "udp:{endpoint}"),
            Self::UnixSocket(path) => write!(f, "unix:{}", path.display()),
            Self::Dns(name) => write!(f, "dns:{name}"),
            Self::Icmp(address) => write!(f, "icmp:{address}"),
            Self::Read(path) => write!(f, "read:{}", path.display()),
            Self::Exec(path) => write!(f, "exec:{}", path.display()),
            Self::Link(name) => write!(f, "link:{name}"),
        }
    }
}

/// A text that is not a grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a grant: {problem}; write {form}")]
pub struct ParseGrantError {
    text: String,
    problem: String,
    form: &'static str,
}

const ALL_FORMS: &str = "`process:NAME`, `unit:NAME`, `unit:NAME:start,stop`, `http:METHOD URL-PREFIX`, `tcp:HOST:PORT`, \
     `udp:HOST:PORT`, `unix:PATH`, `dns:NAME`, `icmp:ADDRESS`, `read:PATH`, `exec:PATH` or `link:NAME`";

impl FromStr for Grant {
    type Err = ParseGrantError;

    fn from_str(text: &str) -> Result<Self, ParseGrantError> {
        let fail = |form, problem: String| ParseGrantError {
            text: text.to_owned(),
            problem,
            form,
        };
        let Some((word, value)) = text.split_once(':') else {
            return Err(fail(ALL_FORMS, "it has no colon".to_owned()));
        };
        let (form, parsed) = match word {
            "process" => ("`process:NAME`", name(value).map(Self::Process)),
            "unit" => ("`unit:NAME` or `unit:NAME:start,stop`", unit_grant(value)),
            "http" => (
                "`http:GET https://host:port/path`",
                HttpRule::parse(value).map(Self::Http),
            ),
            "tcp" => ("`tcp:HOST:PORT`", Endpoint::parse(value).map(Self::Tcp)),
            "udp" => ("`udp:HOST:PORT`", Endpoint::parse(value).map(Self::Udp)),
            "unix" => ("`unix:/absolute/path`", path(value).map(Self::UnixSocket)),
            "dns" => (
                "`dns:NAME`",
                name(value).map(|name| Self::Dns(dns_name(&name))),
            ),
            "icmp" => ("`icmp:ADDRESS`", address(value).map(Self::Icmp)),
            "read" => ("`read:/absolute/path`", path(value).map(Self::Read)),
            "exec" => ("`exec:/absolute/path`", path(value).map(Self::Exec)),
            "link" => ("`link:NAME`", name(value).map(Self::Link)),
            other => (
                ALL_FORMS,
                Err(format!("there is nothing called `{other}` to grant")),
            ),
        };
        parsed.map_err(|problem| fail(form, problem))
    }
}

/// The line for cluster.toml that grants all of `grants`.
pub(crate) fn allow_line<'a>(grants: impl IntoIterator<Item = &'a Grant>) -> String {
    let quoted: Vec<_> = grants
        .into_iter()
        .map(|grant| format!("{:?}", grant.to_string()))
        .collect();
    format!("allow = [{}]", quoted.join(", "))
}

/// A name in DNS as it is compared: without regard to case, and with no dot at its end.
pub(crate) fn dns_name(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// The complete name of a unit: like systemctl, a name without a type is a service.
pub(crate) fn unit_name(name: &str) -> String {
    const TYPES: [&str; 11] = [
        "service",
        "socket",
        "device",
        "mount",
        "automount",
        "swap",
        "target",
        "path",
        "timer",
        "slice",
        "scope",
    ];
    match name.rsplit_once('.') {
        Some((_, suffix)) if TYPES.contains(&suffix) => name.to_owned(),
        _ => format!("{name}.service"),
    }
}

fn unit_grant(value: &str) -> Result<Grant, String> {
    // A unit name may hold colons itself, so only what looks like a list of jobs is one.
    let Some((unit, jobs)) = value
        .rsplit_once(':')
        .filter(|(_, tail)| !tail.contains('.'))
    else {
        return unit(value).map(Grant::Unit);
    };
    let actions = jobs
        .split(',')
        .map(|word| {
            Action::from_word(word).ok_or_else(|| {
                format!("`{word}` is none of start, stop, restart, reload and try-restart")
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Grant::UnitControl {
        unit: self::unit(unit)?,
        actions,
    })
}

fn unit(value: &str) -> Result<String, String> {
    let name = name(value)?;
    if name.contains(['/', '*', '?', '[']) {
        return Err("a unit is granted by its exact name".to_owned());
    }
    Ok(unit_name(&name))
}

fn name(value: &str) -> Result<String, String> {
    if value.is_empty() {
        return Err("it names nothing".to_owned());
    }
    if value.chars().any(|c| c.is_control()) || value.trim() != value {
        return Err("the name has stray white space".to_owned());
    }
    Ok(value.to_owned())
}

fn address(value: &str) -> Result<IpAddr, String> {
    value
        .parse()
        .map(|address: IpAddr| address.to_canonical())
        .map_err(|_| format!("`{value}` is not an IP address"))
}

/// `PATH_MAX` of the kernel less the terminating zero.
const PATH_MAX: usize = 4095;

fn path(value: &str) -> Result<PathBuf, String> {
    if value.len() > PATH_MAX {
        return Err(format!("the path has more than {PATH_MAX} bytes"));
    }
    let path = PathBuf::from(name(value)?);
    if !path.is_absolute() {
        return Err("the path is not absolute".to_owned());
    }
    if path
        .components()
        .any(|part| part == std::path::Component::ParentDir)
    {
        return Err("the path has a `..`".to_owned());
    }
    Ok(path)
}

#[cfg(test)]
mod tests;
