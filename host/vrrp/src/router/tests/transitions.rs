//! Every state against every event (RFC 9568 §6.4).

use alloc::format;
use alloc::string::String;

use expect_test::expect;

use super::*;

/// Brings an instance into a state, then lets one event happen to it.
struct Row {
    name: &'static str,
    bench: fn() -> Bench,
}

const EVENTS: [&str; 15] = [
    "startup",
    "shutdown",
    "priority 0",
    "lower",
    "equal, lower address",
    "equal, higher address",
    "higher",
    "link down",
    "link up",
    "no primary address",
    "another primary address",
    "check down",
    "check up",
    "check errors",
    "deadline",
];

fn happen(bench: &mut Bench, event: &str) -> Vec<String> {
    let other = Ipv4Addr::new(10, 0, 0, 6);
    match event {
        "startup" => bench.event(Event::Startup),
        "shutdown" => bench.event(Event::Shutdown {
            grace: Duration::ZERO,
        }),
        "priority 0" => bench.hear(LOW_PEER, 0),
        "lower" => bench.hear(HIGH_PEER, 99),
        "equal, lower address" => bench.hear(LOW_PEER, 100),
        "equal, higher address" => bench.hear(HIGH_PEER, 100),
        "higher" => bench.hear(LOW_PEER, 101),
        "link down" => bench.event(link(false, Some(OWN))),
        "link up" => bench.event(link(true, Some(OWN))),
        "no primary address" => bench.event(link(true, None)),
        "another primary address" => bench.event(link(true, Some(other))),
        "check down" => bench.event(report(Outcome::Failing)),
        "check up" => bench.event(report(Outcome::Passing)),
        "check errors" => (0..4)
            .flat_map(|_| bench.event(report(Outcome::Error)))
            .collect(),
        "deadline"
            if bench
                .due_in()
                .is_some_and(|due| due < Duration::from_secs(100)) =>
        {
            bench.fire()
        }
        "deadline" => vec!["none".into()],
        unknown => panic!("{unknown}"),
    }
}

/// One line for each event: what is done, the state after it, and the time until something is due.
fn table(row: &Row) -> String {
    let mut table = format!("{}\n", row.name);
    for event in EVENTS {
        let mut bench = (row.bench)();
        bench.now = bench.now + Duration::from_millis(500);
        let actions = happen(&mut bench, event).join(", ");
        let due = match bench.due_in() {
            Some(due) if due < Duration::from_secs(100) => format!("{due:?}"),
            Some(_) | None => "-".into(),
        };
        let state = bench.status().state;
        table += format!("  {event:<24}{actions:<70} | {state:<6} {due}").trim_end();
        table += "\n";
    }
    table
}

fn check_table(name: &'static str, bench: fn() -> Bench, expected: &expect_test::Expect) {
    expected.assert_eq(&table(&Row { name, bench }));
}

fn faulting() -> InstanceConfig {
    tracking(100, OnFail::Fault)
}

/// Backup, with its check up, following a peer with priority 200.
fn backup(config: InstanceConfig) -> Bench {
    let mut bench = Bench::started(config);
    bench.event(report(Outcome::Passing));
    bench.hear(HIGH_PEER, 200);
    assert_eq!(bench.status().state, State::Backup);
    bench
}

