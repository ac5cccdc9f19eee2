//! What others do to a pair of hosts. Each ends in the right state by itself.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, Ipv6Addr, SocketAddrV6};

use e2e::daemon::{Daemon, LIMIT, kill};
use e2e::inside::inside;
use e2e::ipv6;
use e2e::stage::{INSTANCE, INTERFACE, SHARED, Stage, cluster, cluster_at, counter};
use e2e::wire::assert_good;
use lab::scenario::State;
use lab::{Netns, Segment, Signal, wait_until};
use rustix::net::netdevice::name_to_index;
use socket2::{Domain, Protocol, Socket, Type};
use tempfile::NamedTempFile;

const PRIORITIES: &str = "priority = { first = 200, second = 100 }";

/// RFC 9568 §7.1: such an advertisement is told, and counts all the same.
#[test]
fn an_address_list_that_differs_is_told_once_and_makes_no_second_master() {
    let stage = Stage::new().unwrap();
    let ours = cluster(PRIORITIES);
    let other = IpAddr::from([192, 0, 2, 101]);
    let theirs = ours.replace(
        &format!("[\"{SHARED}\"]"),
        &format!("[\"{SHARED}\", \"{other}\"]"),
    );
    let mut first = Daemon::start(&stage.first, "first", &ours);
    first.wait_for_state(INSTANCE, State::Master);
    let second = Daemon::start(&stage.second, "second", &theirs);
    second.wait_for_state(INSTANCE, State::Backup);
    let status = second.wait_for("twenty advertisements to arrive", |status| {
        counter(status, "advertisement-rcvd") >= 20
    });
    assert_eq!(status["instances"][INSTANCE]["state"], "BACKUP", "{second}");
    assert_eq!(counter(&status, "master-transitions"), 0, "{second}");
    assert_eq!(
        counter(&status, "address-list-errors"),
        counter(&status, "advertisement-rcvd"),
    );
    let log = second.process.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains(" WARN ")).collect();
    println!("{told:?}");
    assert_eq!(told.len(), 1, "{log}");
    assert!(told[0].contains(&SHARED.to_string()), "{log}");

    // The other way round it is the same, and each configures what its own file says.
    first.process.signal(Signal::TERM).unwrap();
    first.process.wait(LIMIT).unwrap();
    second.wait_for_state(INSTANCE, State::Master);
    wait_for_address(&stage.second, other, true);
    first.start_again(&stage.first);
    first.wait_for_state(INSTANCE, State::Master);
    second.wait_for_state(INSTANCE, State::Backup);
    for address in [SHARED, other] {
        wait_for_address(&stage.second, address, false);
    }
    assert!(stage.first.has_address(SHARED).unwrap());
    assert!(!stage.first.has_address(other).unwrap());
}

