//! Virtual MAC addresses (RFC 9568 §7.3): an interface of its own for each, a macvlan on the interface that the virtual router speaks on.
//!
//! A macvlan is there to have the virtual addresses, so that the kernel answers ARP and neighbour solicitations for them with the virtual
//! MAC. It is up while the virtual router is Active. Down, the kernel does not know its MAC, so that a Backup discards the frames
//! that a switch sends it by mistake (RFC 9568 §6.4.2). It is in bridge mode, in which its parent hears the advertisements of another router with
//! the same MAC. Nothing is sent or received through it here: [`VirtualMacSocket`](crate::socket::VirtualMacSocket) sends through the parent.
//!
//! **Whose macvlan it is.** Those made here are in the link group [`GROUP`] and have a virtual MAC, by which a later run knows them again:
//! [`remove_left_over`]. Their alias says what was changed on the parent. No other interface is ever changed or deleted.

mod keeper;
mod kernel;
mod sysctl;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use vrrp::{Family, VirtualRouterId};

use keeper::Keeper;
use kernel::{Kernel, Notifications};

use crate::events::{Inbox, Outbox, channel};

/// The link group of the macvlans made here: the IP protocol number of VRRP, as on everything that vrrp-host adds to the kernel.
pub const GROUP: u32 = 112;

/// How long a refused macvlan waits for the next attempt, unless an interface changes before.
pub const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// A macvlan to keep in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredMacvlan {
    /// Its name, 1 to 15 bytes.
    pub name: String,
    /// The name of the interface that it is on, an Ethernet.
    pub parent: String,
    /// Whose MAC it has.
    pub virtual_router_id: VirtualRouterId,
    /// Of the addresses that it is for.
    pub family: Family,
    /// Whether it is to be up.
    pub up: bool,
}

impl DesiredMacvlan {
    fn mac(&self) -> [u8; 6] {
        self.virtual_router_id.mac(self.family)
    }
}

/// What a [`MacvlanThread`] did or saw.
#[derive(Debug)]
pub enum MacvlanEvent {
    /// A desired macvlan is up and ready for addresses.
    Up {
        /// Its name.
        name: String,
    },
    /// A desired macvlan is down, or not there because its parent is not.
    Down {
        /// Its name.
        name: String,
    },
    /// The kernel refused something. It is tried again every [`RETRY_INTERVAL`]; the same kind of error is reported once.
    Failed {
        /// The macvlan's name.
        name: String,
        /// What the kernel said; `AlreadyExists` when an interface of that name is not ours.
        error: io::Error,
    },
    /// The thread has ended and no further event follows.
    Stopped {
        /// Why.
        error: io::Error,
    },
}

/// A thread that keeps macvlans in place, in the network namespace of the thread that spawned it. It has its own because rtnetlink waits for the
/// kernel's RTNL lock, which a busy host may hold for long.
///
/// Dropping it has it remove them, which [`close`](Self::close) waits for.
#[derive(Debug)]
pub struct MacvlanThread {
    requests: UnboundedSender<Vec<DesiredMacvlan>>,
    events: Inbox<MacvlanEvent>,
}

impl MacvlanThread {
    /// Makes these macvlans, as far as their parents exist, and starts to keep them.
    ///
    /// # Errors
    ///
    /// See [`SpawnError`]; no macvlan is there then.
    pub fn spawn(desired: Vec<DesiredMacvlan>) -> Result<Self, SpawnError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(SpawnError::Thread)?;
        // Opened and tried here and not on the new thread, so that failure is an answer and not an event.
        let (keeper, notifications, first_events) = runtime.block_on(begin(desired))?;
        let (requests, request_receiver) = unbounded_channel();
        let (outbox, events) = channel().map_err(SpawnError::Thread)?;
        for event in first_events {
            outbox.send(event);
        }
        let worker = Worker {
            keeper,
            notifications,
            requests: request_receiver,
            outbox,
        };
        thread::Builder::new()
            .name("macvlans".to_owned())
            .spawn(move || runtime.block_on(worker.run()))
            .map_err(SpawnError::Thread)?;
        Ok(Self { requests, events })
    }

    /// Replaces the desired set, as a whole. Never waits.
    pub fn set_desired(&self, macvlans: Vec<DesiredMacvlan>) {
        // The queue has no bound because the sender must not wait; it holds one set for each transition within the time of one kernel request.
        // When the thread has ended, `Stopped` says so; there is nothing to add here.
        let _ = self.requests.send(macvlans);
    }

    /// The next event, or `None` when there is none now; wait with [`AsFd`].
    pub fn try_recv(&self) -> Option<MacvlanEvent> {
        self.events.try_recv(|| MacvlanEvent::Stopped {
            error: io::Error::other("the macvlan thread has ended"),
        })
    }

    /// Removes every macvlan that was made here and ends the thread, waiting `limit` at most; tells whether it has ended.
    pub fn close(self, limit: Duration) -> bool {
        drop(self.requests);
        self.events.wait_for_end(limit)
    }
}

