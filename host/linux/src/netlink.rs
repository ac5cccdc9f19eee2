//! Interfaces as the kernel sees them, and addresses, routes and rules kept in place.
//!
//! rtnetlink waits for the kernel's RTNL lock, which a busy host may hold for long. So it lives on a thread of its own,
//! [`NetlinkThread`], that is told what each owner desires and answers with what became of it.
//!
//! **Whose it is.** What is added here carries [`PROTOCOL`]: addresses in `IFA_PROTO` (`ip address` shows it as `proto 0x70`; Linux
//! 5.18 and later), routes in `rtm_protocol`, rules in `FRA_PROTOCOL` (`proto 112`; Linux 4.17 and later). By it a later run knows
//! them again: [`remove_left_over`]. What has no mark was configured by somebody else, and is never removed:
//!
//! * A desired address that is on the interface, with whatever prefix length, and a desired rule that is there count as present,
//!   and releasing them leaves them in place ([`NetlinkEvent::Kept`]).
//! * A route of somebody else with the same destination, table and metric as a desired one keeps the kernel from adding that:
//!   [`NetlinkEvent::Failed`] with [`io::ErrorKind::AlreadyExists`]. Routes of others are not looked at, because a router may have a
//!   million of them.
//!
//! **What the kernel drops by itself** is put back like what somebody deletes: routes over an interface that was down, or with the
//! source address that was missing.

mod entry;
mod kernel;
mod left_over;
pub(crate) mod lookup;
mod message;
mod object;
mod reconcile;
mod view;
pub(crate) mod watcher;

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use kernel::{Interrupted, Kernel};
use reconcile::Reconciler;

use crate::events::{Inbox, Outbox, channel};

pub use left_over::{LeftOverError, remove_left_over, remove_left_over_blocking};
pub use object::{
    Address, DEFAULT_TABLE, LOCAL_TABLE, MAIN_TABLE, METRIC_V6, Mark, Object, RULE_PRIORITY, Route,
    RouteKind, Rule, everything,
};

/// The mark on everything that is added here: the IP protocol number of VRRP, which nobody else uses for this.
pub const PROTOCOL: u8 = 112;

/// Somebody who desires objects: an instance. What several owners desire stays until the last one no longer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(pub u32);

/// All that an owner desires from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Who.
    pub owner: Owner,
    /// What; nothing to release everything.
    pub objects: Vec<Object>,
}

/// What a [`NetlinkThread`] saw or did.
#[derive(Debug)]
pub enum NetlinkEvent {
    /// An interface's state: once at the start for each watched name, also when there is no such interface, then whenever it changes.
    Link(LinkState),
    /// A desired object is in place. Told again when another owner takes it over.
    Present {
        /// What it is.
        object: Object,
        /// It had been present before and went missing: it was put back.
        restored: bool,
    },
    /// An object is not in place: it was released and is removed now, or it went missing and cannot be put back for now.
    Absent {
        /// What it is.
        object: Object,
    },
    /// A released object was left in place, because it was not added here.
    Kept {
        /// What it is.
        object: Object,
    },
    /// The kernel refused to add or remove an object. It is tried again every [`RETRY_INTERVAL`]; the same error is reported once.
    Failed {
        /// What it is.
        object: Object,
        /// What the kernel said.
        error: io::Error,
    },
    /// The thread has ended and no further event follows; everything stays as it is.
    Stopped {
        /// Why.
        error: io::Error,
    },
}

/// How long a refused object waits for the next attempt, unless what it depends on changes before.
pub const RETRY_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);

/// An interface as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Its name.
    pub interface: String,
    /// Its index; `None` when it does not exist. Sockets belong to an index: when it changes, open them again.
    pub index: Option<u32>,
    /// It exists, is administratively up (`IFF_UP`), has a carrier (`IFF_LOWER_UP`) and can pass packets (`IFF_RUNNING`).
    pub up: bool,
    /// Its hardware address, when it has one of Ethernet's length.
    pub mac: Option<[u8; 6]>,
    /// Usable addresses and prefix lengths that were not added here, in the kernel's order with primary addresses first.
    /// An IPv6 address whose uniqueness is not established yet is left out.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// A thread that keeps objects in place and watches interfaces, in the network namespace of the thread that spawned it.
///
/// Dropping it ends the thread and leaves everything as it is; to remove it, desire nothing and wait for the answers.
#[derive(Debug)]
pub struct NetlinkThread {
    requests: UnboundedSender<Request>,
    events: Inbox<NetlinkEvent>,
}

/// What the owner wants of the thread.
#[derive(Debug)]
enum Request {
    /// What some owners of objects desire.
    Desire(Vec<Desired>),
    /// More interfaces to watch.
    Watch(Vec<String>),
}

