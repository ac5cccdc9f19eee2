//! When things happen, to the nanosecond.

use super::*;
use crate::packet::Advertisement;

fn with_interval(priority: u8, milliseconds: u64) -> InstanceConfig {
    let advertisement_interval = Duration::from_millis(milliseconds);
    InstanceConfig {
        advertisement_interval,
        ..instance(priority)
    }
}

fn from_peer(interval: Duration, priority: u8) -> Vec<u8> {
    let advertisement = Advertisement {
        interval,
        ..advertisement(&instance(100), priority)
    };
    advertisement.emit(HIGH_PEER.into(), GROUP)
}

#[test]
fn takeover_at_exactly_the_formula() {
    //   interval ms, priority, Active_Down_Interval ns, Skew_Time ns
    let table = [
        (1_000, 1, 3_996_093_750, 996_093_750),
        (1_000, 100, 3_609_375_000, 609_375_000),
        (1_000, 254, 3_007_812_500, 7_812_500),
        (100, 1, 399_609_375, 99_609_375),
        (100, 100, 360_937_500, 60_937_500),
        (100, 254, 300_781_250, 781_250),
        (10, 1, 39_960_937, 9_960_937),
        (10, 100, 36_093_750, 6_093_750),
        (10, 254, 30_078_125, 78_125),
    ];
    for (milliseconds, priority, down, skew) in table {
        let config = with_interval(priority, milliseconds);
        let (down, skew) = (Duration::from_nanos(down), Duration::from_nanos(skew));
        let nanosecond = Duration::from_nanos(1);

        let mut bench = Bench::started(config.clone());
        bench.pass(config.advertisement_interval);
        bench.hear(HIGH_PEER, 254);
        assert_eq!(bench.pass(down - nanosecond), NOTHING);
        assert_eq!(bench.pass(nanosecond).len(), 3, "{config:?}");

        let mut bench = Bench::started(config.clone());
        bench.hear(HIGH_PEER, 254);
        bench.pass(config.advertisement_interval);
        bench.hear(HIGH_PEER, 0);
        assert_eq!(bench.pass(skew - nanosecond), NOTHING);
        assert_eq!(bench.pass(nanosecond).len(), 3, "{config:?}");

        let status = bench.status();
        assert_eq!(
            (status.active_down_interval, status.skew_time),
            (down, skew)
        );
    }
}

#[test]
fn down_after_is_configurable() {
    let mut config = instance(192);
    config.down_after = core::num::NonZeroU8::new(2).unwrap();
    assert_eq!(
        Bench::started(config).due_in(),
        Some(Duration::from_millis(2_250))
    );
}

#[test]
fn v3_backup_learns_the_interval_and_active_returns_to_its_own() {
    let mut bench = Bench::started(instance(100));
    bench.event(packet(
        HIGH_PEER,
        &from_peer(Duration::from_millis(100), 200),
    ));
    assert_eq!(bench.due_in(), Some(Duration::from_nanos(360_937_500)));
    assert_eq!(
        bench.status().active_adver_interval,
        Duration::from_millis(100)
    );
    // What is discarded teaches nothing.
    bench.event(packet(HIGH_PEER, &from_peer(Duration::from_secs(40), 50)));
    assert_eq!(bench.due_in(), Some(Duration::from_nanos(360_937_500)));
    // A release counts in the interval that was learned.
    bench.event(packet(HIGH_PEER, &from_peer(Duration::from_millis(100), 0)));
    assert_eq!(bench.due_in(), Some(Duration::from_nanos(60_937_500)));
    bench.fire();
    assert_eq!(bench.due_in(), Some(Duration::from_secs(1)));
    // Beaten, it follows the winner.
    bench.event(packet(
        HIGH_PEER,
        &from_peer(Duration::from_millis(10), 200),
    ));
    assert_eq!(bench.due_in(), Some(Duration::from_nanos(36_093_750)));
}

#[test]
fn v2_never_learns_and_does_not_scale_its_skew() {
    let config = InstanceConfig {
        version: Version::V2,
        advertisement_interval: Duration::from_secs(5),
        ..instance(100)
    };
    let mut bench = Bench::started(config);
    assert_eq!(bench.due_in(), Some(Duration::from_nanos(15_609_375_000)));
    bench.hear(HIGH_PEER, 0);
    assert_eq!(bench.due_in(), Some(Duration::from_nanos(609_375_000)));
}

#[test]
fn repeated_releases_do_not_put_the_takeover_off() {
    let mut bench = Bench::started(instance(100));
    bench.hear(HIGH_PEER, 0);
    bench.pass(Duration::from_millis(600));
    bench.hear(HIGH_PEER, 0);
    assert_eq!(bench.due_in(), Some(Duration::from_nanos(9_375_000)));
    assert_eq!(bench.fire()[2], "BACKUP->MASTER ActiveReleased(10.0.0.9)");
}

