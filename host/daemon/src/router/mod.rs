//! The router: speaks VRRP and holds the addresses. It is the only process that must never be late.
//!
//! One thread, one loop ([`driver`]), no lock, no executor, no file. Addresses, routes and rules are kept in place by a second
//! thread, which vrrp-linux owns; log lines are handed to a third and dropped when it is behind.

mod advertisements;
mod discards;
mod driver;
mod heartbeat;
mod holdings;
mod interfaces;
mod primary;
mod reason;
mod setup;
mod status;
mod strangers;
mod virtual_macs;
mod vrid_conflicts;

pub(crate) use driver::YIELD_GRACE;
pub(crate) use primary::link_event;
pub(crate) use reason::{describe, describe_difference};
pub(crate) use setup::{Incoming, Piece, Setup, held_addresses, instance_config};

use tracing::warn;
use vrrp_linux::rights::{self, Identity};
use vrrp_linux::role;

use crate::cli::Options;
use crate::exit::Failure;
use crate::ipc::{self, Channel, FromRouter, Outbox, StartFailure};
use crate::logging;

/// Runs the role until the supervisor stops it or dies.
///
/// # Errors
/// When the process was not started by a supervisor, or the channel to it fails.
pub(crate) fn run(options: &Options, parent: u32, identity: Identity) -> Result<(), Failure> {
    let socket = ipc::inherited().map_err(Failure::internal)?;
    rights::become_router(identity).map_err(Failure::internal)?;
    role::die_with_parent(parent).map_err(Failure::internal)?;
    let _log = logging::start(options.log_format);
    let mut channel = Channel::new(socket);

    let (setup, heartbeat) = match setup::receive(&mut channel) {
        Ok(received) => received,
        // The supervisor gave up before it had sent everything: nothing is held, nothing to say.
        Err(ipc::RecvError::Closed) => return Ok(()),
        Err(error) => return Err(Failure::internal(error)),
    };
    run_on(&setup.cpus);
    match driver::Driver::start(channel, setup, heartbeat) {
        Ok(driver) => driver.run().map_err(Failure::internal),
        Err((channel, failure)) => tell_and_end(&channel, failure),
    }
}

/// This thread, and those that it starts from now on.
fn run_on(cpus: &[usize]) {
    if let Err(error) = role::run_on(cpus) {
        warn!(%error, "the router runs on any processor");
    }
}

fn tell_and_end(channel: &Channel, failure: StartFailure) -> Result<(), Failure> {
    Outbox::default()
        .send(channel, &FromRouter::StartFailed(failure))
        .map_err(Failure::internal)
}
