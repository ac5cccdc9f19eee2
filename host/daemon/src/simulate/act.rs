//! What can be made to happen to a node.

use vrrp::{Command, Outcome};

/// Something that happens to a node from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Act {
    pub(crate) node: usize,
    pub(crate) what: Happens,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happens {
    /// A check runs at once and ends so, and so does every later run.
    Check(usize, Outcome),
    /// It loses power.
    Crash,
    /// It is switched on, and its daemon starts.
    Start,
    /// Its daemon is stopped as it should be.
    Stop,
    /// It sends to nobody and hears nobody, on any link, and no interface tells.
    Cut,
    /// It is heard again.
    Heal,
    /// An interface, by its number, goes down or comes up.
    Link(usize, bool),
    /// Somebody wants something of an instance.
    Command(usize, Command),
    /// The whole host stands still, as a virtual machine that is moved.
    Freeze,
    /// It goes on.
    Thaw,
}
