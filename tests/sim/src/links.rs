//! A second opinion on interfaces: what each of them counts as for an instance, and since when.

use std::collections::BTreeMap;
use std::time::Duration;

use vrrp::{InstanceConfig, Instant, InterfaceId, InterfaceTrack, Link, OnFail};

/// The interfaces of one instance, as the news say they should count.
///
/// The first news of an interface count at once. Later news that say something else count when they have said so for the
/// interface's delay without a break, and the router was called after that.
#[derive(Clone, Debug)]
pub(crate) struct Links(BTreeMap<InterfaceId, Debounced>);

#[derive(Clone, Copy, Debug)]
struct Debounced {
    track: InterfaceTrack,
    counts: Option<bool>,
    /// When it will count as the opposite.
    turns: Option<Instant>,
}

impl Links {
    pub(crate) fn new(config: &InstanceConfig) -> Self {
        let own = InterfaceTrack {
            interface: config.interface,
            on_fail: OnFail::Fault,
            up_delay: Duration::ZERO,
            down_delay: Duration::ZERO,
        };
        let debounced = |track: &InterfaceTrack| {
            let debounced = Debounced {
                track: *track,
                counts: None,
                turns: None,
            };
            (track.interface, debounced)
        };
        let own = std::iter::once(&own);
        Self(own.chain(&config.interfaces).map(debounced).collect())
    }

    pub(crate) fn news(&mut self, now: Instant, link: Link) {
        let Some(known) = self.0.get_mut(&link.interface) else {
            return;
        };
        let delay = if link.up {
            known.track.up_delay
        } else {
            known.track.down_delay
        };
        match known.counts {
            Some(counts) if counts == link.up => known.turns = None,
            Some(_) if !delay.is_zero() => {
                known.turns.get_or_insert(now + delay);
            }
            Some(_) | None => {
                known.counts = Some(link.up);
                known.turns = None;
            }
        }
    }

    /// What is due counts.
    pub(crate) fn timeout(&mut self, now: Instant) {
        for known in self.0.values_mut() {
            if known.turns.take_if(|at| *at <= now).is_some() {
                known.counts = known.counts.map(|up| !up);
            }
        }
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.0.values().filter_map(|known| known.turns).min()
    }

    /// What an interface counts as; `None` before the first news.
    pub(crate) fn counts(&self, interface: InterfaceId) -> Option<bool> {
        self.0.get(&interface)?.counts
    }

    /// What each interface but the instance's own counts as.
    pub(crate) fn others(
        &self,
        own: InterfaceId,
    ) -> impl Iterator<Item = (InterfaceTrack, Option<bool>)> {
        let others = self.0.values();
        let others = others.filter(move |known| known.track.interface != own);
        others.map(|known| (known.track, known.counts))
    }

    /// The interfaces that are down and make it give its addresses away.
    pub(crate) fn releasing(&self) -> Vec<InterfaceId> {
        let down = |known: &&Debounced| {
            known.track.on_fail == OnFail::Release && known.counts == Some(false)
        };
        let down = self.0.values().filter(down);
        down.map(|known| known.track.interface).collect()
    }
}
