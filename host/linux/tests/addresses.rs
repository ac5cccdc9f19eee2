//! Virtual addresses and link states in network namespaces.

#![allow(
    clippy::unwrap_used,
    reason = "this is a test, helpers included: what goes wrong is to fail it"
)]

mod common;

use std::net::{IpAddr, UdpSocket};

use common::objects::{VIP, address};
use common::watched::Watched;
use common::{Namespace, is_root};
use vrrp_linux::ndp::NdpSocket;
use vrrp_linux::netlink::{Address, LinkState, NetlinkEvent, Object, remove_left_over_blocking};

const SHOW: &str = "-d address show dev eth0";

#[test]
fn an_address_is_added_and_removed() {
    if !is_root("an_address_is_added_and_removed") {
        return;
    }
    let (one, _other) = Namespace::pair();
    let thread = Watched::spawn(&one, &["eth0"]);
    let link = thread.next_link();
    assert!(link.up, "{link:?}");
    assert!(link.mac.is_some(), "{link:?}");
    assert_eq!(link.addresses[0], (IpAddr::from([172, 27, 0, 1]), 24));

    thread.desire_addresses(&[VIP, "fd00::247"]);
    let mut present = [thread.next_present(), thread.next_present()];
    present.sort();
    assert_eq!(
        present,
        [(text_of(VIP), false), (text_of("fd00::247"), false)]
    );
    let shown = one.ip(SHOW);
    assert!(
        shown.contains("inet 172.27.0.247/32 scope global"),
        "{shown}"
    );
    assert!(
        shown.contains("inet6 fd00::247/128 scope global"),
        "{shown}"
    );

    thread.desire_addresses(&[]);
    let mut absent = [thread.next_absent(), thread.next_absent()];
    absent.sort();
    assert_eq!(absent, [text_of(VIP), text_of("fd00::247")]);
    let shown = one.ip(SHOW);
    assert!(!shown.contains("247"), "{shown}");
    assert!(shown.contains("172.27.0.1/24"), "{shown}");
}

/// `IFA_F_NODAD`: an address that moves must be usable when it arrives, though its last owner may still have it.
#[test]
fn an_ipv6_address_is_usable_at_once_and_on_two_hosts_for_a_moment() {
    if !is_root("an_ipv6_address_is_usable_at_once_and_on_two_hosts_for_a_moment") {
        return;
    }
    const ADDRESSES: [&str; 2] = ["fe80::51", "fd00::247"];
    let (one, other) = Namespace::pair();
    let hosts = [&one, &other];
    // Detection is on: the addresses that the kernel made for itself had to pass it.
    for host in hosts {
        host.link_local("eth0");
    }
    let threads = hosts.map(|host| {
        let thread = Watched::spawn(host, &["eth0"]);
        thread.desire_addresses(&ADDRESSES);
        for _ in ADDRESSES {
            thread.next_present();
            let shown = host.ip(SHOW);
            assert!(!shown.contains("tentative"), "{shown}");
        }
        thread
    });
    for host in hosts {
        // The kernel lets nobody bind to an address whose uniqueness it does not know yet.
        host.run(|| UdpSocket::bind("[fd00::247]:0").unwrap());
        let groups = host.ip("-6 maddress show dev eth0");
        assert!(groups.contains("ff02::1:ff00:247"), "{groups}");
        assert!(groups.contains("ff02::1:ff00:51"), "{groups}");
    }
    // Each hears that the other one has them. What follows on the wire shows when it has heard.
    for (host, other_host) in [(&one, &other), (&other, &one)] {
        host.ip("neighbour replace fd00::99 lladdr 02:00:00:00:00:98 dev eth0 nud stale");
        let ndp = other_host.run(|| NdpSocket::open("eth0").unwrap());
        for address in ADDRESSES.into_iter().chain(["fd00::99"]) {
            let address = address.parse().unwrap();
            ndp.unsolicited_advertisement(address, [2, 0, 0, 0, 0, 0x99])
                .unwrap();
        }
        host.wait_until("-6 neighbour show dev eth0", |shown| {
            shown.contains("fd00::99 lladdr 02:00:00:00:00:99")
        });
        let shown = host.ip(SHOW);
        assert!(!shown.contains("dadfailed"), "{shown}");
        assert!(!shown.contains("tentative"), "{shown}");
        host.run(|| UdpSocket::bind("[fd00::247]:0").unwrap());
    }
    for (host, thread) in hosts.iter().zip(&threads) {
        thread.desire_addresses(&[]);
        for _ in ADDRESSES {
            thread.next_absent();
        }
        let groups = host.ip("-6 maddress show dev eth0");
        assert!(!groups.contains("ff02::1:ff00:247"), "{groups}");
    }
}

