use std::time::SystemTime;

use vrrp_sdk::mock;

use super::*;

const PATH: &str = "/run/app/state";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
}

fn config(json: &str) -> Result<File, Vec<String>> {
    let errors = |errors: Vec<vrrp_sdk::ConfigError>| {
        errors
            .into_iter()
            .map(|error| format!("{}: {}", error.pointer, error.message))
            .collect()
    };
    mock::configure(json).map_err(errors)
}

/// Runs the check with these keys beside the path.
fn run_on(host: mock::Host, keys: &str) -> Result<Observation, CheckError> {
    let check = config(&format!(r#"{{ "path": "{PATH}"{keys} }}"#)).unwrap();
    host.now(now()).enter(|| check.run(&mock::run_context()))
}

/// Verdict, summary and weight on a host where the file has this content.
#[track_caller]
fn run(keys: &str, content: Option<&str>) -> (Verdict, String, Option<i16>) {
    let host = mock::Host::new();
    let host = match content {
        Some(content) => host.file(PATH, content, now() - Duration::from_secs(30)),
        None => host,
    };
    let observation = run_on(host, keys).unwrap();
    (observation.verdict, observation.summary, observation.weight)
}

fn passing(summary: &str) -> (Verdict, String, Option<i16>) {
    (Verdict::Passing, summary.to_owned(), None)
}

fn failing(summary: &str) -> (Verdict, String, Option<i16>) {
    (Verdict::Failing, summary.to_owned(), None)
}

#[test]
fn it_is_there_or_not() {
    let there = "/run/app/state is there";
    let none = "there is no /run/app/state";
    assert_eq!(run("", Some("")), passing(there));
    assert_eq!(run("", None), failing(none));
    assert_eq!(run(r#", "exists": false"#, Some("")), failing(there));
    assert_eq!(run(r#", "exists": false"#, None), passing(none));
}

#[test]
fn it_is_recent_or_not() {
    let old = "/run/app/state is 30s old, 29s expected at most";
    assert_eq!(run(r#", "max-age": "29s""#, Some("")), failing(old));
    let recent = passing("/run/app/state is there");
    assert_eq!(run(r#", "max-age": "30s""#, Some("")), recent);
    let future = mock::Host::new().file(PATH, "", now() + Duration::from_secs(5));
    let observation = run_on(future, r#", "max-age": "1s""#).unwrap();
    assert_eq!(observation.verdict, Verdict::Passing);
    assert_eq!(observation.facts[0].value, "0");
}

#[test]
fn it_contains_the_text_or_not() {
    let expect = r#", "expect": "role=primary""#;
    assert_eq!(
        run(expect, Some("id=1\nrole=primary\n")),
        passing(r#"/run/app/state contains "role=primary""#)
    );
    assert_eq!(
        run(expect, Some("role=replica")),
        failing(r#"/run/app/state does not contain "role=primary""#)
    );
}

#[test]
fn its_number_is_the_weight_as_keepalived_has_it() {
    let says = |number: &str| format!("/run/app/state says {number}");
    for (factor, content, number, weight) in [
        (1, "-20\n", "-20", -20),
        (1, " +7 ", "7", 7),
        (1, "0x10", "16", 16),
        (1, "-0x10", "-16", -16),
        (1, "", "0", 0),
        (10, "5", "5", 50),
        (10, "20", "20", 200),
        (10, "26", "26", 253),
        (10, "-25", "-25", -250),
        (-1, "30", "30", -30),
        (254, "2147483647", "2147483647", 253),
        (0, "0", "0", 0),
    ] {
        let keys = format!(r#", "weight": {factor}"#);
        let outcome = (Verdict::Passing, says(number), Some(weight));
        assert_eq!(
            run(&keys, Some(content)),
            outcome,
            "{factor} times {content}"
        );
    }
    let none = "there is no /run/app/state".to_owned();
    let outcome = (Verdict::Passing, none, Some(0));
    assert_eq!(run(r#", "weight": 1"#, None), outcome);
}

#[test]
fn its_number_is_a_fault_from_minus_254_on_or_when_it_has_no_weight() {
    for (factor, content, summary) in [
        (1, "-254", "/run/app/state says -254: a fault, times 1"),
        (10, "-26", "/run/app/state says -26: a fault, times 10"),
        (-254, "1", "/run/app/state says 1: a fault, times -254"),
        (0, "1", "/run/app/state says 1, 0 expected"),
        (0, "-1", "/run/app/state says -1, 0 expected"),
    ] {
        let keys = format!(r#", "weight": {factor}"#);
        assert_eq!(run(&keys, Some(content)), failing(summary));
    }
}

#[test]
fn what_is_no_number_is_no_verdict() {
    let weight = r#", "weight": 1"#;
    for content in [
        "up",
        "--5",
        "-+5",
        "5 apples",
        "010",
        "2147483648",
        "0x",
        "1.5",
    ] {
        let host = mock::Host::new().file(PATH, content, now());
        let message = format!("{PATH} says {content:?}, which is no number such as -20");
        let outcome = run_on(host, weight).map(|observation| observation.summary);
        assert_eq!(outcome, Err(CheckError::Unavailable(message)));
    }
    let host = mock::Host::new().file(PATH, &"1".repeat(128), now());
    let outcome = run_on(host, weight).map(|observation| observation.summary);
    let message = "/run/app/state is too large".to_owned();
    assert_eq!(outcome, Err(CheckError::Unavailable(message)));
}

#[test]
fn a_file_that_cannot_be_read_is_no_verdict() {
    let path = PATH.to_owned();
    let outcome = |error| {
        let host = mock::Host::new().file_fails(PATH, error);
        run_on(host, "").map(|observation| observation.summary)
    };
    assert_eq!(
        outcome(files::Error::Timeout { path: path.clone() }),
        Err(CheckError::Timeout(
            "/run/app/state could not be read in time".to_owned()
        ))
    );
    let message = "it is a folder, not a regular file".to_owned();
    assert_eq!(
        outcome(files::Error::Io { path, message }),
        Err(CheckError::Unavailable(
            "/run/app/state: it is a folder, not a regular file".to_owned()
        ))
    );
    let denied = mock::Host::new().denies(Need::read(PATH));
    assert_eq!(
        run_on(denied, "").map(|observation| observation.summary),
        Err(CheckError::Denied("read:/run/app/state".to_owned()))
    );
}

#[test]
fn it_wakes_when_the_file_changes_and_needs_only_that() {
    let plan = config(r#"{ "path": "/run/app/state" }"#).unwrap().plan();
    assert_eq!(plan.needs, ["read:/run/app/state"]);
    assert_eq!(plan.triggers, [Trigger::PathChanged(PATH.to_owned())]);
}

#[test]
fn config_errors_point_at_the_key() {
    for (json, errors) in [
        (
            r#"{ "path": "run/app" }"#,
            vec!["/path: write an absolute path, such as \"/run/app/state\""],
        ),
        (
            r#"{ "path": "/f", "max-age": "0s", "expect": "" }"#,
            vec![
                "/max-age: no file is that new: write \"60s\"",
                "/expect: every file contains nothing: write some text",
            ],
        ),
        (
            r#"{ "path": "/f", "exists": false, "weight": 255 }"#,
            vec![
                "/weight: write a number from -254 to 254",
                "/weight: a file that must not be there has none: write exists = true",
            ],
        ),
        (
            r#"{ "path": "/f", "expect": "x", "weight": 1 }"#,
            vec!["/expect: the file says a number: leave out expect, or weight"],
        ),
    ] {
        let errors: Vec<String> = errors.into_iter().map(str::to_owned).collect();
        assert_eq!(config(json), Err(errors), "{json}");
    }
}
