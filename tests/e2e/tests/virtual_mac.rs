//! A virtual MAC: whoever is MASTER, its neighbours see one MAC and never another one.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::collections::BTreeMap;
use std::net::IpAddr;

use e2e::daemon::{Daemon, LIMIT, kill};
use e2e::ipv6;
use e2e::keepalived::Keepalived;
use e2e::neighbour::Neighbour;
use e2e::refused::Attempt;
use e2e::stage::{FIRST, INSTANCE, INTERFACE, PREFIX_LENGTH, SHARED, Stage, cluster};
use e2e::wire::{announced, assert_good, elapsed};
use lab::scenario::State;
use lab::{Frame, Netns, Payload, Signal, wait_until};

const MAC: &str = "00:00:5e:00:01:33";
const MAC_V6: &str = "00:00:5e:00:02:33";
const MACVLAN: &str = "vrrp4.51";
const MACVLAN_V6: &str = "vrrp6.51";
const KEYS: &str = "virtual-mac = true\npriority = { first = 200, second = 100 }";
const PRIORITY_OF_SECOND: u8 = 100;
/// What is changed on the parent of an IPv4 macvlan.
const SETTINGS: [&str; 2] = ["arp_ignore", "arp_announce"];

/// One address family of the stage.
struct Side {
    cluster: String,
    instance: &'static str,
    shared: Vec<IpAddr>,
    mac: &'static str,
    macvlan: &'static str,
}

fn side_v4() -> Side {
    Side {
        cluster: cluster(KEYS),
        instance: INSTANCE,
        shared: vec![SHARED],
        mac: MAC,
        macvlan: MACVLAN,
    }
}

fn side_v6() -> Side {
    Side {
        cluster: ipv6::cluster(KEYS),
        instance: ipv6::INSTANCE,
        shared: vec![ipv6::SHARED_LINK_LOCAL, ipv6::SHARED],
        mac: MAC_V6,
        macvlan: MACVLAN_V6,
    }
}

#[test]
fn neighbours_see_one_mac_before_and_after_a_failover() {
    check_failover(&side_v4());
}

#[test]
fn neighbours_see_one_mac_before_and_after_a_failover_over_ipv6() {
    check_failover(&side_v6());
}

fn check_failover(side: &Side) {
    let stage = stage_of_both_families();
    let third = Neighbour::new(&stage).unwrap();
    let hosts = [&stage.first, &stage.second];
    let settings_before = hosts.map(settings);
    let capture = stage.segment.capture().unwrap();
    let mut first = Daemon::start(&stage.first, "first", &side.cluster);
    first.wait_for_state(side.instance, State::Master);
    let mut second = Daemon::start(&stage.second, "second", &side.cluster);
    second.wait_for_state(side.instance, State::Backup);
    let status = first.status().unwrap();
    let shown = &status["instances"][side.instance]["virtual-mac"];
    assert_eq!(shown["address"], side.mac, "{status}");
    assert_eq!(shown["interface"], side.macvlan, "{status}");

    assert_reached(side, &third, &first);
    assert!(is_up(&stage.first, side.macvlan));
    // RFC 9568 §7.4: no interface identifier is made from the virtual MAC.
    let show = ["ip", "-brief", "address", "show", "dev", side.macvlan];
    let addresses = stage.first.run(&show).unwrap();
    assert!(
        addresses.contains(&side.shared[0].to_string()),
        "{addresses}"
    );
    assert!(!addresses.contains("5eff:fe"), "{addresses}");
    // A Backup discards what a switch sends to the virtual MAC by mistake.
    assert!(!is_up(&stage.second, side.macvlan));

    first.process.signal(Signal::TERM).unwrap();
    first.process.wait(LIMIT).unwrap();
    second.wait_for_state(side.instance, State::Master);
    assert_reached(side, &third, &second);
    first.start_again(&stage.first);
    first.wait_for_state(side.instance, State::Master);
    second.wait_for_state(side.instance, State::Backup);
    assert_reached(side, &third, &first);
    wait_until(LIMIT, "the Backup's interface to be down", || {
        if is_up(&stage.second, side.macvlan) {
            Err("it is up")
        } else {
            Ok(())
        }
    })
    .unwrap();

    first.wait_for_advertisements(side.instance, 5);
    for daemon in [&mut second, &mut first] {
        daemon.process.signal(Signal::TERM).unwrap();
        let status = daemon.process.wait(LIMIT).unwrap();
        assert!(status.success(), "{daemon}");
        for told in ["left", "somebody removed"] {
            assert!(!daemon.process.log().contains(told), "{daemon}");
        }
    }
    for (host, before) in hosts.into_iter().zip(settings_before) {
        assert_eq!(settings(host), before);
        assert!(!has_link(host, side.macvlan));
    }
    let frames = capture.stop().unwrap();
    assert_good(&frames);
    assert_only_from(side, &frames);
    // Whoever is MASTER is a router, also where the host forwards nothing; keepalived leaves that to the kernel.
    for frame in &frames {
        if let Payload::NeighbourAdvertisement(advertisement) = &frame.payload {
            let is_shared = side.shared.contains(&advertisement.target.into());
            assert_eq!(advertisement.router, is_shared, "{frame:?}");
        }
    }
    let taken = frames.iter().find(|frame| {
        let priority = frame.advertisement().map(|it| it.priority);
        priority == Some(PRIORITY_OF_SECOND)
    });
    let taken = taken.unwrap().at;
    let told = announced(&frames, side.shared[0], taken).unwrap();
    println!("announced {:?} after the takeover", elapsed(taken, told));
}

