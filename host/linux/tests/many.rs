//! Very many objects and changes in a network namespace.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "this is a test, helpers included: it prints what it measures, and what goes wrong is to fail it"
)]

mod common;

use std::time::Instant;

use common::objects::{VIP, address, everything, route, rule};
use common::watched::Watched;
use common::{Namespace, is_root};
use vrrp_linux::netlink::{NetlinkEvent, Object, Route, Rule};

/// How many batches may find the reading thread in time.
const ROUNDS: usize = 20;

#[test]
fn a_thousand_instances_are_put_in_place_and_removed() {
    if !is_root("a_thousand_instances_are_put_in_place_and_removed") {
        return;
    }
    const INSTANCES: u32 = 1000;
    let (one, _other) = Namespace::pair();
    let thread = Watched::spawn(&one, &["eth0"]);
    let objects = |instance: u32| {
        let vip = format!("10.9.{}.{}", instance / 250, instance % 250 + 1);
        let number = 1000 + instance;
        let route = Route {
            table: number,
            src: Some(vip.parse().unwrap()),
            dev: Some("eth0".to_owned()),
            ..route("0.0.0.0/0")
        };
        let rule = Rule {
            from: Some(format!("{vip}/32").parse().unwrap()),
            table: number,
            ..rule()
        };
        vec![address(&vip).into(), route.into(), rule.into()]
    };
    let started = Instant::now();
    for instance in 0..INSTANCES {
        thread.desire_as(instance, objects(instance));
    }
    for _ in 0..3 * INSTANCES {
        thread.next_present();
    }
    let placed = started.elapsed();
    let rules = one.ip("rule show");
    assert_eq!(rules.matches("proto 112").count(), 1000);

    let deleted = Instant::now();
    one.ip("route delete default table 1500");
    thread.next_present();
    let put_back = deleted.elapsed();

    let released = Instant::now();
    for instance in 0..INSTANCES {
        thread.desire_as(instance, Vec::new());
    }
    for _ in 0..3 * INSTANCES {
        thread.next_absent();
    }
    println!(
        "{INSTANCES} addresses, routes and rules: in place after {placed:?}, one put back after {put_back:?}, removed after {:?}",
        released.elapsed()
    );
    assert!(!one.ip("rule show").contains("proto 112"));
}

#[test]
fn a_flood_of_changes_hides_nothing() {
    if !is_root("a_flood_of_changes_hides_nothing") {
        return;
    }
    let (one, _other) = Namespace::pair();
    let thread = Watched::spawn(&one, &["eth0"]);
    thread.desire(&everything());
    for _ in everything() {
        thread.next_present();
    }
    // More notifications at once than the socket's buffer holds, when the interface goes with its routes; ours among them.
    let mut batch = "link add many0 type veth peer name many1\n".to_owned();
    batch += "link set many1 up\nlink set many0 up\n";
    let mut rules = String::new();
    for number in 0..8000 {
        batch += &format!("route add 2001:db8::{number:x}/128 dev many0 table 200\n");
        if number % 8 == 0 {
            let (high, low) = (number / 250, number % 250 + 1);
            batch += &format!("route add 10.9.{high}.{low}/32 dev many0 table 200\n");
            let rule = format!("from 10.9.{high}.{low} lookup 200 priority 2000\n");
            batch += &format!("rule add {rule}");
            rules += &format!("rule delete {rule}");
        }
    }
    batch += &rules;
    batch += "link delete many0\n";
    batch += "route delete default table 100\n";
    batch += "rule delete from 172.27.0.247 lookup 100\n";
    batch += "address delete 172.27.0.247/32 dev eth0\n";
    until_some_are_dropped(&one, &batch, || {
        for show in ["address show dev eth0", "route show table 100", "rule show"] {
            one.wait_until(show, |shown| shown.contains("172.27.0.247"));
        }
    });
    thread.desire(&[] as &[Object]);
    for _ in everything() {
        thread.next(|event| matches!(event, NetlinkEvent::Absent { .. }));
    }
    // A route that went with its source address was absent for a moment, too.
    one.wait_until("route show table 100", |shown| shown.trim().is_empty());
    one.wait_until("rule show", |shown| !shown.contains("lookup 100"));
}

#[test]
fn a_storm_of_changes_hides_nothing() {
    if !is_root("a_storm_of_changes_hides_nothing") {
        return;
    }
    let (one, _other) = Namespace::pair();
    let thread = Watched::spawn(&one, &["eth0"]);
    thread.desire_addresses(&[VIP]);
    assert_eq!(thread.next_present(), (address(VIP).to_string(), false));
    // More notifications at once than the socket's buffer holds.
    let mut batch = "link add many0 type veth peer name many1\n".to_owned();
    for number in 0..8000 {
        let (high, low) = (number / 250, number % 250 + 1);
        batch += &format!("address add 10.9.{high}.{low}/32 dev many0\n");
    }
    batch += "link delete many0\n";
    batch += "address delete 172.27.0.247/32 dev eth0\n";
    until_some_are_dropped(&one, &batch, || {
        assert_eq!(thread.next_present(), (address(VIP).to_string(), true));
        assert!(one.ip("address show dev eth0").contains("247/32"));
    });
}

/// Has `ip` do this batch, and lets `judge` look at what came of it, until the kernel has dropped notifications because nobody read
/// them in time. The thread that reads runs beside `ip`, so a single batch may be too slow for it.
#[track_caller]
fn until_some_are_dropped(namespace: &Namespace, batch: &str, judge: impl Fn()) {
    let were_dropped = (0..ROUNDS).any(|_| {
        namespace.ip_batch(batch);
        let were_dropped = namespace.netlink_drops() > 0;
        judge();
        were_dropped
    });
    assert!(were_dropped, "it was no flood");
}
