//! Virtual routes and rules in network namespaces.

#![allow(
    clippy::unwrap_used,
    reason = "this is a test, helpers included: what goes wrong is to fail it"
)]

mod common;

use common::objects::{VIP, address, everything, route, rule};
use common::watched::Watched;
use common::{Namespace, is_root};
use vrrp::Family;
use vrrp_linux::netlink::{
    MAIN_TABLE, METRIC_V6, Mark, NetlinkEvent, Object, RULE_PRIORITY, Route, RouteKind, Rule,
    remove_left_over_blocking,
};

const TABLE: &str = "route show table 100";

#[test]
fn every_attribute_is_as_desired_and_nothing_stays() {
    if !is_root("every_attribute_is_as_desired_and_nothing_stays") {
        return;
    }
    let (one, _other) = Namespace::pair();
    one.ip("address add 2001:db8::1/64 dev eth0 nodad");
    let thread = Watched::spawn(&one, &["eth0"]);
    let eth0 = || Some("eth0".to_owned());
    let v6 = |to: &str| Route {
        to: to.parse().unwrap(),
        metric: METRIC_V6,
        via: Some("2001:db8::2".parse().unwrap()),
        ..route("0.0.0.0/0")
    };
    let of_kind = |kind, to: &str| Route {
        kind,
        via: None,
        ..route(to)
    };
    let routes = [
        (
            route("198.51.100.0/24"),
            "198.51.100.0/24 via 172.27.0.2 dev eth0 table 100 proto 112",
        ),
        (
            Route {
                table: 70_000,
                metric: 50,
                dev: eth0(),
                src: Some(VIP.parse().unwrap()),
                ..route("0.0.0.0/0")
            },
            "default via 172.27.0.2 dev eth0 table 70000 proto 112 src 172.27.0.247 metric 50",
        ),
        (
            Route {
                via: None,
                dev: eth0(),
                ..route("198.51.101.0/24")
            },
            "198.51.101.0/24 dev eth0 table 100 proto 112 scope link",
        ),
        (
            Route {
                via: Some("203.0.113.1".parse().unwrap()),
                dev: eth0(),
                onlink: true,
                ..route("198.51.102.0/24")
            },
            "198.51.102.0/24 via 203.0.113.1 dev eth0 table 100 proto 112 onlink",
        ),
        (
            of_kind(RouteKind::Blackhole, "198.51.103.0/24"),
            "blackhole 198.51.103.0/24 table 100 proto 112",
        ),
        (
            of_kind(RouteKind::Unreachable, "198.51.104.0/24"),
            "unreachable 198.51.104.0/24 table 100 proto 112",
        ),
        (
            Route {
                table: MAIN_TABLE,
                ..of_kind(RouteKind::Prohibit, "198.51.105.0/24")
            },
            "prohibit 198.51.105.0/24 proto 112",
        ),
        (
            v6("2001:db8:1::/48"),
            "2001:db8:1::/48 via 2001:db8::2 dev eth0 table 100 proto 112 metric 1024",
        ),
        (
            Route {
                via: Some("fe80::2".parse().unwrap()),
                dev: eth0(),
                src: Some("2001:db8::247".parse().unwrap()),
                metric: 7,
                ..v6("::/0")
            },
            "default via fe80::2 dev eth0 table 100 proto 112 src 2001:db8::247 metric 7",
        ),
        (
            Route {
                via: Some("2001:db8:9::2".parse().unwrap()),
                dev: eth0(),
                onlink: true,
                ..v6("2001:db8:2::/48")
            },
            "2001:db8:2::/48 via 2001:db8:9::2 dev eth0 table 100 proto 112 metric 1024 onlink",
        ),
        (
            Route {
                kind: RouteKind::Blackhole,
                via: None,
                ..v6("2001:db8:3::/48")
            },
            "blackhole 2001:db8:3::/48 dev lo table 100 proto 112 metric 1024",
        ),
        (
            Route {
                via: None,
                dev: eth0(),
                ..v6("2001:db8:4::/48")
            },
            "2001:db8:4::/48 dev eth0 table 100 proto 112 metric 1024",
        ),
    ];
    let rules = [
        (rule(), "1000:\tfrom 172.27.0.247 lookup 100 proto 112"),
        (
            Rule {
                from: None,
                to: Some("198.51.100.0/24".parse().unwrap()),
                iif: eth0(),
                table: MAIN_TABLE,
                priority: RULE_PRIORITY,
                ..rule()
            },
            "32765:\tfrom all to 198.51.100.0/24 iif eth0 lookup main proto 112",
        ),
        (
            Rule {
                from: None,
                fwmark: Some(Mark {
                    value: 0x10,
                    mask: u32::MAX,
                }),
                table: 70_000,
                ..rule()
            },
            "1000:\tfrom all fwmark 0x10 lookup 70000 proto 112",
        ),
        (
            Rule {
                from: None,
                fwmark: Some(Mark {
                    value: 0x10,
                    mask: 0xf0,
                }),
                ..rule()
            },
            "1000:\tfrom all fwmark 0x10/0xf0 lookup 100 proto 112",
        ),
        (
            Rule {
                family: Family::V6,
                from: Some("2001:db8::247/128".parse().unwrap()),
                ..rule()
            },
            "1000:\tfrom 2001:db8::247 lookup 100 proto 112",
        ),
        (
            Rule {
                family: Family::V6,
                from: None,
                ..rule()
            },
            "1000:\tfrom all lookup 100 proto 112",
        ),
    ];
    let mut objects: Vec<Object> = vec![address(VIP).into(), address("2001:db8::247").into()];
    objects.extend(routes.iter().map(|(route, _)| route.clone().into()));
    objects.extend(rules.iter().map(|(rule, _)| rule.clone().into()));
    let before = state(&one);
    thread.desire(&objects);
    for _ in &objects {
        thread.next_present();
    }
    let shown = state(&one);
    for text in routes
        .iter()
        .map(|(_, text)| text)
        .chain(rules.iter().map(|(_, text)| text))
    {
        assert!(shown.contains(text), "{text:?} is missing:\n{shown}");
    }

    // Nothing is left to do: the copy of the kernel's state is as the kernel.
    let (last, rest) = objects.split_last().unwrap();
    thread.desire(rest);
    assert_eq!(thread.next_absent(), last.to_string());

    thread.desire(&[] as &[Object]);
    for _ in rest {
        thread.next_absent();
    }
    assert_eq!(state(&one), before);
}

