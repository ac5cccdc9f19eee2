//! `track`: the checks and interfaces that an instance or a sync group depends on.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;
use vrrp::OnFail;

use super::keys::{INTERFACE, WAIT};
use super::{Scenery, read_interface, read_list};
use crate::config::key::{Key, Keys, Kind, Text, words};
use crate::config::nodes::{NODES, Scope};
use crate::config::reader::{Field, Table};

pub(in crate::config) const TRACK: Keys = Keys::new(&[
    Key::optional(
        "check",
        Kind::Text(Text::new("the name of a check")),
        "the entry is about an `interface`",
        "The check that is depended on.",
    )
    .example("\"node-exporter\""),
    Key::optional(
        "interface",
        INTERFACE,
        "the entry is about a `check`",
        "The interface that is depended on: it has to be up with a carrier. An instance depends on its own one anyhow.",
    )
    .example("\"eth1\"")
    .source("ietf-vrrp `track/interfaces`"),
    NODES,
    Key::default(
        "on-fail",
        Kind::Either(&[Kind::Choice(&words(&ON_FAIL)), Kind::Table(WEIGHTED)]),
        "\"fault\"",
        "What it costs: `\"fault\"`, the instance is in FAULT and takes no part; `\"release\"`, it gives the address away at once and stays \
         eligible; a `weight`, the priority changes.",
    )
    .example("{ weight = -20 }"),
    Key::default(
        "up-delay",
        Kind::Duration(WAIT),
        "\"0s\"",
        "An interface has to be up for so long before it counts as up.",
    )
    .example("\"2s\""),
    Key::default(
        "down-delay",
        Kind::Duration(WAIT),
        "\"0s\"",
        "An interface has to be down for so long before it counts as down.",
    )
    .example("\"500ms\""),
])
.one_of(&["check", "interface"]);
const EXAMPLE: &str = "[{ check = \"NAME\" }]";
const WEIGHTED: Keys = Keys::new(&[Key::required(
    "weight",
    Kind::Number(WEIGHT),
    "Added to the priority: a negative one while it is down, a positive one while it is up; not 0.",
)
.example("-20")
.source("ietf-vrrp `track/interfaces/interface/priority-decrement`")]);
const ON_FAIL: [(&str, OnFail); 2] = [("fault", OnFail::Fault), ("release", OnFail::Release)];
const ON_FAIL_EXAMPLE: &str =
    "write `\"fault\"`, `\"release\"`, or a table like `{ weight = -20 }`";
/// An offset beyond this could not change a priority any more.
const WEIGHT: RangeInclusive<i64> = -253..=253;

/// A tracked check.
#[derive(Clone, Debug)]
pub(crate) struct TrackDraft {
    pub(crate) check: Spanned<usize>,
    pub(crate) scope: Scope,
    pub(crate) on_fail: Spanned<OnFail>,
}

/// A tracked interface.
#[derive(Clone, Debug)]
pub(crate) struct InterfaceDraft {
    pub(crate) interface: Spanned<String>,
    pub(crate) scope: Scope,
    pub(crate) on_fail: Spanned<OnFail>,
    pub(crate) up_delay: Duration,
    pub(crate) down_delay: Duration,
}

/// An entry of the list.
#[derive(Debug)]
enum Entry {
    Check(TrackDraft),
    Interface(InterfaceDraft),
}

/// Reads the list of an instance or a sync group whose table has this title: checks and interfaces apart.
pub(crate) fn read_all(
    table: &Table<'_>,
    title: &str,
    scenery: Scenery<'_>,
) -> (Vec<TrackDraft>, Vec<InterfaceDraft>) {
    let entries = read_list(table, "track", title, EXAMPLE, TRACK, |entry| {
        read(entry, scenery)
    });
    let mut checks = Vec::new();
    let mut interfaces = Vec::new();
    for entry in entries {
        match entry {
            Entry::Check(track) => checks.push(track),
            Entry::Interface(track) => interfaces.push(track),
        }
    }
    (checks, interfaces)
}

fn read(table: &Table<'_>, scenery: Scenery<'_>) -> Option<Entry> {
    let scope = Scope::read(table, scenery.nodes);
    let on_fail = table.read(
        "on-fail",
        Spanned::new(table.span(), OnFail::Fault),
        |field| Some(Spanned::new(field.span(), read_on_fail(&field)?)),
    );
    let delay = |key| {
        table.read(key, Duration::ZERO, |field| {
            if table.get("interface").is_none() {
                field.error(
                    format!("`{key}` is for interfaces"),
                    "leave it out; `rise` and `fall` of the check do this for checks",
                );
                return None;
            }
            field.duration(&WAIT, "2s")
        })
    };
    let (up_delay, down_delay) = (delay("up-delay"), delay("down-delay"));
    let Some(interface) = table.get("interface") else {
        let check = table.require("check", "check = \"NAME\"", |field| {
            Some(Spanned::new(field.span(), scenery.checks.resolve(&field)?))
        });
        up_delay.and(down_delay)?;
        return Some(Entry::Check(TrackDraft {
            check: check?,
            scope: scope?,
            on_fail: on_fail?,
        }));
    };
    if let Some(check) = table.get("check") {
        check.error(
            "an entry tracks a check or an interface, not both",
            "write two entries",
        );
        return None;
    }
    let name = read_interface(&interface);
    Some(Entry::Interface(InterfaceDraft {
        interface: Spanned::new(interface.span(), name?),
        scope: scope?,
        on_fail: on_fail?,
        up_delay: up_delay?,
        down_delay: down_delay?,
    }))
}

fn read_on_fail(field: &Field<'_>) -> Option<OnFail> {
    match field.value() {
        DeValue::String(_) => field.choice(&ON_FAIL),
        DeValue::Table(_) => {
            let example = "{ weight = -20 }";
            let table = field.table("`on-fail`", example, WEIGHTED)?;
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
            "write -253 to -1, added while it is down, or 1 to 253, added while it is up",
        );
        return None;
    }
    i16::try_from(weight).ok().map(OnFail::Weight)
}
