//! Many instances: 250 on one interface, and 1,000 on four.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use e2e::daemon::{Daemon, LIMIT, Pids};
use e2e::wire::{Sent, assert_good, longest_gap, milliseconds};
use lab::scenario::State;
use lab::{Capture, Frame, Netns, Port, Segment, Signal, wait_until};
use rustix::process::Pid;
use serde_json::Value;

/// VRIDs 1 to this one are used on each interface.
const PER_INTERFACE: u8 = 250;
const PRIORITIES: [u8; 2] = [200, 100];
/// How early an advertisement may seem, because the frame it is counted from passed the bridge before it was received.
const EARLY_MS: f64 = 0.1;
/// How late the last of all takeovers may be on a busy machine.
const LATE_MS: f64 = 300.0;
/// How late an advertisement of an instance that goes on may be during a reload.
const LATE: Duration = Duration::from_millis(100);
/// Most processor time of the router for one advertisement, sent or received. keepalived takes 45 µs to send one.
const COST: Duration = Duration::from_micros(400);
/// For how long the cost is measured, in advertisements of each instance.
const MEASURED: u64 = 5;

#[test]
fn two_hundred_and_fifty_instances_on_one_interface() {
    play(1);
}

#[test]
fn a_thousand_instances_on_four_interfaces() {
    play(4);
}

/// Two hosts that are plugged into as many segments.
struct Wide {
    hosts: [Netns; 2],
    _ports: Vec<Port>,
    segments: Vec<Segment>,
}

impl Wide {
    fn new(interfaces: u8) -> Self {
        let hosts = ["first", "second"].map(|name| Netns::new(name).unwrap());
        let mut wide = Self {
            hosts,
            _ports: Vec::new(),
            segments: Vec::new(),
        };
        for index in 0..interfaces {
            let segment = Segment::new("segment").unwrap();
            for (number, host) in (0..).zip(&wide.hosts) {
                let own = (host_address(index, number), 16);
                let port = segment.attach(host, &interface(index), own).unwrap();
                wide._ports.push(port);
            }
            wide.segments.push(segment);
        }
        wide
    }

    fn capture(&self) -> Vec<Capture> {
        let captures = self.segments.iter();
        captures.map(|it| it.capture().unwrap()).collect()
    }
}

fn interface(index: u8) -> String {
    format!("eth{index}")
}

fn host_address(interface: u8, host: u8) -> IpAddr {
    IpAddr::from([10, interface, 0, host + 1])
}

/// Around a second, and different enough that instances which started together soon speak at times of their own.
fn interval(virtual_router_id: u8) -> Duration {
    Duration::from_millis(800) + Duration::from_millis(10) * u32::from(virtual_router_id % 41)
}

/// The longest of them.
const INTERVAL: Duration = Duration::from_millis(1200);

fn name(interface: u8, virtual_router_id: u8) -> String {
    format!("I{interface}-{virtual_router_id}")
}

/// A cluster.toml with all instances, one of which has this priority on the first host.
fn cluster(interfaces: u8, first_of_one: u8) -> String {
    let mut file = "[nodes.first]\n[nodes.second]\n".to_owned();
    for (index, id) in all(interfaces) {
        let first = if (index, id) == (0, 1) {
            first_of_one
        } else {
            PRIORITIES[0]
        };
        writeln!(
            file,
            "[instances.{}]\n\
             interface = \"{}\"\n\
             virtual-router-id = {id}\n\
             virtual-addresses = [\"{}\"]\n\
             advertisement-interval = \"{}ms\"\n\
             priority = {{ first = {first}, second = {} }}",
            name(index, id),
            interface(index),
            IpAddr::from([10, index, 1, id]),
            interval(id).as_millis(),
            PRIORITIES[1]
        )
        .unwrap();
    }
    file
}

/// Interface and VRID of each instance.
fn all(interfaces: u8) -> impl Iterator<Item = (u8, u8)> {
    (0..interfaces).flat_map(|index| (1..=PER_INTERFACE).map(move |id| (index, id)))
}

