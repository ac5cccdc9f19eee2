//! `routes`: tables in the words of `ip route`.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use toml::Spanned;
use vrrp::Family;
use vrrp_linux::netlink::{MAIN_TABLE, METRIC_V6, Route, RouteKind, everything};

use super::keys::INTERFACE;
use super::network::{NUMBER_MAX, TABLE, families_differ, read_network, read_number, read_table};
use super::read_interface;
use crate::config::key::{Key, Keys, Kind, Text, words};
use crate::config::nodes::{ByNode, IP_ADDRESS, Nodes};
use crate::config::reader::{Field, Table};
use crate::config::report::Diagnostic;

pub(super) const ROUTE: Keys = Keys::new(&[
    Key::required(
        "to",
        Kind::Text(Text::new("a network, an address or `default`")),
        "Where it leads. `\"default\"` is of the family of `via` or `src`, or else of the virtual addresses; `\"0.0.0.0/0\"` and `\"::/0\"` say it.",
    )
    .example("\"198.51.100.0/24\""),
    Key::optional(
        "via",
        Kind::Text(IP_ADDRESS),
        "the destination is on the link",
        "The next hop.",
    )
    .example("\"192.0.2.254\""),
    Key::optional(
        "dev",
        Kind::ByNode(&INTERFACE),
        "the interface of the instance where there is no `via`, or it is link-local or `onlink`; otherwise the one that `via` is reached by",
        "The interface it leaves by.",
    )
    .example("\"eth1\""),
    Key::optional(
        "src",
        Kind::Text(IP_ADDRESS),
        "the kernel chooses",
        "The address that packets of this host itself are sent from.",
    )
    .example("\"192.0.2.100\""),
    Key::default(
        "table",
        TABLE,
        "\"main\"",
        "The routing table, by number or by a name that every kernel knows.",
    )
    .example("100"),
    Key::default(
        "metric",
        Kind::Number(METRIC),
        "0",
        "Of two routes to one destination the lower metric is taken. 0 is 1024 for IPv6, as in the kernel.",
    )
    .example("50"),
    Key::default(
        "onlink",
        Kind::Boolean,
        "false",
        "Whether `via` is on the link though no address says so.",
    )
    .example("true"),
    Key::default(
        "type",
        Kind::Choice(&words(&KINDS)),
        "\"unicast\"",
        "`\"blackhole\"`, `\"unreachable\"` and `\"prohibit\"` drop what they match, and have neither `via`, `dev`, `src` nor `onlink`.",
    )
    .example("\"blackhole\""),
]);
const METRIC: RangeInclusive<i64> = 0..=NUMBER_MAX;
const KINDS: [(&str, RouteKind); 4] = [
    ("unicast", RouteKind::Unicast),
    ("blackhole", RouteKind::Blackhole),
    ("unreachable", RouteKind::Unreachable),
    ("prohibit", RouteKind::Prohibit),
];
pub(super) const ROUTE_EXAMPLE: &str = "[{ to = \"default\", via = \"192.0.2.254\" }]";

/// A route on whichever node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct RouteDraft {
    /// Without its interface.
    route: Route,
    dev: Dev,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Dev {
    Given(ByNode<String>),
    /// That of the instance.
    Own,
    /// The one that `via` is reached by, or none at all.
    Kernels,
}

impl RouteDraft {
    /// As `node` is to have it; `interface` is that of the instance.
    pub(in crate::config) fn at(&self, node: &str, interface: &str) -> Option<Route> {
        Some(Route {
            dev: match &self.dev {
                Dev::Given(dev) => Some(dev.at(node)?.clone()),
                Dev::Own => Some(interface.to_owned()),
                Dev::Kernels => None,
            },
            ..self.route.clone()
        })
    }

    /// What the kernel tells routes apart by: destination, table and metric.
    pub(in crate::config) fn place(&self) -> (IpNet, u32, u32) {
        (self.route.to, self.route.table, self.route.metric)
    }

