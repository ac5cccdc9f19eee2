//! Sync groups, and interfaces that instances depend on.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use e2e::daemon::{Daemon, LIMIT};
use e2e::stage::{FIRST, INSTANCE, PREFIX_LENGTH, Stage, cluster};
use e2e::wire::{advertisements, elapsed};
use lab::scenario::State;
use lab::{Port, Segment, wait_until};
use serde_json::Value;

const PRIORITIES: &str = "priority = { first = 200, second = 100 }";
const INSIDE: &str = "VI_inside";
const INSIDE_INTERFACE: &str = "eth1";
const INSIDE_ADDRESSES: [Ipv4Addr; 2] = [
    Ipv4Addr::new(198, 51, 100, 1),
    Ipv4Addr::new(198, 51, 100, 2),
];
/// The longest that a router with priority 100 waits at 100 ms, and what a busy machine may add.
const TAKEOVER: Duration = Duration::from_millis(361 + 300);

/// Two hosts with a leg in each of two segments, as routers have.
struct Routers {
    stage: Stage,
    inside_ports: [Port; 2],
    _inside: Segment,
}

impl Routers {
    fn new() -> Self {
        let stage = Stage::new().unwrap();
        let inside = Segment::new("inside").unwrap();
        let [first, second] = INSIDE_ADDRESSES;
        let attach = |host, address| {
            inside
                .attach(host, INSIDE_INTERFACE, (address, PREFIX_LENGTH))
                .unwrap()
        };
        let inside_ports = [attach(&stage.first, first), attach(&stage.second, second)];
        Self {
            stage,
            inside_ports,
            _inside: inside,
        }
    }

    fn start(&self, file: &str) -> [Daemon; 2] {
        let first = Daemon::start(&self.stage.first, "first", file);
        first.wait_for_state(INSTANCE, State::Master);
        let second = Daemon::start(&self.stage.second, "second", file);
        second.wait_for("the first host to be heard", |status| {
            status["instances"][INSTANCE]["master"]["address"] == FIRST.to_string()
        });
        [first, second]
    }
}

fn group_file() -> String {
    let inside = format!(
        "\n[instances.{INSIDE}]\n\
         interface = \"{INSIDE_INTERFACE}\"\n\
         virtual-router-id = 52\n\
         virtual-addresses = [\"198.51.100.100\"]\n\
         advertisement-interval = \"100ms\"\n\
         {PRIORITIES}\n\
         [sync-groups.gateway]\n\
         members = [\"{INSTANCE}\", \"{INSIDE}\"]\n"
    );
    cluster(&format!("{PRIORITIES}\n{inside}"))
}

fn states(status: &Value) -> [String; 3] {
    let state = |value: &Value| value["state"].as_str().unwrap_or_default().to_owned();
    [
        state(&status["instances"][INSTANCE]),
        state(&status["instances"][INSIDE]),
        state(&status["sync-groups"]["gateway"]),
    ]
}

fn wait_for_all(daemon: &Daemon, state: State) -> SystemTime {
    let wanted = state.to_string();
    daemon.wait_for(&format!("all to be {state}"), |status| {
        states(status).iter().all(|state| *state == wanted)
    });
    SystemTime::now()
}

#[test]
fn a_router_that_loses_one_leg_gives_up_both() {
    let routers = Routers::new();
    let [first, second] = routers.start(&group_file());
    wait_for_all(&first, State::Master);
    wait_for_all(&second, State::Backup);

    let lost = SystemTime::now();
    routers.inside_ports[0].unplug().unwrap();
    wait_for_all(&first, State::Fault);
    let taken = wait_for_all(&second, State::Master);
    println!(
        "one leg lost; both addresses taken within {:?}",
        elapsed(lost, taken)
    );
    let status = first.status().unwrap();
    assert_eq!(
        status["instances"][INSTANCE]["reason"],
        format!("{INSIDE}, of the same sync group, changed"),
        "{status}"
    );
    first
        .process
        .wait_for_log(LIMIT, "sync group gateway: MASTER -> FAULT")
        .unwrap();

    routers.inside_ports[0].plug().unwrap();
    wait_for_all(&first, State::Master);
    wait_for_all(&second, State::Backup);
}

