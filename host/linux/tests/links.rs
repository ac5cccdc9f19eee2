//! Interfaces and their addresses that change, in a network namespace.

#![allow(
    clippy::unwrap_used,
    reason = "this is a test, helpers included: what goes wrong is to fail it"
)]

mod common;

use common::{Namespace, PATIENCE, is_root};
use tokio::time::timeout;
use vrrp_linux::link::{LinkEvent, LinkInfo, LinkWatcher, find};

fn link(name: &str) -> LinkEvent {
    LinkEvent::Link(name.to_owned())
}

fn addresses(name: &str) -> LinkEvent {
    LinkEvent::Addresses(name.to_owned())
}

async fn next(watcher: &mut LinkWatcher) -> LinkEvent {
    timeout(PATIENCE, watcher.next())
        .await
        .expect("it did not happen")
}

/// Until this event; those before it belong to the same act.
async fn expect(watcher: &mut LinkWatcher, event: &LinkEvent) {
    while next(watcher).await != *event {}
}

/// Watches, and takes the two events that stand for what happened before.
async fn watching(names: &[&str]) -> LinkWatcher {
    let mut watcher = LinkWatcher::new();
    for name in names {
        watcher.watch(name);
    }
    for name in names {
        assert_eq!(next(&mut watcher).await, link(name));
        assert_eq!(next(&mut watcher).await, addresses(name));
    }
    watcher
}

fn in_namespace(namespace: &Namespace, test: impl AsyncFnOnce() + Send) {
    namespace.run(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(test());
    });
}

#[test]
fn an_interface_is_found_as_it_is() {
    if !is_root("an_interface_is_found_as_it_is") {
        return;
    }
    let (one, other) = Namespace::pair();
    let link_local = one.link_local("eth0");
    in_namespace(&one, async || {
        let found = async || find("eth0").await.unwrap().unwrap();
        let mut expected = LinkInfo {
            name: "eth0".to_owned(),
            up: true,
            carrier: true,
            mtu: 1500,
            addresses: vec![("172.27.0.1".parse().unwrap(), 24), (link_local.into(), 64)],
        };
        assert_eq!(found().await, expected);
        assert_eq!(find("eth1").await.unwrap(), None);
        assert_eq!(find("a name that is far too long").await.unwrap(), None);

        one.ip("link set eth0 mtu 1400");
        one.ip("address delete 172.27.0.1/24 dev eth0");
        other.ip("link set eth0 down");
        one.wait_until("link show eth0", |shown| shown.contains("NO-CARRIER"));
        expected.mtu = 1400;
        expected.carrier = false;
        expected.addresses.remove(0);
        assert_eq!(found().await, expected);

        one.ip("link set eth0 down");
        expected.up = false;
        expected.addresses.clear();
        assert_eq!(found().await, expected);
        // Of nobody else's: the other interface, `lo`, has kept its own.
        assert_eq!(find("lo").await.unwrap().unwrap().addresses.len(), 2);
    });
}

#[test]
fn links_and_addresses_that_change_are_told() {
    if !is_root("links_and_addresses_that_change_are_told") {
        return;
    }
    let (one, other) = Namespace::pair();
    in_namespace(&one, async || {
        let mut watcher = watching(&["eth0", "eth1"]).await;

        one.ip("address add 192.0.2.1/24 dev eth0");
        expect(&mut watcher, &addresses("eth0")).await;
        one.ip("address delete 192.0.2.1/24 dev eth0");
        expect(&mut watcher, &addresses("eth0")).await;
        one.ip("-6 address add 2001:db8::1/64 dev eth0");
        expect(&mut watcher, &addresses("eth0")).await;

        one.ip("link set eth0 mtu 1400");
        expect(&mut watcher, &link("eth0")).await;
        other.ip("link set eth0 down");
        expect(&mut watcher, &link("eth0")).await;
        assert!(!find("eth0").await.unwrap().unwrap().carrier);
        other.ip("link set eth0 up");
        expect(&mut watcher, &link("eth0")).await;

        one.ip("link add eth1 type veth peer name eth2");
        expect(&mut watcher, &link("eth1")).await;
        one.ip("link delete eth1");
        expect(&mut watcher, &link("eth1")).await;
        assert_eq!(find("eth1").await.unwrap(), None);
        one.ip("link set eth0 down");
        expect(&mut watcher, &link("eth0")).await;
        one.ip("link set eth0 name eth1");
        expect(&mut watcher, &link("eth0")).await;
        expect(&mut watcher, &link("eth1")).await;
    });
}

#[test]
fn what_happens_to_other_interfaces_is_not_told() {
    if !is_root("what_happens_to_other_interfaces_is_not_told") {
        return;
    }
    let namespace = Namespace::new();
    in_namespace(&namespace, async || {
        let mut watcher = watching(&["eth0"]).await;
        namespace.ip("link add eth1 type veth peer name eth2");
        namespace.ip("address add 192.0.2.1/24 dev eth1");
        namespace.ip("link set eth1 up");
        namespace.ip("link add eth0 type veth peer name eth3");
        // In order: had one of those before been told, it would be the next.
        assert_eq!(next(&mut watcher).await, link("eth0"));
    });
}

#[test]
fn events_that_the_kernel_dropped_count_as_a_change_of_everything() {
    if !is_root("events_that_the_kernel_dropped_count_as_a_change_of_everything") {
        return;
    }
    let namespace = Namespace::new();
    namespace.ip("link add eth1 type veth peer name eth2");
    in_namespace(&namespace, async || {
        let mut watcher = watching(&["eth0"]).await;
        // Nobody reads meanwhile, because this thread is busy here.
        let lines: String = (0..20_000)
            .map(|round| if round % 2 == 0 { "add" } else { "delete" })
            .map(|act| format!("address {act} 192.0.2.1/24 dev eth1\n"))
            .collect();
        while namespace.netlink_drops() == 0 {
            namespace.ip_batch(&lines);
        }
        assert_eq!(next(&mut watcher).await, link("eth0"));
        assert_eq!(next(&mut watcher).await, addresses("eth0"));
        // And it goes on.
        namespace.ip("link add eth0 type veth peer name eth3");
        expect(&mut watcher, &link("eth0")).await;
    });
}
