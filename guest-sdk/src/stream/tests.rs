use super::*;
use crate::mock::{self, Server};

const ADDRESS: &str = "127.0.0.1:7";

fn talk<R>(server: Server, talk: impl FnOnce(&mut Connection) -> R) -> R {
    let address: Address = ADDRESS.parse().unwrap();
    mock::Host::new().serves(ADDRESS, server).enter(|| {
        let mut connection = address.connect(Duration::from_millis(800)).unwrap();
        talk(&mut connection)
    })
}

fn io(message: &str) -> Error {
    Error::Io(message.to_owned())
}

#[test]
fn an_answer_is_cut_where_it_ends_and_the_rest_is_for_the_next_read() {
    let server = Server::new().says(b"one\r\ntwo\r\nthree").closes();
    talk(server, |connection| {
        assert_eq!(connection.read_until(b"\r\n", 100).unwrap(), b"one\r\n");
        assert_eq!(connection.read_exact(2).unwrap(), b"tw");
        assert_eq!(connection.read().unwrap(), b"o\r\nthree");
        assert_eq!(connection.read().unwrap(), b"");
        let closed = io("it closed the connection");
        assert_eq!(connection.read_exact(1), Err(closed.clone()));
        assert_eq!(connection.read_until(b"\r\n", 100), Err(closed));
    });
}

#[test]
fn an_answer_has_a_limit() {
    let server = || Server::new().says(b"0123456789").closes();
    talk(server(), |connection| {
        assert_eq!(connection.read_until(b"9", 10).unwrap(), b"0123456789");
    });
    talk(server(), |connection| {
        assert_eq!(
            connection.read_until(b"9", 9),
            Err(io("no \"9\" in the first 9 bytes of its answer"))
        );
    });
    talk(server(), |connection| {
        assert_eq!(
            connection.read_to_end(9),
            Err(io("an answer of more than 9 bytes"))
        );
    });
    talk(server(), |connection| {
        assert_eq!(connection.read_to_end(10).unwrap(), b"0123456789");
    });
}

#[test]
fn a_server_with_nothing_to_say_is_a_timeout_and_nobody_there_a_refusal() {
    talk(Server::new(), |connection| {
        connection.write(b"hello?").unwrap();
        assert_eq!(connection.read(), Err(Error::Timeout { timeout_ms: 800 }));
    });
    let nobody = "/run/nobody.sock".parse::<Address>().unwrap();
    let error = mock::Host::new().enter(|| nobody.connect(Duration::from_secs(1)).unwrap_err());
    assert_eq!(error, Error::Refused);
}

#[test]
fn tls_begins_when_it_is_asked_for() {
    let ends = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    let server = || Server::new().answers(b"a", b"b").certificate_until(ends);
    talk(server(), |connection| {
        assert_eq!(connection.certificate_not_after(), None);
        connection.start_tls(&Tls::default()).unwrap();
        assert_eq!(connection.certificate_not_after(), Some(ends));
        connection.write(b"a").unwrap();
        assert_eq!(connection.read_exact(1).unwrap(), b"b");
    });
    talk(Server::new(), |connection| {
        let error = connection.start_tls(&Tls::default());
        assert_eq!(
            error,
            Err(Error::Tls("the server does not speak TLS".to_owned()))
        );
    });
}

#[test]
fn a_denial_names_what_would_have_allowed_it() {
    let host = mock::Host::new()
        .serves(ADDRESS, Server::new())
        .denies(Need::read("/etc/own.pem"));
    let tls = Tls {
        ca_file: Some("/etc/own.pem".to_owned()),
        ..Tls::default()
    };
    let error = host.enter(|| {
        let mut connection = ADDRESS
            .parse::<Address>()
            .unwrap()
            .connect(Duration::from_secs(1))
            .unwrap();
        connection.start_tls(&tls).unwrap_err()
    });
    assert_eq!(error, Error::Denied(vec![Need::read("/etc/own.pem")]));
}
