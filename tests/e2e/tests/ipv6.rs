//! VRRPv3 over IPv6, alone and beside IPv4.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::{Duration, SystemTime};

use e2e::daemon::{Daemon, LIMIT, kill};
use e2e::inside::{Forger, answers};
use e2e::ipv6::{
    self, FIRST, INSTANCE, PREFIX_LENGTH, SECOND, SHARED, SHARED_LINK_LOCAL, VIRTUAL_ROUTER_ID,
    cluster, dual_stack_cluster, set_link_local,
};
use e2e::stage::{self, INTERFACE, Stage};
use e2e::wire::{
    Sent, advertisements, announced, assert_good, changed, elapsed, longest_gap, milliseconds,
};
use lab::scenario::State;
use lab::{Frame, Netns, Signal, wait_until};
use serde_json::Value;
use vrrp::packet::{Advertisement, MULTICAST_IPV6};
use vrrp::{ChecksumForm, Version, VirtualRouterId};

const INTERVAL: Duration = Duration::from_millis(100);
/// How long a reaction may take on a busy machine; on an idle one it is some milliseconds.
const AT_ONCE: Duration = Duration::from_millis(100);
/// How early an advertisement may seem, because the frame it is counted from passed the bridge before it was received.
const EARLY_MS: f64 = 0.1;
/// How late it may be on a busy machine.
const LATE_MS: f64 = 20.0;
const VIRTUAL_ADDRESSES: [IpAddr; 2] = [SHARED_LINK_LOCAL, SHARED];
const PRIORITIES: &str = "priority = { first = 200, second = 100 }";

#[test]
fn an_address_moves_after_a_stop_and_after_a_crash_by_the_formula_and_comes_back() {
    let stage = ipv6::stage().unwrap();
    let toml = cluster("priority = { first = 100, second = 99 }");
    let mut first = Daemon::start(&stage.first, "first", &toml);
    let second = Daemon::start(&stage.second, "second", &toml);
    let capture = stage.segment.capture().unwrap();

    let mut endings = Vec::new();
    for is_crash in [false, true].repeat(3) {
        first.wait_for_state(INSTANCE, State::Master);
        second.wait_for_state(INSTANCE, State::Backup);
        wait_for_addresses(&stage.first, true);
        // The owner of a moment ago has given it up, and its neighbour knows.
        wait_for_addresses(&stage.second, false);
        assert_answers(&stage.second);
        endings.push((is_crash, SystemTime::now()));
        if is_crash {
            first.cut_power();
        } else {
            first.process.signal(Signal::TERM).unwrap();
        }
        second.wait_for_state(INSTANCE, State::Master);
        wait_for_addresses(&stage.second, true);
        first.process.wait(LIMIT).unwrap();
        first.start_again(&stage.first);
    }
    first.wait_for_state(INSTANCE, State::Master);
    let frames = capture.stop().unwrap();
    assert_good(&frames);
    assert_conforming(&frames);

    let (ours, theirs) = (
        advertisements(&frames, FIRST),
        advertisements(&frames, SECOND),
    );
    // RFC 9568 §6.1, for priority 99.
    let skew_time = INTERVAL * (256 - 99) / 256;
    for (is_crash, since) in endings {
        let taken = theirs.iter().find(|sent| sent.at > since).unwrap();
        let last = ours.iter().rfind(|sent| sent.at < taken.at).unwrap();
        let (ending, formula, priority) = if is_crash {
            ("crash", 3 * INTERVAL + skew_time, 100)
        } else {
            ("stop", skew_time, 0)
        };
        let formula = formula.as_secs_f64() * 1e3;
        let measured = milliseconds(last.at, taken.at);
        let difference = measured - formula;
        println!(
            "{ending}: formula {formula:.3} ms, on the wire {measured:.3} ms, difference {difference:+.3} ms"
        );
        assert_eq!(last.priority, priority, "{first}");
        assert!(
            (-EARLY_MS..LATE_MS).contains(&difference),
            "{first}{second}"
        );
        for address in VIRTUAL_ADDRESSES {
            // RFC 9568 §6.4.2: first the advertisement, then the announcements.
            let told = announced(&frames, address, since).unwrap();
            println!("{address} announced {:?} later", elapsed(taken.at, told));
            assert!(told > taken.at);
            assert!(elapsed(taken.at, told) < AT_ONCE, "{second}");
        }
    }
}

