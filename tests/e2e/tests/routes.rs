//! Addresses with attributes, routes and rules come with MASTER, stay whatever others do, and go with it.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant, SystemTime};

use e2e::daemon::{Daemon, LIMIT, kill};
use e2e::refused::Attempt;
use e2e::stage::{FIRST, INSTANCE, SHARED, Stage, cluster};
use e2e::wire::{advertisements, announced, assert_good, elapsed, longest_gap};
use lab::scenario::State;
use lab::{Netns, Signal, wait_until};

const INTERVAL: Duration = Duration::from_millis(100);
/// How long putting something back may take on a busy machine, with the time of the programs that look. It is well before what
/// the kernel refused would be tried again.
const AT_ONCE: Duration = Duration::from_millis(500);
const EXCLUDED: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 101));
const PRIORITIES: &str = "priority = { first = 200, second = 100 }";
const KEYS: &str = r#"
excluded-addresses = [
  "192.0.2.101",
  { address = "198.51.100.1/24", dev = "eth1", label = "eth1:v", scope = "site" },
  "2001:db8::101/64",
]
routes = [
  { to = "default", via = "192.0.2.254", dev = "eth0", src = "192.0.2.100", table = 100, metric = 50 },
  { to = "203.0.113.0/24", via = "198.51.100.254" },
  { to = "203.0.114.0/24", type = "blackhole" },
  { to = "2001:db8:1::/48", via = "fe80::fe", dev = "eth1" },
]
rules = [{ from = "192.0.2.100", table = 100, priority = 1000 }, { fwmark = "0x10/0xf0", iif = "eth1", table = 100 }]
"#;

/// What `ip` shows of [`KEYS`], each in its list.
const ALL: [(&[&str], &str); 10] = [
    (ADDRESSES, "inet 192.0.2.100/32 scope global eth0"),
    (ADDRESSES, "inet 192.0.2.101/32 scope global eth0"),
    (ADDRESSES, "inet 198.51.100.1/24 scope site eth1:v"),
    (ADDRESSES, "inet6 2001:db8::101/64 scope global"),
    (
        DEFAULT,
        "default via 192.0.2.254 dev eth0 table 100 proto 112 src 192.0.2.100 metric 50",
    ),
    (MAIN, "203.0.113.0/24 via 198.51.100.254 dev eth1 proto 112"),
    (MAIN, "blackhole 203.0.114.0/24 proto 112"),
    (MAIN_V6, "2001:db8:1::/48 via fe80::fe dev eth1 proto 112"),
    (RULES, "1000:\tfrom 192.0.2.100 lookup 100 proto 112"),
    (
        RULES,
        "32765:\tfrom all fwmark 0x10/0xf0 iif eth1 lookup 100 proto 112",
    ),
];
const ADDRESSES: &[&str] = &["address", "show"];
/// A table without a route is an error when it is asked for alone.
const DEFAULT: &[&str] = &["-4", "route", "show", "table", "all"];
const MAIN: &[&str] = &["route", "show"];
const MAIN_V6: &[&str] = &["-6", "route", "show"];
const RULES: &[&str] = &["rule", "show"];

