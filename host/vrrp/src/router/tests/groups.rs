//! Sync groups: all Active, or none.

use core::num::NonZeroU8;

use super::*;
use crate::{CheckConfig, Command, GroupError, GroupId, SyncGroup, Track};

const OTHER: InstanceId = InstanceId(2);
const GROUP_ID: GroupId = GroupId(1);
const OTHER_LINK: InterfaceId = InterfaceId(8);

fn member(vrid: u8, interface: InterfaceId, priority: u8) -> InstanceConfig {
    InstanceConfig {
        interface,
        virtual_router_id: VirtualRouterId(NonZeroU8::new(vrid).unwrap()),
        ..instance(priority)
    }
}

struct Pair {
    router: Router,
    now: Instant,
}

impl Pair {
    fn new(priority: u8, tracks: Vec<Track>) -> Self {
        let first = InstanceConfig {
            tracks,
            ..member(51, INTERFACE, priority)
        };
        let config = RouterConfig {
            checks: vec![(CHECK, check())],
            instances: vec![(INSTANCE, first), (OTHER, member(52, OTHER_LINK, priority))],
            groups: vec![(
                GROUP_ID,
                SyncGroup {
                    members: vec![INSTANCE, OTHER],
                },
            )],
        };
        let mut pair = Self {
            router: Router::new(config).unwrap(),
            now: Instant::from_nanos(1_000_000_000),
        };
        pair.link(INTERFACE, true);
        pair.link(OTHER_LINK, true);
        pair
    }

    fn started() -> Self {
        let mut pair = Self::new(100, Vec::new());
        pair.event(Event::Startup);
        pair
    }

    fn active() -> Self {
        let mut pair = Self::started();
        pair.fire();
        assert_eq!(pair.states(), [State::Active; 2]);
        pair
    }

    fn event(&mut self, event: Event<'_>) -> Vec<alloc::string::String> {
        self.router.handle(self.now, event);
        self.actions()
    }

    fn link(&mut self, interface: InterfaceId, up: bool) -> Vec<alloc::string::String> {
        self.event(Event::Link(Link {
            interface,
            up,
            primary: Some(OWN),
            link_local: None,
            known_as: None,
        }))
    }

    fn hear(&mut self, instance: InstanceId, priority: u8) -> Vec<alloc::string::String> {
        let (vrid, interface) = if instance == INSTANCE {
            (51, INTERFACE)
        } else {
            (52, OTHER_LINK)
        };
        let message: Advertisement = advertisement(&member(vrid, interface, 100), priority);
        let payload = message.emit(HIGH_PEER.into(), GROUP);
        self.event(Event::Packet(Packet {
            interface,
            source: HIGH_PEER.into(),
            destination: GROUP,
            ttl: Some(255),
            payload: &payload,
            at: WALL,
        }))
    }

    fn fire(&mut self) -> Vec<alloc::string::String> {
        self.now = self.router.poll_timeout().unwrap().at;
        self.router.handle_timeout(self.now);
        assert!(
            self.router
                .poll_timeout()
                .is_none_or(|next| next.at > self.now)
        );
        self.actions()
    }

    fn actions(&mut self) -> Vec<alloc::string::String> {
        core::iter::from_fn(|| self.router.poll_action())
            .map(|action| show(&action))
            .collect()
    }

    fn states(&self) -> [State; 2] {
        [INSTANCE, OTHER].map(|id| self.router.instance(id).unwrap().state)
    }
}

#[test]
fn they_take_over_together() {
    let mut pair = Pair::started();
    assert_eq!(
        pair.fire(),
        [
            "advertise 100",
            "claim",
            "BACKUP->MASTER ActiveDown",
            "advertise 100",
            "claim",
            "BACKUP->MASTER ActiveDown",
            "group BACKUP->MASTER"
        ]
    );
    assert_eq!(pair.router.group(GROUP_ID), Some((State::Active, 2)));
}

#[test]
fn one_that_hears_its_master_holds_the_other() {
    let mut pair = Pair::started();
    for _ in 0..10 {
        pair.hear(INSTANCE, 200);
        pair.now = pair.now + Duration::from_millis(900);
        pair.router.handle_timeout(pair.now);
        assert_eq!(pair.actions(), NOTHING);
        assert_eq!(pair.states(), [State::Backup; 2]);
    }
    // When that one falls silent as well, nothing holds them.
    assert_eq!(pair.fire().len(), 7);
    assert_eq!(pair.states(), [State::Active; 2]);
}

