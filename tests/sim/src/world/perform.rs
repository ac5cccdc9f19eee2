//! What a router wants done, done: the counterpart of `host/daemon/src/router/driver/perform.rs`.

use std::net::IpAddr;
use std::time::Duration;

use vrrp::packet::Advertisement;
use vrrp::{Action, Advertise, InstanceId, Reason, State, Transition, release_packets};

use super::{Happening, Violation, World, name};
use crate::host::{Claim, Doom, address_event};
use crate::marks::Mark;
use crate::network::Parcel;
use crate::rig::Rig;

impl World {
    /// Performs the actions in their order, unless the host ends in the middle of it. A new action is done here.
    pub(super) fn perform(&mut self, host: usize, actions: Vec<Action>) -> Result<(), Violation> {
        let doom = self.hosts[host].router.as_mut().and_then(|router| {
            if actions.is_empty() {
                None
            } else {
                router.doom.take()
            }
        });
        let last = actions.len().saturating_sub(1);
        for (number, action) in actions.into_iter().enumerate() {
            if let Some((after, doom)) = doom
                && after.min(last) == number
            {
                match doom {
                    Doom::Crash => {
                        self.mark(Mark::CrashMidway);
                        self.crash(host);
                    }
                    Doom::Kill => {
                        self.mark(Mark::KillMidway);
                        self.kill(host);
                    }
                }
                return Ok(());
            }
            self.perform_one(host, action);
        }
        Ok(())
    }

    fn perform_one(&mut self, host: usize, action: Action) {
        match action {
            Action::Advertise(advertise) => {
                self.timeline.note(
                    self.now,
                    name(host),
                    format_args!(
                        "VI_{} advertises priority {}",
                        advertise.instance.0, advertise.priority
                    ),
                );
                self.send(host, advertise);
            }
            Action::Claim(instance) => self.claim(host, instance),
            Action::Release(instance) => {
                if self.rig != Rig::KeepsAddresses {
                    self.hosts[host].claimed.remove(&instance);
                }
            }
            Action::StateChanged(transition) => {
                self.mark(Mark::of_state(transition.after));
                self.mark(Mark::of_reason(transition.reason));
                self.timeline.note(
                    self.now,
                    name(host),
                    format_args!(
                        "VI_{} {} -> {} at priority {}: {:?}",
                        transition.instance.0,
                        transition.before,
                        transition.after,
                        transition.priority,
                        transition.reason
                    ),
                );
                if !is_election(&transition) {
                    self.rivals.note_change(self.now, transition.instance);
                }
                self.transitions.push((host, self.now, transition));
            }
            Action::PriorityChanged {
                instance,
                before,
                after,
                reason,
            } => {
                self.mark(Mark::PriorityChanged);
                self.mark(Mark::of_reason(reason));
                self.timeline.note(
                    self.now,
                    name(host),
                    format_args!("VI_{} priority {before} -> {after}: {reason:?}", instance.0),
                );
            }
            Action::CheckChanged(change) => {
                if let Some(mark) = Mark::of_standing(change.after) {
                    self.mark(mark);
                }
                self.timeline.note(
                    self.now,
                    name(host),
                    format_args!("check {} is {:?}", change.check.0, change.after),
                );
            }
            Action::GroupChanged(transition) => {
                self.mark(Mark::of_group(transition.after));
                self.timeline.note(
                    self.now,
                    name(host),
                    format_args!(
                        "group {} {} -> {}",
                        transition.group.0, transition.before, transition.after
                    ),
                );
            }
            Action::PeerDiffers { .. } => self.mark(Mark::PeerDiffers),
            Action::Announce { .. } | Action::Discarded { .. } => {}
        }
    }

