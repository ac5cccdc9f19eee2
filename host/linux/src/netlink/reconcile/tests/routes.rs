//! Routes: kept in place, in order with the addresses that they need, and never taken from others.

use super::*;

/// `default via 172.27.0.254 dev eth0 src VIP table 100`.
fn default_route() -> Route {
    Route {
        to: "0.0.0.0/0".parse().unwrap(),
        table: 100,
        metric: 0,
        kind: RouteKind::Unicast,
        via: Some("172.27.0.254".parse().unwrap()),
        dev: Some("eth0".to_owned()),
        src: Some(VIP.parse().unwrap()),
        onlink: false,
    }
}

fn rule() -> Rule {
    Rule {
        family: Family::V4,
        priority: 1000,
        from: Some("172.27.0.247/32".parse().unwrap()),
        to: None,
        fwmark: None,
        iif: None,
        table: 100,
    }
}

fn kernel_route(route: &Route) -> KernelRoute {
    KernelRoute {
        slot: Slot::of(route),
        kind: route.kind,
        hops: vec![Hop {
            via: route.via,
            index: Some(2),
            onlink: route.onlink,
        }],
        src: route.src,
    }
}

/// With an address, a route from it and a rule for the route in place.
fn complete() -> Bench {
    let mut bench = Bench::new();
    let objects: [Object; 3] = [rule().into(), default_route().into(), vip(32).into()];
    bench.desire(&objects);
    bench
}

const ADDRESS: &str = "172.27.0.247/32 dev eth0";
const ROUTE: &str = "default via 172.27.0.254 dev eth0 src 172.27.0.247 table 100";
const RULE: &str = "from 172.27.0.247/32 lookup 100 priority 1000";

#[test]
fn addresses_come_before_routes_and_rules_and_go_after_them() {
    let mut bench = complete();
    bench.expect(&["present", "route present", "rule present"]);
    bench.expect_asked(
        &[ADDRESS, ROUTE, RULE]
            .map(|text| format!("add {text}"))
            .each_ref()
            .map(String::as_str),
    );
    bench.desire(&NOTHING);
    bench.expect(&["rule absent", "route absent", "absent"]);
    bench.expect_asked(
        &[RULE, ROUTE, ADDRESS]
            .map(|text| format!("remove {text}"))
            .each_ref()
            .map(String::as_str),
    );
    assert!(bench.reconciler.managed.is_empty());
}

#[test]
fn a_deleted_route_is_put_back() {
    let mut bench = complete();
    bench.events.clear();
    bench.apply(Change::RouteGone(kernel_route(&default_route())));
    bench.expect(&["route restored"]);
}

#[test]
fn a_route_that_goes_with_its_source_address_is_put_back_after_it() {
    let mut bench = complete();
    bench.events.clear();
    bench.asked.clear();
    // No word of the route: older kernels drop it in silence.
    bench.apply(vip_gone());
    bench.expect(&["restored", "route restored"]);
    bench.expect_asked(&[&format!("add {ADDRESS}"), &format!("add {ROUTE}")]);
}

#[test]
fn routes_are_lost_with_an_interface_that_is_set_down_and_come_back_with_it() {
    let mut bench = complete();
    bench.events.clear();
    bench.apply(Change::Link(Link {
        enabled: false,
        up: false,
        ..link(2, "eth0", false)
    }));
    bench.expect(&["link false []", "route absent"]);
    bench.apply(Change::Link(link(2, "eth0", true)));
    bench.expect(&["link true []", "route restored"]);
}

#[test]
fn routes_stay_on_an_interface_that_lost_its_carrier() {
    let mut bench = complete();
    bench.events.clear();
    bench.asked.clear();
    bench.apply(Change::Link(link(2, "eth0", false)));
    bench.expect(&["link false []"]);
    bench.expect_asked(&[]);
}

#[test]
fn ipv4_routes_are_lost_with_the_last_ipv4_address() {
    let route = Route {
        src: None,
        ..default_route()
    };
    let mut bench = Bench::new();
    bench.apply(Change::Address(entry(2, "172.27.0.1".parse().unwrap(), 24)));
    bench.apply(Change::Address(entry(2, "172.27.0.9".parse().unwrap(), 24)));
    bench.apply(Change::Address(entry(2, "fe80::1".parse().unwrap(), 64)));
    bench.desire(&[route]);
    bench.events.clear();
    let gone = |address: &str| Change::AddressGone {
        index: 2,
        address: address.parse().unwrap(),
        prefix_length: 24,
    };
    bench.apply(gone("172.27.0.9"));
    bench.expect(&["link true [(172.27.0.1, 24), (fe80::1, 64)]"]);
    bench.apply(gone("172.27.0.1"));
    bench.expect(&["link true [(fe80::1, 64)]", "route restored"]);
}

#[test]
fn a_refused_route_is_tried_again_when_an_address_brings_its_next_router_into_reach() {
    let mut bench = Bench::new();
    bench.refuse = Some(Errno::NETUNREACH);
    let route = Route {
        src: None,
        dev: None,
        ..default_route()
    };
    bench.desire(&[route]);
    bench.expect(&["route failed NetworkUnreachable"]);
    bench.refuse = None;
    bench.apply(Change::Address(entry(2, "192.0.2.1".parse().unwrap(), 24)));
    bench.expect(&["link true [(192.0.2.1, 24)]"]);
    bench.apply(Change::Address(entry(2, "172.27.0.1".parse().unwrap(), 24)));
    bench.expect(&[
        "link true [(192.0.2.1, 24), (172.27.0.1, 24)]",
        "route present",
    ]);
}

