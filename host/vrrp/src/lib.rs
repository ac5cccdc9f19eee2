//! The Virtual Router Redundancy Protocol without I/O: packets, timers, state machine and tracking.
//!
//! [`Router`] is a VRRP Router in the sense of RFC 9568: all virtual routers of one host.
//! Time and bytes are arguments, what is to be done comes back as [`Action`]s:
//!
//! 1. feed what happened with [`Router::handle`], or that a deadline has passed with [`Router::handle_timeout`];
//! 2. drain [`Router::poll_action`] and perform the actions in that order;
//! 3. ask [`Router::poll_timeout`] when to come back.
//!
//! Nothing here reads a clock, opens a socket, or can fail at run time.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod action;
mod authentication;
mod checksum;
mod config;
mod counters;
mod discard;
mod event;
mod forecast;
mod group;
mod instance;
mod outbox;
pub mod packet;
mod router;
mod status;
#[cfg(test)]
mod testing;
mod time;
mod timers;
mod track;
mod validate;

pub use action::{
    Action, Advertise, CheckChange, Difference, GroupTransition, Reason, Standing, State,
    Transition,
};
pub use authentication::{
    Authentication, AuthenticationError, AuthenticationFailure, Hmac, Key, KeyId, KeyLength, Mode,
    Password, Sequence, Signer, Signing,
};
pub use config::{
    AnnounceConfig, CheckConfig, CheckId, ChecksumForm, Family, GroupId, InstanceConfig,
    InstanceId, InterfaceId, InterfaceTrack, OnError, OnFail, Peers, RouterConfig, SyncGroup,
    Track, Version, VirtualAddress, VirtualRouterId,
};
pub use counters::{AuthenticationCounters, GlobalCounters, InstanceCounters};
pub use discard::Discard;
pub use event::{AddressChange, Command, Event, Link, Outcome, Packet, Report};
pub use forecast::{Forecast, Rival, Takeover};
pub use instance::release_packets;
pub use router::Router;
pub use status::{
    CheckStatus, Deadline, InstanceStatus, InterfaceStatus, Progress, TrackStatus, Why,
};
pub use time::{Instant, UnixTime};
pub use timers::{active_down_interval, skew_time};
pub use track::UNKNOWN_WEIGHT;
pub use validate::{CheckError, ConfigError, GroupError, InstanceError};
