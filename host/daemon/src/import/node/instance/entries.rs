//! From what an instance says to the keys of `[instances.NAME]`.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use toml::Value;

use super::{INTERFACE_DEFAULT, Said};
use crate::import::draft::{Entry, InstanceDraft, PeersDraft, Told};
use crate::import::node::Reader;
use crate::import::node::address::Address;
use crate::import::notes::{Kind, Note};
use crate::import::source::Place;
use crate::import::tree::Statement;
use crate::import::values::{duration, name_of};

const PRIORITY_DEFAULT: u8 = 100;
const OWNER: u8 = 255;
/// Version 3 counts hundredths of a second in twelve bits.
const INTERVAL_V3_MAX: Duration = Duration::from_millis(40_950);
const INTERVAL_V2_MAX: Duration = Duration::from_secs(255);
const WAIT_MAX: Duration = Duration::from_secs(3600);

impl Reader {
    pub(super) fn put_together(
        &mut self,
        statement: &Statement,
        mut said: Said,
    ) -> Option<InstanceDraft> {
        let place = statement.place;
        let Some(name) = name_of(statement.word(1)) else {
            self.lose(statement, "it has no name");
            return None;
        };
        let Some(id) = said.virtual_router_id.take().filter(|id| id.value > 0) else {
            self.lose(statement, "it has no `virtual_router_id` from 1 to 255, and keepalived does not run it either");
            return None;
        };
        let is_unicast = said.peers.is_some();
        if said.addresses.is_empty() && !is_unicast {
            self.lose(
                statement,
                "it has no address, and by multicast it would be no virtual router",
            );
            return None;
        }
        let is_v6 = match (said.addresses.first(), &said.peers) {
            (Some(first), _) => first.ip.is_ipv6(),
            (None, Some(peers)) => peers.draft.peers[0].is_ipv6(),
            (None, None) => false,
        };
        if is_unicast
            && said
                .peers
                .as_ref()
                .is_some_and(|peers| peers.draft.peers[0].is_ipv6() != is_v6)
        {
            self.lose(
                statement,
                "its peers are of another address family than its addresses",
            );
            return None;
        }
        let mut entries = vec![self.interface_entry(&said, place)];
        entries.push(Entry::at(
            "virtual-router-id",
            i64::from(id.value),
            id.place,
        ));
        let mut version = self.version(statement, &said, is_v6);
        entries.extend(version.entry.take());
        self.address_entries(statement, &mut said, is_v6, id.value, &mut entries);
        let priority = self.priority(&said, place);
        let base = priority.0;
        entries.push(priority.1);
        entries.extend(interval(&said, version.number));
        self.timer_entries(&said, base, &mut entries);
        self.way_entries(statement, &mut said, version.number, &mut entries);
        let password = self.password(statement, said.password.take(), &version, is_v6);
        let own = said
            .interface
            .as_ref()
            .map_or(INTERFACE_DEFAULT, |told| &told.value);
        let tracks = self.with_own_interface(said.tracks, own);
        let peers: Option<PeersDraft> = said.peers.map(|peers| peers.draft);
        Some(InstanceDraft {
            name,
            place,
            virtual_router_id: id.value,
            is_v6,
            priority: base,
            addresses: said.addresses.iter().map(|address| address.ip).collect(),
            entries,
            peers,
            password,
            is_v2_by_default: version.is_default && !is_v6,
            tracks,
            notify: said.notify,
        })
    }

    fn interface_entry(&self, said: &Said, place: Place) -> Entry {
        match &said.interface {
            Some(told) => Entry::at("interface", told.value.clone(), told.place),
            None => Entry::at("interface", INTERFACE_DEFAULT, place)
                .remark("none is given; write the interface that its advertisements go through"),
        }
    }

