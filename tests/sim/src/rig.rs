//! Hosts and networks that are broken on purpose, to prove that the checkers can fail.

/// What is wrong with a world, beyond its faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rig {
    /// Nothing.
    #[default]
    Sound,
    /// A released address stays.
    KeepsAddresses,
    /// No address is ever configured.
    NeverClaims,
    /// Nothing arrives from the first host at the second one, and the network says that it does.
    SilentCut,
    /// Timers that are due go before packets that wait.
    TimersFirst,
    /// Nobody calls when a timer is due.
    DeafToTimers,
    /// Nobody calls when it is due that an offer is over.
    NeverTakesBack,
    /// Advertisements leave with another priority than the router gave them.
    WrongPriority,
    /// Whatever is read from a socket is handed over with the TTL that it should have had.
    ForgivesTtl,
    /// Claiming an address is a panic.
    Panics,
}
