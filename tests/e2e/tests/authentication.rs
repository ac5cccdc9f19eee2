//! Passwords with keepalived, and signatures between vrrp-hosts: their roll-out, and what an eavesdropper can do.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measures, and fails by unwrapping"
)]

use std::fs::{self, Permissions};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use e2e::daemon::{Daemon, LIMIT, is_running, kill};
use e2e::inside::Forger;
use e2e::ipv6;
use e2e::keepalived::Keepalived;
use e2e::replay::{Datagram, Replayer};
use e2e::stage::{
    FIRST, INSTANCE, INTERFACE, PREFIX_LENGTH, SECOND, SHARED, Stage, cluster, cluster_at,
};
use e2e::wire::{advertisements, changed, elapsed, longest_overlap};
use lab::scenario::State;
use lab::{Netns, Port, Signal};
use serde_json::Value;
use tempfile::TempDir;

const INTERVAL: Duration = Duration::from_millis(100);
/// How much longer than the protocol's own time a reaction may take on a busy machine.
const AT_ONCE: Duration = Duration::from_millis(100);
const THIRD: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
const FIRST_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SECOND_KEY: &str = "a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7";
const PRIORITIES: &str = "priority = { first = 200, second = 100 }";

/// Two hosts on a segment, somebody else on it, and files with secrets.
struct Scene {
    secrets: TempDir,
    _port: Port,
    third: Netns,
    stage: Stage,
}

impl Scene {
    fn new() -> Self {
        let stage = Stage::new().unwrap();
        let third = Netns::new("third").unwrap();
        let port = stage
            .segment
            .attach(&third, INTERFACE, (THIRD, PREFIX_LENGTH))
            .unwrap();
        Self {
            secrets: TempDir::with_prefix("secrets-").unwrap(),
            _port: port,
            third,
            stage,
        }
    }

