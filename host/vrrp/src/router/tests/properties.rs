//! Whatever happens, in whatever order, these hold.

use core::num::NonZeroU8;
use core::time::Duration;

use alloc::vec;
use alloc::vec::Vec;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    AnnounceConfig, Command, GroupId, InterfaceTrack, OnError, OnFail, Outcome, State, SyncGroup,
    Track, Version,
};

#[derive(Clone, Debug)]
enum Op {
    Startup,
    Shutdown {
        grace: u32,
    },
    Command {
        instance: u32,
        command: Command,
    },
    Hear {
        instance: u32,
        peer: Ipv4Addr,
        priority: u8,
        interval: u16,
        version: Version,
        ttl: u8,
    },
    Raw(Vec<u8>),
    Report {
        check: u32,
        outcome: Outcome,
        weight: Option<i16>,
    },
    Link {
        up: bool,
        primary: Option<Ipv4Addr>,
    },
    Uplink {
        up: bool,
    },
    Reconfigure {
        priority: u8,
        grouped: bool,
    },
    Address {
        instance: u32,
        present: bool,
    },
    /// Time passes without the driver coming back in time.
    Stall(u32),
    /// Time passes and every deadline is met.
    Pass(u32),
    Fire,
}

fn ops() -> impl Strategy<Value = Op> {
    let peers = prop::sample::select(vec![LOW_PEER, OWN, HIGH_PEER]);
    let priorities = prop_oneof![Just(0), Just(255), 90..=110_u8, any::<u8>()];
    let versions = prop::sample::select(vec![Version::V3, Version::V3, Version::V3, Version::V2]);
    let ttls = prop::sample::select(vec![255_u8, 255, 255, 255, 254]);
    let hear = (1..=5_u32, peers, priorities, 1..=300_u16, versions, ttls).prop_map(
        |(instance, peer, priority, interval, version, ttl)| Op::Hear {
            instance,
            peer,
            priority,
            interval,
            version,
            ttl,
        },
    );
    let outcomes = prop::sample::select(vec![
        Outcome::Passing,
        Outcome::Warning,
        Outcome::Failing,
        Outcome::Error,
    ]);
    let weights = prop_oneof![3 => Just(None), 1 => (-253..=253_i16).prop_map(Some)];
    let report = (1..=4_u32, outcomes, weights).prop_map(|(check, outcome, weight)| Op::Report {
        check,
        outcome,
        weight,
    });
    let primaries = prop::sample::select(vec![None, Some(OWN), Some(OWN), Some(HIGH_PEER)]);
    let link =
        (prop::bool::weighted(0.8), primaries).prop_map(|(up, primary)| Op::Link { up, primary });
    let address = (1..=5_u32, any::<bool>())
        .prop_map(|(instance, present)| Op::Address { instance, present });
    let commands = prop::sample::select(vec![Command::Drain, Command::Undrain, Command::Release]);
    let command =
        (1..=5_u32, commands).prop_map(|(instance, command)| Op::Command { instance, command });
    prop_oneof![
        2 => Just(Op::Startup),
        1 => (prop::bool::weighted(0.1), prop::sample::select(vec![0, 500, 5_000])).prop_map(
            |(stop, grace)| if stop { Op::Shutdown { grace } } else { Op::Fire }
        ),
        4 => command,
        4 => any::<bool>().prop_map(|up| Op::Uplink { up }),
        2 => (1..=254_u8, any::<bool>())
            .prop_map(|(priority, grouped)| Op::Reconfigure { priority, grouped }),
        30 => hear,
        3 => prop::collection::vec(any::<u8>(), 0..24).prop_map(Op::Raw),
        20 => report,
        8 => link,
        8 => address,
        5 => (0..9_000_u32).prop_map(Op::Stall),
        20 => (0..9_000_u32).prop_map(Op::Pass),
        20 => Just(Op::Fire),
    ]
}

const UPLINK: InterfaceId = InterfaceId(8);

/// Five virtual routers: plain, without preemption and with `release`, an owner, and two that move together, one of which
/// depends on another interface and takes its time.
fn config() -> RouterConfig {
    config_with(100, true)
}

