//! `[instances.NAME]`: a virtual router, with the values of every node.

mod address;
mod addresses;
mod announce;
mod keys;
mod network;
pub(super) mod peers;
mod route;
mod rule;
pub(super) mod track;
mod virtual_mac;

use std::num::NonZeroU8;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;
use vrrp::{AnnounceConfig, ChecksumForm, Family, Version, VirtualRouterId};

use self::addresses::Owner;
use self::keys::{BYTE, CHECKSUMS, INTERVAL_V2, INTERVAL_V3, STATES, WAIT};
use self::peers::PeersDraft;
use self::route::{ROUTE, ROUTE_EXAMPLE, read_route};
use self::rule::{RULE, RULE_EXAMPLE, read_rule};
use self::track::{InterfaceDraft, TrackDraft};
use super::authentication::AuthenticationDraft;
use super::key::Keys;
use super::model::NotifyOn;
use super::names::Names;
use super::nodes::{ByNode, Nodes, Scope, bare, check_name};
use super::reader::{Field, Table};
use super::secret::SecretFiles;

pub(super) use self::address::AddressDraft;
pub(super) use self::keys::{INSTANCE, NOTIFY};
pub(super) use self::route::RouteDraft;
pub(super) use self::rule::RuleDraft;

pub(super) const NOTIFY_EXAMPLE: &str = "[{ on = \"master\", hook = \"NAME\" }]";

/// RFC 9568 §5.2.4: the priority of a router that does not own the address.
pub(super) const PRIORITY_DEFAULT: NonZeroU8 = NonZeroU8::new(100).expect("not zero");
/// An instance is one message to the router, and that has room for so many routes, and as many rules (see `ipc::router`).
const ROUTES_MAX: usize = 250;
const INTERVAL_DEFAULT: Duration = Duration::from_secs(1);

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
    pub(super) max_learned_interval: Option<Duration>,
    pub(super) virtual_addresses: Vec<Spanned<AddressDraft>>,
    pub(super) virtual_mac: Option<Option<Spanned<String>>>,
    pub(super) accept_mode: Option<bool>,
    pub(super) excluded_addresses: Vec<Spanned<AddressDraft>>,
    pub(super) routes: Vec<Spanned<RouteDraft>>,
    pub(super) rules: Vec<Spanned<RuleDraft>>,
    pub(super) peers: Option<PeersDraft>,
    pub(super) preempt: Option<bool>,
    pub(super) preempt_delay: Option<Duration>,
    pub(super) start_delay: Option<Duration>,
    pub(super) down_after: Option<NonZeroU8>,
    pub(super) init_grace: Option<Duration>,
    pub(super) announce: Option<AnnounceConfig>,
    pub(super) authentication: Option<AuthenticationDraft>,
    pub(super) tracks: Vec<TrackDraft>,
    pub(super) interfaces: Vec<InterfaceDraft>,
    pub(super) notify: Vec<NotifyDraft>,
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
    pub(super) secrets: SecretFiles<'a>,
}

impl InstanceDraft {
    pub(super) fn read(field: &Field<'_>, scenery: Scenery<'_>) -> Option<Self> {
        check_name(field, "an instance");
        let name = bare(field.key());
        let title = format!("[instances.{name}]");
        let table = field.table(&title, &title, INSTANCE)?;
        let nodes = scenery.nodes;
        let interface = table.require("interface", "interface = \"eth0\"", |field| {
            ByNode::read(&field, nodes, read_interface)
        });
        let virtual_router_id =
            table.require("virtual-router-id", "virtual-router-id = 51", |field| {
                let id = VirtualRouterId(read_byte(&field, 51)?);
                Some(Spanned::new(field.span(), id))
            });
        let version = table.read("version", Version::V3, read_version);
        let priority = table.get("priority");
        let interval = table.read("advertisement-interval", INTERVAL_DEFAULT, |field| {
            read_interval(&field, version)
        });
        let owner = Owner {
            name: field.key(),
            virtual_router_id: virtual_router_id.as_ref().map(|id| *id.get_ref()),
            version_2: table
                .get("version")
                .filter(|_| version == Some(Version::V2))
                .map(|field| field.span()),
        };
        let peers = PeersDraft::read(&table, nodes);
        let virtual_addresses = read_virtual_addresses(&table, peers.as_ref(), &owner, nodes);
        let family = family_of(&virtual_addresses).unwrap_or(Family::V4);
        let (tracks, interfaces) = track::read_all(&table, &title, scenery);
        Some(Self {
            name: field.key().to_owned(),
            interface,
            version,
            priority_span: priority
                .as_ref()
                .map_or_else(|| field.key_span(), Field::span),
            priority: priority.map_or(Some(ByNode::Same(PRIORITY_DEFAULT)), |field| {
                ByNode::read(&field, nodes, read_priority)
            }),
            advertisement_interval: interval,
            max_learned_interval: read_max_learned_interval(&table, version, interval),
            checksum: table.read("checksum", ChecksumForm::Rfc5798, |field| {
                field.choice(&CHECKSUMS)
            }),
            virtual_mac: virtual_mac::read(
                &table,
                virtual_router_id.as_ref(),
                &virtual_addresses,
                peers.as_ref(),
            ),
            accept_mode: table.read("accept-mode", true, |field| field.boolean()),
            virtual_router_id,
            virtual_addresses,
            excluded_addresses: table
                .read("excluded-addresses", Vec::new(), |field| {
                    addresses::read_excluded(&field, nodes)
                })
                .unwrap_or_default(),
            routes: read_counted(&table, "routes", &title, ROUTE_EXAMPLE, ROUTE, |entry| {
                read_route(entry, family, nodes)
            }),
            rules: read_counted(&table, "rules", &title, RULE_EXAMPLE, RULE, |entry| {
                read_rule(entry, family, nodes)
            }),
            peers,
            preempt: table.read("preempt", true, |field| field.boolean()),
            preempt_delay: table.read("preempt-delay", Duration::ZERO, |field| {
                field.duration(&WAIT, "60s")
            }),
            start_delay: table.read("start-delay", Duration::ZERO, |field| {
                field.duration(&WAIT, "30s")
            }),
            down_after: table.read("down-after", NonZeroU8::MIN.saturating_add(2), |field| {
                read_byte(&field, 3)
            }),
            init_grace: table.read("init-grace", Duration::from_secs(10), |field| {
                field.duration(&WAIT, "10s")
            }),
            announce: announce::read(&table),
            authentication: table.read("authentication", AuthenticationDraft::NONE, |field| {
                AuthenticationDraft::read(&field, version, interval, scenery.secrets)
            }),
            tracks,
            interfaces,
            notify: read_list(&table, "notify", &title, NOTIFY_EXAMPLE, NOTIFY, |entry| {
                read_notify(entry, scenery)
            }),
        })
    }

