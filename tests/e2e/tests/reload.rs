//! Another cluster.toml for a daemon that goes on.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use e2e::daemon::{Daemon, LIMIT};
use e2e::metronome::Metronome;
use e2e::stage::{FIRST, INSTANCE, INTERFACE, SHARED, Stage, cluster};
use e2e::wire::{advertisements, announced, assert_good, changed};
use lab::scenario::State;
use lab::{Segment, Signal, wait_until};

const INTERVAL: Duration = Duration::from_millis(100);
/// How much later than due an advertisement may be, on a machine that is never late itself.
const LATE: Duration = Duration::from_millis(5);
const PRIORITIES: &str = "priority = { first = 200, second = 100 }";
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 101));

/// A further instance of the file.
fn instance(name: &str, virtual_router_id: u8, addresses: &[IpAddr]) -> String {
    let addresses: Vec<String> = addresses
        .iter()
        .map(|address| format!("\"{address}\""))
        .collect();
    format!(
        "\n[instances.{name}]\n\
         interface = \"{INTERFACE}\"\n\
         virtual-router-id = {virtual_router_id}\n\
         virtual-addresses = [{}]\n\
         advertisement-interval = \"100ms\"\n\
         {PRIORITIES}\n",
        addresses.join(", ")
    )
}

fn reload(daemon: &Daemon, file: &str) {
    daemon.rewrite(file);
    let output = daemon.ask(&["reload"]);
    assert!(output.status.success(), "{output:?}\n{daemon}");
    assert_eq!(output.stdout, b"reloaded\n");
}

