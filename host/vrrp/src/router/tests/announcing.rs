//! How often and how fast addresses are announced.

use super::*;
use crate::AnnounceConfig;

fn announced(mut actions: Vec<alloc::string::String>) -> usize {
    actions.retain(|action| action.starts_with("announce"));
    actions.len()
}

fn with(change: impl FnOnce(&mut AnnounceConfig)) -> InstanceConfig {
    let mut config = instance(150);
    config.announce.delay = Duration::ZERO;
    change(&mut config.announce);
    config
}

#[test]
fn addresses_are_refreshed_while_they_are_there() {
    let mut bench = Bench::active(with(|announce| announce.refresh = Duration::from_secs(60)));
    assert_eq!(announced(bench.event(address(true))), 2);
    assert_eq!(announced(bench.pass(Duration::from_millis(59_999))), 0);
    assert_eq!(announced(bench.pass(Duration::from_millis(1))), 1);
    assert_eq!(announced(bench.pass(Duration::from_secs(600))), 10);
    bench.event(address(false));
    assert_eq!(announced(bench.pass(Duration::from_secs(600))), 0);
}

#[test]
fn a_stall_is_not_caught_up() {
    let mut bench = Bench::active(with(|announce| announce.refresh = Duration::from_secs(1)));
    bench.event(address(true));
    bench.now = bench.now + Duration::from_millis(2_900);
    bench.router.handle_timeout(bench.now);
    let late = core::iter::from_fn(|| bench.router.poll_action()).map(|action| show(&action));
    assert_eq!(announced(late.collect()), 1);
    assert_eq!(announced(bench.pass(Duration::from_millis(999))), 0);
    assert_eq!(announced(bench.pass(Duration::from_millis(1))), 1);
}

#[test]
fn announcements_on_an_interface_keep_their_distance() {
    let gap = Duration::from_millis(100);
    let paced = with(|announce| announce.min_interval = gap);
    let second = InstanceConfig {
        virtual_router_id: VirtualRouterId(core::num::NonZeroU8::new(52).unwrap()),
        ..paced.clone()
    };
    let mut router = Router::new(RouterConfig {
        instances: vec![(INSTANCE, paced), (InstanceId(2), second)],
        ..RouterConfig::default()
    })
    .unwrap();
    let mut now = Instant::from_nanos(1);
    router.handle(now, link(true, Some(OWN)));
    router.handle(now, Event::Startup);
    now = router.poll_timeout().unwrap().at;
    router.handle_timeout(now);
    let mut times = Vec::new();
    let mut first_advertisements = 0;
    for id in [INSTANCE, InstanceId(2)] {
        router.handle(
            now,
            Event::Address(AddressChange {
                instance: id,
                address: VIRTUAL.into(),
                present: true,
            }),
        );
    }
    let end = now + Duration::from_millis(900);
    while now <= end {
        while let Some(action) = router.poll_action() {
            if matches!(action, Action::Announce { .. }) {
                times.push(now);
            }
            if matches!(action, Action::Advertise(_)) && times.is_empty() {
                first_advertisements += 1;
            }
        }
        now = router.poll_timeout().unwrap().at;
        router.handle_timeout(now);
    }
    assert_eq!(first_advertisements, 2, "these wait for no announcement");
    assert_eq!(times.len(), 4);
    assert!(times.windows(2).all(|pair| pair[1] == pair[0] + gap));
}

#[test]
fn what_waits_for_its_turn_is_dropped_with_the_address() {
    let mut bench = Bench::active(with(|announce| {
        announce.min_interval = Duration::from_millis(300);
    }));
    assert_eq!(announced(bench.event(address(true))), 1);
    bench.hear(HIGH_PEER, 200);
    assert_eq!(announced(bench.pass(Duration::from_secs(2))), 0);
}