#[test]
fn a_deleted_address_is_put_back_and_announced_and_the_master_stays() {
    let stage = ipv6::stage().unwrap();
    // One frame for each time, so that none is taken for another.
    let keys = format!("{PRIORITIES}\nannounce = {{ repeat = 1, delay = \"0s\" }}");
    let daemon = Daemon::start(&stage.first, "first", &cluster(&keys));
    daemon.wait_for_state(INSTANCE, State::Master);
    wait_for_addresses(&stage.first, true);
    let watch = stage.first.watch_addresses().unwrap();
    let capture = stage.segment.capture().unwrap();
    daemon.wait_for_advertisements(INSTANCE, 5);

    let deleted = VIRTUAL_ADDRESSES.repeat(3).into_iter().map(|address| {
        let at = SystemTime::now();
        let with_prefix = format!("{address}/128");
        let delete = ["address", "del", &with_prefix, "dev", INTERFACE];
        stage.first.ip(&delete).unwrap();
        wait_until(LIMIT, "the address to be back", || {
            let changes = watch.changes();
            changed(&changes, address, true, at).ok_or_else(|| format!("{changes:?}"))
        })
        .unwrap();
        (address, at)
    });
    let deleted: Vec<_> = deleted.collect();
    daemon.wait_for_advertisements(INSTANCE, 5);
    assert_eq!(daemon.state(INSTANCE), Ok(State::Master));

    let frames = capture.stop().unwrap();
    assert_good(&frames);
    assert_conforming(&frames);
    for (address, at) in deleted {
        let back = changed(&watch.changes(), address, true, at).unwrap();
        let told = announced(&frames, address, at).unwrap();
        println!(
            "{address} deleted; back within {:?}, announced within {:?}",
            elapsed(at, back),
            elapsed(at, told)
        );
        assert!(elapsed(at, back) < AT_ONCE, "{daemon}");
        assert!(elapsed(at, told) < AT_ONCE, "{daemon}");
    }
    let sent = advertisements(&frames, FIRST);
    assert!(sent.iter().all(|sent| sent.priority == 200), "{sent:?}");
    assert!(longest_gap(&sent) < 2 * INTERVAL, "{sent:?}");
}

/// RFC 9568 §1: the same VRID in both families is two virtual routers.
#[test]
fn the_families_of_one_number_move_apart() {
    let stage = ipv6::stage().unwrap();
    let toml = dual_stack_cluster(PRIORITIES, "priority = { first = 100, second = 200 }");
    let first = Daemon::start(&stage.first, "first", &toml);
    let second = Daemon::start(&stage.second, "second", &toml);
    let are_apart = || {
        first.wait_for_state(stage::INSTANCE, State::Master);
        second.wait_for_state(stage::INSTANCE, State::Backup);
        first.wait_for_state(INSTANCE, State::Backup);
        second.wait_for_state(INSTANCE, State::Master);
    };
    are_apart();
    wait_for_addresses(&stage.second, true);
    let capture = stage.segment.capture().unwrap();
    first.wait_for_advertisements(stage::INSTANCE, 5);

    // Without the address that it speaks from, it gives away what it has in that family.
    let link_local = format!("{SECOND}/{PREFIX_LENGTH}");
    let delete = ["address", "del", &link_local, "dev", INTERFACE];
    let deleted_at = SystemTime::now();
    stage.second.ip(&delete).unwrap();
    second.wait_for_state(INSTANCE, State::Fault);
    first.wait_for_state(INSTANCE, State::Master);
    assert_eq!(first.state(stage::INSTANCE), Ok(State::Master));
    wait_for_addresses(&stage.second, false);
    wait_for_addresses(&stage.first, true);
    let status = second.status().unwrap();
    assert_eq!(
        status["instances"][INSTANCE]["reason"],
        "the interface is without a link-local address of its own that is known to be unique",
        "{second}"
    );
    set_link_local(&stage.second, SECOND).unwrap();
    are_apart();
    first.wait_for_advertisements(stage::INSTANCE, 5);

    let frames = capture.stop().unwrap();
    assert_good(&frames);
    assert_conforming(&frames);
    let of_second = advertisements(&frames, SECOND);
    let zero = of_second.iter().find(|sent| sent.priority == 0).unwrap().at;
    println!(
        "priority 0 {:?} after the link-local address was deleted, from that address",
        elapsed(deleted_at, zero)
    );
    assert!(elapsed(deleted_at, zero) < AT_ONCE, "{second}");
    let sent_v4 = advertisements(&frames, stage::FIRST);
    assert!(sent_v4.iter().all(|sent| sent.priority == 200));
    assert!(longest_gap(&sent_v4) < 2 * INTERVAL, "{sent_v4:?}");
    assert_eq!(advertisements(&frames, stage::SECOND), []);
}

