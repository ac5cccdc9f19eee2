//! vrrp-host and Debian's keepalived with each other, in either role: one line for each thing that can happen.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

mod judge;
mod protocol;

use std::collections::VecDeque;
use std::fmt;
use std::fs::{self, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, SystemTime};

use e2e::contender::{Contender, Make, Terms};
use e2e::daemon::LIMIT;
use e2e::ipv6;
use e2e::metronome::Metronome;
use e2e::stage::INTERFACE;
use lab::scenario::State;
use lab::{AddressChange, Netns, Recording, wait_until};
use serde_json::Value;
use tempfile::TempDir;

use self::judge::judge;
use self::protocol::{Protocol, UNICAST, UNICAST_V2, UNICAST_V6, V2, V2_PASSWORD, V3, V6};

/// Rows that are played at the same time. Most of the time each of them waits.
const AT_A_TIME: usize = 4;
const PRIORITIES: [u8; 2] = [200, 100];

/// What a row plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Play {
    /// The first host, which has the higher priority, goes in each way and takes everything back.
    Preempt,
    /// It goes, and is BACKUP when it comes back.
    NoPreempt,
    /// Equals that were apart, each MASTER, meet.
    Equal,
}

/// A row of the matrix.
#[derive(Debug, Clone, Copy)]
struct Row {
    protocol: Protocol,
    play: Play,
    makes: [Make; 2],
}

/// How a MASTER ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// In order: it says so with priority 0.
    Stop,
    /// It says nothing.
    Crash,
    /// What it tracks fails: it says so with priority 0.
    Fault,
}

/// A cell: one ending of a MASTER, and what came after it.
#[derive(Debug, Clone, Copy)]
struct Cell {
    ending: Ending,
    /// The host that was MASTER: an index.
    from: usize,
    at: SystemTime,
    /// When it was let come back, and when it was MASTER again, if it became that.
    back: SystemTime,
    again: Option<SystemTime>,
}

/// What a row left behind for the judge.
#[derive(Debug)]
struct Played {
    row: Row,
    cells: Vec<Cell>,
    /// When equals met.
    met: Option<SystemTime>,
    recording: Recording,
    changes: [Vec<AddressChange>; 2],
    /// What vrrp-host told in the end.
    status: Value,
    /// What both logged.
    told: String,
}

fn rows() -> VecDeque<Row> {
    let both = [
        [Make::VrrpHost, Make::Keepalived],
        [Make::Keepalived, Make::VrrpHost],
    ];
    // The slow ones first.
    let plays = [
        (
            Play::Preempt,
            [V2, V2_PASSWORD, UNICAST_V2, V3, UNICAST, V6, UNICAST_V6].as_slice(),
        ),
        (Play::NoPreempt, &[V2, V3, V6]),
        (Play::Equal, &[V2, V3, V6]),
    ];
    let mut rows: Vec<_> = plays
        .into_iter()
        .flat_map(|(play, protocols)| protocols.iter().map(move |protocol| (play, *protocol)))
        .flat_map(|(play, protocol)| {
            both.map(|makes| Row {
                protocol,
                play,
                makes,
            })
        })
        .collect();
    rows.sort_by_key(|row| row.protocol.version);
    rows.into()
}

#[test]
fn the_matrix() {
    let metronome = Metronome::start();
    let (waiting, done) = (Mutex::new(rows()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some(row) = waiting.lock().unwrap().pop_front() else {
                        break;
                    };
                    let played = play(row);
                    done.lock().unwrap().push(played);
                }
            });
        }
    });
    // Wireshark reads what was captured when nothing is measured any more.
    let stalls = metronome.stop();
    let mut cells = 0;
    for played in done.into_inner().unwrap() {
        cells += judge(played, &stalls);
    }
    println!("{cells} cells");
}