#[test]
fn what_somebody_deletes_is_put_back() {
    if !is_root("what_somebody_deletes_is_put_back") {
        return;
    }
    let (one, _other) = Namespace::pair();
    let thread = Watched::spawn(&one, &["eth0"]);
    thread.desire(&everything());
    for object in everything() {
        assert_eq!(thread.next_present(), (object.to_string(), false));
    }
    let [address, route, rule] = everything().map(|object| object.to_string());
    for _ in 0..10 {
        one.ip("route delete default table 100");
        assert_eq!(thread.next_present(), (route.clone(), true));
        one.ip("rule delete from 172.27.0.247 lookup 100");
        assert_eq!(thread.next_present(), (rule.clone(), true));
        // The route goes with its source address.
        one.ip("address delete 172.27.0.247/32 dev eth0");
        assert_eq!(thread.next_present(), (address.clone(), true));
        assert_eq!(thread.next_present(), (route.clone(), true));
        one.ip("route flush table 100");
        assert_eq!(thread.next_present(), (route.clone(), true));
    }
    assert!(one.ip(TABLE).contains("default via 172.27.0.2"));
}

#[test]
fn an_ipv6_route_gets_its_source_address_back() {
    if !is_root("an_ipv6_route_gets_its_source_address_back") {
        return;
    }
    let (one, _other) = Namespace::pair();
    let thread = Watched::spawn(&one, &["eth0"]);
    let objects: [Object; 2] = [
        address("fd00::247").into(),
        Route {
            to: "2001:db8:1::/48".parse().unwrap(),
            metric: METRIC_V6,
            via: None,
            dev: Some("eth0".to_owned()),
            src: Some("fd00::247".parse().unwrap()),
            ..route("0.0.0.0/0")
        }
        .into(),
    ];
    thread.desire(&objects);
    for object in &objects {
        assert_eq!(thread.next_present(), (object.to_string(), false));
    }
    // The kernel takes it out of the route, in silence.
    one.ip("address delete fd00::247/128 dev eth0");
    for object in &objects {
        assert_eq!(thread.next_present(), (object.to_string(), true));
    }
    let shown = one.ip("-6 route show table 100");
    assert!(shown.contains("src fd00::247"), "{shown}");
}