fn config_with(priority: u8, grouped: bool) -> RouterConfig {
    let with = |id: u8, priority: u8, on_fails: [OnFail; 2]| {
        let tracks = on_fails.iter().zip([1, u32::from(id)]);
        let track = |(on_fail, check): (&OnFail, u32)| Track {
            check: CheckId(check),
            on_fail: *on_fail,
        };
        let mut tracks: Vec<Track> = tracks.map(track).collect();
        tracks.dedup_by_key(|track| track.check);
        InstanceConfig {
            virtual_router_id: VirtualRouterId(NonZeroU8::new(id).unwrap()),
            tracks,
            ..instance(priority)
        }
    };
    let plain = with(1, priority, [OnFail::Fault, OnFail::Fault]);
    let polite = InstanceConfig {
        preempt: false,
        checksum: ChecksumForm::Rfc5798,
        ..with(2, 105, [OnFail::Weight(-20), OnFail::Release])
    };
    let owner = with(3, 255, [OnFail::Fault, OnFail::Weight(30)]);
    let outside = InstanceConfig {
        interfaces: vec![InterfaceTrack {
            interface: UPLINK,
            on_fail: OnFail::Fault,
            up_delay: Duration::from_millis(700),
            down_delay: Duration::from_millis(300),
        }],
        start_delay: Duration::from_secs(2),
        ..with(4, 100, [OnFail::Weight(-40), OnFail::Release])
    };
    let inside = InstanceConfig {
        preempt_delay: Duration::from_secs(4),
        tracks: Vec::new(),
        announce: AnnounceConfig {
            refresh: Duration::from_secs(3),
            min_interval: Duration::from_millis(20),
            ..outside.announce
        },
        ..with(5, 100, [OnFail::Fault, OnFail::Fault])
    };
    let group = SyncGroup {
        members: vec![InstanceId(4), InstanceId(5)],
    };
    let groups = vec![(GroupId(1), group)];
    let checks = [OnError::Hold, OnError::Hold, OnError::Fail, OnError::Hold];
    let check = |(id, on_error)| {
        let stale_after = Duration::from_secs(20);
        (
            CheckId(id),
            crate::CheckConfig {
                on_error,
                stale_after,
                ..check()
            },
        )
    };
    RouterConfig {
        checks: (1..).zip(checks).map(check).collect(),
        instances: (1..)
            .map(InstanceId)
            .zip([plain, polite, owner, outside, inside])
            .collect(),
        groups: if grouped { groups } else { Vec::new() },
    }
}

/// What an observer of the actions knows about an instance.
#[derive(Debug)]
struct Seen {
    state: State,
    claimed: bool,
    sequence: u64,
    sent: u64,
    released: u64,
    claims: u64,
    /// A priority 0 that its release must follow.
    farewell: bool,
}

struct Model {
    router: Router,
    now: Instant,
    seen: BTreeMap<InstanceId, Seen>,
    discarded: u64,
    stopped: bool,
}

impl Model {
    fn new() -> Self {
        let fresh = |id| {
            let seen = Seen {
                state: State::Initialize,
                claimed: false,
                sequence: 0,
                sent: 0,
                released: 0,
                claims: 0,
                farewell: false,
            };
            (InstanceId(id), seen)
        };
        Self {
            router: Router::new(config()).unwrap(),
            now: Instant::from_nanos(5),
            seen: (1..=5).map(fresh).collect(),
            discarded: 0,
            stopped: false,
        }
    }

