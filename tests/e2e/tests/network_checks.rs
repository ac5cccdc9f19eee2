//! The checks that ask the network, `dns` and `ping`, and the hook that tells it, `webhook`: against a real server of DNS, a
//! neighbour whose cable is pulled, and a web service that is busy at first.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use e2e::daemon::{Daemon, LIMIT};
use e2e::inside::inside;
use e2e::stage::{INSTANCE, INTERFACE, SECOND, SHARED, Stage, cluster};
use lab::scenario::State;
use lab::{Netns, Process, Signal};
use rustix::process::Pid;
use serde_json::{Value, json};

const SECOND_V6: &str = "2001:db8::2";

#[test]
fn a_name_server_that_stops_hangs_or_says_something_else_is_failing() {
    let stage = Stage::new().expect("the laboratory works");
    let resolv_conf = ResolvConf::new(&stage.first, "nameserver 192.0.2.77\n");
    let server = start_dnsmasq(&stage.second, "192.0.2.80");
    let config = |more: &str| {
        format!(
            "module = \"dns\"\ninterval = \"1s\"\n\
             config = {{ name = \"www.example.com\", timeout = \"700ms\"{more} }}\n"
        )
    };
    let daemon = Daemon::start(
        &stage.first,
        "first",
        &cluster(&format!(
            "track = [{{ check = \"chosen\", on-fail = {{ weight = -20 }} }}, {{ check = \"own\", on-fail = {{ weight = -1 }} }}, \
             {{ check = \"long\", on-fail = {{ weight = -1 }} }}, {{ check = \"unknown\", on-fail = {{ weight = -1 }} }}]\n\
             [checks.chosen]\n{}\
             [checks.own]\n{}\
             [checks.long]\n\
             module = \"dns\"\n\
             interval = \"1s\"\n\
             config = {{ name = \"long.example.com\", record-type = \"TXT\", server = \"{SECOND}\" }}\n\
             [checks.unknown]\n\
             module = \"dns\"\n\
             interval = \"1s\"\n\
             config = {{ name = \"nobody.example.com\", server = \"{SECOND}\" }}\n",
            config(&format!(
                ", server = \"{SECOND}\", expect = [\"192.0.2.80\"]"
            )),
            config(""),
        )),
    );
    daemon.wait_for_state(INSTANCE, State::Master);
    let status = wait_for_check(&daemon, "chosen", "passing", "gave 192.0.2.80");
    assert_eq!(
        status["checks"]["chosen"]["summary"],
        "A www.example.com at 192.0.2.2:53 gave 192.0.2.80"
    );
    wait_for_check(
        &daemon,
        "unknown",
        "failing",
        "A nobody.example.com at 192.0.2.2:53: there is no such name",
    );
    // Longer than a datagram of 512 bytes: the rest came over TCP.
    let status = wait_for_check(&daemon, "long", "passing", "gave \"xxx");
    assert_eq!(status["checks"]["long"]["facts"]["records"], "4");
    // Nobody needs the right to send echo requests here.
    assert!(!has_echo_socket(&daemon), "{daemon}");

    // The host's own server is read anew for each question.
    wait_for_check(&daemon, "own", "failing", "no answer within 700 ms");
    resolv_conf.write("nameserver 192.0.2.77\nnameserver 192.0.2.2\n");
    wait_for_check(
        &daemon,
        "own",
        "passing",
        "A www.example.com gave 192.0.2.80",
    );

    // It hangs.
    let mut server = server;
    server.signal(Signal::STOP).expect("it runs");
    wait_for_check(&daemon, "chosen", "failing", "no answer within 700 ms");
    // Its own weight, that of the name that never exists, and perhaps already that of the host's own server, which is the same.
    daemon.wait_for("the priority to be lower", |status| {
        let effective = status["instances"][INSTANCE]["priority"]["effective"].as_u64();
        matches!(effective, Some(78 | 79))
    });
    // It is gone.
    drop(server);
    wait_for_check(&daemon, "chosen", "failing", "no server listens there");
    // It says something else.
    let server = start_dnsmasq(&stage.second, "192.0.2.81");
    wait_for_check(
        &daemon,
        "chosen",
        "failing",
        "gave 192.0.2.81, but not 192.0.2.80",
    );
    drop(server);
    let _server = start_dnsmasq(&stage.second, "192.0.2.80");
    wait_for_check(&daemon, "chosen", "passing", "gave 192.0.2.80");
}

