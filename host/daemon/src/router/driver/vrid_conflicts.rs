//! What is said about somebody else who has the number of a virtual router of ours.

use std::net::IpAddr;

use tracing::warn;
use vrrp::InstanceId;

use crate::router::setup::Setup;
use crate::status;

/// Writes the line about `source` and an instance.
pub(super) fn tell_conflict(setup: &Setup, instance: InstanceId, source: IpAddr) {
    if let Some(instance) = setup.instance(instance) {
        let (id, interface) = (instance.virtual_router_id.get(), &instance.interface);
        let words = status::vrid_conflict_words(&source.to_string(), id, interface);
        warn!("{}: {words}", instance.name);
    }
}
