//! `virtual-addresses`: each address for itself, and what the protocol demands of the list.

use std::net::IpAddr;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use vrrp::{Family, VirtualAddress, VirtualRouterId};

use crate::config::nodes::bare;
use crate::config::reader::Field;
use crate::config::report::Diagnostic;

/// `Count IPvX Addr` of an advertisement is one byte (RFC 9568 §5.2.5).
const ADDRESSES_MAX: usize = 255;
const EXAMPLES: &str = "write `\"192.0.2.1\"` or `\"fe80::1\"`, or with a prefix length `\"192.0.2.1/24\"` or `\"fe80::1/64\"`";

/// What the list depends on of the instance it belongs to.
pub(super) struct Owner<'a> {
    pub(super) name: &'a str,
    pub(super) virtual_router_id: Option<VirtualRouterId>,
    /// Where the file asks for version 2.
    pub(super) version_2: Option<Range<usize>>,
}

/// Reads the list. Without the prefix length an address stands for itself: 32 or 128.
pub(super) fn read(field: &Field<'_>, owner: &Owner<'_>) -> Option<Vec<Spanned<VirtualAddress>>> {
    let elements = field.elements("[\"192.0.2.1\"]")?;
    if elements.len() > ADDRESSES_MAX {
        field.error(
            format!("an advertisement cannot carry {} addresses", elements.len()),
            format!("write at most {ADDRESSES_MAX}, and the others in another instance"),
        );
    }
    let addresses: Vec<_> = elements
        .iter()
        .map(|element| Some(Spanned::new(element.span(), read_address(element)?)))
        .collect();
    // What the first one would have been decides; when it could not be read, nobody knows.
    let is_first_known = addresses.first().is_some_and(Option::is_some);
    let addresses: Vec<_> = addresses.into_iter().flatten().collect();
    let is_of_one_family = check_families(field, &addresses, owner);
    if is_of_one_family && check_version(field, &addresses, owner) && is_first_known {
        check_link_local(field, &addresses, owner);
    }
    Some(addresses)
}

/// `ADDRESS` or `ADDRESS/PREFIX-LENGTH`.
fn read_address(field: &Field<'_>) -> Option<VirtualAddress> {
    let text = field.string("192.0.2.1")?;
    let (address, prefix_length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u8>().ok())),
        None => (text, None),
    };
    if let Some((address, zone)) = address.split_once('%') {
        field.error(
            format!("\"{text}\" names an interface"),
            format!(
                "write `\"{address}\"`, and `interface = \"{}\"` for the instance",
                zone.escape_debug()
            ),
        );
        return None;
    }
    let Ok(address) = address.parse::<IpAddr>() else {
        field.error(format!("\"{text}\" is not an IP address"), EXAMPLES);
        return None;
    };
    let (name, lengths, usual) = prefix_lengths(address);
    let longest = *lengths.end();
    let Some(prefix_length) = prefix_length
        .unwrap_or(Some(longest))
        .filter(|length| lengths.contains(length))
    else {
        field.error(
            format!("\"{text}\" has a prefix length that {name} does not have"),
            format!("write a length from 1 to {longest}, for example `\"{address}/{usual}\"`, or leave it out for {longest}"),
        );
        return None;
    };
    if let Some(help) = unusable(address) {
        field.error(format!("no host can share the address {address}"), help);
        return None;
    }
    Some(VirtualAddress {
        address,
        prefix_length,
    })
}

/// The family's name, its prefix lengths, and the one that most networks have.
fn prefix_lengths(address: IpAddr) -> (&'static str, RangeInclusive<u8>, u8) {
    match address {
        IpAddr::V4(_) => ("IPv4", 1..=32, 24),
        IpAddr::V6(_) => ("IPv6", 1..=128, 64),
    }
}

/// What to write instead of an address that no host can have, or every host has.
fn unusable(address: IpAddr) -> Option<String> {
    let (is_usable, example) = match address {
        IpAddr::V4(address) => (
            !(address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast()
                || address.is_loopback()),
            "192.0.2.1",
        ),
        IpAddr::V6(address) => {
            if let Some(mapped) = address.to_ipv4_mapped() {
                return Some(format!(
                    "write it as the IPv4 address that it is: `\"{mapped}\"`"
                ));
            }
            (
                !(address.is_unspecified() || address.is_multicast() || address.is_loopback()),
                "2001:db8::1",
            )
        }
    };
    (!is_usable)
        .then(|| format!("write the address that clients connect to, for example `\"{example}\"`"))
}

/// RFC 9568 §5.2.9: an advertisement has addresses of one family, that of its IP header.
fn check_families(
    field: &Field<'_>,
    addresses: &[Spanned<VirtualAddress>],
    owner: &Owner<'_>,
) -> bool {
    let family = |address: &Spanned<VirtualAddress>| Family::of(&address.get_ref().address);
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
    addresses: &[Spanned<VirtualAddress>],
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
fn check_link_local(field: &Field<'_>, addresses: &[Spanned<VirtualAddress>], owner: &Owner<'_>) {
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
    addresses: impl Iterator<Item = &'a VirtualAddress>,
    owner: &Owner<'_>,
) -> String {
    let (link_local, others): (Vec<_>, Vec<_>) = addresses.partition(
        |address| matches!(address.address, IpAddr::V6(v6) if v6.is_unicast_link_local()),
    );
    let missing = link_local.is_empty().then(|| {
        let id = owner.virtual_router_id.map_or(1, |id| id.0.get());
        format!("\"fe80::{id}\"")
    });
    let given = link_local.into_iter().chain(others).map(as_written);
    let list: Vec<String> = missing.into_iter().chain(given).collect();
    format!("[{}]", list.join(", "))
}

fn as_written(address: &VirtualAddress) -> String {
    let VirtualAddress {
        address,
        prefix_length,
    } = address;
    let (_, lengths, _) = prefix_lengths(*address);
    if prefix_length == lengths.end() {
        format!("\"{address}\"")
    } else {
        format!("\"{address}/{prefix_length}\"")
    }
}