#[test]
fn a_neighbour_whose_cable_is_pulled_does_not_answer_in_either_family() {
    let stage = Stage::new().expect("the laboratory works");
    for (host, address) in [(&stage.first, "2001:db8::1"), (&stage.second, SECOND_V6)] {
        let address: IpAddr = address.parse().expect("it is one");
        host.add_address(INTERFACE, address, 64)
            .expect("the host has the interface");
    }
    let check = |name: &str, address: &str| {
        format!(
            "[checks.{name}]\nmodule = \"ping\"\ninterval = \"1s\"\n\
             config = {{ address = \"{address}\", interval = \"20ms\", timeout = \"500ms\" }}\n"
        )
    };
    let daemon = Daemon::start(
        &stage.first,
        "first",
        &cluster(&format!(
            "track = [{{ check = \"v4\", on-fail = {{ weight = -10 }} }}, {{ check = \"v6\", on-fail = {{ weight = -5 }} }}, \
             {{ check = \"away\", on-fail = {{ weight = -1 }} }}]\n{}{}{}",
            check("v4", &SECOND.to_string()),
            check("v6", SECOND_V6),
            check("away", "198.51.100.1"),
        )),
    );
    daemon.wait_for_state(INSTANCE, State::Master);
    for (check, address) in [("v4", SECOND.to_string()), ("v6", SECOND_V6.to_owned())] {
        let status = wait_for_check(
            &daemon,
            check,
            "passing",
            &format!("{address} answers after"),
        );
        let facts = &status["checks"][check]["facts"];
        assert_eq!(facts["loss-percent"], "0", "{status}");
        let trip: u64 = facts["round-trip-us"]
            .as_str()
            .and_then(|trip| trip.parse().ok())
            .expect("the round trip is a number");
        assert!((1..500_000).contains(&trip), "{trip}");
    }
    wait_for_check(&daemon, "away", "failing", "198.51.100.1: no route to it");
    let worker = daemon.pids().worker.expect("it runs");
    assert!(has_echo_socket(&daemon), "{daemon}");
    assert_eq!(capabilities(worker), [0, 0, 0]);

    stage.second_port.unplug().expect("it is plugged in");
    for (check, address) in [("v4", SECOND.to_string()), ("v6", SECOND_V6.to_owned())] {
        let silent = format!("{address} does not answer (3 echo requests)");
        wait_for_check(&daemon, check, "failing", &silent);
    }
    daemon.wait_for("the priority to be lower", |status| {
        status["instances"][INSTANCE]["priority"]["effective"] == 84
    });
    stage.second_port.plug().expect("it was unplugged");
    for check in ["v4", "v6"] {
        wait_for_check(&daemon, check, "passing", "answers after");
    }
    // A worker that takes the place of another one opens its sockets again.
    e2e::daemon::kill(worker, Signal::KILL);
    let other = daemon.wait_for_pids("another worker", |pids| {
        pids.worker.is_some_and(|other| other != worker)
    });
    let runs = |status: &Value| status["checks"]["v4"]["runs"].as_u64();
    let before = runs(&daemon.status().expect("the daemon answers"));
    daemon.wait_for("another worker to ping", |status| {
        runs(status) > before && status["checks"]["v4"]["verdict"] == "passing"
    });
    assert_eq!(capabilities(other.worker.expect("it runs")), [0, 0, 0]);
}