#[test]
fn an_instance_waits_until_the_link_local_address_is_known_to_be_unique() {
    let stage = Stage::new().unwrap();
    let daemon = Daemon::start(&stage.first, "first", &cluster(PRIORITIES));
    daemon.wait_for_state(INSTANCE, State::Master);
    let capture = stage.segment.capture().unwrap();
    let set = |state| {
        stage
            .first
            .ip(&["link", "set", INTERFACE, state])
            .map(drop)
            .unwrap();
    };
    set("down");
    daemon.wait_for_state(INSTANCE, State::Fault);
    // The kernel has dropped its own address, and makes it again: tentative for a second.
    set("up");
    let up_at = SystemTime::now();
    daemon.wait_for("FAULT for want of a link-local address", |status| {
        status["instances"][INSTANCE]["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("link-local"))
    });
    daemon.wait_for_state(INSTANCE, State::Master);
    daemon.wait_for_advertisements(INSTANCE, 3);
    let own = link_local(&stage.first);

    let frames = capture.stop().unwrap();
    assert_good(&frames);
    assert_conforming(&frames);
    let of_vrrp = frames
        .iter()
        .filter(|frame| frame.advertisement().is_some());
    let senders: Vec<IpAddr> = of_vrrp.filter_map(Frame::sender).collect();
    assert!(!senders.is_empty());
    assert!(senders.iter().all(|sender| *sender == own), "{senders:?}");
    let again = advertisements(&frames, own);
    let again = again.iter().find(|sent| sent.at > up_at).unwrap().at;
    println!(
        "advertises again {:?} after the interface was set up",
        elapsed(up_at, again)
    );
}

#[test]
fn the_supervisor_gives_away_what_a_killed_router_held() {
    let stage = ipv6::stage().unwrap();
    let toml = cluster(PRIORITIES);
    let first = Daemon::start(&stage.first, "first", &toml);
    first.wait_for_state(INSTANCE, State::Master);
    let second = Daemon::start(&stage.second, "second", &toml);
    second.wait_for_state(INSTANCE, State::Backup);
    wait_for_addresses(&stage.first, true);
    let watch = stage.first.watch_addresses().unwrap();
    let capture = stage.segment.capture().unwrap();
    first.wait_for_advertisements(INSTANCE, 5);

    let killed_at = SystemTime::now();
    kill(first.pids().router.unwrap(), Signal::KILL);
    second.wait_for("the second host to have been MASTER", |status| {
        counted(status, Some(INSTANCE), "master-transitions") == 1
    });
    first.wait_for_state(INSTANCE, State::Master);
    let frames = capture.stop().unwrap();
    assert_good(&frames);
    let zero = advertisements(&frames, FIRST)
        .into_iter()
        .find(|sent| sent.priority == 0)
        .unwrap()
        .at;
    println!("priority 0 {:?} after the kill", elapsed(killed_at, zero));
    assert!(elapsed(killed_at, zero) < AT_ONCE, "{first}");
    for address in VIRTUAL_ADDRESSES {
        let removed = changed(&watch.changes(), address, false, killed_at).unwrap();
        println!(
            "{address} removed {:?} after the kill",
            elapsed(killed_at, removed)
        );
        assert!(elapsed(killed_at, removed) < AT_ONCE, "{first}");
    }
}

#[test]
fn what_is_wrong_with_a_datagram_over_ipv6_is_counted_and_changes_nothing() {
    const FORGER: &str = "fe80::3";
    let stage = ipv6::stage().unwrap();
    let third = Netns::new("third").unwrap();
    let forger: IpAddr = FORGER.parse().unwrap();
    let _port = stage
        .segment
        .attach(&third, INTERFACE, (forger, PREFIX_LENGTH))
        .unwrap();
    let toml = cluster(PRIORITIES);
    let master = Daemon::start(&stage.first, "first", &toml);
    master.wait_for_state(INSTANCE, State::Master);
    let backup = Daemon::start(&stage.second, "second", &toml);
    backup.wait_for("the MASTER to be heard", |status| {
        status["instances"][INSTANCE]["master"]["address"] == FIRST.to_string()
    });
    let daemons = [&master, &backup];
    let before = daemons.map(|daemon| daemon.status().unwrap());
    let mut capture = stage.segment.capture().unwrap();

    // The one makes a MASTER step down, the other a BACKUP take over.
    let forge = Forger::new(&third, forger);
    for priority in [254, 0] {
        let good = message(forger, priority, &VIRTUAL_ADDRESSES);
        for hop_limit in [1, 64, 254] {
            forge.send(hop_limit, &good);
        }
        forge.send(255, &[]);
        forge.send(255, &good[..1]);
        forge.send(255, &good[..39]);
        // Longer than any message, and longer than a frame.
        forge.send(255, &[good.clone(), vec![0; 6000]].concat());
        let mut bad_checksum = good.clone();
        bad_checksum[6] ^= 0x55;
        forge.send(255, &bad_checksum);
        // The pseudo-header has another source.
        forge.send(255, &message(FIRST, priority, &VIRTUAL_ADDRESSES));
        forge.send(
            255,
            &message(forger, priority, &[SHARED, SHARED_LINK_LOCAL]),
        );
    }
    let expected = [
        (None, "ip-ttl-errors", 6),
        (None, "vrid-errors", 4),
        (Some(INSTANCE), "packet-length-errors", 4),
        (None, "checksum-errors", 4),
        (Some(INSTANCE), "address-list-errors", 2),
    ];
    for (daemon, before) in daemons.iter().zip(&before) {
        daemon.wait_for("every datagram to be counted", |after| {
            expected.iter().all(|&(instance, counter, count)| {
                counted(after, instance, counter) == counted(before, instance, counter) + count
            })
        });
    }
    println!("on either host: {expected:?}");
    // Longer than a BACKUP waits for its MASTER.
    master.wait_for_advertisements(INSTANCE, 5);
    for (daemon, before) in daemons.iter().zip(&before) {
        let after = daemon.status().unwrap();
        for key in ["state", "since", "priority", "master"] {
            let (before, after) = (
                &before["instances"][INSTANCE],
                &after["instances"][INSTANCE],
            );
            assert_eq!(before[key], after[key], "{key}\n{daemon}");
        }
        assert_eq!(before["processes"], after["processes"], "{daemon}");
    }
    let frames = capture.frames().unwrap();
    assert_eq!(advertisements(&frames, SECOND), []);
    let sent: Vec<Sent> = advertisements(&frames, FIRST);
    assert!(sent.iter().all(|sent| sent.priority == 200), "{sent:?}");

    // What makes this a test that can fail.
    forge.send(255, &message(forger, 254, &VIRTUAL_ADDRESSES));
    master.wait_for("the MASTER to have stepped down", |status| {
        counted(status, Some(INSTANCE), "master-transitions") > 1
            || status["instances"][INSTANCE]["state"] == "BACKUP"
    });
}

/// An advertisement of [`INSTANCE`] as `source` would send it.
fn message(source: IpAddr, priority: u8, addresses: &[IpAddr]) -> Vec<u8> {
    let id = NonZeroU8::new(VIRTUAL_ROUTER_ID).unwrap();
    let advertisement = Advertisement {
        version: Version::V3,
        virtual_router_id: VirtualRouterId(id),
        priority,
        interval: INTERVAL,
        checksum: ChecksumForm::Rfc9568,
        password: None,
        addresses: addresses.to_vec(),
    };
    advertisement.emit(source, MULTICAST_IPV6.into())
}

/// Checks each advertisement and announcement over IPv6 against RFC 9568 §5.1.2, §5.2.9 and §6.4.2, and RFC 4861 §7.2.6.
#[track_caller]
fn assert_conforming(frames: &[Frame]) {
    let all_nodes: IpAddr = "ff02::1".parse().unwrap();
    let (mut advertised, mut told) = (0, 0);
    for frame in frames {
        let Some(ip) = frame.ip.as_ref().filter(|ip| ip.source.is_ipv6()) else {
            continue;
        };
        if let Some(advertisement) = frame.advertisement() {
            advertised += 1;
            assert_eq!(ip.destination, MULTICAST_IPV6, "{frame:?}");
            assert_eq!(frame.destination, "33:33:00:00:00:12", "{frame:?}");
            assert_eq!(ip.ttl, 255, "{frame:?}");
            assert_eq!(advertisement.version, 3, "{frame:?}");
            assert_eq!(advertisement.addresses, VIRTUAL_ADDRESSES, "{frame:?}");
            assert!(!VIRTUAL_ADDRESSES.contains(&ip.source), "{frame:?}");
            let is_link_local = matches!(ip.source, IpAddr::V6(v6) if v6.is_unicast_link_local());
            assert!(is_link_local, "{frame:?}");
        }
        if let Some(advertisement) = frame
            .unsolicited_advertisement()
            .filter(|advertisement| VIRTUAL_ADDRESSES.contains(&advertisement.target.into()))
        {
            told += 1;
            assert_eq!(ip.destination, all_nodes, "{frame:?}");
            assert_eq!(frame.destination, "33:33:00:00:00:01", "{frame:?}");
            assert_eq!(ip.ttl, 255, "{frame:?}");
            assert_eq!(ip.source, advertisement.target, "{frame:?}");
            let flags = (
                advertisement.router,
                advertisement.solicited,
                advertisement.overrides,
            );
            assert_eq!(flags, (true, false, true), "{frame:?}");
            let target_mac = advertisement.target_mac.as_ref();
            assert_eq!(target_mac, Some(&frame.source), "{frame:?}");
        }
    }
    println!(
        "{advertised} advertisements and {told} neighbour advertisements over IPv6, as they should be"
    );
    assert!(advertised > 0 && told > 0);
}

/// Checks that `from` can reach both virtual addresses, which another host has.
#[track_caller]
fn assert_answers(from: &Netns) {
    for address in VIRTUAL_ADDRESSES {
        let IpAddr::V6(address) = address else {
            unreachable!("they are IPv6");
        };
        // A way to the network of what is no neighbour by its prefix.
        let network = format!("{SHARED}/64");
        from.ip(&["-6", "route", "replace", &network, "dev", INTERFACE])
            .unwrap();
        assert!(answers(from, address), "{address} does not answer");
    }
}

/// Waits until a host has both virtual addresses, or neither.
#[track_caller]
fn wait_for_addresses(host: &Netns, wanted: bool) {
    for address in VIRTUAL_ADDRESSES {
        wait_until(LIMIT, "the shared addresses to come or go", || {
            match host.has_address(address) {
                Ok(has) if has == wanted => Ok(()),
                seen => Err(format!("{address}: {seen:?}")),
            }
        })
        .unwrap();
    }
}

/// The link-local address that the kernel made for a host.
fn link_local(host: &Netns) -> IpAddr {
    let shown = host
        .ip(&[
            "-o", "-6", "address", "show", "dev", INTERFACE, "scope", "link",
        ])
        .unwrap();
    let addresses = shown.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word != "inet6");
        words.nth(1)?.split('/').next()?.parse().ok()
    });
    let mut own = addresses.filter(|address: &IpAddr| *address != SHARED_LINK_LOCAL);
    own.next().unwrap()
}

fn counted(status: &Value, instance: Option<&str>, counter: &str) -> u64 {
    let owner = instance.map_or(status, |instance| &status["instances"][instance]);
    owner["counters"][counter]
        .as_u64()
        .unwrap_or_else(|| panic!("no {counter} of {instance:?} in {status}"))
}