fn play(interfaces: u8) {
    let wide = Wide::new(interfaces);
    let count = all(interfaces).count();
    let file = cluster(interfaces, PRIORITIES[0]);
    let mut step = Steps {
        count,
        since: Instant::now(),
    };

    let mut first = Daemon::start(&wide.hosts[0], "first", &file);
    wait_for_transitions(&first, "BACKUP -> MASTER", count);
    wait_for_addresses(&wide.hosts[0], count);
    step.took("the first host started, all MASTER");
    let second = Daemon::start(&wide.hosts[1], "second", &file);
    wait_for_transitions(&second, "INIT -> BACKUP", count);
    step.took("the second host started, all BACKUP");
    assert_states(&first, count, State::Master);

    let (sent, received) = (cost(&first, count), cost(&second, count));
    println!(
        "{count} instances: processor time of the router for an advertisement: {sent:?} sent, {received:?} received"
    );
    assert!(sent < COST && received < COST);

    // Another priority for one of them: the rest notices nothing.
    let captures = wide.capture();
    sent_more(&first, count, 1);
    first.rewrite(&cluster(interfaces, PRIORITIES[0] - 1));
    step.since = Instant::now();
    let output = first.ask(&["reload"]);
    assert!(output.status.success(), "{output:?}\n{first}");
    step.took("reloaded, one instance changed");
    let one = name(0, 1);
    first.wait_for("the new priority", |status| {
        status["instances"][&one]["priority"]["effective"] == PRIORITIES[0] - 1
    });
    sent_more(&first, count, 2);
    let late = stop(captures)
        .iter()
        .map(|((_, id), (of_first, of_second))| {
            assert_eq!(of_second, &[], "{second}");
            longest_gap(of_first).saturating_sub(interval(*id))
        })
        .max()
        .unwrap();
    println!("{count} instances: the latest advertisement during the reload was late by {late:?}");
    assert!(late < LATE, "{first}");

    for crash in [true, false] {
        let captures = wide.capture();
        let taken_before = transitions(&second, "BACKUP -> MASTER");
        sent_more(&first, count, 1);
        step.since = Instant::now();
        let ended_at = SystemTime::now();
        if crash {
            first.cut_power();
        } else {
            first.process.signal(Signal::TERM).unwrap();
        }
        first.process.wait(LIMIT).unwrap();
        wait_for_transitions(&second, "BACKUP -> MASTER", taken_before + count);
        wait_for_addresses(&wide.hosts[1], count);
        step.took(if crash {
            "crash, all taken over"
        } else {
            "stop, all taken over"
        });
        judge(&stop(captures), ended_at, crash, count);

        first.start_again(&wide.hosts[0]);
        step.since = Instant::now();
        wait_for_transitions(&first, "BACKUP -> MASTER", count);
        wait_for_addresses(&wide.hosts[0], count);
        wait_for_addresses(&wide.hosts[1], 0);
        step.took("started again, all taken back");
        assert_states(&first, count, State::Master);
        assert_states(&second, count, State::Backup);
    }
}

/// How long each step takes.
struct Steps {
    count: usize,
    since: Instant,
}

impl Steps {
    fn took(&mut self, what: &str) {
        println!(
            "{} instances: {what} after {:.1?}",
            self.count,
            self.since.elapsed()
        );
        self.since = Instant::now();
    }
}

/// Advertisements of an instance: those of the first host, and those of the second.
type ByHost = (Vec<Sent>, Vec<Sent>);

/// What was sent for each instance.
fn stop(captures: Vec<Capture>) -> BTreeMap<(u8, u8), ByHost> {
    let mut all = BTreeMap::<_, ByHost>::new();
    for (index, capture) in (0..).zip(captures) {
        let frames: Vec<Frame> = capture.stop().unwrap();
        assert_good(&frames);
        for frame in &frames {
            let Some(advertisement) = frame.advertisement() else {
                continue;
            };
            let (first, second) = all
                .entry((index, advertisement.virtual_router_id))
                .or_default();
            let host = if frame.sender() == Some(host_address(index, 0)) {
                first
            } else {
                second
            };
            host.push(Sent {
                at: frame.at,
                priority: advertisement.priority,
            });
        }
    }
    all
}