fn play(row: Row) -> Played {
    let stage = row.protocol.family.stage();
    let secrets = TempDir::with_prefix("secrets-").unwrap();
    let terms = row.terms(secrets.path());
    let mut first = Contender::start(row.makes[0], &stage.first, "first", &terms[0]);
    first.wait_for_state(State::Master);
    row.wait_for_addresses(&stage.first, true);
    let mut second = Contender::start(row.makes[1], &stage.second, "second", &terms[1]);
    second.wait_for_state(State::Backup);
    let watches = [&stage.first, &stage.second].map(|host| host.watch_addresses().unwrap());
    let capture = stage.segment.capture().unwrap();

    let (mut cells, mut met) = (Vec::new(), None);
    match row.play {
        Play::Preempt => {
            for ending in [Ending::Stop, Ending::Crash, Ending::Fault] {
                let (from, to) = ((&mut first, &stage.first), (&second, &stage.second));
                let mut cell = row.end(ending, from, to);
                row.come_back(ending, (&mut first, &stage.first));
                first.wait_for_state(State::Master);
                cell.again = Some(SystemTime::now());
                second.wait_for_state(State::Backup);
                row.wait_for_addresses(&stage.first, true);
                row.wait_for_addresses(&stage.second, false);
                cells.push(cell);
            }
        }
        Play::NoPreempt => {
            let from = (&mut first, &stage.first);
            cells.push(row.end(Ending::Stop, from, (&second, &stage.second)));
            row.come_back(Ending::Stop, (&mut first, &stage.first));
            first.wait_for_state(State::Backup);
            row.exchange([&first, &second], 10);
            first.wait_for_state(State::Backup);
            second.wait_for_state(State::Master);
            // Not BACKUP for ever.
            let from = (&mut second, &stage.second);
            let mut cell = row.end(Ending::Stop, from, (&first, &stage.first));
            cell.from = 1;
            cells.push(cell);
            row.come_back(Ending::Stop, (&mut second, &stage.second));
            second.wait_for_state(State::Backup);
        }
        Play::Equal => {
            // An equal is no reason to take over from a MASTER.
            row.exchange([&first, &second], 10);
            second.wait_for_state(State::Backup);
            stage.first_port.isolate().unwrap();
            stage.second_port.isolate().unwrap();
            second.wait_for_state(State::Master);
            row.wait_for_addresses(&stage.second, true);
            first.wait_for_state(State::Master);
            met = Some(SystemTime::now());
            stage.first_port.rejoin().unwrap();
            stage.second_port.rejoin().unwrap();
            first.wait_for_state(State::Backup);
            row.wait_for_addresses(&stage.first, false);
            row.exchange([&first, &second], 10);
            first.wait_for_state(State::Backup);
            second.wait_for_state(State::Master);
        }
    }
    row.exchange([&first, &second], 3);
    let daemon = first.vrrp_host().or_else(|| second.vrrp_host()).unwrap();
    Played {
        row,
        cells,
        met,
        recording: capture.record().unwrap(),
        changes: watches.map(|watch| watch.changes()),
        status: daemon.status().unwrap(),
        told: format!("{row}\n{first}\n{second}"),
    }
}

impl Row {
    fn interval(&self) -> Duration {
        match self.protocol.version {
            2 => Duration::from_secs(1),
            _ => Duration::from_millis(100),
        }
    }

    fn priorities(&self) -> [u8; 2] {
        match self.play {
            Play::Preempt | Play::NoPreempt => PRIORITIES,
            Play::Equal => [PRIORITIES[1]; 2],
        }
    }

    /// Skew_Time of a host (RFC 9568 §6.1; RFC 3768 §6.1 comes to the same at one second).
    fn skew_time(&self, host: usize) -> Duration {
        self.interval() * (256 - u32::from(self.priorities()[host])) / 256
    }

