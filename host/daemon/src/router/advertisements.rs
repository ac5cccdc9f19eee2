//! Advertisements between the core and the wire: those of one turn that go out of one socket are sent together.

use std::io;
use std::net::IpAddr;

use smallvec::SmallVec;
use tracing::debug;
use vrrp::{Advertise, InterfaceId};
use vrrp_linux::socket::Outgoing;

use super::interfaces::Interfaces;

/// So many are sent together at most, so that the first does not wait for hundreds to be prepared.
const TOGETHER: usize = 32;

/// What is to be sent, in the order of the core. Its room is kept from turn to turn.
#[derive(Debug, Default)]
pub(super) struct Advertisements {
    waiting: Vec<Waiting>,
    bytes: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
struct Waiting {
    /// Out of which interface, and from which MAC when it is not the interface's own.
    way: (InterfaceId, Option<[u8; 6]>),
    source: IpAddr,
    destination: IpAddr,
    /// How many of the bytes are its.
    length: usize,
}

impl Advertisements {
    /// Takes one in, as `write` appends it.
    pub(super) fn push(
        &mut self,
        advertise: &Advertise,
        mac: Option<[u8; 6]>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let before = self.bytes.len();
        write(&mut self.bytes);
        self.waiting.push(Waiting {
            way: (advertise.interface, mac),
            source: advertise.source,
            destination: advertise.destination,
            length: self.bytes.len() - before,
        });
    }

    /// Whether those that wait should go before another one is taken in.
    pub(super) fn are_enough(&self) -> bool {
        self.waiting.len() >= TOGETHER
    }

    /// Sends everything.
    pub(super) fn send(&mut self, interfaces: &Interfaces) {
        let mut bytes = &self.bytes[..];
        let mut next = |waiting: &Waiting| {
            let (payload, rest) = bytes.split_at_checked(waiting.length).unwrap_or_default();
            bytes = rest;
            Outgoing {
                source: waiting.source,
                destination: waiting.destination,
                payload,
            }
        };
        let is_together = |one: &Waiting, other: &Waiting| {
            one.way == other.way && one.source.is_ipv4() == other.source.is_ipv4()
        };
        for group in self.waiting.chunk_by(is_together) {
            let datagrams: SmallVec<[_; TOGETHER]> = group.iter().map(&mut next).collect();
            let Some(Waiting { way: (id, mac), .. }) = group.first() else {
                continue;
            };
            if let Some(interface) = interfaces.get(*id) {
                // The peers will notice the silence; the link event that explains it is on its way.
                let failed = |error: io::Error| {
                    debug!(interface = interface.name, %error, "sending an advertisement failed");
                };
                interface.send(*mac, &datagrams, failed);
            }
        }
        self.waiting.clear();
        self.bytes.clear();
    }
}
