//! Virtual addresses and link states in network namespaces.

#![allow(
    clippy::unwrap_used,
    reason = "this is a test, helpers included: what goes wrong is to fail it"
)]

mod common;

use std::net::IpAddr;
use std::time::Instant;

use common::{Namespace, PATIENCE, is_root, readable};
use vrrp_linux::netlink::{
    Address, LinkState, NetlinkEvent, NetlinkThread, remove_left_over_blocking,
};

const VIP: &str = "172.27.0.247";
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

    thread.set_desired(&[VIP, "fd00::247"]);
    let mut present = [thread.next_present(), thread.next_present()];
    present.sort();
    assert_eq!(
        present,
        [(VIP.to_owned(), false), ("fd00::247".to_owned(), false)]
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
    assert!(
        !shown.contains("fd00::247/128 scope global tentative"),
        "{shown}"
    );

    thread.set_desired(&[]);
    let mut absent = [thread.next_absent(), thread.next_absent()];
    absent.sort();
    assert_eq!(absent, [VIP, "fd00::247"]);
    let shown = one.ip(SHOW);
    assert!(!shown.contains("247"), "{shown}");
    assert!(shown.contains("172.27.0.1/24"), "{shown}");
}

#[test]
fn the_last_set_wins() {
    if !is_root("the_last_set_wins") {
        return;
    }
    let (one, _other) = Namespace::pair();
    let thread = Watched::spawn(&one, &["eth0"]);
    for _ in 0..100 {
        thread.set_desired(&[VIP]);
        thread.set_desired(&[]);
    }
    thread.set_desired(&[VIP, "172.27.0.248"]);
    one.wait_until(SHOW, |shown| {
        shown.contains("247/32") && shown.contains("248/32")
    });
    thread.set_desired(&["172.27.0.248"]);
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
    thread.set_desired(&[VIP]);
    assert_eq!(thread.next_present(), (VIP.to_owned(), false));
    for _ in 0..10 {
        one.ip("address delete 172.27.0.247/32 dev eth0");
        assert_eq!(thread.next_present(), (VIP.to_owned(), true));
        assert!(one.ip(SHOW).contains("247/32"));
    }
}

#[test]
fn a_storm_of_changes_hides_nothing() {
    if !is_root("a_storm_of_changes_hides_nothing") {
        return;
    }
    let (one, _other) = Namespace::pair();
    one.ip("link add many0 type veth peer name many1");
    let thread = Watched::spawn(&one, &["eth0"]);
    thread.set_desired(&[VIP]);
    assert_eq!(thread.next_present(), (VIP.to_owned(), false));
    // More notifications at once than the socket's buffer holds.
    let mut batch = String::new();
    for number in 0..8000 {
        let (high, low) = (number / 250, number % 250 + 1);
        batch += &format!("address add 10.9.{high}.{low}/32 dev many0\n");
    }
    batch += "link delete many0\n";
    batch += "address delete 172.27.0.247/32 dev eth0\n";
    let file = std::env::temp_dir().join(format!("vl-batch-{}", std::process::id()));
    std::fs::write(&file, batch).unwrap();
    one.ip(&format!("-batch {}", file.display()));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(thread.next_present(), (VIP.to_owned(), true));
    assert!(one.ip(SHOW).contains("247/32"));
}

#[test]
fn the_administrators_address_stays() {
    if !is_root("the_administrators_address_stays") {
        return;
    }
    let (one, _other) = Namespace::pair();
    let thread = Watched::spawn(&one, &["eth0"]);
    thread.set_desired(&["172.27.0.1"]);
    assert_eq!(thread.next_present(), ("172.27.0.1".to_owned(), false));
    assert!(!one.ip(SHOW).contains("172.27.0.1/32"));
    thread.set_desired(&[]);
    let event = thread.next(|event| !matches!(event, NetlinkEvent::Link(_)));
    assert!(
        matches!(event, NetlinkEvent::AddressKept { .. }),
        "{event:?}"
    );
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
    thread.set_desired(&[VIP]);

    one.ip("link add eth0 type veth peer name peer0");
    let first = thread.next_link().index;
    assert!(first.is_some());
    assert_eq!(thread.next_present(), (VIP.to_owned(), false));
    one.ip("link set peer0 up");
    one.ip("link set eth0 up");
    thread.next_link_that(|link| link.up);

    one.ip("link delete eth0");
    assert_eq!(thread.next_absent(), VIP);
    one.ip("link add eth0 type veth peer name peer0");
    let second = thread.next_link_that(|link| link.index.is_some()).index;
    assert_ne!(first, second);
    assert_eq!(thread.next_present(), (VIP.to_owned(), true));
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
    thread.set_desired(&["fd00::247"]);
    let event = thread.next(|event| !matches!(event, NetlinkEvent::Link(_)));
    assert!(
        matches!(event, NetlinkEvent::AddressFailed { .. }),
        "{event:?}"
    );
    ipv6(0);
    assert_eq!(thread.next_present(), ("fd00::247".to_owned(), false));
}

