//! The status page and who may see it: with a real browser, and with what is no browser.

#![expect(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use e2e::browser::{Browser, Look};
use e2e::daemon::{Daemon, LIMIT};
use e2e::http::get;
use e2e::inside::inside;
use e2e::path::utf8;
use e2e::stage::{INSTANCE, Stage, cluster};
use lab::scenario::State;
use lab::wait_until;
use serde_json::Value;
use tempfile::TempDir;

const PRIORITIES: &str = "priority = { first = 200, second = 100 }";
const LOCAL: &str = "[http]\nlisten = \"127.0.0.1:9650\"\n";
const PAGE: &str = "http://127.0.0.1:9650/";
const TOKEN: &str = "0c0ffee0c0ffee0c0ffee0c0ffee0c0f";
/// What a check says that wants to be more than text.
const HOSTILE: &str =
    "<script>window.owned = true</script><img src=x onerror='window.owned = true'>";

/// Files that checks look at.
struct Props {
    folder: TempDir,
}

impl Props {
    fn new() -> Self {
        let folder = TempDir::with_prefix("page-").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn write(&self, name: &str, mode: u32, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

/// A cluster with a check that fails when `gate` is gone, and one that says [`HOSTILE`].
fn with_checks(gate: &Path, hostile: &Path) -> String {
    let base = cluster(PRIORITIES);
    let checks = format!(
        "[checks.gate]\nmodule = \"file\"\ninterval = \"1s\"\nfall = 1\nconfig = {{ path = \"{}\" }}\n\
         [checks.hostile]\nmodule = \"exec\"\ninterval = \"1s\"\nfall = 1\nconfig = {{ command = \"{}\" }}\n\
         [[instances.{INSTANCE}.track]]\ncheck = \"gate\"\n\
         [[instances.{INSTANCE}.track]]\ncheck = \"hostile\"\non-fail = {{ weight = -10 }}\n\
         [hooks.tell]\nmodule = \"exec\"\nconfig = {{ command = \"/bin/true\", notify-args = false }}\n\
         [[instances.{INSTANCE}.notify]]\non = [\"master\", \"fault\"]\nhook = \"tell\"\n",
        utf8(gate),
        utf8(hostile)
    );
    format!("{base}\n{checks}\n{LOCAL}")
}

/// A MASTER with both checks, and the gate that keeps one of them up.
fn start_with_checks(stage: &Stage, props: &Props) -> (PathBuf, Daemon) {
    let gate = props.write("gate", 0o644, "open");
    let hostile = props.write(
        "hostile",
        0o755,
        &format!("#!/bin/sh\necho \"{HOSTILE}\"\nexit 1\n"),
    );
    let daemon = Daemon::start(&stage.first, "first", &with_checks(&gate, &hostile));
    daemon.wait_for_state(INSTANCE, State::Master);
    (gate, daemon)
}

fn is_up(stage: &Stage) {
    wait_until(LIMIT, "an answer over HTTP", || {
        get(&stage.first, &format!("{PAGE}healthz"), &[]).map(|_| ())
    })
    .unwrap();
}

#[test]
fn a_fault_is_seen_with_its_reason_and_without_a_reload() {
    let stage = Stage::new().unwrap();
    let props = Props::new();
    let (gate, _daemon) = start_with_checks(&stage, &props);
    let look = Look {
        width: 1280,
        height: 1500,
        dark: false,
    };
    let browser = Browser::start(&stage.first, look);
    browser.open(PAGE);
    let badge = |state: &str| {
        format!("return document.querySelector('#instances .badge')?.textContent === '{state}'")
    };
    browser.wait_until("MASTER", &badge("MASTER"));
    browser.wait_until(
        "the check that is down",
        "return [...document.querySelectorAll('#checks tr')].some((row) => row.textContent.startsWith('hostile') && row.textContent.includes('failing'))",
    );
    let _ = browser.run("window.untouched = true");

    fs::remove_file(&gate).unwrap();
    browser.wait_until("FAULT", &badge("FAULT"));
    browser.wait_until(
        "the reason",
        "return document.querySelector('#instances .reason').textContent.includes('check gate is down')",
    );
    browser.wait_until(
        "the transition in the list",
        "return [...document.querySelectorAll('#entries tr')].some((row) => /MASTER → FAULT/.test(row.textContent) && row.textContent.includes('check gate is down'))",
    );
    browser.wait_until(
        "the transition in the picture",
        "return [...document.querySelectorAll('#picture rect.bad title')].some((title) => title.textContent.includes('FAULT: check gate is down'))",
    );
    assert_eq!(
        browser.run("return window.untouched"),
        true,
        "it was loaded again"
    );

    // What a module says is text.
    let shown = browser.run(
        "return [...document.querySelectorAll('#checks .reason')].map((cell) => cell.textContent)",
    );
    let shown: Vec<&str> = shown
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        shown
            .iter()
            .any(|text| text.contains("<script>window.owned")),
        "{shown:?}"
    );
    let foreign = browser.run(
        "return document.querySelectorAll('main script, main img').length + (window.owned ? 1 : 0)",
    );
    assert_eq!(foreign, 0);
    // Everything it uses comes from here, and its style is in force.
    let elsewhere = browser.run(
        "return performance.getEntriesByType('resource').map((entry) => entry.name).filter((name) => !name.startsWith(location.origin + '/') && !name.startsWith('data:'))",
    );
    assert_eq!(elsewhere, serde_json::json!([]));
    let rules = browser.run("return document.styleSheets[0].cssRules.length");
    assert!(rules.as_u64().unwrap() > 10, "{rules}");

    fs::write(&gate, "open").unwrap();
    browser.wait_until("MASTER again", &badge("MASTER"));
    keep("status-page.png", &browser.picture());
}

/// On a narrow and dark screen nothing is cut off.
#[test]
fn it_fits_a_phone() {
    let stage = Stage::new().unwrap();
    let props = Props::new();
    let (_, _daemon) = start_with_checks(&stage, &props);
    let look = Look {
        width: 500,
        height: 1700,
        dark: true,
    };
    let browser = Browser::start(&stage.first, look);
    browser.open(PAGE);
    browser.wait_until(
        "the checks",
        "return document.querySelectorAll('#checks tr').length === 2 && document.querySelector('#picture svg') !== null",
    );
    assert_eq!(
        browser.run("return matchMedia('(prefers-color-scheme: dark)').matches"),
        true
    );
    let too_wide = browser.run("return document.documentElement.scrollWidth - innerWidth");
    assert!(too_wide.as_i64().unwrap() <= 0, "{too_wide}");
    let background = browser.run("return getComputedStyle(document.body).backgroundColor");
    assert_eq!(background, "rgb(18, 22, 28)");
    keep("status-page-phone.png", &browser.picture());
}

/// Pictures are looked at by people: where Cargo has tests put their files.
fn keep(name: &str, picture: &[u8]) {
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), picture).unwrap();
}

