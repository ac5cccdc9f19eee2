//! A laboratory for programs that own addresses: real systemd hosts on real Ethernet segments, on one machine.
//!
//! * [`Segment`]: an Ethernet segment (a Linux bridge in a network namespace of its own).
//! * [`Netns`]: a host that is only a network stack, for tests that need no more than a process in it.
//! * [`Host`]: a host with systemd, journal and D-Bus, booted from an overlay of this machine's file system.
//! * [`Capture`]: every frame on a segment, decoded by Wireshark's dissectors: a second opinion on what we send.
//! * [`Account`]: what processes cost, with all that they start.
//! * [`scenario`]: two hosts with one shared address, and the play the project exists for.
//!
//! Everything cleans up when it is dropped, also when a test panics. What a killed process leaves behind is found by
//! its owner's identity and removed by [`sweep()`], which the first object of every process does by itself.
//!
//! Needs root, and the programs that [`require()`] names.

mod account;
mod address_watch;
mod capture;
mod command;
mod error;
mod host;
pub mod keepalived;
mod netns;
mod owner;
mod requirements;
pub mod scenario;
mod segment;
mod sweep;
mod wait;

pub use account::{Account, memory};
pub use address_watch::{AddressChange, AddressWatch};
pub use capture::frame::{
    Advertisement, Arp, Checksum, Frame, Ip, NeighbourAdvertisement, Payload,
};
pub use capture::{Capture, Recording, Vrrpv3Checksum};
pub use command::Output;
pub use error::{Error, Result};
pub use host::journal::{Cursor, JournalEntry, JournalEvent};
pub use host::process::HostProcess;
pub use host::{Host, UnitState};
pub use netns::{Netns, Process};
pub use requirements::{Missing, REQUIREMENTS, Requirement, missing, require};
pub use rustix::process::Signal;
pub use segment::{Port, Segment};
pub use sweep::{sweep, sweep_own};
pub use wait::wait_until;
