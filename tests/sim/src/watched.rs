//! A router that is watched: what it does is held against what it promises, at every event.

mod gives_way;
mod reconfigure;
mod takes_part;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use vrrp::packet::{Advertisement, TTL};
use vrrp::{
    Action, AddressChange, CheckId, Command, ConfigError, Event, InstanceConfig, InstanceId,
    InstanceStatus, Instant, InterfaceId, Link, Packet, Peers, Router, RouterConfig, Standing,
    State, VirtualRouterId,
};

use crate::breach::{Breach, promise};
use crate::contract::Contract;
use crate::links::Links;
use crate::timers::{Membership, Moment, Timers};

/// A [`Router`] and those who watch it. It is driven like one, and hands out its actions after they were looked at.
#[derive(Debug)]
pub struct Watched {
    router: Router,
    contract: Contract,
    timers: BTreeMap<InstanceId, Timers>,
    links: BTreeMap<InterfaceId, Link>,
    interfaces: BTreeMap<InstanceId, Links>,
    /// Each claimed address that is there.
    present: Vec<(InstanceId, IpAddr)>,
    /// The instances that are not to take part yet, and until when.
    delayed: BTreeMap<InstanceId, Instant>,
    drained: BTreeSet<InstanceId>,
    started: bool,
    stopping: bool,
}

impl Watched {
    /// A router in Initialize.
    ///
    /// # Errors
    /// What the router does not take.
    pub fn new(config: RouterConfig) -> Result<Self, ConfigError> {
        let given = config.clone();
        Self::with_other(config, given)
    }

    /// A router that was given something else than what it is held to.
    pub(crate) fn with_other(
        config: RouterConfig,
        given: RouterConfig,
    ) -> Result<Self, ConfigError> {
        let timers = |(id, instance): &(InstanceId, InstanceConfig)| {
            (*id, Timers::new(instance, membership(&config, *id)))
        };
        let links = |(id, config): &(InstanceId, InstanceConfig)| (*id, Links::new(config));
        Ok(Self {
            contract: Contract::new(&config),
            timers: config.instances.iter().map(timers).collect(),
            router: Router::new(given)?,
            links: BTreeMap::new(),
            interfaces: config.instances.iter().map(links).collect(),
            present: Vec::new(),
            delayed: BTreeMap::new(),
            drained: BTreeSet::new(),
            started: false,
            stopping: false,
        })
    }

    /// Feeds an event and returns what the router wants done.
    ///
    /// # Errors
    /// A promise that is broken.
    pub fn handle(&mut self, now: Instant, event: Event<'_>) -> Result<Vec<Action>, Breach> {
        match event {
            Event::Packet(packet) => return self.packet(now, &packet),
            Event::Address(change) => self.address(&change),
            Event::Startup => self.start(now),
            Event::Shutdown { grace } => {
                // A second one cannot put the first one off, but cut it short.
                if !self.stopping || grace.is_zero() {
                    let timers = self.timers.values_mut();
                    timers.for_each(|timers| timers.stop(grace));
                }
                self.stopping = true;
                self.delayed.clear();
            }
            Event::Command(instance, command) => self.command(instance, command),
            Event::Link(_) | Event::Report(_) => {}
        }
        let cut_short = matches!(event, Event::Shutdown { grace } if grace.is_zero());
        let keepers = if cut_short {
            Vec::new()
        } else {
            self.keepers(now, matches!(event, Event::Shutdown { .. }))
        };
        let actives = self.actives();
        let releasing = self.releasing();
        if let Event::Link(link) = event {
            self.links.insert(link.interface, link);
            let interfaces = self.interfaces.values_mut();
            interfaces.for_each(|links| links.news(now, link));
        }
        self.router.handle(now, event);
        let actions = self.drain(now)?;
        self.check_given_away(&actives, &actions)?;
        self.check_released(&actives, &releasing)?;
        self.check_kept(&keepers)?;
        self.notice_end()?;
        Ok(actions)
    }