    /// Where it leads, for errors.
    pub(in crate::config) fn destination(&self) -> String {
        self.route.to.to_string()
    }
}

/// Reads one route; `family` is that of a default route that does not say it.
pub(super) fn read_route(
    table: &Table<'_>,
    family: Family,
    nodes: &Nodes,
) -> Option<Spanned<RouteDraft>> {
    let address = |key| table.read(key, None, |field| read_next(&field).map(Some));
    let (via, src) = (address("via"), address("src"));
    let implied = via
        .flatten()
        .or_else(|| src.flatten())
        .map_or(family, |address| Family::of(&address));
    let to = table.require("to", "to = \"default\"", |field| {
        read_destination(&field, implied)
    });
    let mut is_consistent = true;
    for (key, value) in [("via", via.flatten()), ("src", src.flatten())] {
        if let (Some(to), Some(value), Some(field)) = (to, value, table.get(key))
            && Family::of(&value) != Family::of(&to.addr())
        {
            families_differ(&field, Family::of(&to.addr()), "`to`");
            is_consistent = false;
        }
    }
    let dev = table.read("dev", None, |field| {
        ByNode::read(&field, nodes, read_interface).map(Some)
    });
    let number = table.read("table", MAIN_TABLE, |field| read_table(&field));
    let metric = table.read("metric", 0, |field| read_number(&field, METRIC, 50));
    let onlink = table.read("onlink", false, |field| field.boolean());
    let kind = read_kind(table);
    if onlink == Some(true)
        && let (Some(field), None) = (table.get("onlink"), table.get("via"))
    {
        field.error(
            "`onlink` is about `via`, which is missing",
            "add, for example, `via = \"192.0.2.254\"`, or leave `onlink` out",
        );
        is_consistent = false;
    }
    if !is_consistent {
        return None;
    }
    let (to, via, onlink, kind) = (to?, via?, onlink?, kind?);
    Some(Spanned::new(
        table.span(),
        RouteDraft {
            dev: match (dev?, via) {
                (Some(dev), _) => Dev::Given(dev),
                (None, _) if kind != RouteKind::Unicast => Dev::Kernels,
                (None, Some(IpAddr::V6(via))) if via.is_unicast_link_local() => Dev::Own,
                (None, Some(_)) if !onlink => Dev::Kernels,
                (None, _) => Dev::Own,
            },
            route: Route {
                to,
                table: number?,
                metric: match (metric?, Family::of(&to.addr())) {
                    (0, Family::V6) => METRIC_V6,
                    (metric, _) => metric,
                },
                kind,
                via,
                dev: None,
                src: src?,
                onlink,
            },
        },
    ))
}

/// A network, or `default`.
fn read_destination(field: &Field<'_>, family: Family) -> Option<IpNet> {
    if field.string("default")? == "default" {
        return Some(everything(family));
    }
    read_network(field, "198.51.100.0/24")
}

/// The address of a host, which is what comes next.
fn read_next(field: &Field<'_>) -> Option<IpAddr> {
    let text = field.string("192.0.2.254")?;
    let address = text.parse::<IpAddr>().ok();
    let address = address.filter(|address| !address.is_unspecified() && !address.is_multicast());
    if address.is_none() {
        field.error(
            format!("\"{text}\" is not the address of a host"),
            format!("write, for example, `{} = \"192.0.2.254\"`", field.key()),
        );
    }
    address
}

fn read_kind(table: &Table<'_>) -> Option<RouteKind> {
    let kind = table.read("type", RouteKind::Unicast, |field| field.choice(&KINDS))?;
    if kind != RouteKind::Unicast {
        let leads_on = ["via", "dev", "src", "onlink"]
            .into_iter()
            .find_map(|key| table.get(key));
        if let Some(field) = leads_on {
            field.push(
                Diagnostic::error(
                    field.key_span(),
                    format!(
                        "a route of this type leads nowhere: `{}` says where",
                        field.key()
                    ),
                )
                .help(format!("leave `{}` or `type` out", field.key())),
            );
            return None;
        }
    }
    Some(kind)
}
