use std::time::SystemTime;

use vrrp_sdk::mock::{self, Server};

use super::*;

const ADDRESS: &str = "127.0.0.1:5432";

fn config(more: &str) -> Result<Postgres, Vec<String>> {
    let errors = |errors: Vec<vrrp_sdk::ConfigError>| {
        errors
            .into_iter()
            .map(|error| format!("{}: {}", error.pointer, error.message))
            .collect()
    };
    mock::configure(&format!(
        r#"{{ "address": "{ADDRESS}", "user": "probe"{more} }}"#
    ))
    .map_err(errors)
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

/// A message of the server (section 55.7): its tag, its length with the length itself, its content.
fn message(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len() + 4).unwrap();
    [&[tag], length.to_be_bytes().as_slice(), content].concat()
}

fn authentication(kind: u32, content: &[u8]) -> Vec<u8> {
    message(b'R', &[kind.to_be_bytes().as_slice(), content].concat())
}

fn error(code: &str, text: &str) -> Vec<u8> {
    message(b'E', format!("SFATAL\0C{code}\0M{text}\0\0").as_bytes())
}

fn welcome() -> Vec<u8> {
    [
        authentication(0, b""),
        message(b'S', b"server_version\x0015.6\0"),
        message(b'K', &[0, 0, 0, 7, 0, 0, 0, 8]),
        message(b'Z', b"I"),
    ]
    .concat()
}

fn is_startup(written: &[u8]) -> bool {
    let says = |text: &[u8]| written.windows(text.len()).any(|part| part == text);
    written.get(4..8) == Some(&[0, 3, 0, 0])
        && says(b"user\0probe\0")
        && says(b"database\0postgres\0")
}

/// What the server says to the start, and to the question.
fn server(to_start: Vec<u8>, in_recovery: &'static str) -> Server {
    Server::new()
        .answers_with(move |written| is_startup(written).then(|| to_start.clone()))
        .answers_with(move |written| {
            let query = message(b'Q', b"select pg_is_in_recovery()\0");
            let row = [&[0, 1, 0, 0, 0, 1], in_recovery.as_bytes()].concat();
            let answer = [
                message(b'D', &row),
                message(b'C', b"SELECT 1\0"),
                message(b'Z', b"I"),
            ];
            (written == query).then(|| answer.concat())
        })
}

