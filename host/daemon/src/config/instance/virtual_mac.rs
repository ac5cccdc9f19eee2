//! `virtual-mac`: whether an instance has a MAC of its own, and on which interface.

use toml::Spanned;
use toml::de::DeValue;
use vrrp::{Family, VirtualRouterId};

use super::address::AddressDraft;
use super::peers::PeersDraft;
use super::read_interface;
use crate::config::reader::{Field, Table};

/// An advertisement of more IPv6 addresses does not fit the frame of an Ethernet, and ours are not fragmented.
const ADDRESSES_V6: usize = 90;

/// The name of its macvlan. `Some(None)` when it has none, `None` when that could not be read.
pub(super) fn read(
    table: &Table<'_>,
    id: Option<&Spanned<VirtualRouterId>>,
    addresses: &[Spanned<AddressDraft>],
    peers: Option<&PeersDraft>,
) -> Option<Option<Spanned<String>>> {
    table.read("virtual-mac", None, |field| {
        let given = match field.value() {
            DeValue::Boolean(_) if !field.boolean()? => return Some(None),
            DeValue::Boolean(_) => None,
            DeValue::String(_) => Some(read_interface(&field)?),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => {
                return field.wrong_type_help(
                    "true, false or the name of an interface",
                    "write `virtual-mac = true`, or the name that its interface is to have, for example \"vrrp.lan\"",
                );
            }
        };
        check(&field, addresses, peers)?;
        let name = match given {
            Some(name) => name,
            None => default_name(id?.get_ref(), addresses.first()?.get_ref()),
        };
        Some(Some(Spanned::new(field.span(), name)))
    })
}

/// At most 9 bytes; an interface's name has 15.
fn default_name(id: &VirtualRouterId, first: &AddressDraft) -> String {
    let family = match Family::of(&first.address) {
        Family::V4 => 4,
        Family::V6 => 6,
    };
    format!("vrrp{family}.{}", id.0)
}

fn check(
    field: &Field<'_>,
    addresses: &[Spanned<AddressDraft>],
    peers: Option<&PeersDraft>,
) -> Option<()> {
    if peers.is_some_and(PeersDraft::is_unicast) {
        field.error(
            "a virtual MAC needs multicast",
            "leave out `virtual-mac`, or `unicast`: switches learn from multicast advertisements where the virtual MAC is",
        );
        return None;
    }
    let is_v6 = |address: &Spanned<AddressDraft>| address.get_ref().address.is_ipv6();
    if addresses.len() > ADDRESSES_V6 && addresses.iter().any(is_v6) {
        field.error(
            format!("with a virtual MAC there can be at most {ADDRESSES_V6} IPv6 addresses"),
            "write fewer in `virtual-addresses`, or leave out `virtual-mac`: an advertisement has to fit one frame",
        );
        return None;
    }
    Some(())
}