#[test]
fn it_shows_itself_to_those_who_know_the_token() {
    let stage = Stage::new().unwrap();
    let props = Props::new();
    let token = props.write("http.token", 0o600, &format!("{TOKEN}\n"));
    let http = format!(
        "[http]\nlisten = \"0.0.0.0:9650\"\ntoken-file = \"{}\"\n",
        utf8(&token)
    );
    let daemon = Daemon::start(
        &stage.first,
        "first",
        &format!("{}\n{http}", cluster(PRIORITIES)),
    );
    daemon.wait_for_state(INSTANCE, State::Master);
    let ask = |path: &str, arguments: &[&str]| {
        get(
            &stage.second,
            &format!("http://192.0.2.1:9650{path}"),
            arguments,
        )
        .unwrap()
    };
    for path in [
        "/",
        "/page.js",
        "/metrics",
        "/status.json",
        "/events",
        "/nothing",
    ] {
        let refused = ask(path, &[]);
        assert_eq!(refused.status, 401, "{path}: {refused:?}");
        assert!(refused.body.contains("token-file"), "{refused:?}");
        let challenge = refused
            .headers
            .iter()
            .find(|line| line.starts_with("www-authenticate:"));
        assert!(challenge.unwrap().contains("basic realm="), "{refused:?}");
    }
    assert_eq!(ask("/healthz", &[]).body, "ok\n");
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let metrics = ask("/metrics", &["--header", &bearer]);
    assert!(metrics.body.contains("vrrp_host_build_info"), "{metrics:?}");
    let status = ask("/status.json", &["--user", &format!("anybody:{TOKEN}")]);
    let status: Value = serde_json::from_str(&status.body).unwrap();
    assert_eq!(status["instances"][INSTANCE]["state"], "MASTER", "{status}");
    let wrong = bearer.replace("0c0ffee", "0c0ffe3");
    assert_eq!(ask("/metrics", &["--header", &wrong]).status, 401);
    // Another token, and who has the old one is out.
    let other = TOKEN.replace("0c0ffee", "7ea7ea7");
    props.write("http.token", 0o600, &other);
    let output = daemon.ask(&["reload"]);
    assert!(output.status.success(), "{output:?}\n{daemon}");
    wait_until(LIMIT, "the old token to be refused", || {
        match ask("/metrics", &["--header", &bearer]).status {
            401 => Ok(()),
            status => Err(status.to_string()),
        }
    })
    .unwrap();
    let user = format!("anybody:{other}");
    assert_eq!(ask("/metrics", &["--user", &user]).status, 200);
    // A browser asks once, and then knows it for what the page needs.
    let look = Look {
        width: 1000,
        height: 800,
        dark: false,
    };
    let browser = Browser::start(&stage.second, look);
    browser.open(&format!("http://{user}@192.0.2.1:9650/"));
    browser.wait_until(
        "the page behind the token",
        "return document.querySelector('#instances .badge')?.textContent === 'MASTER'",
    );
}

