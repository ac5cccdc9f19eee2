//! Interfaces that an instance depends on.

use super::*;
use crate::InterfaceTrack;

const UPLINK: InterfaceId = InterfaceId(8);

fn tracking_uplink(on_fail: OnFail) -> InstanceConfig {
    with_track(InterfaceTrack {
        interface: UPLINK,
        on_fail,
        up_delay: Duration::ZERO,
        down_delay: Duration::ZERO,
    })
}

fn with_track(track: InterfaceTrack) -> InstanceConfig {
    InstanceConfig {
        interfaces: vec![track],
        ..instance(150)
    }
}

fn uplink(up: bool) -> Event<'static> {
    Event::Link(Link {
        interface: UPLINK,
        up,
        primary: None,
        link_local: None,
        known_as: None,
    })
}

#[test]
fn the_loss_of_a_tracked_interface_is_a_fault() {
    let mut bench = Bench::started(tracking_uplink(OnFail::Fault));
    assert_eq!(bench.status().state, State::Initialize, "no news of it yet");
    assert_eq!(
        bench.event(uplink(true)),
        ["INIT->BACKUP InterfaceUp(InterfaceId(8))"]
    );
    bench.fire();
    assert_eq!(
        bench.event(uplink(false)),
        [
            "advertise 0",
            "release",
            "MASTER->FAULT InterfaceDown(InterfaceId(8))"
        ],
        "its own interface can still say so"
    );
    assert_eq!(bench.status().interfaces[0].up, Some(false));
    assert_eq!(
        bench.event(uplink(true)),
        ["FAULT->BACKUP InterfaceUp(InterfaceId(8))"]
    );
}

#[test]
fn an_interface_can_weigh() {
    let mut bench = Bench::started(tracking_uplink(OnFail::Weight(-30)));
    bench.fire();
    assert_eq!(bench.status().effective_priority, 150);
    assert_eq!(
        bench.event(uplink(false)),
        ["priority 150->120 InterfaceDown(InterfaceId(8))"]
    );
    assert_eq!(bench.status().interfaces[0].weight, -30);
    let mut bench = Bench::started(tracking_uplink(OnFail::Weight(30)));
    assert_eq!(
        bench.event(uplink(true)),
        ["priority 150->180 InterfaceUp(InterfaceId(8))"]
    );
}

#[test]
fn an_interface_can_release() {
    let mut bench = Bench::started(tracking_uplink(OnFail::Release));
    bench.event(uplink(true));
    bench.fire();
    assert_eq!(
        bench.event(uplink(false)),
        [
            "advertise 0",
            "priority 150->50 InterfaceDown(InterfaceId(8))"
        ]
    );
}

#[test]
fn a_change_counts_when_it_has_lasted() {
    let mut bench = Bench::started(with_track(InterfaceTrack {
        interface: UPLINK,
        on_fail: OnFail::Weight(-30),
        up_delay: Duration::from_millis(500),
        down_delay: Duration::from_millis(200),
    }));
    assert_eq!(
        bench.event(uplink(true)),
        NOTHING,
        "the first news counts at once"
    );
    // Ten times a second: it is never down for long enough.
    for _ in 0..10 {
        assert_eq!(bench.event(uplink(false)), NOTHING);
        assert_eq!(bench.pass(Duration::from_millis(50)), NOTHING);
        assert_eq!(bench.event(uplink(true)), NOTHING);
        assert_eq!(bench.pass(Duration::from_millis(50)), NOTHING);
    }
    bench.event(uplink(false));
    assert_eq!(bench.pass(Duration::from_millis(199)), NOTHING);
    assert_eq!(
        bench.pass(Duration::from_millis(1)),
        ["priority 150->120 InterfaceDown(InterfaceId(8))"]
    );
    bench.event(uplink(true));
    assert_eq!(bench.pass(Duration::from_millis(499)), NOTHING);
    assert_eq!(
        bench.pass(Duration::from_millis(1)),
        ["priority 120->150 InterfaceUp(InterfaceId(8))"]
    );
}

#[test]
fn the_own_interface_can_be_taken_patiently() {
    let mut bench = Bench::started(with_track(InterfaceTrack {
        interface: INTERFACE,
        on_fail: OnFail::Fault,
        up_delay: Duration::from_secs(2),
        down_delay: Duration::ZERO,
    }));
    assert_eq!(bench.status().state, State::Backup);
    assert_eq!(
        bench.event(link(false, Some(OWN))),
        ["BACKUP->FAULT LinkDown"]
    );
    // A link that flaps stays in FAULT.
    for up in [true, false].repeat(10) {
        assert_eq!(bench.event(link(up, Some(OWN))), NOTHING);
        assert_eq!(bench.pass(Duration::from_millis(50)), NOTHING);
    }
    bench.event(link(true, Some(OWN)));
    assert_eq!(bench.pass(Duration::from_secs(2)), ["FAULT->BACKUP LinkUp"]);
}

#[test]
fn a_change_that_counts_from_now_on_is_told_by_the_advertisement_that_is_due_now() {
    let half = Duration::from_millis(500);
    let mut bench = Bench::new(with_track(InterfaceTrack {
        interface: UPLINK,
        on_fail: OnFail::Weight(-50),
        up_delay: Duration::ZERO,
        down_delay: half,
    }));
    bench.event(link(true, Some(OWN)));
    bench.event(uplink(true));
    bench.event(Event::Startup);
    bench.fire();
    bench.pass(half);
    assert_eq!(bench.event(uplink(false)), NOTHING);
    assert_eq!(
        bench.fire(),
        [
            "priority 150->100 InterfaceDown(InterfaceId(8))",
            "advertise 100"
        ]
    );
}
