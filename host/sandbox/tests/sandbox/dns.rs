//! The `dns` capability against servers on loopback that answer, lie, mumble or are silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, TXT};
use hickory_proto::rr::{RData, Record, RecordType};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use vrrp_sandbox::{Grants, Limits, LogSource};

use crate::support::{TestHost, listed, patient, summary, try_check};

/// How a server treats a question: the datagrams that it sends back.
type Manner = fn(&Message) -> Vec<Vec<u8>>;

struct Server {
    address: String,
    questions: Arc<AtomicUsize>,
    over_tcp: Arc<AtomicUsize>,
}

impl Server {
    /// Over UDP it has these manners; over TCP, at the same port, it answers.
    async fn start(manner: Manner) -> Self {
        let (udp, tcp) = same_port().await;
        let server = Self {
            address: udp.local_addr().unwrap().to_string(),
            questions: Arc::default(),
            over_tcp: Arc::default(),
        };
        let (questions, over_tcp) = (server.questions.clone(), server.over_tcp.clone());
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
                questions.fetch_add(1, Ordering::Relaxed);
                let question = Message::from_vec(&buffer[..length]).unwrap();
                for answer in manner(&question) {
                    udp.send_to(&answer, from).await.unwrap();
                }
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                over_tcp.fetch_add(1, Ordering::Relaxed);
                let length = stream.read_u16().await.unwrap();
                let mut question = vec![0; length.into()];
                stream.read_exact(&mut question).await.unwrap();
                let question = Message::from_vec(&question).unwrap();
                let answer = records(&question).to_vec().unwrap();
                let length = u16::try_from(answer.len()).unwrap();
                stream.write_u16(length).await.unwrap();
                stream.write_all(&answer).await.unwrap();
            }
        });
        server
    }

    fn questions(&self) -> usize {
        self.questions.load(Ordering::Relaxed)
    }
}

async fn same_port() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        // Somebody else may have the number for TCP.
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}

fn response(question: &Message) -> Message {
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.add_queries(question.queries.iter().cloned());
    answer
}

fn refuses(question: &Message, code: ResponseCode) -> Vec<Vec<u8>> {
    let mut answer = response(question);
    answer.metadata.response_code = code;
    vec![answer.to_vec().unwrap()]
}

/// Two addresses, or one of the other family; four texts.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the tests ask for three types"
)]
fn records(question: &Message) -> Message {
    let mut answer = response(question);
    let asked = &question.queries[0];
    let data = match asked.query_type() {
        RecordType::A => vec![
            RData::A(A::new(192, 0, 2, 1)),
            RData::A(A::new(192, 0, 2, 2)),
        ],
        RecordType::AAAA => vec![RData::AAAA(AAAA("2001:db8::1".parse().unwrap()))],
        _ => (0..4)
            .map(|_| RData::TXT(TXT::new(vec!["x".repeat(70)])))
            .collect(),
    };
    answer.add_answers(
        data.into_iter()
            .map(|data| Record::from_rdata(asked.name().clone(), 60, data)),
    );
    answer
}

fn answers(question: &Message) -> Vec<Vec<u8>> {
    vec![records(question).to_vec().unwrap()]
}

/// Asks for a name at a server, with a grant for just that.
async fn ask(server: &str, more: &[(&str, &str)]) -> String {
    let server_grant = format!("udp:{server}");
    let grants = listed(&["dns:www.example.com", &server_grant]);
    ask_with(&TestHost::new(), server, grants, patient(), more).await
}

async fn ask_with(
    host: &Arc<TestHost>,
    server: &str,
    grants: Grants,
    limits: Limits,
    more: &[(&str, &str)],
) -> String {
    let mut config = json!({ "with": "www.example.com", "server": server });
    for (key, value) in more {
        config[key] = json!(value);
    }
    let check = try_check(host, "resolver", config, grants, limits)
        .await
        .unwrap();
    summary(&check).await
}

