//! rtnetlink: what this module's parent asks of the kernel and hears from it.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "netlink's messages and attributes are an open set; all but a few mean nothing here"
)]

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;

use futures_util::{FutureExt, Stream, StreamExt};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol,
};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::MulticastGroup;
use rtnetlink::sys::AsyncSocket;
use rustix::io::Errno;
use tokio::task::JoinHandle;

use super::PROTOCOL;

/// A connection to the kernel's interfaces and addresses.
pub(super) struct Kernel {
    handle: rtnetlink::Handle,
    notifications: Notifications,
    /// Read from the socket, not yet asked for.
    changes: VecDeque<Change>,
    /// Moves messages between the socket and the channels of `handle` and `notifications`.
    connection: JoinHandle<()>,
}

type Notifications = futures_util::stream::BoxStream<'static, NetlinkMessage<RouteNetlinkMessage>>;

/// An interface of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) up: bool,
    pub(super) mac: Option<[u8; 6]>,
}

/// An address on an interface of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LinkAddress {
    pub(super) index: u32,
    pub(super) address: IpAddr,
    pub(super) prefix_length: u8,
    /// Bears [`PROTOCOL`].
    pub(super) marked: bool,
    /// Another IPv4 address of its network was there before.
    pub(super) secondary: bool,
    /// IPv6: not known to be unique, or known not to be.
    pub(super) tentative: bool,
}

/// All interfaces and addresses, each in the kernel's order.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    pub(super) links: Vec<Link>,
    pub(super) addresses: Vec<LinkAddress>,
}

impl Snapshot {
    /// The marked addresses of the interfaces with these names.
    pub(super) fn marked_on(
        &self,
        interfaces: &[String],
    ) -> impl Iterator<Item = (&Link, &LinkAddress)> {
        self.addresses.iter().filter_map(move |address| {
            let link = self.links.iter().find(|link| link.index == address.index)?;
            (address.marked && interfaces.contains(&link.name)).then_some((link, address))
        })
    }
}

/// One step of the kernel's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Link(Link),
    LinkGone {
        index: u32,
    },
    Address(LinkAddress),
    AddressGone {
        index: u32,
        address: IpAddr,
        prefix_length: u8,
    },
}

/// Why the connection has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interrupted {
    /// The socket's buffer was full: notifications, and answers too, may be lost.
    Overrun,
    /// The socket failed.
    Closed,
}

impl From<Interrupted> for io::Error {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Overrun => Errno::NOBUFS.into(),
            Interrupted::Closed => Self::other("the netlink connection has ended"),
        }
    }
}

/// Room for the notifications of some thousand changes, which a host that starts many containers makes in a burst.
const RECEIVE_BUFFER: i32 = 1024 * 1024;

impl Kernel {
    /// For requests only. The tokio runtime that is entered drives the connection.
    pub(super) fn connect() -> io::Result<Self> {
        Self::open(&[])
    }

    /// Also hears of every change to interfaces and addresses.
    pub(super) fn subscribe() -> io::Result<Self> {
        Self::open(&[
            MulticastGroup::Link,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv6Ifaddr,
        ])
    }

    fn open(groups: &[MulticastGroup]) -> io::Result<Self> {
        // Requests and notifications share one socket: when a request is answered, what happened before it has been heard.
        let (mut connection, handle, notifications) = rtnetlink::new_multicast_connection(groups)?;
        let socket = connection.socket_mut().socket_mut();
        if let Err(error) = socket.set_rx_buf_sz(RECEIVE_BUFFER) {
            tracing::debug!(%error, "cannot enlarge the netlink receive buffer");
        }
        Ok(Self {
            connection: tokio::spawn(connection),
            handle,
            notifications: notifications.map(|(message, _)| message).boxed(),
            changes: VecDeque::new(),
        })
    }