#[test]
fn a_change_of_priority_shifts_the_running_timer() {
    let mut bench = Bench::started(tracking(100, OnFail::Weight(-64)));
    bench.event(report(Outcome::Passing));
    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.due_in(), Some(Duration::from_nanos(609_375_000)));
    bench.event(report(Outcome::Failing));
    assert_eq!(
        bench.due_in(),
        Some(Duration::from_nanos(859_375_000)),
        "64/256 later"
    );
    bench.pass(Duration::from_millis(800));
    bench.event(report(Outcome::Passing));
    assert_eq!(
        bench.due_in(),
        Some(Duration::ZERO),
        "would have been due before"
    );
    assert_eq!(
        bench.fire(),
        ["advertise 100", "claim", "BACKUP->MASTER ActiveDown"]
    );
}

#[test]
fn a_change_of_priority_keeps_the_rhythm_of_an_active() {
    let mut bench = Bench::active(tracking(100, OnFail::Weight(-64)));
    bench.pass(Duration::from_millis(700));
    assert_eq!(
        bench.event(report(Outcome::Failing)),
        ["check Up->Down", "priority 100->36 CheckDown"]
    );
    assert_eq!(bench.due_in(), Some(Duration::from_millis(300)));
    assert_eq!(bench.fire(), ["advertise 36"]);
}

#[test]
fn lateness_does_not_add_up() {
    let mut bench = Bench::active(instance(100));
    let start = bench.now;
    let at = |milliseconds| start + Duration::from_millis(milliseconds);
    let due_after = |bench: &mut Bench, milliseconds| {
        bench.router.handle_timeout(at(milliseconds));
        assert!(matches!(
            bench.router.poll_action(),
            Some(Action::Advertise(_))
        ));
        assert_eq!(bench.router.poll_action(), None, "one, however late");
        bench.router.poll_timeout().unwrap().at
    };
    assert_eq!(due_after(&mut bench, 1_300), at(2_000));
    assert_eq!(due_after(&mut bench, 2_999), at(3_000));
    assert_eq!(
        due_after(&mut bench, 5_500),
        at(6_500),
        "a whole interval missed"
    );
}

#[test]
fn early_and_repeated_timeouts_do_nothing() {
    let mut bench = Bench::started(instance(100));
    bench.router.handle_timeout(bench.now);
    assert_eq!(bench.router.poll_action(), None);
    bench.fire();
    bench.router.handle_timeout(bench.now);
    assert_eq!(bench.router.poll_action(), None);
}

#[test]
fn time_that_runs_backwards_stands_still() {
    let mut bench = Bench::active(instance(100));
    let due = bench.router.poll_timeout();
    bench.router.handle_timeout(Instant::from_nanos(0));
    bench
        .router
        .handle(Instant::from_nanos(0), link(true, Some(OWN)));
    assert_eq!(bench.router.poll_timeout(), due);
    assert_eq!(bench.router.poll_action(), None);
    let message = from_peer(Duration::from_secs(1), 200);
    bench
        .router
        .handle(Instant::from_nanos(0), packet(HIGH_PEER, &message));
    let latest = bench.now + Duration::from_nanos(3_609_375_000);
    assert_eq!(bench.router.poll_timeout().unwrap().at, latest);
}

#[test]
fn answers_to_a_flood_are_coalesced() {
    let mut bench = Bench::active(instance(100));
    // Ten thousand releases and losing advertisements in one second.
    let mut answers = 0;
    for n in 0..10_000 {
        let priority = if n % 2 == 0 { 0 } else { 50 };
        answers += bench.hear(LOW_PEER, priority).len();
        answers += bench.pass(Duration::from_micros(100)).len();
    }
    assert_eq!(
        answers, 5,
        "one at once, then one in every quarter of an interval"
    );

    // One is still owed, not more, and the regular advertisements follow it.
    assert_eq!(bench.hear(LOW_PEER, 50), NOTHING);
    assert_eq!(
        bench.router.poll_timeout().unwrap().why,
        Why::Answer(INSTANCE)
    );
    let rest = bench.pass(Duration::from_millis(900));
    assert_eq!(rest, ["advertise 100"]);
    assert_eq!(
        bench.router.poll_timeout().unwrap().why,
        Why::Advertise(INSTANCE)
    );
}

#[test]
fn a_regular_advertisement_settles_an_owed_answer() {
    let mut bench = Bench::active(instance(100));
    assert_eq!(bench.hear(LOW_PEER, 50), ["advertise 100"]);
    bench.pass(Duration::from_millis(200));
    assert_eq!(bench.hear(LOW_PEER, 50), NOTHING);
    let start = bench.now;
    bench
        .router
        .handle_timeout(start + Duration::from_millis(900));
    assert!(matches!(
        bench.router.poll_action(),
        Some(Action::Advertise(_))
    ));
    assert_eq!(bench.router.poll_action(), None);
}

#[test]
fn at_the_end_of_the_clock_nothing_overflows() {
    let end = Instant::from_nanos(u64::MAX);
    let mut router = Router::new(one(instance(100))).unwrap();
    router.handle(end, link(true, Some(OWN)));
    router.handle(end, Event::Startup);
    router.handle_timeout(end);
    assert_eq!(router.instance(INSTANCE).unwrap().state, State::Active);
}
