use std::time::Duration;

use vrrp_sdk::mock;

use super::*;

const URL: &str = "https://api.example.com/v1/failover";

fn config(more: &str) -> Result<Webhook, Vec<String>> {
    let errors = |errors: Vec<vrrp_sdk::ConfigError>| {
        errors
            .into_iter()
            .map(|error| format!("{}: {}", error.pointer, error.message))
            .collect()
    };
    mock::configure(&format!(r#"{{ "url": "{URL}"{more} }}"#)).map_err(errors)
}

fn transition() -> Transition {
    Transition {
        reason: "check \"web\" is down: 50% & more".to_owned(),
        sequence: 7,
        at_unix_ms: 1_700_000_000_123,
        addresses: vec!["192.0.2.100".to_owned(), "192.0.2.101".to_owned()],
        ..mock::transition(VrrpState::Backup, VrrpState::Master)
    }
}

fn notify(host: &mock::Host, more: &str) -> Result<(), HookError> {
    let hook = config(more).unwrap();
    host.enter(|| hook.notify(&transition()))
}

/// The only request that the hook sends.
fn sent(more: &str) -> http::Request {
    let host = mock::Host::new().responds(URL, 200, "");
    notify(&host, more).unwrap();
    let [request] = <[_; 1]>::try_from(host.requests()).unwrap();
    request
}

fn expected(method: &str) -> http::Request {
    http::Request::new(method, URL)
        .timeout(Duration::from_secs(5))
        .max_body(0)
        .header("idempotency-key", "VI_1-1700000000123-7")
}

#[test]
fn the_whole_transition_is_sent_as_json() {
    let body = r#"{"addresses":["192.0.2.100","192.0.2.101"],"at-unix-ms":1700000000123,"before":"BACKUP","instance":"VI_1","interface":"eth0","priority":100,"reason":"check \"web\" is down: 50% & more","sequence":7,"state":"MASTER","virtual-router-id":51}"#;
    let request = expected("POST")
        .header("content-type", "application/json")
        .body(body);
    assert_eq!(sent(""), request);
}

#[test]
fn a_template_is_filled_in_as_its_type_asks_for() {
    let template = r#""body": "{ \"server\": {}, \"to\": \"{instance}\", \"why\": \"{reason}\" }""#;
    let request = expected("PUT")
        .header("content-type", "application/json")
        .body(r#"{ "server": {}, "to": "VI_1", "why": "check \"web\" is down: 50% & more" }"#);
    assert_eq!(sent(&format!(r#", "method": "PUT", {template}"#)), request);

    let form = r#", "headers": { "Content-Type": "application/x-www-form-urlencoded" },
        "body": "state={state}&before={before}&why={reason}&ips={addresses}""#;
    let request = expected("POST")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("state=MASTER&before=BACKUP&why=check+%22web%22+is+down%3A+50%25+%26+more&ips=192.0.2.100%2C192.0.2.101");
    assert_eq!(sent(form), request);

    let plain = r#", "headers": { "content-type": "text/plain; charset=utf-8" },
        "body": "{interface} {virtual-router-id} {priority} {sequence} {at-unix-ms}: {reason}""#;
    let request = expected("POST")
        .header("content-type", "text/plain; charset=utf-8")
        .body("eth0 51 100 7 1700000000123: check \"web\" is down: 50% & more");
    assert_eq!(sent(plain), request);
}

#[test]
fn a_secret_signs_the_body() {
    // HMAC-SHA256 of RFC 4231, test case 2.
    let request = expected("POST")
        .header("content-type", "application/json")
        .header(
            "x-vrrp-host-signature",
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        )
        .body("what do ya want for nothing?");
    let more = r#", "secret": "Jefe", "body": "what do ya want for nothing?""#;
    assert_eq!(sent(more), request);
    let debug = format!("{:?}", config(more).unwrap());
    assert!(!debug.contains("Jefe"), "{debug}");
}

#[test]
fn only_what_may_pass_is_tried_again() {
    let gives = |status| notify(&mock::Host::new().responds(URL, status, "no"), "");
    for status in [200, 202, 204] {
        assert_eq!(gives(status), Ok(()), "{status}");
    }
    let gave = |status| format!("POST {URL} gave {status}");
    for status in [408, 425, 429, 500, 502, 503, 504] {
        assert_eq!(gives(status), Err(HookError::Retry(gave(status))));
    }
    for status in [301, 400, 401, 403, 404, 409, 422] {
        assert_eq!(gives(status), Err(HookError::Permanent(gave(status))));
    }

    let fails = |error| notify(&mock::Host::new().http_fails(URL, error), "");
    for (error, text) in [
        (
            http::Error::Timeout { timeout_ms: 0 },
            "no answer within 5000 ms",
        ),
        (http::Error::Refused, "connection refused"),
        (http::Error::Unreachable, "no route to it"),
        (http::Error::NameNotFound, "its name is unknown"),
        (http::Error::Io("reset".to_owned()), "reset"),
    ] {
        let retry = HookError::Retry(format!("POST {URL}: {text}"));
        assert_eq!(fails(error), Err(retry));
    }
    assert_eq!(
        fails(http::Error::Tls("unknown issuer".to_owned())),
        Err(HookError::Permanent(format!(
            "POST {URL}: TLS failed: unknown issuer"
        )))
    );
    assert_eq!(
        notify(&mock::Host::new().denies(Need::http("POST", URL)), ""),
        Err(HookError::Permanent(format!(
            "POST {URL}: not granted: http:POST {URL}"
        )))
    );
}

#[test]
fn it_needs_the_url() {
    let plan = config(r#", "method": "DELETE""#).unwrap().plan();
    assert_eq!(plan.needs, [format!("http:DELETE {URL}")]);
    let own = r#", "tls": { "ca-file": "/etc/own.pem" }"#;
    let plan = config(own).unwrap().plan();
    let url = format!("http:POST {URL}");
    assert_eq!(plan.needs, [url.as_str(), "read:/etc/own.pem"]);
    let request = expected("POST")
        .tls(&net::Tls {
            ca_file: Some("/etc/own.pem".to_owned()),
            ..net::Tls::default()
        })
        .header("content-type", "application/json");
    assert_eq!(sent(&format!("{own}, \"body\": \"\"")), request);
}

#[test]
fn config_errors_point_at_the_key() {
    let words = "{addresses}, {at-unix-ms}, {before}, {instance}, {interface}, {priority}, {reason}, {sequence}, {state}, {virtual-router-id}";
    for (more, error) in [
        (
            r#", "body": "{ \"to\": \"{node}\" }""#,
            format!("/body: nothing is called {{node}}: write one of {words}"),
        ),
        (
            r#", "secret": """#,
            "/secret: everybody knows this one: write what `openssl rand -hex 32` prints"
                .to_owned(),
        ),
        (
            r#", "tls": { "ca-file": "own.pem" }"#,
            "/tls/ca-file: write an absolute path, not \"own.pem\"".to_owned(),
        ),
        (
            r#", "timeout": "0s""#,
            "/timeout: no time at all: write \"5s\"".to_owned(),
        ),
        (
            r#", "method": "post""#,
            "/method: unknown value \"post\"; write one of \"DELETE\", \"GET\", \"PATCH\", \"POST\", \"PUT\""
                .to_owned(),
        ),
        (
            r#", "headers": { "a/b": "" }"#,
            "/headers/a~1b: not the name of a header: \"a/b\"".to_owned(),
        ),
        (
            r#", "headers": { "x": "a\nb" }"#,
            "/headers/x: a header cannot hold control characters".to_owned(),
        ),
        (
            r#", "headers": { "Host": "x" }"#,
            "/headers/Host: vrrp-host sets this header itself".to_owned(),
        ),
    ] {
        assert_eq!(config(more), Err(vec![error]), "{more}");
    }
}
