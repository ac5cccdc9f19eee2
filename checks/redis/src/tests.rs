use vrrp_sdk::mock::{self, Server};

use super::*;

const ADDRESS: &str = "127.0.0.1:6379";
const ROLE: &[u8] = b"*1\r\n$4\r\nROLE\r\n";
const PRIMARY: &[u8] = b"*3\r\n$6\r\nmaster\r\n:3129659\r\n*0\r\n";
const REPLICA: &[u8] = b"*5\r\n$5\r\nslave\r\n$9\r\n10.0.0.1\r\n:6379\r\n$9\r\nconnected\r\n:7\r\n";

fn config(more: &str) -> Result<Redis, Vec<String>> {
    let errors = |errors: Vec<vrrp_sdk::ConfigError>| {
        errors
            .into_iter()
            .map(|error| format!("{}: {}", error.pointer, error.message))
            .collect()
    };
    mock::configure(&format!(r#"{{ "address": "{ADDRESS}"{more} }}"#)).map_err(errors)
}

type Outcome = Result<(Verdict, String), CheckError>;

fn run(server: Server, more: &str) -> Outcome {
    let check = config(more).unwrap();
    let host = mock::Host::new().serves(ADDRESS, server);
    let observation = host.enter(|| check.run(&mock::run_context()))?;
    Ok((observation.verdict, observation.summary))
}

fn passing(summary: &str) -> Outcome {
    Ok((Verdict::Passing, summary.to_owned()))
}

fn failing(summary: &str) -> Outcome {
    Ok((Verdict::Failing, summary.to_owned()))
}

#[test]
fn the_role_decides() {
    let is = |role: &[u8]| Server::new().answers(ROLE, role);
    let (primary, replica) = (r#", "role": "primary""#, r#", "role": "replica""#);
    assert_eq!(run(is(PRIMARY), ""), passing("127.0.0.1:6379 is primary"));
    assert_eq!(
        run(is(PRIMARY), primary),
        passing("127.0.0.1:6379 is primary")
    );
    assert_eq!(
        run(is(REPLICA), replica),
        passing("127.0.0.1:6379 is replica")
    );
    assert_eq!(
        run(is(REPLICA), primary),
        failing("127.0.0.1:6379 is replica, and has to be primary")
    );
    let sentinel = b"*2\r\n$8\r\nsentinel\r\n*0\r\n";
    assert_eq!(
        run(is(sentinel), replica),
        failing("127.0.0.1:6379 is sentinel, and has to be replica")
    );
}

#[test]
fn it_logs_in_first() {
    let server = || {
        Server::new()
            .answers(b"*2\r\n$4\r\nAUTH\r\n$6\r\nsesame\r\n", b"+OK\r\n")
            .answers(
                b"*3\r\n$4\r\nAUTH\r\n$5\r\nprobe\r\n$6\r\nsesame\r\n",
                b"+OK\r\n",
            )
            .answers(ROLE, PRIMARY)
    };
    let is_primary = passing("127.0.0.1:6379 is primary");
    assert_eq!(run(server(), r#", "password": "sesame""#), is_primary);
    let probe = r#", "username": "probe", "password": "sesame""#;
    assert_eq!(run(server(), probe), is_primary);
}

#[test]
fn the_password_may_be_in_a_file() {
    const FILE: &str = "/etc/vrrp-host/redis.pass";
    let check = config(&format!(r#", "password-file": "{FILE}""#)).unwrap();
    assert_eq!(
        check.plan().needs,
        ["tcp:127.0.0.1:6379".to_owned(), format!("read:{FILE}")]
    );
    let auth = b"*2\r\n$4\r\nAUTH\r\n$6\r\nsesame\r\n";
    let server = || {
        Server::new()
            .answers(auth, b"+OK\r\n")
            .answers(ROLE, PRIMARY)
    };
    let host = mock::Host::new().serves(ADDRESS, server()).file(
        FILE,
        "sesame\n",
        std::time::SystemTime::UNIX_EPOCH,
    );
    let observation = host.enter(|| check.run(&mock::run_context())).unwrap();
    assert_eq!(observation.verdict, Verdict::Passing);

    // Whether the server works, nobody knows without it.
    let host = mock::Host::new().serves(ADDRESS, server());
    let missing = CheckError::Unavailable(format!("there is no {FILE}"));
    assert_eq!(host.enter(|| check.run(&mock::run_context())), Err(missing));
}

#[test]
fn a_password_that_is_wrong_or_missing_is_no_verdict() {
    let error = |answer: &str| {
        Err(CheckError::Unavailable(format!(
            "127.0.0.1:6379 lets nobody in without the right user and password: {answer}"
        )))
    };
    let missing = "NOAUTH Authentication required.";
    let answer = format!("-{missing}\r\n");
    assert_eq!(
        run(Server::new().answers(ROLE, answer.as_bytes()), ""),
        error(missing)
    );
    for wrong in [
        "WRONGPASS invalid username-password pair",
        "ERR invalid password",
    ] {
        let auth = b"*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n";
        let server = Server::new().answers(auth, format!("-{wrong}\r\n").as_bytes());
        assert_eq!(run(server, r#", "password": "x""#), error(wrong));
    }
}

#[test]
fn a_server_that_is_loading_or_none_at_all_fails() {
    let answers = |answer: &[u8]| run(Server::new().answers(ROLE, answer), "");
    assert_eq!(
        answers(b"-LOADING Redis is loading the dataset in memory\r\n"),
        failing("127.0.0.1:6379 answered LOADING Redis is loading the dataset in memory")
    );
    assert_eq!(
        answers(b"HTTP/1.1 400 Bad Request\r\n"),
        failing("127.0.0.1:6379 answered \"HTTP/1.1 400 Bad Request\"")
    );
    assert_eq!(
        answers(b"*1\r\n:7\r\n"),
        failing("127.0.0.1:6379 answered \":7\"")
    );
    assert_eq!(
        answers(b"*1\r\n$99999999\r\n"),
        failing("127.0.0.1:6379 answered \"$99999999\"")
    );
    assert_eq!(
        answers(b"*1"),
        failing("127.0.0.1:6379: no answer within 800 ms")
    );
    assert_eq!(
        run(Server::new().closes(), ""),
        failing("127.0.0.1:6379: it closed the connection")
    );
}

#[test]
fn tls_comes_before_the_password() {
    let end = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let server = Server::new().answers(ROLE, PRIMARY).certificate_until(end);
    let is_primary = passing("127.0.0.1:6379 is primary");
    assert_eq!(run(server, r#", "tls": { "verify": false }"#), is_primary);
    assert_eq!(
        run(Server::new(), r#", "tls": true, "password": "sesame""#),
        failing("127.0.0.1:6379: TLS failed: the server does not speak TLS")
    );
}

#[test]
fn it_needs_its_address() {
    assert_eq!(config("").unwrap().plan().needs, ["tcp:127.0.0.1:6379"]);
}

#[test]
fn config_errors_point_at_the_key() {
    for (more, error) in [
        (
            r#", "role": "master""#,
            "/role: unknown value \"master\"; write one of \"primary\", \"replica\"",
        ),
        (
            r#", "username": "probe""#,
            "/username: a user has a password: add password or password-file",
        ),
        (
            r#", "password": "x", "password-file": "/etc/redis.pass""#,
            "/password-file: the password is written there as well: leave one of the two out",
        ),
        (
            r#", "timeout": "0s""#,
            "/timeout: no time at all: write \"800ms\"",
        ),
    ] {
        assert_eq!(config(more), Err(vec![error.to_owned()]), "{more}");
    }
}
