//! `virtual-addresses` and `excluded-addresses`: an address, or a table with one and its attributes.

use std::net::IpAddr;

use toml::Spanned;
use toml::de::DeValue;
use vrrp_linux::netlink::{Address, Family};

use super::read_interface;
use crate::config::nodes::{ByNode, Nodes};
use crate::config::reader::{Field, Keys, Table};

const ADDRESS: Keys = Keys {
    known: &["address", "dev", "label", "scope"],
    later: &[],
};
const ADDRESS_EXAMPLE: &str = "{ address = \"192.0.2.1/24\", dev = \"eth1\" }";

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
}

/// Which families a list of addresses may have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Families {
    /// Those that the protocol can advertise.
    Advertised,
    /// Both.
    Any,
}

/// Reads a list of addresses.
pub(super) fn read_addresses(
    field: &Field<'_>,
    families: Families,
    nodes: &Nodes,
) -> Option<Vec<Spanned<AddressDraft>>> {
    let elements = field.elements("[\"192.0.2.1\"]")?;
    let drafts = elements.iter().filter_map(|element| {
        let draft = match element.value() {
            DeValue::Table(_) => read_table(element, families, nodes),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => {
                read_address(element, families).map(|(address, prefix_length)| AddressDraft {
                    address,
                    prefix_length,
                    dev: None,
                    label: None,
                    scope: 0,
                })
            }
        };
        Some(Spanned::new(element.span(), draft?))
    });
    Some(drafts.collect())
}

fn read_table(field: &Field<'_>, families: Families, nodes: &Nodes) -> Option<AddressDraft> {
    let table = field.table(&field.what(), ADDRESS_EXAMPLE, ADDRESS)?;
    let address = table.require("address", "address = \"192.0.2.1/24\"", |field| {
        read_address(&field, families)
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
fn read_address(field: &Field<'_>, families: Families) -> Option<(IpAddr, u8)> {
    let text = field.string("192.0.2.1")?;
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        let kind = match families {
            Families::Advertised => "an IPv4",
            Families::Any => "an IP",
        };
        field.error(
            format!("\"{text}\" is not {kind} address"),
            "write `\"192.0.2.1\"`, or with a prefix length `\"192.0.2.1/24\"`",
        );
        return None;
    };
    if address.is_ipv6() && matches!(families, Families::Advertised) {
        field.error(
            "IPv6 addresses are not available yet in this version",
            "write an IPv4 address, for example `\"192.0.2.1\"`",
        );
        return None;
    }
    let (name, longest, usual) = match Family::of(address) {
        Family::V4 => ("IPv4", 32, 24),
        Family::V6 => ("IPv6", 128, 64),
    };
    let prefix_length = length.map_or(Some(longest), |length| length.parse().ok());
    let Some(prefix_length) = prefix_length.filter(|length| (1..=longest).contains(length)) else {
        field.error(
            format!("\"{text}\" has a prefix length that {name} does not have"),
            format!(
                "write a length from 1 to {longest}, for example `\"{address}/{usual}\"`, or leave it out for {longest}"
            ),
        );
        return None;
    };
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    if address.is_unspecified() || address.is_multicast() || is_broadcast {
        field.error(
            format!("no host can have the address {address}"),
            "write the address that clients connect to, for example `\"192.0.2.1\"`",
        );
        return None;
    }
    Some((address, prefix_length))
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
            DeValue::String(_) => {
                field.choice(&[("global", 0), ("site", 200), ("link", 253), ("host", 254)])
            }
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => u8::try_from(field.number(0..=255, 253)?).ok(),
        }
    })
}
