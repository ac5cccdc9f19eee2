//! What checks do to priorities and states.

use core::num::NonZeroU16;

use super::*;
use crate::{CheckConfig, OnError, Track};

#[test]
fn weights_move_the_priority_within_bounds() {
    let table = [
        (100, -20, Outcome::Failing, 80),
        (100, -20, Outcome::Passing, 100),
        (100, 20, Outcome::Failing, 100),
        (100, 20, Outcome::Passing, 120),
        (100, -253, Outcome::Failing, 1),
        (250, 253, Outcome::Passing, 254),
        (1, -1, Outcome::Failing, 1),
        (255, -20, Outcome::Failing, 255),
        (255, 20, Outcome::Passing, 255),
    ];
    for (base, weight, outcome, effective) in table {
        let mut bench = Bench::started(tracking(base, OnFail::Weight(weight)));
        bench.event(report(outcome));
        let status = bench.status();
        assert_eq!(
            (status.base_priority, status.effective_priority),
            (base, effective),
            "{weight}"
        );
    }
}

#[test]
fn several_weights_add_up_before_the_bounds_apply() {
    let ids = [CheckId(1), CheckId(2), CheckId(3)];
    let weights = [-150, -150, 250];
    let track = |(check, weight): (&CheckId, i16)| Track {
        check: *check,
        on_fail: OnFail::Weight(weight),
    };
    let tracks = ids.iter().zip(weights).map(track).collect();
    let config = RouterConfig {
        checks: ids.map(|id| (id, check())).to_vec(),
        instances: vec![(
            INSTANCE,
            InstanceConfig {
                tracks,
                ..instance(100)
            },
        )],
        groups: Vec::new(),
    };
    let mut router = Router::new(config).unwrap();
    let mut effective_after = |check, outcome| {
        let report = Report {
            check,
            outcome,
            weight: None,
        };
        router.handle(Instant::from_nanos(0), Event::Report(report));
        router.instance(INSTANCE).unwrap().effective_priority
    };
    assert_eq!(effective_after(ids[0], Outcome::Failing), 1);
    assert_eq!(effective_after(ids[1], Outcome::Failing), 1);
    assert_eq!(effective_after(ids[2], Outcome::Passing), 50);
    assert_eq!(effective_after(ids[0], Outcome::Passing), 200);
}

#[test]
fn a_change_of_priority_is_told_with_its_reason() {
    let mut bench = Bench::started(tracking(100, OnFail::Weight(-20)));
    assert_eq!(bench.event(report(Outcome::Passing)), ["check Pending->Up"]);
    assert_eq!(
        bench.event(report(Outcome::Failing)),
        ["check Up->Down", "priority 100->80 CheckDown"]
    );
    assert_eq!(bench.event(report(Outcome::Failing)), NOTHING);
    assert_eq!(
        bench.event(report(Outcome::Warning)),
        ["check Down->Up", "priority 80->100 CheckUp"]
    );
    let weighted = Report {
        check: CHECK,
        outcome: Outcome::Passing,
        weight: Some(-5),
    };
    assert_eq!(
        bench.event(Event::Report(weighted)),
        ["priority 100->95 CheckWeight"]
    );
    assert_eq!(bench.event(Event::Report(weighted)), NOTHING);
    for _ in 0..3 {
        assert_eq!(bench.event(report(Outcome::Error)), NOTHING);
    }
    assert_eq!(
        bench.event(report(Outcome::Error)),
        ["check Up->Unknown", "priority 95->1 CheckUnknown"]
    );
    let track = bench.status().tracks[0];
    assert_eq!((track.standing, track.weight), (Standing::Unknown, -100));
    let status = bench.router.check(CHECK).unwrap();
    assert_eq!(
        (status.runs, status.errors, status.last),
        (10, 4, Some(Outcome::Error))
    );
}

