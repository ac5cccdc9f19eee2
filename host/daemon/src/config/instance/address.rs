//! One entry of `virtual-addresses` or `excluded-addresses`: an address, or a table with one and its attributes.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use toml::de::DeValue;
use vrrp_linux::netlink::Address;

use super::keys::INTERFACE;
use super::read_interface;
use crate::config::key::{Key, Keys, Kind, Text, words};
use crate::config::nodes::{ByNode, Nodes, bare};
use crate::config::reader::{Field, Table};

pub(super) const ADDRESS: Keys = Keys::new(&[
    Key::required(
        "address",
        Kind::Text(ADDRESS_TEXT),
        "The address, with a prefix length where it is to bring the route to its network; /32 or /128 without one.",
    )
    .example("\"192.0.2.100/24\""),
    Key::optional(
        "dev",
        Kind::ByNode(&INTERFACE),
        "the interface of the instance",
        "The interface that has it.",
    )
    .example("\"eth1\""),
    Key::optional(
        "label",
        Kind::Text(Text::new("1 to 15 bytes without spaces").pattern(r"^\S{1,15}$")),
        "none",
        "The label of an IPv4 address, as `ip address` shows it.",
    )
    .example("\"eth1:v\""),
    Key::default(
        "scope",
        Kind::Either(&[Kind::Choice(&words(&SCOPES)), Kind::Number(SCOPE)]),
        "\"global\"",
        "The scope of an IPv4 address, in the words of `ip address` or as a number; an IPv6 address says it itself.",
    )
    .example("\"link\""),
]);
pub(super) const ADDRESS_TEXT: Text =
    Text::new("an address, with or without a prefix length").pattern("^[0-9A-Fa-f.:]+(/[0-9]+)?$");
const SCOPES: [(&str, u8); 4] = [("global", 0), ("site", 200), ("link", 253), ("host", 254)];
const SCOPE: RangeInclusive<i64> = 0..=255;
const ADDRESS_EXAMPLE: &str = "{ address = \"192.0.2.1/24\", dev = \"eth1\" }";
const EXAMPLES: &str = "write `\"192.0.2.1\"` or `\"fe80::1\"`, or with a prefix length `\"192.0.2.1/24\"` or `\"fe80::1/64\"`";

/// What the kernel has room for in a label (`IFNAMSIZ`), bytes.
const LABEL_MAX: usize = 15;

/// An address with its attributes, on whichever node.
#[derive(Clone, Debug)]
pub(in crate::config) struct AddressDraft {
    pub(in crate::config) address: IpAddr,
    pub(in crate::config) prefix_length: u8,
    /// The interface of the instance when left out.
    dev: Option<ByNode<String>>,
    label: Option<String>,
    scope: u8,
}

impl AddressDraft {
    /// As `node` is to have it; `interface` is that of the instance.
    pub(in crate::config) fn at(&self, node: &str, interface: &str) -> Option<Address> {
        Some(Address {
            interface: match &self.dev {
                Some(dev) => dev.at(node)?.clone(),
                None => interface.to_owned(),
            },
            address: self.address,
            prefix_length: self.prefix_length,
            label: self.label.clone(),
            scope: self.scope,
        })
    }

    /// An IPv6 address as the file would have it; these have no attributes but the interface.
    pub(super) fn as_written_v6(&self) -> String {
        let Self {
            address,
            prefix_length,
            ..
        } = self;
        let (_, lengths, _) = prefix_lengths(*address);
        let address = if prefix_length == lengths.end() {
            format!("\"{address}\"")
        } else {
            format!("\"{address}/{prefix_length}\"")
        };
        let dev = match &self.dev {
            None => return address,
            Some(ByNode::Same(dev)) => format!("\"{dev}\""),
            Some(ByNode::Each(devs)) => {
                let entries = devs.iter();
                let entries: Vec<_> = entries
                    .map(|(node, dev)| format!("{} = \"{dev}\"", bare(node)))
                    .collect();
                format!("{{ {} }}", entries.join(", "))
            }
        };
        format!("{{ address = {address}, dev = {dev} }}")
    }
}

/// Reads an entry. Without the prefix length an address stands for itself: 32 or 128.
pub(super) fn read(field: &Field<'_>, nodes: &Nodes) -> Option<AddressDraft> {
    match field.value() {
        DeValue::Table(_) => read_table(field, nodes),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_) => {
            let (address, prefix_length) = read_address(field)?;
            Some(AddressDraft {
                address,
                prefix_length,
                dev: None,
                label: None,
                scope: 0,
            })
        }
    }
}