#[test]
fn the_role_decides() {
    let is = |in_recovery| server(welcome(), in_recovery);
    let (primary, replica) = (r#", "role": "primary""#, r#", "role": "replica""#);
    assert_eq!(run(is("f"), ""), passing("127.0.0.1:5432 is primary"));
    assert_eq!(run(is("f"), primary), passing("127.0.0.1:5432 is primary"));
    assert_eq!(run(is("t"), replica), passing("127.0.0.1:5432 is replica"));
    assert_eq!(
        run(is("t"), primary),
        failing("127.0.0.1:5432 is replica, and has to be primary")
    );
    assert_eq!(
        run(is("?"), ""),
        failing("127.0.0.1:5432: pg_is_in_recovery() is \"?\"")
    );
}

#[test]
fn an_md5_password_is_sent_with_the_salt() {
    let asks = server(authentication(5, &[1, 2, 3, 4]), "f").answers_with(|written| {
        // md5(md5("sesame" + "probe") + salt), by PostgreSQL's own rule.
        let hash = postgres_protocol::authentication::md5_hash(b"probe", b"sesame", [1, 2, 3, 4]);
        let expected = message(b'p', format!("{hash}\0").as_bytes());
        (written == expected).then(welcome)
    });
    let password = r#", "password": "sesame""#;
    assert_eq!(run(asks, password), passing("127.0.0.1:5432 is primary"));
}

#[test]
fn the_password_may_be_in_a_file() {
    const FILE: &str = "/etc/vrrp-host/db.pass";
    let check = config(&format!(r#", "password-file": "{FILE}""#)).unwrap();
    assert_eq!(
        check.plan().needs,
        ["tcp:127.0.0.1:5432".to_owned(), format!("read:{FILE}")]
    );
    let asks = || {
        server(authentication(5, &[1, 2, 3, 4]), "f").answers_with(|written| {
            let salt = [1, 2, 3, 4];
            let hash = postgres_protocol::authentication::md5_hash(b"probe", b"sesame", salt);
            (written == message(b'p', format!("{hash}\0").as_bytes())).then(welcome)
        })
    };
    let host =
        mock::Host::new()
            .serves(ADDRESS, asks())
            .file(FILE, "sesame\n", SystemTime::UNIX_EPOCH);
    let observation = host.enter(|| check.run(&mock::run_context())).unwrap();
    assert_eq!(observation.verdict, Verdict::Passing);

    // Whether the server works, nobody knows without it.
    let host = mock::Host::new().serves(ADDRESS, asks());
    let missing = CheckError::Unavailable(format!("there is no {FILE}"));
    assert_eq!(host.enter(|| check.run(&mock::run_context())), Err(missing));
}

#[test]
fn a_server_that_does_not_know_the_password_itself_is_found_out() {
    let asks = server(authentication(10, b"SCRAM-SHA-256\0\0"), "f").answers_with(|written| {
        let text = String::from_utf8_lossy(written);
        if let Some((_, nonce)) = text.split_once("n,,n=,r=") {
            let challenge = format!("r={nonce}more,s=QSXCR+Q6sek8bf92,i=4096");
            return Some(authentication(11, challenge.as_bytes()));
        }
        let proof = text.contains("c=biws,r=") && text.contains(",p=");
        proof.then(|| authentication(12, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="))
    });
    let (verdict, summary) = run(asks, r#", "password": "sesame""#).unwrap();
    assert_eq!(verdict, Verdict::Failing);
    let impostor = "it does not know the password itself, and is not who it says to be";
    assert!(summary.contains(impostor), "{summary}");
}

#[test]
fn a_password_that_is_wrong_or_missing_is_no_verdict() {
    let refused = |why: &str| {
        Err(CheckError::Unavailable(format!(
            "127.0.0.1:5432 does not let probe in: {why}"
        )))
    };
    let asks = server(authentication(5, &[1, 2, 3, 4]), "f");
    assert_eq!(run(asks, ""), refused("it asks for a password"));
    for (code, text) in [
        ("28P01", "password authentication failed for user \"probe\""),
        ("28000", "no pg_hba.conf entry for host"),
        ("3D000", "database \"postgres\" does not exist"),
    ] {
        assert_eq!(run(server(error(code, text), "f"), ""), refused(text));
    }
    let clear = server(authentication(3, b""), "f");
    assert!(run(clear, r#", "password": "sesame""#).is_err());
}

#[test]
fn a_server_that_is_starting_or_none_at_all_fails() {
    let says = |start: Vec<u8>| run(server(start, "f"), "");
    assert_eq!(
        says(error("57P03", "the database system is starting up")),
        failing("127.0.0.1:5432: the database system is starting up")
    );
    assert_eq!(
        says(error("53300", "sorry, too many clients already")),
        failing("127.0.0.1:5432: sorry, too many clients already")
    );
    assert_eq!(
        says(b"HTTP/1.1 400 Bad Request\r\n".to_vec()),
        failing("127.0.0.1:5432: not what PostgreSQL says: \"HTTP/1.1 400 Bad Request\\r\\n\"")
    );
    let (verdict, _) = says(message(b'?', b"x")).unwrap();
    assert_eq!(verdict, Verdict::Failing);
    assert_eq!(
        run(Server::new().closes(), ""),
        failing("127.0.0.1:5432: it closed the connection")
    );
    assert_eq!(
        run(Server::new(), ""),
        failing("127.0.0.1:5432: no answer within 800 ms")
    );
}

#[test]
fn tls_is_asked_for_before_anything_else() {
    const REQUEST: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let tls = r#", "tls": { "verify": false }"#;
    let speaks = server(welcome(), "f")
        .answers(REQUEST, b"S")
        .certificate_until(end);
    assert_eq!(run(speaks, tls), passing("127.0.0.1:5432 is primary"));
    let plain = server(welcome(), "f").answers(REQUEST, b"N");
    assert_eq!(
        run(plain, tls),
        failing("127.0.0.1:5432: TLS failed: the server does not speak TLS")
    );
    let slipped_in = server(welcome(), "f")
        .answers(REQUEST, b"Sx")
        .certificate_until(end);
    assert_eq!(
        run(slipped_in, tls),
        failing("127.0.0.1:5432: not what PostgreSQL says: \"S\"")
    );
}

#[test]
fn it_needs_its_address() {
    assert_eq!(config("").unwrap().plan().needs, ["tcp:127.0.0.1:5432"]);
}

#[test]
fn config_errors_point_at_the_key() {
    for (more, error) in [
        (
            r#", "role": "master""#,
            "/role: unknown value \"master\"; write one of \"primary\", \"replica\"",
        ),
        (
            r#", "database": """#,
            "/database: PostgreSQL has no such names: \"\"",
        ),
        (
            r#", "password": "x", "password-file": "/etc/db.pass""#,
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
