//! Datagrams that no VRRP Router should send: neither the MASTER nor a BACKUP lets them change anything.

#![expect(
    clippy::print_stdout,
    reason = "the figures that were measured are for whoever reads the test's output"
)]

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::thread::sleep;
use std::time::Duration;

use e2e::daemon::{Daemon, LIMIT};
use e2e::inside::Forger;
use e2e::metronome::{Metronome, Stalls};
use e2e::stage::{FIRST, INSTANCE, INTERFACE, PREFIX_LENGTH, SHARED, Stage, cluster};
use e2e::wire::advertisements;
use lab::scenario::State;
use lab::{Frame, Netns, Port};
use rustix::process::Pid;
use serde_json::Value;
use vrrp::packet::Advertisement;
use vrrp::{ChecksumForm, Version, VirtualRouterId};

const INTERVAL: Duration = Duration::from_millis(100);
/// How late an advertisement may be, whatever arrives: far less than what makes a BACKUP take over, and enough for what
/// a flood costs in the kernel.
const LATE: Duration = Duration::from_millis(20);
/// The instance in version 2, beside the one in version 3.
const SECOND_INSTANCE: &str = "VI_2";
const SECOND_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 101));
const VIRTUAL_ROUTER_IDS: [u8; 2] = [51, 52];
const FORGER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const TTL: u8 = 255;

/// What would do harm if it were taken for real: the one makes a MASTER step down, the other a BACKUP take over.
const HARMFUL_PRIORITIES: [u8; 2] = [254, 0];

/// A MASTER, a BACKUP, and somebody else who can reach both.
struct Attack {
    master: Daemon,
    backup: Daemon,
    forger: Forger,
    _port: Port,
    _third: Netns,
    stage: Stage,
}

impl Attack {
    fn prepare() -> Self {
        let stage = Stage::new().expect("the laboratory works");
        let third = Netns::new("third").expect("the laboratory works");
        let port = stage
            .segment
            .attach(&third, INTERFACE, (FORGER, PREFIX_LENGTH))
            .expect("the laboratory works");
        let file = cluster(&format!(
            "priority = {{ first = 200, second = 100 }}\n\
             [instances.{SECOND_INSTANCE}]\n\
             interface = \"{INTERFACE}\"\n\
             version = 2\n\
             virtual-router-id = {}\n\
             virtual-addresses = [\"{SECOND_ADDRESS}\"]\n\
             priority = {{ first = 200, second = 100 }}",
            VIRTUAL_ROUTER_IDS[1]
        ));
        let master = Daemon::start(&stage.first, "first", &file);
        let backup = Daemon::start(&stage.second, "second", &file);
        for instance in [INSTANCE, SECOND_INSTANCE] {
            master.wait_for_state(instance, State::Master);
            backup.wait_for_state(instance, State::Backup);
        }
        Self {
            master,
            backup,
            forger: Forger::new(&third, FORGER),
            _port: port,
            _third: third,
            stage,
        }
    }

    fn daemons(&self) -> [&Daemon; 2] {
        [&self.master, &self.backup]
    }

    fn statuses(&self) -> [Value; 2] {
        self.daemons()
            .map(|daemon| daemon.status().expect("the daemon answers"))
    }

    /// Waits for longer than a BACKUP of the slower instance waits for its MASTER: four of its intervals.
    fn wait_until_a_backup_would_have_moved(&self) {
        let sent = |status: &Value| counted(status, Some(SECOND_INSTANCE), "advertisement-sent");
        let before = self.master.status().expect("the daemon answers");
        self.master.wait_for("five more advertisements", |after| {
            sent(after) >= sent(&before) + 5
        });
    }
}

