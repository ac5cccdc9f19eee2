//! The interfaces that a virtual router depends on: its own, and others that it tracks.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::config::Family;
use crate::track::contribution;
use crate::{
    InstanceConfig, Instant, InterfaceId, InterfaceStatus, InterfaceTrack, Link, OnFail, Peers,
    Standing,
};

/// What is known of the interfaces.
#[derive(Debug)]
pub(super) struct Links {
    own: Watched,
    /// The latest news of the own interface, with the addresses to send from.
    latest: Option<Link>,
    others: Vec<Watched>,
}

/// An interface, as patiently as its news are taken.
#[derive(Clone, Copy, Debug)]
struct Watched {
    track: InterfaceTrack,
    /// What it counts as; `None` before the first news.
    up: Option<bool>,
    /// The news differ from that, and count from this instant on unless they change back.
    change_at: Option<Instant>,
}

/// What changed about an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LinkChange {
    pub(super) interface: InterfaceId,
    /// Whether it is the instance's own.
    pub(super) own: bool,
    pub(super) up: bool,
    /// It went down, and the addresses are to be given away for it.
    pub(super) release: bool,
}

impl Links {
    pub(super) fn new(config: &InstanceConfig) -> Self {
        let is_own = |track: &&InterfaceTrack| track.interface == config.interface;
        let implicit = InterfaceTrack {
            interface: config.interface,
            on_fail: OnFail::Fault,
            up_delay: Duration::ZERO,
            down_delay: Duration::ZERO,
        };
        let own = config.interfaces.iter().find(is_own);
        Self {
            own: Watched::new(own.copied().unwrap_or(implicit)),
            latest: None,
            others: config
                .interfaces
                .iter()
                .filter(|track| !is_own(track))
                .map(|track| Watched::new(*track))
                .collect(),
        }
    }

    /// Whether the instance depends on the interface.
    pub(super) fn contain(&self, interface: InterfaceId) -> bool {
        self.all()
            .any(|watched| watched.track.interface == interface)
    }

    /// Takes in the state of an interface. Returns what counts from now on, if it is something else than before.
    pub(super) fn update(&mut self, now: Instant, link: Link) -> Option<LinkChange> {
        let own = link.interface == self.own.track.interface;
        if own {
            self.latest = Some(link);
        }
        let watched = self
            .all_mut()
            .find(|watched| watched.track.interface == link.interface)?;
        if !watched.see(now, link.up) {
            return None;
        }
        self.change(link.interface)
    }

    /// The next change whose delay is over.
    pub(super) fn timeout(&mut self, now: Instant) -> Option<LinkChange> {
        let due = self
            .all_mut()
            .find(|watched| watched.change_at.is_some_and(|at| at <= now))?;
        due.change();
        let interface = due.track.interface;
        self.change(interface)
    }

    /// When the next change counts.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.all().filter_map(|watched| watched.change_at).min()
    }

    /// Whether the own interface counts as up; `None` before the first news.
    pub(super) fn own_up(&self) -> Option<bool> {
        self.own.up
    }

    /// The address to send from.
    pub(super) fn source(&self, family: Family, peers: &Peers) -> Option<IpAddr> {
        let link = self.latest?;
        if let Peers::Unicast {
            source: Some(source),
            ..
        } = peers
        {
            return link.known_as.filter(|known_as| known_as == source);
        }
        match family {
            Family::V4 => link.primary.map(IpAddr::V4),
            Family::V6 => link.link_local.map(IpAddr::V6),
        }
    }

    /// A tracked interface whose loss keeps the instance in FAULT.
    pub(super) fn fault(&self) -> Option<InterfaceId> {
        let lost = |watched: &&Watched| {
            watched.track.on_fail == OnFail::Fault && watched.up == Some(false)
        };
        Some(self.others.iter().find(lost)?.track.interface)
    }

    /// Whether there are no news yet of a tracked interface whose loss would be a FAULT.
    pub(super) fn awaited(&self) -> bool {
        self.others
            .iter()
            .any(|watched| watched.track.on_fail == OnFail::Fault && watched.up.is_none())
    }

    /// What all tracked interfaces together add to the priority.
    pub(super) fn weight(&self) -> i32 {
        self.others.iter().map(Watched::weight).sum()
    }

    pub(super) fn status(&self) -> Vec<InterfaceStatus> {
        let status = |watched: &Watched| InterfaceStatus {
            interface: watched.track.interface,
            on_fail: watched.track.on_fail,
            up: watched.up,
            weight: watched.weight(),
        };
        self.others.iter().map(status).collect()
    }

    /// Keeps what is known of each interface that `config` names too.
    pub(super) fn reconfigure(&mut self, config: &InstanceConfig) {
        let mut next = Self::new(config);
        for watched in next.all_mut() {
            let known = self
                .all()
                .find(|known| known.track.interface == watched.track.interface);
            if let Some(known) = known {
                watched.up = known.up;
                watched.change_at = known.change_at;
            }
        }
        if next.own.track.interface == self.own.track.interface {
            next.latest = self.latest;
        }
        *self = next;
    }

    fn all(&self) -> impl Iterator<Item = &Watched> {
        core::iter::once(&self.own).chain(&self.others)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Watched> {
        core::iter::once(&mut self.own).chain(&mut self.others)
    }

    fn change(&self, interface: InterfaceId) -> Option<LinkChange> {
        let watched = self
            .all()
            .find(|watched| watched.track.interface == interface)?;
        let up = watched.up?;
        Some(LinkChange {
            interface,
            own: interface == self.own.track.interface,
            up,
            release: !up && watched.track.on_fail == OnFail::Release,
        })
    }
}

impl Watched {
    fn new(track: InterfaceTrack) -> Self {
        Self {
            track,
            up: None,
            change_at: None,
        }
    }

    /// True when the news count at once and differ from before.
    fn see(&mut self, now: Instant, up: bool) -> bool {
        let delay = if up {
            self.track.up_delay
        } else {
            self.track.down_delay
        };
        if self.up == Some(up) {
            self.change_at = None;
            return false;
        }
        if self.up.is_none() || delay.is_zero() {
            self.up = Some(up);
            self.change_at = None;
            return true;
        }
        self.change_at.get_or_insert(now + delay);
        false
    }

    fn change(&mut self) {
        self.change_at = None;
        self.up = self.up.map(|up| !up);
    }

    fn weight(&self) -> i32 {
        let standing = match self.up {
            None => Standing::Pending,
            Some(true) => Standing::Up,
            Some(false) => Standing::Down,
        };
        contribution(self.track.on_fail, standing, 0)
    }
}