    /// The next change, in order.
    pub(super) async fn next_change(&mut self) -> Result<Change, Interrupted> {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return Ok(change);
            }
            let message = self.notifications.next().await;
            self.changes.extend(change_of(message)?);
        }
    }

    /// The next change that has already arrived. An interruption shows at the next [`next_change`](Self::next_change).
    pub(super) fn try_next_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// All interfaces and addresses. Changes from then on follow as usual, those from before are forgotten.
    pub(super) async fn dump(&mut self) -> Result<Snapshot, Interrupted> {
        // What was queued before an overrun must not be taken for news: its sequel is lost.
        while let Some(message) = self.notifications.next().now_or_never() {
            message.ok_or(Interrupted::Closed)?;
        }
        self.changes.clear();
        let mut snapshot = Snapshot::default();
        let requests = [
            RouteNetlinkMessage::GetLink(LinkMessage::default()),
            RouteNetlinkMessage::GetAddress(AddressMessage::default()),
        ];
        for request in requests {
            let (answers, result) = self.exchange(request, NLM_F_DUMP).await?;
            // The kernel refuses a dump only when it has no memory for it; its loss is that of an overrun.
            result.map_err(|_errno| Interrupted::Overrun)?;
            for change in answers {
                match change {
                    Change::Link(link) => snapshot.links.push(link),
                    Change::Address(address) => snapshot.addresses.push(address),
                    Change::LinkGone { .. } | Change::AddressGone { .. } => {}
                }
            }
        }
        Ok(snapshot)
    }

    /// Adds an address with our mark; IPv6 without duplicate address detection, since VRRP decides who has it.
    pub(super) async fn add(
        &mut self,
        index: u32,
        address: IpAddr,
        prefix_length: u8,
    ) -> Result<Result<(), Errno>, Interrupted> {
        let mut message = address_message(index, address, prefix_length);
        message
            .attributes
            .push(AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)));
        if address.is_ipv6() {
            message
                .attributes
                .push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        let request = RouteNetlinkMessage::NewAddress(message);
        self.act(request, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
            .await
    }

    /// Removes an address.
    pub(super) async fn remove(
        &mut self,
        index: u32,
        address: IpAddr,
        prefix_length: u8,
    ) -> Result<Result<(), Errno>, Interrupted> {
        let message = address_message(index, address, prefix_length);
        self.act(RouteNetlinkMessage::DelAddress(message), NLM_F_ACK)
            .await
    }

    async fn act(
        &mut self,
        request: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Result<(), Errno>, Interrupted> {
        let heard_before = self.changes.len();
        let (effects, result) = self.exchange(request, flags).await?;
        // The kernel addresses the notification of an effect to the request that caused it. What others did in that moment is sorted after it,
        // so that an effect which is gone again is never taken to be there; the other mistake shows when the address is added once more.
        let others = self.changes.split_off(heard_before);
        self.changes.extend(effects);
        self.changes.extend(others);
        Ok(result)
    }

    /// Sends a request; its answers, and then its result. Notifications that arrive meanwhile go to `changes`.
    async fn exchange(
        &mut self,
        request: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<(Vec<Change>, Result<(), Errno>), Interrupted> {
        let mut message = NetlinkMessage::from(request);
        message.header.flags = NLM_F_REQUEST | flags;
        let mut responses = self
            .handle
            .request(message)
            .map_err(|_gone| Interrupted::Closed)?;
        let outcome = collect(&mut responses, &mut self.notifications, &mut self.changes).await;
        // Both channels are filled before either reader runs, so what happened before the answer is here by now.
        while let Some(message) = self.notifications.next().now_or_never() {
            self.changes.extend(change_of(message)?);
        }
        outcome
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

async fn collect(
    responses: &mut (impl Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + Unpin),
    notifications: &mut Notifications,
    changes: &mut VecDeque<Change>,
) -> Result<(Vec<Change>, Result<(), Errno>), Interrupted> {
    let mut answers = Vec::new();
    let mut result = Ok(());
    loop {
        tokio::select! {
            biased;
            response = responses.next() => match response {
                Some(message) => match message.payload {
                    NetlinkPayload::Error(error) => {
                        result = Err(Errno::from_raw_os_error(error.raw_code().saturating_abs()));
                    }
                    NetlinkPayload::InnerMessage(message) => answers.extend(parse(message)),
                    _ => {}
                },
                None => return Ok((answers, result)),
            },
            // An overrun may have taken the answer with it, and the wait for it would have no end.
            message = notifications.next() => changes.extend(change_of(message)?),
        }
    }
}

fn address_message(index: u32, address: IpAddr, prefix_length: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.index = index;
    message.header.prefix_len = prefix_length;
    message.attributes = vec![
        AddressAttribute::Local(address),
        AddressAttribute::Address(address),
    ];
    message
}

fn change_of(
    message: Option<NetlinkMessage<RouteNetlinkMessage>>,
) -> Result<Option<Change>, Interrupted> {
    match message.ok_or(Interrupted::Closed)?.payload {
        NetlinkPayload::InnerMessage(message) => Ok(parse(message)),
        NetlinkPayload::Overrun(_) => Err(Interrupted::Overrun),
        _ => Ok(None),
    }
}

fn parse(message: RouteNetlinkMessage) -> Option<Change> {
    match message {
        RouteNetlinkMessage::NewLink(link) if is_of_interface(&link) => {
            Some(Change::Link(parse_link(link)?))
        }
        RouteNetlinkMessage::DelLink(link) if is_of_interface(&link) => Some(Change::LinkGone {
            index: link.header.index,
        }),
        RouteNetlinkMessage::NewAddress(address) => Some(Change::Address(parse_address(&address)?)),
        RouteNetlinkMessage::DelAddress(address) => {
            let address = parse_address(&address)?;
            Some(Change::AddressGone {
                index: address.index,
                address: address.address,
                prefix_length: address.prefix_length,
            })
        }
        _ => None,
    }
}

/// The same messages with the family of bridges are about ports: "deleted" then means that an interface left its bridge.
fn is_of_interface(link: &LinkMessage) -> bool {
    link.header.interface_family == AddressFamily::Unspec
}

fn parse_link(message: LinkMessage) -> Option<Link> {
    let passes_packets = LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Running;
    let mut name = None;
    let mut mac = None;
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(value) => name = Some(value),
            LinkAttribute::Address(value) => mac = value.try_into().ok(),
            _ => {}
        }
    }
    Some(Link {
        index: message.header.index,
        name: name?,
        up: message.header.flags.contains(passes_packets),
        mac,
    })
}

fn parse_address(message: &AddressMessage) -> Option<LinkAddress> {
    // On a point-to-point interface IFA_ADDRESS is the peer's.
    let mut local = None;
    let mut address = None;
    let mut marked = false;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(value) => local = Some(*value),
            AddressAttribute::Address(value) => address = Some(*value),
            AddressAttribute::Protocol(protocol) => {
                marked = u8::from(*protocol) == PROTOCOL;
            }
            _ => {}
        }
    }
    let flags = message.header.flags;
    let unproven = AddressHeaderFlags::Tentative | AddressHeaderFlags::Dadfailed;
    Some(LinkAddress {
        index: message.header.index,
        address: local.or(address)?,
        prefix_length: message.header.prefix_len,
        marked,
        // IPv6 uses this bit for temporary addresses, which are not secondary to anything.
        secondary: flags.contains(AddressHeaderFlags::Secondary)
            && message.header.family == AddressFamily::Inet,
        tentative: flags.intersects(unproven),
    })
}
