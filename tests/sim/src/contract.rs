//! What the actions of a router promise, whatever happens and in whatever order.

use std::collections::BTreeMap;
use std::net::IpAddr;

use vrrp::packet::{Advertisement, MULTICAST_IPV4, MULTICAST_IPV6};
use vrrp::{
    Action, Advertise, CheckId, InstanceConfig, InstanceId, InstanceStatus, Peers, Reason, Router,
    Standing, State, Transition,
};

use crate::breach::{Breach, promise};
use crate::together::{Member, Together};

/// What an observer of a router's actions knows about it.
#[derive(Debug)]
pub(crate) struct Contract {
    instances: BTreeMap<InstanceId, Ledger>,
    standings: BTreeMap<CheckId, Standing>,
    together: Together,
    stopped: bool,
}

/// What an observer knows about one instance.
#[derive(Debug)]
struct Ledger {
    config: InstanceConfig,
    state: State,
    claimed: bool,
    sequence: u64,
    /// The priority advertised since the last transition: none yet, or the last one.
    advertised: Option<u8>,
    /// Who it speaks to, each time to all of them and in this order, and to whom last.
    destinations: Vec<IpAddr>,
    last_destination: Option<IpAddr>,
    sent: u64,
    sent_with_priority_zero: u64,
    claims: u64,
    /// The last batch of actions ended with a priority 0, and it is Active still: it yields.
    offered: bool,
    /// Its list of addresses is another one, which it is about to claim.
    claims_again: bool,
}

impl Contract {
    pub(crate) fn new(config: &vrrp::RouterConfig) -> Self {
        let ledger = |(id, config): &(InstanceId, InstanceConfig)| (*id, Ledger::new(config));
        let pending = |(id, _): &(CheckId, _)| (*id, Standing::Pending);
        Self {
            instances: config.instances.iter().map(ledger).collect(),
            standings: config.checks.iter().map(pending).collect(),
            together: Together::new(config),
            stopped: false,
        }
    }

    /// Another configuration begins: what is in it is expected from now on.
    pub(crate) fn begin(&mut self, config: &vrrp::RouterConfig) {
        for (id, config) in &config.instances {
            let known = self.instances.entry(*id);
            let ledger = known.or_insert_with(|| Ledger::new(config));
            ledger.claims_again = ledger.claimed && ledger.config.addresses != config.addresses;
            ledger.config = config.clone();
        }
    }

    /// What is not in it has ended.
    pub(crate) fn end(&mut self, config: &vrrp::RouterConfig) -> Result<(), Breach> {
        let is_there = |id: &InstanceId| config.instances.iter().any(|(other, _)| other == id);
        for (id, ledger) in &self.instances {
            promise!(
                is_there(id) || (ledger.state == State::Initialize && !ledger.claimed),
                "{id:?} is gone, but it was last said to be {}",
                ledger.state
            );
            promise!(
                !ledger.claims_again,
                "{id:?} has another list of addresses and does not claim them"
            );
        }
        self.instances.retain(|id, _| is_there(id));
        self.together.follow(config);
        Ok(())
    }