impl NetlinkThread {
    /// Starts to watch the interfaces of these names, which need not exist.
    ///
    /// # Errors
    ///
    /// See [`SpawnError`].
    pub fn spawn(interfaces: Vec<String>) -> Result<Self, SpawnError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(SpawnError::Thread)?;
        // Opened here and not on the new thread, so that failure is an answer and not an event.
        let kernel = {
            let _context = runtime.enter();
            Kernel::subscribe().map_err(SpawnError::Netlink)?
        };
        let (requests, request_receiver) = unbounded_channel();
        let (outbox, events) = channel().map_err(SpawnError::Thread)?;
        let worker = Worker {
            kernel,
            reconciler: Reconciler::new(interfaces),
            requests: request_receiver,
            outbox,
        };
        thread::Builder::new()
            .name("netlink".to_owned())
            .spawn(move || runtime.block_on(worker.run()))
            .map_err(SpawnError::Thread)?;
        Ok(Self { requests, events })
    }

    /// Replaces what these owners desire, all at once: an object that one of them gives up and another one takes over stays in place.
    /// Never waits; what the thread did not get to before it is replaced is skipped.
    pub fn desire(&self, desired: Vec<Desired>) {
        // The queue has no bound because the sender must not wait. It holds a message for each transition within the time of one kernel request.
        // When the thread has ended, `Stopped` says so; there is nothing to add here.
        let _ = self.requests.send(Request::Desire(desired));
    }

    /// Watches the interfaces of these names from now on, beside those that it watches already. Never waits.
    pub fn watch(&self, interfaces: Vec<String>) {
        let _ = self.requests.send(Request::Watch(interfaces));
    }

    /// The next event, or `None` when there is none now; wait with [`AsFd`].
    pub fn try_recv(&self) -> Option<NetlinkEvent> {
        self.events.try_recv(|| NetlinkEvent::Stopped {
            error: io::Error::other("the netlink thread has ended"),
        })
    }
}

/// Readable when events wait.
impl AsFd for NetlinkThread {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

/// Why an [`NetlinkThread`] could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The kernel refused a netlink socket.
    #[error("cannot open a netlink socket for interfaces, addresses, routes and rules")]
    Netlink(#[source] io::Error),
    /// The system refused a thread or what belongs to it.
    #[error("cannot start the netlink thread")]
    Thread(#[source] io::Error),
}

/// The thread's side: moves messages between the kernel, the reconciler and the owner.
struct Worker {
    kernel: Kernel,
    reconciler: Reconciler,
    requests: UnboundedReceiver<Request>,
    outbox: Outbox<NetlinkEvent>,
}

impl Worker {
    async fn run(mut self) {
        loop {
            match self.serve().await {
                Ok(()) => return,
                // The kernel dropped notifications, or an answer: only a full look helps.
                Err(Interrupted::Overrun) => {
                    tracing::debug!("netlink overrun, reading everything again");
                }
                Err(interrupted @ Interrupted::Closed) => {
                    self.outbox.send(NetlinkEvent::Stopped {
                        error: interrupted.into(),
                    });
                    return;
                }
            }
        }
    }

    /// Returns when the owner is gone.
    async fn serve(&mut self) -> Result<(), Interrupted> {
        self.resync().await?;
        loop {
            self.settle().await?;
            let retry = self
                .reconciler
                .retry_at()
                .map(tokio::time::Instant::from_std);
            tokio::select! {
                biased;
                request = self.requests.recv() => match request {
                    Some(request) => self.take(request),
                    None => return Ok(()),
                },
                change = self.kernel.next_change() => self.reconciler.apply(change?),
                () = async {
                    match retry {
                        Some(at) => tokio::time::sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                } => {}
            }
        }
    }

    async fn resync(&mut self) -> Result<(), Interrupted> {
        let snapshot = self.kernel.dump().await?;
        self.reconciler.replace(snapshot);
        // What changed while the snapshot was taken comes after it, so that the last word on everything wins.
        self.take_changes();
        Ok(())
    }

    /// Brings the kernel to the desired state, as far as it lets us, and tells the owner.
    async fn settle(&mut self) -> Result<(), Interrupted> {
        loop {
            while let Ok(request) = self.requests.try_recv() {
                self.take(request);
            }
            self.take_changes();
            self.report();
            let Some(operation) = self.reconciler.next_operation(Instant::now()) else {
                return Ok(());
            };
            let result = if operation.adds {
                self.kernel.add(&operation.entry).await?
            } else {
                self.kernel.remove(&operation.entry).await?
            };
            self.take_changes();
            if let Err(errno) = result
                && self.reconciler.surprised(&operation, errno)
            {
                // The kernel sees it otherwise than our copy of its state, so the copy is wrong.
                self.resync().await?;
            }
            self.reconciler.finished(&operation, result, Instant::now());
        }
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Desire(desired) => self.reconciler.desire(desired),
            Request::Watch(interfaces) => self.reconciler.watch(interfaces),
        }
    }

    fn take_changes(&mut self) {
        while let Some(change) = self.kernel.try_next_change() {
            self.reconciler.apply(change);
        }
    }

    fn report(&mut self) {
        while let Some(event) = self.reconciler.poll_event() {
            self.outbox.send(event);
        }
    }
}
