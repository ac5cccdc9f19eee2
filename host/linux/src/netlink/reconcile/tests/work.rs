//! How much work it is to keep many objects in place.

use super::*;

/// As many instances as a host may have; each has an address, a route from it and a rule.
const INSTANCES: u32 = 1000;
const OBJECTS: u64 = 3 * 1000;

fn objects(instance: u32) -> Vec<Object> {
    let address = Ipv4Addr::from_bits(0x0a01_0000 + instance);
    let interface = "eth0".to_owned();
    vec![
        Object::Address(Address {
            interface: interface.clone(),
            address: address.into(),
            prefix_length: 32,
            label: None,
            scope: 0,
        }),
        Object::Route(Route {
            to: "0.0.0.0/0".parse().unwrap(),
            table: 1000 + instance,
            metric: 0,
            kind: RouteKind::Unicast,
            via: Some("172.27.0.254".parse().unwrap()),
            dev: Some(interface),
            src: Some(address.into()),
            onlink: false,
        }),
        Object::Rule(Rule {
            family: Family::V4,
            priority: 1000,
            from: Some(IpNet::new(address.into(), 32).unwrap()),
            to: None,
            fwmark: None,
            iif: None,
            table: 1000 + instance,
        }),
    ]
}

/// Comparisons of objects with the kernel's state that `act` takes.
fn looks(bench: &mut Bench, act: impl FnOnce(&mut Bench)) -> u64 {
    let before = bench.reconciler.looks;
    act(bench);
    bench.reconciler.looks - before
}

#[test]
fn work_grows_with_what_changes_and_not_with_what_is_there() {
    let mut bench = Bench::new();
    let claimed = looks(&mut bench, |bench| {
        for instance in 0..INSTANCES {
            bench.desire_as(Owner(instance), objects(instance));
        }
    });
    assert_eq!(bench.asked.len() as u64, OBJECTS);
    // When it is desired, when it is there, and when the request is answered.
    assert_eq!(claimed, 3 * OBJECTS);

    let deleted = looks(&mut bench, |bench| {
        bench.apply(Change::AddressGone {
            index: 2,
            address: Ipv4Addr::from_bits(0x0a01_0000 + 500).into(),
            prefix_length: 32,
        });
    });
    // The address and its route: gone, back, answered.
    assert_eq!(deleted, 6);

    let of_others = looks(&mut bench, |bench| {
        for host in 0..1000 {
            let address = Ipv4Addr::from_bits(0x0a02_0000 + host);
            bench.apply(Change::Address(entry(2, address.into(), 32)));
        }
    });
    assert_eq!(of_others, 0);

    let released = looks(&mut bench, |bench| {
        for instance in 0..INSTANCES {
            bench.desire_as(Owner(instance), Vec::new());
        }
    });
    // When it is desired no more and when it is gone; by the answer nobody asks any more.
    assert!(released <= 3 * OBJECTS, "{released}");
    assert!(bench.reconciler.managed.is_empty());
}
