//! Routers and events for the tests of this crate.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::num::{NonZeroU8, NonZeroU16};
use core::time::Duration;

use crate::packet::{Advertisement, MULTICAST_IPV4};
use crate::*;

pub(crate) const INSTANCE: InstanceId = InstanceId(1);
pub(crate) const CHECK: CheckId = CheckId(1);
pub(crate) const INTERFACE: InterfaceId = InterfaceId(7);
pub(crate) const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
/// A peer whose address loses a tie against ours.
pub(crate) const LOW_PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// A peer whose address wins a tie against ours.
pub(crate) const HIGH_PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
pub(crate) const VIRTUAL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
/// What the wall clock says in tests that are not about it.
pub(crate) const WALL: UnixTime = UnixTime::from_nanos(1_800_000_000_000_000_000);
pub(crate) const GROUP: IpAddr = IpAddr::V4(MULTICAST_IPV4);

pub(crate) fn instance(priority: u8) -> InstanceConfig {
    InstanceConfig {
        priority: NonZeroU8::new(priority).unwrap(),
        checksum: ChecksumForm::Rfc9568,
        announce: AnnounceConfig {
            repeat: NonZeroU8::new(2).unwrap(),
            ..AnnounceConfig::default()
        },
        ..InstanceConfig::new(
            INTERFACE,
            VirtualRouterId(NonZeroU8::new(51).unwrap()),
            vec![VirtualAddress {
                address: VIRTUAL.into(),
                prefix_length: 32,
            }],
        )
    }
}

pub(crate) fn tracking(priority: u8, on_fail: OnFail) -> InstanceConfig {
    InstanceConfig {
        tracks: vec![Track {
            check: CHECK,
            on_fail,
        }],
        ..instance(priority)
    }
}

pub(crate) fn check() -> CheckConfig {
    CheckConfig {
        rise: NonZeroU16::new(1).unwrap(),
        fall: NonZeroU16::new(1).unwrap(),
        on_error: OnError::Hold,
        error_hold: 3,
        stale_after: Duration::from_secs(1_000_000),
    }
}

pub(crate) fn one(instance: InstanceConfig) -> RouterConfig {
    RouterConfig {
        checks: vec![(CHECK, check())],
        instances: vec![(INSTANCE, instance)],
        groups: Vec::new(),
    }
}

pub(crate) fn report(outcome: Outcome) -> Event<'static> {
    Event::Report(Report {
        check: CHECK,
        outcome,
        weight: None,
    })
}

pub(crate) fn link(up: bool, primary: Option<Ipv4Addr>) -> Event<'static> {
    Event::Link(Link {
        interface: INTERFACE,
        up,
        primary,
        link_local: None,
        known_as: None,
    })
}

pub(crate) fn address(present: bool) -> Event<'static> {
    Event::Address(AddressChange {
        instance: INSTANCE,
        address: VIRTUAL.into(),
        present,
    })
}

/// What a peer configured like `config` would send.
pub(crate) fn advertisement(config: &InstanceConfig, priority: u8) -> Advertisement {
    Advertisement {
        version: config.version,
        virtual_router_id: config.virtual_router_id,
        priority,
        interval: config.advertisement_interval,
        checksum: config.checksum,
        addresses: config.addresses.iter().map(|ours| ours.address).collect(),
        password: config.authentication.password().cloned(),
    }
}

/// Octets from hexadecimal digits; whatever else is between them is for the reader.
/// What goes on the wire for an advertisement.
pub(crate) fn written(signer: &mut Signer, advertise: &Advertise, now: UnixTime) -> Vec<u8> {
    let mut datagram = Vec::new();
    signer.write(advertise, now, &mut datagram);
    datagram
}

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

pub(crate) fn packet(source: Ipv4Addr, payload: &[u8]) -> Event<'_> {
    packet_at(source, payload, WALL)
}

pub(crate) fn packet_at(source: Ipv4Addr, payload: &[u8], at: UnixTime) -> Event<'_> {
    Event::Packet(Packet {
        interface: INTERFACE,
        source: source.into(),
        destination: GROUP,
        ttl: Some(255),
        payload,
        at,
    })
}

/// A router and its clock.
pub(crate) struct Bench {
    pub(crate) router: Router,
    pub(crate) now: Instant,
    config: InstanceConfig,
}

impl Bench {
    /// In Initialize.
    pub(crate) fn new(config: InstanceConfig) -> Self {
        let router = Router::new(one(config.clone())).unwrap();
        Self {
            router,
            now: Instant::from_nanos(1_000_000_000_000),
            config,
        }
    }

