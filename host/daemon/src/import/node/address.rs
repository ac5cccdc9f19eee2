//! `virtual_ipaddress` and `virtual_ipaddress_excluded`.

use std::net::IpAddr;

use toml::{Table, Value};

use super::Reader;
use super::track::is_interface;
use crate::import::options::Scope;
use crate::import::tree::Statement;

/// What the kernel has room for in a label, bytes.
const LABEL_MAX: usize = 15;

/// An address, and what cluster.toml has for it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Address {
    pub(super) ip: IpAddr,
    pub(super) value: Value,
}

impl Reader {
    /// All lines of a block; `interface` is that of the instance.
    pub(super) fn read_addresses(
        &mut self,
        statement: &Statement,
        interface: &str,
    ) -> Vec<Address> {
        let mut addresses: Vec<Address> = Vec::new();
        for statement in statement.statements() {
            let Some(address) = self.read_address(statement, interface) else {
                continue;
            };
            if addresses.iter().any(|other| other.ip == address.ip) {
                self.lose(statement, "the address is listed twice");
            } else {
                addresses.push(address);
            }
        }
        addresses
    }

    fn read_address(&mut self, statement: &Statement, interface: &str) -> Option<Address> {
        let mut words = statement.rest(0).into_iter();
        let Some((ip, length)) = words.next().and_then(read) else {
            self.lose(statement, "this is no address that a host can share");
            return None;
        };
        let mut attributes = Table::new();
        while let Some(word) = words.next() {
            let takes_value = !matches!(
                word,
                "home"
                    | "-nodad"
                    | "nodad"
                    | "mngtmpaddr"
                    | "noprefixroute"
                    | "autojoin"
                    | "no_track"
                    | "use_vmac"
            );
            let value = if takes_value {
                words.next().unwrap_or("")
            } else {
                ""
            };
            let attribute = match word {
                "dev" if value == interface => continue,
                "dev" if is_interface(value) => Some(Value::from(value)),
                "label" if ip.is_ipv4() && (1..=LABEL_MAX).contains(&value.len()) => {
                    Some(Value::from(value))
                }
                "scope" if ip.is_ipv4() => match value {
                    "global" | "0" => continue,
                    _ => scope(value),
                },
                _ => None,
            };
            match attribute {
                Some(attribute) => drop(attributes.insert(word.to_owned(), attribute)),
                None => {
                    let what = format!("{} .. {word} {value}", statement.word(0));
                    let what = what.trim_end().to_owned();
                    self.leave_out_as(Scope::Address, word, statement.place, what);
                }
            }
        }
        let longest = if ip.is_ipv4() { 32 } else { 128 };
        let address = if length == longest {
            ip.to_string()
        } else {
            format!("{ip}/{length}")
        };
        let value = if attributes.is_empty() {
            Value::from(address)
        } else {
            attributes.insert("address".to_owned(), Value::from(address));
            Value::Table(attributes)
        };
        Some(Address { ip, value })
    }
}

/// An address with its prefix length, when a host can have it.
fn read(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let ip: IpAddr = address.parse().ok()?;
    let (longest, is_usable) = match ip {
        IpAddr::V4(ip) => (
            32,
            !(ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() || ip.is_loopback()),
        ),
        IpAddr::V6(ip) => (
            128,
            !(ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_loopback()
                || ip.to_ipv4_mapped().is_some()),
        ),
    };
    let length = length.unwrap_or(longest);
    (is_usable && (1..=longest).contains(&length)).then_some((ip, length))
}

fn scope(word: &str) -> Option<Value> {
    match word {
        "site" | "link" | "host" => Some(Value::from(word)),
        "nowhere" => Some(Value::from(255_i64)),
        number => number
            .parse::<u8>()
            .ok()
            .map(|number| Value::from(i64::from(number))),
    }
}
