//! What a router wants done.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::{AuthenticationError, CheckId, Command, GroupId, InstanceId, InterfaceId, Signing};

/// Something for the driver to perform, in the order of [`Router::poll_action`](crate::Router::poll_action).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send an advertisement.
    Advertise(Advertise),
    /// Configure the instance's addresses; each answers with an [`Event::Address`](crate::Event::Address). Comes again when
    /// an Active instance got another list of them: what is not in it any more is to be removed.
    Claim(InstanceId),
    /// Remove the instance's addresses.
    Release(InstanceId),
    /// Tell the link who has the address (gratuitous ARP, unsolicited NA).
    Announce {
        /// The instance that owns it.
        instance: InstanceId,
        /// The address.
        address: IpAddr,
    },
    /// The instance's state as users see it changed.
    StateChanged(Transition),
    /// The state of a sync group as a whole changed.
    GroupChanged(GroupTransition),
    /// The instance's effective priority changed without a change of state.
    PriorityChanged {
        /// The instance.
        instance: InstanceId,
        /// Before.
        before: u8,
        /// After.
        after: u8,
        /// Why.
        reason: Reason,
    },
    /// A check went up, down or unknown.
    CheckChanged(CheckChange),
    /// A datagram was discarded; it is already counted.
    Discarded {
        /// Where it arrived.
        interface: InterfaceId,
        /// Who sent it.
        source: IpAddr,
        /// The first test it failed.
        discard: crate::Discard,
    },
    /// An accepted advertisement shows that its sender is configured differently (RFC 9568 §7.1 asks for a log entry).
    /// Told once, and again when what differs or who differs changes.
    PeerDiffers {
        /// The instance that received it.
        instance: InstanceId,
        /// Who sent it.
        source: IpAddr,
        /// What is different.
        difference: Difference,
    },
}

impl Action {
    /// The instance that it is about; `None` when it is about a group, a check or a datagram of nobody in particular.
    pub fn instance(&self) -> Option<InstanceId> {
        match self {
            Self::Advertise(advertise) => Some(advertise.instance),
            Self::Claim(instance)
            | Self::Release(instance)
            | Self::Announce { instance, .. }
            | Self::PriorityChanged { instance, .. }
            | Self::PeerDiffers { instance, .. } => Some(*instance),
            Self::StateChanged(transition) => Some(transition.instance),
            Self::GroupChanged(_) | Self::CheckChanged(_) | Self::Discarded { .. } => None,
        }
    }
}

/// How a peer's configuration differs from this router's, as far as its advertisements show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It advertises at another interval, which a v3 Backup follows.
    Interval(Duration),
    /// It advertises these addresses instead.
    Addresses(Vec<IpAddr>),
    /// It too claims to own the addresses (priority 255, RFC 9568 §8.3.2).
    Owner,
    /// It has no good signature, which is tolerated until the roll-out of signatures is complete.
    Authentication(AuthenticationError),
}

/// An advertisement to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertise {
    /// Whose it is.
    pub instance: InstanceId,
    /// Where to send it.
    pub interface: InterfaceId,
    /// Source address of the IP header; the checksum may cover it.
    pub source: IpAddr,
    /// Destination address of the IP header.
    pub destination: IpAddr,
    /// The VRRP message without a trailer, built once per change and shared by all advertisements until the next one.
    pub payload: Arc<[u8]>,
    /// The priority in it; 0 when it gives the address away.
    pub priority: u8,
    /// How to sign it when it is sent: what goes on the wire is made by [`Signer::write`](crate::Signer::write).
    pub signing: Option<Signing>,
}

/// The state of an instance as users see it. FAULT is the RFC's Initialize with a reason to stay there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Initialize: not started, or waiting for first verdicts.
    Initialize,
    /// Initialize, because a check, the interface or its address is missing.
    Fault,
    /// Backup (RFC 9568 §6.4.2).
    Backup,
    /// Active (RFC 9568 §6.4.3).
    Active,
}

impl core::fmt::Display for State {
    /// The words that users know: `INIT`, `FAULT`, `BACKUP`, `MASTER`.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(match self {
            Self::Initialize => "INIT",
            Self::Fault => "FAULT",
            Self::Backup => "BACKUP",
            Self::Active => "MASTER",
        })
    }
}

/// A change of an instance's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The instance.
    pub instance: InstanceId,
    /// Before.
    pub before: State,
    /// After.
    pub after: State,
    /// Why.
    pub reason: Reason,
    /// Effective priority after the transition.
    pub priority: u8,
    /// Counts this instance's transitions from 1, without a gap.
    pub sequence: u64,
}

/// A change of the state that all members of a sync group share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTransition {
    /// The group.
    pub group: GroupId,
    /// Before.
    pub before: State,
    /// After.
    pub after: State,
    /// The member whose transition completed it, with its reason.
    pub member: InstanceId,
    /// Why that member changed.
    pub reason: Reason,
    /// Counts this group's transitions from 1, without a gap.
    pub sequence: u64,
}

/// Why a state or priority changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The daemon started.
    Startup,
    /// The daemon stops.
    Shutdown,
    /// Priority 255: the owner takes its addresses at once.
    Owner,
    /// No advertisement from the Active router within Active_Down_Interval; none was ever heard when `None`.
    ActiveDown(Option<IpAddr>),
    /// The Active router gave the addresses away with priority 0.
    ActiveReleased(IpAddr),
    /// The Active router has a lower priority than this one, which preempts it.
    Preempting {
        /// The router that is preempted.
        source: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// Another router advertises a higher priority, or the same one from a higher address.
    HigherPriority {
        /// The other router.
        source: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// The interface is missing, down or without carrier.
    LinkDown,
    /// The interface came up.
    LinkUp,
    /// The interface has no address to send from.
    NoPrimaryAddress,
    /// The interface has an address to send from again.
    PrimaryAddress,
    /// A tracked check went down.
    CheckDown(CheckId),
    /// A tracked check came up.
    CheckUp(CheckId),
    /// A tracked check is unknown: its runs end in errors, or its first verdict did not come in time.
    CheckUnknown(CheckId),
    /// The module of a tracked check reported another weight.
    CheckWeight(CheckId),
    /// A tracked interface, not the instance's own, went down.
    InterfaceDown(InterfaceId),
    /// A tracked interface, not the instance's own, came up.
    InterfaceUp(InterfaceId),
    /// Another member of its sync group changed, and all move together.
    SyncGroup(InstanceId),
    /// This host did nothing for so long that a peer may have taken over; it listens before it speaks again.
    Late(Duration),
    /// Somebody asked for it.
    Command(Command),
    /// The configuration changed.
    Reconfigured,
}

/// A change of a check's standing after `rise`, `fall` and `error_hold` are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckChange {
    /// The check.
    pub check: CheckId,
    /// Before.
    pub before: Standing,
    /// After.
    pub after: Standing,
}

/// What a check counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// No verdict yet.
    Pending,
    /// Up.
    Up,
    /// Down.
    Down,
    /// Errors instead of verdicts.
    Unknown,
}