#[test]
fn packets_cut_at_each_length_or_wrong_in_a_field_change_nothing_and_are_counted() {
    let attack = Attack::prepare();
    let before = attack.statuses();
    let metronome = Metronome::start();
    let mut capture = attack.stage.segment.capture().expect("tcpdump works");

    let mut expected = BTreeMap::new();
    let mut sent = 0;
    for forged in VIRTUAL_ROUTER_IDS.into_iter().flat_map(forgeries) {
        attack.forger.send(forged.ttl, &forged.message);
        sent += 1;
        *expected.entry(forged.counter).or_insert(0) += 1;
        // Slowly enough that no receive buffer overflows: each has to be counted.
        sleep(Duration::from_millis(2));
    }
    println!("{sent} forged packets, counted: {expected:?}");
    for (daemon, before) in attack.daemons().into_iter().zip(&before) {
        daemon.wait_for("every packet to be counted", |after| {
            expected.iter().all(|(&(instance, counter), &count)| {
                counted(after, instance, counter) == counted(before, instance, counter) + count
            })
        });
    }
    attack.wait_until_a_backup_would_have_moved();
    assert_unmoved(&attack, &before);
    let frames = capture.frames().expect("tshark works");
    assert_on_time(&frames, &metronome.stop(), &attack);
}

#[test]
fn a_thousand_bad_packets_do_not_flood_the_log() {
    const PACKETS: u64 = 1000;
    let attack = Attack::prepare();
    let before = attack.statuses();
    let lines = |daemon: &Daemon| daemon.process.log().lines().count();
    let lines_before = attack.daemons().map(lines);
    let metronome = Metronome::start();
    let mut capture = attack.stage.segment.capture().expect("tcpdump works");

    // Too long for its address count: nothing else is wrong with it.
    let message = [whole(Version::V3, VIRTUAL_ROUTER_IDS[0], 254), vec![0; 4]].concat();
    for _ in 0..PACKETS {
        attack.forger.send(TTL, &message);
        sleep(Duration::from_micros(200));
    }
    // The kernel may drop some of a flood. Most have to be there, or this is no test.
    for (daemon, before) in attack.daemons().into_iter().zip(&before) {
        let counter = "packet-length-errors";
        let after = daemon.wait_for("the packets to be counted", |after| {
            counted(after, Some(INSTANCE), counter)
                > counted(before, Some(INSTANCE), counter) + PACKETS * 9 / 10
        });
        println!("{counter}: {}", counted(&after, Some(INSTANCE), counter));
    }
    attack.wait_until_a_backup_would_have_moved();
    assert_unmoved(&attack, &before);
    let frames = capture.frames().expect("tshark works");
    assert_on_time(&frames, &metronome.stop(), &attack);
    for (daemon, before) in attack.daemons().into_iter().zip(lines_before) {
        let more = lines(daemon) - before;
        println!("{more} lines logged for {PACKETS} bad packets");
        assert!(more <= 10, "{daemon}");
    }
}

#[test]
fn many_virtual_routers_of_others_wake_nobody_until_one_of_them_is_ours() {
    const STRANGER: u8 = 77;
    let attack = Attack::prepare();
    let before = attack.statuses();
    let router = attack.master.pids().router.expect("the router runs");
    let message = whole(Version::V3, STRANGER, 254);
    let send = |count: u64| {
        for _ in 0..count {
            attack.forger.send(TTL, &message);
            sleep(Duration::from_millis(2));
        }
    };
    send(200);
    attack
        .master
        .process
        .wait_for_log(LIMIT, "many advertisements of other virtual routers")
        .expect("they are many");
    let counted_before = counted(&attack.statuses()[0], None, "vrid-errors");
    let woken_before = waits(router);
    send(1000);
    let woken = waits(router) - woken_before;
    let counted_after = counted(&attack.statuses()[0], None, "vrid-errors");
    println!("{woken} waits while 1000 advertisements of others arrived");
    // Its own timers, ten a second and one a second, and the status.
    assert!(woken < 300, "{woken}\n{}", attack.master);
    assert_eq!(counted_after, counted_before, "{}", attack.master);
    assert_unmoved(&attack, &before);

    attack.master.rewrite(&cluster(&format!(
        "[instances.VI_3]\n\
         interface = \"{INTERFACE}\"\n\
         virtual-router-id = {STRANGER}\n\
         virtual-addresses = [\"192.0.2.102\"]\n\
         advertisement-interval = \"1s\"\n"
    )));
    let reloaded = attack.master.ask(&["reload"]);
    assert!(reloaded.status.success(), "{reloaded:?}");
    attack.master.wait_for("it is heard", |status| {
        send(1);
        status["instances"]["VI_3"]["master"]["address"] == FORGER.to_string()
    });
}

