//! `virtual-addresses`, with what the protocol demands of the list, and `excluded-addresses`, of which it does not know.

use std::net::IpAddr;
use std::ops::Range;

use toml::Spanned;
use vrrp::{Family, VirtualRouterId};

use super::address::{self, AddressDraft};
use super::check_count;
use crate::config::nodes::{Nodes, bare};
use crate::config::reader::Field;
use crate::config::report::Diagnostic;

/// `Count IPvX Addr` of an advertisement is one byte (RFC 9568 §5.2.5).
const ADDRESSES_MAX: usize = 255;
/// An instance is one message to the router, and that has room for so many (see `ipc::router`).
const EXCLUDED_MAX: usize = 500;

/// What the list depends on of the instance it belongs to.
pub(super) struct Owner<'a> {
    pub(super) name: &'a str,
    pub(super) virtual_router_id: Option<VirtualRouterId>,
    /// Where the file asks for version 2.
    pub(super) version_2: Option<Range<usize>>,
}

/// Reads `virtual-addresses`.
pub(super) fn read_advertised(
    field: &Field<'_>,
    owner: &Owner<'_>,
    nodes: &Nodes,
) -> Option<Vec<Spanned<AddressDraft>>> {
    check_count(field, ADDRESSES_MAX, "an advertisement cannot carry");
    let addresses = read_each(field, nodes)?;
    // What the first one would have been decides; when it could not be read, nobody knows.
    let is_first_known = addresses.first().is_some_and(Option::is_some);
    let addresses: Vec<_> = addresses.into_iter().flatten().collect();
    let is_of_one_family = check_families(field, &addresses, owner);
    if is_of_one_family && check_version(field, &addresses, owner) && is_first_known {
        check_link_local(field, &addresses, owner);
    }
    Some(addresses)
}

/// Reads `excluded-addresses`: of either family, in any order.
pub(super) fn read_excluded(
    field: &Field<'_>,
    nodes: &Nodes,
) -> Option<Vec<Spanned<AddressDraft>>> {
    check_count(field, EXCLUDED_MAX, "an instance cannot have");
    Some(read_each(field, nodes)?.into_iter().flatten().collect())
}

/// `None` for each that could not be read.
fn read_each(field: &Field<'_>, nodes: &Nodes) -> Option<Vec<Option<Spanned<AddressDraft>>>> {
    let elements = field.elements("[\"192.0.2.1\"]")?;
    let read = |element: &Field<'_>| {
        let draft = address::read(element, nodes)?;
        Some(Spanned::new(element.span(), draft))
    };
    Some(elements.iter().map(read).collect())
}

/// RFC 9568 §5.2.9: an advertisement has addresses of one family, that of its IP header.
fn check_families(
    field: &Field<'_>,
    addresses: &[Spanned<AddressDraft>],
    owner: &Owner<'_>,
) -> bool {
    let family = |address: &Spanned<AddressDraft>| Family::of(&address.get_ref().address);
    let Some(first) = addresses.first() else {
        return true;
    };
    let Some(other) = addresses
        .iter()
        .find(|address| family(address) != family(first))
    else {
        return true;
    };
    let label = match family(first) {
        Family::V4 => "this one is IPv4",
        Family::V6 => "this one is IPv6",
    };
    let of_v6 = addresses
        .iter()
        .filter(|address| family(address) == Family::V6)
        .map(Spanned::get_ref);
    let new_name = format!("{}-v6", owner.name);
    let help = format!(
        "write the IPv6 addresses in an instance of their own, which may have the same `virtual-router-id`:\n\
         [instances.{}]\n\
         virtual-addresses = {}",
        bare(&new_name),
        link_local_first(of_v6, owner)
    );
    let message = "an instance cannot have both IPv4 and IPv6 addresses";
    field.push(
        Diagnostic::error(other.span(), message)
            .related(first.span(), label)
            .help(help),
    );
    false
}

/// RFC 3768 knows IPv4 only.
fn check_version(
    field: &Field<'_>,
    addresses: &[Spanned<AddressDraft>],
    owner: &Owner<'_>,
) -> bool {
    let (Some(version), Some(first)) = (&owner.version_2, addresses.first()) else {
        return true;
    };
    if first.get_ref().address.is_ipv4() {
        return true;
    }
    field.push(
        Diagnostic::error(first.span(), "version 2 of VRRP has no IPv6")
            .related(version.clone(), "version 2 is asked for here")
            .help("write `version = 3`, which every peer with IPv6 speaks, or leave it out"),
    );
    false
}

/// RFC 9568 §5.2.9: the first IPv6 address is the virtual router's link-local one; peers discard any other.
fn check_link_local(field: &Field<'_>, addresses: &[Spanned<AddressDraft>], owner: &Owner<'_>) {
    let Some(first) = addresses.first() else {
        return;
    };
    let IpAddr::V6(address) = first.get_ref().address else {
        return;
    };
    if address.is_unicast_link_local() {
        return;
    }
    let all = addresses.iter().map(Spanned::get_ref);
    let help = format!(
        "begin with a link-local address that only this instance has on the link, the same on every node:\n\
         virtual-addresses = {}",
        link_local_first(all, owner)
    );
    let message = format!("the first IPv6 address must be link-local, and {address} is not");
    field.push(Diagnostic::error(first.span(), message).help(help));
}

/// The IPv6 addresses as a list that is right; with a link-local address that goes with the virtual router when there is none.
fn link_local_first<'a>(
    addresses: impl Iterator<Item = &'a AddressDraft>,
    owner: &Owner<'_>,
) -> String {
    let (link_local, others): (Vec<_>, Vec<_>) = addresses.partition(
        |address| matches!(address.address, IpAddr::V6(v6) if v6.is_unicast_link_local()),
    );
    let missing = link_local.is_empty().then(|| {
        let id = owner.virtual_router_id.map_or(1, |id| id.0.get());
        format!("\"fe80::{id}\"")
    });
    let given = link_local
        .into_iter()
        .chain(others)
        .map(AddressDraft::as_written_v6);
    let list: Vec<String> = missing.into_iter().chain(given).collect();
    format!("[{}]", list.join(", "))
}
