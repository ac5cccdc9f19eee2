//! Giving addresses away while they are still in use: make before break.

use super::*;
use crate::{Command, InterfaceTrack};

/// The longest Skew_Time at one second, and a quarter more.
const PATIENCE: Duration = Duration::from_millis(1_250);

fn command(command: Command) -> Event<'static> {
    Event::Command(INSTANCE, command)
}

fn stop(grace: Duration) -> Event<'static> {
    Event::Shutdown { grace }
}

#[test]
fn a_released_address_is_used_until_a_peer_takes_it() {
    let mut bench = Bench::active(tracking(150, OnFail::Release));
    assert_eq!(
        bench.event(report(Outcome::Failing)),
        [
            "check Up->Down",
            "advertise 0",
            "priority 150->50 CheckDown"
        ]
    );
    assert!(bench.status().yielding);
    assert_eq!(bench.due_in(), Some(PATIENCE), "it is silent until then");
    assert_eq!(bench.event(report(Outcome::Failing)), NOTHING);
    assert_eq!(bench.hear(LOW_PEER, 0), NOTHING, "an offer takes nothing");
    bench.now = bench.now + Duration::from_millis(600);
    // Whoever speaks has taken it, be its priority as low as it may.
    assert_eq!(
        bench.hear(LOW_PEER, 10),
        ["release", "MASTER->BACKUP CheckDown"]
    );
    assert_eq!(bench.status().effective_priority, 50);
    assert_eq!(
        bench.event(report(Outcome::Passing)),
        ["check Down->Up", "priority 50->150 CheckUp"]
    );
}

#[test]
fn an_address_that_nobody_takes_is_kept() {
    let mut bench = Bench::active(tracking(150, OnFail::Release));
    bench.event(report(Outcome::Failing));
    assert_eq!(bench.fire(), ["advertise 50"]);
    assert!(!bench.status().yielding);
    assert_eq!(bench.status().state, State::Active);
    assert_eq!(bench.due_in(), Some(Duration::from_secs(1)));
}

#[test]
fn what_is_wrong_ends_the_wait() {
    let mut bench = Bench::active(tracking(150, OnFail::Release));
    bench.event(report(Outcome::Failing));
    assert_eq!(
        bench.event(link(false, None)),
        ["release", "MASTER->FAULT LinkDown"],
        "its farewell is said already"
    );
}

#[test]
fn a_drained_instance_loses_every_election_but_keeps_what_nobody_wants() {
    let mut bench = Bench::active(instance(150));
    assert_eq!(
        bench.event(command(Command::Drain)),
        ["advertise 0", "priority 150->1 Command(Drain)"]
    );
    assert_eq!(bench.event(command(Command::Drain)), ["advertise 0"]);
    assert_eq!(bench.fire(), ["advertise 1"], "nobody is there");
    assert!(bench.status().drained);
    assert_eq!(
        bench.hear(LOW_PEER, 2),
        ["release", "MASTER->BACKUP HigherPriority(10.0.0.1, 2)"]
    );
    assert_eq!(
        bench.event(command(Command::Undrain)),
        ["priority 1->150 Command(Undrain)"]
    );
    bench.hear(LOW_PEER, 2);
    assert_eq!(
        bench.fire(),
        [
            "advertise 150",
            "claim",
            "BACKUP->MASTER Preempting(10.0.0.1, 2)"
        ]
    );
}

#[test]
fn an_owner_can_be_drained() {
    let mut bench = Bench::active(instance(255));
    bench.event(command(Command::Drain));
    assert_eq!(
        bench.hear(LOW_PEER, 100),
        ["release", "MASTER->BACKUP Command(Drain)"]
    );
    bench.pass(Duration::from_millis(2_900));
    assert_eq!(bench.hear(LOW_PEER, 100), NOTHING);
    assert_eq!(
        bench.event(command(Command::Undrain)),
        ["priority 1->255 Command(Undrain)"]
    );
    assert!(bench.due_in() > Some(Duration::from_millis(2_900)));
}

#[test]
fn release_gives_way_once() {
    let mut bench = Bench::active(instance(150));
    assert_eq!(bench.event(command(Command::Release)), ["advertise 0"]);
    assert_eq!(
        bench.hear(LOW_PEER, 100),
        ["release", "MASTER->BACKUP Command(Release)"]
    );
    // With the higher priority, it preempts the peer as ever.
    bench.pass(Duration::from_secs(1));
    bench.hear(LOW_PEER, 100);
    assert_eq!(
        bench.fire(),
        [
            "advertise 150",
            "claim",
            "BACKUP->MASTER Preempting(10.0.0.1, 100)"
        ]
    );
    assert_eq!(
        Bench::started(instance(150)).event(command(Command::Release)),
        NOTHING
    );
}

#[test]
fn a_planned_stop_waits_for_the_peer() {
    let mut bench = Bench::active(instance(150));
    assert_eq!(bench.event(stop(Duration::from_secs(2))), ["advertise 0"]);
    assert!(!bench.router.is_stopped());
    assert_eq!(bench.due_in(), Some(PATIENCE));
    assert_eq!(
        bench.hear(LOW_PEER, 100),
        ["release", "MASTER->INIT Shutdown"]
    );
    assert!(bench.router.is_stopped());
}