#[test]
fn what_goes_with_an_interface_comes_back_with_it() {
    if !is_root("what_goes_with_an_interface_comes_back_with_it") {
        return;
    }
    let (one, _other) = Namespace::pair();
    one.ip("link add eth1 type veth peer name eth2");
    one.ip("link set eth2 up");
    one.ip("link set eth1 up");
    one.ip("address add 192.0.2.1/24 dev eth1");
    let over_eth1 = Route {
        via: Some("192.0.2.2".parse().unwrap()),
        dev: Some("eth1".to_owned()),
        ..route("198.51.100.0/24")
    };
    // Its interface is the kernel's choice.
    let wherever = Route {
        dev: None,
        to: "198.51.101.0/24".parse().unwrap(),
        ..over_eth1.clone()
    };
    let v6 = Route {
        to: "2001:db8:1::/48".parse().unwrap(),
        via: Some("fe80::2".parse().unwrap()),
        metric: METRIC_V6,
        ..over_eth1.clone()
    };
    let routes = [over_eth1, wherever, v6];
    let all_there = |table: &str| {
        let shown = one.ip(table) + &one.ip("-6 route show table 100");
        routes
            .iter()
            .all(|route| shown.contains(&route.to.to_string()))
    };
    let thread = Watched::spawn(&one, &["eth0"]);
    thread.desire(&routes);
    for _ in &routes {
        thread.next_present();
    }
    assert!(all_there(TABLE));
    for _ in 0..10 {
        one.ip("link set eth1 down");
        one.ip("link set eth1 up");
        one.wait_until(TABLE, |_| all_there(TABLE));
    }
    // The last address takes the routes with it, and its network is what the next router is reached by.
    one.ip("address delete 192.0.2.1/24 dev eth1");
    one.wait_until(TABLE, |shown| !shown.contains("198.51.101.0/24"));
    one.ip("address add 192.0.2.1/24 dev eth1");
    one.wait_until(TABLE, |_| all_there(TABLE));
    one.ip("link delete eth1");
    one.ip("link add eth1 type veth peer name eth2");
    one.ip("link set eth2 up");
    one.ip("link set eth1 up");
    one.ip("address add 192.0.2.1/24 dev eth1");
    one.wait_until(TABLE, |_| all_there(TABLE));
}

#[test]
fn what_the_administrator_configured_stays() {
    if !is_root("what_the_administrator_configured_stays") {
        return;
    }
    let (one, _other) = Namespace::pair();
    one.ip("route add 198.51.100.0/24 via 172.27.0.2 table 100");
    one.ip("route add 198.51.101.0/24 via 172.27.0.3 table 100 proto static");
    one.ip("rule add from 172.27.0.247 lookup 100 priority 1000");
    let before = state(&one);
    let thread = Watched::spawn(&one, &["eth0"]);
    let objects: [Object; 3] = [
        route("198.51.100.0/24").into(),
        route("198.51.101.0/24").into(),
        rule().into(),
    ];
    thread.desire(&objects);
    assert_eq!(thread.next_present(), (objects[2].to_string(), false));
    let mut failed: Vec<String> = (0..2)
        .map(|_| {
            let event = thread.next(|event| !matches!(event, NetlinkEvent::Link(_)));
            let NetlinkEvent::Failed { object, error } = event else {
                panic!("{event:?}");
            };
            assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
            object.to_string()
        })
        .collect();
    failed.sort();
    assert_eq!(failed, [objects[0].to_string(), objects[1].to_string()]);
    assert_eq!(state(&one), before);

    let removed = one.run(|| remove_left_over_blocking().unwrap());
    assert_eq!(removed, []);
    thread.desire(&[] as &[Object]);
    let event = thread.next(|event| matches!(event, NetlinkEvent::Kept { .. }));
    let NetlinkEvent::Kept { object } = event else {
        unreachable!("it was asked for");
    };
    assert_eq!(object, objects[2]);
    assert_eq!(state(&one), before);

    // Once it is gone, ours takes its place.
    thread.desire(&objects);
    one.ip("route delete 198.51.101.0/24 table 100");
    one.wait_until(TABLE, |shown| {
        shown.contains("198.51.101.0/24 via 172.27.0.2 dev eth0 proto 112")
    });
}

