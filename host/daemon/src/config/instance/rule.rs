//! `rules`: tables in the words of `ip rule`.

use ipnet::IpNet;
use toml::Spanned;
use toml::de::DeValue;
use vrrp::Family;
use vrrp_linux::netlink::{MAIN_TABLE, Mark, RULE_PRIORITY, Rule};

use super::keys::INTERFACE;
use super::network::{
    NETWORK, NUMBER, TABLE, families_differ, read_network, read_number, read_table,
};
use super::read_interface;
use crate::config::key::{Key, Keys, Kind, Text};
use crate::config::nodes::{ByNode, Nodes};
use crate::config::reader::{Field, Table};
use crate::config::report::Diagnostic;

pub(super) const RULE: Keys = Keys::new(&[
    Key::optional(
        "from",
        Kind::Text(NETWORK),
        "from anywhere",
        "The packets that come from here.",
    )
    .example("\"192.0.2.100\""),
    Key::optional(
        "to",
        Kind::Text(NETWORK),
        "to anywhere",
        "The packets that go there.",
    )
    .example("\"198.51.100.0/24\""),
    Key::default(
        "table",
        TABLE,
        "\"main\"",
        "The routing table that they take, by number or by a name that every kernel knows.",
    )
    .example("100"),
    Key::default(
        "priority",
        Kind::Number(NUMBER),
        "32765",
        "Rules are asked in this order, the lowest first. The default is just before `main`.",
    )
    .example("1000"),
    Key::optional(
        "fwmark",
        Kind::Either(&[
            Kind::Number(NUMBER),
            Kind::Text(Text::new("a mark with its mask").pattern("^[0-9a-fA-Fx]+/[0-9a-fA-Fx]+$")),
        ]),
        "whatever their mark",
        "The packets that the firewall has marked so.",
    )
    .example("\"0x10/0xff\""),
    Key::optional(
        "iif",
        Kind::ByNode(&INTERFACE),
        "from any interface",
        "The packets that came in by this interface; `lo` for those of the host itself.",
    )
    .example("\"eth1\""),
]);
pub(super) const RULE_EXAMPLE: &str = "[{ from = \"192.0.2.100\", table = 100 }]";

/// A rule on whichever node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct RuleDraft {
    /// Without its interface.
    rule: Rule,
    iif: Option<ByNode<String>>,
}

impl RuleDraft {
    /// As `node` is to have it.
    pub(in crate::config) fn at(&self, node: &str) -> Option<Rule> {
        Some(Rule {
            iif: match &self.iif {
                Some(iif) => Some(iif.at(node)?.clone()),
                None => None,
            },
            ..self.rule.clone()
        })
    }
}

/// Reads one rule; `family` is that of a rule that does not say it.
pub(super) fn read_rule(
    table: &Table<'_>,
    family: Family,
    nodes: &Nodes,
) -> Option<Spanned<RuleDraft>> {
    if RULE
        .names()
        .into_iter()
        .all(|key| key == "priority" || table.get(key).is_none())
    {
        table.push(
            Diagnostic::missing(
                table.span(),
                "the rule says neither for which packets it is nor which table they take",
            )
            .help("write, for example, `{ from = \"192.0.2.100\", table = 100 }`"),
        );
        return None;
    }
    let network = |key| {
        table.read(key, None, |field| {
            read_network(&field, "192.0.2.100").map(Some)
        })
    };
    let (from, to) = (network("from"), network("to"));
    let families = [from, to].map(|network| network.flatten().map(|net| Family::of(&net.addr())));
    let mut is_consistent = true;
    if let ([Some(first), Some(second)], Some(field)) = (families, table.get("to"))
        && first != second
    {
        families_differ(&field, first, "`from`");
        is_consistent = false;
    }
    let number = table.read("table", MAIN_TABLE, |field| read_table(&field));
    let priority = table.read("priority", RULE_PRIORITY, |field| {
        read_number(&field, NUMBER, 1000)
    });
    let fwmark = table.read("fwmark", None, |field| read_mark(&field).map(Some));
    let iif = table.read("iif", None, |field| {
        ByNode::read(&field, nodes, read_interface).map(Some)
    });
    let (from, to) = (from?, to?);
    if !is_consistent {
        return None;
    }
    Some(Spanned::new(
        table.span(),
        RuleDraft {
            iif: iif?,
            rule: Rule {
                family: families.into_iter().flatten().next().unwrap_or(family),
                priority: priority?,
                from: from.filter(selects),
                to: to.filter(selects),
                fwmark: fwmark?,
                iif: None,
                table: number?,
            },
        },
    ))
}

/// Whether there is an address that is not in the network.
fn selects(network: &IpNet) -> bool {
    network.prefix_len() > 0
}

/// A number, or `MARK/MASK`.
fn read_mark(field: &Field<'_>) -> Option<Mark> {
    let DeValue::String(text) = field.value() else {
        return Some(Mark {
            value: read_number(field, NUMBER, 1)?,
            mask: u32::MAX,
        });
    };
    let parts = text.split_once('/');
    let parsed = parts.and_then(|(value, mask)| Some((parse(value)?, parse(mask)?)));
    let mark = parsed.filter(|(value, mask)| *mask != 0 && value & !mask == 0);
    let Some((value, mask)) = mark else {
        field.error(
            format!("\"{text}\" is not a mark with its mask"),
            "write `0x10`, or with a mask that has all of its bits `\"0x10/0xff\"`",
        );
        return None;
    };
    Some(Mark { value, mask })
}

fn parse(number: &str) -> Option<u32> {
    match number.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => number.parse().ok(),
    }
}
