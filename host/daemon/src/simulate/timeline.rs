//! What happened, in its order.

use std::net::IpAddr;
use std::time::Duration;

use vrrp::{Standing, State};

use super::act::Act;
use crate::config::NotifyOn;

/// Something that happened on a node.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Since the beginning.
    pub(crate) at: Duration,
    pub(crate) node: usize,
    pub(crate) what: What,
}

/// Instances, checks, hooks and groups by their number on the node.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// It was made to happen, in the words of the command line.
    Asked { act: Act, words: String },
    /// What was asked for cannot be, for this reason.
    InVain(&'static str),
    /// The daemon starts.
    Starts,
    /// The daemon has stopped.
    Stopped,
    /// A check counts as something else.
    Check {
        check: usize,
        before: Standing,
        after: Standing,
    },
    /// An instance changed its state.
    State {
        instance: usize,
        before: State,
        after: State,
        reason: String,
        priority: u8,
    },
    /// The effective priority of an instance changed, and its state did not.
    Priority {
        instance: usize,
        before: u8,
        after: u8,
        reason: String,
    },
    /// A sync group changed its state.
    Group {
        group: usize,
        before: State,
        after: State,
        reason: String,
    },
    /// The addresses of an instance are there from now on.
    Has(usize),
    /// They are gone.
    HasNoLonger(usize),
    /// A hook is called, for an instance or sync group of this name.
    Hook {
        hook: usize,
        subject: String,
        on: NotifyOn,
    },
    /// A peer is configured differently.
    Differs {
        instance: usize,
        source: IpAddr,
        how: String,
    },
}