/// How often the main thread of a process has gone to sleep.
fn waits(process: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero()))
        .expect("the process runs");
    status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
        .and_then(|count| count.trim().parse().ok())
        .expect("the kernel counts them")
}

/// Both are what they were, and have not been anything else meanwhile.
fn assert_unmoved(attack: &Attack, before: &[Value; 2]) {
    for (daemon, before) in attack.daemons().into_iter().zip(before) {
        let after = daemon.status().expect("the daemon answers");
        for instance in [INSTANCE, SECOND_INSTANCE] {
            let (before, after) = (
                &before["instances"][instance],
                &after["instances"][instance],
            );
            for key in ["state", "since", "priority", "master"] {
                assert_eq!(before[key], after[key], "{instance} {key}\n{daemon}");
            }
        }
        assert_eq!(before["processes"], after["processes"], "{daemon}");
    }
}

/// Every advertisement of the MASTER was on time, and no other host of ours sent one.
fn assert_on_time(frames: &[Frame], stalls: &Stalls, attack: &Attack) {
    for (id, interval) in VIRTUAL_ROUTER_IDS.into_iter().zip([1, 10]) {
        let of_master: Vec<Frame> = frames
            .iter()
            .filter(|frame| frame.sender() != Some(FORGER.into()))
            .filter(|frame| {
                frame
                    .advertisement()
                    .is_some_and(|advertisement| advertisement.virtual_router_id == id)
            })
            .cloned()
            .collect();
        let impostor = of_master.iter().find(|frame| frame.sender() != Some(FIRST));
        assert_eq!(impostor, None, "{}", attack.backup);
        let sent = advertisements(&of_master, FIRST);
        assert!(sent.iter().all(|sent| sent.priority == 200), "{sent:?}");
        let punctuality = stalls.punctuality(&sent, INTERVAL * interval);
        println!(
            "virtual router {id}: {} advertisements: {punctuality:?}",
            sent.len()
        );
        assert!(
            punctuality.late <= LATE,
            "{punctuality:?}\n{}",
            attack.master
        );
    }
    let took = |frame: &&Frame| {
        let is_master = frames
            .iter()
            .any(|other| other.sender() == Some(FIRST) && other.source == frame.source);
        let address = frame.announced();
        address.is_some_and(|address| [SHARED, SECOND_ADDRESS].contains(&address)) && !is_master
    };
    assert_eq!(frames.iter().find(took), None, "{}", attack.backup);
}

/// A datagram to send, and which counter tells of it: of an instance, or of the router when it belongs to none.
struct Forged {
    ttl: u8,
    message: Vec<u8>,
    counter: (Option<&'static str>, &'static str),
}