#[test]
fn left_over_addresses_are_removed_and_no_others() {
    if !is_root("left_over_addresses_are_removed_and_no_others") {
        return;
    }
    let (one, _other) = Namespace::pair();
    let eth0 = ["eth0".to_owned(), "missing0".to_owned()];
    let thread = Watched::spawn(&one, &["eth0"]);
    thread.set_desired(&[VIP, "fd00::247"]);
    thread.next_present();
    thread.next_present();
    drop(thread);

    let elsewhere = one.run(|| remove_left_over_blocking(&["lo".to_owned()]).unwrap());
    assert_eq!(elsewhere, []);
    let mut removed = one.run(|| remove_left_over_blocking(&eth0).unwrap());
    removed.sort();
    let address = |text: &str| ("eth0".to_owned(), text.parse::<IpAddr>().unwrap());
    assert_eq!(removed, [address(VIP), address("fd00::247")]);
    let shown = one.ip(SHOW);
    assert!(!shown.contains("247"), "{shown}");
    assert!(shown.contains("172.27.0.1/24"), "{shown}");
    assert_eq!(one.run(|| remove_left_over_blocking(&eth0).unwrap()), []);
}

/// An address thread, and the events that a test has not asked for yet.
struct Watched {
    thread: NetlinkThread,
}

impl Watched {
    fn spawn(namespace: &Namespace, interfaces: &[&str]) -> Self {
        let interfaces = interfaces.iter().map(|&name| name.to_owned()).collect();
        let thread = namespace.run(|| NetlinkThread::spawn(interfaces).unwrap());
        Self { thread }
    }

    fn set_desired(&self, addresses: &[&str]) {
        let desired = addresses.iter().map(|address| {
            let address: IpAddr = address.parse().unwrap();
            Address {
                interface: "eth0".to_owned(),
                address,
                prefix_length: if address.is_ipv4() { 32 } else { 128 },
            }
        });
        self.thread.set_desired(desired.collect());
    }

    /// The next event that matters; those before it do not.
    #[track_caller]
    fn next(&self, matters: impl Fn(&NetlinkEvent) -> bool) -> NetlinkEvent {
        let deadline = Instant::now() + PATIENCE;
        let mut others = Vec::new();
        loop {
            while let Some(event) = self.thread.try_recv() {
                assert!(!matches!(event, NetlinkEvent::Stopped { .. }), "{event:?}");
                if matters(&event) {
                    return event;
                }
                others.push(event);
            }
            assert!(
                readable(&self.thread, deadline),
                "it did not happen, but {others:?}"
            );
        }
    }

    #[track_caller]
    fn next_link(&self) -> LinkState {
        self.next_link_that(|_| true)
    }

    #[track_caller]
    fn next_link_that(&self, matters: impl Fn(&LinkState) -> bool) -> LinkState {
        let event = self.next(|event| matches!(event, NetlinkEvent::Link(link) if matters(link)));
        let NetlinkEvent::Link(link) = event else {
            unreachable!("it was asked for");
        };
        link
    }

    /// Its address, and whether it was restored.
    #[track_caller]
    fn next_present(&self) -> (String, bool) {
        let event = self.next(|event| !matches!(event, NetlinkEvent::Link(_)));
        let NetlinkEvent::AddressPresent {
            address, restored, ..
        } = event
        else {
            panic!("{event:?}");
        };
        (address.to_string(), restored)
    }

    #[track_caller]
    fn next_absent(&self) -> String {
        let event = self.next(|event| !matches!(event, NetlinkEvent::Link(_)));
        let NetlinkEvent::AddressAbsent { address, .. } = event else {
            panic!("{event:?}");
        };
        address.to_string()
    }
}