#[tokio::test]
async fn the_records_of_the_wanted_type_are_seen() {
    let server = Server::start(answers).await;
    let seen = ask(&server.address, &[]).await;
    assert_eq!(seen, r#"Ok(["192.0.2.1", "192.0.2.2"])"#);
    let seen = ask(&server.address, &[("type", "AAAA")]).await;
    assert_eq!(seen, r#"Ok(["2001:db8::1"])"#);
    assert_eq!(server.over_tcp.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_name_without_such_a_record_is_no_error() {
    let server = Server::start(|question| vec![response(question).to_vec().unwrap()]).await;
    assert_eq!(ask(&server.address, &[]).await, "Ok([])");
}

#[tokio::test]
async fn a_name_is_granted_exactly_and_a_chosen_server_as_well() {
    let server = Server::start(answers).await;
    let own = format!("udp:{}", server.address);
    let host = TestHost::new();
    for grants in [
        vec!["dns:www.example.com"],
        vec!["dns:www.example.com", "udp:127.0.0.1:53"],
        vec!["dns:example.com", &own],
        vec!["dns:www.example.com.evil.example", &own],
    ] {
        let seen = ask_with(&host, &server.address, listed(&grants), patient(), &[]).await;
        assert_eq!(seen, "Err(Error::Denied)", "{grants:?}");
    }
    assert_eq!(server.questions(), 0);
    let denied = host.lines(LogSource::Sandbox);
    assert_eq!(
        denied[0],
        format!("denied: {own}; to allow it write allow = [\"dns:www.example.com\", \"{own}\"]")
    );
    // Both that are missing are in the line.
    let grants = listed(&["dns:example.com"]);
    ask_with(&host, &server.address, grants, patient(), &[]).await;
    let denied = host.lines(LogSource::Sandbox);
    assert_eq!(
        denied.last().unwrap(),
        &format!(
            "denied: dns:www.example.com and {own}; to allow it write \
             allow = [\"dns:example.com\", \"dns:www.example.com\", \"{own}\"]"
        )
    );
    // Names differ in more than case and the dot at the end, or not at all.
    let grants = listed(&["dns:WWW.Example.COM.", &own]);
    let seen = ask_with(&host, &server.address, grants, patient(), &[]).await;
    assert!(seen.starts_with("Ok("), "{seen}");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_not_found() {
    let server = Server::start(|question| refuses(question, ResponseCode::NXDomain)).await;
    assert_eq!(ask(&server.address, &[]).await, "Err(Error::NameNotFound)");
}

#[tokio::test]
async fn a_server_that_refuses_says_so() {
    let cases: [(Manner, &str); 3] = [
        (
            |question| refuses(question, ResponseCode::ServFail),
            "SERVFAIL",
        ),
        (
            |question| refuses(question, ResponseCode::Refused),
            "REFUSED",
        ),
        (
            // As servers do that cannot read the question.
            |question| {
                let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
                answer.metadata.response_code = ResponseCode::FormErr;
                vec![answer.to_vec().unwrap()]
            },
            "FORMERR",
        ),
    ];
    for (manner, word) in cases {
        let server = Server::start(manner).await;
        assert_eq!(
            ask(&server.address, &[]).await,
            format!("Err(Error::Io(\"{} answered {word}\"))", server.address)
        );
    }
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_fetched_over_tcp() {
    let server = Server::start(|question| {
        let mut answer = response(question);
        answer.metadata.truncation = true;
        vec![answer.to_vec().unwrap()]
    })
    .await;
    let seen = ask(&server.address, &[("type", "TXT")]).await;
    assert_eq!(seen.matches(&"x".repeat(70)).count(), 4, "{seen}");
    assert_eq!(server.over_tcp.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_server_that_is_silent_is_asked_again_and_then_a_timeout() {
    let server = Server::start(|_| Vec::new()).await;
    let started = Instant::now();
    let seen = ask(&server.address, &[("timeout", "900")]).await;
    let took = started.elapsed();
    assert_eq!(seen, "Err(Error::Timeout)");
    assert!(took >= Duration::from_millis(900), "{took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(server.questions() > 1, "{}", server.questions());
}

#[tokio::test]
async fn a_timeout_longer_than_the_run_still_leaves_time_for_a_verdict() {
    let server = Server::start(|_| Vec::new()).await;
    let grant = format!("udp:{}", server.address);
    let limits = Limits {
        wall: Duration::from_secs(1),
        ..patient()
    };
    let seen = ask_with(
        &TestHost::new(),
        &server.address,
        listed(&["dns:www.example.com", &grant]),
        limits,
        &[("timeout", "60000")],
    )
    .await;
    assert_eq!(seen, "Err(Error::Timeout)");
}

#[tokio::test]
async fn a_lost_question_is_sent_again() {
    static LOST: AtomicUsize = AtomicUsize::new(0);
    let server = Server::start(|question| match LOST.fetch_add(1, Ordering::Relaxed) {
        0 => Vec::new(),
        _ => answers(question),
    })
    .await;
    let seen = ask(&server.address, &[("timeout", "3000")]).await;
    assert!(seen.starts_with("Ok("), "{seen}");
    assert_eq!(server.questions(), 2);
}

#[tokio::test]
async fn what_answers_something_else_is_not_believed() {
    let server = Server::start(|question| {
        let guess = |id| {
            let mut guess = records(question);
            guess.metadata.id = id;
            guess.answers.truncate(1);
            guess.to_vec().unwrap()
        };
        let mut other = question.clone();
        other.queries[0].set_query_type(RecordType::AAAA);
        vec![
            b"no DNS at all".to_vec(),
            Vec::new(),
            guess(!question.metadata.id),
            // The question itself, as a reflector sends it.
            question.to_vec().unwrap(),
            records(&other).to_vec().unwrap(),
            records(question).to_vec().unwrap(),
        ]
    })
    .await;
    assert_eq!(
        ask(&server.address, &[]).await,
        r#"Ok(["192.0.2.1", "192.0.2.2"])"#
    );
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_an_error() {
    let server = Server::start(|question| {
        let mut broken = records(question).to_vec().unwrap();
        broken.truncate(broken.len() - 3);
        vec![broken]
    })
    .await;
    assert_eq!(
        ask(&server.address, &[]).await,
        format!(
            "Err(Error::Io(\"{} sent what is no answer in DNS\"))",
            server.address
        )
    );
}

#[tokio::test]
async fn a_port_where_nobody_listens_refuses() {
    let unused = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = unused.local_addr().unwrap().to_string();
    drop(unused);
    assert_eq!(ask(&server, &[]).await, "Err(Error::Refused)");
}

#[tokio::test]
async fn what_cannot_be_asked_is_said() {
    let seen = ask("127.0.0.1:5353", &[("server", "ns1.example.com:53")]).await;
    assert!(seen.contains("write 192.0.2.53:53"), "{seen}");
    for name in ["a..b", &"x".repeat(64), "."] {
        let seen = ask("127.0.0.1:5353", &[("with", name)]).await;
        assert!(seen.contains("is not a name in DNS"), "{seen}");
    }
}
