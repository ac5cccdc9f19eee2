//! `[nodes]`: who is in the cluster, and which of them this host is.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use toml::de::DeValue;

use super::key::{Key, Keys, Kind, Text};
use super::reader::{Field, Sink, Table};
use super::report::Diagnostic;
use super::suggest::{closest, list};

pub(super) const NODE: Keys = Keys::new(&[Key::optional(
    "address",
    Kind::Text(IP_ADDRESS),
    "it is not known, which `unicast = true` and `accept-from = \"nodes\"` do not take",
    "The address of the node itself, on the link that the instances speak on; not one that is shared.",
)
.example("\"192.0.2.1\"")]);
/// Where an entry applies; see [`Scope`].
pub(super) const NODES: Key = Key::optional(
    "nodes",
    Kind::List(&Kind::Text(Text::new("the name of a node")), 1),
    "on every node",
    "The nodes on which the entry applies.",
)
.example("[\"first\"]");
/// What [`check_name`] takes.
pub(super) const NAME: Text =
    Text::new("a name of 1 to 64 characters without spaces").pattern(r"^\S{1,64}$");
pub(super) const IP_ADDRESS: Text = Text::new("an IP address").pattern("^[0-9A-Fa-f.:]+$");
const NODE_EXAMPLE: &str = "[nodes.first]";

/// The nodes of the file.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    /// Empty when the file describes this host alone.
    pub(super) addresses: BTreeMap<String, Option<IpAddr>>,
    span: Range<usize>,
}

impl Nodes {
    pub(super) fn read(root: &Table<'_>) -> Self {
        let Some(field) = root.get("nodes") else {
            return Self::default();
        };
        let mut nodes = Self {
            addresses: BTreeMap::new(),
            span: field.span(),
        };
        let mut seen = BTreeMap::new();
        for node in field.named(NODE_EXAMPLE).unwrap_or_default() {
            check_name(&node, "a node");
            let address = read_address(&node, &mut seen);
            nodes.addresses.insert(node.key().to_owned(), address);
        }
        nodes
    }

    /// The names, in order.
    pub(super) fn names(&self) -> Vec<&str> {
        self.addresses.keys().map(String::as_str).collect()
    }

    /// Whether the file describes this host alone.
    pub(super) fn is_alone(&self) -> bool {
        self.addresses.is_empty()
    }

    /// The name of this node: `requested` (`--node`), or else the one that the host name says.
    pub(super) fn identify(
        &self,
        requested: Option<&str>,
        host_name: &str,
        sink: &Sink,
    ) -> Option<String> {
        if self.is_alone() {
            return Some(requested.unwrap_or(host_name).to_owned());
        }
        let found = match requested {
            Some(name) => self.names().into_iter().find(|node| *node == name),
            None => self.by_host_name(host_name),
        };
        if found.is_none() {
            sink.push(self.unknown_host(requested, host_name));
        }
        found.map(str::to_owned)
    }

    /// Host names are compared without case, whole first and then without their domain.
    fn by_host_name(&self, host_name: &str) -> Option<&str> {
        let short = host_name.split('.').next().unwrap_or(host_name);
        [host_name, short].into_iter().find_map(|name| {
            self.names()
                .into_iter()
                .find(|node| node.eq_ignore_ascii_case(name))
        })
    }

    fn unknown_host(&self, requested: Option<&str>, host_name: &str) -> Diagnostic {
        let names = self.names();
        let (message, name) = match requested {
            Some(name) => (format!("the file has no node `{name}` (--node)"), name),
            None => (
                format!("the file has no node for this host, which is called `{host_name}`"),
                host_name,
            ),
        };
        let known = match closest(name, &names) {
            Some(close) => format!("did you mean `{close}`? "),
            None => String::new(),
        };
        Diagnostic::missing(self.span.clone(), message)
            .label(format!("it has {}", list(&names)))
            .help(format!(
                "{known}start with `--node NAME`, or add `[nodes.{}]`",
                bare(name)
            ))
    }
}

/// Reports a name that would be hard to tell apart in a log line.
pub(super) fn check_name(field: &Field<'_>, what: &str) {
    let name = field.key();
    let fits = !name.is_empty()
        && name.chars().count() <= 64
        && !name.chars().any(|c| c.is_whitespace() || c.is_control());
    if !fits {
        field.push(
            Diagnostic::error(field.key_span(), format!("this cannot name {what}"))
                .help("write 1 to 64 letters, digits, `-`, `_` or `.`, without spaces"),
        );
    }
}