    /// Takes note that the router was told to stop, and has done what it does for that.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
    }

    pub(crate) fn observe(&mut self, action: &Action) -> Result<(), Breach> {
        promise!(!self.stopped, "{action:?} of a router that has stopped");
        match action {
            Action::Advertise(advertise) => self.ledger(advertise.instance)?.advertise(advertise),
            Action::Claim(instance) => self.ledger(*instance)?.claim(),
            Action::Release(instance) => self.ledger(*instance)?.release(),
            Action::Announce { instance, address } => self.ledger(*instance)?.announce(address),
            Action::StateChanged(transition) => {
                self.ledger(transition.instance)?.transition(transition)
            }
            Action::PriorityChanged { before, after, .. } => {
                promise!(before != after, "{action:?} changes nothing");
                Ok(())
            }
            Action::CheckChanged(change) => {
                let standing = self.standings.insert(change.check, change.after);
                promise!(
                    standing == Some(change.before),
                    "{change:?} after {standing:?}"
                );
                promise!(change.before != change.after, "{change:?} changes nothing");
                Ok(())
            }
            Action::GroupChanged(transition) => self.together.observe(transition),
            Action::Discarded { .. } | Action::PeerDiffers { .. } => Ok(()),
        }
    }

    /// What must hold whenever all actions are drained.
    pub(crate) fn settled(&mut self, router: &Router) -> Result<(), Breach> {
        for (id, ledger) in &mut self.instances {
            let status = router
                .instance(*id)
                .ok_or_else(|| Breach(format!("{id:?} is gone")))?;
            ledger
                .compare(&status)
                .map_err(|breach| Breach(format!("{id:?}: {breach}")))?;
        }
        for (id, standing) in &self.standings {
            let status = router.check(*id).map(|status| status.standing);
            promise!(
                status == Some(*standing),
                "{id:?} is {status:?}, but was last said to be {standing:?}"
            );
        }
        let member = |id| {
            let status = router.instance(id)?;
            Some(Member {
                state: status.state,
                yields: status.yielding,
            })
        };
        self.together.check(member, |id| router.group(id))
    }

    /// The instance, and all others of its group.
    pub(crate) fn company(&self, id: InstanceId) -> &[InstanceId] {
        self.together.company(id)
    }

    fn ledger(&mut self, instance: InstanceId) -> Result<&mut Ledger, Breach> {
        self.instances
            .get_mut(&instance)
            .ok_or_else(|| Breach(format!("an action of {instance:?}, which does not exist")))
    }
}

impl Ledger {
    fn new(config: &InstanceConfig) -> Self {
        Self {
            config: config.clone(),
            state: State::Initialize,
            claimed: false,
            sequence: 0,
            advertised: None,
            last_destination: destinations(config).last().copied(),
            destinations: destinations(config),
            sent: 0,
            sent_with_priority_zero: 0,
            claims: 0,
            offered: false,
            claims_again: false,
        }
    }

    fn advertise(&mut self, advertise: &Advertise) -> Result<(), Breach> {
        let instance = advertise.instance;
        // Make before break: what was offered may be offered again, and what nobody took is advertised again. When it
        // may be is for `timers` to say.
        promise!(
            self.advertised != Some(0) || self.offered || advertise.priority == 0,
            "{instance:?} advertises after its farewell"
        );
        let parsed =
            Advertisement::parse(&advertise.payload, advertise.source, advertise.destination)
                .map_err(|discard| {
                    Breach(format!("{advertise:?} would be discarded: {discard}"))
                })?;
        let as_configured = parsed.version == self.config.version
            && parsed.virtual_router_id == self.config.virtual_router_id
            && parsed.interval == self.config.advertisement_interval
            && parsed.priority == advertise.priority
            && parsed
                .addresses
                .iter()
                .eq(self.config.addresses.iter().map(|ours| &ours.address));
        promise!(
            as_configured,
            "{parsed:?} does not say what {instance:?} is configured to"
        );
        self.advertised = Some(advertise.priority);
        self.offered &= advertise.priority == 0;
        // One for each destination, which count as one.
        let is_first = self.destinations.first() == Some(&advertise.destination);
        let expected = if is_first {
            self.destinations.first()
        } else {
            self.last_destination.and_then(|last| {
                let position = self.destinations.iter().position(|known| *known == last)?;
                self.destinations.get(position + 1)
            })
        };
        promise!(
            expected == Some(&advertise.destination)
                && (!is_first || self.last_destination.as_ref() == self.destinations.last()),
            "{instance:?} speaks to {} after {:?}, of {:?}",
            advertise.destination,
            self.last_destination,
            self.destinations
        );
        self.last_destination = Some(advertise.destination);
        if !is_first {
            return Ok(());
        }
        self.sent += 1;
        if advertise.priority == 0 {
            promise!(
                self.claimed,
                "{instance:?} gives away what it does not have"
            );
            self.sent_with_priority_zero += 1;
        }
        Ok(())
    }