/// A router of the segment makes the hosts configure addresses and routes beside the virtual ones.
#[test]
fn router_advertisements_of_another_router_move_nothing() {
    let stage = Stage::new().unwrap();
    let third = Netns::new("third").unwrap();
    let _port = stage
        .segment
        .attach(&third, INTERFACE, (IpAddr::from([192, 0, 2, 3]), 24))
        .unwrap();
    let file = ipv6::dual_stack_cluster(PRIORITIES, PRIORITIES);
    let first = Daemon::start(&stage.first, "first", &file);
    let second = Daemon::start(&stage.second, "second", &file);
    let instances = [INSTANCE, ipv6::INSTANCE];
    for instance in instances {
        first.wait_for_state(instance, State::Master);
        second.wait_for("the first host to be heard", |status| {
            status["instances"][instance]["master"]["priority"] == 200
        });
    }
    wait_for_address(&stage.first, ipv6::SHARED, true);
    let before = [&first, &second].map(|daemon| daemon.status().unwrap());
    let capture = stage.segment.capture().unwrap();

    // A router sends from its link-local address, which the kernel first finds out to be unique.
    let own = ["-6", "address", "show", "dev", INTERFACE, "scope", "link"];
    wait_until(LIMIT, "the third host's own address", || {
        let shown = third.ip(&own).unwrap();
        if shown.contains("fe80:") && !shown.contains("tentative") {
            Ok(())
        } else {
            Err(shown)
        }
    })
    .unwrap();
    let mut advertised = Vec::new();
    for number in 1..=10 {
        let prefix = Ipv6Addr::new(0x2001, 0xdb8, 0xf, number, 0, 0, 0, 0);
        advertise_router(&third, prefix, 1800);
        advertised.push(prefix);
    }
    for host in [&stage.first, &stage.second] {
        wait_until(LIMIT, "an address of each prefix", || {
            let shown = host
                .ip(&["-6", "address", "show", "scope", "global"])
                .unwrap();
            let missing = advertised.iter().find(|prefix| {
                let start = prefix.to_string();
                !shown.contains(start.trim_end_matches(':'))
            });
            missing.map_or(Ok(()), |_| Err(shown.clone()))
        })
        .unwrap();
        let routes = host.ip(&["-6", "route", "show", "default"]).unwrap();
        assert!(routes.contains("proto ra"), "{routes}");
    }
    first.wait_for_advertisements(ipv6::INSTANCE, 10);
    // It is no router any more.
    for prefix in &advertised {
        advertise_router(&third, *prefix, 0);
    }
    first.wait_for_advertisements(ipv6::INSTANCE, 10);

    let frames = capture.stop().unwrap();
    assert_good(&frames);
    let mut senders: Vec<_> = frames
        .iter()
        .filter(|frame| frame.advertisement().is_some())
        .filter_map(|frame| frame.sender())
        .collect();
    senders.sort_unstable();
    senders.dedup();
    println!("advertisements came from {senders:?}");
    assert_eq!(senders.len(), 2, "one address of each family");
    for (daemon, before) in [&first, &second].into_iter().zip(&before) {
        let after = daemon.status().unwrap();
        for instance in instances {
            for key in ["state", "since", "priority", "master"] {
                let (before, after) = (
                    &before["instances"][instance],
                    &after["instances"][instance],
                );
                assert_eq!(before[key], after[key], "{instance} {key}\n{daemon}");
            }
        }
    }
    for address in [SHARED, ipv6::SHARED, ipv6::SHARED_LINK_LOCAL] {
        assert!(stage.first.has_address(address).unwrap(), "{address}");
        assert!(!stage.second.has_address(address).unwrap(), "{address}");
    }
}

/// The kernel throws notifications away when a reader is behind; whoever relied on them would not see its own addresses go.
#[test]
fn notifications_that_the_kernel_lost_hide_nothing_while_instances_move() {
    let stage = Stage::new().unwrap();
    // Long enough for a router to be stopped for a moment without anybody taking over.
    let file = cluster_at("1s", PRIORITIES);
    let first = Daemon::start(&stage.first, "first", &file);
    first.wait_for_state(INSTANCE, State::Master);
    let second = Daemon::start(&stage.second, "second", &file);
    second.wait_for_state(INSTANCE, State::Backup);
    second.wait_for("the first host to be heard", |status| {
        counter(status, "advertisement-rcvd") >= 2
    });
    let routers = [&first, &second].map(|daemon| daemon.pids().router.unwrap());
    let hosts = [&stage.first, &stage.second];
    let elsewhere = Segment::new("elsewhere").unwrap();
    for round in 0..3 {
        let ports = hosts.map(|host| {
            let address = IpAddr::from([198, 51, 100, 1]);
            elsewhere.attach(host, "many0", (address, 32)).unwrap()
        });
        let lost = hosts.map(lost_notifications);
        std::thread::scope(|scope| {
            for host in hosts {
                scope.spawn(move || change_much(host));
            }
            // Meanwhile they change roles, and somebody takes the address from the new MASTER.
            assert!(first.ask(&["drain", INSTANCE]).status.success(), "{first}");
            second.wait_for_state(INSTANCE, State::Master);
            wait_for_address(&stage.second, SHARED, true);
            wait_for_address(&stage.first, SHARED, false);
            delete_address(&stage.second);
        });
        // The whole interface goes while nobody reads, and then the address does, of which no notification comes any more.
        wait_for_address(&stage.second, SHARED, true);
        for router in routers {
            kill(router, Signal::STOP);
        }
        drop(ports);
        delete_address(&stage.second);
        for router in routers {
            kill(router, Signal::CONT);
        }
        wait_for_address(&stage.second, SHARED, true);
        assert!(
            first.ask(&["undrain", INSTANCE]).status.success(),
            "{first}"
        );
        first.wait_for_state(INSTANCE, State::Master);
        second.wait_for_state(INSTANCE, State::Backup);
        wait_for_address(&stage.first, SHARED, true);
        wait_for_address(&stage.second, SHARED, false);
        let lost_now = hosts.map(lost_notifications);
        println!("round {round}: notifications lost before {lost:?}, now {lost_now:?}");
        assert!(
            lost_now.iter().zip(&lost).all(|(now, before)| now > before),
            "it was no overrun"
        );
    }
    first.wait_for_advertisements(INSTANCE, 5);
    assert_eq!(first.state(INSTANCE), Ok(State::Master));
    assert_eq!(second.state(INSTANCE), Ok(State::Backup));
}