    fn address_entries(
        &mut self,
        statement: &Statement,
        said: &mut Said,
        is_v6: bool,
        id: u8,
        entries: &mut Vec<Entry>,
    ) {
        let place = said.addresses_place.unwrap_or(statement.place);
        let (ours, others): (Vec<_>, Vec<_>) = std::mem::take(&mut said.addresses)
            .into_iter()
            .partition(|address| address.ip.is_ipv6() == is_v6);
        for address in others {
            let note = Note::new(
                Kind::Lost,
                place,
                address.ip.to_string(),
                "an instance has addresses of one family: write it into `excluded-addresses`, or into another instance",
            );
            self.notes.push(note);
        }
        said.addresses = ours;
        if !said.addresses.is_empty() {
            let remark = is_v6
                .then(|| link_local_first(&mut said.addresses, id))
                .flatten();
            let entry = Entry::at("virtual-addresses", values(&said.addresses), place);
            entries.push(match remark {
                Some(remark) => entry.remark(remark),
                None => entry,
            });
        }
        if let Some(excluded) = &mut said.excluded {
            let advertised: Vec<IpAddr> = said.addresses.iter().map(|address| address.ip).collect();
            excluded
                .value
                .retain(|address| !advertised.contains(&address.ip));
            if !excluded.value.is_empty() {
                let value = values(&excluded.value);
                entries.push(Entry::at("excluded-addresses", value, excluded.place));
            }
        }
        for (key, told) in [("routes", &said.routes), ("rules", &said.rules)] {
            if let Some(told) = told.as_ref().filter(|told| !told.value.is_empty()) {
                entries.push(Entry::at(key, told.value.clone(), told.place));
            }
        }
    }

    fn priority(&self, said: &Said, place: Place) -> (u8, Entry) {
        match (&said.priority, said.is_master) {
            (Some(told), _) if told.value > 0 => {
                let entry = Entry::at("priority", i64::from(told.value), told.place);
                (told.value, entry)
            }
            (_, true) => {
                let entry = Entry::at("priority", i64::from(OWNER), place).remark(
                    "keepalived takes 255 for `state MASTER` without a priority; better write 254 where the addresses are shared",
                );
                (OWNER, entry)
            }
            (_, false) => {
                let entry = Entry::at("priority", i64::from(PRIORITY_DEFAULT), place);
                (PRIORITY_DEFAULT, entry)
            }
        }
    }

    fn timer_entries(&mut self, said: &Said, priority: u8, entries: &mut Vec<Entry>) {
        let preempts_anyway = said.is_master || priority == OWNER;
        if let Some(place) = said.no_preempt {
            if preempts_anyway {
                self.ignored(place, "nopreempt");
            } else {
                entries.push(Entry::at("preempt", false, place));
            }
        }
        if let Some(delay) = said
            .preempt_delay
            .as_ref()
            .filter(|delay| !delay.value.is_zero())
        {
            if preempts_anyway || said.no_preempt.is_some() {
                self.ignored(delay.place, "preempt_delay");
            } else {
                let value = duration(delay.value.min(WAIT_MAX));
                entries.push(Entry::at("preempt-delay", value, delay.place));
            }
        }
        if let Some(delay) = &self.globals.start_delay {
            entries.push(Entry::at("start-delay", duration(delay.value), delay.place));
        }
        let count = said
            .down_after
            .as_ref()
            .or(self.globals.down_after.as_ref());
        if let Some(count) = count.filter(|count| count.value > 0) {
            entries.push(Entry::at("down-after", i64::from(count.value), count.place));
        }
    }

    fn ignored(&mut self, place: Place, what: &str) {
        self.notes.push(Note::new(
            Kind::Needless,
            place,
            what,
            "keepalived ignores it with `state MASTER`, with priority 255, and beside `nopreempt`",
        ));
    }

    /// How it speaks and what it answers to.
    fn way_entries(
        &mut self,
        statement: &Statement,
        said: &mut Said,
        version: u8,
        entries: &mut Vec<Entry>,
    ) {
        if let Some(place) = said.no_accept {
            entries.push(Entry::at("accept-mode", false, place));
        }
        if let Some(mac) = said.virtual_mac.take() {
            if said.peers.is_some() {
                self.lose(statement, "use_vmac: a virtual MAC needs multicast");
            } else {
                entries.push(Entry::at("virtual-mac", mac.value, mac.place));
            }
        }
        entries.extend(said.peers.as_mut().and_then(|peers| peers.min_ttl.take()));
        if let Some(place) = said.checksum.or(self.globals.checksum)
            && version == 3
        {
            entries.push(Entry::at("checksum", "rfc9568", place));
        }
        if !said.announce.table.is_empty() {
            let announce = std::mem::take(&mut said.announce);
            let value = Value::Table(announce.table);
            entries.push(Entry::new("announce", value, announce.places));
        }
    }