/// Everything that can be wrong with a packet for a virtual router.
fn forgeries(virtual_router_id: u8) -> Vec<Forged> {
    let (version, other_version, instance) = if virtual_router_id == VIRTUAL_ROUTER_IDS[0] {
        (Version::V3, Version::V2, INSTANCE)
    } else {
        (Version::V2, Version::V3, SECOND_INSTANCE)
    };
    let forged = |message: Vec<u8>, counter| Forged {
        ttl: TTL,
        message,
        counter: (Some(instance), counter),
    };
    let of_no_instance = |message: Vec<u8>, counter| Forged {
        ttl: TTL,
        message,
        counter: (None, counter),
    };
    let mut forgeries = Vec::new();
    for priority in HARMFUL_PRIORITIES {
        let whole = |version, id| whole(version, id, priority);
        let good = whole(version, virtual_router_id);
        for length in 0..good.len() {
            let cut = good[..length].to_vec();
            // Without its second byte nobody knows whose it is.
            forgeries.push(if length < 2 {
                of_no_instance(cut, "vrid-errors")
            } else {
                forged(cut, "packet-length-errors")
            });
        }
        for more in [1, 4, 28, 1000] {
            let longer = [good.clone(), vec![0; more]].concat();
            forgeries.push(forged(longer, "packet-length-errors"));
        }
        for ttl in [1, 64, 254] {
            forgeries.push(Forged {
                ttl,
                ..of_no_instance(good.clone(), "ip-ttl-errors")
            });
        }
        let mut bad_checksum = good.clone();
        bad_checksum[6] ^= 0x55;
        forgeries.push(of_no_instance(bad_checksum, "checksum-errors"));
        let other_version = whole(other_version, virtual_router_id);
        forgeries.push(of_no_instance(other_version, "version-errors"));
        forgeries.push(of_no_instance(whole(version, 53), "vrid-errors"));
        let with = |index: usize, value: u8| changed(&good, index, value);
        for number in [0, 1, 4, 15] {
            forgeries.push(of_no_instance(with(0, number << 4 | 1), "version-errors"));
        }
        for kind in [0, 2, 15] {
            let first = good[0] & 0xf0 | kind;
            forgeries.push(forged(with(0, first), "invalid-type-pkts-rcvd"));
        }
        forgeries.push(of_no_instance(with(1, 0), "vrid-errors"));
        forgeries.push(forged(with(5, 0), "interval-errors"));
        if version == Version::V2 {
            forgeries.push(forged(with(5, 7), "interval-errors"));
            // A password where none is asked for, the header that RFC 2338 had besides, and what nobody ever had.
            for kind in [1, 2, 255] {
                forgeries.push(forged(with(4, kind), "authentication-type-errors"));
            }
        }
        let without_address = changed(&[&good[..8], &good[12..]].concat(), 3, 0);
        forgeries.push(forged(without_address, "address-list-errors"));
    }
    forgeries
}

/// An advertisement with nothing wrong, as the forger would have to send it.
fn whole(version: Version, virtual_router_id: u8, priority: u8) -> Vec<u8> {
    let (interval, address) = match version {
        Version::V3 => (INTERVAL, SHARED),
        Version::V2 => (INTERVAL * 10, SECOND_ADDRESS),
    };
    let id = NonZeroU8::new(virtual_router_id).expect("no virtual router is 0");
    let advertisement = Advertisement {
        version,
        virtual_router_id: VirtualRouterId(id),
        priority,
        interval,
        checksum: ChecksumForm::Rfc9568,
        addresses: vec![address],
        password: None,
    };
    advertisement.emit(FORGER.into(), GROUP.into())
}

/// `message` with another byte, and a checksum that fits (RFC 1071, over the message alone).
fn changed(message: &[u8], index: usize, value: u8) -> Vec<u8> {
    let mut changed = message.to_vec();
    changed[index] = value;
    changed[6..8].fill(0);
    let mut sum: u32 = changed
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let checksum = u16::try_from(sum).expect("it was folded");
    changed[6..8].copy_from_slice(&(!checksum).to_be_bytes());
    changed
}

fn counted(status: &Value, instance: Option<&str>, counter: &str) -> u64 {
    let owner = instance.map_or(status, |instance| &status["instances"][instance]);
    owner["counters"][counter]
        .as_u64()
        .unwrap_or_else(|| panic!("no {counter} of {instance:?} in {status}"))
}

/// What the forgeries are made from does what they are to be prevented from doing.
#[test]
fn the_packet_that_the_forgeries_are_made_from_is_taken_for_real() {
    let attack = Attack::prepare();
    let good = whole(Version::V3, VIRTUAL_ROUTER_IDS[0], 254);
    attack.forger.send(TTL, &good);
    attack
        .master
        .wait_for("the MASTER to have stepped down", |status| {
            counted(status, Some(INSTANCE), "master-transitions") > 1
                || status["instances"][INSTANCE]["state"] == "BACKUP"
        });
    // The checksum is made here, too: the same packet, rewritten.
    assert_eq!(changed(&good, 0, good[0]), good);
}