/// Holds every takeover against the formula (RFC 9568 §6.1).
#[track_caller]
fn judge(sent: &BTreeMap<(u8, u8), ByHost>, ended_at: SystemTime, crash: bool, count: usize) {
    assert_eq!(sent.len(), count);
    let formula = |id| {
        let skew_time = interval(id) * (256 - u32::from(PRIORITIES[1])) / 256;
        let formula = if crash {
            3 * interval(id) + skew_time
        } else {
            skew_time
        };
        formula.as_secs_f64() * 1e3
    };
    let mut differences: Vec<f64> = sent
        .iter()
        .map(|(instance, (of_first, of_second))| {
            let taken = of_second.iter().find(|sent| sent.at > ended_at).unwrap();
            let last = of_first.iter().rfind(|sent| sent.at < taken.at).unwrap();
            assert_eq!(last.priority == 0, !crash, "{instance:?}");
            milliseconds(last.at, taken.at) - formula(instance.1)
        })
        .collect();
    differences.sort_by(f64::total_cmp);
    let (least, most) = (differences[0], differences[count - 1]);
    println!(
        "{count} instances: taken over after the formula {least:+.2} ms, median {:+.2} ms, at most {most:+.2} ms",
        differences[count / 2]
    );
    assert!(least > -EARLY_MS && most < LATE_MS);
}

/// Processor time of the router for each advertisement that it sends or receives.
fn cost(daemon: &Daemon, count: usize) -> Duration {
    let Pids { router, .. } = daemon.pids();
    let router = router.unwrap();
    let (passed, time) = (passed(&daemon.status().unwrap()), processor_time(router));
    let after = sent_more(daemon, count, MEASURED);
    let time = processor_time(router).saturating_sub(time);
    time / u32::try_from(after - passed).unwrap()
}

/// Waits until every instance has sent or received so many more advertisements on average. Returns how many there were ever.
fn sent_more(daemon: &Daemon, count: usize, more: u64) -> u64 {
    let wanted = passed(&daemon.status().unwrap()) + more * u64::try_from(count).unwrap();
    // Asked seldom: the answer costs more than what is measured.
    loop {
        std::thread::sleep(INTERVAL / 2);
        let now = passed(&daemon.status().unwrap());
        if now >= wanted {
            return now;
        }
    }
}

/// All advertisements sent and received.
fn passed(status: &Value) -> u64 {
    let instances = status["instances"].as_object().unwrap().values();
    instances
        .flat_map(|instance| {
            ["advertisement-sent", "advertisement-rcvd"]
                .map(|name| instance["counters"][name].as_u64().unwrap_or_default())
        })
        .sum()
}

/// For how long the threads of a process have run.
fn processor_time(pid: Pid) -> Duration {
    let threads = fs::read_dir(format!("/proc/{}/task", pid.as_raw_pid())).unwrap();
    threads
        .map(|thread| {
            let text = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
            let nanoseconds = text.split(' ').next().unwrap();
            Duration::from_nanos(nanoseconds.parse().unwrap())
        })
        .sum()
}

/// How often the log says `what`: the daemon is not disturbed by being asked.
fn transitions(daemon: &Daemon, what: &str) -> usize {
    daemon.process.log().matches(what).count()
}

#[track_caller]
fn wait_for_transitions(daemon: &Daemon, what: &str, count: usize) {
    wait_until(
        LIMIT,
        &format!("{count} times {what}"),
        || match transitions(daemon, what) {
            seen if seen >= count => Ok(()),
            seen => Err(seen),
        },
    )
    .unwrap_or_else(|error| panic!("{error}\n{daemon}"));
}

/// Waits until a host has so many virtual addresses.
#[track_caller]
fn wait_for_addresses(host: &Netns, count: usize) {
    wait_until(LIMIT, &format!("{count} addresses"), || {
        let shown = host.ip(&["-o", "-4", "address", "show"]).unwrap();
        match shown.lines().filter(|line| line.contains("/32 ")).count() {
            seen if seen == count => Ok(()),
            seen => Err(seen),
        }
    })
    .unwrap();
}

#[track_caller]
fn assert_states(daemon: &Daemon, count: usize, state: State) {
    let status = daemon.status().unwrap();
    let instances = status["instances"].as_object().unwrap();
    let state = state.to_string();
    let so = instances.values().filter(|it| it["state"] == state).count();
    assert_eq!((instances.len(), so), (count, count), "{daemon}");
}
