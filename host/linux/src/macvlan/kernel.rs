//! rtnetlink: what the macvlans ask of the kernel.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "netlink's attributes are an open set; all but a few mean nothing here"
)]

use std::io;

use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use netlink_packet_core::NetlinkMessage;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoMacVlan, LinkAttribute,
    LinkFlags, LinkInfo, LinkMessage, MacVlanMode,
};
use rtnetlink::{LinkMacVlan, LinkMessageBuilder, LinkUnspec, MulticastGroup};
use rustix::io::Errno;
use tokio::task::JoinHandle;

use super::GROUP;

/// The link group of the macvlans that are deleted together: "vrrp". Whoever finds one may delete it.
const DOOMED: u32 = u32::from_be_bytes(*b"vrrp");

/// A connection to the kernel's interfaces.
pub(super) struct Kernel {
    handle: rtnetlink::Handle,
    /// Moves messages between the socket and `handle`.
    connection: JoinHandle<()>,
}

/// An interface of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) name: String,
    /// Administratively up.
    pub(super) up: bool,
    pub(super) mac: Option<[u8; 6]>,
    pub(super) mtu: u32,
    group: u32,
    /// The index of the interface that it is on.
    pub(super) parent: Option<u32>,
    pub(super) alias: Option<String>,
    /// It is a macvlan in this mode.
    macvlan: Option<MacVlanMode>,
}

impl Link {
    /// It was made here: a macvlan in bridge mode with our group and a virtual MAC.
    pub(super) fn is_ours(&self) -> bool {
        self.macvlan == Some(MacVlanMode::Bridge)
            && matches!(self.group, GROUP | DOOMED)
            && matches!(self.mac, Some([0x00, 0x00, 0x5E, 0x00, 1 | 2, _]))
    }
}

impl Kernel {
    /// The tokio runtime that is entered drives the connection.
    pub(super) fn connect() -> io::Result<Self> {
        // Notifications have a socket of their own: a flood of them must not cost the answer to a request.
        let (connection, handle, _) = rtnetlink::new_connection()?;
        let connection = tokio::spawn(connection);
        Ok(Self { handle, connection })
    }

    /// Every interface.
    pub(super) async fn links(&self) -> io::Result<Vec<Link>> {
        let messages = self.handle.link().get().execute();
        let links = messages.map_ok(parse).try_collect::<Vec<_>>().await;
        Ok(links.map_err(io_error)?.into_iter().flatten().collect())
    }

    /// The interface of that name.
    pub(super) async fn link(&self, name: &str) -> io::Result<Link> {
        let name = name.to_owned();
        let messages = self.handle.link().get().match_name(name).execute();
        let mut links = messages.map_ok(parse).try_collect::<Vec<_>>().await;
        let link = links.as_mut().ok().and_then(Vec::pop).flatten();
        link.ok_or_else(|| Errno::NODEV.into())
    }

    /// Makes a macvlan in bridge mode on the interface `parent`, down and without an address. From the first moment it can be told that it is ours.
    pub(super) async fn create(&self, name: &str, parent: u32, mac: [u8; 6]) -> io::Result<()> {
        let message = LinkMacVlan::new(name, parent, MacVlanMode::Bridge)
            .address(mac.to_vec())
            .link_group(GROUP)
            .build();
        self.handle
            .link()
            .add(message)
            .execute()
            .await
            .map_err(io_error)
    }