#[test]
fn keepalived_takes_over_with_the_same_mac_and_gives_back() {
    check_takeover_by_keepalived(&side_v4());
}

#[test]
fn keepalived_takes_over_with_the_same_mac_and_gives_back_over_ipv6() {
    check_takeover_by_keepalived(&side_v6());
}

fn check_takeover_by_keepalived(side: &Side) {
    let stage = stage_of_both_families();
    let third = Neighbour::new(&stage).unwrap();
    let mut first = Daemon::start(&stage.first, "first", &side.cluster);
    first.wait_for_state(side.instance, State::Master);
    let second = keepalived(side, &stage.second, 100);
    second.wait_for_state("BACKUP", 1);
    let capture = stage.segment.capture().unwrap();
    assert_reached(side, &third, &first);

    first.process.signal(Signal::TERM).unwrap();
    first.process.wait(LIMIT).unwrap();
    second.wait_for_state("MASTER", 1);
    wait_for_keepalived(side, &third);
    first.start_again(&stage.first);
    first.wait_for_state(side.instance, State::Master);
    second.wait_for_state("BACKUP", 2);
    assert_reached(side, &third, &first);
    let frames = capture.stop().unwrap();
    assert_only_from(side, &without(&stage.second, frames));
}

#[test]
fn vrrp_host_takes_over_from_keepalived_with_the_same_mac_and_gives_back() {
    check_takeover_from_keepalived(&side_v4());
}

#[test]
fn vrrp_host_takes_over_from_keepalived_with_the_same_mac_and_gives_back_over_ipv6() {
    check_takeover_from_keepalived(&side_v6());
}

fn check_takeover_from_keepalived(side: &Side) {
    let stage = stage_of_both_families();
    let third = Neighbour::new(&stage).unwrap();
    let mut first = keepalived(side, &stage.first, 200);
    first.wait_for_state("MASTER", 1);
    let second = Daemon::start(&stage.second, "second", &side.cluster);
    let backup = || {
        second.wait_for("keepalived to be heard", |status| {
            let instance = &status["instances"][side.instance];
            instance["state"] == "BACKUP" && instance["master"]["priority"] == 200
        })
    };
    backup();
    let capture = stage.segment.capture().unwrap();
    wait_for_keepalived(side, &third);
    first.cut_power();
    second.wait_for_state(side.instance, State::Master);
    // The dead keepalived has left its interface behind, which would go on answering.
    stage.first.ip(&["link", "del", "vrrp.51"]).unwrap();
    assert_reached(side, &third, &second);
    first.start_again(&stage.first);
    first.wait_for_state("MASTER", 1);
    backup();
    wait_for_keepalived(side, &third);
    let frames = capture.stop().unwrap();
    assert_only_from(side, &without(&stage.first, frames));
}

