//! What routes and rules have in common: networks and routing tables.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use toml::de::DeValue;
use vrrp::Family;
use vrrp_linux::netlink::{DEFAULT_TABLE, LOCAL_TABLE, MAIN_TABLE};

use crate::config::key::{Kind, Text, words};
use crate::config::reader::Field;
use crate::config::suggest::list;

/// The largest number of a routing table, a metric, a priority or a mark.
pub(super) const NUMBER_MAX: i64 = u32::MAX as i64;
/// The number of a table, a priority or a mark.
pub(super) const NUMBER: RangeInclusive<i64> = 1..=NUMBER_MAX;
pub(super) const TABLE: Kind = Kind::Either(&[Kind::Number(NUMBER), Kind::Choice(&words(&TABLES))]);
pub(super) const NETWORK: Text =
    Text::new("a network or an address").pattern("^[0-9A-Fa-f.:]+(/[0-9]+)?$");

/// The tables that have a name whatever `/etc/iproute2/rt_tables` says: the file is to mean the same on every node.
const TABLES: [(&str, u32); 3] = [
    ("main", MAIN_TABLE),
    ("local", LOCAL_TABLE),
    ("default", DEFAULT_TABLE),
];

/// `NETWORK/PREFIX-LENGTH`, or an address for itself alone.
pub(super) fn read_network(field: &Field<'_>, example: &str) -> Option<IpNet> {
    let text = field.string(example)?;
    let network = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let Ok(network) = network else {
        field.error(
            format!("\"{text}\" is not a network"),
            format!(
                "write an address with a prefix length, for example `\"{example}\"`, or an address alone"
            ),
        );
        return None;
    };
    if network.trunc() != network {
        field.error(
            format!("\"{text}\" has bits beyond its prefix length"),
            format!(
                "write the network, `\"{}\"`, or the address alone, `\"{}\"`",
                network.trunc(),
                network.addr()
            ),
        );
        return None;
    }
    Some(network)
}

/// The number of a routing table, or a name that the kernel itself knows.
pub(super) fn read_table(field: &Field<'_>) -> Option<u32> {
    let DeValue::String(name) = field.value() else {
        return read_number(field, NUMBER, 100);
    };
    let found = TABLES.iter().find(|(known, _)| known == name);
    if found.is_none() {
        let names: Vec<_> = TABLES.iter().map(|(name, _)| *name).collect();
        field.error(
            format!("no routing table is called \"{name}\""),
            format!(
                "write its number, for example `table = 100`; only {} have names here",
                list(&names)
            ),
        );
    }
    found.map(|(_, number)| *number)
}

/// A number in `range`, which ends at [`NUMBER_MAX`].
pub(super) fn read_number(
    field: &Field<'_>,
    range: RangeInclusive<i64>,
    example: i64,
) -> Option<u32> {
    u32::try_from(field.number(range, example)?).ok()
}

/// Reports that two values that go together are of different families.
pub(super) fn families_differ(field: &Field<'_>, family: Family, other: &str) {
    let (name, example) = match family {
        Family::V4 => ("IPv4", "192.0.2.254"),
        Family::V6 => ("IPv6", "2001:db8::fe"),
    };
    field.error(
        format!(
            "`{}` is of another address family than {other}",
            field.key()
        ),
        format!("write an {name} address, for example `\"{example}\"`"),
    );
}