    fn apply(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match op {
            Op::Startup => self.event(Event::Startup)?,
            Op::Shutdown { grace } => {
                let grace = Duration::from_millis(u64::from(*grace));
                self.event(Event::Shutdown { grace })?;
            }
            Op::Command { instance, command } => {
                self.event(Event::Command(InstanceId(*instance), *command))?;
            }
            Op::Uplink { up } => self.event(Event::Link(Link {
                interface: UPLINK,
                up: *up,
                primary: None,
                link_local: None,
                known_as: None,
            }))?,
            Op::Reconfigure { priority, grouped } => {
                let config = config_with(*priority, *grouped);
                self.router.reconfigure(self.now, config).unwrap();
                self.observe()?;
            }
            Op::Hear {
                instance,
                peer,
                priority,
                interval,
                version,
                ttl,
            } => {
                let config = &config().instances[*instance as usize - 1].1;
                let message = Advertisement {
                    version: *version,
                    interval: Duration::from_millis(u64::from(*interval) * 10),
                    ..advertisement(config, *priority)
                };
                let payload = message.emit((*peer).into(), GROUP);
                self.event(Event::Packet(Packet {
                    interface: INTERFACE,
                    source: (*peer).into(),
                    destination: GROUP,
                    ttl: Some(*ttl),
                    payload: &payload,
                    at: WALL,
                }))?;
            }
            Op::Raw(bytes) => self.event(packet(LOW_PEER, bytes))?,
            Op::Report {
                check,
                outcome,
                weight,
            } => {
                let report = Report {
                    check: CheckId(*check),
                    outcome: *outcome,
                    weight: *weight,
                };
                self.event(Event::Report(report))?;
            }
            Op::Link { up, primary } => self.event(link(*up, *primary))?,
            Op::Address { instance, present } => {
                let instance = InstanceId(*instance);
                let change = AddressChange {
                    instance,
                    address: VIRTUAL.into(),
                    present: *present,
                };
                self.event(Event::Address(change))?;
            }
            Op::Stall(milliseconds) => {
                self.now = self.now + Duration::from_millis(u64::from(*milliseconds));
            }
            Op::Pass(milliseconds) => {
                let end = self.now + Duration::from_millis(u64::from(*milliseconds));
                while self
                    .router
                    .poll_timeout()
                    .is_some_and(|deadline| deadline.at <= end)
                {
                    self.fire()?;
                }
                self.now = end;
            }
            Op::Fire => self.fire()?,
        }
        self.check_status()
    }

    fn event(&mut self, event: Event<'_>) -> Result<(), TestCaseError> {
        self.router.handle(self.now, event);
        self.observe()
    }

    fn fire(&mut self) -> Result<(), TestCaseError> {
        let Some(deadline) = self.router.poll_timeout() else {
            return Ok(());
        };
        self.now = self.now.max(deadline.at);
        self.router.handle_timeout(self.now);
        self.observe()?;
        let next = self.router.poll_timeout();
        prop_assert!(
            next.is_none_or(|next| next.at > self.now),
            "{deadline:?} was handled, {next:?} is left at {:?}",
            self.now
        );
        Ok(())
    }

    fn observe(&mut self) -> Result<(), TestCaseError> {
        while let Some(action) = self.router.poll_action() {
            prop_assert!(!self.stopped, "{action:?} after the end");
            self.observe_one(&action)?;
        }
        self.stopped = self.router.is_stopped();
        let instances = &self.router.instances;
        let asked = instances.values().filter_map(Instance::deadline);
        prop_assert_eq!(
            instances.deadline(),
            asked.min_by_key(|deadline| deadline.at),
            "the index is behind"
        );
        for (id, seen) in &self.seen {
            let yielding = self.router.instance(*id).unwrap().yielding;
            prop_assert_eq!(
                seen.farewell,
                yielding,
                "after a farewell it releases, or waits for a peer"
            );
        }
        Ok(())
    }