#[test]
fn everything_moves_with_the_master() {
    let stage = stage();
    let keys = format!("priority = {{ first = 100, second = 200 }}\n{KEYS}");
    let capture = stage.segment.capture().unwrap();
    let first = Daemon::start(&stage.first, "first", &cluster(&keys));
    let from = SystemTime::now();
    wait_for_all(&first, &stage.first);
    let status = first.status().unwrap();
    let instance = &status["instances"][INSTANCE];
    assert_eq!(
        instance["excluded-addresses"],
        serde_json::json!([
            "192.0.2.101/32",
            "198.51.100.1/24 dev eth1 label eth1:v scope site",
            "2001:db8::101/64"
        ])
    );
    assert_eq!(
        instance["routes"][0],
        "default via 192.0.2.254 dev eth0 src 192.0.2.100 table 100 metric 50"
    );
    assert_eq!(
        instance["rules"][0],
        "from 192.0.2.100/32 lookup 100 priority 1000"
    );

    let mut second = Daemon::start(&stage.second, "second", &cluster(&keys));
    second.wait_for_state(INSTANCE, State::Master);
    wait_for_all(&second, &stage.second);
    wait_for_none(&first, &stage.first);
    second.process.signal(Signal::TERM).unwrap();
    let status = second.process.wait(LIMIT).unwrap();
    assert_eq!(status.code(), Some(0), "{second}");
    wait_for_none(&second, &stage.second);
    wait_for_all(&first, &stage.first);

    let frames = capture.stop().unwrap();
    assert_good(&frames);
    for address in [SHARED, EXCLUDED] {
        assert!(announced(&frames, address, from).is_some(), "{address}");
    }
    // The address on the other interface is announced there, and the advertisements have one address.
    let elsewhere = IpAddr::from([198, 51, 100, 1]);
    assert_eq!(announced(&frames, elsewhere, from), None);
    let advertised = frames.iter().filter_map(|frame| frame.advertisement());
    for advertisement in advertised {
        assert_eq!(advertisement.addresses, [SHARED]);
    }
}

#[test]
fn what_somebody_deletes_is_put_back_and_the_master_stays() {
    const TIMES: usize = 5;
    let stage = stage();
    let (daemon, capture) = (start(&stage), stage.segment.capture().unwrap());
    daemon.wait_for_advertisements(INSTANCE, 5);
    let deletions: [&[&str]; 7] = [
        &["address", "del", "192.0.2.100/32", "dev", "eth0"],
        &["address", "del", "198.51.100.1/24", "dev", "eth1"],
        &["route", "del", "default", "table", "100"],
        &["route", "del", "203.0.113.0/24"],
        &["route", "del", "blackhole", "203.0.114.0/24"],
        &["-6", "route", "del", "2001:db8:1::/48"],
        &["rule", "del", "from", "192.0.2.100", "lookup", "100"],
    ];
    for deletion in deletions {
        let mut slowest = Duration::ZERO;
        for _ in 0..TIMES {
            stage.first.ip(deletion).unwrap();
            let deleted = Instant::now();
            wait_for_all(&daemon, &stage.first);
            slowest = slowest.max(deleted.elapsed());
        }
        println!(
            "`ip {}`: all is back within {slowest:?}",
            deletion.join(" ")
        );
        assert!(slowest < AT_ONCE, "{daemon}");
    }
    assert_undisturbed(&daemon, &capture.stop().unwrap());
    let log = daemon.process.log();
    for text in [
        "the address 192.0.2.100/32 dev eth0 was gone; it is back",
        "the route blackhole 203.0.114.0/24 was gone; it is back",
        "the rule from 192.0.2.100/32 lookup 100 priority 1000 was gone; it is back",
    ] {
        assert!(log.contains(text), "{text:?} is missing: {daemon}");
    }
}

#[test]
fn what_the_kernel_drops_with_an_interface_is_put_back_and_the_master_stays() {
    const TIMES: usize = 10;
    let stage = stage();
    let (daemon, capture) = (start(&stage), stage.segment.capture().unwrap());
    daemon.wait_for_advertisements(INSTANCE, 5);
    let mut slowest = Duration::ZERO;
    for _ in 0..TIMES {
        stage.first.ip(&["link", "set", "eth1", "down"]).unwrap();
        assert_ne!(missing(&stage.first), Vec::<String>::new());
        stage.first.ip(&["link", "set", "eth1", "up"]).unwrap();
        let up = Instant::now();
        wait_for_all(&daemon, &stage.first);
        slowest = slowest.max(up.elapsed());
    }
    println!("{TIMES} times down and up: all is back within {slowest:?}");
    assert!(slowest < AT_ONCE, "{daemon}");
    // It is deleted and made again.
    stage.first.ip(&["link", "del", "eth1"]).unwrap();
    add_eth1(&stage.first);
    wait_for_all(&daemon, &stage.first);
    assert_undisturbed(&daemon, &capture.stop().unwrap());
}

