//! In the steady state nothing is allocated: neither for what is sent nor for what is received.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU8, NonZeroU16};
use std::time::Duration;

use allocation_counter::measure;
use vrrp::packet::{Advertisement, MULTICAST_IPV4, TTL};
use vrrp::{
    Action, Authentication, CheckConfig, CheckId, Event, GroupId, Hmac, InstanceConfig, InstanceId,
    Instant, InterfaceId, Key, KeyId, Link, Mode, OnError, OnFail, Outcome, Packet, Report, Router,
    RouterConfig, Signer, State, SyncGroup, Track, UnixTime, VirtualAddress, VirtualRouterId,
};

const INSTANCES: u8 = 250;
const CHECKS: u32 = 100;
const INTERFACE: InterfaceId = InterfaceId(1);
const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));
const INTERVAL: Duration = Duration::from_millis(100);
/// Long enough for every list to have had its greatest length.
const WARM_UP: u32 = 20;
const ROUNDS: u32 = 100;

/// A router under way, with what is around it.
struct Bench {
    router: Router,
    signer: Signer,
    datagram: Vec<u8>,
    now: Instant,
    advertised: u64,
}

impl Bench {
    fn new(configs: Vec<InstanceConfig>, groups: Vec<(GroupId, SyncGroup)>) -> Self {
        let instances = (1..).map(InstanceId).zip(configs).collect();
        let check = CheckConfig {
            rise: NonZeroU16::MIN,
            fall: NonZeroU16::MIN,
            on_error: OnError::Hold,
            error_hold: 3,
            stale_after: Duration::from_secs(5),
        };
        let checks = (0..CHECKS).map(|id| (CheckId(id), check)).collect();
        let config = RouterConfig {
            instances,
            checks,
            groups,
        };
        let mut bench = Self {
            router: Router::new(config).unwrap(),
            signer: Signer::default(),
            datagram: Vec::new(),
            now: Instant::from_nanos(1),
            advertised: 0,
        };
        bench.router.handle(bench.now, Event::Startup);
        let link = Link {
            interface: INTERFACE,
            up: true,
            primary: Some(OWN),
            link_local: None,
            known_as: None,
        };
        bench.router.handle(bench.now, Event::Link(link));
        bench.report();
        bench
    }

    /// Every check passes.
    fn report(&mut self) {
        for check in (0..CHECKS).map(CheckId) {
            let report = Report {
                check,
                outcome: Outcome::Passing,
                weight: None,
            };
            self.router.handle(self.now, Event::Report(report));
        }
        self.perform();
    }

    /// Does what is due until an interval has passed.
    fn pass_an_interval(&mut self) {
        let end = self.now + INTERVAL;
        while let Some(deadline) = self.router.poll_timeout().filter(|it| it.at <= end) {
            self.now = deadline.at;
            self.router.handle_timeout(self.now);
            self.perform();
        }
        self.now = end;
        self.report();
    }

    fn receive(&mut self, payload: &[u8]) {
        let packet = Packet {
            interface: INTERFACE,
            source: PEER,
            destination: MULTICAST_IPV4.into(),
            ttl: Some(TTL),
            payload,
            at: self.wall(),
        };
        self.router.handle(self.now, Event::Packet(packet));
        self.router.handle_timeout(self.now);
        self.perform();
    }

    fn perform(&mut self) {
        let wall = self.wall();
        while let Some(action) = self.router.poll_action() {
            if let Action::Advertise(advertise) = action {
                self.datagram.clear();
                self.signer.write(&advertise, wall, &mut self.datagram);
                self.advertised += 1;
            }
        }
    }

    fn wall(&self) -> UnixTime {
        UnixTime::from_nanos(1_800_000_000_000_000_000 + self.now.as_nanos())
    }

    fn all_are(&self, state: State) -> bool {
        (1..=u32::from(INSTANCES)).all(|id| {
            self.router
                .instance(InstanceId(id))
                .is_some_and(|instance| instance.state == state)
        })
    }
}

fn configs(authentication: &Authentication) -> Vec<InstanceConfig> {
    (1..=INSTANCES)
        .map(|id| {
            let address = VirtualAddress {
                address: Ipv4Addr::new(10, 0, 1, id).into(),
                prefix_length: 32,
            };
            let id = VirtualRouterId(NonZeroU8::new(id).unwrap());
            InstanceConfig {
                advertisement_interval: INTERVAL,
                authentication: authentication.clone(),
                tracks: (0..CHECKS)
                    .map(|check| Track {
                        check: CheckId(check),
                        on_fail: OnFail::Fault,
                    })
                    .collect(),
                ..InstanceConfig::new(INTERFACE, id, vec![address])
            }
        })
        .collect()
}

fn hmac() -> Authentication {
    let id = KeyId(NonZeroU8::new(1).unwrap());
    Authentication::Hmac(Hmac {
        mode: Mode::Enforce,
        keys: vec![(id, Key::new(&[7; 32]).unwrap())],
        active_key: id,
        window: Duration::from_secs(5),
    })
}

#[track_caller]
fn check_sending(authentication: &Authentication, groups: Vec<(GroupId, SyncGroup)>) {
    let mut bench = Bench::new(configs(authentication), groups);
    for _ in 0..WARM_UP {
        bench.pass_an_interval();
    }
    assert!(bench.all_are(State::Active));
    let before = bench.advertised;
    let allocated = measure(|| {
        for _ in 0..ROUNDS {
            bench.pass_an_interval();
        }
    });
    assert_eq!(
        bench.advertised - before,
        u64::from(ROUNDS) * u64::from(INSTANCES)
    );
    assert_eq!(allocated.count_total, 0, "{allocated:?}");
}

#[test]
fn sending_allocates_nothing() {
    check_sending(&Authentication::None, Vec::new());
}

#[test]
fn signing_allocates_nothing() {
    check_sending(&hmac(), Vec::new());
}

#[test]
fn a_sync_group_allocates_nothing() {
    let members = (1..=u32::from(INSTANCES)).map(InstanceId).collect();
    check_sending(
        &Authentication::None,
        vec![(GroupId(1), SyncGroup { members })],
    );
}

#[test]
fn receiving_allocates_nothing() {
    let mut bench = Bench::new(configs(&Authentication::None), Vec::new());
    let payloads: Vec<_> = configs(&Authentication::None)
        .iter()
        .map(|config| {
            let advertisement = Advertisement {
                version: config.version,
                virtual_router_id: config.virtual_router_id,
                priority: 200,
                interval: INTERVAL,
                checksum: config.checksum,
                addresses: config.addresses.iter().map(|it| it.address).collect(),
                password: None,
            };
            advertisement.emit(PEER, MULTICAST_IPV4.into())
        })
        .collect();
    let round = |bench: &mut Bench| {
        for payload in &payloads {
            bench.receive(payload);
        }
        bench.pass_an_interval();
    };
    for _ in 0..WARM_UP {
        round(&mut bench);
    }
    assert!(bench.all_are(State::Backup));
    let allocated = measure(|| {
        for _ in 0..ROUNDS {
            round(&mut bench);
        }
    });
    assert!(bench.all_are(State::Backup));
    assert_eq!(bench.advertised, 0);
    assert_eq!(allocated.count_total, 0, "{allocated:?}");
}
