//! When the addresses of an Active router are announced again (gratuitous ARP, unsolicited NA).

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::outbox::Outbox;
use crate::{AnnounceConfig, InstanceId, Instant, InterfaceId};

/// Announcements that are still to come, of addresses that are there.
#[derive(Debug, Default)]
pub(super) struct Announcements(Vec<Due>);

#[derive(Clone, Copy, Debug)]
struct Due {
    at: Instant,
    address: IpAddr,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A burst that was put off as a whole, for those who missed the first one.
    Second,
    /// The next of the regular ones.
    Refresh,
    /// One that had to wait for its turn on the interface.
    Delayed,
}

/// Whose addresses are announced where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announcer {
    pub(super) instance: InstanceId,
    pub(super) interface: InterfaceId,
    pub(super) config: AnnounceConfig,
}

impl Announcements {
    /// The address is there from now on.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        address: IpAddr,
        announcer: Announcer,
        out: &mut Outbox,
    ) {
        self.cancel(address);
        self.burst(now, address, announcer, out);
        let config = announcer.config;
        for (delay, kind) in [
            (config.delay, Kind::Second),
            (config.refresh, Kind::Refresh),
        ] {
            if !delay.is_zero() {
                let at = now + delay;
                self.0.push(Due { at, address, kind });
            }
        }
    }

    /// The address is not there any more.
    pub(super) fn cancel(&mut self, address: IpAddr) {
        self.0.retain(|due| due.address != address);
    }

    pub(super) fn timeout(&mut self, now: Instant, announcer: Announcer, out: &mut Outbox) {
        // What this adds is due later.
        let mut index = 0;
        while let Some(Due { at, address, kind }) = self.0.get(index).copied() {
            if at > now {
                index += 1;
                continue;
            }
            self.0.remove(index);
            match kind {
                Kind::Second => self.burst(now, address, announcer, out),
                Kind::Refresh => {
                    self.announce(now, address, announcer, out);
                    // Counted from when it was due, but a stall is no reason to catch up.
                    let next = at + announcer.config.refresh;
                    let at = if next > now {
                        next
                    } else {
                        now + announcer.config.refresh
                    };
                    self.0.push(Due { at, address, kind });
                }
                // Its turn was reserved.
                Kind::Delayed => out.push(crate::Action::Announce {
                    instance: announcer.instance,
                    address,
                }),
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.iter().map(|due| due.at).min()
    }

    fn burst(&mut self, now: Instant, address: IpAddr, announcer: Announcer, out: &mut Outbox) {
        for _ in 0..announcer.config.repeat.get() {
            self.announce(now, address, announcer, out);
        }
    }

    fn announce(&mut self, now: Instant, address: IpAddr, announcer: Announcer, out: &mut Outbox) {
        let min_interval = announcer.config.min_interval;
        let what = (announcer.instance, address);
        if let Err(at) = out.announce(now, announcer.interface, min_interval, what) {
            let kind = Kind::Delayed;
            self.0.push(Due { at, address, kind });
        }
    }
}