#[test]
fn everything_goes_and_comes_with_the_own_interface() {
    let stage = stage();
    let daemon = start(&stage);
    for _ in 0..3 {
        stage.first.ip(&["link", "set", "eth0", "down"]).unwrap();
        daemon.wait_for_state(INSTANCE, State::Fault);
        wait_for_none(&daemon, &stage.first);
        stage.first.ip(&["link", "set", "eth0", "up"]).unwrap();
        daemon.wait_for_state(INSTANCE, State::Master);
        wait_for_all(&daemon, &stage.first);
    }
}

#[test]
fn the_supervisor_removes_what_a_killed_router_held() {
    let stage = stage();
    let daemon = start(&stage);
    let before = daemon.pids();
    kill(before.router.unwrap(), Signal::KILL);
    for text in [
        "removed the address 192.0.2.100/32 dev eth0 that a dead router had left",
        "removed the address 198.51.100.1/24 dev eth1 label eth1:v scope site that a dead router had left",
        "removed the address 2001:db8::101/64 dev eth0 that a dead router had left",
        "removed the route default via 192.0.2.254 dev eth0 src 192.0.2.100 table 100 metric 50 that a dead router had left",
        "removed the route blackhole 203.0.114.0/24 that a dead router had left",
        "removed the rule from 192.0.2.100/32 lookup 100 priority 1000 that a dead router had left",
    ] {
        daemon.process.wait_for_log(LIMIT, text).unwrap();
    }
    daemon.wait_for_pids("another router", |now| {
        now.router.is_some() && now.router != before.router
    });
    daemon.wait_for_state(INSTANCE, State::Master);
    wait_for_all(&daemon, &stage.first);
}

#[test]
fn what_a_power_cut_left_is_removed_and_what_the_administrator_configured_stays() {
    let stage = stage();
    let host = &stage.first;
    // They look like ours, but for the metric and the priority.
    let own_route = "default via 192.0.2.254 dev eth0 table 100 metric 60";
    let own_rule = "900:\tfrom 192.0.2.100 lookup 100";
    let route = format!("route add {own_route}");
    host.ip(&route.split(' ').collect::<Vec<_>>()).unwrap();
    host.ip(&[
        "rule",
        "add",
        "from",
        "192.0.2.100",
        "lookup",
        "100",
        "priority",
        "900",
    ])
    .unwrap();
    let own_stays = |daemon: &Daemon| {
        let routes = host.ip(DEFAULT).unwrap();
        assert!(routes.contains(own_route), "{routes}\n{daemon}");
        let rules = host.ip(RULES).unwrap();
        assert!(rules.contains(own_rule), "{rules}\n{daemon}");
    };

    let mut daemon = start(&stage);
    daemon.cut_power();
    assert_eq!(missing(host), Vec::<String>::new());

    // Another file, in which it is not: what is left is known by its mark.
    let mut other = Daemon::start(
        host,
        "first",
        &cluster("priority = { first = 100, second = 50 }"),
    );
    other.wait_for_state(INSTANCE, State::Master);
    let left: Vec<_> = present(host)
        .into_iter()
        .filter(|text| !text.contains("192.0.2.100/32"))
        .collect();
    assert_eq!(left, Vec::<String>::new(), "{other}");
    own_stays(&other);
    other.process.signal(Signal::TERM).unwrap();
    other.process.wait(LIMIT).unwrap();

    daemon.start_again(host);
    daemon.wait_for_state(INSTANCE, State::Master);
    wait_for_all(&daemon, host);
    own_stays(&daemon);
    daemon.process.signal(Signal::TERM).unwrap();
    daemon.process.wait(LIMIT).unwrap();
    wait_for_none(&daemon, host);
    own_stays(&daemon);
}