    /// keepalived speaks version 2 over IPv4 unless it is told to speak 3.
    fn version(&mut self, statement: &Statement, said: &Said, is_v6: bool) -> SpokenVersion {
        let told = said.version.as_ref().or(self.globals.version.as_ref());
        let Some(told) = told else {
            // Only version 2 has passwords, and intervals longer than this.
            let needs_v2 = said.password.is_some() && !self.globals.is_strict
                || said
                    .interval
                    .as_ref()
                    .is_some_and(|told| told.value > INTERVAL_V3_MAX);
            let number = if is_v6 { 3 } else { 2 };
            let entry = Entry::at("version", 2_i64, statement.place)
                .remark("keepalived speaks version 2 when nothing else is said, and only that has a password or so long an interval");
            return SpokenVersion {
                number,
                is_default: !needs_v2,
                entry: (needs_v2 && !is_v6).then_some(entry),
            };
        };
        if told.value == 2 && is_v6 {
            let note = Note::new(
                Kind::Lost,
                told.place,
                "version 2",
                "version 2 of VRRP has no IPv6: this instance speaks version 3",
            );
            self.notes.push(note);
        }
        SpokenVersion {
            number: if is_v6 { 3 } else { told.value },
            is_default: false,
            entry: (told.value == 2 && !is_v6).then(|| Entry::at("version", 2_i64, told.place)),
        }
    }

    fn password(
        &mut self,
        statement: &Statement,
        password: Option<Told<String>>,
        version: &SpokenVersion,
        is_v6: bool,
    ) -> Option<Told<String>> {
        let password = password?;
        if version.number == 2 && !is_v6 && !self.globals.is_strict {
            return Some(password);
        }
        self.notes.push(Note::new(
            Kind::Needless,
            password.place,
            "authentication",
            format!(
                "keepalived ignores it too in {}: only version 2 over IPv4 has passwords, and not with `vrrp_strict`",
                statement.word(1)
            ),
        ));
        None
    }
}

/// The version of an instance.
struct SpokenVersion {
    number: u8,
    /// Nobody has said which.
    is_default: bool,
    entry: Option<Entry>,
}

/// Rounded as keepalived rounds: whole seconds in version 2, hundredths in version 3.
fn interval(said: &Said, version: u8) -> Option<Entry> {
    let told = said.interval.as_ref()?;
    let wanted = told.value;
    let unit: u64 = if version == 2 { 1000 } else { 10 };
    let longest = if version == 2 {
        INTERVAL_V2_MAX
    } else {
        INTERVAL_V3_MAX
    };
    let milliseconds = u64::try_from(wanted.as_millis()).unwrap_or(u64::MAX);
    let rounded = (milliseconds.saturating_add(unit / 2) / unit).max(1) * unit;
    let rounded = Duration::from_millis(rounded).min(longest);
    let entry = Entry::at("advertisement-interval", duration(rounded), told.place);
    Some(if rounded == wanted {
        entry
    } else {
        entry.remark("rounded, as keepalived does")
    })
}

/// RFC 9568 wants a link-local address in front. What was done about it.
fn link_local_first(addresses: &mut Vec<Address>, id: u8) -> Option<String> {
    let is_link_local =
        |address: &Address| matches!(address.ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    match addresses.iter().position(is_link_local) {
        Some(0) => None,
        Some(index) => {
            let first = addresses.remove(index);
            addresses.insert(0, first);
            Some("the link-local address has to be the first one".to_owned())
        }
        None => {
            let ip = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(id)));
            let value = Value::from(ip.to_string());
            addresses.insert(0, Address { ip, value });
            Some(format!(
                "keepalived's list has no link-local address, which RFC 9568 wants in front: {ip} must be free on the link"
            ))
        }
    }
}

fn values(addresses: &[Address]) -> Value {
    Value::Array(
        addresses
            .iter()
            .map(|address| address.value.clone())
            .collect(),
    )
}