#[test]
fn a_web_service_that_is_busy_is_told_again_and_one_that_refuses_is_not() {
    const SECRET: &str = "correct horse battery staple";
    let stage = Stage::new().expect("the laboratory works");
    let service = WebService::start(&stage.first, |request, earlier| {
        match request.path.as_str() {
            "/failover" if earlier < 2 => 503,
            "/failover" => 200,
            _ => 404,
        }
    });
    let daemon = Daemon::start(
        &stage.first,
        "first",
        &cluster(&format!(
            "notify = [{{ on = \"master\", hook = \"failover\" }}, {{ on = \"master\", hook = \"assign\" }}]\n\
             [hooks.failover]\n\
             module = \"webhook\"\n\
             config = {{ url = \"{url}/failover\", secret = \"{SECRET}\" }}\n\
             [hooks.assign]\n\
             module = \"webhook\"\n\
             [hooks.assign.config]\n\
             url = \"{url}/gone\"\n\
             method = \"PUT\"\n\
             headers = {{ authorization = \"Bearer token\" }}\n\
             body = '{{ \"server\": \"{{instance}}\", \"is\": \"{{state}}\" }}'\n",
            url = service.url,
        )),
    );
    daemon.wait_for_state(INSTANCE, State::Master);

    let told: Vec<_> = (0..3).map(|_| service.next()).collect();
    for request in &told {
        assert_eq!(request.method, "POST");
        assert_eq!(request.path, "/failover");
        let code = hmac_sha256::HMAC::mac(&request.body, SECRET);
        let digits: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            request.header("x-vrrp-host-signature"),
            format!("sha256={digits}")
        );
        assert_eq!(request.header("content-type"), "application/json");
    }
    // The same transition each time, and it says so.
    assert_eq!(told[0].body, told[1].body);
    assert_eq!(told[0].body, told[2].body);
    let key = told[0].header("idempotency-key");
    assert!(key.starts_with("VI_1-"), "{key}");
    assert!(
        told.iter()
            .all(|request| request.header("idempotency-key") == key)
    );
    let said: Value = serde_json::from_slice(&told[0].body).expect("it is JSON");
    assert_eq!(said["instance"], INSTANCE);
    assert_eq!(said["state"], "MASTER");
    assert_eq!(said["before"], "BACKUP");
    assert_eq!(said["interface"], INTERFACE);
    assert_eq!(said["addresses"], json!([SHARED.to_string()]));

    let refused = service.next();
    assert_eq!(refused.method, "PUT");
    assert_eq!(refused.path, "/gone");
    assert_eq!(refused.header("authorization"), "Bearer token");
    assert_eq!(refused.body, br#"{ "server": "VI_1", "is": "MASTER" }"#);
    let failed = format!(
        "VI_1: hook assign failed: PUT {}/gone gave 404",
        service.url
    );
    daemon
        .process
        .wait_for_log(LIMIT, &failed)
        .expect("it is told");
    let log = daemon.process.log();
    let again = format!(
        "VI_1: hook failover again in 250ms: POST {}/failover gave 503",
        service.url
    );
    assert!(log.contains(&again), "{log}");
    assert!(log.contains("VI_1: hook failover done"), "{log}");
    // Neither is repeated any more; another attempt would come after a quarter of a second.
    service.assert_quiet_for(Duration::from_millis(600));
    assert!(!log.contains(SECRET), "{log}");
}

/// Waits until a check has a verdict whose summary contains a text, and returns the status.
fn wait_for_check(daemon: &Daemon, check: &str, verdict: &str, text: &str) -> Value {
    daemon.wait_for(&format!("{check} to be {verdict}: {text}"), |status| {
        let check = &status["checks"][check];
        let summary = check["summary"].as_str().unwrap_or_default();
        check["verdict"] == verdict && summary.contains(text)
    })
}

/// A server of DNS on a host, which knows one name, and a text that no datagram of 512 bytes holds.
fn start_dnsmasq(host: &Netns, address: &str) -> Process {
    let text = "x".repeat(200);
    let texts = format!("--txt-record=long.example.com,{text}");
    let texts: Vec<_> = (0..4).map(|number| format!("{texts},{number}")).collect();
    let record = format!("--host-record=www.example.com,{address}");
    let listen = format!("--listen-address={SECOND}");
    let mut argv = vec![
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--log-facility=-",
        "--pid-file=",
        "--user=root",
        "--no-resolv",
        "--no-hosts",
        "--bind-interfaces",
        "--local=/example.com/",
        &listen,
        &record,
    ];
    argv.extend(texts.iter().map(String::as_str));
    let server = host.spawn(&argv).expect("dnsmasq is installed");
    server
        .wait_for_log(LIMIT, "started")
        .expect("dnsmasq starts");
    server
}

