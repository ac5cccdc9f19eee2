//! `announce`: gratuitous ARP and unsolicited neighbour advertisements.

use std::ops::RangeInclusive;
use std::time::Duration;

use vrrp::AnnounceConfig;

use super::{WAIT, read_byte};
use crate::config::reader::{Keys, Table};

const ANNOUNCE: Keys = Keys {
    known: &["repeat", "delay", "refresh", "min-interval"],
    later: &[],
};
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
