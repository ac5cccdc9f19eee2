//! The cluster file in virtual time: the real core of every node, on one thread, without root, sockets or modules.
//!
//! What a node is made from comes the way it comes to a daemon: the checked file, the supervisor's set-up, the messages to its
//! router, the core's configuration. The core's own deadlines drive the clock ([`vrrp::Router::poll_timeout`]); a reason is put
//! into words by the router's own code, and hooks are found by the supervisor's. What is simulated is the rest:
//!
//! * [`scene`]: the nodes, which of their interfaces share a link, and addresses where the file has none;
//! * [`world`]: a queue of what happens, ordered by time; each datagram is on its way for [`world::LATENCY`];
//! * [`script`]: the events of the command line;
//! * [`report`] and [`picture`]: what is shown of it;
//! * [`what_if`]: every single failure, one after the other.
//!
//! Checks end as the command line says and take no time, hooks are called and do nothing, addresses are there at once.

mod act;
mod node;
mod owners;
mod picture;
mod report;
mod scene;
mod script;
#[cfg(test)]
mod tests;
mod timeline;
mod what_if;
mod world;

pub(crate) use picture::draw;
pub(crate) use report::{Report, text};
pub(crate) use scene::Scene;
pub(crate) use script::read;
pub(crate) use what_if::WhatIf;
pub(crate) use world::World;