    /// What each host is started with, for either make. A password is in a file of the folder `secrets`.
    fn terms(&self, secrets: &Path) -> [Terms; 2] {
        let Protocol {
            version,
            family,
            ours,
            theirs,
            password,
            ..
        } = self.protocol;
        let (password_of_ours, password_of_theirs) = match password {
            Some(password) => {
                let file = secrets.join("password");
                fs::write(&file, password).unwrap();
                fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
                (
                    format!("authentication = {{ password-file = {file:?} }}"),
                    format!(
                        "authentication {{\n        auth_type PASS\n        auth_pass {password}\n    }}"
                    ),
                )
            }
            None => (String::new(), String::new()),
        };
        let [first, second] = self.priorities();
        let preempt = self.play != Play::NoPreempt;
        let keys = format!(
            "priority = {{ first = {first}, second = {second} }}\npreempt = {preempt}\n{ours}\n{password_of_ours}"
        );
        let interval = self.interval();
        let shared: Vec<_> = family.shared().iter().map(IpAddr::to_string).collect();
        [0, 1].map(|host| Terms {
            instance: family.instance(),
            cluster_toml: family.cluster_at(&format!("{}ms", interval.as_millis()), &keys),
            // Its real-time priority is that of vrrp-host's router: as a process among others it waits for its turn.
            global: format!(
                "    vrrp_version {version}\n    vrrp_rt_priority 20\n    vrrp_rlimit_rttime 1000000"
            ),
            lines: format!(
                "    interface {INTERFACE}\n    state BACKUP\n    virtual_router_id {}\n    \
                 priority {}\n    advert_int {}\n    {}\n    virtual_ipaddress {{\n        {}\n    }}\n    {}\n    {password_of_theirs}",
                ipv6::VIRTUAL_ROUTER_ID,
                self.priorities()[host],
                interval.as_secs_f64(),
                if preempt { "" } else { "nopreempt" },
                shared.join("\n        "),
                theirs[host],
            ),
        })
    }

    /// Ends a MASTER, and waits until the other one is.
    fn end(
        &self,
        ending: Ending,
        (from, host): (&mut Contender, &Netns),
        (to, other): (&Contender, &Netns),
    ) -> Cell {
        self.exchange([from, to], 3);
        from.wait_for_state(State::Master);
        to.wait_for_state(State::Backup);
        let at = SystemTime::now();
        match ending {
            Ending::Stop => from.stop(),
            Ending::Fault => from.fail(),
            Ending::Crash => {
                from.cut_power();
                // A host without power has no addresses either.
                for address in self.protocol.family.shared() {
                    let address = address.to_string();
                    host.ip(&["address", "flush", "dev", INTERFACE, "to", &address])
                        .unwrap();
                }
            }
        }
        to.wait_for_state(State::Master);
        self.wait_for_addresses(other, true);
        self.wait_for_addresses(host, false);
        Cell {
            ending,
            from: 0,
            at,
            back: SystemTime::now(),
            again: None,
        }
    }

    fn come_back(&self, ending: Ending, (contender, host): (&mut Contender, &Netns)) {
        match ending {
            Ending::Stop | Ending::Crash => contender.start_again(host),
            Ending::Fault => contender.recover(host),
        }
    }

    /// Waits until so many advertisements have passed between the two. One of them is vrrp-host, which counts them.
    fn exchange(&self, contenders: [&Contender; 2], count: u64) {
        let mut daemons = contenders.iter().filter_map(|it| it.vrrp_host());
        let daemon = daemons.next().unwrap();
        let passed = |counters: &Value| {
            ["advertisement-sent", "advertisement-rcvd"]
                .iter()
                .filter_map(|name| counters[name].as_u64())
                .sum::<u64>()
        };
        let instance = self.protocol.family.instance();
        let mut before = None;
        daemon.wait_for(&format!("{count} advertisements to pass"), |status| {
            let now = passed(&status["instances"][instance]["counters"]);
            now >= count + *before.get_or_insert(now)
        });
    }

    /// Waits until a host has all virtual addresses, or none.
    #[track_caller]
    fn wait_for_addresses(&self, host: &Netns, wanted: bool) {
        for address in self.protocol.family.shared() {
            wait_until(LIMIT, "the shared addresses to come or go", || {
                match host.has_address(*address) {
                    Ok(has) if has == wanted => Ok(()),
                    seen => Err(format!("{self}: {address}: {seen:?}")),
                }
            })
            .unwrap();
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let play = match self.play {
            Play::Preempt => "preempt",
            Play::NoPreempt => "no preempt",
            Play::Equal => "equal",
        };
        let [first, second] = self.makes;
        write!(f, "{}, {play} | {first}, {second}", self.protocol.name)
    }
}