/// Readable when events wait.
impl AsFd for MacvlanThread {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

/// Why a [`MacvlanThread`] could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The kernel refused a netlink socket, or an answer.
    #[error("cannot open a netlink socket for virtual MACs")]
    Netlink(#[source] io::Error),
    /// An interface of that name is there and was not made here.
    #[error("there is an interface {name} that does not belong to vrrp-host")]
    NameTaken {
        /// The macvlan's name.
        name: String,
    },
    /// The kernel refused a macvlan: one that has no such interfaces, or a parent that is no Ethernet.
    #[error("cannot make the macvlan {name} on {parent}")]
    Refused {
        /// The macvlan's name.
        name: String,
        /// The interface that it was to be on.
        parent: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The system refused a thread or what belongs to it.
    #[error("cannot start the thread that keeps virtual MACs")]
    Thread(#[source] io::Error),
}

/// Removes the macvlans in [`GROUP`], which a router left behind when it was killed, puts back what was changed for them, and
/// returns the names of those that it removed.
///
/// # Errors
///
/// When the kernel cannot be asked, or refuses to remove one.
pub async fn remove_left_over() -> io::Result<Vec<String>> {
    keeper::remove_all(&Kernel::connect()?).await
}

/// Which of these names cannot be those of macvlans, because other interfaces have them.
///
/// # Errors
///
/// When the kernel cannot be asked.
pub async fn taken_names(names: &[String]) -> io::Result<Vec<String>> {
    keeper::foreign(&Kernel::connect()?, names).await
}

async fn begin(
    desired: Vec<DesiredMacvlan>,
) -> Result<(Keeper, Notifications, Vec<MacvlanEvent>), SpawnError> {
    let kernel = Kernel::connect().map_err(SpawnError::Netlink)?;
    let notifications = Notifications::subscribe().map_err(SpawnError::Netlink)?;
    let mut keeper = Keeper::new(kernel);
    keeper.set_desired(desired.clone());
    let mut events = keeper.pass(|| false).await.map_err(SpawnError::Netlink)?;
    let failed = events
        .iter()
        .position(|event| matches!(event, MacvlanEvent::Failed { .. }));
    if let Some(MacvlanEvent::Failed { name, error }) =
        failed.map(|position| events.swap_remove(position))
    {
        keeper.set_desired(Vec::new());
        keeper.pass(|| false).await.map_err(SpawnError::Netlink)?;
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Err(SpawnError::NameTaken { name });
        }
        let parent = desired.into_iter().find(|want| want.name == name);
        return Err(SpawnError::Refused {
            name,
            parent: parent.map(|want| want.parent).unwrap_or_default(),
            source: error,
        });
    }
    Ok((keeper, notifications, events))
}

/// The thread's side.
struct Worker {
    keeper: Keeper,
    notifications: Notifications,
    requests: UnboundedReceiver<Vec<DesiredMacvlan>>,
    outbox: Outbox<MacvlanEvent>,
}

impl Worker {
    async fn run(mut self) {
        if let Err(error) = self.serve().await {
            self.outbox.send(MacvlanEvent::Stopped { error });
        }
    }

    /// Returns when the owner is gone, and the macvlans with it.
    async fn serve(&mut self) -> io::Result<()> {
        loop {
            let retry = self.keeper.wants_retry();
            tokio::select! {
                biased;
                request = self.requests.recv() => {
                    let Some(desired) = request else {
                        self.keeper.set_desired(Vec::new());
                        self.keeper.pass(|| false).await?;
                        return Ok(());
                    };
                    self.keeper.set_desired(desired);
                }
                changed = self.notifications.changed() => changed?,
                () = tokio::time::sleep(RETRY_INTERVAL), if retry => {}
            }
            let requests = &self.requests;
            let outdated = || !requests.is_empty() || requests.is_closed();
            for event in self.keeper.pass(outdated).await? {
                self.outbox.send(event);
            }
        }
    }
}