    /// The address family it speaks; `None` when no address could be read.
    pub(super) fn family(&self) -> Option<Family> {
        family_of(&self.virtual_addresses)
    }
}

/// The family of all of them.
fn family_of(addresses: &[Spanned<AddressDraft>]) -> Option<Family> {
    let first = addresses.first()?;
    Some(Family::of(&first.get_ref().address))
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
pub(super) fn read_interface(field: &Field<'_>) -> Option<String> {
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

pub(super) fn read_byte(field: &Field<'_>, example: i64) -> Option<NonZeroU8> {
    let number = field.number(BYTE, example)?;
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

/// The longest interval that is learned from a MASTER; ten of its own when left out, so that a forged one does no harm.
fn read_max_learned_interval(
    table: &Table<'_>,
    version: Option<Version>,
    own: Option<Duration>,
) -> Option<Duration> {
    let longest = *INTERVAL_V3.end();
    let field = table.get("max-learned-interval");
    let own = own?;
    let Some(field) = field else {
        return Some(own.saturating_mul(10).min(longest).max(own));
    };
    if version? == Version::V2 {
        field.error(
            "version 2 learns no interval",
            "leave out `max-learned-interval`",
        );
        return None;
    }
    field.duration(&(own..=longest), "10s")
}

fn read_virtual_addresses(
    table: &Table<'_>,
    peers: Option<&PeersDraft>,
    owner: &Owner<'_>,
    nodes: &Nodes,
) -> Vec<Spanned<AddressDraft>> {
    // Where a hook moves the address, the protocol has none.
    if peers.is_some_and(PeersDraft::is_unicast) && table.get("virtual-addresses").is_none() {
        return Vec::new();
    }
    table
        .require(
            "virtual-addresses",
            "virtual-addresses = [\"192.0.2.1\"]",
            |field| addresses::read_advertised(&field, owner, nodes),
        )
        .unwrap_or_default()
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

/// A [`read_list`] that has at most [`ROUTES_MAX`] entries.
fn read_counted<T>(
    table: &Table<'_>,
    key: &str,
    owner: &str,
    example: &str,
    keys: Keys,
    read: impl Fn(&Table<'_>) -> Option<T>,
) -> Vec<T> {
    if let Some(field) = table.get(key) {
        check_count(&field, ROUTES_MAX, "an instance cannot have");
    }
    read_list(table, key, owner, example, keys, read)
}

/// Reads `[[instances.NAME.KEY]]` and its like, where `owner` is `[instances.NAME]`; what cannot be read is left out.
pub(super) fn read_list<T>(
    table: &Table<'_>,
    key: &str,
    owner: &str,
    example: &str,
    keys: Keys,
    read: impl Fn(&Table<'_>) -> Option<T>,
) -> Vec<T> {
    let Some(field) = table.get(key) else {
        return Vec::new();
    };
    let title = format!("[{}.{key}]]", owner.trim_end_matches(']'));
    if !matches!(field.value(), DeValue::Array(_)) {
        let help = format!("write `{title}`, with two brackets");
        return field
            .wrong_type_help("a list of tables", help)
            .unwrap_or_default();
    }
    let entries = field.elements(example).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| read(&entry.table(&title, &example[1..example.len() - 1], keys)?))
        .collect()
}

pub(super) fn read_notify(table: &Table<'_>, scenery: Scenery<'_>) -> Option<NotifyDraft> {
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
    field.choice(&STATES)
}