#[test]
fn what_a_killed_router_or_a_power_cut_leaves_is_removed() {
    let side = side_v4();
    let stage = Stage::new().unwrap();
    let third = Neighbour::new(&stage).unwrap();
    let before = settings(&stage.first);
    // Somebody else's, with a MAC that could be ours.
    let foreign = "link add foreign link eth0 address 00:00:5e:00:01:34 type macvlan mode bridge";
    let foreign: Vec<_> = foreign.split(' ').collect();
    stage.first.ip(&foreign).unwrap();
    let mut first = Daemon::start(&stage.first, "first", &side.cluster);
    first.wait_for_state(INSTANCE, State::Master);
    assert_reached(&side, &third, &first);
    let during = settings(&stage.first);
    assert_ne!(during, before);
    let index = link_index(&stage.first, MACVLAN);

    let pids = first.pids();
    kill(pids.router.unwrap(), Signal::KILL);
    first.wait_for_pids("another router", |now| {
        now.router.is_some() && now.router != pids.router
    });
    first.wait_for_state(INSTANCE, State::Master);
    assert_reached(&side, &third, &first);
    assert_ne!(link_index(&stage.first, MACVLAN), index);
    let told = "removed the interface of a virtual MAC that a dead router had left";
    assert_eq!(first.process.log().matches(told).count(), 1, "{first}");
    assert_eq!(settings(&stage.first), during);

    first.cut_power();
    first.process.wait(LIMIT).unwrap();
    assert!(has_link(&stage.first, MACVLAN));
    assert_eq!(settings(&stage.first), during);
    first.start_again(&stage.first);
    first.wait_for_state(INSTANCE, State::Master);
    assert_reached(&side, &third, &first);
    assert_eq!(first.process.log().matches(told).count(), 1, "{first}");
    first.process.signal(Signal::TERM).unwrap();
    first.process.wait(LIMIT).unwrap();
    assert!(!has_link(&stage.first, MACVLAN));
    assert!(!stage.first.has_address(SHARED).unwrap());
    assert_eq!(settings(&stage.first), before);
    assert!(has_link(&stage.first, "foreign"));
}

