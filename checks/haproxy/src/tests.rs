use vrrp_sdk::mock::{self, Server};

use super::*;

const SOCKET: &str = "/run/haproxy/admin.sock";
/// As HAProxy 2.6 writes it, with fewer columns.
const STAT: &str = "# pxname,svname,qcur,status,weight,last_chk,\n\
    web,FRONTEND,,OPEN,,,\n\
    app,app1,0,UP,1,\"L7OK, fine\",\n\
    app,app2,0,DOWN,1,,\n\
    app,app3,0,no check,1,,\n\
    app,app4,0,UP 1/3,1,,\n\
    app,app5,0,MAINT,1,,\n\
    app,BACKEND,0,UP,4,,\n\
    old,BACKEND,0,DOWN,0,,\n\
    \n";

fn config(more: &str) -> Result<Haproxy, Vec<String>> {
    let errors = |errors: Vec<vrrp_sdk::ConfigError>| {
        errors
            .into_iter()
            .map(|error| format!("{}: {}", error.pointer, error.message))
            .collect()
    };
    mock::configure(&format!(r#"{{ "address": "{SOCKET}"{more} }}"#)).map_err(errors)
}

fn run(answer: &str, more: &str) -> (Verdict, String) {
    let server = Server::new()
        .answers(b"show stat\n", answer.as_bytes())
        .answers(b"show info\n", answer.as_bytes())
        .closes();
    let host = mock::Host::new().serves(SOCKET, server);
    let check = config(more).unwrap();
    let observation = host.enter(|| check.run(&mock::run_context())).unwrap();
    (observation.verdict, observation.summary)
}

fn passing(summary: &str) -> (Verdict, String) {
    (Verdict::Passing, summary.to_owned())
}

fn failing(summary: &str) -> (Verdict, String) {
    (Verdict::Failing, summary.to_owned())
}

#[test]
fn what_is_named_has_to_be_up() {
    assert_eq!(
        run(STAT, r#", "frontend": "web""#),
        passing("frontend web is OPEN")
    );
    assert_eq!(
        run(STAT, r#", "backend": "app""#),
        passing("backend app is UP")
    );
    assert_eq!(
        run(STAT, r#", "backend": "old""#),
        failing("backend old is DOWN")
    );
    let both = r#", "frontend": "web", "backend": "app""#;
    assert_eq!(
        run(STAT, both),
        passing("frontend web is OPEN, backend app is UP")
    );
    for (server, status, verdict) in [
        ("app1", "UP", Verdict::Passing),
        ("app2", "DOWN", Verdict::Failing),
        ("app3", "no check", Verdict::Passing),
        ("app4", "UP 1/3", Verdict::Passing),
        ("app5", "MAINT", Verdict::Failing),
    ] {
        let more = format!(r#", "backend": "app", "server": "{server}""#);
        let summary = format!("server app/{server} is {status}");
        assert_eq!(run(STAT, &more), (verdict, summary));
    }
}

#[test]
fn what_haproxy_does_not_know_fails() {
    let unknown = failing("HAProxy knows no backend web");
    assert_eq!(run(STAT, r#", "backend": "web""#), unknown);
    let unknown = failing("HAProxy knows no server app/app9");
    assert_eq!(
        run(STAT, r#", "backend": "app", "server": "app9""#),
        unknown
    );
}

#[test]
fn with_nothing_named_haproxy_has_to_run() {
    let info = "Name: HAProxy\nVersion: 2.6.12-1\nUptime_sec: 7\n\n";
    assert_eq!(run(info, ""), passing("HAProxy 2.6.12-1 runs"));
}

#[test]
fn another_service_fails() {
    let other = failing("/run/haproxy/admin.sock answered \"Permission denied\"");
    assert_eq!(run("Permission denied\n\n", r#", "backend": "app""#), other);
    let nothing = failing("/run/haproxy/admin.sock answered nothing");
    assert_eq!(run("", ""), nothing);
}

#[test]
fn a_haproxy_that_is_gone_or_hangs_fails() {
    let check = config("").unwrap();
    let run = |host: mock::Host| host.enter(|| check.run(&mock::run_context())).unwrap();
    let gone = run(mock::Host::new());
    assert_eq!(gone.summary, "/run/haproxy/admin.sock: connection refused");
    let hangs = run(mock::Host::new().serves(SOCKET, Server::new()));
    assert_eq!(
        hangs.summary,
        "/run/haproxy/admin.sock: no answer within 800 ms"
    );
    assert_eq!(
        (gone.verdict, hangs.verdict),
        (Verdict::Failing, Verdict::Failing)
    );
}

#[test]
fn it_needs_its_socket() {
    assert_eq!(
        config("").unwrap().plan().needs,
        ["unix:/run/haproxy/admin.sock"]
    );
}

#[test]
fn config_errors_point_at_the_key() {
    for (more, error) in [
        (
            r#", "server": "app1""#,
            "/server: a server belongs to a backend: add backend",
        ),
        (
            r#", "backend": "a,b""#,
            "/backend: HAProxy has no such names: \"a,b\"",
        ),
        (
            r#", "timeout": "0s""#,
            "/timeout: no time at all: write \"800ms\"",
        ),
    ] {
        assert_eq!(config(more), Err(vec![error.to_owned()]), "{more}");
    }
}
