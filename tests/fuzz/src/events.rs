//! Whatever happens to a router, in whatever order, it keeps what the simulator's checkers hold it to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU8, NonZeroU16};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use sim::Watched;
use vrrp::packet::{Advertisement, MULTICAST_IPV4, MULTICAST_IPV6};
use vrrp::{
    Action, AddressChange, AnnounceConfig, Authentication, CheckConfig, CheckId, ChecksumForm,
    Command, Event, InstanceConfig, InstanceId, Instant, InterfaceId, Link, OnError, OnFail,
    Outcome, Packet, Peers, Report, RouterConfig, Track, UnixTime, Version, VirtualAddress,
    VirtualRouterId,
};

/// Events of one input. More of them reach nothing new.
const MOST_EVENTS: usize = 200;
/// Deadlines that are met in one stretch of time.
const MOST_DEADLINES: usize = 50;
const INTERFACES: u32 = 2;
const CHECKS: u32 = 3;

/// Makes a router and feeds it, as the bytes say. Returns what the router wanted done.
///
/// # Panics
/// When a promise is broken.
pub fn events(data: &[u8]) -> Vec<Action> {
    let mut bytes = Unstructured::new(data);
    let mut actions = Vec::new();
    // Bytes that end early have said enough.
    let _ = play(&mut bytes, &mut actions);
    actions
}

fn play(bytes: &mut Unstructured<'_>, actions: &mut Vec<Action>) -> Result<()> {
    let config = router(bytes)?;
    let instances = config.instances.clone();
    let Ok(watched) = Watched::new(config) else {
        return Ok(());
    };
    let mut player = Player {
        watched,
        now: Instant::from_nanos(1_000_000_000),
        instances,
        actions,
    };
    for _ in 0..MOST_EVENTS {
        if bytes.is_empty() {
            break;
        }
        player.step(bytes)?;
    }
    Ok(())
}

/// One to three virtual routers. A new option of [`InstanceConfig`] is drawn here.
fn router(bytes: &mut Unstructured<'_>) -> Result<RouterConfig> {
    let mut config = RouterConfig::default();
    for id in (0..CHECKS).map(CheckId) {
        let check = CheckConfig {
            rise: NonZeroU16::new(bytes.int_in_range(1..=3)?).unwrap_or(NonZeroU16::MIN),
            fall: NonZeroU16::new(bytes.int_in_range(1..=3)?).unwrap_or(NonZeroU16::MIN),
            on_error: *bytes.choose(&[OnError::Hold, OnError::Fail])?,
            error_hold: bytes.int_in_range(0..=3)?,
            stale_after: Duration::from_millis(bytes.int_in_range(1..=5_000)?),
        };
        config.checks.push((id, check));
    }
    for id in 0..bytes.int_in_range(1..=3)? {
        config.instances.push((InstanceId(id), instance(bytes)?));
    }
    Ok(config)
}

fn instance(bytes: &mut Unstructured<'_>) -> Result<InstanceConfig> {
    let ipv6 = bytes.ratio(1, 4)?;
    let version = if !ipv6 && bytes.ratio(1, 4)? {
        Version::V2
    } else {
        Version::V3
    };
    let steps: u16 = bytes.int_in_range(1..=300)?;
    let advertisement_interval = match version {
        Version::V2 => Duration::from_secs((steps % 255 + 1).into()),
        Version::V3 => Duration::from_millis(u64::from(steps) * 10),
    };
    let mut tracks = Vec::new();
    for check in (0..CHECKS).map(CheckId) {
        let on_fail = match bytes.int_in_range(0..=4)? {
            0 => OnFail::Fault,
            1 => OnFail::Weight(bytes.int_in_range(1..=253)?),
            2 => OnFail::Weight(-bytes.int_in_range(1..=253)?),
            3 => OnFail::Release,
            _ => continue,
        };
        tracks.push(Track { check, on_fail });
    }
    let count: u8 = bytes.int_in_range(1..=2)?;
    Ok(InstanceConfig {
        interface: InterfaceId(bytes.int_in_range(0..=INTERFACES - 1)?),
        virtual_router_id: VirtualRouterId(
            NonZeroU8::new(bytes.int_in_range(1..=3)?).unwrap_or(NonZeroU8::MIN),
        ),
        version,
        priority: *bytes.choose(
            &[1, 100, 100, 101, 254, 255]
                .map(|priority| NonZeroU8::new(priority).unwrap_or(NonZeroU8::MIN)),
        )?,
        advertisement_interval,
        max_learned_interval: advertisement_interval.max(sometimes(bytes)? * 10),
        checksum: *bytes.choose(&[ChecksumForm::Rfc9568, ChecksumForm::Rfc5798])?,
        addresses: (1..=count)
            .map(|number| virtual_address(ipv6, number))
            .collect(),
        excluded: Vec::new(),
        peers: Peers::ANYBODY,
        authentication: Authentication::None,
        preempt: bytes.arbitrary()?,
        preempt_delay: sometimes(bytes)?,
        start_delay: sometimes(bytes)?,
        down_after: NonZeroU8::new(bytes.int_in_range(1..=4)?).unwrap_or(NonZeroU8::MIN),
        init_grace: Duration::from_millis(bytes.int_in_range(0..=3_000)?),
        announce: AnnounceConfig {
            repeat: NonZeroU8::new(bytes.int_in_range(1..=2)?).unwrap_or(NonZeroU8::MIN),
            delay: Duration::from_millis(bytes.int_in_range(0..=2_000)?),
            refresh: sometimes(bytes)?,
            min_interval: sometimes(bytes)? / 100,
        },
        tracks,
        interfaces: Vec::new(),
    })
}