fn read_table(field: &Field<'_>, nodes: &Nodes) -> Option<AddressDraft> {
    let table = field.table(&field.what(), ADDRESS_EXAMPLE, ADDRESS)?;
    let address = table.require("address", "address = \"192.0.2.1/24\"", |field| {
        read_address(&field)
    });
    let dev = table.read("dev", None, |field| {
        ByNode::read(&field, nodes, read_interface).map(Some)
    });
    let of_ipv6 = address.is_some_and(|(address, _)| address.is_ipv6());
    let label = table.read("label", None, |field| read_label(&field, of_ipv6).map(Some));
    let scope = read_scope(&table, of_ipv6);
    let (address, prefix_length) = address?;
    Some(AddressDraft {
        address,
        prefix_length,
        dev: dev?,
        label: label?,
        scope: scope?,
    })
}

/// `ADDRESS` or `ADDRESS/PREFIX-LENGTH`.
fn read_address(field: &Field<'_>) -> Option<(IpAddr, u8)> {
    let text = field.string("192.0.2.1")?;
    let (address, prefix_length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u8>().ok())),
        None => (text, None),
    };
    if let Some((address, zone)) = address.split_once('%') {
        field.error(
            format!("\"{text}\" names an interface"),
            format!(
                "write `\"{address}\"`, and `interface = \"{zone}\"` for the instance, or `{{ address = \"{address}\", dev = \"{zone}\" }}`",
                zone = zone.escape_debug()
            ),
        );
        return None;
    }
    let Ok(address) = address.parse::<IpAddr>() else {
        field.error(format!("\"{text}\" is not an IP address"), EXAMPLES);
        return None;
    };
    let (name, lengths, usual) = prefix_lengths(address);
    let longest = *lengths.end();
    let Some(prefix_length) = prefix_length
        .unwrap_or(Some(longest))
        .filter(|length| lengths.contains(length))
    else {
        field.error(
            format!("\"{text}\" has a prefix length that {name} does not have"),
            format!("write a length from 1 to {longest}, for example `\"{address}/{usual}\"`, or leave it out for {longest}"),
        );
        return None;
    };
    if let Some(help) = unusable(address) {
        field.error(format!("no host can share the address {address}"), help);
        return None;
    }
    Some((address, prefix_length))
}

/// The family's name, its prefix lengths, and the one that most networks have.
fn prefix_lengths(address: IpAddr) -> (&'static str, RangeInclusive<u8>, u8) {
    match address {
        IpAddr::V4(_) => ("IPv4", 1..=32, 24),
        IpAddr::V6(_) => ("IPv6", 1..=128, 64),
    }
}

/// What to write instead of an address that no host can have, or every host has.
fn unusable(address: IpAddr) -> Option<String> {
    let (is_usable, example) = match address {
        IpAddr::V4(address) => (
            !(address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast()
                || address.is_loopback()),
            "192.0.2.1",
        ),
        IpAddr::V6(address) => {
            if let Some(mapped) = address.to_ipv4_mapped() {
                return Some(format!(
                    "write it as the IPv4 address that it is: `\"{mapped}\"`"
                ));
            }
            (
                !(address.is_unspecified() || address.is_multicast() || address.is_loopback()),
                "2001:db8::1",
            )
        }
    };
    (!is_usable)
        .then(|| format!("write the address that clients connect to, for example `\"{example}\"`"))
}

fn read_label(field: &Field<'_>, of_ipv6: bool) -> Option<String> {
    let label = field.string("eth1:v")?;
    if of_ipv6 {
        field.error(
            "only IPv4 addresses have a label",
            "leave it out: the kernel keeps none for IPv6",
        );
        return None;
    }
    let fits = (1..=LABEL_MAX).contains(&label.len())
        && !label.chars().any(|c| c.is_whitespace() || c.is_control());
    if !fits {
        field.error(
            format!("\"{label}\" cannot be a label"),
            format!("write 1 to {LABEL_MAX} bytes without spaces, for example `\"eth1:v\"`"),
        );
        return None;
    }
    Some(label.to_owned())
}

/// In the words of `ip address`, or the kernel's number.
fn read_scope(table: &Table<'_>, of_ipv6: bool) -> Option<u8> {
    table.read("scope", 0, |field| {
        if of_ipv6 {
            field.error(
                "an IPv6 address has the scope that it says itself",
                "leave `scope` out",
            );
            return None;
        }
        match field.value() {
            DeValue::String(_) => field.choice(&SCOPES),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => u8::try_from(field.number(SCOPE, 253)?).ok(),
        }
    })
}