/// Held by the other one, it gets another priority, which puts its timer off; meanwhile the other one is due.
#[test]
fn one_whose_timer_is_put_off_while_it_is_held_holds_nobody_for_ever() {
    let weight = Track {
        check: CHECK,
        on_fail: OnFail::Weight(-90),
    };
    let mut pair = Pair::new(100, vec![weight]);
    pair.event(Event::Startup);
    pair.event(report(Outcome::Passing));
    pair.now = pair.now + Duration::from_millis(100);
    pair.hear(OTHER, 200);
    assert_eq!(pair.fire(), NOTHING, "the first one is held");
    pair.event(report(Outcome::Failing));
    assert_eq!(pair.fire(), NOTHING, "the other one is due");
    assert_eq!(pair.fire().len(), 7);
    assert_eq!(pair.states(), [State::Active; 2]);
}

#[test]
fn one_that_loses_takes_the_other_along() {
    let mut pair = Pair::active();
    assert_eq!(
        pair.hear(INSTANCE, 200),
        [
            "release",
            "MASTER->BACKUP HigherPriority(10.0.0.9, 200)",
            "advertise 0",
            "release",
            "MASTER->BACKUP SyncGroup(InstanceId(1))",
            "group MASTER->BACKUP"
        ]
    );
}

#[test]
fn one_in_fault_keeps_all_in_fault_until_the_last_is_well() {
    let mut pair = Pair::active();
    assert_eq!(
        pair.link(INTERFACE, false),
        [
            "release",
            "MASTER->FAULT LinkDown",
            "advertise 0",
            "release",
            "MASTER->FAULT SyncGroup(InstanceId(1))",
            "group MASTER->FAULT"
        ]
    );
    assert_eq!(pair.link(OTHER_LINK, false), NOTHING);
    assert_eq!(pair.link(INTERFACE, true), NOTHING, "the other is not well");
    assert_eq!(pair.states(), [State::Fault; 2]);
    assert_eq!(
        pair.link(OTHER_LINK, true),
        [
            "FAULT->BACKUP LinkUp",
            "FAULT->BACKUP SyncGroup(InstanceId(2))",
            "group FAULT->BACKUP"
        ]
    );
}

#[test]
fn one_that_waits_for_a_verdict_keeps_all_waiting() {
    let track = Track {
        check: CHECK,
        on_fail: OnFail::Fault,
    };
    let mut pair = Pair::new(100, vec![track]);
    assert_eq!(pair.event(Event::Startup), NOTHING);
    assert_eq!(
        pair.event(report(Outcome::Passing)),
        [
            "check Pending->Up",
            "INIT->BACKUP CheckUp",
            "INIT->BACKUP SyncGroup(InstanceId(1))",
            "group INIT->BACKUP"
        ]
    );
}

#[test]
fn owners_wait_for_each_other_only() {
    let mut pair = Pair::new(255, Vec::new());
    pair.link(OTHER_LINK, false);
    assert_eq!(
        pair.event(Event::Startup),
        [
            "INIT->FAULT SyncGroup(InstanceId(2))",
            "INIT->FAULT LinkDown",
            "group INIT->FAULT"
        ]
    );
    pair.link(OTHER_LINK, true);
    let before = pair.now;
    assert_eq!(
        pair.fire(),
        [
            "advertise 255",
            "claim",
            "BACKUP->MASTER Owner",
            "advertise 255",
            "claim",
            "BACKUP->MASTER Owner",
            "group BACKUP->MASTER"
        ]
    );
    assert_eq!(pair.now, before, "at once");
}

#[test]
fn a_command_to_one_is_for_all() {
    let mut pair = Pair::active();
    let drained = pair.event(Event::Command(OTHER, Command::Drain));
    assert_eq!(
        drained
            .iter()
            .filter(|action| *action == "advertise 0")
            .count(),
        2
    );
    assert_eq!(
        pair.states(),
        [State::Active; 2],
        "until somebody takes over"
    );
    assert_eq!(
        pair.hear(INSTANCE, 50),
        [
            "release",
            "MASTER->BACKUP Command(Drain)",
            "group MASTER->BACKUP"
        ],
        "the other has its own taker to wait for"
    );
    assert_eq!(
        pair.hear(OTHER, 50),
        ["release", "MASTER->BACKUP Command(Drain)"]
    );
}

#[test]
fn a_release_by_one_is_a_release_by_all() {
    let track = Track {
        check: CHECK,
        on_fail: OnFail::Release,
    };
    let mut pair = Pair::new(150, vec![track]);
    pair.event(Event::Startup);
    pair.event(report(Outcome::Passing));
    pair.fire();
    let released = pair.event(report(Outcome::Failing));
    let farewells = released.iter().filter(|action| *action == "advertise 0");
    assert_eq!(farewells.count(), 2, "{released:?}");
}

