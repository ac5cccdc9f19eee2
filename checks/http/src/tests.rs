use std::time::Duration;

use vrrp_sdk::mock;

use super::*;

const URL: &str = "http://127.0.0.1:9100/metrics";

fn config(more: &str) -> Result<Http, Vec<String>> {
    let errors = |errors: Vec<vrrp_sdk::ConfigError>| {
        errors
            .into_iter()
            .map(|error| format!("{}: {}", error.pointer, error.message))
            .collect()
    };
    mock::configure(&format!(r#"{{ "url": "{URL}"{more} }}"#)).map_err(errors)
}

fn run(host: &mock::Host, more: &str) -> (Verdict, String) {
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
fn the_status_decides() {
    let gives = |status| mock::Host::new().responds(URL, status, "");
    let gave_200 = "GET http://127.0.0.1:9100/metrics gave 200";
    let gave_204 = "GET http://127.0.0.1:9100/metrics gave 204";
    let gave_503 = "GET http://127.0.0.1:9100/metrics gave 503";
    assert_eq!(run(&gives(200), ""), passing(gave_200));
    assert_eq!(run(&gives(204), ""), failing(gave_204));
    assert_eq!(run(&gives(503), ""), failing(gave_503));

    let expect = r#", "expect-status": [503, "2xx"]"#;
    assert_eq!(run(&gives(204), expect), passing(gave_204));
    assert_eq!(run(&gives(503), expect), passing(gave_503));
    assert_eq!(
        run(&gives(502), expect),
        failing("GET http://127.0.0.1:9100/metrics gave 502")
    );
}

#[test]
fn the_body_has_to_contain_the_text() {
    let expect = r#", "expect-body": "node_\"up\"" "#;
    let gives = |body: &str| mock::Host::new().responds(URL, 200, body);
    assert_eq!(
        run(&gives("# HELP node_\"up\" 1"), expect),
        passing("GET http://127.0.0.1:9100/metrics gave 200")
    );
    assert_eq!(
        run(&gives("nothing"), expect),
        failing(
            r#"GET http://127.0.0.1:9100/metrics gave 200, but the body does not contain "node_\"up\"""#
        )
    );
    let beyond = format!("{}node_\"up\"", " ".repeat(64 * 1024));
    assert_eq!(
        run(&gives(&beyond), expect),
        failing(
            r#"GET http://127.0.0.1:9100/metrics gave 200, but the first 64 KiB of the body does not contain "node_\"up\"""#
        )
    );
}

#[test]
fn a_service_that_cannot_be_reached_is_failing() {
    assert_eq!(
        run(&mock::Host::new(), ""),
        failing("GET http://127.0.0.1:9100/metrics: connection refused")
    );
    for (error, text) in [
        (
            http::Error::Timeout { timeout_ms: 0 },
            "no answer within 800 ms",
        ),
        (http::Error::Unreachable, "no route to it"),
        (http::Error::NameNotFound, "its name is unknown"),
        (
            http::Error::Tls("certificate expired".to_owned()),
            "TLS failed: certificate expired",
        ),
        (
            http::Error::Io("connection reset".to_owned()),
            "connection reset",
        ),
    ] {
        let host = mock::Host::new().http_fails(URL, error);
        assert_eq!(run(&host, ""), failing(&format!("GET {URL}: {text}")));
    }
}

#[test]
fn without_the_grant_there_is_no_verdict() {
    let host = mock::Host::new().denies(Need::http("GET", URL));
    let check = config("").unwrap();
    let outcome = host.enter(|| check.run(&mock::run_context()));
    assert_eq!(outcome, Err(CheckError::Denied(format!("http:GET {URL}"))));
}

#[test]
fn the_request_is_as_configured() {
    let check = config(
        r#", "method": "HEAD", "timeout": "5s", "follow-redirects": 2,
           "headers": { "x-probe": "yes" }"#,
    )
    .unwrap();
    let host = mock::Host::new().responds(URL, 200, "");
    host.enter(|| check.run(&mock::run_context())).unwrap();
    let expected = http::Request::new("HEAD", URL)
        // The run's deadline of 1 s, less the time to report.
        .timeout(Duration::from_millis(980))
        .follow_redirects(2)
        .header("x-probe", "yes");
    assert_eq!(host.requests(), [expected]);
}

#[test]
fn it_needs_the_url_without_its_query() {
    let check: Http =
        mock::configure(r#"{ "url": "https://h:8443/a/b?c=d", "method": "POST" }"#).unwrap();
    assert_eq!(check.plan().needs, ["http:POST https://h:8443/a/b"]);
}

#[test]
fn tls_is_as_configured_and_its_files_are_needs() {
    let config = r#"{ "url": "https://h/a", "tls": { "server-name": "app.lan", "ca-file": "/etc/own.pem",
        "client-certificate-file": "/etc/probe.pem", "client-key-file": "/etc/probe.key" } }"#;
    let check: Http = mock::configure(config).unwrap();
    assert_eq!(
        check.plan().needs,
        [
            "http:GET https://h/a",
            "read:/etc/own.pem",
            "read:/etc/probe.pem",
            "read:/etc/probe.key"
        ]
    );
    let host = mock::Host::new().responds("https://h/a", 200, "");
    host.enter(|| check.run(&mock::run_context())).unwrap();
    let expected = http::Request::new("GET", "https://h/a")
        .timeout(Duration::from_millis(800))
        .tls(&net::Tls {
            server_name: Some("app.lan".to_owned()),
            ca_file: Some("/etc/own.pem".to_owned()),
            client_certificate_file: Some("/etc/probe.pem".to_owned()),
            client_key_file: Some("/etc/probe.key".to_owned()),
            ..net::Tls::default()
        });
    assert_eq!(host.requests(), [expected]);

    let half = r#"{ "url": "https://h/a", "tls": { "client-key-file": "/etc/probe.key" } }"#;
    let errors = mock::configure::<Http>(half).unwrap_err();
    assert_eq!(errors[0].pointer, "/tls/client-key-file");
}

#[test]
fn a_file_that_cannot_be_used_is_no_verdict_on_the_service() {
    let why = "/etc/own.pem cannot be read: there is no such file";
    let host = mock::Host::new().http_fails(URL, http::Error::Unusable(why.to_owned()));
    let check = config("").unwrap();
    let outcome = host.enter(|| check.run(&mock::run_context()));
    assert_eq!(outcome, Err(CheckError::Unavailable(why.to_owned())));
}

#[test]
fn config_errors_point_at_the_key() {
    let status = "a status from 100 to 599 or a class such as \"2xx\"";
    for (more, error) in [
        (r#", "expect-status": [99]"#, format!("/expect-status/0: write {status}, not integer 99")),
        (r#", "expect-status": [200, "6xx"]"#, format!("/expect-status/1: write {status}, not string \"6xx\"")),
        (r#", "expect-status": 200"#, "/expect-status: write a list, not integer 200".to_owned()),
        (r#", "expect-status": []"#, "/expect-status: no answer could pass: write [200]".to_owned()),
        (r#", "method": "BREW""#, "/method: unknown value \"BREW\"; write one of \"GET\", \"HEAD\", \"OPTIONS\", \"POST\"".to_owned()),
        (r#", "method": "HEAD", "expect-body": "x""#, "/expect-body: the answer to HEAD has no body: write method = \"GET\"".to_owned()),
        (r#", "timeout": "0s""#, "/timeout: no time at all: write \"800ms\"".to_owned()),
        (r#", "tls": {}"#, "/tls: nothing is encrypted on the way to an http:// URL: write https://, or leave it out".to_owned()),
        (r#", "headers": { "a/b": "" }"#, "/headers/a~1b: not the name of a header: \"a/b\"".to_owned()),
        (r#", "headers": { "x": "a\nb" }"#, "/headers/x: a header cannot hold control characters".to_owned()),
        (r#", "headers": { "host": "h" }"#, "/headers/host: vrrp-host sets this header itself".to_owned()),
        (r#", "headers": { "x": 1 }"#, "/headers/x: write a string, not integer 1".to_owned()),
        (r#", "follow-redirects": 256"#, "/follow-redirects: write a whole number from 0 to 255, not integer 256".to_owned()),
    ] {
        assert_eq!(config(more), Err(vec![error]), "{more}");
    }
    let not_a_url = mock::configure::<Http>(r#"{ "url": "127.0.0.1:9100" }"#).unwrap_err();
    assert_eq!(not_a_url[0].pointer, "/url");
    assert_eq!(
        not_a_url[0].message,
        "not an http:// or https:// URL: 127.0.0.1:9100"
    );
}