/// Somebody deletes the shared address, which the host has.
fn delete_address(host: &Netns) {
    let address = format!("{SHARED}/32");
    host.ip(&["address", "del", &address, "dev", INTERFACE])
        .unwrap();
}

/// Configures thousands of addresses on the interface `many0`.
fn change_much(host: &Netns) {
    let mut batch = String::new();
    for number in 0..8000 {
        let (high, low) = (number / 250, number % 250 + 1);
        writeln!(batch, "address add 10.9.{high}.{low}/32 dev many0").unwrap();
    }
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), batch).unwrap();
    host.ip(&["-batch", file.path().to_str().unwrap()]).unwrap();
}

/// How many notifications the kernel could not deliver to the routing sockets of a host.
fn lost_notifications(host: &Netns) -> u64 {
    let sockets = host.run(&["cat", "/proc/net/netlink"]).unwrap();
    sockets
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            // sk, family, port, groups, Rmem, Wmem, dump, locks, drops, inode; family 0 is NETLINK_ROUTE.
            (fields.get(1) == Some(&"0")).then(|| fields.get(8)?.parse::<u64>().ok())?
        })
        .sum()
}

/// Sends a router advertisement (RFC 4861 §4.2) that announces a default router for some seconds, and a network to make an
/// address in.
fn advertise_router(host: &Netns, prefix: Ipv6Addr, lifetime: u16) {
    const ROUTER_ADVERTISEMENT: u8 = 134;
    const PREFIX_INFORMATION: u8 = 3;
    /// On-link, and to be used for autonomous configuration.
    const FLAGS: u8 = 0xC0;
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    // The kernel fills in the checksum.
    let mut message = vec![ROUTER_ADVERTISEMENT, 0, 0, 0, 64, 0];
    message.extend(lifetime.to_be_bytes());
    message.extend([0; 8]);
    message.extend([PREFIX_INFORMATION, 4, 64, FLAGS]);
    message.extend([7200_u32.to_be_bytes(), 3600_u32.to_be_bytes(), [0; 4]].concat());
    message.extend(prefix.octets());
    inside(host, || {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
        let index = name_to_index(&socket, INTERFACE)?;
        socket.set_multicast_hops_v6(255)?;
        socket.set_multicast_if_v6(index)?;
        socket.send_to(&message, &SocketAddrV6::new(all_nodes, 0, 0, index).into())
    })
    .unwrap();
}

#[track_caller]
fn wait_for_address(host: &Netns, address: IpAddr, wanted: bool) {
    wait_until(LIMIT, "an address to come or go", || {
        match host.has_address(address) {
            Ok(has) if has == wanted => Ok(()),
            seen => Err(format!("{address}: {seen:?}")),
        }
    })
    .unwrap();
}