    /// Gives a macvlan its alias, and keeps the kernel from making a link-local address of its MAC (RFC 9568 §7.4).
    pub(super) async fn describe(&self, index: u32, alias: &str) -> io::Result<()> {
        let inet6 = vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)];
        let message = LinkUnspec::new_with_index(index)
            .alias(alias)
            .append_extra_attribute(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(
                inet6,
            )]));
        self.change(message).await
    }

    pub(super) async fn set_up(&self, index: u32, up: bool) -> io::Result<()> {
        let message = LinkUnspec::new_with_index(index);
        self.change(if up { message.up() } else { message.down() })
            .await
    }

    pub(super) async fn set_mtu(&self, index: u32, mtu: u32) -> io::Result<()> {
        self.change(LinkUnspec::new_with_index(index).mtu(mtu))
            .await
    }

    /// Deletes interfaces; one that is gone already is no error.
    ///
    /// The kernel waits for every processor after it has taken an interface down, for some 10 milliseconds. For a whole group it waits once.
    pub(super) async fn delete(&self, indices: &[u32]) -> io::Result<()> {
        let forgive = |result: io::Result<()>| match result {
            Err(error) if is(&error, Errno::NODEV) => Ok(()),
            result => result,
        };
        if let [index] = indices {
            let deleted = self.handle.link().del(*index).execute().await;
            return forgive(deleted.map_err(io_error));
        }
        for index in indices {
            let message = LinkUnspec::new_with_index(*index).link_group(DOOMED);
            forgive(self.change(message).await)?;
        }
        if indices.is_empty() {
            return Ok(());
        }
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::Group(DOOMED));
        let deleted = self.handle.link().del_with_message(message).execute().await;
        forgive(deleted.map_err(io_error))
    }

    async fn change(&self, message: LinkMessageBuilder<LinkUnspec>) -> io::Result<()> {
        let changed = self.handle.link().change(message.build()).execute().await;
        changed.map_err(io_error)
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Tells when interfaces change.
pub(super) struct Notifications {
    messages: BoxStream<'static, NetlinkMessage<RouteNetlinkMessage>>,
    connection: JoinHandle<()>,
}

impl Notifications {
    /// The tokio runtime that is entered drives the connection.
    pub(super) fn subscribe() -> io::Result<Self> {
        let groups = [MulticastGroup::Link];
        let (connection, _, messages) = rtnetlink::new_multicast_connection(&groups)?;
        Ok(Self {
            messages: messages.map(|(message, _)| message).boxed(),
            connection: tokio::spawn(connection),
        })
    }

    /// Waits for a change, and takes in those that have arrived with it; an overrun is one, too.
    pub(super) async fn changed(&mut self) -> io::Result<()> {
        let mut message = self.messages.next().await;
        loop {
            if message.is_none() {
                return Err(io::Error::other("the netlink connection has ended"));
            }
            match self.messages.next().now_or_never() {
                Some(next) => message = next,
                None => return Ok(()),
            }
        }
    }
}

impl Drop for Notifications {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Whether the kernel answered with this error.
pub(super) fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

fn io_error(error: rtnetlink::Error) -> io::Error {
    match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io(),
        other => io::Error::other(other),
    }
}

fn parse(message: LinkMessage) -> Option<Link> {
    let mut name = None;
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        up: message.header.flags.contains(LinkFlags::Up),
        mac: None,
        mtu: 0,
        group: 0,
        parent: None,
        alias: None,
        macvlan: None,
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(value) => name = Some(value),
            LinkAttribute::Address(value) => link.mac = value.try_into().ok(),
            LinkAttribute::Mtu(value) => link.mtu = value,
            LinkAttribute::Group(value) => link.group = value,
            LinkAttribute::Link(value) => link.parent = Some(value),
            LinkAttribute::IfAlias(value) => link.alias = Some(value),
            LinkAttribute::LinkInfo(infos) => link.macvlan = macvlan_mode(infos),
            _ => {}
        }
    }
    Some(Link {
        name: name?,
        ..link
    })
}

fn macvlan_mode(infos: Vec<LinkInfo>) -> Option<MacVlanMode> {
    let is_macvlan = infos.contains(&LinkInfo::Kind(InfoKind::MacVlan));
    let mode = infos.into_iter().find_map(|info| match info {
        LinkInfo::Data(InfoData::MacVlan(data)) => data.into_iter().find_map(|data| match data {
            InfoMacVlan::Mode(mode) => Some(mode),
            _ => None,
        }),
        _ => None,
    });
    mode.filter(|_| is_macvlan)
}
