//! From a datagram to the virtual router that it is for (RFC 9568 §7.1), and what it is counted as otherwise.

use super::{OnWire, Router};
use crate::authentication::{Received, TRAILER_LEN, Trailer};
use crate::config::Family;
use crate::packet::{Advertisement, TTL, covered, peek_virtual_router_id, split_trailer};
use crate::{
    Action, Authentication, Discard, InstanceId, Instant, Packet, Peers, Reason, VirtualRouterId,
};

impl Router {
    pub(super) fn packet(&mut self, now: Instant, packet: &Packet<'_>) {
        let Err(discard) = self.receive(now, packet) else {
            return;
        };
        let discard = self.count(packet, discard);
        self.out.push(Action::Discarded {
            interface: packet.interface,
            source: packet.source,
            discard,
        });
    }

    fn receive(&mut self, now: Instant, packet: &Packet<'_>) -> Result<(), Discard> {
        if packet.ttl.is_none_or(|ttl| ttl < self.min_ttl(packet)) {
            return Err(Discard::Ttl(packet.ttl));
        }
        let (message, trailer) = self.split(packet);
        let covered = covered(message, packet.payload, packet.source);
        let header = (packet.source, packet.destination);
        let addresses = core::mem::take(&mut self.scratch.addresses);
        let advertisement = Advertisement::parse_covered(message, covered, header, addresses)?;
        let result = self.receive_parsed(now, packet, &advertisement, (message, trailer));
        self.scratch.addresses = advertisement.addresses;
        result
    }

    fn receive_parsed(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        advertisement: &Advertisement,
        (message, trailer): (&[u8], Option<&[u8; TRAILER_LEN]>),
    ) -> Result<(), Discard> {
        let on_wire = on_wire(packet, advertisement.virtual_router_id);
        let id = self.find(on_wire)?;
        let Some(instance) = self.instances.get_mut(&id) else {
            return Ok(());
        };
        let was_active = instance.is_active();
        let received = Received {
            source: packet.source,
            advertisement,
            message,
            trailer,
            at: packet.at,
        };
        instance.receive(now, &received, &mut self.out)?;
        if was_active && !instance.is_active() {
            let reason = instance.reason().unwrap_or(Reason::Startup);
            self.align(now, id, reason);
        }
        Ok(())
    }

    /// The message and the trailer behind it. Where no signature is expected, anything else is just too long.
    fn split<'a>(&self, packet: &Packet<'a>) -> (&'a [u8], Option<&'a [u8; TRAILER_LEN]>) {
        let expected = || {
            let id = peek_virtual_router_id(packet.payload)?;
            let instance = self
                .instances
                .get(self.by_wire.get(&on_wire(packet, id))?)?;
            Some(&instance.config().authentication)
        };
        match split_trailer(packet.payload, packet.source) {
            Some((message, trailer))
                if Trailer::is_one(trailer)
                    || matches!(expected(), Some(Authentication::Hmac(_))) =>
            {
                (message, Some(trailer))
            }
            Some(_) | None => (packet.payload, None),
        }
    }

    /// The TTL that a datagram must have at least (RFC 9568 §5.1.1.3). Only peers that are listed can be farther away.
    fn min_ttl(&self, packet: &Packet<'_>) -> u8 {
        let instance = peek_virtual_router_id(packet.payload)
            .and_then(|id| self.by_wire.get(&on_wire(packet, id)))
            .and_then(|id| self.instances.get(id));
        match instance.map(|instance| &instance.config().peers) {
            Some(Peers::Unicast { min_ttl, .. }) => *min_ttl,
            Some(Peers::Multicast { .. }) | None => TTL,
        }
    }

    /// The virtual router that a datagram is for.
    fn find(&self, on_wire: OnWire) -> Result<InstanceId, Discard> {
        if let Some(id) = self.by_wire.get(&on_wire) {
            return Ok(*id);
        }
        let unicast = on_wire.unicast;
        let otherwise = OnWire {
            unicast: !unicast,
            ..on_wire
        };
        if self.by_wire.contains_key(&otherwise) {
            return Err(Discard::Destination { unicast });
        }
        let id = on_wire.virtual_router_id.0.get();
        Err(Discard::VirtualRouterId(id))
    }

    /// Counts a discard and returns it, or an unknown VRID instead of what would only have been looked at after that.
    fn count(&mut self, packet: &Packet<'_>, discard: Discard) -> Discard {
        if let Some(counter) = self.counters.of(discard) {
            *counter += 1;
            return discard;
        }
        let virtual_router_id = peek_virtual_router_id(packet.payload);
        let by_wire = &self.by_wire;
        let instance = virtual_router_id
            .map(|id| on_wire(packet, id))
            .and_then(|on_wire| {
                let unicast = !on_wire.unicast;
                let otherwise = OnWire { unicast, ..on_wire };
                by_wire.get(&on_wire).or_else(|| by_wire.get(&otherwise))
            })
            .and_then(|id| self.instances.get_mut(id));
        if let Some(counter) = instance.and_then(|instance| instance.counters_mut().of(discard)) {
            *counter += 1;
            return discard;
        }
        self.counters.vrid_errors += 1;
        if discard.follows_lookup() {
            Discard::VirtualRouterId(virtual_router_id.map_or(0, |id| id.0.get()))
        } else {
            discard
        }
    }
}

fn on_wire(packet: &Packet<'_>, id: VirtualRouterId) -> OnWire {
    OnWire {
        interface: packet.interface,
        virtual_router_id: id,
        family: Family::of(&packet.source),
        unicast: !packet.destination.is_multicast(),
    }
}