#[test]
fn it_only_shows() {
    let stage = Stage::new().unwrap();
    let daemon = Daemon::start(
        &stage.first,
        "first",
        &format!("{}\n{LOCAL}", cluster(PRIORITIES)),
    );
    daemon.wait_for_state(INSTANCE, State::Master);
    is_up(&stage);
    let ask = |path: &str, arguments: &[&str]| {
        get(&stage.first, &format!("{PAGE}{path}"), arguments).unwrap()
    };
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let refused = ask("", &["--request", method]);
        assert_eq!(refused.status, 405, "{refused:?}");
        assert!(refused.has_header("allow: get, head"), "{refused:?}");
    }
    assert_eq!(ask("../etc/passwd", &["--path-as-is"]).status, 404);
    let head = ask("", &["--head"]);
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let page = ask("", &[]);
    let policy = page
        .headers
        .iter()
        .find(|line| line.starts_with("content-security-policy:"));
    assert!(policy.unwrap().contains("default-src 'none'"), "{page:?}");
    // A page of somebody else has the browser of this host look here under its own name.
    let foreign = ask("status.json", &["--header", "Host: evil.example"]);
    assert_eq!(foreign.status, 421, "{foreign:?}");
    assert!(foreign.body.contains("localhost"), "{foreign:?}");
    // What it shows is what the status says.
    let shown: Value = serde_json::from_str(&ask("status.json", &[]).body).unwrap();
    let said = daemon.status().unwrap();
    assert_eq!(shown["node"], said["node"]);
    assert_eq!(shown["processes"], said["processes"]);
    assert_eq!(
        shown["instances"][INSTANCE]["since"],
        said["instances"][INSTANCE]["since"]
    );
}