#[test]
fn it_follows_its_parent_and_comes_back_when_somebody_deletes_it() {
    let side = side_v4();
    let stage = Stage::new().unwrap();
    let third = Neighbour::new(&stage).unwrap();
    let first = Daemon::start(&stage.first, "first", &side.cluster);
    first.wait_for_state(INSTANCE, State::Master);
    assert_reached(&side, &third, &first);

    let index = link_index(&stage.first, MACVLAN);
    stage.first.ip(&["link", "del", MACVLAN]).unwrap();
    wait_until(LIMIT, "another interface with the address", || {
        let shown = stage.first.ip(&["-o", "address", "show", "dev", MACVLAN]);
        match shown {
            Ok(shown) if shown.contains(&SHARED.to_string()) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .unwrap();
    assert_ne!(link_index(&stage.first, MACVLAN), index);
    assert_reached(&side, &third, &first);

    for mtu in ["1400", "1500"] {
        stage
            .first
            .ip(&["link", "set", INTERFACE, "mtu", mtu])
            .unwrap();
        wait_until(LIMIT, "the MTU of the parent", || {
            let shown = stage.first.ip(&["link", "show", MACVLAN]).unwrap();
            if shown.contains(&format!("mtu {mtu} ")) {
                Ok(())
            } else {
                Err(shown)
            }
        })
        .unwrap();
    }

    stage.first.ip(&["link", "set", INTERFACE, "down"]).unwrap();
    first.wait_for_state(INSTANCE, State::Fault);
    stage.first.ip(&["link", "set", INTERFACE, "up"]).unwrap();
    first.wait_for_state(INSTANCE, State::Master);
    assert_reached(&side, &third, &first);

    drop(stage.first_port);
    first.wait_for_state(INSTANCE, State::Fault);
    assert!(!has_link(&stage.first, MACVLAN));
    let _port = stage
        .segment
        .attach(&stage.first, INTERFACE, (FIRST, PREFIX_LENGTH))
        .unwrap();
    first.wait_for_state(INSTANCE, State::Master);
    assert_reached(&side, &third, &first);
}

#[test]
fn a_reload_gives_a_virtual_mac_and_takes_it_away() {
    let side = side_v4();
    let stage = Stage::new().unwrap();
    let third = Neighbour::new(&stage).unwrap();
    let before = settings(&stage.first);
    let plain = cluster("priority = { first = 200, second = 100 }");
    let first = Daemon::start(&stage.first, "first", &plain);
    first.wait_for_state(INSTANCE, State::Master);
    let own = third.find(SHARED);
    assert_ne!(own.1, Some(MAC.to_owned()));

    first.rewrite(&side.cluster);
    let output = first.ask(&["reload"]);
    assert!(output.status.success(), "{output:?}\n{first}");
    first.wait_for_state(INSTANCE, State::Master);
    assert_reached(&side, &third, &first);
    first.rewrite(&plain);
    let output = first.ask(&["reload"]);
    assert!(output.status.success(), "{output:?}\n{first}");
    first.wait_for_state(INSTANCE, State::Master);
    wait_until(LIMIT, "the interface's own MAC", || {
        let seen = third.find(SHARED);
        if seen == own {
            Ok(())
        } else {
            Err(format!("{seen:?}"))
        }
    })
    .unwrap();
    assert!(!has_link(&stage.first, MACVLAN));
    assert_eq!(settings(&stage.first), before);
}

#[test]
fn the_last_virtual_mac_of_an_interface_puts_its_settings_back() {
    let stage = Stage::new().unwrap();
    let before = settings(&stage.first);
    let second = "[instances.VI_2]\ninterface = \"eth0\"\nvirtual-router-id = 52\n\
                  virtual-addresses = [\"192.0.2.101\"]\nadvertisement-interval = \"100ms\"\n";
    let both = |first_has: bool, second_has: bool| {
        format!(
            "{}{second}virtual-mac = {second_has}\n",
            cluster(&format!("virtual-mac = {first_has}"))
        )
    };
    let first = Daemon::start(&stage.first, "first", &both(true, true));
    first.wait_for_state(INSTANCE, State::Master);
    first.wait_for_state("VI_2", State::Master);
    assert_ne!(settings(&stage.first), before);
    let reload = |content: String| {
        first.rewrite(&content);
        let output = first.ask(&["reload"]);
        assert!(output.status.success(), "{output:?}\n{first}");
    };
    let wait_for_links = |expected: [bool; 2]| {
        wait_until(LIMIT, "the interfaces", || {
            let seen = [MACVLAN, "vrrp4.52"].map(|name| has_link(&stage.first, name));
            if seen == expected {
                Ok(())
            } else {
                Err(format!("{seen:?}"))
            }
        })
        .unwrap();
    };
    wait_for_links([true, true]);
    let during = settings(&stage.first);
    reload(both(false, true));
    wait_for_links([false, true]);
    assert_eq!(settings(&stage.first), during);
    reload(both(true, true));
    wait_for_links([true, true]);
    // What somebody else sets meanwhile is theirs.
    let setting = format!("net.ipv4.conf.{INTERFACE}.arp_announce=1");
    stage.first.run(&["sysctl", "-qw", &setting]).unwrap();
    reload(both(false, false));
    wait_for_links([false, false]);
    wait_until(LIMIT, "the settings to be put back", || {
        let seen = settings(&stage.first);
        let expected = [before[0].clone(), "1\n".to_owned()];
        if seen == expected {
            Ok(())
        } else {
            Err(format!("{seen:?}"))
        }
    })
    .unwrap();
}

#[test]
fn an_interface_of_somebody_else_is_left_alone() {
    let stage = Stage::new().unwrap();
    let taken = format!("link add {MACVLAN} link eth0 type macvlan mode bridge");
    let taken: Vec<_> = taken.split(' ').collect();
    stage.first.ip(&taken).unwrap();
    let before = settings(&stage.first);
    let index = link_index(&stage.first, MACVLAN);
    let attempt = Attempt::new(cluster(KEYS));
    let refusal = attempt.start(&stage.first);
    println!("{refusal}");
    let told = "this host has an interface vrrp4.51, which is not vrrp-host's";
    refusal.assert_says(78, &[told, "cluster.toml:10:15"]);
    attempt.assert_nothing_started(&stage.first);

    // Nor is it by a reload.
    let plain = cluster("priority = { first = 200, second = 100 }");
    let daemon = Daemon::start(&stage.first, "first", &plain);
    daemon.wait_for_state(INSTANCE, State::Master);
    daemon.rewrite(&cluster(KEYS));
    let output = daemon.ask(&["reload"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && stderr.contains(told),
        "{stderr}"
    );
    assert_eq!(daemon.state(INSTANCE), Ok(State::Master), "{daemon}");
    assert_eq!(link_index(&stage.first, MACVLAN), index);
    assert_eq!(settings(&stage.first), before);
}

/// Both hosts have an address in the network of each shared one.
fn stage_of_both_families() -> Stage {
    let stage = ipv6::stage().unwrap();
    for (host, address) in [
        (&stage.first, "2001:db8::1"),
        (&stage.second, "2001:db8::2"),
    ] {
        let address: IpAddr = address.parse().unwrap();
        host.add_address(INTERFACE, address, 64).unwrap();
    }
    stage
}

/// The neighbour reaches every shared address at the virtual MAC, with what it knows and when it has to ask.
#[track_caller]
fn assert_reached(side: &Side, third: &Neighbour, master: &Daemon) {
    for address in &side.shared {
        let expected = (true, Some(side.mac.to_owned()));
        wait_until(LIMIT, &format!("{address} to be on the MASTER"), || {
            let status = master.status()?;
            let state = status["instances"][side.instance]["state"].clone();
            if state == "MASTER" && third.reach(*address) == expected {
                Ok(())
            } else {
                Err(format!("{state} {:?}", third.mac_of(*address)))
            }
        })
        .unwrap_or_else(|error| panic!("{error}\n{master}"));
        assert_eq!(third.find(*address), expected, "{address}\n{master}");
        assert_eq!(third.reach(*address), expected, "{address}\n{master}");
    }
}

/// keepalived with a virtual MAC.
fn keepalived(side: &Side, host: &Netns, priority: u8) -> Keepalived {
    let addresses = side.shared.iter();
    let addresses = addresses.map(|address| format!("        {address}\n"));
    Keepalived::start(
        host,
        &format!(
            "global_defs {{\n    vrrp_version 3\n}}\n\
             vrrp_instance {} {{\n    interface {INTERFACE}\n    virtual_router_id 51\n    \
             priority {priority}\n    advert_int 0.1\n    use_vmac\n    \
             virtual_ipaddress {{\n{}    }}\n}}\n",
            side.instance,
            addresses.collect::<String>()
        ),
    )
}

/// Waits until keepalived answers, whoever it says that it is: it asks for its neighbours in the name of the shared address with its interface's own
/// MAC, from which they learn.
#[track_caller]
fn wait_for_keepalived(side: &Side, third: &Neighbour) {
    for address in &side.shared {
        wait_until(LIMIT, "keepalived to answer", || {
            match third.reach(*address) {
                (true, _) => Ok(()),
                seen => Err(format!("{address}: {seen:?}")),
            }
        })
        .unwrap();
    }
}

/// All frames but those from a host's own MAC.
fn without(host: &Netns, frames: Vec<Frame>) -> Vec<Frame> {
    let mac = host.run(&["cat", &format!("/sys/class/net/{INTERFACE}/address")]);
    let mac = mac.unwrap();
    let others = frames.into_iter();
    others.filter(|frame| frame.source != mac.trim()).collect()
}

/// What is advertised, announced and answered comes from the virtual MAC, and nothing else speaks for the shared addresses.
#[track_caller]
fn assert_only_from(side: &Side, frames: &[Frame]) {
    let (mut announcements, mut answers) = (0, 0);
    let mut senders = BTreeMap::new();
    for frame in frames {
        match &frame.payload {
            Payload::Vrrp(_) => {
                assert_eq!(frame.source, side.mac, "{frame:?}");
                let sender = frame.sender().unwrap();
                assert!(!side.shared.contains(&sender), "{frame:?}");
                *senders.entry(sender).or_insert(0) += 1;
            }
            Payload::Arp(arp) if side.shared.contains(&arp.sender.into()) => {
                assert_eq!(frame.source, side.mac, "{frame:?}");
                assert_eq!(arp.sender_mac, side.mac, "{frame:?}");
                announcements += usize::from(arp.gratuitous);
                answers += usize::from(!arp.gratuitous && arp.operation == 2);
            }
            Payload::NeighbourAdvertisement(advertisement)
                if side.shared.contains(&advertisement.target.into()) =>
            {
                assert_eq!(frame.source, side.mac, "{frame:?}");
                if let Some(mac) = &advertisement.target_mac {
                    assert_eq!(mac, side.mac, "{frame:?}");
                }
                announcements += usize::from(!advertisement.solicited);
                answers += usize::from(advertisement.solicited);
            }
            Payload::Arp(_) | Payload::NeighbourAdvertisement(_) => {
                // For their own addresses the hosts speak from their own MACs.
                assert_ne!(frame.source, side.mac, "{frame:?}");
            }
            Payload::Other => {}
        }
    }
    println!(
        "advertisements {senders:?}, {announcements} announcements and {answers} answers, all from {}",
        side.mac
    );
    // Each of them was MASTER.
    assert_eq!(senders.len(), 2);
    assert!(announcements > 0 && answers > 0);
}

fn settings(host: &Netns) -> [String; 2] {
    SETTINGS.map(|name| {
        host.run(&[
            "cat",
            &format!("/proc/sys/net/ipv4/conf/{INTERFACE}/{name}"),
        ])
        .unwrap()
    })
}

fn has_link(host: &Netns, name: &str) -> bool {
    host.ip(&["link", "show", name]).is_ok()
}

fn is_up(host: &Netns, name: &str) -> bool {
    let shown = host.ip(&["link", "show", name]).unwrap();
    shown.contains(",UP")
}

fn link_index(host: &Netns, name: &str) -> String {
    host.run(&["cat", &format!("/sys/class/net/{name}/ifindex")])
        .unwrap()
}
