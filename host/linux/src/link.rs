//! Interfaces by name, for callers that ask once; [`crate::netlink`] keeps watching.

use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};

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