#[test]
fn an_interface_that_the_host_lacks_is_shown_in_the_file() {
    let stage = Stage::new().unwrap();
    let file = cluster(
        "excluded-addresses = [\"192.0.2.101\", { address = \"192.0.2.102\", dev = \"eth7\" }]\n\
         routes = [{ to = \"default\", via = \"192.0.2.254\", dev = { first = \"eth8\", second = \"eth0\" } }]\n\
         rules = [{ iif = \"eth9\", table = 100 }]",
    );
    let attempt = Attempt::new(file);
    let refusal = attempt.start(&stage.first);
    refusal.assert_says(
        78,
        &[
            "this host has no interface eth7",
            "this host has no interface eth8",
            "this host has no interface eth9",
            "cluster.toml:10:71",
        ],
    );
    attempt.assert_nothing_started(&stage.first);
}

/// Two hosts with another interface each.
fn stage() -> Stage {
    let stage = Stage::new().unwrap();
    add_eth1(&stage.first);
    add_eth1(&stage.second);
    stage
}

fn add_eth1(host: &Netns) {
    host.ip(&[
        "link", "add", "eth1", "type", "veth", "peer", "name", "far1",
    ])
    .unwrap();
    host.ip(&["link", "set", "far1", "up"]).unwrap();
    host.ip(&["link", "set", "eth1", "up"]).unwrap();
}

/// vrrp-host on the first host, as MASTER with everything in place.
fn start(stage: &Stage) -> Daemon {
    let daemon = Daemon::start(
        &stage.first,
        "first",
        &cluster(&format!("{PRIORITIES}\n{KEYS}")),
    );
    daemon.wait_for_state(INSTANCE, State::Master);
    wait_for_all(&daemon, &stage.first);
    daemon
}

/// What of [`ALL`] a host has.
fn present(host: &Netns) -> Vec<String> {
    let has = |(command, text): &&(&[&str], &str)| host.ip(command).unwrap().contains(text);
    let found = ALL.iter().filter(has);
    found.map(|(_, text)| (*text).to_owned()).collect()
}

/// What of [`ALL`] a host lacks.
fn missing(host: &Netns) -> Vec<String> {
    let present = present(host);
    let all = ALL.iter().map(|(_, text)| (*text).to_owned());
    all.filter(|text| !present.contains(text)).collect()
}

#[track_caller]
fn wait_for_all(daemon: &Daemon, host: &Netns) {
    wait_for(daemon, "everything to be in place", || missing(host));
}

#[track_caller]
fn wait_for_none(daemon: &Daemon, host: &Netns) {
    wait_for(daemon, "everything to be removed", || present(host));
}

#[track_caller]
fn wait_for(daemon: &Daemon, what: &str, wrong: impl Fn() -> Vec<String>) {
    wait_until(LIMIT, what, || match wrong() {
        none if none.is_empty() => Ok(()),
        some => Err(format!("{some:#?}")),
    })
    .unwrap_or_else(|error| panic!("{error}\n{daemon}"));
}

/// Checks that the first host has been MASTER all the time and said so on time.
fn assert_undisturbed(daemon: &Daemon, frames: &[lab::Frame]) {
    let status = daemon.status().unwrap();
    let instance = &status["instances"][INSTANCE];
    assert_eq!(instance["state"], "MASTER", "{daemon}");
    assert_eq!(instance["counters"]["master-transitions"], 1, "{daemon}");
    assert_good(frames);
    let sent = advertisements(frames, FIRST);
    assert!(sent.iter().all(|sent| sent.priority == 200), "{sent:?}");
    println!(
        "{} advertisements in {:?}, longest gap {:?}",
        sent.len(),
        elapsed(sent[0].at, sent.last().unwrap().at),
        longest_gap(&sent)
    );
    assert!(longest_gap(&sent) < 2 * INTERVAL, "{sent:?}");
}