/// The host's own connections must not break when a virtual address moves away.
#[test]
fn an_ipv6_address_without_network_is_nobodys_source() {
    if !is_root("an_ipv6_address_without_network_is_nobodys_source") {
        return;
    }
    let (one, _other) = Namespace::pair();
    one.ip("address add fd00::1/64 dev eth0 nodad");
    one.link_local("eth0");
    let thread = Watched::spawn(&one, &["eth0"]);
    let source_for = |destination: &str| {
        let route = one.ip(&format!("-6 route get {destination}"));
        let mut words = route.split_whitespace();
        words.find(|word| *word == "src").unwrap();
        words.next().unwrap().to_owned()
    };
    thread.desire_addresses(&["fd00::247"]);
    thread.next_present();
    assert_eq!(source_for("fd00::246"), "fd00::1");
    // What the kernel would do otherwise.
    one.ip("address add fd00::9246/128 dev eth0 nodad");
    assert_eq!(source_for("fd00::9247"), "fd00::9246");

    // With a network it is an address like any other.
    thread.desire(&[Address {
        prefix_length: 64,
        ..address("fd00:1::247")
    }]);
    thread.next_absent();
    thread.next_present();
    assert_eq!(source_for("fd00:1::1"), "fd00:1::247");
    let shown = one.ip(SHOW);
    assert!(!shown.contains("deprecated"), "{shown}");
}

#[test]
fn a_virtual_or_unproven_link_local_address_is_not_the_interfaces_own() {
    if !is_root("a_virtual_or_unproven_link_local_address_is_not_the_interfaces_own") {
        return;
    }
    let (one, _other) = Namespace::pair();
    let own = one.link_local("eth0");
    let thread = Watched::spawn(&one, &["eth0"]);
    let link_locals = |link: &LinkState| -> Vec<IpAddr> {
        let addresses = link.addresses.iter().map(|(address, _)| *address);
        addresses
            .filter(|address| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()))
            .collect()
    };
    assert_eq!(link_locals(&thread.next_link()), [own]);
    thread.desire_addresses(&["fe80::51"]);
    thread.next_present();
    // The kernel makes an address of its own again, and looks for a second to see whether it is unique.
    one.ip("link set eth0 down");
    let down = thread.next_link_that(|link| !link.up && link_locals(link).is_empty());
    assert_eq!(link_locals(&down), [IpAddr::V6(own); 0]);
    one.ip("link set eth0 up");
    let up = thread.next_link_that(|link| link.up);
    assert_eq!(link_locals(&up), [IpAddr::V6(own); 0], "{up:?}");
    let proven = thread.next_link_that(|link| !link_locals(link).is_empty());
    assert_eq!(link_locals(&proven), [own]);
    let shown = one.ip(SHOW);
    assert!(shown.contains("fe80::51/128"), "{shown}");
}

#[test]
fn the_last_set_wins() {
    if !is_root("the_last_set_wins") {
        return;
    }
    let (one, _other) = Namespace::pair();
    let thread = Watched::spawn(&one, &["eth0"]);
    for _ in 0..100 {
        thread.desire_addresses(&[VIP]);
        thread.desire_addresses(&[]);
    }
    thread.desire_addresses(&[VIP, "172.27.0.248"]);
    one.wait_until(SHOW, |shown| {
        shown.contains("247/32") && shown.contains("248/32")
    });
    thread.desire_addresses(&["172.27.0.248"]);
    one.wait_until(SHOW, |shown| {
        !shown.contains("247/32") && shown.contains("248/32")
    });
}

#[test]
fn an_address_deleted_by_hand_is_put_back() {
    if !is_root("an_address_deleted_by_hand_is_put_back") {
        return;
    }
    let (one, _other) = Namespace::pair();
    let thread = Watched::spawn(&one, &["eth0"]);
    thread.desire_addresses(&[VIP]);
    assert_eq!(thread.next_present(), (text_of(VIP), false));
    for _ in 0..10 {
        one.ip("address delete 172.27.0.247/32 dev eth0");
        assert_eq!(thread.next_present(), (text_of(VIP), true));
        assert!(one.ip(SHOW).contains("247/32"));
    }
}

#[test]
fn the_administrators_address_stays() {
    if !is_root("the_administrators_address_stays") {
        return;
    }
    let (one, _other) = Namespace::pair();
    let thread = Watched::spawn(&one, &["eth0"]);
    thread.desire_addresses(&["172.27.0.1"]);
    assert_eq!(thread.next_present(), (text_of("172.27.0.1"), false));
    assert!(!one.ip(SHOW).contains("172.27.0.1/32"));
    thread.desire_addresses(&[]);
    let event = thread.next(|event| !matches!(event, NetlinkEvent::Link(_)));
    assert!(matches!(event, NetlinkEvent::Kept { .. }), "{event:?}");
    assert!(one.ip(SHOW).contains("172.27.0.1/24"));
}