#[test]
fn fault_and_back() {
    let mut bench = Bench::active(tracking(100, OnFail::Fault));
    assert_eq!(
        bench.event(report(Outcome::Failing)),
        [
            "check Up->Down",
            "advertise 0",
            "release",
            "MASTER->FAULT CheckDown"
        ]
    );
    assert_eq!(
        bench.due_in(),
        Some(check().stale_after),
        "no timer of an election"
    );
    assert_eq!(
        bench.event(report(Outcome::Passing)),
        ["check Down->Up", "FAULT->BACKUP CheckUp"]
    );
    assert_eq!(bench.due_in(), Some(Duration::from_nanos(3_609_375_000)));
}

#[test]
fn status_tells_what_keeps_an_instance_in_fault() {
    let mut bench = Bench::active(tracking(100, OnFail::Fault));
    bench.event(link(false, None));
    bench.event(report(Outcome::Failing));
    assert_eq!(bench.status().reason, Some(Reason::LinkDown));
    let fault = bench.status().since;
    bench.now = bench.now + Duration::from_secs(1);
    assert_eq!(bench.event(link(true, Some(OWN))), NOTHING);
    assert_eq!(bench.status().reason, Some(Reason::CheckDown(CHECK)));
    assert_eq!(bench.status().since, fault);
}

#[test]
fn an_unknown_check_lowers_but_never_faults() {
    let mut bench = Bench::active(tracking(150, OnFail::Fault));
    for _ in 0..3 {
        bench.event(report(Outcome::Error));
    }
    assert_eq!(
        bench.event(report(Outcome::Error)),
        ["check Up->Unknown", "priority 150->50 CheckUnknown"]
    );
    assert_eq!(bench.status().state, State::Active);

    bench.event(report(Outcome::Failing));
    assert_eq!(bench.status().state, State::Fault);
    for _ in 0..3 {
        bench.event(report(Outcome::Error));
    }
    assert_eq!(
        bench.event(report(Outcome::Error)),
        ["check Down->Unknown", "FAULT->BACKUP CheckUnknown"]
    );
}

#[test]
fn an_owner_gives_up_only_by_fault() {
    let mut bench = Bench::active(tracking(255, OnFail::Release));
    assert_eq!(bench.event(report(Outcome::Failing)), ["check Up->Down"]);
    let mut bench = Bench::active(tracking(255, OnFail::Fault));
    assert_eq!(
        bench.event(report(Outcome::Failing)),
        [
            "check Up->Down",
            "advertise 0",
            "release",
            "MASTER->FAULT CheckDown"
        ]
    );
    assert_eq!(
        bench.event(report(Outcome::Passing)),
        [
            "check Down->Up",
            "advertise 255",
            "claim",
            "FAULT->MASTER Owner"
        ]
    );
}

#[test]
fn first_verdicts_are_waited_for() {
    let mut bench = Bench::started(tracking(100, OnFail::Fault));
    assert_eq!(bench.status().state, State::Initialize);
    assert_eq!(
        bench.router.poll_timeout().unwrap().why,
        Why::InitGrace(INSTANCE)
    );
    assert_eq!(bench.hear(HIGH_PEER, 0), NOTHING);
    assert_eq!(
        bench.event(report(Outcome::Passing)),
        ["check Pending->Up", "INIT->BACKUP CheckUp"]
    );

    let mut bench = Bench::started(tracking(100, OnFail::Fault));
    assert_eq!(
        bench.event(report(Outcome::Failing)),
        ["check Pending->Down", "INIT->FAULT CheckDown"]
    );

    let mut bench = Bench::started(tracking(100, OnFail::Fault));
    assert_eq!(bench.pass(Duration::from_millis(9_999)), NOTHING);
    assert_eq!(
        bench.pass(Duration::from_millis(1)),
        ["check Pending->Unknown", "INIT->BACKUP CheckUnknown"]
    );
    assert_eq!(bench.status().effective_priority, 1);

    // Others are not waited for.
    assert_eq!(
        Bench::started(tracking(100, OnFail::Weight(-1)))
            .status()
            .state,
        State::Backup
    );
    assert_eq!(
        Bench::started(tracking(100, OnFail::Release))
            .status()
            .state,
        State::Backup
    );
}