    /// Writes a file that nobody else can read.
    fn secret(&self, name: &str, content: &str) -> String {
        let path = self.secrets.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A cluster.toml in which both nodes have the same key.
    fn signed(&self, mode: &str, more: &str) -> String {
        let key = self.secret("first.key", FIRST_KEY);
        cluster(&format!(
            "{PRIORITIES}\nauthentication = {{ keys = {{ 1 = \"{key}\" }}, mode = \"{mode}\" }}\n{more}"
        ))
    }

    /// As above in version 2, with a password.
    fn with_password(&self, password: &str) -> String {
        let file = self.secret("password", password);
        cluster_at(
            "1s",
            &format!(
                "version = 2\npriority = {{ first = 200, second = 100 }}\n\
                 authentication = {{ password-file = \"{file}\" }}"
            ),
        )
    }

    /// A MASTER and a BACKUP that hears it.
    fn start(&self, file: &str) -> [Daemon; 2] {
        let first = Daemon::start(&self.stage.first, "first", file);
        first.wait_for_state(INSTANCE, State::Master);
        let second = Daemon::start(&self.stage.second, "second", file);
        second.wait_for("the MASTER to be heard", hears_master(FIRST));
        [first, second]
    }
}

fn hears_master(address: IpAddr) -> impl FnMut(&Value) -> bool {
    move |status| {
        status["instances"][INSTANCE]["state"] == "BACKUP"
            && status["instances"][INSTANCE]["master"]["address"] == address.to_string()
    }
}

fn counter(status: &Value, name: &str) -> u64 {
    status["instances"][INSTANCE]["counters"][name]
        .as_u64()
        .unwrap_or_else(|| panic!("no counter {name} in {status}"))
}

fn authentication(status: &Value) -> &Value {
    &status["instances"][INSTANCE]["authentication"]
}

fn reload(daemon: &Daemon, file: &str) {
    daemon.rewrite(file);
    let output = daemon.ask(&["reload"]);
    assert!(output.status.success(), "{output:?}\n{daemon}");
}

/// Waits for ten more advertisements of the MASTER to be taken in: longer than a BACKUP that did not understand them would
/// have stayed one.
fn hears_ten_more(backup: &Daemon) -> Value {
    let mut before = None;
    backup.wait_for("ten more advertisements", |status| {
        let received = counter(status, "advertisement-rcvd");
        received >= 10 + *before.get_or_insert(received)
    })
}

#[test]
fn a_cluster_comes_to_signatures_and_to_another_key_without_a_failover() {
    let scene = Scene::new();
    let (old, new) = (
        scene.secret("first.key", FIRST_KEY),
        scene.secret("second.key", SECOND_KEY),
    );
    let both = format!("{{ 1 = \"{old}\", 2 = \"{new}\" }}");
    let only_new = format!("{{ 2 = \"{new}\" }}");
    let with = |keys: &str, active: u8, mode: &str| {
        cluster(&format!(
            "{PRIORITIES}\nauthentication = {{ keys = {keys}, active-key = {active}, mode = \"{mode}\" }}"
        ))
    };
    let only_old = format!("{{ 1 = \"{old}\" }}");
    let steps = [
        with(&only_old, 1, "receive-only"),
        with(&only_old, 1, "permissive"),
        with(&only_old, 1, "enforce"),
        with(&both, 1, "enforce"),
        with(&both, 2, "enforce"),
        with(&only_new, 2, "enforce"),
    ];
    let [first, second] = scene.start(&cluster(PRIORITIES));
    let watch = scene.stage.second.watch_addresses().unwrap();
    let mut capture = scene.stage.segment.capture().unwrap();
    let since = |daemon: &Daemon| {
        let status = daemon.status().unwrap();
        status["instances"][INSTANCE]["since"].clone()
    };
    let before = [&first, &second].map(since);

    for step in &steps {
        // The BACKUP first, the MASTER after it: at each moment one of them is a step ahead.
        for daemon in [&second, &first] {
            reload(daemon, step);
            hears_ten_more(&second);
        }
    }
    assert_eq!([&first, &second].map(since), before, "{first}\n{second}");
    let taken = changed(&watch.changes(), SHARED, true, SystemTime::UNIX_EPOCH);
    assert_eq!(taken, None, "{second}");
    let frames = capture.frames().unwrap();
    assert!(advertisements(&frames, SECOND).is_empty(), "{second}");

    let status = second.status().unwrap();
    let (received, authenticated) = (
        counter(&status, "advertisement-rcvd"),
        counter(&status, "authenticated-rcvd"),
    );
    println!(
        "{} steps on two nodes, {received} advertisements, {authenticated} of them authenticated",
        steps.len()
    );
    // Those before the MASTER signed were missing their signature, and tolerated; nothing else ever was wrong.
    assert_eq!(
        counter(&status, "authentication-errors"),
        counter(&status, "authentication-missing"),
        "{status}"
    );
    assert_eq!(authentication(&status)["method"], "hmac");
    assert_eq!(authentication(&status)["mode"], "enforce");
    assert_eq!(authentication(&status)["active-key"], 2);
    assert!(authenticated > 0);
    for daemon in [&first, &second] {
        let told = format!("{daemon}{}", daemon.status().unwrap());
        for secret in [FIRST_KEY, SECOND_KEY] {
            assert!(!told.contains(secret), "a key is in the log or the status");
        }
    }

    // What everything was for: somebody without a key is not listened to any more.
    let forger = Forger::new(&scene.third, THIRD);
    let harmful = advertisement(254);
    for _ in 0..5 {
        forger.send(255, &harmful);
    }
    for daemon in [&first, &second] {
        daemon.wait_for("the forged packets to be counted", |status| {
            authentication(status)["last-failure"]["source"] == THIRD.to_string()
                && authentication(status)["last-failure"]["error"] == "not authenticated"
        });
    }
    hears_ten_more(&second);
    assert_eq!([&first, &second].map(since), before, "{first}\n{second}");
}

/// Without a signature and with nothing else wrong.
fn advertisement(priority: u8) -> Vec<u8> {
    let IpAddr::V4(shared) = SHARED else {
        unreachable!("the stage speaks IPv4")
    };
    let mut message = vec![0x31, 51, priority, 1, 0, 10, 0, 0];
    message.extend(shared.octets());
    let sum: u32 = message
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    let folded = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    message[6..8].copy_from_slice(&(!folded).to_be_bytes());
    message
}

#[test]
fn who_is_not_in_the_roll_out_is_not_heard_and_both_say_why() {
    let scene = Scene::new();
    let mut first = Daemon::start(&scene.stage.first, "first", &scene.signed("permissive", ""));
    first.wait_for_state(INSTANCE, State::Master);
    let second = Daemon::start(&scene.stage.second, "second", &cluster(PRIORITIES));
    second.wait_for_state(INSTANCE, State::Master);
    let status = second.wait_for("the reason", |status| {
        counter(status, "authentication-type-errors") >= 3
    });
    let failure = &authentication(&status)["last-failure"];
    assert_eq!(failure["error"], "signed, and no keys are configured here");
    assert_eq!(failure["source"], FIRST.to_string());
    second
        .process
        .wait_for_log(LIMIT, "signed, and no keys are configured here")
        .unwrap();
    // The one that tolerates says what enforcing would do.
    first
        .process
        .wait_for_log(
            LIMIT,
            "would not be heard with `mode = \"enforce\"`: not authenticated",
        )
        .unwrap();

    // A key of the same number with other bytes.
    first.process.signal(Signal::TERM).unwrap();
    first.process.wait(LIMIT).unwrap();
    let other = scene.secret("other.key", SECOND_KEY);
    reload(&second, &scene.signed("enforce", ""));
    let file = cluster(&format!(
        "{PRIORITIES}\nauthentication = {{ keys = {{ 1 = \"{other}\" }} }}"
    ));
    let first = Daemon::start(&scene.stage.first, "first", &file);
    first.wait_for_state(INSTANCE, State::Master);
    for daemon in [&first, &second] {
        let status = daemon.wait_for("the reason", |status| {
            counter(status, "authentication-mismatches") >= 3
        });
        assert_eq!(status["instances"][INSTANCE]["state"], "MASTER");
        let error = authentication(&status)["last-failure"]["error"]
            .as_str()
            .unwrap();
        assert!(error.starts_with("wrong signature"), "{error}");
    }
}

#[test]
fn what_an_eavesdropper_says_again_moves_nobody() {
    const REPLAYS: usize = 50;
    let scene = Scene::new();
    let mut ear = Replayer::new(&scene.third, THIRD);
    let by = |speaker: IpAddr, priority: u8| {
        move |heard: &[Datagram]| {
            heard
                .iter()
                .filter(|one| one.source() == speaker && one.priority() == priority)
                .count()
                >= 5
        }
    };

    // The other one was MASTER once, with a higher priority than the one that is MASTER now.
    let early = scene
        .signed("enforce", "")
        .replace("second = 100", "second = 250");
    let mut second = Daemon::start(&scene.stage.second, "second", &early);
    second.wait_for_state(INSTANCE, State::Master);
    let first = Daemon::start(&scene.stage.first, "first", &early);
    first.wait_for("the MASTER to be heard", hears_master(SECOND));
    let mut of_second = ear.record("the MASTER that was", by(SECOND, 250));
    second.process.signal(Signal::TERM).unwrap();
    second.process.wait(LIMIT).unwrap();
    first.wait_for_state(INSTANCE, State::Master);
    of_second.extend(ear.record("its farewell", |heard| {
        heard
            .iter()
            .any(|one| one.source() == SECOND && one.priority() == 0)
    }));
    of_second.retain(|one| one.source() == SECOND);

    let second = Daemon::start(&scene.stage.second, "second", &scene.signed("enforce", ""));
    second.wait_for("the MASTER to be heard", hears_master(FIRST));
    let mut of_first = ear.record("the MASTER that is", by(FIRST, 200));
    of_first.retain(|one| one.source() == FIRST);
    assert!(of_second.iter().any(|one| one.priority() == 0));
    assert!(of_second.iter().all(|one| one.message().len() == 12 + 28));

    // Each of them hears the other's old words; a kernel does not take in what seems to come from itself.
    let daemons = [&first, &second];
    let before = daemons.map(|daemon| daemon.status().unwrap());
    for number in 0..REPLAYS {
        ear.say_again(&of_second[number % of_second.len()]);
        ear.say_again(&of_first[number % of_first.len()]);
        sleep(Duration::from_millis(2));
    }
    for (daemon, before) in daemons.into_iter().zip(&before) {
        let errors = counter(before, "authentication-errors");
        let after = daemon.wait_for("every replay to be counted", |status| {
            counter(status, "authentication-errors") >= errors + REPLAYS as u64
        });
        assert_eq!(
            counter(&after, "authentication-errors"),
            errors + REPLAYS as u64,
            "{daemon}"
        );
        println!(
            "replayed {REPLAYS}: {} seen before, {} too old",
            counter(&after, "authentication-replays"),
            counter(&after, "authentication-clock-errors")
        );
        for key in ["state", "since"] {
            let (before, after) = (
                &before["instances"][INSTANCE],
                &after["instances"][INSTANCE],
            );
            assert_eq!(before[key], after[key], "{daemon}");
        }
    }

    // Nor does a dead MASTER live on by what it once said.
    let capture = scene.stage.segment.capture().unwrap();
    hears_ten_more(&second);
    let latest = ear.record("the last words", by(FIRST, 200));
    first.cut_power();
    let until = SystemTime::now() + Duration::from_secs(2);
    while SystemTime::now() < until && second.state(INSTANCE) != Ok(State::Master) {
        for one in latest.iter().filter(|one| one.source() == FIRST) {
            ear.say_again(one);
        }
        sleep(Duration::from_millis(2));
    }
    second.wait_for_state(INSTANCE, State::Master);
    let frames = capture.stop().unwrap();
    let taken_at = advertisements(&frames, SECOND)[0].at;
    // The replays are frames of another card.
    let of_first: Vec<_> = frames
        .iter()
        .filter(|frame| frame.sender() == Some(FIRST) && frame.advertisement().is_some())
        .collect();
    let card = &of_first[0].source;
    let last = of_first
        .iter()
        .rfind(|frame| frame.source == *card)
        .unwrap();
    let replayed = of_first
        .iter()
        .filter(|frame| frame.source != *card)
        .count();
    let waited = elapsed(last.at, taken_at);
    let formula = INTERVAL * 3 + INTERVAL * (256 - 100) / 256;
    println!("taken over after {waited:?} (by the formula {formula:?}) among {replayed} replays");
    assert!(replayed > 10, "{replayed}");
    assert!(waited <= formula + AT_ONCE, "{waited:?}\n{second}");
    assert!(waited >= formula, "{waited:?}\n{second}");
}

#[test]
fn a_dead_router_is_spoken_for_with_a_signature() {
    let scene = Scene::new();
    let [first, second] = scene.start(&scene.signed("enforce", ""));
    let watches =
        [&scene.stage.first, &scene.stage.second].map(|host| host.watch_addresses().unwrap());
    let before = first.pids();
    let killed_at = SystemTime::now();
    kill(before.router.unwrap(), Signal::KILL);
    let status = second.wait_for("the address to be taken", |status| {
        counter(status, "master-transitions") == 1
    });
    // By priority 0, which only a good signature makes count.
    assert_eq!(counter(&status, "priority-zero-pkts-rcvd"), 1, "{second}");
    let [_, on_second] = watches.map(|watch| watch.changes());
    let taken = changed(&on_second, SHARED, true, killed_at).unwrap();
    println!(
        "the address moved {:?} after the kill",
        elapsed(killed_at, taken)
    );

    // The next router is heard too, and takes back what is its own.
    first.wait_for_state(INSTANCE, State::Master);
    assert!(!is_running(before.router.unwrap()));
    let status = second.wait_for("the MASTER to be heard", hears_master(FIRST));
    assert_eq!(counter(&status, "authentication-errors"), 0, "{second}");
}

#[test]
fn a_backup_of_keepalived_with_its_password() {
    let scene = Scene::new();
    let options = "priority 200\n    authentication {\n        auth_type PASS\n        auth_pass hunter2\n    }";
    let mut keepalived = Keepalived::start_instance(&scene.stage.first, 2, options);
    keepalived.wait_for_state("MASTER", 1);
    let second = Daemon::start(
        &scene.stage.second,
        "second",
        &scene.with_password("hunter2"),
    );
    second.wait_for("keepalived to be heard", hears_master(FIRST));
    // Longer than it would have taken to take over: three intervals and the skew.
    let status = second.wait_for("five advertisements", |status| {
        counter(status, "authenticated-rcvd") >= 5
    });
    assert_eq!(status["instances"][INSTANCE]["state"], "BACKUP", "{second}");
    assert_eq!(counter(&status, "authentication-errors"), 0, "{second}");
    keepalived.stop();
    second.wait_for_state(INSTANCE, State::Master);
}

#[test]
fn a_master_of_keepalived_with_a_password_that_both_cut() {
    let scene = Scene::new();
    let password = "hunter2 and so on";
    let mut first = Daemon::start(&scene.stage.first, "first", &scene.with_password(password));
    first.wait_for_state(INSTANCE, State::Master);
    first
        .process
        .wait_for_log(LIMIT, "only the first 8 bytes count")
        .unwrap();
    let capture = scene.stage.segment.capture().unwrap();
    let options = format!(
        "priority 100\n    authentication {{\n        auth_type PASS\n        auth_pass \"{password}\"\n    }}"
    );
    let keepalived = Keepalived::start_instance(&scene.stage.second, 2, &options);
    keepalived.wait_for_state("BACKUP", 1);
    first.wait_for_advertisements(INSTANCE, 6);
    assert!(
        !keepalived.process.log().contains("MASTER STATE"),
        "{}",
        keepalived.process.log()
    );
    first.process.signal(Signal::TERM).unwrap();
    keepalived.wait_for_state("MASTER", 1);
    let frames = capture.stop().unwrap();
    let bad: Vec<_> = frames.iter().filter(|frame| !frame.is_good()).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    let kinds: Vec<_> = frames
        .iter()
        .filter(|frame| frame.sender() == Some(FIRST))
        .filter_map(|frame| frame.advertisement()?.authentication_type)
        .collect();
    assert!(
        kinds.len() >= 6 && kinds.iter().all(|kind| *kind == 1),
        "{kinds:?}"
    );
}

/// What authentication is bound to do: routers that do not believe each other are both MASTER.
#[test]
fn with_a_wrong_password_both_are_master_and_say_why() {
    let scene = Scene::new();
    let options = "priority 200\n    authentication {\n        auth_type PASS\n        auth_pass other\n    }";
    let keepalived = Keepalived::start_instance(&scene.stage.first, 2, options);
    keepalived.wait_for_state("MASTER", 1);
    let second = Daemon::start(
        &scene.stage.second,
        "second",
        &scene.with_password("hunter2"),
    );
    second.wait_for_state(INSTANCE, State::Master);
    let status = second.wait_for("the reason", |status| {
        counter(status, "authentication-mismatches") >= 3
    });
    assert_eq!(status["instances"][INSTANCE]["state"], "MASTER");
    assert_eq!(authentication(&status)["method"], "password");
    let failure = &authentication(&status)["last-failure"];
    assert_eq!(failure["error"], "wrong password");
    assert_eq!(failure["source"], FIRST.to_string());
    second
        .process
        .wait_for_log(LIMIT, "wrong password")
        .unwrap();
    assert!(!second.to_string().contains("hunter2"), "{second}");
    let shown = String::from_utf8(second.ask(&["status"]).stdout).unwrap();
    assert!(shown.contains("wrong password"), "{shown}");
    println!("{shown}");
}

#[test]
fn over_ipv6_signatures_are_understood_too() {
    let stage = ipv6::stage().unwrap();
    let secrets = TempDir::with_prefix("secrets-").unwrap();
    let key = secrets.path().join("key");
    fs::write(&key, FIRST_KEY).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let file = ipv6::cluster(&format!(
        "{PRIORITIES}\nauthentication = {{ keys = {{ 1 = \"{}\" }} }}",
        key.display()
    ));
    let first = Daemon::start(&stage.first, "first", &file);
    first.wait_for_state(ipv6::INSTANCE, State::Master);
    let second = Daemon::start(&stage.second, "second", &file);
    let status = second.wait_for("20 authenticated advertisements", |status| {
        status["instances"][ipv6::INSTANCE]["counters"]["authenticated-rcvd"].as_u64() >= Some(20)
    });
    let instance = &status["instances"][ipv6::INSTANCE];
    assert_eq!(instance["state"], "BACKUP", "{second}");
    assert_eq!(instance["counters"]["authentication-errors"], 0, "{second}");
    assert_eq!(instance["master"]["address"], ipv6::FIRST.to_string());
}

/// Two that share everything share the address for no moment, whatever signing costs.
#[test]
fn a_planned_stop_is_believed() {
    let scene = Scene::new();
    let [mut first, second] = scene.start(&scene.signed("enforce", ""));
    let watches =
        [&scene.stage.first, &scene.stage.second].map(|host| host.watch_addresses().unwrap());
    first.process.signal(Signal::TERM).unwrap();
    first.process.wait(LIMIT).unwrap();
    second.wait_for_state(INSTANCE, State::Master);
    let status = second.status().unwrap();
    assert_eq!(counter(&status, "priority-zero-pkts-rcvd"), 1, "{second}");
    let [on_first, on_second] = watches.map(|watch| watch.changes());
    let overlap = longest_overlap(&on_first, &on_second, SHARED);
    println!("make before break, for {overlap:?}");
    assert!(overlap <= INTERVAL + AT_ONCE, "{overlap:?}");
}
