//! `[instances.NAME]`: a virtual router, with the values of every node.

mod address;
mod network;
mod route;
mod rule;

use std::num::NonZeroU8;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;
use vrrp::{AnnounceConfig, ChecksumForm, OnFail, Version, VirtualRouterId};
use vrrp_linux::netlink::Family;

use self::address::{Families, read_addresses};
use self::route::{ROUTE, ROUTE_EXAMPLE, read_route};
use self::rule::{RULE, RULE_EXAMPLE, read_rule};
use super::model::NotifyOn;
use super::names::Names;
use super::nodes::{ByNode, Nodes, Scope, bare, check_name};
use super::reader::{Field, Keys, Table};

pub(super) use self::address::AddressDraft;
pub(super) use self::route::RouteDraft;
pub(super) use self::rule::RuleDraft;

const INSTANCE: Keys = Keys {
    known: &[
        "interface",
        "virtual-router-id",
        "version",
        "priority",
        "advertisement-interval",
        "checksum",
        "virtual-addresses",
        "excluded-addresses",
        "routes",
        "rules",
        "preempt",
        "down-after",
        "init-grace",
        "announce",
        "track",
        "notify",
    ],
    later: &[
        "preempt-delay",
        "start-delay",
        "accept-mode",
        "virtual-mac",
        "unicast",
        "peers",
        "authentication",
    ],
};
const ANNOUNCE: Keys = Keys {
    known: &["repeat", "delay"],
    later: &["refresh", "min-interval"],
};
const TRACK: Keys = Keys {
    known: &["check", "nodes", "on-fail"],
    later: &[],
};
const ON_FAIL: Keys = Keys {
    known: &["weight"],
    later: &[],
};
const NOTIFY: Keys = Keys {
    known: &["on", "hook", "nodes"],
    later: &[],
};

const ON_FAIL_EXAMPLE: &str =
    "write `\"fault\"`, `\"release\"`, or a table like `{ weight = -20 }`";
const TRACK_EXAMPLE: &str = "[{ check = \"NAME\" }]";
const NOTIFY_EXAMPLE: &str = "[{ on = \"master\", hook = \"NAME\" }]";

/// RFC 9568 §5.2.4: the priority of a router that does not own the address.
pub(super) const PRIORITY_DEFAULT: NonZeroU8 = NonZeroU8::new(100).expect("not zero");
/// An offset beyond this could not change a priority any more.
const WEIGHT: RangeInclusive<i64> = -253..=253;
/// `Count IPvX Addr` of an advertisement is one byte (RFC 9568 §5.2.5).
const ADDRESSES_MAX: usize = 255;
/// An instance is one message to the router, and that has room for so many (see `ipc::channel`).
const EXCLUDED_MAX: usize = 500;
const ROUTES_MAX: usize = 250;
const INTERVAL_DEFAULT: Duration = Duration::from_secs(1);
/// Version 2 counts whole seconds in one byte (RFC 3768 §5.3.7).
const INTERVAL_V2: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(255);
/// Version 3 counts hundredths of a second in twelve bits (RFC 9568 §5.2.7).
const INTERVAL_V3: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_millis(40_950);
const WAIT: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);

/// An instance as far as it could be read. What could not be read was reported.
#[derive(Debug)]
pub(super) struct InstanceDraft {
    pub(super) name: String,
    pub(super) interface: Option<ByNode<String>>,
    pub(super) virtual_router_id: Option<Spanned<VirtualRouterId>>,
    pub(super) version: Option<Version>,
    pub(super) priority: Option<ByNode<NonZeroU8>>,
    /// Where the priority is given; the name of the instance when it is not.
    pub(super) priority_span: Range<usize>,
    pub(super) advertisement_interval: Option<Duration>,
    pub(super) checksum: Option<ChecksumForm>,
    pub(super) virtual_addresses: Vec<Spanned<AddressDraft>>,
    pub(super) excluded_addresses: Vec<Spanned<AddressDraft>>,
    pub(super) routes: Vec<Spanned<RouteDraft>>,
    pub(super) rules: Vec<Spanned<RuleDraft>>,
    pub(super) preempt: Option<bool>,
    pub(super) down_after: Option<NonZeroU8>,
    pub(super) init_grace: Option<Duration>,
    pub(super) announce: Option<AnnounceConfig>,
    pub(super) tracks: Vec<TrackDraft>,
    pub(super) notify: Vec<NotifyDraft>,
}

