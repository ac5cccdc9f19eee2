//! The address of each node: given, said, or known from whom the others speak to.

use std::net::IpAddr;

use crate::import::draft::{NodeDraft, Told};

/// The address of each node, as far as it is known.
pub(super) fn of(nodes: &[NodeDraft], given: &[Option<IpAddr>]) -> Vec<Option<IpAddr>> {
    let said = |node: &NodeDraft| node.address.as_ref().map(|told| told.value);
    let given = given.iter().copied().chain(std::iter::repeat(None));
    let mut addresses: Vec<Option<IpAddr>> = Vec::new();
    for (node, given) in nodes.iter().zip(given) {
        // Two nodes of one address are none.
        let address = given
            .or_else(|| said(node))
            .filter(|it| !addresses.contains(&Some(*it)));
        addresses.push(address);
    }
    addresses
}

/// A node that does not say its address is the one that every other node speaks to, and it does not.
pub(super) fn infer(nodes: &mut [NodeDraft], given: &[Option<IpAddr>]) {
    for index in 0..nodes.len() {
        let known = of(nodes, given);
        if known[index].is_some() {
            continue;
        }
        let peers = |node: &NodeDraft| -> Vec<IpAddr> {
            let instances = node.instances.iter();
            instances
                .filter_map(|instance| instance.peers.as_ref())
                .flat_map(|peers| peers.peers.clone())
                .collect()
        };
        let own = peers(&nodes[index]);
        let mut others = nodes
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index);
        let Some((_, first)) = others.next() else {
            return;
        };
        let place = first
            .instances
            .iter()
            .find_map(|it| Some(it.peers.as_ref()?.place));
        let mut candidates = peers(first);
        for (_, other) in others {
            let theirs = peers(other);
            candidates.retain(|it| theirs.contains(it));
        }
        candidates.retain(|it| !own.contains(it) && !known.contains(&Some(*it)));
        candidates.sort_unstable();
        candidates.dedup();
        if let ([address], Some(place)) = (&candidates[..], place) {
            nodes[index].address = Some(Told::new(*address, place));
        }
    }
}