    fn claim(&mut self) -> Result<(), Breach> {
        if std::mem::take(&mut self.claims_again) {
            promise!(self.claimed, "another list of addresses is claimed twice");
            return Ok(());
        }
        promise!(!self.claimed, "claimed twice");
        // RFC 9568 §6.4.2: the advertisement goes first.
        promise!(self.advertised.is_some(), "claimed before it is advertised");
        self.claimed = true;
        self.claims += 1;
        Ok(())
    }

    fn release(&mut self) -> Result<(), Breach> {
        promise!(self.claimed, "released without being claimed");
        self.claimed = false;
        self.claims_again = false;
        Ok(())
    }

    fn announce(&self, address: &IpAddr) -> Result<(), Breach> {
        promise!(self.claimed, "{address} is announced without being claimed");
        let is_ours = self
            .config
            .addresses
            .iter()
            .any(|ours| ours.address == *address);
        promise!(is_ours, "{address} is announced, which is a stranger's");
        Ok(())
    }

    fn transition(&mut self, transition: &Transition) -> Result<(), Breach> {
        let Transition {
            before,
            after,
            reason,
            sequence,
            ..
        } = *transition;
        promise!(
            sequence == self.sequence + 1,
            "{transition:?} after number {}",
            self.sequence
        );
        promise!(
            before == self.state,
            "{transition:?} although the state was {}",
            self.state
        );
        promise!(before != after, "{transition:?} changes nothing");
        promise!(
            self.claimed == (after == State::Active),
            "{transition:?} with its addresses claimed: {}",
            self.claimed
        );
        if before == State::Active {
            // RFC 9568 §6.4.3: a Shutdown event sends priority 0. A router that was outranked says nothing, one without a
            // link cannot, and one that may have been replaced meanwhile must not. Who yields has said it already.
            let silent = matches!(
                reason,
                Reason::HigherPriority { .. } | Reason::LinkDown | Reason::Late(_)
            );
            promise!(
                self.offered || (self.advertised == Some(0)) != silent,
                "{transition:?} after an advertisement with priority {:?}",
                self.advertised
            );
            promise!(
                !self.offered || !matches!(reason, Reason::HigherPriority { .. } | Reason::Late(_)),
                "{transition:?} although it had offered its addresses"
            );
        }
        self.state = after;
        self.sequence = sequence;
        self.advertised = None;
        self.offered = false;
        Ok(())
    }

    fn compare(&mut self, status: &InstanceStatus) -> Result<(), Breach> {
        let (state, sequence) = (status.state, status.sequence);
        promise!(
            state == self.state && sequence == self.sequence,
            "it is {state} after {sequence} transitions, but the last one told was number {} to {}",
            self.sequence,
            self.state
        );
        promise!(
            self.claimed == (state == State::Active),
            "its addresses are claimed: {}, and it is {state}",
            self.claimed
        );
        promise!(
            status.yielding == (self.advertised == Some(0)),
            "it yields: {}, after advertising {:?}",
            status.yielding,
            self.advertised
        );
        self.offered = status.yielding;
        promise!(
            self.claimed || self.advertised.is_none(),
            "it advertises without being Active"
        );
        let priority = status.effective_priority;
        let lawful = if status.owner {
            priority == 255
        } else {
            (1..=254).contains(&priority)
        };
        promise!(lawful, "effective priority {priority}");
        let counters = status.counters;
        let counted = counters.advertisement_sent == self.sent
            && counters.priority_zero_pkts_sent == self.sent_with_priority_zero
            && counters.master_transitions == self.claims;
        promise!(
            counted,
            "{counters:?}, but it sent {}, {} with priority 0, and claimed {} times",
            self.sent,
            self.sent_with_priority_zero,
            self.claims
        );
        Ok(())
    }
}

/// Where an instance sends each of its advertisements to.
pub(crate) fn destinations(config: &InstanceConfig) -> Vec<IpAddr> {
    match &config.peers {
        Peers::Unicast { peers, .. } => peers.clone(),
        Peers::Multicast { .. } => {
            let is_ipv4 = |address: &vrrp::VirtualAddress| address.address.is_ipv4();
            let group = if config.addresses.iter().all(is_ipv4) {
                MULTICAST_IPV4.into()
            } else {
                MULTICAST_IPV6.into()
            };
            vec![group]
        }
    }
}
