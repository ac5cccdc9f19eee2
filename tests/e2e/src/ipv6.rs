//! The IPv6 side of [`Stage`]: two hosts with link-local addresses that a test knows, and what they share.

use std::net::{IpAddr, Ipv6Addr};

use lab::Netns;

use crate::stage::{self, INTERFACE, Stage};

/// The link-local address of the host `first`.
pub const FIRST: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
/// The link-local address of the host `second`.
pub const SECOND: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2));
/// What is advertised first.
pub const SHARED_LINK_LOCAL: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x51));
/// What clients would connect to.
pub const SHARED: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100));
/// The one instance of [`cluster`].
pub const INSTANCE: &str = "VI_6";
/// The prefix length of a link-local address.
pub const PREFIX_LENGTH: u8 = 64;

/// Both hosts plugged in, with no daemon. They have their IPv4 addresses, too.
///
/// # Errors
///
/// When the laboratory cannot be built.
pub fn stage() -> lab::Result<Stage> {
    let stage = Stage::new()?;
    for (host, address) in [(&stage.first, FIRST), (&stage.second, SECOND)] {
        set_link_local(host, address)?;
    }
    Ok(stage)
}

/// Gives a host this link-local address in place of the one that the kernel made for it.
///
/// # Errors
///
/// When the host has no such interface.
pub fn set_link_local(host: &Netns, address: IpAddr) -> lab::Result<()> {
    host.ip(&["link", "set", INTERFACE, "addrgenmode", "none"])?;
    host.ip(&["-6", "address", "flush", "dev", INTERFACE, "scope", "link"])?;
    host.add_address(INTERFACE, address, PREFIX_LENGTH)
}

/// A cluster.toml with [`INSTANCE`], which advertises [`SHARED_LINK_LOCAL`] and [`SHARED`] every 100 ms. `keys` are more keys
/// of the instance; tables may follow them.
#[must_use]
pub fn cluster(keys: &str) -> String {
    cluster_at("100ms", keys)
}

/// As [`cluster`], with another advertisement interval.
#[must_use]
pub fn cluster_at(interval: &str, keys: &str) -> String {
    format!(
        "[nodes.first]\n[nodes.second]\n{}",
        instance(interval, keys)
    )
}

/// The table of [`INSTANCE`] alone.
#[must_use]
pub fn instance(interval: &str, keys: &str) -> String {
    format!(
        "[instances.{INSTANCE}]\n\
         interface = \"{INTERFACE}\"\n\
         virtual-router-id = {VIRTUAL_ROUTER_ID}\n\
         virtual-addresses = [\"{SHARED_LINK_LOCAL}\", \"{SHARED}\"]\n\
         advertisement-interval = \"{interval}\"\n\
         {keys}\n"
    )
}

/// That of [`INSTANCE`] and of [`stage::INSTANCE`].
pub const VIRTUAL_ROUTER_ID: u8 = 51;

/// A cluster.toml with [`stage::INSTANCE`] and [`INSTANCE`], which have the same virtual router id. Each gets its `keys`.
#[must_use]
pub fn dual_stack_cluster(keys_v4: &str, keys_v6: &str) -> String {
    stage::cluster(keys_v4) + &instance("100ms", keys_v6)
}
