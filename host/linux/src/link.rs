//! Interfaces by name: whether one [`exists`], what it is like ([`find`]), and events when that changes ([`LinkWatcher`]).
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

/// The interface of this name, or `None` when there is none. It waits for the kernel without blocking the thread.
///
/// # Errors
///
/// When the kernel cannot be asked, or refuses.
pub async fn find(name: &str) -> io::Result<Option<LinkInfo>> {
    crate::netlink::lookup::find(name).await
}