    /// Sends to every other host on the link.
    fn send(&mut self, from: usize, advertise: Advertise) {
        let advertise = if self.rig == Rig::WrongPriority {
            with_wrong_priority(advertise)
        } else {
            advertise
        };
        if advertise.priority == 0 {
            self.mark(Mark::PriorityZero);
        }
        self.mark(
            match (advertise.payload[0] >> 4, advertise.source.is_ipv4()) {
                (2, _) => Mark::Version2,
                (_, true) => Mark::Version3Ipv4,
                (_, false) => Mark::Version3Ipv6,
            },
        );
        if let Some(claim) = self.hosts[from].claimed.get_mut(&advertise.instance) {
            claim.source = advertise.source;
        }
        if !advertise.destination.is_multicast() {
            self.mark(Mark::Unicast);
        }
        let interface = advertise.interface;
        let up = self.hosts[from].links[interface.0 as usize].up;
        let hops = if advertise.destination.is_multicast() {
            0
        } else {
            self.plan.hops
        };
        let wall = self.hosts[from].wall(self.now);
        let mut payload = Vec::new();
        let signer = &mut self.hosts[from].signer;
        signer.write(&advertise, wall, &mut payload);
        if advertise.signing.is_some() {
            self.marks.hit(Mark::Signed);
        }
        if advertise.payload[0] >> 4 == 2 && advertise.payload[4] == 1 {
            self.marks.hit(Mark::Password);
        }
        let parcel = Parcel::new(self.now, from, &advertise, payload.into(), hops);
        for to in 0..self.hosts.len() {
            if to == from || !self.is_for(&advertise, to) {
                continue;
            }
            if !self.reaches(&advertise, to) {
                self.network.disturb(self.now, interface, from, to);
                continue;
            }
            if !up {
                self.network.disturb(self.now, interface, from, to);
                continue;
            }
            if self.rig == Rig::SilentCut && (from, to) == (0, 1) {
                continue;
            }
            for (at, parcel) in self.network.carry(&parcel, to, &mut self.marks) {
                self.schedule(at, Happening::Arrival { to, parcel });
            }
        }
        if up && let Some(at) = self.network.reflect(self.now, &mut self.marks) {
            self.schedule(at, Happening::Arrival { to: from, parcel });
        }
    }

    /// Whether an advertisement is for a host, which may have lost its address.
    fn is_for(&self, advertise: &Advertise, to: usize) -> bool {
        let sources = self.hosts[to].plan.sources[advertise.interface.0 as usize];
        let own: [IpAddr; 2] = [sources.first.0.into(), sources.first.1.into()];
        advertise.destination.is_multicast() || own.contains(&advertise.destination)
    }

    /// Whether a host has the address that an advertisement is for, or any may read it.
    fn reaches(&self, advertise: &Advertise, to: usize) -> bool {
        let link = self.hosts[to].links[advertise.interface.0 as usize];
        let own = [
            link.primary.map(IpAddr::V4),
            link.link_local.map(IpAddr::V6),
        ];
        advertise.destination.is_multicast() || own.contains(&Some(advertise.destination))
    }

    fn claim(&mut self, host: usize, instance: InstanceId) {
        assert_ne!(self.rig, Rig::Panics, "the rig says so");
        if self.rig == Rig::NeverClaims {
            return;
        }
        self.hosts[host].generation += 1;
        let generation = self.hosts[host].generation;
        let router = self.hosts[host].router.as_ref();
        let moment = router.and_then(|router| router.watched.moment(instance));
        // An Active instance has an address to send from.
        let Some(source) = moment.and_then(|moment| moment.source) else {
            return;
        };
        let claim = Claim { generation, source };
        self.hosts[host].claimed.insert(instance, claim);
        for address in self.addresses(host, instance) {
            let at = self.now + self.draw.between(Duration::ZERO, self.plan.calm.netlink);
            let configured = Happening::Configured {
                host,
                generation,
                instance,
                address,
            };
            self.schedule(at, configured);
        }
    }

    /// Somebody removes the addresses of an instance, and the host puts them back.
    pub(super) fn steal(&mut self, host: usize, instance: InstanceId) {
        let Some(claim) = self.hosts[host].claimed.get(&instance).copied() else {
            return;
        };
        self.mark(Mark::Theft);
        self.timeline.note(
            self.now,
            name(host),
            format_args!("VI_{} loses its addresses to somebody", instance.0),
        );
        for address in self.addresses(host, instance) {
            let wake = self.notice();
            self.hosts[host].news(address_event(instance, address, false), wake);
            let at = self.now + self.draw.between(Duration::ZERO, self.plan.calm.netlink);
            let configured = Happening::Configured {
                host,
                generation: claim.generation,
                instance,
                address,
            };
            self.schedule(at, configured);
        }
    }

