//! Interfaces by name: whether one [`exists`], what it is like ([`find`]), all of them ([`survey`]), and events when one changes
//! ([`LinkWatcher`]).
//! [`crate::netlink`] keeps watching, and what it knows is what the router needs.

use std::io;
use std::net::IpAddr;

use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};

pub use crate::netlink::watcher::{LinkEvent, LinkWatcher};

/// An interface as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// Its name.
    pub name: String,
    /// Somebody set it up (`IFF_UP`).
    pub up: bool,
    /// The layer below it works (`IFF_LOWER_UP`); never while it is not up.
    pub carrier: bool,
    /// The largest packet that it takes, in bytes.
    pub mtu: u32,
    /// Its addresses with their prefix lengths, in the kernel's order. An IPv6 address whose uniqueness is not established is left out.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// Whether this network namespace has an interface of that name.
pub fn exists(interface: &str) -> bool {
    socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .and_then(|socket| netdevice::name_to_index(socket, interface))
    .is_ok()
}

/// The names of all interfaces of this network namespace, in the kernel's order.
///
/// # Errors
///
/// When the kernel cannot be asked.
pub fn names() -> io::Result<Vec<String>> {
    let interfaces = nix::net::if_::if_nameindex()?;
    let names = interfaces.iter().map(|it| it.name().to_string_lossy());
    Ok(names.map(String::from).collect())
}

/// The interfaces of a host, and where its default routes lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// In the kernel's order, each without the addresses that vrrp-host has added.
    pub links: Vec<LinkInfo>,
    /// Those of the main table, IPv4 first, of each family the preferred one first.
    pub default_routes: Vec<DefaultRoute>,
}

/// A route to everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultRoute {
    /// The name of the interface that it leads to.
    pub interface: String,
    /// The gateway; `None` where the other end of the link is everywhere.
    pub via: Option<IpAddr>,
}

/// Looks at all interfaces and default routes of this network namespace.
///
/// # Errors
///
/// When the kernel cannot be asked, or refuses.
pub async fn survey() -> io::Result<Survey> {
    crate::netlink::lookup::survey().await
}

/// The interface of this name, or `None` when there is none. It waits for the kernel without blocking the thread.
///
/// # Errors
///
/// When the kernel cannot be asked, or refuses.
pub async fn find(name: &str) -> io::Result<Option<LinkInfo>> {
    crate::netlink::lookup::find(name).await
}