/// The `/etc/resolv.conf` of the programs that `ip netns exec` runs on a host. Dropping it removes it.
struct ResolvConf(PathBuf);

impl ResolvConf {
    fn new(host: &Netns, text: &str) -> Self {
        let folder = Path::new("/etc/netns").join(host.name());
        fs::create_dir_all(&folder).expect("root may write to /etc");
        let file = Self(folder.join("resolv.conf"));
        file.write(text);
        file
    }

    /// In place: a program that is running sees the file, not its name.
    fn write(&self, text: &str) {
        fs::write(&self.0, text).expect("root may write to /etc");
    }
}

impl Drop for ResolvConf {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
        for folder in self.0.ancestors().skip(1).take(2) {
            // The common one stays while another host has a file in it.
            _ = fs::remove_dir(folder);
        }
    }
}

/// Whether a process in the daemon's network namespace has a raw socket for ICMP.
fn has_echo_socket(daemon: &Daemon) -> bool {
    let supervisor = daemon.pids().supervisor.as_raw_pid();
    let sockets = fs::read_to_string(format!("/proc/{supervisor}/net/raw")).expect("it runs");
    // The protocol stands where other sockets have their port.
    let mut locals = sockets
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1));
    locals.any(|local| local.ends_with(":0001"))
}

/// What a process may do, could take back, and its children would have.
fn capabilities(pid: Pid) -> [u64; 3] {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_pid()));
    let status = status.expect("it runs");
    ["CapEff:", "CapPrm:", "CapInh:"].map(|title| {
        let line = status.lines().find_map(|line| line.strip_prefix(title));
        let set = line.expect("the kernel knows capabilities").trim();
        u64::from_str_radix(set, 16).expect("it is a number")
    })
}

/// A request that a web service got.
#[derive(Debug)]
struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, wanted: &str) -> &str {
        let mut headers = self.headers.iter();
        headers
            .find(|(name, _)| name == wanted)
            .map_or("", |(_, value)| value)
    }
}

/// A web service on the loopback of a host. It answers for as long as the test runs.
struct WebService {
    url: String,
    requests: Receiver<Request>,
}

/// The status that a request gets, by itself and how many there were for its path before.
type Manner = fn(&Request, usize) -> u16;

impl WebService {
    fn start(host: &Netns, manner: Manner) -> Self {
        let listener = inside(host, || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .expect("a host has a loopback");
        let address = listener.local_addr().expect("it is bound");
        let (sender, requests) = channel();
        // Ends with the test's process: nobody else is in the way of it.
        thread::spawn(move || serve(&listener, manner, &sender));
        Self {
            url: format!("http://{address}"),
            requests,
        }
    }

    fn next(&self) -> Request {
        self.requests
            .recv_timeout(LIMIT)
            .expect("a request comes in time")
    }

    fn assert_quiet_for(&self, time: Duration) {
        let next = self.requests.recv_timeout(time);
        assert!(matches!(next, Err(RecvTimeoutError::Timeout)), "{next:?}");
    }
}

fn serve(listener: &TcpListener, manner: Manner, requests: &Sender<Request>) {
    let mut paths = Vec::new();
    while let Ok((client, _)) = listener.accept() {
        let Ok(request) = read_request(&client) else {
            continue;
        };
        let earlier = paths.iter().filter(|path| **path == request.path).count();
        paths.push(request.path.clone());
        let status = manner(&request, earlier);
        let answer =
            format!("HTTP/1.1 {status} as told\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        // Told before it is answered, so that the order is that of the requests.
        if requests.send(request).is_err() || (&client).write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read_request(client: &TcpStream) -> io::Result<Request> {
    client.set_read_timeout(Some(LIMIT))?;
    let mut reader = BufReader::new(client);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next(), words.next());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(Request {
        method: method.unwrap_or_default(),
        path: path.unwrap_or_default(),
        headers,
        body,
    })
}
