//! What a router tells about itself when asked.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::{
    AuthenticationFailure, CheckId, InstanceCounters, InstanceId, Instant, InterfaceId, OnFail,
    Outcome, Reason, Standing, State,
};

/// When to call [`Router::handle_timeout`](crate::Router::handle_timeout), and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The instant; it may have passed already.
    pub at: Instant,
    /// What is due then.
    pub why: Why,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Adver_Timer: an Active instance advertises.
    Advertise(InstanceId),
    /// An Active instance answers what it was not allowed to answer at once.
    Answer(InstanceId),
    /// Active_Down_Timer: a Backup instance takes over.
    ActiveDown(InstanceId),
    /// More gratuitous ARP or unsolicited NA of an Active instance.
    Announce(InstanceId),
    /// Nobody took the addresses that an Active instance offered.
    Yield(InstanceId),
    /// An instance may take part in elections.
    StartDelay(InstanceId),
    /// A change of an interface counts from now on.
    Interface(InstanceId),
    /// An instance waits no longer for the first verdicts of its checks.
    InitGrace(InstanceId),
    /// The report of a check is overdue.
    StaleCheck(CheckId),
}

/// An instance as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceStatus {
    /// Its state as users see it.
    pub state: State,
    /// When it entered that state: the last transition, or Startup; the clock's origin before that.
    pub since: Instant,
    /// Why it is in that state: why it entered it, but in FAULT what keeps it there now. `None` before the first transition.
    pub reason: Option<Reason>,
    /// Transitions so far; the sequence number of the last one.
    pub sequence: u64,
    /// Configured priority.
    pub base_priority: u8,
    /// Priority after all checks.
    pub effective_priority: u8,
    /// Whether this host is the address owner (priority 255).
    pub owner: bool,
    /// Whether somebody wants another router to have the addresses.
    pub drained: bool,
    /// Whether it has offered its addresses, and uses them until a peer takes them.
    pub yielding: bool,
    /// Address and priority of the Active router: this one when it is Active, the last one heard when it is Backup, else unknown.
    pub active: Option<(IpAddr, u8)>,
    /// Active_Adver_Interval: learned from the Active router when v3 and Backup, else its own.
    pub active_adver_interval: Duration,
    /// Active_Down_Interval at that interval and the effective priority.
    pub active_down_interval: Duration,
    /// Skew_Time at that interval and the effective priority.
    pub skew_time: Duration,
    /// The checks it depends on.
    pub tracks: Vec<TrackStatus>,
    /// The interfaces it depends on beside its own.
    pub interfaces: Vec<InterfaceStatus>,
    /// What it counted since it was made.
    pub counters: InstanceCounters,
    /// The last advertisement for it that was not known to come from a peer, discarded or not.
    pub authentication_failure: Option<AuthenticationFailure>,
}

/// A tracked check as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackStatus {
    /// The check.
    pub check: CheckId,
    /// What its failure does to this instance.
    pub on_fail: OnFail,
    /// What it counts as.
    pub standing: Standing,
    /// What it adds to the priority now; an address owner's priority stays 255 all the same.
    pub weight: i32,
}

/// A tracked interface as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceStatus {
    /// The interface.
    pub interface: InterfaceId,
    /// What its loss does to this instance.
    pub on_fail: OnFail,
    /// What it counts as; `None` before the first news of it.
    pub up: Option<bool>,
    /// What it adds to the priority now.
    pub weight: i32,
}

/// A check as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckStatus {
    /// What it counts as.
    pub standing: Standing,
    /// When it came to count as that; `None` while it is pending.
    pub since: Option<Instant>,
    /// How its last run ended; `None` before the first report.
    pub last: Option<Outcome>,
    /// Reports so far.
    pub runs: u64,
    /// Reported errors and overdue reports so far.
    pub errors: u64,
    /// Where its last runs lead; `None` when that is what it counts as.
    pub progress: Option<Progress>,
}

/// Runs in a row that will make a check count as something else when enough of them follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it will count as.
    pub towards: Standing,
    /// Runs so far, fewer than `needed`.
    pub count: u16,
    /// Runs that it takes: `rise`, `fall`, or one more than `error_hold`.
    pub needed: u16,
}
