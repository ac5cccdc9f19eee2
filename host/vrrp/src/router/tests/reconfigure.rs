//! Another configuration for a router that goes on.

use core::num::NonZeroU8;

use super::*;
use crate::Track;

const OTHER: InstanceId = InstanceId(2);

impl Bench {
    fn reconfigure(&mut self, config: RouterConfig) -> Vec<alloc::string::String> {
        self.router.reconfigure(self.now, config).unwrap();
        core::iter::from_fn(|| self.router.poll_action())
            .map(|action| show(&action))
            .collect()
    }
}

fn changed(change: impl FnOnce(&mut InstanceConfig)) -> RouterConfig {
    let mut config = instance(100);
    change(&mut config);
    one(config)
}

fn address_of(text: &str) -> VirtualAddress {
    VirtualAddress {
        address: text.parse().unwrap(),
        prefix_length: 32,
    }
}

#[test]
fn what_did_not_change_notices_nothing() {
    for mut bench in [Bench::started(instance(100)), Bench::active(instance(100))] {
        bench.now = bench.now + Duration::from_millis(300);
        let due = bench.due_in();
        let status = bench.status();
        assert_eq!(bench.reconfigure(one(instance(100))), NOTHING);
        assert_eq!(bench.due_in(), due);
        assert_eq!(bench.status(), status);
    }
}

#[test]
fn a_bad_configuration_changes_nothing() {
    let mut bench = Bench::active(instance(100));
    let due = bench.due_in();
    let bad = changed(|config| config.addresses.clear());
    assert!(bench.router.reconfigure(bench.now, bad).is_err());
    assert_eq!(bench.router.poll_action(), None);
    assert_eq!(bench.due_in(), due);
}

#[test]
fn another_priority_counts_at_once() {
    let mut bench = Bench::active(instance(100));
    let due = bench.due_in();
    assert_eq!(
        bench.reconfigure(one(instance(150))),
        ["priority 100->150 Reconfigured"]
    );
    assert_eq!(bench.due_in(), due);
    assert_eq!(bench.fire(), ["advertise 150"]);
    // A Backup becomes more patient by the difference of the two skews.
    let mut bench = Bench::started(instance(100));
    let due = bench.due_in().unwrap();
    bench.reconfigure(one(instance(36)));
    assert_eq!(bench.due_in(), Some(due + Duration::from_millis(250)));
}

#[test]
fn another_interval_is_told_to_the_peers_at_once() {
    let mut bench = Bench::active(instance(100));
    let faster = |config: &mut InstanceConfig| {
        config.advertisement_interval = Duration::from_millis(100);
    };
    assert_eq!(bench.reconfigure(changed(faster)), NOTHING);
    assert_eq!(bench.due_in(), Some(Duration::ZERO));
    assert_eq!(bench.fire(), ["advertise 100"]);
    assert_eq!(bench.due_in(), Some(Duration::from_millis(100)));
    let mut bench = Bench::started(instance(100));
    bench.reconfigure(changed(faster));
    assert!(bench.due_in() < Some(Duration::from_millis(400)));
    // Who is followed sets the pace.
    let mut bench = Bench::started(instance(100));
    bench.hear(HIGH_PEER, 200);
    let due = bench.due_in();
    bench.reconfigure(changed(faster));
    assert_eq!(bench.due_in(), due);
}

/// Found by the simulator, seed 791: by the new interval it had been silent for too long, and it gave up the addresses.
#[test]
fn an_active_router_is_not_late_by_an_interval_that_begins_now() {
    let faster = |config: &mut InstanceConfig| {
        config.advertisement_interval = Duration::from_millis(100);
    };
    let mut bench = Bench::active(instance(100));
    bench.now = bench.now + Duration::from_millis(900);
    bench.reconfigure(changed(faster));
    assert_eq!(bench.fire(), ["advertise 100"]);
    assert_eq!(bench.status().state, State::Active);
    // By the old one it was.
    let mut bench = Bench::active(instance(100));
    bench.now = bench.now + Duration::from_secs(4);
    assert_eq!(
        bench.reconfigure(changed(faster)),
        ["release", "MASTER->BACKUP Late(4s)"]
    );
}

#[test]
fn addresses_come_and_go_while_active() {
    let mut bench = Bench::active(instance(100));
    bench.event(address(true));
    let two = changed(|config| config.addresses.push(address_of("10.0.0.101")));
    assert_eq!(bench.reconfigure(two), ["claim"]);
    assert_eq!(bench.status().state, State::Active);
    let change = AddressChange {
        instance: INSTANCE,
        address: "10.0.0.101".parse().unwrap(),
        present: true,
    };
    assert_eq!(
        bench.event(Event::Address(change)),
        ["announce 10.0.0.101", "announce 10.0.0.101"]
    );
    let other = changed(|config| config.addresses = vec![address_of("10.0.0.101")]);
    assert_eq!(bench.reconfigure(other), ["claim"]);
    let mut later = bench.pass(Duration::from_secs(20));
    later.retain(|action| action.starts_with("announce"));
    assert_eq!(later, ["announce 10.0.0.101"; 2], "none of what is gone");
}

