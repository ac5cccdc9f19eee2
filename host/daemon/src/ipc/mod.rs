//! How the processes of the daemon talk: small typed messages over socketpairs.
//!
//! The sockets are SOCK_SEQPACKET: one message is one packet, the death of a side is an end of
//! file for the other. A child finds its end as its standard input, which needs no unsafe code to
//! take over. Messages are closed enums, encoded with postcard; both sides are the same binary, so
//! there is no versioning.

mod authentication;
mod cause;
mod channel;
mod core;
mod passed;
mod router;
mod worker;

pub(crate) use cause::Cause;
pub(crate) use channel::{AsyncChannel, Channel, Outbox, RecvError, inherited, pair};
pub(crate) use passed::Passed;
pub(crate) use router::{
    AuthenticationFailure, CheckProgress, CheckSetup, CheckStanding, FromRouter, GroupChange,
    GroupSetup, InstanceSetup, InstanceStatus, InterfaceSetup, InterfaceState, Report,
    StartFailure, StateChange, ToRouter, TrackSetup, VridConflict,
};
pub(crate) use worker::{
    Asker, BrokerAnswer, BrokerError, BrokerReply, BrokerRequest, CallHook, CommandEnding,
    CommandOutput, FromWorker, HookOutcome, LoadFailure, ModuleSetup, REPEAT_WAITS, Schedule,
    ToWorker, UnitAction, UnitInfo, UnixSocketError, WorkerReport,
};