#[test]
fn groups_that_cannot_be() {
    let error = |members: Vec<InstanceId>, again: bool| {
        let config = RouterConfig {
            checks: Vec::<(CheckId, CheckConfig)>::new(),
            instances: vec![
                (INSTANCE, member(51, INTERFACE, 100)),
                (OTHER, member(52, INTERFACE, 100)),
            ],
            groups: (1..)
                .map(GroupId)
                .zip([SyncGroup { members }].into_iter().cycle())
                .take(if again { 2 } else { 1 })
                .collect(),
        };
        match Router::new(config) {
            Err(ConfigError::Group { error, .. }) => Some(error),
            Ok(_) => None,
            Err(other) => panic!("{other}"),
        }
    };
    let both = vec![INSTANCE, OTHER];
    assert_eq!(error(both.clone(), false), None);
    assert_eq!(error(both, true), Some(GroupError::MemberTwice(INSTANCE)));
    assert_eq!(error(vec![OTHER], false), Some(GroupError::TooSmall(1)));
    let strange = InstanceId(9);
    assert_eq!(
        error(vec![OTHER, strange], false),
        Some(GroupError::UnknownInstance(strange))
    );
}

/// Found by the property test: the group went away, and nothing woke the member that waited for it.
#[test]
fn a_member_that_was_held_back_takes_over_when_its_group_is_gone() {
    let mut pair = Pair::started();
    for _ in 0..5 {
        pair.hear(INSTANCE, 200);
        pair.now = pair.now + Duration::from_millis(900);
        pair.router.handle_timeout(pair.now);
    }
    let alone = RouterConfig {
        instances: vec![
            (INSTANCE, member(51, INTERFACE, 100)),
            (OTHER, member(52, OTHER_LINK, 100)),
        ],
        ..RouterConfig::default()
    };
    pair.router.reconfigure(pair.now, alone).unwrap();
    assert!(pair.router.poll_timeout().unwrap().at <= pair.now);
    pair.router.handle_timeout(pair.now);
    assert_eq!(pair.states(), [State::Backup, State::Active]);
}

#[test]
fn a_member_that_was_held_back_takes_over_later_when_its_priority_drops() {
    let track = Track {
        check: CHECK,
        on_fail: OnFail::Weight(-90),
    };
    let mut pair = Pair::new(100, vec![track]);
    pair.event(Event::Startup);
    pair.event(report(Outcome::Passing));
    let start = pair.now;
    pair.now = start + Duration::from_millis(200);
    pair.hear(OTHER, 200);
    assert_eq!(pair.fire(), NOTHING, "the other is not due yet");
    pair.now = start + Duration::from_millis(3_700);
    pair.event(report(Outcome::Failing));
    assert_eq!(pair.fire(), NOTHING, "the first is not due any more");
    pair.fire();
    // Three intervals and 246/256 of one.
    let due = start + Duration::from_nanos(3_960_937_500);
    assert_eq!(pair.now, due, "not when something else happens to be due");
    assert_eq!(pair.states(), [State::Active; 2]);
}

#[test]
fn a_tie_is_for_the_first_member_to_lose() {
    let mut pair = Pair::active();
    pair.hear(INSTANCE, 100);
    assert_eq!(pair.states(), [State::Backup; 2]);

    let mut pair = Pair::active();
    assert_eq!(pair.hear(OTHER, 100), NOTHING);
    assert_eq!(pair.states(), [State::Active; 2]);
    // No tie: whoever has a higher priority on one link has won everything.
    pair.hear(OTHER, 101);
    assert_eq!(pair.states(), [State::Backup; 2]);
}

#[test]
fn another_member_loses_a_tie_that_the_first_one_has_heard_nothing_of() {
    let mut pair = Pair::active();
    let begin = pair.now;
    pair.hear(OTHER, 100);
    for nanoseconds in [0, 1_249_999_999] {
        pair.now = begin + Duration::from_nanos(nanoseconds);
        pair.hear(OTHER, 100);
        assert_eq!(pair.states(), [State::Active; 2]);
    }
    pair.now = begin + Duration::from_millis(1_250);
    pair.hear(OTHER, 100);
    assert_eq!(pair.states(), [State::Backup; 2]);
}

#[test]
fn a_rival_that_fell_silent_is_forgotten() {
    let mut pair = Pair::active();
    pair.hear(OTHER, 100);
    let forgotten = pair.now + Duration::from_nanos(3_609_375_000);
    while pair.now < forgotten {
        pair.fire();
    }
    assert_eq!(pair.hear(OTHER, 100), NOTHING);
    assert_eq!(pair.states(), [State::Active; 2]);
}