#[test]
fn excluded_addresses_come_and_go_while_active() {
    let excluded: IpAddr = "2001:db8::1".parse().unwrap();
    let with = || changed(|config| config.excluded = vec![excluded]);
    let mut bench = Bench::active(instance(100));
    let due = bench.due_in();
    assert_eq!(bench.reconfigure(with()), ["claim"]);
    assert_eq!(bench.reconfigure(with()), NOTHING);
    assert_eq!(bench.due_in(), due);
    let change = AddressChange {
        instance: INSTANCE,
        address: excluded,
        present: true,
    };
    assert_eq!(
        bench.event(Event::Address(change)),
        ["announce 2001:db8::1", "announce 2001:db8::1"]
    );
    assert_eq!(bench.reconfigure(one(instance(100))), ["claim"]);
    let mut later = bench.pass(Duration::from_secs(20));
    later.retain(|action| action.starts_with("announce"));
    assert_eq!(later, NOTHING, "it is gone");
}

#[test]
fn an_address_that_is_no_longer_excluded_is_announced_as_before() {
    let moved = address_of("10.0.0.101");
    let mut bench = Bench::active(InstanceConfig {
        excluded: vec![moved.address],
        ..instance(100)
    });
    let change = AddressChange {
        instance: INSTANCE,
        address: moved.address,
        present: true,
    };
    bench.event(Event::Address(change));
    let advertised = changed(|config| config.addresses.push(moved));
    assert_eq!(bench.reconfigure(advertised), ["claim"]);
    let mut later = bench.pass(Duration::from_secs(20));
    later.retain(|action| action.starts_with("announce"));
    assert_eq!(later, ["announce 10.0.0.101"; 2], "the second burst");
}

#[test]
fn instances_come_and_go() {
    let mut bench = Bench::active(instance(100));
    let second = InstanceConfig {
        virtual_router_id: VirtualRouterId(NonZeroU8::new(52).unwrap()),
        ..instance(100)
    };
    let both = RouterConfig {
        instances: vec![(INSTANCE, instance(100)), (OTHER, second.clone())],
        ..one(instance(100))
    };
    assert_eq!(bench.reconfigure(both), ["INIT->BACKUP Startup"]);
    assert_eq!(bench.status().state, State::Active);
    let second_alone = RouterConfig {
        instances: vec![(OTHER, second)],
        ..one(instance(100))
    };
    assert_eq!(
        bench.reconfigure(second_alone),
        ["advertise 0", "release", "MASTER->INIT Shutdown"]
    );
    assert_eq!(bench.router.instance(INSTANCE), None);
    let state = bench.router.instance(OTHER).map(|status| status.state);
    assert_eq!(state, Some(State::Backup));
}

#[test]
fn another_virtual_router_under_the_same_number_starts_afresh() {
    let mut bench = Bench::active(instance(100));
    let renumbered = changed(|config| {
        config.virtual_router_id = VirtualRouterId(NonZeroU8::new(52).unwrap());
    });
    assert_eq!(
        bench.reconfigure(renumbered),
        [
            "advertise 0",
            "release",
            "MASTER->INIT Shutdown",
            "INIT->BACKUP Startup"
        ]
    );
}

#[test]
fn a_check_that_is_known_to_be_down_counts_for_whoever_comes_to_track_it() {
    let mut bench = Bench::active(instance(100));
    bench.event(report(Outcome::Failing));
    assert_eq!(
        bench.reconfigure(one(tracking(100, OnFail::Fault))),
        ["advertise 0", "release", "MASTER->FAULT CheckDown"]
    );
    assert_eq!(
        bench.reconfigure(one(tracking(100, OnFail::Weight(-10)))),
        ["FAULT->BACKUP Reconfigured",]
    );
    assert_eq!(bench.status().effective_priority, 90);
    let tracks: Vec<Track> = Vec::new();
    assert_eq!(
        bench.reconfigure(changed(|config| config.tracks = tracks)),
        ["priority 90->100 Reconfigured"]
    );
}

#[test]
fn before_startup_everything_can_change() {
    let mut bench = Bench::new(instance(100));
    assert_eq!(bench.reconfigure(one(instance(150))), NOTHING);
    bench.event(link(true, Some(OWN)));
    assert_eq!(bench.event(Event::Startup), ["INIT->BACKUP Startup"]);
    assert_eq!(bench.status().base_priority, 150);
}

#[test]
fn a_router_that_stops_takes_no_other_configuration() {
    let mut bench = Bench::active(instance(100));
    bench.event(Event::Shutdown {
        grace: Duration::from_secs(2),
    });
    assert_eq!(bench.reconfigure(one(instance(150))), NOTHING);
    assert_eq!(bench.fire(), ["release", "MASTER->INIT Shutdown"]);
    assert_eq!(bench.reconfigure(one(instance(150))), NOTHING);
}

/// Found by the simulator, seed 2089918: the pause between answers was still a part of the interval before.
#[test]
fn another_interval_makes_the_pause_between_answers_another_one() {
    let slower = |config: &mut InstanceConfig| {
        config.advertisement_interval = Duration::from_secs(4);
    };
    let faster = |config: &mut InstanceConfig| {
        config.advertisement_interval = Duration::from_secs(2);
    };
    let mut bench = Bench::active(instance(100));
    bench.reconfigure(changed(slower));
    bench.fire();
    let answers = |bench: &mut Bench| {
        let heard = bench.hear(LOW_PEER, 50);
        heard.iter().any(|action| action == "advertise 100")
    };
    assert!(answers(&mut bench));
    bench.reconfigure(changed(faster));
    assert_eq!(bench.fire(), ["advertise 100"]);
    assert!(answers(&mut bench));
    assert!(!answers(&mut bench));
    assert_eq!(bench.due_in(), Some(Duration::from_millis(500)));
}
