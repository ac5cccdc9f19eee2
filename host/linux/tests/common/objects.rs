//! Addresses, routes and rules to desire.

use std::net::IpAddr;

use vrrp::Family;
use vrrp_linux::netlink::{Address, Object, Route, RouteKind, Rule};

/// The virtual address of most tests.
pub const VIP: &str = "172.27.0.247";

/// An address of eth0 alone, without a network.
pub fn address(text: &str) -> Address {
    let address: IpAddr = text.parse().unwrap();
    Address {
        interface: "eth0".to_owned(),
        address,
        prefix_length: if address.is_ipv4() { 32 } else { 128 },
        label: None,
        scope: 0,
    }
}

/// `TO via 172.27.0.2 table 100`, or what changes about it.
pub fn route(to: &str) -> Route {
    Route {
        to: to.parse().unwrap(),
        table: 100,
        metric: 0,
        kind: RouteKind::Unicast,
        via: Some("172.27.0.2".parse().unwrap()),
        dev: None,
        src: None,
        onlink: false,
    }
}

/// `from VIP lookup 100`, or what changes about it.
pub fn rule() -> Rule {
    Rule {
        family: Family::V4,
        priority: 1000,
        from: Some(format!("{VIP}/32").parse().unwrap()),
        to: None,
        fwmark: None,
        iif: None,
        table: 100,
    }
}

/// The address, a default route from it and the rule for it.
pub fn everything() -> [Object; 3] {
    [
        address(VIP).into(),
        Route {
            src: Some(VIP.parse().unwrap()),
            dev: Some("eth0".to_owned()),
            ..route("0.0.0.0/0")
        }
        .into(),
        rule().into(),
    ]
}