#[test]
fn initialize() {
    check_table(
        "before startup",
        || Bench::new(faulting()),
        &expect![[r#"
        before startup
          startup                                                                                        | INIT   10s
          shutdown                                                                                       | INIT   -
          priority 0                                                                                     | INIT   -
          lower                                                                                          | INIT   -
          equal, lower address                                                                           | INIT   -
          equal, higher address                                                                          | INIT   -
          higher                                                                                         | INIT   -
          link down                                                                                      | INIT   -
          link up                                                                                        | INIT   -
          no primary address                                                                             | INIT   -
          another primary address                                                                        | INIT   -
          check down              check Pending->Down                                                    | INIT   -
          check up                check Pending->Up                                                      | INIT   -
          check errors            check Pending->Unknown, priority 100->1 CheckUnknown                   | INIT   -
          deadline                none                                                                   | INIT   -
    "#]],
    );
    check_table(
        "waiting for a verdict",
        || Bench::started(faulting()),
        &expect![[r#"
            waiting for a verdict
              startup                                                                                        | INIT   9.5s
              shutdown                                                                                       | INIT   -
              priority 0                                                                                     | INIT   9.5s
              lower                                                                                          | INIT   9.5s
              equal, lower address                                                                           | INIT   9.5s
              equal, higher address                                                                          | INIT   9.5s
              higher                                                                                         | INIT   9.5s
              link down               INIT->FAULT LinkDown                                                   | FAULT  9.5s
              link up                                                                                        | INIT   9.5s
              no primary address      INIT->FAULT NoPrimaryAddress                                           | FAULT  9.5s
              another primary address                                                                        | INIT   9.5s
              check down              check Pending->Down, INIT->FAULT CheckDown                             | FAULT  -
              check up                check Pending->Up, INIT->BACKUP CheckUp                                | BACKUP 3.609375s
              check errors            check Pending->Unknown, INIT->BACKUP CheckUnknown                      | BACKUP 3.99609375s
              deadline                check Pending->Unknown, INIT->BACKUP CheckUnknown                      | BACKUP 3.99609375s
        "#]],
    );
}

#[test]
fn fault() {
    let link_down = || {
        let mut bench = backup(faulting());
        bench.event(link(false, None));
        bench
    };
    check_table(
        "fault by link",
        link_down,
        &expect![[r#"
        fault by link
          startup                                                                                        | FAULT  -
          shutdown                FAULT->INIT Shutdown                                                   | INIT   -
          priority 0                                                                                     | FAULT  -
          lower                                                                                          | FAULT  -
          equal, lower address                                                                           | FAULT  -
          equal, higher address                                                                          | FAULT  -
          higher                                                                                         | FAULT  -
          link down                                                                                      | FAULT  -
          link up                 FAULT->BACKUP LinkUp                                                   | BACKUP 3.609375s
          no primary address                                                                             | FAULT  -
          another primary address FAULT->BACKUP LinkUp                                                   | BACKUP 3.609375s
          check down              check Up->Down                                                         | FAULT  -
          check up                                                                                       | FAULT  -
          check errors            check Up->Unknown, priority 100->1 CheckUnknown                        | FAULT  -
          deadline                none                                                                   | FAULT  -
    "#]],
    );
    let check_down = || {
        let mut bench = backup(faulting());
        bench.event(report(Outcome::Failing));
        bench
    };
    check_table(
        "fault by check",
        check_down,
        &expect![[r#"
        fault by check
          startup                                                                                        | FAULT  -
          shutdown                FAULT->INIT Shutdown                                                   | INIT   -
          priority 0                                                                                     | FAULT  -
          lower                                                                                          | FAULT  -
          equal, lower address                                                                           | FAULT  -
          equal, higher address                                                                          | FAULT  -
          higher                                                                                         | FAULT  -
          link down                                                                                      | FAULT  -
          link up                                                                                        | FAULT  -
          no primary address                                                                             | FAULT  -
          another primary address                                                                        | FAULT  -
          check down                                                                                     | FAULT  -
          check up                check Down->Up, FAULT->BACKUP CheckUp                                  | BACKUP 3.609375s
          check errors            check Down->Unknown, FAULT->BACKUP CheckUnknown                        | BACKUP 3.99609375s
          deadline                none                                                                   | FAULT  -
    "#]],
    );
}

#[test]
fn backup_state() {
    check_table(
        "backup",
        || backup(faulting()),
        &expect![[r#"
        backup
          startup                                                                                        | BACKUP 3.109375s
          shutdown                BACKUP->INIT Shutdown                                                  | INIT   -
          priority 0                                                                                     | BACKUP 609.375ms
          lower                                                                                          | BACKUP 3.109375s
          equal, lower address                                                                           | BACKUP 3.609375s
          equal, higher address                                                                          | BACKUP 3.609375s
          higher                                                                                         | BACKUP 3.609375s
          link down               BACKUP->FAULT LinkDown                                                 | FAULT  -
          link up                                                                                        | BACKUP 3.109375s
          no primary address      BACKUP->FAULT NoPrimaryAddress                                         | FAULT  -
          another primary address                                                                        | BACKUP 3.109375s
          check down              check Up->Down, BACKUP->FAULT CheckDown                                | FAULT  -
          check up                                                                                       | BACKUP 3.109375s
          check errors            check Up->Unknown, priority 100->1 CheckUnknown                        | BACKUP 3.49609375s
          deadline                advertise 100, claim, BACKUP->MASTER ActiveDown(10.0.0.9)              | MASTER 1s
    "#]],
    );
    let no_preempt = || {
        backup(InstanceConfig {
            preempt: false,
            ..faulting()
        })
    };
    check_table(
        "backup without preemption",
        no_preempt,
        &expect![[r#"
        backup without preemption
          startup                                                                                        | BACKUP 3.109375s
          shutdown                BACKUP->INIT Shutdown                                                  | INIT   -
          priority 0                                                                                     | BACKUP 609.375ms
          lower                                                                                          | BACKUP 3.609375s
          equal, lower address                                                                           | BACKUP 3.609375s
          equal, higher address                                                                          | BACKUP 3.609375s
          higher                                                                                         | BACKUP 3.609375s
          link down               BACKUP->FAULT LinkDown                                                 | FAULT  -
          link up                                                                                        | BACKUP 3.109375s
          no primary address      BACKUP->FAULT NoPrimaryAddress                                         | FAULT  -
          another primary address                                                                        | BACKUP 3.109375s
          check down              check Up->Down, BACKUP->FAULT CheckDown                                | FAULT  -
          check up                                                                                       | BACKUP 3.109375s
          check errors            check Up->Unknown, priority 100->1 CheckUnknown                        | BACKUP 3.49609375s
          deadline                advertise 100, claim, BACKUP->MASTER ActiveDown(10.0.0.9)              | MASTER 1s
    "#]],
    );
    let v2 = || {
        backup(InstanceConfig {
            version: Version::V2,
            ..faulting()
        })
    };
    check_table(
        "backup, version 2",
        v2,
        &expect![[r#"
        backup, version 2
          startup                                                                                        | BACKUP 3.109375s
          shutdown                BACKUP->INIT Shutdown                                                  | INIT   -
          priority 0                                                                                     | BACKUP 609.375ms
          lower                                                                                          | BACKUP 3.109375s
          equal, lower address                                                                           | BACKUP 3.609375s
          equal, higher address                                                                          | BACKUP 3.609375s
          higher                                                                                         | BACKUP 3.609375s
          link down               BACKUP->FAULT LinkDown                                                 | FAULT  -
          link up                                                                                        | BACKUP 3.109375s
          no primary address      BACKUP->FAULT NoPrimaryAddress                                         | FAULT  -
          another primary address                                                                        | BACKUP 3.109375s
          check down              check Up->Down, BACKUP->FAULT CheckDown                                | FAULT  -
          check up                                                                                       | BACKUP 3.109375s
          check errors            check Up->Unknown, priority 100->1 CheckUnknown                        | BACKUP 3.49609375s
          deadline                advertise 100, claim, BACKUP->MASTER ActiveDown(10.0.0.9)              | MASTER 1s
    "#]],
    );
}

#[test]
fn active() {
    check_table(
        "active",
        || Bench::active(faulting()),
        &expect![[r#"
        active
          startup                                                                                        | MASTER 500ms
          shutdown                advertise 0, release, MASTER->INIT Shutdown                            | INIT   -
          priority 0              advertise 100                                                          | MASTER 1s
          lower                   advertise 100                                                          | MASTER 1s
          equal, lower address    advertise 100                                                          | MASTER 1s
          equal, higher address   release, MASTER->BACKUP HigherPriority(10.0.0.9, 100)                  | BACKUP 3.609375s
          higher                  release, MASTER->BACKUP HigherPriority(10.0.0.1, 101)                  | BACKUP 3.609375s
          link down               release, MASTER->FAULT LinkDown                                        | FAULT  -
          link up                                                                                        | MASTER 500ms
          no primary address      advertise 0, release, MASTER->FAULT NoPrimaryAddress                   | FAULT  -
          another primary address                                                                        | MASTER 500ms
          check down              check Up->Down, advertise 0, release, MASTER->FAULT CheckDown          | FAULT  -
          check up                                                                                       | MASTER 500ms
          check errors            check Up->Unknown, priority 100->1 CheckUnknown                        | MASTER 500ms
          deadline                advertise 100                                                          | MASTER 1s
    "#]],
    );
    let v2 = || {
        Bench::active(InstanceConfig {
            version: Version::V2,
            ..faulting()
        })
    };
    check_table(
        "active, version 2",
        v2,
        &expect![[r#"
        active, version 2
          startup                                                                                        | MASTER 500ms
          shutdown                advertise 0, release, MASTER->INIT Shutdown                            | INIT   -
          priority 0              advertise 100                                                          | MASTER 1s
          lower                                                                                          | MASTER 500ms
          equal, lower address                                                                           | MASTER 500ms
          equal, higher address   release, MASTER->BACKUP HigherPriority(10.0.0.9, 100)                  | BACKUP 3.609375s
          higher                  release, MASTER->BACKUP HigherPriority(10.0.0.1, 101)                  | BACKUP 3.609375s
          link down               release, MASTER->FAULT LinkDown                                        | FAULT  -
          link up                                                                                        | MASTER 500ms
          no primary address      advertise 0, release, MASTER->FAULT NoPrimaryAddress                   | FAULT  -
          another primary address                                                                        | MASTER 500ms
          check down              check Up->Down, advertise 0, release, MASTER->FAULT CheckDown          | FAULT  -
          check up                                                                                       | MASTER 500ms
          check errors            check Up->Unknown, priority 100->1 CheckUnknown                        | MASTER 500ms
          deadline                advertise 100                                                          | MASTER 1s
    "#]],
    );
}

#[test]
fn owner() {
    check_table(
        "owner",
        || Bench::active(tracking(255, OnFail::Fault)),
        &expect![[r#"
            owner
              startup                                                                                        | MASTER 500ms
              shutdown                advertise 0, release, MASTER->INIT Shutdown                            | INIT   -
              priority 0              advertise 255                                                          | MASTER 1s
              lower                   advertise 255                                                          | MASTER 1s
              equal, lower address    advertise 255                                                          | MASTER 1s
              equal, higher address   advertise 255                                                          | MASTER 1s
              higher                  advertise 255                                                          | MASTER 1s
              link down               release, MASTER->FAULT LinkDown                                        | FAULT  -
              link up                                                                                        | MASTER 500ms
              no primary address      advertise 0, release, MASTER->FAULT NoPrimaryAddress                   | FAULT  -
              another primary address                                                                        | MASTER 500ms
              check down              check Up->Down, advertise 0, release, MASTER->FAULT CheckDown          | FAULT  -
              check up                                                                                       | MASTER 500ms
              check errors            check Up->Unknown                                                      | MASTER 500ms
              deadline                advertise 255                                                          | MASTER 1s
        "#]],
    );

    let mut bench = Bench::new(instance(255));
    bench.event(link(true, Some(OWN)));
    assert_eq!(
        bench.event(Event::Startup),
        ["advertise 255", "claim", "INIT->MASTER Owner"]
    );
    // Erratum 8298: two owners settle it by address.
    assert_eq!(
        bench.hear(LOW_PEER, 255),
        ["differs: Owner", "advertise 255"]
    );
    assert_eq!(
        bench.hear(HIGH_PEER, 255),
        [
            "differs: Owner",
            "release",
            "MASTER->BACKUP HigherPriority(10.0.0.9, 255)"
        ]
    );
    // An owner preempts, whatever its configuration says.
    let mut bench = Bench::new(InstanceConfig {
        preempt: false,
        ..instance(255)
    });
    bench.event(link(true, Some(OWN)));
    bench.event(Event::Startup);
    bench.hear(HIGH_PEER, 255);
    bench.hear(LOW_PEER, 254);
    assert_eq!(
        bench.fire(),
        [
            "advertise 255",
            "claim",
            "BACKUP->MASTER Preempting(10.0.0.1, 254)"
        ]
    );
}

#[test]
fn reasons_of_a_takeover() {
    let takeover_after = |heard: &[(Ipv4Addr, u8)]| {
        let mut bench = Bench::started(instance(100));
        for (source, priority) in heard {
            bench.hear(*source, *priority);
        }
        bench.fire().pop().unwrap()
    };
    assert_eq!(takeover_after(&[]), "BACKUP->MASTER ActiveDown");
    assert_eq!(
        takeover_after(&[(HIGH_PEER, 200)]),
        "BACKUP->MASTER ActiveDown(10.0.0.9)"
    );
    assert_eq!(
        takeover_after(&[(LOW_PEER, 100)]),
        "BACKUP->MASTER ActiveDown(10.0.0.1)"
    );
    assert_eq!(
        takeover_after(&[(HIGH_PEER, 99)]),
        "BACKUP->MASTER Preempting(10.0.0.9, 99)"
    );
    assert_eq!(
        takeover_after(&[(HIGH_PEER, 200), (HIGH_PEER, 0)]),
        "BACKUP->MASTER ActiveReleased(10.0.0.9)"
    );
    // Another router was faster, but is worse.
    assert_eq!(
        takeover_after(&[(HIGH_PEER, 200), (HIGH_PEER, 0), (LOW_PEER, 99)]),
        "BACKUP->MASTER Preempting(10.0.0.1, 99)"
    );
    // The router that it meant to preempt is no longer worse, but silent.
    let mut bench = Bench::started(tracking(100, OnFail::Weight(-1)));
    bench.hear(HIGH_PEER, 99);
    bench.event(report(Outcome::Failing));
    assert_eq!(
        bench.fire().pop().unwrap(),
        "BACKUP->MASTER ActiveDown(10.0.0.9)"
    );
}
