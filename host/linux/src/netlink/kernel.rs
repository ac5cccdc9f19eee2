//! The connection to the kernel: requests, their answers, and what others do meanwhile.

use std::collections::VecDeque;
use std::io;

use futures_util::{FutureExt, Stream, StreamExt};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_REQUEST,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use rtnetlink::MulticastGroup;
use rtnetlink::sys::AsyncSocket;
use rustix::io::Errno;
use tokio::task::JoinHandle;
use vrrp::Family;

use super::entry::{Change, Entry, KernelRoute};
use super::message::{
    add_request, changes_of, dump_requests, remove_request, route_of, routes_request,
};

/// A connection to the kernel's interfaces, addresses, routes and rules.
pub(super) struct Kernel {
    handle: rtnetlink::Handle,
    notifications: Notifications,
    /// Read from the socket, not yet asked for.
    changes: VecDeque<Change>,
    /// Moves messages between the socket and the channels of `handle` and `notifications`.
    connection: JoinHandle<()>,
}

type Notifications = futures_util::stream::BoxStream<'static, NetlinkMessage<RouteNetlinkMessage>>;

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

/// What the kernel said to a request.
struct Answer {
    changes: Vec<Change>,
    result: Result<(), Errno>,
    /// A dump during which the state changed, so that it may lack what was there all the time.
    torn: bool,
}

/// Room for the notifications of some thousand changes, which a host that starts many containers makes in a burst.
const RECEIVE_BUFFER: i32 = 1024 * 1024;
/// How often a dump is repeated while others change what it lists. When they never pause, what it lacks shows with the next change.
const DUMPS_MAX: u32 = 10;

impl Kernel {
    /// For requests only. The tokio runtime that is entered drives the connection.
    pub(super) fn connect() -> io::Result<Self> {
        Self::open(&[])
    }

    /// Also hears of every change to interfaces, addresses, routes and rules.
    pub(super) fn subscribe() -> io::Result<Self> {
        Self::open(&[
            MulticastGroup::Link,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv6Ifaddr,
            MulticastGroup::Ipv4Route,
            MulticastGroup::Ipv6Route,
            MulticastGroup::Ipv4Rule,
            MulticastGroup::Ipv6Rule,
        ])
    }

    /// Also hears of every change to interfaces and addresses.
    pub(super) fn subscribe_to_links() -> io::Result<Self> {
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
        if let Err(error) = socket.set_netlink_get_strict_chk(true) {
            tracing::debug!(%error, "the kernel lists the routes of others, too");
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
            self.changes.extend(heard(message)?);
        }
    }

    /// The next change that has already arrived. An interruption shows at the next [`next_change`](Self::next_change).
    pub(super) fn try_next_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// The whole state, each part in the kernel's order. Changes from then on follow as usual, those from before are forgotten.
    pub(super) async fn dump(&mut self) -> Result<Vec<Change>, Interrupted> {
        // What was queued before an overrun must not be taken for news: its sequel is lost.
        while let Some(message) = self.notifications.next().now_or_never() {
            message.ok_or(Interrupted::Closed)?;
        }
        self.changes.clear();
        let mut snapshot = Vec::new();
        for request in dump_requests() {
            snapshot.extend(self.list(request).await?);
        }
        Ok(snapshot)
    }

    /// Everything that one request lists, in the kernel's order.
    pub(super) async fn list(
        &mut self,
        request: RouteNetlinkMessage,
    ) -> Result<Vec<Change>, Interrupted> {
        let mut dumps = 0;
        loop {
            let answer = self.exchange(request.clone(), NLM_F_DUMP).await?;
            // The kernel refuses a dump only when it has no memory for it; its loss is that of an overrun.
            answer.result.map_err(|_errno| Interrupted::Overrun)?;
            dumps += 1;
            if !answer.torn || dumps == DUMPS_MAX {
                return Ok(answer.changes);
            }
        }
    }

    /// The routes of a family, whoever added them, in the kernel's order. Those that no vrrp-host could have added are left out.
    pub(super) async fn routes(&self, family: Family) -> Result<Vec<KernelRoute>, Interrupted> {
        let mut message = NetlinkMessage::from(routes_request(family));
        message.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let responses = self.handle.clone().request(message);
        let responses = responses.map_err(|_gone| Interrupted::Closed)?;
        let routes = responses.filter_map(|message| std::future::ready(route_of(message)));
        Ok(routes.collect().await)
    }

    /// What one request asks for; nothing when there is no such thing.
    pub(super) async fn get(
        &mut self,
        request: RouteNetlinkMessage,
    ) -> Result<Result<Vec<Change>, Errno>, Interrupted> {
        let answer = self.exchange(request, 0).await?;
        Ok(answer.result.map(|()| answer.changes))
    }

    /// Adds an entry, with our mark.
    pub(super) async fn add(&mut self, entry: &Entry) -> Result<Result<(), Errno>, Interrupted> {
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        self.act(add_request(entry), flags).await
    }

    /// Removes an entry.
    pub(super) async fn remove(&mut self, entry: &Entry) -> Result<Result<(), Errno>, Interrupted> {
        self.act(remove_request(entry), NLM_F_ACK).await
    }

    async fn act(
        &mut self,
        request: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Result<(), Errno>, Interrupted> {
        let heard_before = self.changes.len();
        let answer = self.exchange(request, flags).await?;
        // The kernel addresses the notification of an effect to the request that caused it. What others did in that moment is sorted after it,
        // so that an effect which is gone again is never taken to be there; the other mistake shows when it is added once more.
        let others = self.changes.split_off(heard_before);
        self.changes.extend(answer.changes);
        self.changes.extend(others);
        Ok(answer.result)
    }

    /// Sends a request; its answers, and then its result. Notifications that arrive meanwhile go to `changes`.
    async fn exchange(
        &mut self,
        request: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Answer, Interrupted> {
        let mut message = NetlinkMessage::from(request);
        message.header.flags = NLM_F_REQUEST | flags;
        let mut responses = self
            .handle
            .request(message)
            .map_err(|_gone| Interrupted::Closed)?;
        let outcome = collect(&mut responses, &mut self.notifications, &mut self.changes).await;
        // Both channels are filled before either reader runs, so what happened before the answer is here by now.
        while let Some(message) = self.notifications.next().now_or_never() {
            self.changes.extend(heard(message)?);
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
) -> Result<Answer, Interrupted> {
    let mut answer = Answer {
        changes: Vec::new(),
        result: Ok(()),
        torn: false,
    };
    loop {
        tokio::select! {
            biased;
            response = responses.next() => match response {
                Some(message) => {
                    answer.torn |= message.header.flags & NLM_F_DUMP_INTR != 0;
                    if let NetlinkPayload::Error(error) = &message.payload {
                        answer.result = Err(Errno::from_raw_os_error(error.raw_code().saturating_abs()));
                    }
                    answer.changes.extend(changes_of(message));
                }
                None => return Ok(answer),
            },
            // An overrun may have taken the answer with it, and the wait for it would have no end.
            message = notifications.next() => changes.extend(heard(message)?),
        }
    }
}

fn heard(message: Option<NetlinkMessage<RouteNetlinkMessage>>) -> Result<Vec<Change>, Interrupted> {
    let message = message.ok_or(Interrupted::Closed)?;
    if matches!(message.payload, NetlinkPayload::Overrun(_)) {
        return Err(Interrupted::Overrun);
    }
    Ok(changes_of(message))
}