#[test]
fn a_planned_stop_ends_without_a_peer() {
    for (grace, waits) in [
        (Duration::from_secs(2), PATIENCE),
        (Duration::from_millis(300), Duration::from_millis(300)),
    ] {
        let mut bench = Bench::active(instance(150));
        bench.event(stop(grace));
        assert_eq!(bench.due_in(), Some(waits));
        assert_eq!(bench.fire(), ["release", "MASTER->INIT Shutdown"]);
        assert!(bench.router.is_stopped());
    }
}

#[test]
fn a_planned_stop_is_not_cut_short_by_news_of_the_interface() {
    let mut bench = Bench::active(instance(150));
    bench.event(stop(Duration::from_secs(2)));
    let renumbered = Some(Ipv4Addr::new(10, 0, 0, 6));
    assert_eq!(bench.event(link(true, renumbered)), NOTHING);
    assert_eq!(bench.due_in(), Some(PATIENCE));
    assert_eq!(
        bench.event(link(false, renumbered)),
        ["release", "MASTER->INIT LinkDown"],
        "nobody could reach them any more"
    );
    assert!(bench.router.is_stopped());
}

#[test]
fn a_planned_stop_stays_one_when_a_tracked_interface_goes_down() {
    let other = InterfaceId(9);
    let track = InterfaceTrack {
        interface: other,
        on_fail: OnFail::Release,
        up_delay: Duration::ZERO,
        down_delay: Duration::ZERO,
    };
    let mut bench = Bench::active(InstanceConfig {
        interfaces: vec![track],
        ..instance(150)
    });
    bench.event(stop(Duration::from_secs(2)));
    let down = Link {
        interface: other,
        up: false,
        primary: None,
        link_local: None,
        known_as: None,
    };
    assert_eq!(
        bench.event(Event::Link(down)),
        ["priority 150->50 InterfaceDown(InterfaceId(9))"]
    );
    assert_eq!(bench.due_in(), Some(PATIENCE));
    assert_eq!(bench.fire(), ["release", "MASTER->INIT Shutdown"]);
}

#[test]
fn a_stop_can_be_cut_short() {
    let mut bench = Bench::active(instance(150));
    bench.event(stop(Duration::from_secs(2)));
    assert_eq!(bench.event(stop(Duration::from_secs(9))), NOTHING);
    assert_eq!(bench.due_in(), Some(PATIENCE));
    assert_eq!(
        bench.event(stop(Duration::ZERO)),
        ["release", "MASTER->INIT Shutdown"]
    );
    assert!(bench.router.is_stopped());
}

#[test]
fn only_an_active_router_has_something_to_wait_for() {
    let mut bench = Bench::started(instance(150));
    assert_eq!(
        bench.event(stop(Duration::from_secs(2))),
        ["BACKUP->INIT Shutdown"]
    );
    assert!(bench.router.is_stopped());
}

#[test]
fn whoever_was_away_too_long_listens_before_it_speaks() {
    let late = Duration::from_nanos(3_007_812_500);
    let mut bench = Bench::active(instance(150));
    bench.now = bench.now + late - Duration::from_nanos(1);
    bench.router.handle_timeout(bench.now);
    assert_eq!(bench.status().state, State::Active, "no peer is that quick");

    let mut bench = Bench::active(instance(150));
    bench.now = bench.now + late;
    bench.router.handle_timeout(bench.now);
    assert_eq!(
        bench.event(Event::Startup),
        ["release", "MASTER->BACKUP Late(3.0078125s)"]
    );
    // Long enough for an advertisement, and no longer.
    let skew = crate::skew_time(Version::V3, 150, Duration::from_secs(1));
    assert_eq!(bench.due_in(), Some(Duration::from_secs(1) + skew));
    assert_eq!(
        bench.fire(),
        ["advertise 150", "claim", "BACKUP->MASTER ActiveDown"]
    );
}

#[test]
fn whoever_was_away_too_long_does_not_answer_either() {
    let late = Duration::from_nanos(3_007_812_500);
    let mut bench = Bench::active(InstanceConfig {
        preempt: false,
        ..instance(150)
    });
    bench.now = bench.now + late - Duration::from_nanos(1);
    assert_eq!(bench.hear(LOW_PEER, 100), ["advertise 150"]);

    // The peer that took over meanwhile is heard first: it keeps the addresses, as preemption is off.
    bench.now = bench.now + late;
    assert_eq!(
        bench.hear(LOW_PEER, 100),
        ["release", "MASTER->BACKUP Late(3.0078125s)"]
    );
    assert_eq!(bench.status().active, Some((LOW_PEER.into(), 100)));
    let skew = crate::skew_time(Version::V3, 150, Duration::from_secs(1));
    assert_eq!(bench.due_in(), Some(Duration::from_secs(3) + skew));
}
