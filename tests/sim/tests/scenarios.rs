//! What happens, and exactly when, in worlds that are made by hand.

#![expect(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU8, NonZeroU16};
use std::time::Duration;

use sim::{Plan, Rig, World};
use vrrp::{
    AnnounceConfig, CheckConfig, CheckId, ChecksumForm, InstanceConfig, InstanceId, Instant,
    InterfaceId, OnError, OnFail, Outcome, Reason, RouterConfig, State, Track, VirtualAddress,
    VirtualRouterId,
};

const LATENCY: Duration = Duration::from_micros(100);
const VI: InstanceId = InstanceId(1);
const CHECK: CheckId = CheckId(0);
const FIRST: usize = 0;
const SECOND: usize = 1;
const FIRST_ACTIVE: [Option<State>; 2] = [Some(State::Active), Some(State::Backup)];
const SECOND_ACTIVE: [Option<State>; 2] = [Some(State::Backup), Some(State::Active)];

/// The address that a host advertises from; that of the second one wins a tie.
fn address(host: usize) -> IpAddr {
    let rank = u8::try_from(host).unwrap() + 1;
    Ipv4Addr::new(10, 0, 1, rank).into()
}

fn instance(priority: u8, milliseconds: u64) -> InstanceConfig {
    InstanceConfig {
        priority: NonZeroU8::new(priority).unwrap(),
        advertisement_interval: Duration::from_millis(milliseconds),
        checksum: ChecksumForm::Rfc9568,
        announce: AnnounceConfig {
            repeat: NonZeroU8::new(2).unwrap(),
            ..AnnounceConfig::default()
        },
        ..InstanceConfig::new(
            InterfaceId(0),
            VirtualRouterId(NonZeroU8::new(51).unwrap()),
            vec![VirtualAddress {
                address: Ipv4Addr::new(10, 0, 0, 100).into(),
                prefix_length: 32,
            }],
        )
    }
}

fn host(instance: InstanceConfig) -> RouterConfig {
    let once = NonZeroU16::MIN;
    let check = CheckConfig {
        rise: once,
        fall: once,
        on_error: OnError::Hold,
        error_hold: 3,
        stale_after: Duration::from_secs(1_000_000),
    };
    RouterConfig {
        checks: vec![(CHECK, check)],
        instances: vec![(VI, instance)],
        groups: Vec::new(),
    }
}

/// Hosts that are switched off.
fn world(instances: [InstanceConfig; 2]) -> World {
    let hosts = instances.map(host).to_vec();
    World::new(Plan::by_hand(LATENCY, hosts), Rig::Sound)
}

/// Two routers after their first election.
fn elected(priorities: [u8; 2], milliseconds: u64) -> World {
    let mut world = world(priorities.map(|priority| instance(priority, milliseconds)));
    world.boot(FIRST).unwrap();
    world.boot(SECOND).unwrap();
    world.run(Duration::from_millis(milliseconds) * 10).unwrap();
    world.news();
    world
}

/// The transitions since the last call: host, when, after, why.
fn news(world: &mut World) -> Vec<(usize, Instant, State, Reason)> {
    let news = world.news().into_iter();
    news.map(|(host, at, transition)| (host, at, transition.after, transition.reason))
        .collect()
}

#[test]
fn crash_is_noticed_at_exactly_the_formula() {
    for milliseconds in [1_000, 100, 10] {
        for priority in [1, 99, 150] {
            let mut world = elected([200, priority], milliseconds);
            assert_eq!(world.states(VI), FIRST_ACTIVE);
            let interval = Duration::from_millis(milliseconds);
            // The first advertisement was sent when its own timer expired, and then one in each interval.
            let down = |priority: u32| interval * 3 + interval * (256 - priority) / 256;
            let start = world.now() - interval * 10;
            let last_sent = start + down(200) + interval * 6;
            world.crash(FIRST);
            world.run(interval * 5).unwrap();
            let reason = Reason::ActiveDown(Some(address(FIRST)));
            let expected = last_sent + LATENCY + down(priority.into());
            assert_eq!(
                news(&mut world),
                [(SECOND, expected, State::Active, reason)]
            );
        }
    }
}

#[test]
fn planned_stop_costs_one_skew_time() {
    let mut world = elected([200, 100], 1_000);
    let stopped = world.now();
    world.stop(FIRST, Duration::ZERO);
    world.run(Duration::from_secs(2)).unwrap();
    let takeover = stopped + LATENCY + Duration::from_nanos(609_375_000);
    let released = Reason::ActiveReleased(address(FIRST));
    let expected = [
        (FIRST, stopped, State::Initialize, Reason::Shutdown),
        (SECOND, takeover, State::Active, released),
    ];
    assert_eq!(news(&mut world), expected);
}

