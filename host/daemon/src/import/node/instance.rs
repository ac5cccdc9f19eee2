//! `vrrp_instance`: what its lines say.

mod entries;

use std::time::Duration;

use toml::Value;

use super::Reader;
use super::address::Address;
use super::globals::Announce;
use super::track::is_interface;
use super::unicast::Peers;
use crate::import::draft::{InstanceDraft, NotifyDraft, Told, TrackDraft};
use crate::import::options::Scope;
use crate::import::source::Place;
use crate::import::tree::Statement;
use crate::import::values::boolean;

/// What keepalived takes when nothing is said.
const INTERFACE_DEFAULT: &str = "eth0";

/// The statements of an instance, before they are put together.
#[derive(Default)]
struct Said {
    interface: Option<Told<String>>,
    virtual_router_id: Option<Told<u8>>,
    version: Option<Told<u8>>,
    priority: Option<Told<u8>>,
    is_master: bool,
    interval: Option<Told<Duration>>,
    down_after: Option<Told<u8>>,
    no_preempt: Option<Place>,
    preempt_delay: Option<Told<Duration>>,
    no_accept: Option<Place>,
    virtual_mac: Option<Told<Value>>,
    checksum: Option<Place>,
    announce: Announce,
    password: Option<Told<String>>,
    addresses: Vec<Address>,
    addresses_place: Option<Place>,
    excluded: Option<Told<Vec<Address>>>,
    routes: Option<Told<Vec<Value>>>,
    rules: Option<Told<Vec<Value>>>,
    peers: Option<Peers>,
    tracks: Vec<TrackDraft>,
    notify: Vec<NotifyDraft>,
}

impl Reader {
    pub(super) fn read_instance(&mut self, statement: &Statement) -> Option<InstanceDraft> {
        let mut said = Said {
            announce: self.globals.announce.clone(),
            interface: self.interface_of(statement),
            ..Said::default()
        };
        let own = said
            .interface
            .as_ref()
            .map_or(INTERFACE_DEFAULT, |told| &told.value)
            .to_owned();
        // Who the node is says which of the peers are others.
        for statement in statement.statements() {
            if matches!(statement.keyword(), "unicast_src_ip" | "mcast_src_ip") {
                self.learn_address(statement);
            }
        }
        for statement in statement.statements() {
            self.read_line(statement, &own, &mut said);
        }
        self.put_together(statement, said)
    }

    fn interface_of(&self, statement: &Statement) -> Option<Told<String>> {
        let mut statements = statement.statements().iter();
        let own = statements.find(|it| it.keyword() == "interface");
        let own = own.map(|it| Told::new(it.word(1).to_owned(), it.place));
        own.or_else(|| self.globals.interface.clone())
            .filter(|told| is_interface(&told.value))
    }

    fn read_line(&mut self, statement: &Statement, own: &str, said: &mut Said) {
        const SCOPE: Scope = Scope::Instance;
        if let Some(tracks) = self.read_tracks(statement) {
            said.tracks.extend(tracks);
            return;
        }
        if let Some(notify) = self.read_notify(SCOPE, statement) {
            said.notify.extend(notify);
            return;
        }
        let (word, place) = (statement.word(1), statement.place);
        match statement.keyword() {
            "interface" | "unicast_src_ip" | "mcast_src_ip" => {}
            "virtual_router_id" => said.virtual_router_id = self.number(SCOPE, statement),
            "version" => match word {
                "2" => said.version = Some(Told::new(2, place)),
                "3" => said.version = Some(Told::new(3, place)),
                _ => self.leave_out(SCOPE, statement),
            },
            "priority" => said.priority = self.number(SCOPE, statement),
            "state" => match word {
                "MASTER" => said.is_master = true,
                "BACKUP" => {}
                _ => self.leave_out(SCOPE, statement),
            },
            "advert_int" => said.interval = self.seconds(SCOPE, statement),
            "down_timer_adverts" => said.down_after = self.number(SCOPE, statement),
            "nopreempt" => said.no_preempt = Some(place),
            "preempt" => said.no_preempt = None,
            "preempt_delay" => said.preempt_delay = self.seconds(SCOPE, statement),
            "no_accept" => said.no_accept = Some(place),
            "accept" => said.no_accept = None,
            "use_vmac" => self.read_vmac(statement, said),
            "v3_checksum_as_v2" => {
                said.checksum = boolean(word).unwrap_or(true).then_some(place);
            }
            keyword @ ("garp_master_repeat" | "garp_master_delay" | "garp_master_refresh") => {
                if !said.announce.take(keyword, statement) {
                    self.leave_out(SCOPE, statement);
                }
            }
            "authentication" => said.password = self.read_authentication(statement),
            "virtual_ipaddress" => {
                said.addresses = self.read_addresses(statement, own);
                said.addresses_place = Some(place);
            }
            "virtual_ipaddress_excluded" => {
                let addresses = self.read_addresses(statement, own);
                said.excluded = Some(Told::new(addresses, place));
            }
            "virtual_routes" => {
                said.routes = Some(Told::new(self.read_routes(statement), place));
            }
            "virtual_rules" => {
                said.rules = Some(Told::new(self.read_rules(statement), place));
            }
            "unicast_peer" => {
                let own = self.own_address();
                said.peers = self.read_peers(statement, own);
            }
            _ => self.leave_out(SCOPE, statement),
        }
    }

    /// `use_vmac [NAME] [MAC] ...`.
    fn read_vmac(&mut self, statement: &Statement, said: &mut Said) {
        let mut value = Value::from(true);
        for word in statement.rest(1) {
            if is_interface(word) && value == Value::from(true) {
                value = Value::from(word);
            } else {
                let what = format!("use_vmac .. {word}");
                self.leave_out_as(Scope::Instance, "use_vmac_addr", statement.place, what);
            }
        }
        said.virtual_mac = Some(Told::new(value, statement.place));
    }

    /// The password. What is in the block is no text for a note.
    fn read_authentication(&mut self, statement: &Statement) -> Option<Told<String>> {
        let word_of = |keyword: &str| {
            let mut statements = statement.statements().iter();
            statements
                .find(|it| it.keyword() == keyword)
                .map(|it| it.word(1))
        };
        match (word_of("auth_type"), word_of("auth_pass")) {
            (Some("PASS") | None, Some(password)) if !password.is_empty() => {
                let mut password = password.to_owned();
                let mut end = password.len().min(8);
                while !password.is_char_boundary(end) {
                    end -= 1;
                }
                password.truncate(end);
                Some(Told::new(password, statement.place))
            }
            (Some("AH"), _) => {
                self.lose(statement, "there is no AH, which RFC 3768 took out: write `authentication = { keys = .. }`");
                None
            }
            _ => {
                self.lose(statement, "it has no password");
                None
            }
        }
    }
}