#[test]
fn a_route_that_somebody_put_in_the_place_of_ours_stays_until_he_removes_it() {
    if !is_root("a_route_that_somebody_put_in_the_place_of_ours_stays_until_he_removes_it") {
        return;
    }
    let (one, _other) = Namespace::pair();
    one.ip("address add 2001:db8::1/64 dev eth0 nodad");
    let thread = Watched::spawn(&one, &["eth0"]);
    let v6 = Route {
        to: "2001:db8:1::/48".parse().unwrap(),
        via: Some("2001:db8::2".parse().unwrap()),
        metric: METRIC_V6,
        ..route("0.0.0.0/0")
    };
    for (ours, replace, delete) in [
        (
            route("198.51.100.0/24"),
            "route replace 198.51.100.0/24 via 172.27.0.3 table 100",
            "route delete 198.51.100.0/24 table 100",
        ),
        (
            v6,
            "-6 route replace 2001:db8:1::/48 via 2001:db8::3 table 100",
            "-6 route delete 2001:db8:1::/48 table 100",
        ),
    ] {
        thread.desire(std::slice::from_ref(&ours));
        assert_eq!(
            thread.next_present(),
            (Object::from(ours.clone()).to_string(), false)
        );
        one.ip(replace);
        let event = thread.next(|event| !matches!(event, NetlinkEvent::Link(_)));
        let NetlinkEvent::Failed { error, .. } = event else {
            panic!("{event:?}");
        };
        assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
        one.ip(delete);
        assert_eq!(
            thread.next_present(),
            (Object::from(ours.clone()).to_string(), true)
        );
        thread.desire(&[] as &[Object]);
        thread.next_absent();
    }
}

#[test]
fn left_over_routes_and_rules_are_removed_and_no_others() {
    if !is_root("left_over_routes_and_rules_are_removed_and_no_others") {
        return;
    }
    let (one, _other) = Namespace::pair();
    one.ip("route add 198.51.100.0/24 via 172.27.0.2 table 100");
    one.ip("rule add from 172.27.0.3 lookup 100");
    let before = state(&one);
    let blackhole = Route {
        kind: RouteKind::Blackhole,
        via: None,
        to: "2001:db8:3::/48".parse().unwrap(),
        metric: METRIC_V6,
        ..route("0.0.0.0/0")
    };
    let mut objects = everything().to_vec();
    objects.push(blackhole.into());
    let thread = Watched::spawn(&one, &["eth0"]);
    thread.desire(&objects);
    for _ in &objects {
        thread.next_present();
    }
    drop(thread);

    let mut removed = one.run(|| remove_left_over_blocking().unwrap());
    removed.sort();
    objects.sort();
    assert_eq!(removed, objects);
    assert_eq!(state(&one), before);
    assert_eq!(one.run(|| remove_left_over_blocking().unwrap()), []);
}

/// All routes and rules.
fn state(namespace: &Namespace) -> String {
    // IPv6 brings routes of its own, at its own time.
    let of_ipv6 = namespace.ip("-6 route show table all");
    let of_ipv6 = of_ipv6.lines().filter(|line| {
        !["fe80", "multicast", "anycast", "local"]
            .iter()
            .any(|word| line.contains(word) && !line.contains("proto 112"))
    });
    [
        namespace.ip("-4 route show table all"),
        of_ipv6.collect::<Vec<_>>().join("\n"),
        namespace.ip("-4 rule show"),
        namespace.ip("-6 rule show"),
    ]
    .concat()
}