#[derive(Debug)]
pub(super) struct TrackDraft {
    pub(super) check: Spanned<usize>,
    pub(super) scope: Scope,
    pub(super) on_fail: Spanned<OnFail>,
}

#[derive(Debug)]
pub(super) struct NotifyDraft {
    pub(super) on: Vec<NotifyOn>,
    pub(super) hook: usize,
    pub(super) scope: Scope,
}

/// What an instance may refer to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scenery<'a> {
    pub(super) nodes: &'a Nodes,
    pub(super) checks: &'a Names,
    pub(super) hooks: &'a Names,
}

impl InstanceDraft {
    pub(super) fn read(field: &Field<'_>, scenery: Scenery<'_>) -> Option<Self> {
        check_name(field, "an instance");
        let name = bare(field.key());
        let title = format!("[instances.{name}]");
        let table = field.table(&title, &title, INSTANCE)?;
        let nodes = scenery.nodes;
        let version = table.read("version", Version::V3, read_version);
        let priority = table.get("priority");
        let interface = table.require("interface", "interface = \"eth0\"", |field| {
            ByNode::read(&field, nodes, read_interface)
        });
        let virtual_router_id =
            table.require("virtual-router-id", "virtual-router-id = 51", |field| {
                let id = VirtualRouterId(read_byte(&field, 51)?);
                Some(Spanned::new(field.span(), id))
            });
        let virtual_addresses = table
            .require(
                "virtual-addresses",
                "virtual-addresses = [\"192.0.2.1\"]",
                |field| {
                    check_count(&field, ADDRESSES_MAX, "an advertisement cannot carry");
                    read_addresses(&field, Families::Advertised, nodes)
                },
            )
            .unwrap_or_default();
        let family = virtual_addresses
            .first()
            .map_or(Family::V4, |first| Family::of(first.get_ref().address));
        Some(Self {
            name: field.key().to_owned(),
            interface,
            virtual_router_id,
            version,
            priority_span: priority
                .as_ref()
                .map_or_else(|| field.key_span(), Field::span),
            priority: priority.map_or(Some(ByNode::Same(PRIORITY_DEFAULT)), |field| {
                ByNode::read(&field, nodes, read_priority)
            }),
            advertisement_interval: table.read(
                "advertisement-interval",
                INTERVAL_DEFAULT,
                |field| read_interval(&field, version),
            ),
            checksum: table.read("checksum", ChecksumForm::Rfc5798, |field| {
                field.choice(&[
                    ("rfc5798", ChecksumForm::Rfc5798),
                    ("rfc9568", ChecksumForm::Rfc9568),
                ])
            }),
            virtual_addresses,
            excluded_addresses: table
                .read("excluded-addresses", Vec::new(), |field| {
                    check_count(&field, EXCLUDED_MAX, "an instance cannot have");
                    read_addresses(&field, Families::Any, nodes)
                })
                .unwrap_or_default(),
            routes: read_list(&table, "routes", &name, ROUTE_EXAMPLE, ROUTE, |entry| {
                read_route(entry, family, nodes)
            }),
            rules: read_list(&table, "rules", &name, RULE_EXAMPLE, RULE, |entry| {
                read_rule(entry, family, nodes)
            }),
            preempt: table.read("preempt", true, |field| field.boolean()),
            down_after: table.read("down-after", NonZeroU8::MIN.saturating_add(2), |field| {
                read_byte(&field, 3)
            }),
            init_grace: table.read("init-grace", Duration::from_secs(10), |field| {
                field.duration(&WAIT, "10s")
            }),
            announce: read_announce(&table),
            tracks: read_list(&table, "track", &name, TRACK_EXAMPLE, TRACK, |entry| {
                read_track(entry, scenery)
            }),
            notify: read_list(&table, "notify", &name, NOTIFY_EXAMPLE, NOTIFY, |entry| {
                read_notify(entry, scenery)
            }),
        })
    }
}

