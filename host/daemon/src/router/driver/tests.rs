//! The loop itself, in a network namespace of the test.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::num::NonZeroU8;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::thread;

use allocation_counter::{AllocationInfo, measure};
use nix::sched::{CloneFlags, unshare};
use vrrp::packet::{Advertisement, MULTICAST_IPV4};
use vrrp::{ChecksumForm, Family, State, Version, VirtualRouterId};
use vrrp_linux::socket::VrrpSocket;

use super::*;
use crate::ipc::{self, InstanceSetup};

const INTERFACE: &str = "ours";
/// The other end of its cable.
const OTHER_END: &str = "theirs";
const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const INSTANCES: u8 = 50;
const INTERVAL: Duration = Duration::from_millis(10);
/// Long enough for every list to have had its greatest length.
const WARM_UP: usize = 100;
const TURNS: usize = 300;

/// Runs `test` in a network namespace with one cable, where that is permitted.
fn in_a_namespace(test: impl FnOnce() + Send + 'static) {
    if !rustix::process::geteuid().is_root() {
        _ = writeln!(
            io::stderr(),
            "skipped, it needs root for a network namespace"
        );
        return;
    }
    let inside = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        ip(&["link", "add", INTERFACE, "type", "veth", "peer", OTHER_END]);
        ip(&["link", "set", INTERFACE, "up"]);
        ip(&["link", "set", OTHER_END, "up"]);
        ip(&["address", "add", &format!("{OWN}/24"), "dev", INTERFACE]);
        test();
    });
    if let Err(panic) = inside.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A child has the namespace of the thread that starts it.
fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {output:?}");
}

fn instance(number: u8) -> InstanceSetup {
    InstanceSetup {
        name: format!("VI_{number}"),
        virtual_router_id: NonZeroU8::new(number).unwrap(),
        advertisement_interval: INTERVAL,
        // A stall of the test is no reason to take over.
        down_after: NonZeroU8::MAX,
        ..InstanceSetup::example(INTERFACE, &[virtual_address(number).into()])
    }
}

fn virtual_address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, number)
}

/// What a peer that always wins says for an instance.
fn advertisement(number: u8) -> Vec<u8> {
    let advertisement = Advertisement {
        version: Version::V3,
        virtual_router_id: VirtualRouterId(NonZeroU8::new(number).unwrap()),
        priority: 200,
        interval: INTERVAL,
        checksum: ChecksumForm::Rfc5798,
        addresses: vec![virtual_address(number).into()],
        password: None,
    };
    advertisement.emit(PEER.into(), MULTICAST_IPV4.into())
}

/// A driver that takes part, and the supervisor's end of its channel.
fn driver() -> (Driver, OwnedFd) {
    let (ours, theirs) = ipc::pair().unwrap();
    let mut setup = Setup::default();
    setup.instances.extend((1..=INSTANCES).map(instance));
    setup.number(None);
    let (heartbeat, _) = Heartbeat::new(clock::now()).unwrap();
    let Ok(mut driver) = Driver::start(Channel::new(ours), setup, heartbeat) else {
        panic!("the driver does not start");
    };
    driver.take_part();
    (driver, theirs)
}

fn all_are(driver: &Driver, state: State) -> bool {
    let mut instances = driver.setup.instances();
    instances.all(|(id, _)| {
        let instance = driver.core.instance(id);
        instance.is_some_and(|instance| instance.state == state)
    })
}

/// Turns until every instance is in `state`, reads what the supervisor was told, and goes on until nothing changes any more.
fn settle(
    driver: &mut Driver,
    supervisor: OwnedFd,
    state: State,
    mut before_turn: impl FnMut(),
) -> Channel {
    let mut supervisor = Channel::new(supervisor);
    let addresses = if state == State::Active {
        usize::from(INSTANCES)
    } else {
        0
    };
    while !all_are(driver, state) || driver.configured.len() != addresses {
        before_turn();
        driver.turn().unwrap();
        while let Ok(Some(_)) = supervisor.try_recv::<FromRouter>() {}
    }
    for _ in 0..WARM_UP {
        before_turn();
        driver.turn().unwrap();
        while let Ok(Some(_)) = supervisor.try_recv::<FromRouter>() {}
    }
    supervisor
}

#[track_caller]
fn assert_nothing(allocated: &AllocationInfo) {
    assert_eq!(allocated.count_total, 0, "{allocated:?}");
}

#[test]
fn a_master_allocates_nothing() {
    in_a_namespace(|| {
        let (mut driver, supervisor) = driver();
        let _supervisor = settle(&mut driver, supervisor, State::Active, || ());
        let allocated = measure(|| {
            for _ in 0..TURNS {
                driver.turn().unwrap();
            }
        });
        assert!(all_are(&driver, State::Active));
        assert_nothing(&allocated);
    });
}

#[test]
fn a_backup_allocates_nothing() {
    in_a_namespace(|| {
        let peer = VrrpSocket::open(OTHER_END, Family::V4).unwrap();
        let advertisements: Vec<_> = (1..=INSTANCES).map(advertisement).collect();
        let advertise = || {
            for advertisement in &advertisements {
                peer.send(PEER.into(), MULTICAST_IPV4.into(), advertisement)
                    .unwrap();
            }
        };
        let (mut driver, supervisor) = driver();
        let _supervisor = settle(&mut driver, supervisor, State::Backup, advertise);
        let received = |driver: &Driver| {
            let first = driver.setup.instances().next().unwrap().0;
            let status = driver.core.instance(first).unwrap();
            status.counters.advertisement_rcvd
        };
        let before = received(&driver);
        let allocated = measure(|| {
            for _ in 0..TURNS {
                advertise();
                driver.turn().unwrap();
            }
        });
        assert!(all_are(&driver, State::Backup));
        assert!(received(&driver) - before >= u64::try_from(TURNS / 2).unwrap());
        assert_nothing(&allocated);
    });
}