    fn addresses(&self, host: usize, instance: InstanceId) -> Vec<IpAddr> {
        let instances = &self.plan.hosts[host].config.instances;
        let config = instances.iter().find(|(id, _)| *id == instance);
        let addresses = config.map(|(_, config)| config.addresses.iter());
        addresses
            .into_iter()
            .flatten()
            .map(|address| address.address)
            .collect()
    }

    /// Acts for a dead router, as `host/daemon/src/supervisor/guardian.rs` does.
    pub(super) fn give_away(&mut self, host: usize) {
        for (instance, claim) in std::mem::take(&mut self.hosts[host].claimed) {
            let instances = &self.plan.hosts[host].config.instances;
            if let Some((_, config)) = instances.iter().find(|(id, _)| *id == instance) {
                let releases = release_packets(instance, config, claim.source);
                self.mark(Mark::GuardianSpoke);
                self.timeline.note(
                    self.now,
                    name(host),
                    format_args!("VI_{} is given away by the supervisor", instance.0),
                );
                for release in releases {
                    self.send(host, release);
                }
            }
        }
    }

    /// Starts a host's router.
    ///
    /// # Errors
    /// A promise that is broken at once.
    pub fn boot(&mut self, host: usize) -> Result<(), Violation> {
        if let Some(router) = &self.hosts[host].router {
            if router.watched.is_stopping() {
                // It has to end first.
                self.schedule(self.now + self.plan.unit, Happening::Boot { host });
            }
            return Ok(());
        }
        self.give_away(host);
        self.timeline
            .note(self.now, name(host), format_args!("starts"));
        self.mark(Mark::of_state(State::Initialize));
        let links_first = self.draw.chance(300);
        let result = self.hosts[host].boot(self.now, links_first, self.rig);
        let actions = result.map_err(|breach| self.violation(host, breach))?;
        self.perform(host, actions)?;
        for interface in (0..).map(vrrp::InterfaceId).take(self.plan.interfaces) {
            self.tell_link(host, interface);
        }
        Ok(())
    }

    pub(super) fn tell_link(&mut self, host: usize, interface: vrrp::InterfaceId) {
        let at = self.now + self.draw.between(Duration::ZERO, self.plan.calm.netlink);
        self.schedule(at, Happening::LinkNews { host, interface });
    }
}

/// Whether a state changed because of other routers, rather than because of the host's own condition.
fn is_election(transition: &Transition) -> bool {
    match transition.reason {
        // The election of another member.
        Reason::SyncGroup(_) => {
            (transition.before, transition.after) == (State::Active, State::Backup)
        }
        Reason::ActiveDown(_)
        | Reason::ActiveReleased(_)
        | Reason::Preempting { .. }
        | Reason::HigherPriority { .. } => true,
        Reason::Startup
        | Reason::Shutdown
        | Reason::Owner
        | Reason::LinkDown
        | Reason::LinkUp
        | Reason::NoPrimaryAddress
        | Reason::PrimaryAddress
        | Reason::CheckDown(_)
        | Reason::CheckUp(_)
        | Reason::CheckUnknown(_)
        | Reason::CheckWeight(_)
        | Reason::InterfaceDown(_)
        | Reason::InterfaceUp(_)
        | Reason::Late(_)
        | Reason::Command(_)
        | Reason::Reconfigured => false,
    }
}

/// What the rig with that name sends.
fn with_wrong_priority(advertise: Advertise) -> Advertise {
    let Advertise {
        source,
        destination,
        ref payload,
        ..
    } = advertise;
    match Advertisement::parse(payload, source, destination) {
        Ok(mut parsed) if parsed.priority > 0 => {
            parsed.priority = 255 - parsed.priority.min(254);
            Advertise {
                payload: parsed.emit(source, destination).into(),
                priority: parsed.priority,
                ..advertise
            }
        }
        Ok(_) | Err(_) => advertise,
    }
}
