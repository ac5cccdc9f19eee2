//! The status as a person sees it, in the situations that it is looked at in.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use super::*;
use crate::status::{
    Authentication, AuthenticationFailure, Check, Hook, IfDown, Instance, Lateness, Master, Node,
    Priority, Processes, Progress, Reload, SyncGroup, Takeover, Track, VridConflict,
};

const NOW: &str = "2026-11-25T15:00:10Z";
const THEN: &str = "2026-11-25T14:03:07.123Z";

pub(in crate::command) fn clock() -> Clock {
    Clock::at(humantime::parse_rfc3339(NOW).unwrap())
}

fn named<T>(values: impl IntoIterator<Item = (&'static str, T)>) -> BTreeMap<String, T> {
    let values = values.into_iter();
    values.map(|(name, it)| (name.to_owned(), it)).collect()
}

pub(in crate::command) fn track(on_fail: &str) -> Track {
    Track {
        standing: "up".to_owned(),
        on_fail: on_fail.to_owned(),
        weight: 0,
        if_down: Some(IfDown {
            state: "FAULT".to_owned(),
            priority: 100,
            takeover: Takeover::Other,
            node: Some("slave".to_owned()),
        }),
    }
}

/// The scenario's first node, MASTER with everything as it should be.
pub(in crate::command) fn master() -> Status {
    let instance = Instance {
        state: "MASTER".to_owned(),
        since: THEN.to_owned(),
        reason: "no MASTER heard".to_owned(),
        virtual_router_id: 251,
        interface: "eth0".to_owned(),
        version: 3,
        priority: Priority {
            base: 100,
            effective: 100,
        },
        virtual_addresses: vec!["172.27.0.247/32".to_owned()],
        virtual_mac: None,
        accept_mode: true,
        excluded_addresses: Vec::new(),
        routes: Vec::new(),
        rules: Vec::new(),
        master: Some(Master {
            address: "172.27.0.1".to_owned(),
            node: Some("master".to_owned()),
            priority: 100,
        }),
        drained: false,
        drain_persists: false,
        nodes: named(
            [("master", 1, 100), ("slave", 2, 99)].map(|(name, last, priority)| {
                let node = Node {
                    address: Some(format!("172.27.0.{last}")),
                    priority,
                };
                (name, node)
            }),
        ),
        tracks: named([("node-exporter", track("fault"))]),
        interfaces: BTreeMap::new(),
        authentication: Authentication {
            method: "none".to_owned(),
            mode: None,
            active_key: None,
            last_failure: None,
        },
        vrid_conflict: None,
        counters: BTreeMap::new(),
    };
    let check = Check {
        verdict: "passing".to_owned(),
        summary: "1 processes named node_exporter".to_owned(),
        since: Some(THEN.to_owned()),
        standing: "up".to_owned(),
        runs: 1_712,
        last_run_us: 1_234,
        ..Check::default()
    };
    let hook = Hook {
        runs: 1,
        last_result: Some("done".to_owned()),
        last_at: Some(THEN.to_owned()),
        last_subject: Some("VI_1".to_owned()),
        last_sequence: Some(2),
        ..Hook::default()
    };
    Status {
        node: "master".to_owned(),
        version: "0.1.0".to_owned(),
        processes: Processes {
            supervisor: 10,
            router: Some(11),
            worker: Some(12),
        },
        log_level: "info".to_owned(),
        last_reload: None,
        counters: BTreeMap::new(),
        lateness: Lateness {
            buckets: Vec::new(),
            count: 0,
            sum_us: 0,
            max_us: 0,
        },
        instances: named([("VI_1", instance)]),
        sync_groups: BTreeMap::new(),
        checks: named([("node-exporter", check)]),
        hooks: named([("start-exporter", hook)]),
    }
}

pub(in crate::command) fn vi_1(status: &mut Status) -> &mut Instance {
    status.instances.get_mut("VI_1").unwrap()
}

pub(in crate::command) fn node_exporter(status: &mut Status) -> &mut Check {
    status.checks.get_mut("node-exporter").unwrap()
}

/// Its process is gone.
pub(in crate::command) fn fault() -> Status {
    let mut status = master();
    let instance = vi_1(&mut status);
    instance.state = "FAULT".to_owned();
    instance.reason = "check node-exporter is down: no process named node_exporter".to_owned();
    instance.master = None;
    let track = instance.tracks.get_mut("node-exporter").unwrap();
    track.standing = "down".to_owned();
    track.if_down = None;
    let check = node_exporter(&mut status);
    check.verdict = "failing".to_owned();
    check.standing = "down".to_owned();
    check.summary = "no process named node_exporter".to_owned();
    status
}

pub(in crate::command) fn backup() -> Status {
    let mut status = master();
    let instance = vi_1(&mut status);
    instance.state = "BACKUP".to_owned();
    instance.reason = "172.27.0.2 wins with priority 120".to_owned();
    instance.master = Some(Master {
        address: "172.27.0.2".to_owned(),
        node: Some("slave".to_owned()),
        priority: 120,
    });
    status
}

fn shows(status: &Status, expected: &Expect) {
    expected.assert_eq(&page(status, clock(), Terminal::PLAIN));
}

#[test]
fn a_healthy_master() {
    shows(
        &master(),
        &expect![[r#"
        vrrp-host 0.1.0 on node master, 15:00:10 UTC, log level info

        Nothing is wrong.

        INSTANCE  STATE   SINCE                 PRIORITY  MASTER     REASON
        VI_1      MASTER  14:03:07, for 57 min  100       this node  no MASTER heard

        ADDRESSES OF  ON    VRID  WHAT IT HOLDS AS MASTER
        VI_1          eth0  251   172.27.0.247/32

        CHECK          VERDICT  SINCE                 RUNS  TOOK    WHAT IT SAYS
        node-exporter  passing  14:03:07, for 57 min  1712  1.2 ms  1 processes named node_exporter
                                                                    counts as up

        HOOK            CALLS  FAILED  PENDING  LAST CALL
        start-exporter  1      0       0        done; for VI_1, transition 2, at 14:03:07, 57 min ago
    "#]],
    );
}

#[test]
fn a_backup() {
    shows(
        &backup(),
        &expect![[r#"
        vrrp-host 0.1.0 on node master, 15:00:10 UTC, log level info

        Nothing is wrong.

        INSTANCE  STATE   SINCE                 PRIORITY  MASTER                            REASON
        VI_1      BACKUP  14:03:07, for 57 min  100       slave (172.27.0.2), priority 120  172.27.0.2 wins with priority 120

        ADDRESSES OF  ON    VRID  WHAT IT HOLDS AS MASTER
        VI_1          eth0  251   172.27.0.247/32

        CHECK          VERDICT  SINCE                 RUNS  TOOK    WHAT IT SAYS
        node-exporter  passing  14:03:07, for 57 min  1712  1.2 ms  1 processes named node_exporter
                                                                    counts as up

        HOOK            CALLS  FAILED  PENDING  LAST CALL
        start-exporter  1      0       0        done; for VI_1, transition 2, at 14:03:07, 57 min ago
    "#]],
    );
}

#[test]
fn a_fault_with_its_check_and_a_hook_that_failed() {
    let mut status = fault();
    let hook = status.hooks.get_mut("start-exporter").unwrap();
    hook.errors = 1;
    hook.pending = 1;
    hook.superseded = 2;
    hook.last_result = Some("node_exporter.service: no such unit".to_owned());
    shows(
        &status,
        &expect![[r#"
        vrrp-host 0.1.0 on node master, 15:00:10 UTC, log level info

        WRONG  VI_1 is in FAULT since 14:03:07, for 57 min: check node-exporter is down: no process named node_exporter
        WRONG  check node-exporter is down, which keeps VI_1 in FAULT; it fails since 14:03:07, for 57 min: no process named node_exporter
        WRONG  hook start-exporter failed for VI_1 at 14:03:07, 57 min ago: node_exporter.service: no such unit

        INSTANCE  STATE  SINCE                 PRIORITY  MASTER     REASON
        VI_1      FAULT  14:03:07, for 57 min  100       not known  check node-exporter is down: no process named node_exporter

        ADDRESSES OF  ON    VRID  WHAT IT HOLDS AS MASTER
        VI_1          eth0  251   172.27.0.247/32

        CHECK          VERDICT  SINCE                 RUNS  TOOK    WHAT IT SAYS
        node-exporter  failing  14:03:07, for 57 min  1712  1.2 ms  no process named node_exporter
                                                                    counts as down

        HOOK            CALLS            FAILED  PENDING  LAST CALL
        start-exporter  1, 2 superseded  1       1        node_exporter.service: no such unit; for VI_1, transition 2, at 14:03:07, 57 min ago
    "#]],
    );
}

#[test]
fn checks_that_cannot_tell() {
    let mut status = master();
    let instance = vi_1(&mut status);
    instance.priority.effective = 1;
    let track = instance.tracks.get_mut("node-exporter").unwrap();
    track.standing = "unknown".to_owned();
    track.weight = -100;
    let check = node_exporter(&mut status);
    check.verdict = "error".to_owned();
    check.standing = "unknown".to_owned();
    check.summary = "stopped after 50 ms of processor time".to_owned();
    check.errors = 9;
    let held = Check {
        verdict: "error".to_owned(),
        summary: "denied: tcp:db.lan:5432".to_owned(),
        since: Some(THEN.to_owned()),
        standing: "up".to_owned(),
        progress: Some(Progress {
            towards: "unknown".to_owned(),
            count: 2,
            needed: 4,
        }),
        runs: 100,
        errors: 1,
        ..Check::default()
    };
    let facts = named([("days-left", "3".to_owned())]);
    let warning = Check {
        verdict: "warning".to_owned(),
        summary: "the certificate ends in 3 days".to_owned(),
        progress: None,
        facts,
        ..held.clone()
    };
    let new = Check {
        verdict: "none".to_owned(),
        standing: "pending".to_owned(),
        ..Check::default()
    };
    status
        .checks
        .extend(named([("db", held), ("web", warning), ("zz", new)]));
    shows(
        &status,
        &expect![[r#"
        vrrp-host 0.1.0 on node master, 15:00:10 UTC, log level info

        WRONG  check node-exporter is unknown, which counts like a failing weight of -100, which takes 100 from the priority of VI_1; it cannot tell since 14:03:07, for 57 min: stopped after 50 ms of processor time
        LOOK   check db: it cannot tell since 14:03:07, for 57 min: denied: tcp:db.lan:5432; it still counts as up, unknown after 4 errors, 2 until now
        LOOK   check web warns since 14:03:07, for 57 min: the certificate ends in 3 days

        INSTANCE  STATE   SINCE                 PRIORITY     MASTER     REASON
        VI_1      MASTER  14:03:07, for 57 min  1, base 100  this node  no MASTER heard

        ADDRESSES OF  ON    VRID  WHAT IT HOLDS AS MASTER
        VI_1          eth0  251   172.27.0.247/32

        CHECK          VERDICT     SINCE                 RUNS            TOOK    WHAT IT SAYS
        db             error       14:03:07, for 57 min  100, 1 error    0.0 ms  denied: tcp:db.lan:5432
                                                                                 counts as up; unknown after 4 errors, 2 until now
        node-exporter  error       14:03:07, for 57 min  1712, 9 errors  1.2 ms  stopped after 50 ms of processor time
                                                                                 counts as unknown, like a failing weight of -100
        web            warning     14:03:07, for 57 min  100, 1 error    0.0 ms  the certificate ends in 3 days
                                                                                 counts as up
                                                                                 days-left=3
        zz             no run yet

        HOOK            CALLS  FAILED  PENDING  LAST CALL
        start-exporter  1      0       0        done; for VI_1, transition 2, at 14:03:07, 57 min ago
    "#]],
    );
}

#[test]
fn drained_and_a_reload_that_was_refused() {
    let mut status = backup();
    vi_1(&mut status).drained = true;
    vi_1(&mut status).priority.effective = 1;
    status.last_reload = Some(Reload {
        at: THEN.to_owned(),
        error: Some("error: `[control]` has no key `group`\n --> cluster.toml:3:1".to_owned()),
    });
    shows(
        &status,
        &expect![[r#"
        vrrp-host 0.1.0 on node master, 15:00:10 UTC, log level info

        LOOK  the reload at 14:03:07, 57 min ago was refused, and the file of before is in use: error: `[control]` has no key `group`; `vrrp-host check-config FILE` says more
        NOTE  VI_1 is drained: it leaves its addresses to other nodes, until `vrrp-host undrain VI_1`

        INSTANCE  STATE   SINCE                 PRIORITY     MASTER                            REASON
        VI_1      BACKUP  14:03:07, for 57 min  1, base 100  slave (172.27.0.2), priority 120  172.27.0.2 wins with priority 120

        ADDRESSES OF  ON    VRID  WHAT IT HOLDS AS MASTER
        VI_1          eth0  251   172.27.0.247/32

        CHECK          VERDICT  SINCE                 RUNS  TOOK    WHAT IT SAYS
        node-exporter  passing  14:03:07, for 57 min  1712  1.2 ms  1 processes named node_exporter
                                                                    counts as up

        HOOK            CALLS  FAILED  PENDING  LAST CALL
        start-exporter  1      0       0        done; for VI_1, transition 2, at 14:03:07, 57 min ago
    "#]],
    );
    // Nobody else takes the addresses.
    let mut alone = master();
    vi_1(&mut alone).drained = true;
    vi_1(&mut alone).drain_persists = true;
    let told = told_first(&alone, clock(), Terminal::PLAIN);
    expect![[r#"
        NOTE  VI_1 is drained: it leaves its addresses to other nodes, also after a restart, until `vrrp-host undrain VI_1`; it is MASTER all the same, because no other node takes them
    "#]].assert_eq(&told);
}

#[test]
fn everything_else_that_can_be_wrong() {
    let mut status = master();
    status.processes.router = None;
    status.processes.worker = None;
    let instance = vi_1(&mut status);
    instance.state = "INIT".to_owned();
    instance.reason = "the router died".to_owned();
    let interface = Track {
        standing: "down".to_owned(),
        weight: -20,
        if_down: None,
        ..track("-20")
    };
    instance.interfaces = named([("eth1", interface)]);
    instance.authentication.last_failure = Some(AuthenticationFailure {
        source: "172.27.0.66".to_owned(),
        error: "wrong password".to_owned(),
        at: THEN.to_owned(),
    });
    instance.vrid_conflict = Some(VridConflict {
        source: "172.27.0.66".to_owned(),
        priority: 150,
        at: THEN.to_owned(),
    });
    let mut waiting = instance.clone();
    waiting.vrid_conflict = None;
    let track = waiting.tracks.get_mut("node-exporter").unwrap();
    track.standing = "pending".to_owned();
    waiting.interfaces.clear();
    waiting.authentication.last_failure = None;
    status.instances.insert("VI_2".to_owned(), waiting);
    let told = told_first(&status, clock(), Terminal::PLAIN);
    expect![[r#"
        WRONG  the router is not running: this node has no address and speaks to nobody until it is started again
        WRONG  the worker is not running: checks report errors and hooks wait until it is started again
        WRONG  the interface eth1 is down, which takes 20 from the priority of VI_1
        WRONG  VI_1: 172.27.0.66 also sends advertisements for virtual router 251 on eth0, and is no node of cluster.toml: choose another virtual-router-id, or add it to [nodes] or accept-from if it is one of yours
        LOOK   VI_1 takes part in no election since 14:03:07, for 57 min: the router died
        LOOK   VI_1 heard 172.27.0.66 without good authentication at 14:03:07, 57 min ago: wrong password
        LOOK   VI_2 takes part in no election since 14:03:07, for 57 min: no verdict yet of check node-exporter
    "#]].assert_eq(&told);
}

#[test]
fn what_an_instance_holds_and_its_group() {
    let mut status = master();
    let instance = vi_1(&mut status);
    instance.virtual_mac = Some(crate::status::VirtualMac {
        address: "00:00:5e:00:01:fb".to_owned(),
        interface: "vrrp4.251".to_owned(),
    });
    instance.excluded_addresses = vec!["2001:db8::247/64".to_owned()];
    instance.routes = vec!["default via 172.27.0.254 dev eth0".to_owned()];
    instance.rules = vec!["from 172.27.0.247 lookup 100".to_owned()];
    let group = SyncGroup {
        state: "MASTER".to_owned(),
        since: THEN.to_owned(),
        reason: "VI_1: no MASTER heard".to_owned(),
        members: vec!["VI_1".to_owned(), "VI_2".to_owned()],
    };
    status.sync_groups = named([("gateway", group)]);
    status.checks.clear();
    status.hooks.clear();
    shows(
        &status,
        &expect![[r#"
        vrrp-host 0.1.0 on node master, 15:00:10 UTC, log level info

        Nothing is wrong.

        INSTANCE  STATE   SINCE                 PRIORITY  MASTER     REASON
        VI_1      MASTER  14:03:07, for 57 min  100       this node  no MASTER heard

        ADDRESSES OF  ON    VRID  WHAT IT HOLDS AS MASTER
        VI_1          eth0  251   172.27.0.247/32
                                  MAC 00:00:5e:00:01:fb on vrrp4.251
                                  address 2001:db8::247/64
                                  route default via 172.27.0.254 dev eth0
                                  rule from 172.27.0.247 lookup 100

        SYNC GROUP  STATE   SINCE                 MEMBERS     REASON
        gateway     MASTER  14:03:07, for 57 min  VI_1, VI_2  VI_1: no MASTER heard
    "#]],
    );
}

#[test]
fn a_narrow_terminal_wraps_what_is_long() {
    let terminal = Terminal {
        width: Some(80),
        colours: false,
    };
    let text = page(&fault(), clock(), terminal);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line:?}");
    }
    expect![[r#"
        vrrp-host 0.1.0 on node master, 15:00:10 UTC, log level info

        WRONG  VI_1 is in FAULT since 14:03:07, for 57 min: check node-exporter is
               down: no process named node_exporter
        WRONG  check node-exporter is down, which keeps VI_1 in FAULT; it fails since
               14:03:07, for 57 min: no process named node_exporter

        INSTANCE  STATE  SINCE             PRIORITY  MASTER     REASON
        VI_1      FAULT  14:03:07, for 57  100       not known  check node-exporter is
                         min                                    down: no process named
                                                                node_exporter

        ADDRESSES OF  ON    VRID  WHAT IT HOLDS AS MASTER
        VI_1          eth0  251   172.27.0.247/32

        CHECK          VERDICT  SINCE             RUNS  TOOK    WHAT IT SAYS
        node-exporter  failing  14:03:07, for 57  1712  1.2 ms  no process named
                                min                             node_exporter
                                                                counts as down

        HOOK            CALLS  FAILED  PENDING  LAST CALL
        start-exporter  1      0       0        done; for VI_1, transition 2, at
                                                14:03:07, 57 min ago
    "#]]
    .assert_eq(&text);
}

#[test]
fn colours_are_words_for_the_eye_alone() {
    let terminal = Terminal {
        width: Some(120),
        colours: true,
    };
    let coloured = page(&fault(), clock(), terminal);
    assert!(coloured.contains("\u{1b}["), "{coloured:?}");
    let plain = page(
        &fault(),
        clock(),
        Terminal {
            colours: false,
            ..terminal
        },
    );
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    for word in ["WRONG", "FAULT", "down"] {
        assert!(plain.contains(word), "{plain}");
    }
}
