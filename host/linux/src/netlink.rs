//! Interfaces as the kernel sees them, and virtual addresses kept in place on them.
//!
//! rtnetlink waits for the kernel's RTNL lock, which a busy host may hold for long. So it lives on a thread of its own,
//! [`NetlinkThread`], that is told the whole desired set and answers with what became of it.
//!
//! **Whose address it is.** Addresses added here carry [`PROTOCOL`] in `IFA_PROTO` (`ip address` shows it as
//! `proto 0x70`; Linux 5.18 and later), by which a later run knows them again: [`remove_left_over`]. A desired address that
//! is on the interface without that mark, with whatever prefix length, was configured by the administrator. It counts as present, and releasing it
//! leaves it in place ([`NetlinkEvent::AddressKept`]).

mod kernel;
mod reconcile;

use std::cell::Cell;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::Instant;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use kernel::{Interrupted, Kernel};
use reconcile::{Operation, Reconciler};

/// The value of `IFA_PROTO` on addresses added here: the IP protocol number of VRRP, which nobody else uses for addresses.
pub const PROTOCOL: u8 = 112;

/// An address to keep on an interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The interface's name.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// 0 to 32 for IPv4, 0 to 128 for IPv6. With less than the longest the kernel adds the route to the network, too.
    pub prefix_length: u8,
}

/// What an [`NetlinkThread`] saw or did.
#[derive(Debug)]
pub enum NetlinkEvent {
    /// An interface's state: once at the start for each watched name, also when there is no such interface, then whenever it changes.
    Link(LinkState),
    /// A desired address is configured.
    AddressPresent {
        /// The interface.
        interface: String,
        /// The address.
        address: IpAddr,
        /// It had been present before and went missing: it was put back.
        restored: bool,
    },
    /// An address is not configured: it was released and is removed now, or it went missing and cannot be put back for now.
    AddressAbsent {
        /// The interface.
        interface: String,
        /// The address.
        address: IpAddr,
    },
    /// A released address was left in place, because it was not added here.
    AddressKept {
        /// The interface.
        interface: String,
        /// The address.
        address: IpAddr,
    },
    /// The kernel refused to add or remove an address. It is tried again every [`RETRY_INTERVAL`]; the same error is reported once.
    AddressFailed {
        /// The interface.
        interface: String,
        /// The address.
        address: IpAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// The thread has ended and no further event follows; addresses stay as they are.
    Stopped {
        /// Why.
        error: io::Error,
    },
}

/// How long a refused address waits for the next attempt, unless its interface changes before.
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

/// A thread that keeps addresses in place and watches interfaces, in the network namespace of the thread that spawned it.
///
/// Dropping it ends the thread and leaves the addresses as they are; to remove them, desire none and wait for the answers.
#[derive(Debug)]
pub struct NetlinkThread {
    desired: UnboundedSender<Vec<Address>>,
    events: mpsc::Receiver<NetlinkEvent>,
    wake: Arc<OwnedFd>,
    stopped: Cell<bool>,
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
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| SpawnError::Thread(errno.into()))?;
        let wake = Arc::new(wake);
        let (desired, desired_receiver) = unbounded_channel();
        let (event_sender, events) = mpsc::channel();
        let outbox = Outbox {
            events: Some(event_sender),
            wake: Arc::clone(&wake),
        };
        let worker = Worker {
            kernel,
            reconciler: Reconciler::new(interfaces),
            desired: desired_receiver,
            outbox,
        };
        thread::Builder::new()
            .name("netlink".to_owned())
            .spawn(move || runtime.block_on(worker.run()))
            .map_err(SpawnError::Thread)?;
        Ok(Self {
            desired,
            events,
            wake,
            stopped: Cell::new(false),
        })
    }

    /// Replaces the desired set, as a whole. Never waits; sets that the thread did not get to before the next one are skipped.
    pub fn set_desired(&self, addresses: Vec<Address>) {
        // The queue has no bound because the sender must not wait. It holds one set for each transition within the time of one kernel request.
        // When the thread has ended, `Stopped` says so; there is nothing to add here.
        let _ = self.desired.send(addresses);
    }

    /// The next event, or `None` when there is none now; wait with [`AsFd`].
    pub fn try_recv(&self) -> Option<NetlinkEvent> {
        match self.events.try_recv() {
            Ok(event) => return Some(event),
            Err(TryRecvError::Disconnected) => return self.ended(),
            Err(TryRecvError::Empty) => {}
        }
        // An event sent before this point is found below, one sent later makes the descriptor readable again.
        let mut count = [0; 8];
        let _ = rustix::io::read(&*self.wake, &mut count);
        match self.events.try_recv() {
            Ok(event) => Some(event),
            Err(TryRecvError::Disconnected) => self.ended(),
            Err(TryRecvError::Empty) => None,
        }
    }

    /// Only a panic ends the thread without an event of its own.
    fn ended(&self) -> Option<NetlinkEvent> {
        (!self.stopped.replace(true)).then(|| NetlinkEvent::Stopped {
            error: io::Error::other("the netlink thread has ended"),
        })
    }
}