    fn observe_one(&mut self, action: &Action) -> Result<(), TestCaseError> {
        match action {
            Action::Advertise(advertise) => {
                let seen = self.seen.get_mut(&advertise.instance).unwrap();
                seen.sent += 1;
                // It speaks again only when nobody took what it offered.
                seen.farewell = false;
                let parsed = Advertisement::parse(
                    &advertise.payload,
                    advertise.source,
                    advertise.destination,
                );
                prop_assert_eq!(parsed.unwrap().priority, advertise.priority);
                if advertise.priority == 0 {
                    prop_assert!(seen.claimed, "only an Active gives away");
                    seen.farewell = true;
                    seen.released += 1;
                }
            }
            Action::Claim(id) => {
                let seen = self.seen.get_mut(id).unwrap();
                prop_assert!(!seen.claimed, "claimed twice");
                seen.claimed = true;
                seen.claims += 1;
            }
            Action::Release(id) => {
                let seen = self.seen.get_mut(id).unwrap();
                prop_assert!(seen.claimed, "released twice");
                seen.claimed = false;
                seen.farewell = false;
            }
            Action::Announce { instance, .. } => prop_assert!(self.seen[instance].claimed),
            Action::StateChanged(transition) => {
                let seen = self.seen.get_mut(&transition.instance).unwrap();
                prop_assert_eq!(transition.sequence, seen.sequence + 1);
                prop_assert_eq!(transition.before, seen.state);
                prop_assert_ne!(transition.before, transition.after);
                prop_assert_eq!(transition.after == State::Active, seen.claimed);
                seen.sequence = transition.sequence;
                seen.state = transition.after;
            }
            Action::PriorityChanged { before, after, .. } => prop_assert_ne!(before, after),
            Action::GroupChanged(change) => prop_assert_ne!(change.before, change.after),
            Action::CheckChanged(change) => prop_assert_ne!(change.before, change.after),
            Action::Discarded { .. } => self.discarded += 1,
            Action::PeerDiffers { .. } => {}
        }
        Ok(())
    }

    fn check_status(&self) -> Result<(), TestCaseError> {
        let global = self.router.counters();
        let mut discarded = global.checksum_errors
            + global.version_errors
            + global.vrid_errors
            + global.ip_ttl_errors;
        for (id, seen) in &self.seen {
            let status = self.router.instance(*id).unwrap();
            prop_assert_eq!(status.state, seen.state);
            prop_assert_eq!(seen.claimed, seen.state == State::Active);
            prop_assert_eq!(status.sequence, seen.sequence);
            if status.owner {
                prop_assert_eq!(status.effective_priority, 255);
            } else {
                prop_assert!((1..=254).contains(&status.effective_priority));
            }
            let counters = status.counters;
            prop_assert_eq!(counters.advertisement_sent, seen.sent);
            prop_assert_eq!(counters.priority_zero_pkts_sent, seen.released);
            prop_assert_eq!(counters.master_transitions, seen.claims);
            // What has the interval and addresses of a peer is accepted, so only these discard.
            discarded += counters.invalid_type_pkts_rcvd
                + counters.packet_length_errors
                + counters.authentication.errors()
                + counters.own_advertisements_rcvd;
        }
        prop_assert_eq!(discarded, self.discarded);
        if self.router.group(GroupId(1)).is_some() {
            let members = [4, 5].map(|id| self.router.instance(InstanceId(id)).unwrap());
            let holds = members
                .each_ref()
                .map(|member| member.state == State::Active);
            let firm = members
                .each_ref()
                .map(|member| member.state == State::Active && !member.yielding);
            prop_assert!(!firm[0] || holds[1], "{members:?}");
            prop_assert!(!firm[1] || holds[0], "{members:?}");
        }
        prop_assert!(!self.stopped || self.router.poll_timeout().is_none());
        Ok(())
    }
}

proptest! {
    #[test]
    fn invariants(ops in prop::collection::vec(ops(), 1..120)) {
        let mut model = Model::new();
        for op in &ops {
            model.apply(op)?;
        }
    }

    #[test]
    fn equal_histories_have_equal_futures(ops in prop::collection::vec(ops(), 1..60)) {
        let (mut one, mut other) = (Model::new(), Model::new());
        for op in &ops {
            one.apply(op)?;
            // Coming back early must not show.
            if other.router.poll_timeout().is_none_or(|deadline| deadline.at > other.now) {
                other.router.handle_timeout(Instant::from_nanos(0));
                other.router.handle_timeout(other.now);
            }
            prop_assert_eq!(other.router.poll_action(), None);
            other.apply(op)?;
        }
        for id in (1..=5).map(InstanceId) {
            prop_assert_eq!(one.router.instance(id), other.router.instance(id));
        }
    }
}