fn read_version(field: Field<'_>) -> Option<Version> {
    let number = field.number(i64::MIN..=i64::MAX, 3)?;
    match number {
        2 => Some(Version::V2),
        3 => Some(Version::V3),
        _ => {
            field.error(format!("there is no VRRP version {number}"), "write 2 or 3");
            None
        }
    }
}

/// What the kernel takes for the name of an interface.
fn read_interface(field: &Field<'_>) -> Option<String> {
    let name = field.string("eth0")?;
    let fits = (1..=15).contains(&name.len())
        && !matches!(name, "." | "..")
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':'));
    if !fits {
        field.error(
            format!("\"{name}\" cannot name an interface"),
            "write a name that `ip link` shows, for example \"eth0\"; it has 1 to 15 bytes",
        );
        return None;
    }
    Some(name.to_owned())
}

fn read_byte(field: &Field<'_>, example: i64) -> Option<NonZeroU8> {
    let number = field.number(1..=255, example)?;
    NonZeroU8::new(u8::try_from(number).ok()?)
}

fn read_priority(field: &Field<'_>) -> Option<NonZeroU8> {
    let number = field.number(i64::MIN..=i64::MAX, 100)?;
    let priority = u8::try_from(number).ok().and_then(NonZeroU8::new);
    if priority.is_none() {
        field.error(
            format!("the priority cannot be {number}"),
            "write a number from 1 to 254, the highest for the node that should be MASTER; \
             255 is only for a node that owns the address itself",
        );
    }
    priority
}

fn read_interval(field: &Field<'_>, version: Option<Version>) -> Option<Duration> {
    let (range, unit, units) = match version? {
        Version::V2 => (
            INTERVAL_V2,
            Duration::from_secs(1),
            "whole seconds in version 2",
        ),
        Version::V3 => (INTERVAL_V3, Duration::from_millis(10), "steps of 10ms"),
    };
    let interval = field.duration(&range, "1s")?;
    if interval.as_nanos() % unit.as_nanos() != 0 {
        field.error(
            format!("`advertisement-interval` must be in {units}"),
            format!(
                "write, for example, \"{}\"",
                humantime::format_duration(round_up(interval, unit))
            ),
        );
        return None;
    }
    Some(interval)
}

