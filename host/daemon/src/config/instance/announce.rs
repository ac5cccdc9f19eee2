//! `announce`: gratuitous ARP and unsolicited neighbour advertisements.

use std::ops::RangeInclusive;
use std::time::Duration;

use vrrp::AnnounceConfig;

use super::keys::{BYTE, WAIT};
use super::read_byte;
use crate::config::key::{Key, Keys, Kind};
use crate::config::reader::Table;

pub(super) const ANNOUNCE: Keys = Keys::new(&[
    Key::default(
        "repeat",
        Kind::Number(BYTE),
        "5",
        "How often each address is announced at once when this node becomes MASTER.",
    )
    .example("3"),
    Key::default(
        "delay",
        Kind::Duration(WAIT),
        "\"5s\"",
        "After so long, it is announced as often once more, for those that missed it; `\"0s\"` for never.",
    )
    .example("\"1s\""),
    Key::default(
        "refresh",
        Kind::Duration(WAIT),
        "\"0s\"",
        "A MASTER announces its addresses this often, one after the other; `\"0s\"` for never.",
    )
    .example("\"60s\""),
    Key::default(
        "min-interval",
        Kind::Duration(MIN_INTERVAL),
        "\"0s\"",
        "The least time between an announcement of this instance and any other on the interface, for switches that drop bursts.",
    )
    .example("\"1ms\""),
]);
/// A whole burst must not take minutes.
const MIN_INTERVAL: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(1);

pub(super) fn read(table: &Table<'_>) -> Option<AnnounceConfig> {
    let default = AnnounceConfig::default();
    table.read("announce", default, |field| {
        let table = field.table("`announce`", "announce = { repeat = 5 }", ANNOUNCE)?;
        let repeat = table.read("repeat", default.repeat, |field| read_byte(&field, 5));
        let delay = table.read("delay", default.delay, |field| field.duration(&WAIT, "5s"));
        let refresh = table.read("refresh", default.refresh, |field| {
            field.duration(&WAIT, "60s")
        });
        let min_interval = table.read("min-interval", default.min_interval, |field| {
            field.duration(&MIN_INTERVAL, "1ms")
        });
        Some(AnnounceConfig {
            repeat: repeat?,
            delay: delay?,
            refresh: refresh?,
            min_interval: min_interval?,
        })
    })
}
