use vrrp_sdk::mock::{self, Server};

use super::*;

const ADDRESS: &str = "127.0.0.1:6379";
const DAY: Duration = Duration::from_secs(24 * 3600);

fn config(more: &str) -> Result<Tcp, Vec<String>> {
    let errors = |errors: Vec<vrrp_sdk::ConfigError>| {
        errors
            .into_iter()
            .map(|error| format!("{}: {}", error.pointer, error.message))
            .collect()
    };
    mock::configure(&format!(r#"{{ "address": "{ADDRESS}"{more} }}"#)).map_err(errors)
}

fn run(host: &mock::Host, more: &str) -> Result<(Verdict, String), CheckError> {
    let check = config(more).unwrap();
    let observation = host.enter(|| check.run(&mock::run_context()))?;
    Ok((observation.verdict, observation.summary))
}

fn serves(server: Server) -> mock::Host {
    mock::Host::new().serves(ADDRESS, server)
}

fn passing(summary: &str) -> Result<(Verdict, String), CheckError> {
    Ok((Verdict::Passing, summary.to_owned()))
}

fn failing(summary: &str) -> Result<(Verdict, String), CheckError> {
    Ok((Verdict::Failing, summary.to_owned()))
}

#[test]
fn a_service_that_accepts_connections_passes_and_one_that_is_gone_fails() {
    let accepts = "127.0.0.1:6379 accepts connections";
    assert_eq!(run(&serves(Server::new()), ""), passing(accepts));
    let refused = "127.0.0.1:6379: connection refused";
    assert_eq!(run(&mock::Host::new(), ""), failing(refused));
}

#[test]
fn the_answer_has_to_contain_what_is_expected() {
    let more = r#", "send": "PING\r\n", "expect": [43, 80]"#;
    let server = || Server::new().answers(b"PING\r\n", b"+PONG\r\n");
    let as_expected = "127.0.0.1:6379 answers as expected";
    assert_eq!(run(&serves(server()), more), passing(as_expected));

    let server = || Server::new().answers(b"PING\r\n", b"-NOAUTH\r\n");
    assert_eq!(
        run(&serves(server()), more),
        failing(r#"127.0.0.1:6379 answered "-NOAUTH\r\n": no answer within 800 ms"#)
    );
    assert_eq!(
        run(&serves(server().closes()), more),
        failing(r#"127.0.0.1:6379 answered "-NOAUTH\r\n": it closed the connection"#)
    );
    let silent = "127.0.0.1:6379: no answer within 800 ms";
    assert_eq!(run(&serves(Server::new()), more), failing(silent));
    let closes = "127.0.0.1:6379: it closed the connection";
    assert_eq!(run(&serves(Server::new().closes()), more), failing(closes));
    let (_, summary) = run(&serves(Server::new().says(&[b'x'; 100]).closes()), more).unwrap();
    assert!(
        summary.contains(&format!("{:?}…", "x".repeat(60))),
        "{summary}"
    );
}

#[test]
fn a_greeting_is_an_answer_too() {
    let host = serves(Server::new().says(b"220 mail.lan ESMTP\r\n"));
    let as_expected = "127.0.0.1:6379 answers as expected";
    assert_eq!(run(&host, r#", "expect": "220 ""#), passing(as_expected));
}

#[test]
fn the_end_of_the_certificate_is_told_before_it_comes() {
    let now = SystemTime::UNIX_EPOCH + DAY * 20_000;
    let run = |end| {
        let host = serves(Server::new().certificate_until(end)).now(now);
        run(&host, r#", "tls": true, "certificate-warning": "14d""#).unwrap()
    };
    let accepts = "127.0.0.1:6379 accepts connections";
    for (end, verdict, summary) in [
        (
            now + DAY * 14,
            Verdict::Passing,
            format!("{accepts}, its certificate ends in 14 days"),
        ),
        (
            now + DAY * 13,
            Verdict::Warning,
            format!("{accepts}, but its certificate ends in 13 days"),
        ),
        (
            now + DAY / 24,
            Verdict::Warning,
            format!("{accepts}, but its certificate ends in 1 hour"),
        ),
        (
            now - DAY,
            Verdict::Failing,
            "the certificate of 127.0.0.1:6379 ended 24 hours ago".to_owned(),
        ),
    ] {
        assert_eq!(run(end), (verdict, summary));
    }
}

#[test]
fn a_service_that_does_not_speak_tls_fails() {
    let summary = "127.0.0.1:6379: TLS failed: the server does not speak TLS";
    assert_eq!(
        run(&serves(Server::new()), r#", "tls": true"#),
        failing(summary)
    );
}

#[test]
fn what_is_wrong_on_this_side_is_no_verdict() {
    let denies = serves(Server::new()).denies(Need::tcp(ADDRESS));
    let denied = CheckError::Denied("tcp:127.0.0.1:6379".to_owned());
    assert_eq!(run(&denies, ""), Err(denied));
    let no_file = "/etc/own.pem cannot be read: No such file or directory";
    let unusable =
        mock::Host::new().connect_fails(ADDRESS, net::Error::Unusable(no_file.to_owned()));
    assert_eq!(
        run(&unusable, ""),
        Err(CheckError::Unavailable(no_file.to_owned()))
    );
}

#[test]
fn it_needs_its_address_and_its_files() {
    let tls = r#", "tls": { "ca-file": "/etc/ca.pem", "client-certificate-file": "/etc/c.pem", "client-key-file": "/etc/k.pem" }"#;
    assert_eq!(
        config(tls).unwrap().plan().needs,
        [
            "tcp:127.0.0.1:6379",
            "read:/etc/ca.pem",
            "read:/etc/c.pem",
            "read:/etc/k.pem"
        ]
    );
    let socket: Tcp = mock::configure(r#"{ "address": "/run/app.sock" }"#).unwrap();
    assert_eq!(socket.plan().needs, ["unix:/run/app.sock"]);
}

#[test]
fn config_errors_point_at_the_key() {
    let octets = r#"a text such as "PING\r\n" or a list of bytes such as [0x10, 0x00]"#;
    let tls = r#"true, false or a table such as { ca-file = "/etc/ssl/own.pem" }"#;
    for (more, error) in [
        (
            r#", "send": 1"#,
            format!("/send: write {octets}, not integer 1"),
        ),
        (
            r#", "send": [256]"#,
            "/send/0: write a whole number from 0 to 255, not integer 256".to_owned(),
        ),
        (
            r#", "expect": """#,
            "/expect: every answer contains nothing: leave it out".to_owned(),
        ),
        (
            r#", "tls": "yes""#,
            format!("/tls: write {tls}, not string \"yes\""),
        ),
        (
            r#", "tls": { "verfy": true }"#,
            "/tls/verfy: unknown key \"verfy\"; did you mean \"verify\"?".to_owned(),
        ),
        (
            r#", "tls": { "ca-file": "own.pem" }"#,
            "/tls/ca-file: write an absolute path, not \"own.pem\"".to_owned(),
        ),
        (
            r#", "tls": { "ca-file": "/a", "verify": false }"#,
            "/tls/ca-file: nothing is verified: leave it out, or remove verify = false".to_owned(),
        ),
        (
            r#", "tls": { "client-key-file": "/a" }"#,
            "/tls/client-key-file: its certificate is missing: add client-certificate-file"
                .to_owned(),
        ),
        (
            r#", "certificate-warning": "14d""#,
            "/certificate-warning: there is no certificate: add tls = true".to_owned(),
        ),
        (
            r#", "timeout": "0s""#,
            "/timeout: no time at all: write \"800ms\"".to_owned(),
        ),
    ] {
        assert_eq!(config(more), Err(vec![error]), "{more}");
    }
    for (json, error) in [
        (
            r#"{ "address": "localhost" }"#,
            r#"/address: not an address such as "127.0.0.1:80" or "/run/service.sock": "localhost""#,
        ),
        (
            r#"{ "address": "/run/a.sock", "tls": true }"#,
            "/tls: a path is no name in a certificate: add server-name",
        ),
    ] {
        let errors = mock::configure::<Tcp>(json).unwrap_err();
        assert_eq!(
            format!("{}: {}", errors[0].pointer, errors[0].message),
            error
        );
    }
}