fn round_up(interval: Duration, unit: Duration) -> Duration {
    let steps = interval.as_nanos().div_ceil(unit.as_nanos());
    unit.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

/// Reports a list that is longer than `max`; `cannot` begins the sentence.
fn check_count(field: &Field<'_>, max: usize, cannot: &str) {
    if let DeValue::Array(elements) = field.value()
        && elements.len() > max
    {
        field.error(
            format!("{cannot} {} {}", elements.len(), noun(field.key())),
            format!("write at most {max}, and the others in another instance"),
        );
    }
}

/// What a list of that key has: `addresses`, `routes` or `rules`.
fn noun(key: &str) -> &str {
    key.rsplit('-').next().unwrap_or(key)
}

fn read_announce(table: &Table<'_>) -> Option<AnnounceConfig> {
    let default = AnnounceConfig {
        repeat: NonZeroU8::MIN.saturating_add(4),
        delay: Duration::from_secs(5),
    };
    table.read("announce", default, |field| {
        let table = field.table("`announce`", "announce = { repeat = 5 }", ANNOUNCE)?;
        let repeat = table.read("repeat", default.repeat, |field| read_byte(&field, 5));
        let delay = table.read("delay", default.delay, |field| field.duration(&WAIT, "5s"));
        Some(AnnounceConfig {
            repeat: repeat?,
            delay: delay?,
        })
    })
}

/// Reads `[[instances.NAME.KEY]]`; what cannot be read is left out.
fn read_list<T>(
    table: &Table<'_>,
    key: &str,
    instance: &str,
    example: &str,
    keys: Keys,
    read: impl Fn(&Table<'_>) -> Option<T>,
) -> Vec<T> {
    let Some(field) = table.get(key) else {
        return Vec::new();
    };
    let title = format!("[[instances.{instance}.{key}]]");
    if !matches!(field.value(), DeValue::Array(_)) {
        let help = format!("write `{title}`, with two brackets");
        return field
            .wrong_type_help("a list of tables", help)
            .unwrap_or_default();
    }
    if matches!(key, "routes" | "rules") {
        check_count(&field, ROUTES_MAX, "an instance cannot have");
    }
    let entries = field.elements(example).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| read(&entry.table(&title, &example[1..example.len() - 1], keys)?))
        .collect()
}

fn read_track(table: &Table<'_>, scenery: Scenery<'_>) -> Option<TrackDraft> {
    let check = table.require("check", "check = \"NAME\"", |field| {
        Some(Spanned::new(field.span(), scenery.checks.resolve(&field)?))
    });
    let scope = Scope::read(table, scenery.nodes);
    let on_fail = table.read(
        "on-fail",
        Spanned::new(table.span(), OnFail::Fault),
        |field| Some(Spanned::new(field.span(), read_on_fail(&field)?)),
    );
    Some(TrackDraft {
        check: check?,
        scope: scope?,
        on_fail: on_fail?,
    })
}

fn read_on_fail(field: &Field<'_>) -> Option<OnFail> {
    match field.value() {
        DeValue::String(_) => {
            field.choice(&[("fault", OnFail::Fault), ("release", OnFail::Release)])
        }
        DeValue::Table(_) => {
            let example = "{ weight = -20 }";
            let table = field.table("`on-fail`", example, ON_FAIL)?;
            table.require("weight", "weight = -20", read_weight)
        }
        DeValue::Integer(number) => {
            let help = format!("write `on-fail = {{ weight = {number} }}`");
            field.error("`on-fail` must be a string or a table, not a number", help);
            None
        }
        DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) => {
            field.error("`on-fail` must be a string or a table", ON_FAIL_EXAMPLE);
            None
        }
    }
}

fn read_weight(field: Field<'_>) -> Option<OnFail> {
    let weight = field.number(i64::MIN..=i64::MAX, -20)?;
    if weight == 0 || !WEIGHT.contains(&weight) {
        field.error(
            format!("`weight` cannot be {weight}"),
            "write -253 to -1, added while the check is down, or 1 to 253, added while it is up",
        );
        return None;
    }
    i16::try_from(weight).ok().map(OnFail::Weight)
}

fn read_notify(table: &Table<'_>, scenery: Scenery<'_>) -> Option<NotifyDraft> {
    let on = table.require("on", "on = \"master\"", |field| read_on(&field));
    let hook = table.require("hook", "hook = \"NAME\"", |field| {
        scenery.hooks.resolve(&field)
    });
    let scope = Scope::read(table, scenery.nodes);
    Some(NotifyDraft {
        on: on?,
        hook: hook?,
        scope: scope?,
    })
}

fn read_on(field: &Field<'_>) -> Option<Vec<NotifyOn>> {
    let words = if matches!(field.value(), DeValue::Array(_)) {
        field.elements("[\"master\", \"backup\"]")?
    } else {
        vec![field.clone()]
    };
    // Each word is read before the first bad one ends it.
    let states: Vec<_> = words.iter().map(read_state).collect();
    let mut on = Vec::new();
    for state in states {
        let state = state?;
        if !on.contains(&state) {
            on.push(state);
        }
    }
    Some(on)
}

fn read_state(field: &Field<'_>) -> Option<NotifyOn> {
    field.choice(&[
        ("master", NotifyOn::Master),
        ("backup", NotifyOn::Backup),
        ("fault", NotifyOn::Fault),
        ("stop", NotifyOn::Stop),
    ])
}