#[test]
fn a_route_that_somebody_else_put_in_its_place_stays() {
    let mut bench = complete();
    bench.events.clear();
    bench.refuse = Some(Errno::EXIST);
    // `ip route replace`: the new one is not ours, and nothing is said of the old one.
    bench.apply(Change::RouteReplaced(Slot::of(&default_route())));
    bench.expect(&["route failed AlreadyExists"]);
    bench.refuse = None;
    bench.asked.clear();
    bench.reconciler.desire(vec![Desired {
        owner: Owner(1),
        objects: vec![vip(32).into()],
    }]);
    bench.settle();
    bench.expect_asked(&[&format!("remove {RULE}")]);
}

#[test]
fn another_route_of_ours_in_the_same_place_is_replaced() {
    let mut bench = Bench::new();
    let left_over = Route {
        via: Some("172.27.0.253".parse().unwrap()),
        ..default_route()
    };
    bench.apply(Change::Address(entry(2, VIP.parse().unwrap(), 32)));
    bench.apply(Change::Route(kernel_route(&left_over)));
    bench.events.clear();
    bench.desire(&[default_route()]);
    bench.expect(&["route present"]);
    bench.expect_asked(&[&format!("remove {ROUTE}"), &format!("add {ROUTE}")]);
    let Some(Entry::Route(there)) = found(&bench, default_route()) else {
        panic!("it is there");
    };
    assert_eq!(there, kernel_route(&default_route()));
}

#[test]
fn what_others_add_to_an_ipv6_route_stays() {
    let route = Route {
        to: "2001:db8:1::/48".parse().unwrap(),
        via: Some("fe80::2".parse().unwrap()),
        src: None,
        metric: 1024,
        ..default_route()
    };
    let mut bench = Bench::new();
    bench.desire(std::slice::from_ref(&route));
    bench.expect(&["route present"]);
    let mut with_others = kernel_route(&route);
    with_others.hops.push(Hop {
        via: Some("fe80::3".parse().unwrap()),
        index: Some(2),
        onlink: false,
    });
    bench.reconciler.replace(vec![
        Change::Link(link(2, "eth0", true)),
        Change::Route(with_others),
    ]);
    bench.settle();
    bench.expect(&[]);
    let Some(Entry::Route(there)) = found(&bench, route.clone()) else {
        panic!("it is there");
    };
    assert_eq!(there, kernel_route(&route));
}

#[test]
fn an_answer_that_shows_that_the_copy_is_wrong_is_a_surprise_once() {
    let mut bench = Bench::new();
    bench.reconciler.desire(vec![Desired {
        owner: Owner(1),
        objects: vec![default_route().into()],
    }]);
    let operation = bench.reconciler.next_operation(bench.now).unwrap();
    assert!(bench.reconciler.surprised(&operation, Errno::EXIST));
    assert!(!bench.reconciler.surprised(&operation, Errno::PERM));
    bench
        .reconciler
        .finished(&operation, Err(Errno::EXIST), bench.now);
    assert!(!bench.reconciler.surprised(&operation, Errno::EXIST));
}

#[test]
fn a_route_that_drops_packets_needs_no_interface() {
    let mut bench = Bench::new();
    let route = Route {
        kind: RouteKind::Blackhole,
        via: None,
        dev: None,
        src: None,
        table: MAIN_TABLE,
        ..default_route()
    };
    bench.desire(&[route]);
    bench.expect(&["route present"]);
    bench.apply(Change::LinkGone { index: 2 });
    bench.expect(&["link false []"]);
    bench.expect_asked(&["add blackhole default"]);
}

#[test]
fn an_ipv6_route_without_its_source_address_is_made_again() {
    let address = Address {
        address: "fd00::247".parse().unwrap(),
        prefix_length: 128,
        ..vip(128)
    };
    let route = Route {
        to: "2001:db8:1::/48".parse().unwrap(),
        via: None,
        src: Some(address.address),
        metric: 1024,
        ..default_route()
    };
    let mut bench = Bench::new();
    let objects: [Object; 2] = [address.clone().into(), route.clone().into()];
    bench.desire(&objects);
    bench.expect(&["present", "route present"]);
    bench.asked.clear();
    // The kernel takes the address out of the route in silence. We take the route to be gone, and learn otherwise.
    bench.reconciler.apply(Change::AddressGone {
        index: 2,
        address: address.address,
        prefix_length: 128,
    });
    bench.report();
    for adds in [
        "add fd00::247/128 dev eth0",
        "add 2001:db8:1::/48 dev eth0 src fd00::247 table 100",
    ] {
        let operation = bench.reconciler.next_operation(bench.now).unwrap();
        assert_eq!(format!("add {}", operation.object), adds);
        let result = if let Entry::Address(_) = operation.entry {
            bench.reconciler.apply(effect_of(&operation));
            Ok(())
        } else {
            assert!(bench.reconciler.surprised(&operation, Errno::EXIST));
            bench.reconciler.apply(Change::Route(KernelRoute {
                src: None,
                ..kernel_route(&route)
            }));
            Err(Errno::EXIST)
        };
        bench.reconciler.finished(&operation, result, bench.now);
    }
    bench.settle();
    bench.expect(&["restored", "route restored"]);
    bench.expect_asked(&[
        "remove 2001:db8:1::/48 dev eth0 src fd00::247 table 100",
        "add 2001:db8:1::/48 dev eth0 src fd00::247 table 100",
    ]);
}