    /// Lets the router do what is due and returns what it wants done.
    ///
    /// # Errors
    /// A promise that is broken.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<Vec<Action>, Breach> {
        self.delayed.retain(|_, until| *until > now);
        let actives = self.actives();
        let releasing = self.releasing();
        let interfaces = self.interfaces.values_mut();
        interfaces.for_each(|links| links.timeout(now));
        let keepers = self.keepers(now, false);
        let late = self.late(now);
        self.router.handle_timeout(now);
        let actions = self.drain(now)?;
        self.check_given_away(&actives, &actions)?;
        self.check_released(&actives, &releasing)?;
        self.check_kept(&keepers)?;
        self.check_listens(&late)?;
        self.notice_end()?;
        let asked_for = self.router.poll_timeout();
        promise!(
            asked_for.is_none_or(|deadline| deadline.at > now),
            "{asked_for:?} is left after everything due at {now:?} was done"
        );
        for id in self.timers.keys() {
            let due = self.due_of(*id);
            promise!(
                due.is_none_or(|due| due > now),
                "{id:?} left undone at {now:?} what was due at {due:?}"
            );
            promise!(
                due.is_none_or(|due| asked_for.is_some_and(|deadline| deadline.at <= due)),
                "{id:?} has something due at {due:?}, but the router asks for {asked_for:?}"
            );
        }
        Ok(actions)
    }

    /// When the router wants to be called again.
    pub fn poll_timeout(&self) -> Option<vrrp::Deadline> {
        self.router.poll_timeout()
    }

    /// When something is due at the latest, in the opinion of those who watch.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.timers.keys().filter_map(|id| self.due_of(*id)).min()
    }

    /// An instance as it is now.
    pub fn instance(&self, id: InstanceId) -> Option<InstanceStatus> {
        self.router.instance(id)
    }

    /// What a check counts as now.
    pub(crate) fn standing(&self, id: CheckId) -> Option<Standing> {
        self.router.check(id).map(|status| status.standing)
    }

    /// State, priority and source of an instance.
    pub(crate) fn moment(&self, id: InstanceId) -> Option<Moment> {
        let status = self.router.instance(id)?;
        let config = self.timers.get(&id)?.config();
        Some(Moment {
            state: status.state,
            priority: status.effective_priority,
            source: self.source(config),
            yields: status.yielding,
        })
    }

    fn due_of(&self, id: InstanceId) -> Option<Instant> {
        if !self.started || self.router.is_stopped() {
            return None;
        }
        let priority = self.router.instance(id)?.effective_priority;
        let delayed = self.delayed.get(&id).copied();
        let timer = if self.is_active(id) {
            self.timers.get(&id)?.due(priority)
        } else {
            self.takes_over_at(id)
        };
        let interface = self.interfaces.get(&id)?.due();
        let due = delayed.into_iter().chain(timer).chain(interface);
        due.min()
    }

    /// When a Backup takes over: when the timers of its whole group have expired.
    fn takes_over_at(&self, id: InstanceId) -> Option<Instant> {
        let mut last = None;
        for member in self.contract.company(id) {
            let priority = self.router.instance(*member)?.effective_priority;
            if !self.is_active(*member) {
                last = last.max(Some(self.timers.get(member)?.due(priority)?));
            }
        }
        last
    }

    fn source(&self, config: &InstanceConfig) -> Option<IpAddr> {
        let link = self.links.get(&config.interface)?;
        if let Peers::Unicast {
            source: Some(source),
            ..
        } = config.peers
        {
            return link.known_as.filter(|known_as| *known_as == source);
        }
        match config.addresses.first()?.address {
            IpAddr::V4(_) => link.primary.map(IpAddr::V4),
            IpAddr::V6(_) => link.link_local.map(IpAddr::V6),
        }
    }

    fn packet(&mut self, now: Instant, packet: &Packet<'_>) -> Result<Vec<Action>, Breach> {
        let (source, destination) = (packet.source, packet.destination);
        let parsed = Advertisement::parse_signed(packet.payload, source, destination);
        let target = parsed
            .as_ref()
            .ok()
            .and_then(|parsed| self.find(packet, parsed.virtual_router_id))
            .filter(|id| packet.ttl >= Some(min_ttl(self.timers[id].config())));
        let before = target.and_then(|id| self.moment(id));
        let had_stopped = self.router.is_stopped();
        let late = self.late(now);

        self.router.handle(now, Event::Packet(*packet));
        let actions = self.drain(now)?;
        let discarded = actions
            .iter()
            .any(|action| matches!(action, Action::Discarded { .. }));
        if discarded {
            promise!(actions.len() == 1, "a discarded packet caused {actions:?}");
            return Ok(actions);
        }
        if had_stopped {
            promise!(actions.is_empty(), "a stopped router does {actions:?}");
            return Ok(actions);
        }
        let (Ok(advertisement), Some(id), Some(before)) = (parsed, target, before) else {
            return Err(Breach(format!("{packet:?} was accepted")));
        };
        promise!(
            before.source != Some(packet.source),
            "{id:?} accepted an advertisement of its own"
        );
        let named = match &self.timers[&id].config().peers {
            Peers::Unicast { peers, .. } => Some(peers),
            Peers::Multicast { accept_from } => Some(accept_from).filter(|from| !from.is_empty()),
        };
        promise!(
            named.is_none_or(|named| named.contains(&packet.source)),
            "{id:?} accepted an advertisement from {}, which is none of {named:?}",
            packet.source
        );
        let after = self.moment(id);
        if let (Some(timers), Some(after)) = (self.timers.get_mut(&id), after) {
            timers.heard(
                now,
                packet.source,
                &advertisement,
                before,
                after,
                late.contains(&id),
            )?;
        }
        self.notice_end()?;
        Ok(actions)
    }

    fn find(&self, packet: &Packet<'_>, number: VirtualRouterId) -> Option<InstanceId> {
        let is_multicast = packet.destination.is_multicast();
        let is_it = |config: &InstanceConfig| {
            config.interface == packet.interface
                && config.virtual_router_id == number
                && matches!(config.peers, Peers::Unicast { .. }) != is_multicast
                && config
                    .addresses
                    .first()
                    .is_some_and(|first| first.address.is_ipv4() == packet.source.is_ipv4())
        };
        let mut timers = self.timers.iter();
        timers.find_map(|(id, timers)| is_it(timers.config()).then_some(*id))
    }

    fn address(&mut self, change: &AddressChange) {
        let key = (change.instance, change.address);
        self.present.retain(|present| *present != key);
        if change.present {
            self.present.push(key);
        }
    }

    /// Takes the actions, and holds each and what they come to against every promise.
    fn drain(&mut self, now: Instant) -> Result<Vec<Action>, Breach> {
        let actions = self.take(now)?;
        self.check_settled()?;
        Ok(actions)
    }

    /// Takes the actions, and holds each against every promise.
    fn take(&mut self, now: Instant) -> Result<Vec<Action>, Breach> {
        let mut actions = Vec::new();
        while let Some(action) = self.router.poll_action() {
            promise!(
                self.started || !moves(&action),
                "{action:?} of a router that was not started"
            );
            self.contract.observe(&action)?;
            self.check_advertisement(&action)?;
            if let Action::Announce { instance, address } = &action {
                promise!(
                    self.present.contains(&(*instance, *address)),
                    "{address} is announced before it is there"
                );
            }
            if let Some(timers) = action.instance().and_then(|id| self.timers.get_mut(&id)) {
                timers.observe(now, &action)?;
            }
            if let Action::Release(instance) = &action {
                self.present.retain(|(released, _)| released != instance);
            }
            actions.push(action);
        }
        Ok(actions)
    }

    /// What must hold whenever all actions are taken.
    fn check_settled(&mut self) -> Result<(), Breach> {
        self.contract.settled(&self.router)?;
        for id in self.timers.keys() {
            self.check_takes_part(*id)?;
        }
        Ok(())
    }

    fn actives(&self) -> Vec<InstanceId> {
        let ids = self.timers.keys().copied();
        ids.filter(|id| self.is_active(*id)).collect()
    }

    /// What tracked interfaces add to the priority of an instance, and whether one of them keeps it in FAULT.
    pub(crate) fn interfaces(&self, id: InstanceId) -> Vec<(vrrp::InterfaceTrack, Option<bool>)> {
        let own = self.timers[&id].config().interface;
        self.interfaces[&id].others(own).collect()
    }

    /// The instance, and all others of its sync group.
    pub(crate) fn company(&self, id: InstanceId) -> &[InstanceId] {
        self.contract.company(id)
    }

    /// An advertisement tells the priority and comes from the address that its sender has now (RFC 9568 §5.1.1.1, §5.2.4).
    fn check_advertisement(&self, action: &Action) -> Result<(), Breach> {
        let Action::Advertise(advertise) = action else {
            return Ok(());
        };
        if advertise.priority == 0 {
            return Ok(());
        }
        let now = self.moment(advertise.instance);
        let told = (Some(advertise.priority), Some(advertise.source));
        let actual = (
            now.map(|moment| moment.priority),
            now.and_then(|moment| moment.source),
        );
        promise!(
            told == actual,
            "{:?} advertises {told:?}, but has {actual:?}",
            advertise.instance
        );
        Ok(())
    }

    fn start(&mut self, now: Instant) {
        if self.started {
            return;
        }
        self.started = true;
        for (id, timers) in &self.timers {
            let delay = timers.config().start_delay;
            if !delay.is_zero() {
                self.delayed.insert(*id, now + delay);
            }
        }
    }

    fn command(&mut self, id: InstanceId, command: Command) {
        if self.stopping || !self.timers.contains_key(&id) {
            return;
        }
        for member in self.contract.company(id) {
            match command {
                Command::Drain => {
                    self.drained.insert(*member);
                }
                Command::Undrain => {
                    self.drained.remove(member);
                }
                Command::Release => {}
            }
        }
    }

    /// Takes note of the end of a router that was told to stop: it comes when nothing is kept for a peer any more.
    fn notice_end(&mut self) -> Result<(), Breach> {
        let ends = self.stopping && self.actives().is_empty();
        promise!(
            self.router.is_stopped() == ends,
            "it has stopped: {}, and is to: {ends}",
            self.router.is_stopped()
        );
        if ends {
            self.contract.stop();
        }
        Ok(())
    }

    /// Whether somebody wants another router to have the addresses of an instance.
    pub(crate) fn is_drained(&self, id: InstanceId) -> bool {
        self.drained.contains(&id)
    }

    fn is_owner(&self, id: InstanceId) -> bool {
        self.timers[&id].config().priority.get() == 255 && !self.is_drained(id)
    }

    /// Whether the router was told to stop, and has not yet.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping && !self.router.is_stopped()
    }

    /// Whether the router was told to stop, and has.
    pub(crate) fn has_stopped(&self) -> bool {
        self.router.is_stopped()
    }

    fn yields(&self, id: InstanceId) -> bool {
        self.router
            .instance(id)
            .is_some_and(|status| status.yielding)
    }

    /// Whether an instance is Active and does not give way.
    fn insists(&self, id: InstanceId) -> bool {
        self.is_active(id) && !self.yields(id)
    }

    /// Whether an instance is Active.
    pub(crate) fn is_active(&self, id: InstanceId) -> bool {
        self.router
            .instance(id)
            .is_some_and(|status| status.state == State::Active)
    }
}

/// The TTL that an advertisement must have at least (RFC 9568 §5.1.1.3); listed peers may be farther away.
fn min_ttl(config: &InstanceConfig) -> u8 {
    match config.peers {
        Peers::Unicast { min_ttl, .. } => min_ttl,
        Peers::Multicast { .. } => TTL,
    }
}

/// What an instance is in a sync group.
pub(crate) fn membership(config: &RouterConfig, id: InstanceId) -> Option<Membership> {
    let mut groups = config.groups.iter();
    let (_, group) = groups.find(|(_, group)| group.members.contains(&id))?;
    Some(match group.members.first() {
        Some(first) if *first == id => Membership::First,
        Some(_) | None => Membership::Other,
    })
}

/// Whether an action takes part in the protocol.
fn moves(action: &Action) -> bool {
    match action {
        Action::Advertise(_)
        | Action::Claim(_)
        | Action::Release(_)
        | Action::Announce { .. }
        | Action::StateChanged(_) => true,
        Action::PriorityChanged { .. }
        | Action::GroupChanged(_)
        | Action::CheckChanged(_)
        | Action::Discarded { .. }
        | Action::PeerDiffers { .. } => false,
    }
}
