//! `global_defs`, and what stands outside of all blocks for every instance.

use std::time::Duration;

use toml::{Table, Value};

use super::Reader;
use crate::import::draft::{Delays, DelaysByInterface, Told};
use crate::import::options::Scope;
use crate::import::source::Place;
use crate::import::tree::Statement;
use crate::import::values::{boolean, duration, seconds};

/// What instances have when they say nothing else.
#[derive(Debug, Default)]
pub(super) struct Globals {
    pub(super) version: Option<Told<u8>>,
    pub(super) announce: Announce,
    pub(super) start_delay: Option<Told<Duration>>,
    pub(super) down_after: Option<Told<u8>>,
    pub(super) interface: Option<Told<String>>,
    pub(super) script_user: Option<Told<String>>,
    pub(super) cpus: Option<Told<Value>>,
    pub(super) checksum: Option<Place>,
    pub(super) is_strict: bool,
    pub(super) delays: DelaysByInterface,
}

/// `announce`, as far as it is said.
#[derive(Clone, Debug, Default)]
pub(super) struct Announce {
    pub(super) table: Table,
    pub(super) places: Vec<Place>,
}

/// The longest time that cluster.toml takes for a delay.
const WAIT_MAX: Duration = Duration::from_secs(3600);
const MIN_INTERVAL_MAX: Duration = Duration::from_secs(1);

impl Announce {
    fn set(&mut self, key: &str, value: impl Into<Value>, place: Place) {
        self.table.insert(key.to_owned(), value.into());
        self.places.push(place);
    }

    /// Takes a statement of an instance, or of `global_defs` without its `vrrp_`. False when it cannot.
    pub(super) fn take(&mut self, keyword: &str, statement: &Statement) -> bool {
        let (word, place) = (statement.word(1), statement.place);
        let wait = seconds(word).filter(|wait| *wait <= WAIT_MAX);
        match keyword {
            "garp_master_repeat" => match word.parse::<u8>() {
                Ok(repeat) if repeat > 0 => self.set("repeat", i64::from(repeat), place),
                _ => return false,
            },
            "garp_master_delay" | "garp_master_refresh" => {
                let Some(wait) = wait else { return false };
                let key = match keyword {
                    "garp_master_delay" => "delay",
                    _ => "refresh",
                };
                self.set(key, duration(wait), place);
            }
            _ => return false,
        }
        true
    }
}

impl Reader {
    pub(super) fn read_globals(&mut self, statements: &[Statement]) {
        for statement in statements {
            match statement.keyword() {
                "global_defs" => {
                    for statement in statement.statements() {
                        self.read_global(statement);
                    }
                }
                "interface_up_down_delays" => {
                    for statement in statement.statements() {
                        self.read_delays(statement);
                    }
                }
                _ => {}
            }
        }
    }

    fn read_global(&mut self, statement: &Statement) {
        let (word, place) = (statement.word(1), statement.place);
        match statement.keyword() {
            "router_id" | "instance" => {}
            "vrrp_version" => {
                let version = self.number(Scope::Global, statement);
                self.globals.version = version.filter(|told| matches!(told.value, 2 | 3));
            }
            "vrrp_garp_master_repeat" | "vrrp_garp_master_delay" | "vrrp_garp_master_refresh" => {
                let keyword = statement.keyword().trim_start_matches("vrrp_");
                if !self.globals.announce.take(keyword, statement) {
                    self.leave_out(Scope::Global, statement);
                }
            }
            "vrrp_min_garp" => match boolean(word) {
                Some(true) => {
                    self.globals.announce.set("repeat", 1_i64, place);
                    self.globals.announce.set("delay", "0s", place);
                }
                Some(false) => {}
                None => self.leave_out(Scope::Global, statement),
            },
            "vrrp_garp_interval" | "vrrp_gna_interval" => {
                let Some(interval) = self.seconds(Scope::Global, statement) else {
                    return;
                };
                let interval = interval.value.min(MIN_INTERVAL_MAX);
                self.globals
                    .announce
                    .set("min-interval", duration(interval), place);
            }
            "vrrp_startup_delay" | "vrrp_delay_after_boot" => {
                let Some(delay) = self.seconds(Scope::Global, statement) else {
                    return;
                };
                let longest = self.globals.start_delay.as_ref().map(|told| told.value);
                if longest.is_none_or(|longest| longest < delay.value) {
                    let value = delay.value.min(WAIT_MAX);
                    self.globals.start_delay = Some(Told { value, ..delay });
                }
            }
            "vrrp_down_timer_adverts" => {
                let count = self.number(Scope::Global, statement);
                self.globals.down_after = count.filter(|count| count.value > 0);
            }
            "default_interface" => {
                self.globals.interface = Some(Told::new(word.to_owned(), place));
            }
            "script_user" => {
                self.globals.script_user = Some(Told::new(word.to_owned(), place));
            }
            "vrrp_cpu_affinity" => {
                let cpus: Option<Vec<i64>> = statement
                    .rest(1)
                    .iter()
                    .map(|cpu| {
                        cpu.parse::<u16>()
                            .ok()
                            .filter(|cpu| *cpu < 1024)
                            .map(i64::from)
                    })
                    .collect();
                match cpus.filter(|cpus| !cpus.is_empty()) {
                    Some(cpus) => self.globals.cpus = Some(Told::new(Value::from(cpus), place)),
                    None => self.leave_out(Scope::Global, statement),
                }
            }
            "v3_checksum_as_v2" => {
                self.globals.checksum = boolean(word).unwrap_or(true).then_some(place);
            }
            keyword => {
                self.globals.is_strict |= keyword == "vrrp_strict";
                self.leave_out(Scope::Global, statement);
            }
        }
    }

    /// `eth0 DOWN [UP]`.
    fn read_delays(&mut self, statement: &Statement) {
        let down = seconds(statement.word(1));
        let up = match statement.word(2) {
            "" => down,
            word => seconds(word),
        };
        match (down, up) {
            (Some(down), Some(up)) if down.max(up) <= WAIT_MAX => {
                let delays = Told::new(Delays { down, up }, statement.place);
                self.globals
                    .delays
                    .insert(statement.keyword().to_owned(), delays);
            }
            _ => self.lose(
                statement,
                "write an interface and how many seconds it may be down",
            ),
        }
    }
}