/// A key as TOML wants it: quoted when it has to be.
pub(crate) fn bare(key: &str) -> String {
    let is_bare = !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if is_bare {
        key.to_owned()
    } else {
        toml::Value::from(key).to_string()
    }
}

fn read_address(node: &Field<'_>, seen: &mut BTreeMap<IpAddr, Range<usize>>) -> Option<IpAddr> {
    let title = format!("[nodes.{}]", bare(node.key()));
    let table = node.table(&title, &title, NODE)?;
    let field = table.get("address")?;
    let text = field.string("192.0.2.1")?;
    let Ok(address) = text.parse() else {
        field.error(
            format!("`{text}` is not an IP address"),
            "write the address of the node itself, for example `address = \"192.0.2.1\"`",
        );
        return None;
    };
    if let Some(first) = seen.insert(address, field.span()) {
        field.push(
            Diagnostic::error(field.span(), format!("two nodes have the address {address}"))
                .related(first, "the other one")
                .help("write the address of each node itself; the shared one belongs into `virtual-addresses`"),
        );
    }
    Some(address)
}

/// A value that is the same on every node, or given by node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ByNode<T> {
    Same(T),
    Each(BTreeMap<String, T>),
}

impl<T> ByNode<T> {
    /// The value on `node`; `None` when it was reported as wrong or missing.
    pub(super) fn at(&self, node: &str) -> Option<&T> {
        match self {
            Self::Same(value) => Some(value),
            Self::Each(values) => values.get(node),
        }
    }

    /// Reads a value, or a table of them by node.
    pub(super) fn read<'d>(
        field: &Field<'d>,
        nodes: &Nodes,
        read: impl Fn(&Field<'d>) -> Option<T>,
    ) -> Option<Self> {
        if !matches!(field.value(), DeValue::Table(_)) {
            return read(field).map(Self::Same);
        }
        let what = field.what();
        if nodes.is_alone() {
            field.push(
                Diagnostic::missing(
                    field.span(),
                    format!("{what} is given by node, but the file has no nodes"),
                )
                .help(format!(
                    "add `{NODE_EXAMPLE}` and so on, or write one value for `{}`",
                    field.key()
                )),
            );
            return None;
        }
        let entries = field.named("")?;
        let mut values = BTreeMap::new();
        for entry in &entries {
            if nodes.addresses.contains_key(entry.key()) {
                values.extend(read(entry).map(|value| (entry.key().to_owned(), value)));
            } else {
                unknown_node(entry, entry.key(), entry.key_span(), nodes);
            }
        }
        let given: Vec<&str> = entries.iter().map(Field::key).collect();
        let missing: Vec<&str> = nodes
            .names()
            .into_iter()
            .filter(|node| !given.contains(node))
            .collect();
        if !missing.is_empty() {
            let message = format!("{what} has no value for the node {}", list(&missing));
            field.push(
                Diagnostic::missing(field.span(), message)
                    .help(format!("add `{} = ...`", bare(missing[0]))),
            );
        }
        Some(Self::Each(values))
    }
}

/// A `nodes = [...]` list: where a track or notify entry applies.
#[derive(Clone, Debug)]
pub(super) enum Scope {
    Everywhere,
    Only(Vec<String>),
}

impl Scope {
    pub(super) fn read(table: &Table<'_>, nodes: &Nodes) -> Option<Self> {
        let Some(field) = table.get("nodes") else {
            return Some(Self::Everywhere);
        };
        let example = match nodes.names().first() {
            Some(name) => format!("[{name:?}]"),
            None => "[\"first\"]".to_owned(),
        };
        let mut names = Vec::new();
        for element in field.elements(&example)? {
            let Some(name) = element.string("first") else {
                continue;
            };
            if nodes.addresses.contains_key(name) {
                names.push(name.to_owned());
            } else {
                unknown_node(&element, name, element.span(), nodes);
            }
        }
        Some(Self::Only(names))
    }

    /// Whether it applies to `node`.
    pub(super) fn contains(&self, node: &str) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Only(names) => names.iter().any(|name| name == node),
        }
    }
}

fn unknown_node(field: &Field<'_>, name: &str, span: Range<usize>, nodes: &Nodes) {
    let names = nodes.names();
    let help = match closest(name, &names) {
        Some(close) => format!("did you mean `{close}`?"),
        None if names.is_empty() => format!(
            "the file describes one host; add `[nodes.{}]` and so on to describe a cluster",
            bare(name)
        ),
        None => format!("known nodes: {}", list(&names)),
    };
    field.push(Diagnostic::missing(span, format!("no node is called `{name}`")).help(help));
}
