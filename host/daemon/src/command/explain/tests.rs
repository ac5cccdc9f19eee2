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
    explains(&status, &expect![]);
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
    explains(&status, &expect![]);
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
    explains(&status, &expect![]);
}

#[test]
fn a_host_alone_without_checks() {
    let mut status = master();
    vi_1(&mut status).tracks.clear();
    vi_1(&mut status).nodes.clear();
    explains(&status, &expect![]);
}

#[test]
fn a_stronger_node_that_is_not_heard() {
    let mut status = master();
    let nodes = &mut vi_1(&mut status).nodes;
    nodes.get_mut("slave").unwrap().priority = 150;
    let told = who_is_master(&status.instances["VI_1"], &status);
    expect![].assert_eq(&told);
}