    /// With its interface up and started, so in Backup unless it waits for a check.
    pub(crate) fn started(config: InstanceConfig) -> Self {
        let mut bench = Self::new(config);
        bench.event(link(true, Some(OWN)));
        bench.event(Event::Startup);
        bench
    }

    /// In Active, with its address there and announced.
    pub(crate) fn active(config: InstanceConfig) -> Self {
        let mut bench = Self::started(config);
        bench.event(report(Outcome::Passing));
        if bench.status().state == State::Backup {
            bench.fire();
        }
        assert_eq!(bench.status().state, State::Active);
        bench
    }

    pub(crate) fn event(&mut self, event: Event<'_>) -> Vec<String> {
        self.router.handle(self.now, event);
        self.actions()
    }

    pub(crate) fn hear(&mut self, source: Ipv4Addr, priority: u8) -> Vec<String> {
        let message = advertisement(&self.config, priority).emit(source.into(), GROUP);
        self.event(packet(source, &message))
    }

    /// Lets time pass up to the next deadline, and handles it.
    pub(crate) fn fire(&mut self) -> Vec<String> {
        self.now = self
            .router
            .poll_timeout()
            .expect("something is due")
            .at
            .max(self.now);
        self.router.handle_timeout(self.now);
        assert_ne!(self.due_in(), Some(Duration::ZERO), "what was due is done");
        self.actions()
    }

    /// Lets time pass, handling what becomes due on time.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<String> {
        let end = self.now + time;
        let mut actions = Vec::new();
        while self
            .router
            .poll_timeout()
            .is_some_and(|deadline| deadline.at <= end)
        {
            actions.extend(self.fire());
        }
        self.now = end;
        actions
    }

    /// Time until the next deadline.
    pub(crate) fn due_in(&self) -> Option<Duration> {
        let deadline = self.router.poll_timeout()?;
        Some(deadline.at.saturating_duration_since(self.now))
    }

    pub(crate) fn status(&self) -> InstanceStatus {
        self.router.instance(INSTANCE).unwrap()
    }

    fn actions(&mut self) -> Vec<String> {
        core::iter::from_fn(|| self.router.poll_action())
            .map(|action| show(&action))
            .collect()
    }
}

/// An action as the tests write it.
pub(crate) fn show(action: &Action) -> String {
    match action {
        Action::Advertise(advertise) => format!("advertise {}", advertise.priority),
        Action::Claim(_) => "claim".into(),
        Action::Release(_) => "release".into(),
        Action::Announce { address, .. } => format!("announce {address}"),
        Action::StateChanged(Transition {
            before,
            after,
            reason,
            ..
        }) => {
            format!("{before}->{after} {}", show_reason(reason))
        }
        Action::PriorityChanged {
            before,
            after,
            reason,
            ..
        } => {
            format!("priority {before}->{after} {}", show_reason(reason))
        }
        Action::GroupChanged(change) => format!("group {}->{}", change.before, change.after),
        Action::CheckChanged(change) => format!("check {:?}->{:?}", change.before, change.after),
        Action::Discarded { discard, .. } => format!("discard: {discard}"),
        Action::PeerDiffers { difference, .. } => format!("differs: {difference:?}"),
    }
}

fn show_reason(reason: &Reason) -> String {
    match reason {
        Reason::Startup
        | Reason::Shutdown
        | Reason::Owner
        | Reason::LinkDown
        | Reason::LinkUp
        | Reason::NoPrimaryAddress
        | Reason::PrimaryAddress
        | Reason::InterfaceDown(_)
        | Reason::InterfaceUp(_)
        | Reason::SyncGroup(_)
        | Reason::Command(_)
        | Reason::Reconfigured => format!("{reason:?}"),
        Reason::Late(silence) => format!("Late({silence:?})"),
        Reason::ActiveDown(None) => "ActiveDown".into(),
        Reason::ActiveDown(Some(source)) => format!("ActiveDown({source})"),
        Reason::ActiveReleased(source) => format!("ActiveReleased({source})"),
        Reason::Preempting { source, priority } => format!("Preempting({source}, {priority})"),
        Reason::HigherPriority { source, priority } => {
            format!("HigherPriority({source}, {priority})")
        }
        Reason::CheckDown(_) => "CheckDown".into(),
        Reason::CheckUp(_) => "CheckUp".into(),
        Reason::CheckUnknown(_) => "CheckUnknown".into(),
        Reason::CheckWeight(_) => "CheckWeight".into(),
    }
}
