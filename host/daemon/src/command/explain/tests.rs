use expect_test::{Expect, expect};

use super::*;
use crate::command::status::tests::{backup, clock, fault, master, node_exporter, track, vi_1};
use crate::status::SyncGroup;

fn explains(status: &Status, expected: &Expect) {
    let instance = &status.instances["VI_1"];
    let text = explanation("VI_1", instance, status, clock(), Terminal::PLAIN);
    expected.assert_eq(&text);
}

#[test]
fn a_healthy_master_and_what_each_check_would_do() {
    let mut status = master();
    let tracks = &mut vi_1(&mut status).tracks;
    for (name, on_fail, takeover, node) in [
        ("a-weight", "-20", Takeover::Other, Some("slave")),
        ("b-weight", "-1", Takeover::Unchanged, None),
        (
            "c-release",
            "release",
            Takeover::OtherAndBack,
            Some("slave"),
        ),
        ("d-alone", "fault", Takeover::Nobody, None),
        ("e-unknown", "fault", Takeover::Unknown, None),
    ] {
        let if_down = Some(IfDown {
            state: "BACKUP".to_owned(),
            priority: 80,
            takeover,
            node: node.map(str::to_owned),
        });
        let track = Track {
            if_down,
            ..track(on_fail)
        };
        tracks.insert(name.to_owned(), track);
    }
    explains(
        &status,
        &expect![[r#"
        VI_1 on node master is MASTER since 14:03:07, for 57 min:
        no MASTER heard.
        MASTER is this node, with priority 100.

        PRIORITY
        base                 100  from cluster.toml
        check a-weight       0
        check b-weight       0
        check c-release      0
        check d-alone        0
        check e-unknown      0
        check node-exporter  0    counts as up: 1 processes named node_exporter
        effective            100

        NODE    ADDRESS     BASE PRIORITY
        master  172.27.0.1  100            this node, MASTER
        slave   172.27.0.2  99

        IF IT WENT DOWN NOW  THIS NODE            THE ADDRESSES
        check a-weight       BACKUP, priority 80  slave (priority 99) takes over
        check b-weight       BACKUP, priority 80  stay here
        check c-release      BACKUP, priority 80  slave (priority 99) takes over, and this node takes them back: its priority is still higher
        check d-alone        BACKUP, priority 80  nobody has them
        check e-unknown      BACKUP, priority 80  go to another node if one has a higher priority; cluster.toml names none
        check node-exporter  FAULT, priority 100  slave (priority 99) takes over
        The other nodes are taken to be healthy; only cluster.toml is known of them here.
    "#]],
    );
}

#[test]
fn a_backup_that_lacks_some_priority() {
    let mut status = backup();
    let instance = vi_1(&mut status);
    instance.priority.effective = 80;
    let track = instance.tracks.get_mut("node-exporter").unwrap();
    track.standing = "down".to_owned();
    track.on_fail = "-20".to_owned();
    track.weight = -20;
    track.if_down = None;
    let check = node_exporter(&mut status);
    check.verdict = "failing".to_owned();
    check.standing = "down".to_owned();
    check.summary = "no process named node_exporter".to_owned();
    explains(
        &status,
        &expect![[r#"
        VI_1 on node master is BACKUP since 14:03:07, for 57 min:
        172.27.0.2 wins with priority 120.
        MASTER is slave (172.27.0.2), priority 120; this node has 80, which is lower.

        PRIORITY
        base                 100  from cluster.toml
        check node-exporter  -20  counts as down: no process named node_exporter
        effective            80

        NODE    ADDRESS     BASE PRIORITY
        master  172.27.0.1  100            this node
        slave   172.27.0.2  99             MASTER

        IF IT WENT DOWN NOW  THIS NODE           THE ADDRESSES
        check node-exporter  it is down already
        The other nodes are taken to be healthy; only cluster.toml is known of them here.
    "#]],
    );
}

#[test]
fn a_fault_in_a_sync_group_of_a_drained_node() {
    let mut status = fault();
    vi_1(&mut status).drained = true;
    vi_1(&mut status).priority.effective = 1;
    let members = vec!["VI_1".to_owned(), "VI_2".to_owned()];
    let group = SyncGroup {
        state: "FAULT".to_owned(),
        since: "2026-11-25T14:03:07.123Z".to_owned(),
        reason: "VI_1: check node-exporter is down".to_owned(),
        members,
    };
    status.sync_groups.insert("gateway".to_owned(), group);
    explains(
        &status,
        &expect![[r#"
        VI_1 on node master is FAULT since 14:03:07, for 57 min:
        check node-exporter is down: no process named node_exporter.
        Who is MASTER is not known here: an instance that takes part in no election does not listen.
        It is MASTER together with VI_2, or not at all (sync group gateway).
        It is drained: its priority is 1 until `vrrp-host undrain VI_1`.

        PRIORITY
        base                 100    from cluster.toml
        check node-exporter  FAULT  counts as down: no process named node_exporter
        effective            1      while it is drained

        NODE    ADDRESS     BASE PRIORITY
        master  172.27.0.1  100            this node
        slave   172.27.0.2  99

        IF IT WENT DOWN NOW  THIS NODE           THE ADDRESSES
        check node-exporter  it is down already
        The other nodes are taken to be healthy; only cluster.toml is known of them here.
    "#]],
    );
}

#[test]
fn a_host_alone_without_checks() {
    let mut status = master();
    vi_1(&mut status).tracks.clear();
    vi_1(&mut status).nodes.clear();
    explains(
        &status,
        &expect![[r#"
        VI_1 on node master is MASTER since 14:03:07, for 57 min:
        no MASTER heard.
        MASTER is this node, with priority 100.

        PRIORITY
        base       100  from cluster.toml
        effective  100

        No check is tracked: only its interface can take it out of the election.
    "#]],
    );
}

#[test]
fn a_stronger_node_that_is_not_heard() {
    let mut status = master();
    let nodes = &mut vi_1(&mut status).nodes;
    nodes.get_mut("slave").unwrap().priority = 150;
    let told = who_is_master(&status.instances["VI_1"], &status);
    expect!["MASTER is this node, with priority 100, although slave would have a higher one: not heard, not healthy, or not allowed to preempt."].assert_eq(&told);
}