#[test]
fn grace_runs_from_startup_through_other_troubles() {
    let mut bench = Bench::new(tracking(100, OnFail::Fault));
    bench.event(link(false, None));
    assert_eq!(bench.event(Event::Startup), ["INIT->FAULT LinkDown"]);
    bench.pass(Duration::from_secs(4));
    assert_eq!(bench.event(link(true, Some(OWN))), ["FAULT->INIT LinkUp"]);
    assert_eq!(bench.due_in(), Some(Duration::from_secs(6)));
    bench.event(link(false, None));
    assert_eq!(
        bench.pass(Duration::from_secs(6)),
        ["check Pending->Unknown", "priority 100->1 CheckUnknown"]
    );
    assert_eq!(bench.event(link(true, Some(OWN))), ["FAULT->BACKUP LinkUp"]);
}

#[test]
fn reports_before_startup_count() {
    let mut bench = Bench::new(tracking(100, OnFail::Fault));
    bench.event(link(true, Some(OWN)));
    assert_eq!(bench.event(report(Outcome::Passing)), ["check Pending->Up"]);
    assert_eq!(bench.event(Event::Startup), ["INIT->BACKUP Startup"]);
}

#[test]
fn a_silent_check_becomes_unknown() {
    let stale = CheckConfig {
        stale_after: Duration::from_secs(2),
        error_hold: 1,
        ..check()
    };
    let config = RouterConfig {
        checks: vec![(CHECK, stale)],
        instances: vec![(INSTANCE, tracking(100, OnFail::Fault))],
        groups: Vec::new(),
    };
    let mut router = Router::new(config).unwrap();
    let at = |milliseconds: u64| Instant::from_nanos(milliseconds * 1_000_000);
    router.handle(at(0), link(true, Some(OWN)));
    router.handle(at(0), Event::Startup);
    router.handle(at(500), report(Outcome::Passing));
    assert_eq!(
        router.poll_timeout(),
        Some(Deadline {
            at: at(2_500),
            why: Why::StaleCheck(CHECK)
        })
    );
    router.handle_timeout(at(2_500));
    assert_eq!(router.check(CHECK).unwrap().standing, Standing::Up);
    router.handle_timeout(at(4_500));
    assert_eq!(router.check(CHECK).unwrap().standing, Standing::Unknown);
    assert_eq!(router.check(CHECK).unwrap().since, Some(at(4_500)));
    assert_eq!(router.instance(INSTANCE).unwrap().effective_priority, 1);
}

#[test]
fn one_check_serves_several_instances() {
    let fall = NonZeroU16::new(2).unwrap();
    let other = InstanceConfig {
        virtual_router_id: VirtualRouterId(core::num::NonZeroU8::new(52).unwrap()),
        ..tracking(100, OnFail::Weight(-10))
    };
    let config = RouterConfig {
        checks: vec![(
            CHECK,
            CheckConfig {
                fall,
                on_error: OnError::Fail,
                ..check()
            },
        )],
        instances: vec![
            (INSTANCE, tracking(100, OnFail::Fault)),
            (InstanceId(2), other),
        ],
        groups: Vec::new(),
    };
    let mut router = Router::new(config).unwrap();
    let now = Instant::from_nanos(0);
    router.handle(now, link(true, Some(OWN)));
    router.handle(now, Event::Startup);
    for outcome in [Outcome::Passing, Outcome::Failing, Outcome::Error] {
        router.handle(now, report(outcome));
    }
    let actions: Vec<_> = core::iter::from_fn(|| router.poll_action())
        .map(|a| show(&a))
        .collect();
    assert_eq!(
        actions,
        [
            "INIT->BACKUP Startup",
            "check Pending->Up",
            "INIT->BACKUP CheckUp",
            "check Up->Down",
            "BACKUP->FAULT CheckDown",
            "priority 100->90 CheckDown",
        ]
    );
}