/// Mostly nothing.
fn sometimes(bytes: &mut Unstructured<'_>) -> Result<Duration> {
    if bytes.ratio(1, 4)? {
        return Ok(Duration::from_millis(bytes.int_in_range(1..=4_000)?));
    }
    Ok(Duration::ZERO)
}

fn virtual_address(ipv6: bool, number: u8) -> VirtualAddress {
    let (address, prefix_length) = if ipv6 {
        (link_local(0x100 + u16::from(number)).into(), 128)
    } else {
        (Ipv4Addr::new(10, 0, 0, 100 + number).into(), 32)
    };
    VirtualAddress {
        address,
        prefix_length,
    }
}

fn link_local(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, number)
}

/// Hosts 1 to 3 of a link; the router under test is one of them, and may be renumbered to be another.
fn host(ipv6: bool, number: u8) -> IpAddr {
    if ipv6 {
        link_local(number.into()).into()
    } else {
        Ipv4Addr::new(10, 0, 0, number).into()
    }
}

struct Player<'a> {
    watched: Watched,
    now: Instant,
    instances: Vec<(InstanceId, InstanceConfig)>,
    actions: &'a mut Vec<Action>,
}

impl Player<'_> {
    /// Lets something happen. A new [`Event`] happens here.
    fn step(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        match bytes.int_in_range(0..=12)? {
            0 => self.event(Event::Startup),
            // So rare that what comes before it gets its time.
            1 if bytes.ratio(1, 16)? => self.stop(bytes)?,
            1..=4 => self.hear(bytes)?,
            5 => self.raw(bytes)?,
            6 => self.report(bytes)?,
            7 => self.link(bytes)?,
            8 => self.address(bytes)?,
            9 => self.now = self.now + span(bytes)?,
            10 => self.pass(span(bytes)?),
            11 => self.command(bytes)?,
            _ => self.fire(),
        }
        Ok(())
    }

    fn stop(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let grace = if bytes.arbitrary()? {
            span(bytes)?
        } else {
            Duration::ZERO
        };
        self.event(Event::Shutdown { grace });
        Ok(())
    }

    fn command(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let (instance, _) = bytes.choose(&self.instances)?;
        let commands = [Command::Drain, Command::Undrain, Command::Release];
        let event = Event::Command(*instance, *bytes.choose(&commands)?);
        self.event(event);
        Ok(())
    }

    fn event(&mut self, event: Event<'_>) {
        match self.watched.handle(self.now, event.clone()) {
            Ok(actions) => self.actions.extend(actions),
            Err(breach) => panic!("{event:?} at {:?}: {breach}", self.now),
        }
    }

    /// Lets time pass until the next deadline, and lets the router meet it.
    fn fire(&mut self) {
        let Some(deadline) = self.watched.poll_timeout() else {
            return;
        };
        self.now = self.now.max(deadline.at);
        match self.watched.handle_timeout(self.now) {
            Ok(actions) => self.actions.extend(actions),
            Err(breach) => panic!("{deadline:?} at {:?}: {breach}", self.now),
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..MOST_DEADLINES {
            let next = self.watched.poll_timeout();
            if next.is_none_or(|deadline| deadline.at > end) {
                break;
            }
            self.fire();
        }
        self.now = self.now.max(end);
    }

    /// An advertisement of a peer, which may be configured a little differently.
    fn hear(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let (_, config) = bytes.choose(&self.instances)?;
        let ipv6 = config
            .addresses
            .iter()
            .any(|address| address.address.is_ipv6());
        let mut advertisement = Advertisement {
            version: config.version,
            virtual_router_id: config.virtual_router_id,
            priority: *bytes.choose(&[0, 1, 99, 100, 101, 254, 255])?,
            interval: config.advertisement_interval,
            checksum: *bytes.choose(&[ChecksumForm::Rfc9568, ChecksumForm::Rfc5798])?,
            password: None,
            addresses: config
                .addresses
                .iter()
                .map(|address| address.address)
                .collect(),
        };
        let source = host(ipv6, bytes.int_in_range(1..=3)?);
        let mut interface = config.interface;
        let mut ttl = Some(255);
        match bytes.int_in_range(0..=15)? {
            0..=2 => {
                advertisement.interval = Duration::from_millis(10 * bytes.int_in_range(1..=4_095)?)
            }
            3 => advertisement.addresses.truncate(1),
            4 => ttl = bytes.arbitrary()?,
            5 => interface = InterfaceId(INTERFACES - 1 - interface.0.min(INTERFACES - 1)),
            6 => advertisement.version = Version::V3,
            _ => {}
        }
        let destination = if ipv6 {
            MULTICAST_IPV6.into()
        } else {
            MULTICAST_IPV4.into()
        };
        let payload = advertisement.emit(source, destination);
        self.event(Event::Packet(Packet {
            interface,
            source,
            destination,
            ttl,
            payload: &payload,
            at: UnixTime::from_nanos(0),
        }));
        Ok(())
    }

    fn raw(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let ipv6 = bytes.arbitrary()?;
        let length = bytes.int_in_range(0..=60)?;
        let payload = bytes.bytes(length.min(bytes.len()))?;
        self.event(Event::Packet(Packet {
            interface: InterfaceId(0),
            source: host(ipv6, 1),
            destination: if ipv6 {
                MULTICAST_IPV6.into()
            } else {
                MULTICAST_IPV4.into()
            },
            ttl: Some(255),
            payload,
            at: UnixTime::from_nanos(0),
        }));
        Ok(())
    }

    fn report(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let outcomes = [
            Outcome::Passing,
            Outcome::Warning,
            Outcome::Failing,
            Outcome::Error,
        ];
        let weighted = bytes.ratio(1, 4)?;
        let report = Report {
            check: CheckId(bytes.int_in_range(0..=CHECKS)?),
            outcome: *bytes.choose(&outcomes)?,
            weight: if weighted {
                Some(bytes.int_in_range(-253..=253)?)
            } else {
                None
            },
        };
        self.event(Event::Report(report));
        Ok(())
    }

    fn link(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let present = bytes.ratio(7, 8)?;
        let number: u8 = bytes.int_in_range(2..=3)?;
        let link = Link {
            interface: InterfaceId(bytes.int_in_range(0..=INTERFACES - 1)?),
            up: bytes.ratio(7, 8)?,
            primary: present.then_some(Ipv4Addr::new(10, 0, 0, number)),
            link_local: present.then_some(link_local(number.into())),
            known_as: None,
        };
        self.event(Event::Link(link));
        Ok(())
    }

    fn address(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let (instance, config) = bytes.choose(&self.instances)?;
        let change = AddressChange {
            instance: *instance,
            address: bytes.choose(&config.addresses)?.address,
            present: bytes.ratio(3, 4)?,
        };
        self.event(Event::Address(change));
        Ok(())
    }
}

/// Often what the timers are about, sometimes anything.
fn span(bytes: &mut Unstructured<'_>) -> Result<Duration> {
    if bytes.ratio(1, 8)? {
        return Ok(Duration::from_nanos(
            bytes.int_in_range(0..=1_000_000_000_000)?,
        ));
    }
    Ok(Duration::from_millis(bytes.int_in_range(0..=4_000)?))
}
