use vrrp_sdk::mock;

use super::*;

const GATEWAY: &str = "192.0.2.254";

fn config(more: &str) -> Result<Ping, Vec<String>> {
    configure(&format!(r#"{{ "address": "{GATEWAY}"{more} }}"#))
}

fn configure(json: &str) -> Result<Ping, Vec<String>> {
    let errors = |errors: Vec<vrrp_sdk::ConfigError>| {
        errors
            .into_iter()
            .map(|error| format!("{}: {}", error.pointer, error.message))
            .collect()
    };
    mock::configure(json).map_err(errors)
}

fn gateway() -> IpAddr {
    GATEWAY.parse().unwrap()
}

/// A host whose answers take these milliseconds; 0 is none.
fn answering(milliseconds: &[u64]) -> mock::Host {
    let trip = |&trip: &u64| (trip > 0).then(|| Duration::from_millis(trip));
    let trips: Vec<_> = milliseconds.iter().map(trip).collect();
    mock::Host::new().echoes(gateway(), &trips)
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
fn the_loss_decides() {
    check(
        &answering(&[1, 2, 6]),
        "",
        Verdict::Passing,
        "192.0.2.254 answers after 3.000 ms",
    );
    check(
        &answering(&[1, 0, 2]),
        "",
        Verdict::Warning,
        "192.0.2.254 answers after 1.500 ms, 1 of 3 echo requests without an answer",
    );
    let failing = "192.0.2.254: 2 of 3 echo requests without an answer, at most 50 %";
    check(&answering(&[0, 0, 2]), "", Verdict::Failing, failing);
    check(
        &answering(&[0, 0, 2]),
        r#", "max-loss": 67"#,
        Verdict::Warning,
        "192.0.2.254 answers after 2.000 ms, 2 of 3 echo requests without an answer",
    );
    let failing = "192.0.2.254: 1 of 3 echo requests without an answer, at most 33 %";
    check(
        &answering(&[1, 0, 2]),
        r#", "max-loss": 33"#,
        Verdict::Failing,
        failing,
    );
    check(
        &mock::Host::new(),
        r#", "max-loss": 99"#,
        Verdict::Failing,
        "192.0.2.254 does not answer (3 echo requests)",
    );
    check(
        &mock::Host::new(),
        r#", "count": 1"#,
        Verdict::Failing,
        "192.0.2.254 does not answer (1 echo request)",
    );
}

#[test]
fn the_round_trip_decides() {
    let limits = r#", "warn-round-trip": "5ms", "max-round-trip": "20ms""#;
    check(
        &answering(&[5, 5, 5]),
        limits,
        Verdict::Passing,
        "192.0.2.254 answers after 5.000 ms",
    );
    check(
        &answering(&[1, 1, 28]),
        limits,
        Verdict::Warning,
        "192.0.2.254 answers after 10.000 ms, longer than 5ms",
    );
    check(
        &answering(&[30, 30, 30]),
        limits,
        Verdict::Failing,
        "192.0.2.254 answers after 30.000 ms, longer than 20ms",
    );
}

#[test]
fn no_route_is_failing_and_what_keeps_it_from_looking_is_no_verdict() {
    let host = mock::Host::new().ping_fails(gateway(), icmp::Error::Unreachable);
    check(&host, "", Verdict::Failing, "192.0.2.254: no route to it");
    let run = |host: mock::Host| host.enter(|| config("").unwrap().run(&mock::run_context()));
    assert_eq!(
        run(mock::Host::new().denies(Need::icmp(gateway()))),
        Err(CheckError::Denied("icmp:192.0.2.254".to_owned()))
    );
    assert_eq!(
        run(mock::Host::new().ping_fails(gateway(), icmp::Error::Io("no socket".to_owned()))),
        Err(CheckError::Unavailable("no socket".to_owned()))
    );
}

#[test]
fn the_requests_are_as_configured() {
    let check = config(r#", "count": 5, "interval": "20ms", "timeout": "2s""#).unwrap();
    assert_eq!(check.plan().needs, ["icmp:192.0.2.254"]);
    let host = mock::Host::new();
    host.enter(|| check.run(&mock::run_context())).unwrap();
    let expected = mock::Ping {
        address: GATEWAY.to_owned(),
        count: 5,
        interval: Duration::from_millis(20),
        // The run's deadline of 1 s, less the time to report.
        timeout: Duration::from_millis(980),
    };
    assert_eq!(host.pings(), [expected]);
}

#[test]
fn config_errors_point_at_the_key() {
    for (more, error) in [
        (r#", "count": 0"#, "/count: none at all: write 3"),
        (
            r#", "count": 256"#,
            "/count: write a whole number from 0 to 255, not integer 256",
        ),
        (
            r#", "interval": "1ms""#,
            "/interval: 1ms is a flood: write \"10ms\" or more",
        ),
        (
            r#", "count": 9"#,
            "/timeout: sending alone takes 800ms: write more than that, a smaller count or a shorter interval",
        ),
        (
            r#", "max-loss": 100"#,
            "/max-loss: this check could never fail: write 99 or less",
        ),
        (
            r#", "warn-round-trip": "20ms", "max-round-trip": "20ms""#,
            "/warn-round-trip: there is no warning before 20ms is failing: write less than that",
        ),
    ] {
        assert_eq!(config(more), Err(vec![error.to_owned()]), "{more}");
    }
    for (address, error) in [
        (
            "gateway",
            "not an IP address: \"gateway\"; write \"192.0.2.254\"",
        ),
        (
            "fe80::1%eth0",
            "not an IP address: \"fe80::1%eth0\"; write \"192.0.2.254\"",
        ),
        ("224.0.0.18", "224.0.0.18 is not the address of one host"),
        ("ff02::1", "ff02::1 is not the address of one host"),
        (
            "255.255.255.255",
            "255.255.255.255 is not the address of one host",
        ),
        ("::", ":: is not the address of one host"),
    ] {
        let json = format!(r#"{{ "address": "{address}" }}"#);
        assert_eq!(configure(&json), Err(vec![format!("/address: {error}")]));
    }
}