#[test]
fn a_killed_router_costs_one_skew_time_because_its_supervisor_speaks() {
    let mut world = elected([200, 100], 1_000);
    let killed = world.now();
    world.kill(FIRST);
    world.run(Duration::from_secs(2)).unwrap();
    let takeover = killed + LATENCY + Duration::from_nanos(609_375_000);
    let released = Reason::ActiveReleased(address(FIRST));
    assert_eq!(
        news(&mut world),
        [(SECOND, takeover, State::Active, released)]
    );
}

#[test]
fn a_better_router_preempts_unless_told_not_to() {
    for preempt in [true, false] {
        let first = InstanceConfig {
            preempt,
            ..instance(200, 1_000)
        };
        let mut world = world([first, instance(100, 1_000)]);
        world.boot(SECOND).unwrap();
        world.run(Duration::from_secs(10)).unwrap();
        world.news();
        let start = world.now();
        world.boot(FIRST).unwrap();
        world.run(Duration::from_secs(10)).unwrap();
        let mut news = news(&mut world);
        let (host, at, state, _) = news.remove(0);
        assert_eq!((host, at, state), (FIRST, start, State::Backup));
        if preempt {
            let takeover = start + Duration::from_nanos(3_218_750_000);
            let preempting = Reason::Preempting {
                source: address(SECOND),
                priority: 100,
            };
            let beaten = Reason::HigherPriority {
                source: address(FIRST),
                priority: 200,
            };
            let expected = [
                (FIRST, takeover, State::Active, preempting),
                (SECOND, takeover + LATENCY, State::Backup, beaten),
            ];
            assert_eq!(news, expected);
        } else {
            assert_eq!(news, []);
            assert_eq!(world.states(VI), SECOND_ACTIVE);
        }
    }
}

#[test]
fn equal_priorities_are_settled_by_address() {
    let mut world = elected([100, 100], 1_000);
    assert_eq!(world.states(VI), SECOND_ACTIVE);
    world.run(Duration::from_secs(60)).unwrap();
    assert_eq!(news(&mut world), []);
}

#[test]
fn two_lost_advertisements_are_survived_and_three_are_not() {
    let second = Duration::from_secs(1);
    for (lost, survived) in [(2, true), (3, false)] {
        let mut world = elected([200, 100], 1_000);
        for _ in 0..20 {
            world.isolate(0, &[FIRST]);
            world.run(second * lost).unwrap();
            world.heal(0);
            world.run(second).unwrap();
        }
        let news = news(&mut world);
        assert_eq!(news.is_empty(), survived, "{lost} lost: {news:?}");
        if let Some((host, _, state, reason)) = news.first() {
            assert_eq!((*host, *state), (SECOND, State::Active));
            assert_eq!(*reason, Reason::ActiveDown(Some(address(FIRST))));
        }
        assert_eq!(world.states(VI), FIRST_ACTIVE);
    }
}

#[test]
fn a_failing_check_moves_the_address_there_and_back() {
    let first = InstanceConfig {
        tracks: vec![Track {
            check: CHECK,
            on_fail: OnFail::Fault,
        }],
        ..instance(100, 1_000)
    };
    let mut world = world([first, instance(99, 1_000)]);
    world.boot(FIRST).unwrap();
    world.boot(SECOND).unwrap();
    world.report(FIRST, CHECK, Outcome::Passing);
    world.run(Duration::from_secs(10)).unwrap();
    assert_eq!(world.states(VI), FIRST_ACTIVE);

    let failed = world.now();
    world.news();
    world.report(FIRST, CHECK, Outcome::Failing);
    world.run(Duration::from_secs(1)).unwrap();
    // (256 - 99) / 256 s
    let takeover = failed + LATENCY + Duration::from_nanos(613_281_250);
    let released = Reason::ActiveReleased(address(FIRST));
    let expected = [
        (FIRST, failed, State::Fault, Reason::CheckDown(CHECK)),
        (SECOND, takeover, State::Active, released),
    ];
    assert_eq!(news(&mut world), expected);

    world.report(FIRST, CHECK, Outcome::Passing);
    world.run(Duration::from_secs(5)).unwrap();
    assert_eq!(world.states(VI), FIRST_ACTIVE);
    let news = news(&mut world).into_iter();
    let changes: Vec<_> = news.map(|(host, _, state, _)| (host, state)).collect();
    let expected = [
        (FIRST, State::Backup),
        (FIRST, State::Active),
        (SECOND, State::Backup),
    ];
    assert_eq!(changes, expected);
}

#[test]
fn a_partition_heals_at_the_next_advertisement() {
    let mut world = elected([200, 100], 1_000);
    world.isolate(0, &[FIRST]);
    world.run(Duration::from_secs(10)).unwrap();
    assert_eq!(world.states(VI), [Some(State::Active); 2], "each is alone");
    world.heal(0);
    let healed = world.now();
    world.news();
    world.run(Duration::from_secs(10)).unwrap();
    assert_eq!(world.states(VI), FIRST_ACTIVE);
    let (host, at, ..) = news(&mut world)[0];
    assert_eq!(host, SECOND);
    assert!(at.saturating_duration_since(healed) <= Duration::from_secs(1) + LATENCY);
}
