use std::time::Duration;

use vrrp_sdk::mock;

use super::*;

const NAME: &str = "www.example.com";

fn config(more: &str) -> Result<Dns, Vec<String>> {
    configure(&format!(r#"{{ "name": "{NAME}"{more} }}"#))
}

fn configure(json: &str) -> Result<Dns, Vec<String>> {
    let errors = |errors: Vec<vrrp_sdk::ConfigError>| {
        errors
            .into_iter()
            .map(|error| format!("{}: {}", error.pointer, error.message))
            .collect()
    };
    mock::configure(json).map_err(errors)
}

#[track_caller]
fn check(host: &mock::Host, more: &str, verdict: Verdict, summary: &str) {
    let check = config(more).unwrap();
    let observation = host.enter(|| check.run(&mock::run_context())).unwrap();
    assert_eq!(
        (observation.verdict, observation.summary.as_str()),
        (verdict, summary)
    );
}

#[test]
fn any_record_will_do_when_none_is_expected() {
    let host = mock::Host::new().resolves(NAME, RecordType::A, &["192.0.2.1", "192.0.2.2"]);
    check(
        &host,
        "",
        Verdict::Passing,
        "A www.example.com gave 192.0.2.1, 192.0.2.2",
    );
    let host = mock::Host::new().resolves(NAME, RecordType::A, &[]);
    check(
        &host,
        "",
        Verdict::Failing,
        "A www.example.com: the name has no such record",
    );
}

#[test]
fn what_is_expected_has_to_be_among_the_records() {
    let host = mock::Host::new()
        .resolves(NAME, RecordType::A, &["192.0.2.1", "192.0.2.2"])
        .resolves(NAME, RecordType::Aaaa, &["2001:db8::1"])
        .resolves(NAME, RecordType::Mx, &["10 Mail.example.com."])
        .resolves(NAME, RecordType::Txt, &["\"Up\""]);
    check(
        &host,
        r#", "expect": ["192.0.2.2"]"#,
        Verdict::Passing,
        "A www.example.com gave 192.0.2.1, 192.0.2.2",
    );
    check(
        &host,
        r#", "expect": ["192.0.2.2", "192.0.2.3", "192.0.2.4"]"#,
        Verdict::Failing,
        "A www.example.com gave 192.0.2.1, 192.0.2.2, but not 192.0.2.3, 192.0.2.4",
    );
    check(
        &host,
        r#", "record-type": "AAAA", "expect": ["2001:DB8:0::1"]"#,
        Verdict::Passing,
        "AAAA www.example.com gave 2001:db8::1",
    );
    check(
        &host,
        r#", "record-type": "MX", "expect": ["10 mail.example.com"]"#,
        Verdict::Passing,
        "MX www.example.com gave 10 Mail.example.com.",
    );
    check(
        &host,
        r#", "record-type": "TXT", "expect": ["\"up\""]"#,
        Verdict::Failing,
        "TXT www.example.com gave \"Up\", but not \"up\"",
    );
}

#[test]
fn a_server_that_does_not_answer_is_failing() {
    for (error, text) in [
        (
            dns::Error::Timeout { timeout_ms: 0 },
            "no answer within 800 ms",
        ),
        (dns::Error::Refused, "no server listens there"),
        (dns::Error::Unreachable, "no route to the server"),
        (dns::Error::NameNotFound, "there is no such name"),
        (
            dns::Error::Io("192.0.2.53:53 answered SERVFAIL".to_owned()),
            "192.0.2.53:53 answered SERVFAIL",
        ),
    ] {
        let host = mock::Host::new().dns_fails(NAME, RecordType::A, error);
        check(
            &host,
            r#", "server": "192.0.2.53""#,
            Verdict::Failing,
            &format!("A www.example.com at 192.0.2.53:53: {text}"),
        );
    }
}

#[test]
fn a_chosen_server_is_a_need_of_its_own() {
    let server = r#", "server": "2001:db8::53""#;
    assert_eq!(config("").unwrap().plan().needs, ["dns:www.example.com"]);
    assert_eq!(
        config(server).unwrap().plan().needs,
        ["dns:www.example.com", "udp:[2001:db8::53]:53"]
    );
    let host = mock::Host::new().denies(Need::from_words("udp:[2001:db8::53]:53"));
    let outcome = host.enter(|| config(server).unwrap().run(&mock::run_context()));
    assert_eq!(
        outcome,
        Err(CheckError::Denied(
            "dns:www.example.com and udp:[2001:db8::53]:53".to_owned()
        ))
    );
}

#[test]
fn the_question_is_as_configured() {
    let check = config(r#", "record-type": "SRV", "server": "192.0.2.53:5353", "timeout": "5s""#);
    let host = mock::Host::new();
    host.enter(|| check.unwrap().run(&mock::run_context()))
        .unwrap();
    let expected = Query::new(NAME, RecordType::Srv)
        .server(([192, 0, 2, 53], 5353).into())
        // The run's deadline of 1 s, less the time to report.
        .timeout(Duration::from_millis(980));
    assert_eq!(host.queries(), [expected]);
}

#[test]
fn the_name_of_an_address_is_asked_for_where_it_is() {
    for (address, name) in [
        ("192.0.2.80", "80.2.0.192.in-addr.arpa"),
        (
            "2001:db8::f1",
            "1.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        ),
    ] {
        let json = format!(r#"{{ "name": "{address}", "record-type": "PTR" }}"#);
        assert_eq!(
            configure(&json).unwrap().plan().needs,
            [format!("dns:{name}")]
        );
    }
}

#[test]
fn config_errors_point_at_the_key() {
    for (more, error) in [
        (
            r#", "record-type": "a""#,
            "/record-type: unknown value \"a\"; did you mean \"A\"?",
        ),
        (
            r#", "server": "ns1""#,
            "/server: not the address of a server: \"ns1\"; write \"192.0.2.53\" or \"[2001:db8::53]:5353\"",
        ),
        (
            r#", "server": "192.0.2.53:0""#,
            "/server: not the address of a server: \"192.0.2.53:0\"; write \"192.0.2.53\" or \"[2001:db8::53]:5353\"",
        ),
        (
            r#", "expect": ["192.0.2.1", "2001:db8::1"]"#,
            "/expect/1: no A record is \"2001:db8::1\": write \"192.0.2.80\"",
        ),
        (
            r#", "record-type": "AAAA", "expect": ["192.0.2.1"]"#,
            "/expect/0: no AAAA record is \"192.0.2.1\": write \"2001:db8::80\"",
        ),
        (
            r#", "record-type": "TXT", "expect": ["up"]"#,
            "/expect/0: a text stands in quotation marks here too: write '\"up\"'",
        ),
        (
            r#", "record-type": "MX", "expect": [""]"#,
            "/expect/0: no record is empty",
        ),
        (
            r#", "timeout": "0s""#,
            "/timeout: no time at all: write \"800ms\"",
        ),
    ] {
        assert_eq!(config(more), Err(vec![error.to_owned()]), "{more}");
    }
    for (name, error) in [
        ("", "write a name, such as \"www.example.com\""),
        ("a..b", "not a name in DNS: \"a..b\""),
        ("a b", "not a name in DNS: \"a b\""),
        (
            "bücher.example",
            "not a name in DNS: \"bücher.example\"; write it as it is sent, \"xn--...\"",
        ),
        (
            "192.0.2.1",
            "192.0.2.1 is an address: write a name, or record-type = \"PTR\"",
        ),
    ] {
        let json = format!(r#"{{ "name": "{name}" }}"#);
        assert_eq!(configure(&json), Err(vec![format!("/name: {error}")]));
    }
}