fn start(stage: &Stage, file: &str) -> Daemon {
    let daemon = Daemon::start(&stage.first, "first", file);
    daemon.wait_for_state(INSTANCE, State::Master);
    wait_until(LIMIT, "the address to be there", || {
        match stage.first.has_address(SHARED) {
            Ok(true) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
    daemon
}

#[test]
fn an_unchanged_master_sends_every_advertisement_on_time() {
    let stage = Stage::new().unwrap();
    let base = cluster(PRIORITIES);
    let daemon = start(&stage, &base);
    let watch = stage.first.watch_addresses().unwrap();
    let metronome = Metronome::start();
    let capture = stage.segment.capture().unwrap();
    daemon.wait_for_advertisements(INSTANCE, 5);
    let pids = daemon.pids();

    let second = instance("VI_2", 52, &[OTHER]);
    reload(&daemon, &format!("{base}{second}"));
    daemon.wait_for_state("VI_2", State::Master);
    reload(
        &daemon,
        &format!("{base}{}", second.replace("VI_2", "renamed")),
    );
    let status = daemon.status().unwrap();
    assert_eq!(
        status["instances"]["renamed"]["state"], "MASTER",
        "{status}"
    );
    assert!(status["instances"]["VI_2"].is_null(), "{status}");
    let check = "\n[checks.web]\nmodule = \"http\"\ninterval = \"1s\"\nconfig = { url = \"http://127.0.0.1:9/\" }\n\
                 [[instances.renamed.track]]\ncheck = \"web\"\non-fail = { weight = -50 }\n";
    let tracked = format!("{base}{}{check}", second.replace("VI_2", "renamed"));
    reload(&daemon, &tracked);
    daemon.wait_for("the new check to weigh", |status| {
        status["instances"]["renamed"]["priority"]["effective"] == 150
    });
    reload(&daemon, &base);
    daemon.wait_for_advertisements(INSTANCE, 5);

    let frames = capture.stop().unwrap();
    let stalls = metronome.stop();
    assert_good(&frames);
    let sent: Vec<_> = frames
        .iter()
        .filter(|frame| {
            frame
                .advertisement()
                .is_some_and(|advertisement| advertisement.virtual_router_id == 51)
        })
        .cloned()
        .collect();
    let sent = advertisements(&sent, FIRST);
    let punctuality = stalls.punctuality(&sent, INTERVAL);
    println!(
        "{} advertisements during four reloads: {punctuality:?}",
        sent.len()
    );
    assert!(punctuality.late <= LATE, "{punctuality:?}\n{daemon}");
    assert!(sent.iter().all(|sent| sent.priority == 200), "{sent:?}");
    assert_eq!(
        changed(&watch.changes(), SHARED, false, SystemTime::UNIX_EPOCH),
        None
    );
    let after = daemon.pids();
    assert_eq!(
        (after.supervisor, after.router),
        (pids.supervisor, pids.router)
    );
    // What was removed is gone, with a farewell.
    wait_until(LIMIT, "the removed address to be gone", || {
        match stage.first.has_address(OTHER) {
            Ok(false) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
}

#[test]
fn an_address_moves_between_two_instances_without_being_away() {
    let stage = Stage::new().unwrap();
    let third = IpAddr::from([192, 0, 2, 102]);
    let with = |first: &[IpAddr], second: &[IpAddr]| {
        let list = first
            .iter()
            .map(|address| format!("\"{address}\""))
            .collect::<Vec<_>>()
            .join(", ");
        let base = cluster(PRIORITIES).replace(&format!("[\"{SHARED}\"]"), &format!("[{list}]"));
        format!("{base}{}", instance("VI_2", 52, second))
    };
    let daemon = start(&stage, &with(&[SHARED, third], &[OTHER]));
    daemon.wait_for_state("VI_2", State::Master);
    wait_until(LIMIT, "all addresses to be there", || {
        let there = [SHARED, OTHER, third].map(|address| stage.first.has_address(address).unwrap());
        if there == [true; 3] {
            Ok(())
        } else {
            Err(format!("{there:?}"))
        }
    })
    .unwrap();
    let watch = stage.first.watch_addresses().unwrap();
    let capture = stage.segment.capture().unwrap();
    let reloaded_at = SystemTime::now();
    reload(&daemon, &with(&[SHARED], &[OTHER, third]));
    daemon.wait_for_advertisements("VI_2", 3);
    let frames = capture.stop().unwrap();
    assert!(
        announced(&frames, third, reloaded_at).is_some(),
        "who has it now tells the link, and repeats that as configured\n{daemon}"
    );
    assert_eq!(announced(&frames, SHARED, reloaded_at), None);
    let status = daemon.status().unwrap();
    assert_eq!(
        status["instances"]["VI_2"]["virtual-addresses"],
        serde_json::json!([format!("{OTHER}/32"), format!("{third}/32")]),
    );
    assert_eq!(status["instances"]["VI_2"]["state"], "MASTER");
    for address in [SHARED, OTHER, third] {
        let gone = changed(&watch.changes(), address, false, SystemTime::UNIX_EPOCH);
        assert_eq!(gone, None, "{address}\n{daemon}");
        assert!(stage.first.has_address(address).unwrap());
    }
}

/// The core knows of no routes, rules and labels; and on eth1 nobody speaks before VI_2 does.
#[test]
fn what_is_not_advertised_comes_and_goes_while_master() {
    const ADDRESSES: &[&str] = &["address", "show"];
    const ROUTES: &[&str] = &["route", "show", "proto", "112"];
    const RULES: &[&str] = &["rule", "show"];
    const LISTS: [&[&str]; 3] = [ADDRESSES, ROUTES, RULES];
    let stage = Stage::new().unwrap();
    let other = Segment::new("other").unwrap();
    let own = IpAddr::from([198, 51, 100, 2]);
    let _port = other.attach(&stage.first, "eth1", (own, 24)).unwrap();
    let base = cluster(PRIORITIES);
    let with = |label: &str, via: &str| {
        cluster(&format!(
            "{PRIORITIES}\n\
             excluded-addresses = [\"192.0.2.103\", \"fe80::103\", {{ address = \"198.51.100.1\", dev = \"eth1\", label = \"{label}\" }}]\n\
             routes = [{{ to = \"203.0.113.0/24\", via = \"{via}\" }}]\n\
             rules = [{{ from = \"{SHARED}\", table = 100, priority = 1000 }}]"
        ))
    };
    let daemon = start(&stage, &base);
    let watch = stage.first.watch_addresses().unwrap();
    let metronome = Metronome::start();
    let captures = [&stage.segment, &other].map(|segment| segment.capture().unwrap());
    daemon.wait_for_advertisements(INSTANCE, 5);
    let shows = |there: &[&str], gone: &[&str]| {
        wait_until(LIMIT, "what the file says", || {
            let shown = LISTS.map(|list| stage.first.ip(list).unwrap()).concat();
            let missing = there.iter().find(|text| !shown.contains(**text));
            let left = gone.iter().find(|text| shown.contains(**text));
            match missing.or(left) {
                None => Ok(()),
                Some(text) => Err(format!("{text}:\n{shown}")),
            }
        })
        .unwrap_or_else(|error| panic!("{error}\n{daemon}"));
    };
    let (near, far) = (
        "203.0.113.0/24 via 192.0.2.254 dev eth0",
        "203.0.113.0/24 via 198.51.100.254 dev eth1",
    );
    let addresses = ["192.0.2.103/32", "fe80::103/128", "198.51.100.1/32"];
    let rule = "from 192.0.2.100 lookup 100 proto 112";

    reload(&daemon, &with("eth1:a", "192.0.2.254"));
    shows(&addresses, &[]);
    shows(&["eth1:a", near, rule], &[far]);
    // The core sees no difference from here on.
    reload(&daemon, &with("eth1:b", "198.51.100.254"));
    shows(&addresses, &[]);
    shows(&["eth1:b", far, rule], &["eth1:a", near]);
    // Somebody speaks where addresses were announced only, and no longer.
    let second =
        instance("VI_2", 52, &["198.51.100.3".parse().unwrap()]).replace(INTERFACE, "eth1");
    reload(
        &daemon,
        &format!("{}{second}", with("eth1:b", "198.51.100.254")),
    );
    daemon.wait_for_state("VI_2", State::Master);
    shows(&["198.51.100.3/32", "eth1:b", far, rule], &[]);
    daemon.wait_for_advertisements("VI_2", 3);
    reload(&daemon, &base);
    shows(&[], &addresses);
    shows(&[], &["198.51.100.3/32", "eth1:", near, far, rule]);
    daemon.wait_for_advertisements(INSTANCE, 5);

    let [frames, elsewhere] = captures.map(|capture| capture.stop().unwrap());
    let stalls = metronome.stop();
    assert_good(&frames);
    let sent = advertisements(&frames, FIRST);
    let punctuality = stalls.punctuality(&sent, INTERVAL);
    println!(
        "{} advertisements during four reloads: {punctuality:?}",
        sent.len()
    );
    assert!(punctuality.late <= LATE, "{punctuality:?}\n{daemon}");
    assert!(sent.iter().all(|sent| sent.priority == 200), "{sent:?}");
    let status = daemon.status().unwrap();
    let counters = &status["instances"][INSTANCE]["counters"];
    assert_eq!(counters["master-transitions"], 1, "{status}");
    let shared_gone = changed(&watch.changes(), SHARED, false, SystemTime::UNIX_EPOCH);
    assert_eq!(shared_gone, None, "{daemon}");
    let told = |frames, address: &str| {
        announced(frames, address.parse().unwrap(), SystemTime::UNIX_EPOCH).is_some()
    };
    assert!(told(&frames, "192.0.2.103"), "{daemon}");
    assert!(told(&frames, "fe80::103"), "{daemon}");
    assert!(!told(&frames, "198.51.100.1"), "{daemon}");
    assert!(told(&elsewhere, "198.51.100.1"), "{daemon}");
    assert!(!told(&elsewhere, "192.0.2.103"), "{daemon}");
    let sent = advertisements(&elsewhere, own);
    let farewells = sent.iter().filter(|sent| sent.priority == 0).count();
    assert_eq!(farewells, 1, "{sent:?}\n{daemon}");
}

#[test]
fn a_bad_file_changes_nothing() {
    let stage = Stage::new().unwrap();
    let base = cluster(PRIORITIES);
    let daemon = start(&stage, &base);
    let before = daemon.pids();
    let hooks = |unit: &str| {
        format!(
            "{base}\n[hooks.start]\nmodule = \"systemctl\"\nconfig = {{ action = \"start\", unit = \"{unit}\" }}\n\
             [[instances.{INSTANCE}.notify]]\non = \"master\"\nhook = \"start\"\n"
        )
    };
    let cases = [
        (
            base.replace("virtual-router-id", "virtual-router"),
            "did you mean `virtual-router-id`?",
        ),
        (
            base.replace(INTERFACE, "eth7"),
            "this host has no interface eth7",
        ),
        (hooks("not a unit"), "cluster.toml:"),
        (
            format!(
                "{base}\n[checks.c]\nmodule = \"./missing.wasm\"\n[[instances.{INSTANCE}.track]]\ncheck = \"c\"\n"
            ),
            "missing.wasm",
        ),
    ];
    for (file, told) in cases {
        daemon.rewrite(&file);
        let output = daemon.ask(&["reload"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{text}");
        assert!(text.contains(told), "{text}");
        daemon.process.wait_for_log(LIMIT, told).unwrap();
    }
    daemon.wait_for_advertisements(INSTANCE, 3);
    assert_eq!(daemon.pids(), before);
    assert_eq!(daemon.state(INSTANCE), Ok(State::Master));
}

#[test]
fn sighup_reloads() {
    let stage = Stage::new().unwrap();
    let mut daemon = start(&stage, &cluster(PRIORITIES));
    daemon.rewrite(&cluster("priority = { first = 150, second = 100 }"));
    daemon.process.signal(Signal::HUP).unwrap();
    let status = daemon.wait_for("the new priority", |status| {
        status["instances"][INSTANCE]["priority"]["effective"] == 150
    });
    assert_eq!(status["instances"][INSTANCE]["priority"]["base"], 150);
    assert_eq!(status["instances"][INSTANCE]["state"], "MASTER");
    // The guardian knows by the new numbers what is held.
    let router = daemon.pids().router.unwrap();
    let capture = stage.segment.capture().unwrap();
    e2e::daemon::kill(router, Signal::KILL);
    daemon.wait_for_state(INSTANCE, State::Master);
    let sent = advertisements(&capture.stop().unwrap(), FIRST);
    assert!(sent.iter().any(|sent| sent.priority == 0), "{daemon}");
}