/// Whoever connects and says nothing has to leave in the end; the daemon does not notice.
#[test]
fn idle_clients_neither_stop_the_daemon_nor_the_page() {
    let stage = Stage::new().unwrap();
    let daemon = Daemon::start(
        &stage.first,
        "first",
        &format!("{}\n{LOCAL}", cluster(PRIORITIES)),
    );
    daemon.wait_for_state(INSTANCE, State::Master);
    is_up(&stage);
    let address = SocketAddr::from(([127, 0, 0, 1], 9650));
    let mut idle: Vec<TcpStream> = inside(&stage.first, || {
        let connect = |_| TcpStream::connect(address).unwrap();
        (0..80).map(connect).collect()
    });
    daemon.wait_for_advertisements(INSTANCE, 5);
    // Behind so many, an answer takes until the first of them had their time.
    wait_until(LIMIT * 2, "an answer behind those who say nothing", || {
        get(&stage.first, &format!("{PAGE}healthz"), &[]).map(|_| ())
    })
    .unwrap();
    let first = &mut idle[0];
    first.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(first.read(&mut [0; 64]).unwrap(), 0, "it was left alone");
}

#[test]
fn a_port_that_somebody_has_is_told_before_anything_starts() {
    let stage = Stage::new().unwrap();
    let _taken = inside(&stage.first, || {
        TcpListener::bind("127.0.0.1:9650").unwrap()
    });
    let mut daemon = Daemon::start(
        &stage.first,
        "first",
        &format!("{}\n{LOCAL}", cluster(PRIORITIES)),
    );
    let ended = daemon.process.wait(LIMIT).unwrap();
    let log = daemon.process.log();
    assert_eq!(ended.code(), Some(75), "{log}");
    let us = format!(
        "has the port (process {}): end it, or write another port",
        std::process::id()
    );
    for text in ["cannot listen at 127.0.0.1:9650", "cluster.toml:", &us] {
        assert!(log.contains(text), "{text:?} is missing in {log}");
    }
    // Neither a child nor the log of the daemon itself.
    assert!(!log.contains("INFO"), "{log}");
}

#[test]
fn a_reload_moves_it() {
    let stage = Stage::new().unwrap();
    let base = cluster(PRIORITIES);
    let daemon = Daemon::start(&stage.first, "first", &format!("{base}\n{LOCAL}"));
    daemon.wait_for_state(INSTANCE, State::Master);
    is_up(&stage);
    let answers = |port: u16| {
        let url = format!("http://127.0.0.1:{port}/healthz");
        get(&stage.first, &url, &[]).is_ok_and(|answer| answer.body == "ok\n")
    };
    let reload = |file: &str| {
        daemon.rewrite(file);
        daemon.ask(&["reload"])
    };
    let wait_for = |what: &str, holds: &dyn Fn() -> bool| {
        let check = || {
            if holds() {
                Ok(())
            } else {
                Err("not yet".to_owned())
            }
        };
        wait_until(LIMIT, what, check).unwrap_or_else(|error| panic!("{error}\n{daemon}"));
    };

    let moved = format!("{base}\n{}", LOCAL.replace("9650", "9651"));
    let output = reload(&moved);
    assert!(output.status.success(), "{output:?}\n{daemon}");
    wait_for("the new port", &|| answers(9651) && !answers(9650));

    // Nothing changes when the next one is not to be had.
    let _taken = inside(&stage.first, || {
        TcpListener::bind("127.0.0.1:9652").unwrap()
    });
    let output = reload(&moved.replace("9651", "9652"));
    assert!(!output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot listen at 127.0.0.1:9652"), "{said}");
    assert!(answers(9651), "{daemon}");

    let output = reload(&base);
    assert!(output.status.success(), "{output:?}\n{daemon}");
    wait_for("no port", &|| !answers(9651));
    let output = reload(&format!("{base}\n{LOCAL}"));
    assert!(output.status.success(), "{output:?}\n{daemon}");
    wait_for("the port", &|| answers(9650));
    assert_eq!(daemon.state(INSTANCE), Ok(State::Master));
}