/// Readable when events wait.
impl AsFd for NetlinkThread {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// Why an [`NetlinkThread`] could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The kernel refused a netlink socket.
    #[error("cannot open a netlink socket for interfaces and addresses")]
    Netlink(#[source] io::Error),
    /// The system refused a thread or what belongs to it.
    #[error("cannot start the netlink thread")]
    Thread(#[source] io::Error),
}

/// Removes the addresses that bear [`PROTOCOL`] from these interfaces, and returns what it removed: those that a
/// router left behind when it was killed. Interfaces that do not exist have none.
///
/// # Errors
///
/// See [`LeftOverError`]. Removal goes on after an address that the kernel refuses to remove; the first such error is returned at the end.
pub async fn remove_left_over(
    interfaces: &[String],
) -> Result<Vec<(String, IpAddr)>, LeftOverError> {
    let mut kernel = Kernel::connect().map_err(LeftOverError::Netlink)?;
    let interrupted = |interrupted: Interrupted| LeftOverError::Netlink(interrupted.into());
    let snapshot = kernel.dump().await.map_err(interrupted)?;
    let mut removed = Vec::new();
    let mut failed = None;
    for (link, address) in snapshot.marked_on(interfaces) {
        let gone = kernel
            .remove(link.index, address.address, address.prefix_length)
            .await
            .map_err(interrupted)?;
        match gone {
            // Somebody else was faster.
            Ok(()) | Err(Errno::ADDRNOTAVAIL | Errno::NODEV) => {
                removed.push((link.name.clone(), address.address));
            }
            Err(errno) => {
                failed.get_or_insert_with(|| LeftOverError::Remove {
                    interface: link.name.clone(),
                    address: address.address,
                    source: errno.into(),
                });
            }
        }
    }
    failed.map_or(Ok(removed), Err)
}

/// [`remove_left_over`] for callers that are not asynchronous. It must not be called from a task of a tokio runtime.
///
/// # Errors
///
/// As [`remove_left_over`].
pub fn remove_left_over_blocking(
    interfaces: &[String],
) -> Result<Vec<(String, IpAddr)>, LeftOverError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(LeftOverError::Netlink)?
        .block_on(remove_left_over(interfaces))
}

/// Why left-over addresses could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum LeftOverError {
    /// The kernel could not be asked.
    #[error("cannot list the addresses of this host")]
    Netlink(#[source] io::Error),
    /// An address stays, mostly for want of `CAP_NET_ADMIN`.
    #[error("cannot remove the left-over address {address} from {interface}")]
    Remove {
        /// The interface.
        interface: String,
        /// The address.
        address: IpAddr,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// The thread's side: moves messages between the kernel, the reconciler and the owner.
struct Worker {
    kernel: Kernel,
    reconciler: Reconciler,
    desired: UnboundedReceiver<Vec<Address>>,
    outbox: Outbox,
}

impl Worker {
    async fn run(mut self) {
        loop {
            match self.serve().await {
                Ok(()) => return,
                // The kernel dropped notifications, or an answer: only a full look helps.
                Err(Interrupted::Overrun) => {
                    tracing::debug!("netlink overrun, reading all interfaces and addresses again");
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
                desired = self.desired.recv() => match desired {
                    Some(desired) => self.reconciler.set_desired(desired),
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
        // What changed while the snapshot was taken comes after it, so that the last word on every address wins.
        self.take_changes();
        Ok(())
    }

    /// Brings the kernel to the desired state, as far as it lets us, and tells the owner.
    async fn settle(&mut self) -> Result<(), Interrupted> {
        loop {
            while let Ok(desired) = self.desired.try_recv() {
                self.reconciler.set_desired(desired);
            }
            self.take_changes();
            self.report();
            let Some(operation) = self.reconciler.next_operation(Instant::now()) else {
                return Ok(());
            };
            let result = match operation {
                Operation::Add {
                    index,
                    address,
                    prefix_length,
                } => self.kernel.add(index, address, prefix_length).await?,
                Operation::Remove {
                    index,
                    address,
                    prefix_length,
                } => self.kernel.remove(index, address, prefix_length).await?,
            };
            self.take_changes();
            if matches!(result, Err(Errno::EXIST | Errno::ADDRNOTAVAIL)) {
                // The kernel sees it otherwise than our copy of its state, so the copy is wrong.
                self.resync().await?;
            }
            self.reconciler.finished(&operation, result, Instant::now());
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

struct Outbox {
    /// `None` only while it is dropped.
    events: Option<mpsc::Sender<NetlinkEvent>>,
    wake: Arc<OwnedFd>,
}

impl Outbox {
    fn send(&self, event: NetlinkEvent) {
        if let Some(events) = &self.events {
            // The owner may be gone; the worker notices that where it waits.
            let _ = events.send(event);
        }
        self.wake();
    }

    fn wake(&self) {
        // Fails only when the counter is full, and then the descriptor is readable already.
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
    }
}

/// However the thread ends, its owner wakes up and finds the queue closed.
impl Drop for Outbox {
    fn drop(&mut self) {
        drop(self.events.take());
        self.wake();
    }
}