#[test]
fn an_interface_that_goes_down_and_comes_up_is_seen() {
    if !is_root("an_interface_that_goes_down_and_comes_up_is_seen") {
        return;
    }
    let (one, other) = Namespace::pair();
    let thread = Watched::spawn(&one, &["eth0"]);
    assert!(thread.next_link().up);
    // First the carrier, then the interface itself.
    for (namespace, down, up) in [
        (&other, "link set eth0 down", "link set eth0 up"),
        (&one, "link set eth0 down", "link set eth0 up"),
    ] {
        namespace.ip(down);
        thread.next_link_that(|link| !link.up);
        namespace.ip(up);
        thread.next_link_that(|link| link.up);
    }
    one.ip("address add 172.27.0.9/24 dev eth0");
    thread.next_link_that(|link| {
        link.addresses
            .contains(&(IpAddr::from([172, 27, 0, 9]), 24))
    });
}

#[test]
fn an_interface_that_is_created_again_gets_its_addresses_back() {
    if !is_root("an_interface_that_is_created_again_gets_its_addresses_back") {
        return;
    }
    let one = Namespace::new();
    let thread = Watched::spawn(&one, &["eth0"]);
    let missing = LinkState {
        interface: "eth0".to_owned(),
        index: None,
        up: false,
        mac: None,
        addresses: Vec::new(),
    };
    assert_eq!(thread.next_link(), missing);
    thread.desire_addresses(&[VIP]);

    one.ip("link add eth0 type veth peer name peer0");
    let first = thread.next_link().index;
    assert!(first.is_some());
    assert_eq!(thread.next_present(), (text_of(VIP), false));
    one.ip("link set peer0 up");
    one.ip("link set eth0 up");
    thread.next_link_that(|link| link.up);

    one.ip("link delete eth0");
    assert_eq!(thread.next_absent(), text_of(VIP));
    one.ip("link add eth0 type veth peer name peer0");
    let second = thread.next_link_that(|link| link.index.is_some()).index;
    assert_ne!(first, second);
    assert_eq!(thread.next_present(), (text_of(VIP), true));
    assert!(one.ip(SHOW).contains("247/32"));
}

#[test]
fn an_address_that_cannot_be_added_is_reported_and_tried_again() {
    if !is_root("an_address_that_cannot_be_added_is_reported_and_tried_again") {
        return;
    }
    let (one, _other) = Namespace::pair();
    let ipv6 = |off: u8| {
        one.run(|| std::fs::write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", off.to_string()))
            .unwrap();
    };
    ipv6(1);
    let thread = Watched::spawn(&one, &["eth0"]);
    thread.desire_addresses(&["fd00::247"]);
    let event = thread.next(|event| !matches!(event, NetlinkEvent::Link(_)));
    assert!(matches!(event, NetlinkEvent::Failed { .. }), "{event:?}");
    ipv6(0);
    assert_eq!(thread.next_present(), (text_of("fd00::247"), false));
}

#[test]
fn left_over_addresses_are_removed_and_no_others() {
    if !is_root("left_over_addresses_are_removed_and_no_others") {
        return;
    }
    let (one, _other) = Namespace::pair();
    one.ip("link add eth1 type veth peer name eth2");
    one.ip("address add 172.27.1.247/24 dev eth1");
    let thread = Watched::spawn(&one, &["eth0"]);
    let elsewhere = Address {
        interface: "eth1".to_owned(),
        ..address("172.27.1.1")
    };
    let mut objects = [address(VIP), address("fd00::247"), elsewhere];
    thread.desire(&objects);
    for _ in &objects {
        thread.next_present();
    }
    drop(thread);

    let mut removed = one.run(|| remove_left_over_blocking().unwrap());
    removed.sort();
    objects.sort();
    assert_eq!(removed, objects.map(Object::from));
    assert!(one.ip("address show dev eth1").contains("172.27.1.247/24"));
    let shown = one.ip(SHOW);
    assert!(!shown.contains("247"), "{shown}");
    assert!(shown.contains("172.27.0.1/24"), "{shown}");
    assert_eq!(one.run(|| remove_left_over_blocking().unwrap()), []);
}

#[test]
fn label_scope_and_another_interface_are_as_desired() {
    if !is_root("label_scope_and_another_interface_are_as_desired") {
        return;
    }
    let (one, _other) = Namespace::pair();
    one.ip("link add eth1 type veth peer name eth2");
    let thread = Watched::spawn(&one, &["eth0"]);
    let labelled = |label: Option<&str>, scope| Address {
        interface: "eth1".to_owned(),
        prefix_length: 24,
        label: label.map(str::to_owned),
        scope,
        ..address("192.0.2.1")
    };
    thread.desire(&[labelled(Some("eth1:v"), 253)]);
    thread.next_present();
    let shown = one.ip("-d address show dev eth1");
    assert!(
        shown.contains("inet 192.0.2.1/24 scope link eth1:v"),
        "{shown}"
    );
    // Another label is another address to the kernel, but it cannot have both.
    thread.desire(&[labelled(None, 200)]);
    thread.next_absent();
    thread.next_present();
    let shown = one.ip("-d address show dev eth1");
    assert!(
        shown.contains("inet 192.0.2.1/24 scope site eth1"),
        "{shown}"
    );
    assert_eq!(shown.matches("192.0.2.1/24").count(), 1, "{shown}");
}

/// An address of eth0 as events show it.
fn text_of(text: &str) -> String {
    address(text).to_string()
}