#[test]
fn a_tracked_interface_that_is_lost_costs_what_the_file_says() {
    let routers = Routers::new();
    let keys = format!(
        "{PRIORITIES}\n\
         [[instances.{INSTANCE}.track]]\n\
         interface = \"{INSIDE_INTERFACE}\"\n\
         on-fail = {{ weight = -150 }}\n\
         nodes = [\"first\"]\n"
    );
    let [first, second] = routers.start(&cluster(&keys));
    routers.inside_ports[0].unplug().unwrap();
    second.wait_for_state(INSTANCE, State::Master);
    let status = first.wait_for("the interface to be down", |status| {
        status["instances"][INSTANCE]["interfaces"][INSIDE_INTERFACE]["standing"] == "down"
    });
    let instance = &status["instances"][INSTANCE];
    assert_eq!(instance["priority"]["effective"], 50, "{status}");
    assert_eq!(
        instance["interfaces"][INSIDE_INTERFACE]["weight"], -150,
        "{status}"
    );
    routers.inside_ports[0].plug().unwrap();
    first.wait_for_state(INSTANCE, State::Master);
}

#[test]
fn a_link_that_flaps_ten_times_a_second_moves_the_address_once() {
    let routers = Routers::new();
    let keys = format!(
        "{PRIORITIES}\n\
         [[instances.{INSTANCE}.track]]\n\
         interface = \"eth0\"\n\
         up-delay = \"1s\"\n"
    );
    let [first, second] = routers.start(&cluster(&keys));
    let capture = routers.stage.segment.capture().unwrap();
    let lost = SystemTime::now();
    flap(&routers.stage.first_port);
    let calm = SystemTime::now();
    assert_eq!(first.state(INSTANCE), Ok(State::Fault));
    assert_eq!(second.state(INSTANCE), Ok(State::Master));
    first.wait_for_state(INSTANCE, State::Master);
    second.wait_for_state(INSTANCE, State::Backup);
    let frames = capture.stop().unwrap();
    let first_again = advertisements(&frames, FIRST)
        .into_iter()
        .find(|sent| sent.at > lost && sent.priority == 200)
        .unwrap();
    println!(
        "twenty flaps in {:?}; back {:?} after the last",
        elapsed(lost, calm),
        elapsed(calm, first_again.at)
    );
    assert!(elapsed(calm, first_again.at) > Duration::from_millis(900));
    let transitions = |daemon: &Daemon| {
        daemon.status().unwrap()["instances"][INSTANCE]["counters"]["master-transitions"]
            .as_u64()
            .unwrap()
    };
    assert_eq!((transitions(&first), transitions(&second)), (2, 1));
}

#[test]
fn a_link_that_flaps_without_patience_ends_in_the_right_state() {
    let routers = Routers::new();
    let [first, second] = routers.start(&cluster(PRIORITIES));
    flap(&routers.stage.first_port);
    first.wait_for_state(INSTANCE, State::Master);
    second.wait_for_state(INSTANCE, State::Backup);
    wait_until(TAKEOVER, "the address to be on one host", || {
        let shared = e2e::stage::SHARED;
        match (
            routers.stage.first.has_address(shared),
            routers.stage.second.has_address(shared),
        ) {
            (Ok(true), Ok(false)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
}

/// Pulls a plug and puts it back, ten times a second for two seconds.
fn flap(port: &Port) {
    for _ in 0..20 {
        // This is the fault itself, not a wait for something.
        for turn in [Port::unplug, Port::plug] {
            turn(port).unwrap();
            sleep(Duration::from_millis(50));
        }
    }
}
