//! What an Active router says.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::outbox::Outbox;
use crate::packet::{Advertisement, MULTICAST_IPV4, MULTICAST_IPV6};
use crate::{Action, Advertise, InstanceConfig, InstanceCounters, InstanceId, Peers};

/// The advertisements with priority 0 that give the addresses of an instance away, one for each destination.
///
/// A Router makes its own. These are for whoever must speak for a router that died: they go out from the same `source`.
pub fn release_packets(
    instance: InstanceId,
    config: &InstanceConfig,
    source: IpAddr,
) -> Vec<Advertise> {
    advertise(instance, config, source, 0)
}

/// One advertisement for each destination: a checksum may cover it.
pub(super) fn advertise(
    instance: InstanceId,
    config: &InstanceConfig,
    source: IpAddr,
    priority: u8,
) -> Vec<Advertise> {
    let advertisement = Advertisement {
        version: config.version,
        virtual_router_id: config.virtual_router_id,
        priority,
        interval: config.advertisement_interval,
        checksum: config.checksum,
        addresses: config
            .addresses
            .iter()
            .map(|address| address.address)
            .collect(),
        password: config.authentication.password().cloned(),
    };
    let signing = config.authentication.signing();
    let to = |destination: IpAddr| Advertise {
        instance,
        interface: config.interface,
        source,
        destination,
        payload: Arc::from(advertisement.emit(source, destination)),
        priority,
        signing: signing.clone(),
    };
    match (&config.peers, source) {
        (Peers::Multicast { .. }, IpAddr::V4(_)) => vec![to(IpAddr::V4(MULTICAST_IPV4))],
        (Peers::Multicast { .. }, IpAddr::V6(_)) => vec![to(IpAddr::V6(MULTICAST_IPV6))],
        (Peers::Unicast { peers, .. }, _) => peers.iter().copied().map(to).collect(),
    }
}

/// Sends advertisements that say the same to every destination; they count as one.
pub(super) fn send(adverts: &[Advertise], counters: &mut InstanceCounters, out: &mut Outbox) {
    counters.advertisement_sent += 1;
    if adverts.first().is_some_and(|advert| advert.priority == 0) {
        counters.priority_zero_pkts_sent += 1;
    }
    for advert in adverts {
        out.push(Action::Advertise(advert.clone()));
    }
}
