//! The `http` capability against real servers on loopback. What it does with TLS has its own file.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use vrrp_sandbox::{Grants, Limits};

use crate::support::{TestHost, patient, summary, try_check};

/// A server that answers every connection with `answer`, or with nothing at all.
pub(crate) struct Server {
    pub(crate) port: u16,
    connections: Arc<AtomicUsize>,
    /// The heads of the requests.
    requests: Arc<std::sync::Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) async fn start(answer: Option<String>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (server.connections.clone(), server.requests.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let (answer, requests, tls) = (answer.clone(), requests.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, answer, &requests).await,
                        Some(tls) => {
                            // A client that refuses the certificate ends the handshake.
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, answer, &requests).await;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    async fn answering(status: &str, headers: &str, body: &str) -> Self {
        Self::start(Some(response(status, headers, body)), None).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn request(&self) -> String {
        self.requests
            .lock()
            .unwrap()
            .first()
            .cloned()
            .unwrap_or_default()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

pub(crate) fn response(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: Option<String>,
    requests: &std::sync::Mutex<Vec<String>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    requests
        .lock()
        .unwrap()
        .push(String::from_utf8(head).unwrap());
    match answer {
        Some(answer) => {
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        None => std::future::pending().await,
    }
}

/// What the guest says about its request; `more` is merged into its config.
pub(crate) async fn fetch(url: &str, grant: &str, more: Value) -> String {
    fetch_within(patient(), url, grant, more).await
}

async fn fetch_within(limits: Limits, url: &str, grant: &str, more: Value) -> String {
    let mut config = json!({ "do": "http", "with": url, "needs": [grant] });
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let host = TestHost::new();
    let check = try_check(&host, "curious", config, Grants::FromConfig, limits)
        .await
        .unwrap();
    summary(&check).await
}

fn any(server: &Server) -> String {
    format!("http:GET {}", server.url("/"))
}

#[tokio::test]
async fn a_response_is_seen() {
    let server = Server::answering("200 OK", "", "all well").await;
    let url = server.url("/health?x=1");
    let seen = fetch(
        &url,
        &any(&server),
        json!({ "headers": ["x-probe", "yes"] }),
    )
    .await;
    assert_eq!(seen, "200 \"all well\" truncated=false");
    let request = server.request();
    assert!(
        request.starts_with("GET /health?x=1 HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains(&format!("host: 127.0.0.1:{}\r\n", server.port)),
        "{request}"
    );
    assert!(request.contains("x-probe: yes\r\n"), "{request}");
}

#[tokio::test]
async fn an_error_status_is_a_response() {
    let server = Server::answering("503 Service Unavailable", "", "").await;
    let seen = fetch(&server.url("/"), &any(&server), json!({})).await;
    assert_eq!(seen, "503 \"\" truncated=false");
}

#[tokio::test]
async fn a_body_with_a_length_a_stream_or_a_post_is_no_matter() {
    let chunked =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
            .to_owned();
    let server = Server::start(Some(chunked), None).await;
    assert_eq!(
        fetch(&server.url("/"), &any(&server), json!({})).await,
        "200 \"abcde\" truncated=false"
    );

    let until_close = "HTTP/1.1 200 OK\r\n\r\nold style".to_owned();
    let server = Server::start(Some(until_close), None).await;
    let grant = format!("http:POST {}", server.url("/"));
    let seen = fetch(
        &server.url("/"),
        &grant,
        json!({ "method": "POST", "body": "ping" }),
    )
    .await;
    assert_eq!(seen, "200 \"old style\" truncated=false");
    assert!(
        server.request().contains("content-length: 4\r\n"),
        "{}",
        server.request()
    );
}

#[tokio::test]
async fn a_body_is_read_as_far_as_wanted() {
    let server = Server::answering("200 OK", "", "0123456789").await;
    let seen = fetch(&server.url("/"), &any(&server), json!({ "max-body": "4" })).await;
    assert_eq!(seen, "200 \"0123\" truncated=true");
    let seen = fetch(&server.url("/"), &any(&server), json!({ "max-body": "10" })).await;
    assert_eq!(seen, "200 \"0123456789\" truncated=false");
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_timeout() {
    let server = Server::start(None, None).await;
    let started = Instant::now();
    let seen = fetch(&server.url("/"), &any(&server), json!({ "timeout": "300" })).await;
    assert_eq!(seen, "Error::Timeout");
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_timeout_longer_than_the_run_still_leaves_time_for_a_verdict() {
    let server = Server::start(None, None).await;
    let limits = Limits {
        wall: Duration::from_secs(1),
        ..patient()
    };
    let seen = fetch_within(
        limits,
        &server.url("/"),
        &any(&server),
        json!({ "timeout": "60000" }),
    )
    .await;
    assert_eq!(seen, "Error::Timeout");
}

#[tokio::test]
async fn a_port_where_nobody_listens_refuses() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}/", unused.local_addr().unwrap().port());
    drop(unused);
    assert_eq!(
        fetch(&url, &format!("http:GET {url}"), json!({})).await,
        "Error::Refused"
    );
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_not_found() {
    let url = "http://does-not-exist.invalid/";
    assert_eq!(
        fetch(url, &format!("http:GET {url}"), json!({})).await,
        "Error::NameNotFound"
    );
}

#[tokio::test]
async fn a_name_is_resolved() {
    let server = Server::answering("200 OK", "", "by name").await;
    let url = format!("http://localhost:{}/", server.port);
    assert_eq!(
        fetch(&url, &format!("http:GET {url}"), json!({})).await,
        "200 \"by name\" truncated=false"
    );
    assert!(
        server
            .request()
            .contains(&format!("host: localhost:{}\r\n", server.port))
    );
}

#[tokio::test]
async fn a_peer_that_does_not_speak_http_is_an_error() {
    let server = Server::start(Some("220 mail.example.com ESMTP\r\n".to_owned()), None).await;
    let seen = fetch(&server.url("/"), &any(&server), json!({})).await;
    assert!(seen.starts_with("Error::Io("), "{seen}");

    let server = Server::start(Some(String::new()), None).await;
    let seen = fetch(&server.url("/"), &any(&server), json!({})).await;
    assert!(seen.starts_with("Error::Io("), "{seen}");
}

#[tokio::test]
async fn what_no_grant_covers_is_never_dialled() {
    let server = Server::answering("200 OK", "", "").await;
    let grant = format!("http:GET {}", server.url("/public/"));
    for url in [
        server.url("/"),
        server.url("/publicity"),
        server.url("/public/../private"),
        server.url("/public/..%2fprivate"),
        server.url("/public/").replace("127.0.0.1", "localhost"),
        server.url("/public/").replace("http:", "https:"),
    ] {
        assert_eq!(
            fetch(&url, &grant, json!({})).await,
            "Error::Denied",
            "{url}"
        );
    }
    assert_eq!(
        fetch(&server.url("/public/"), &grant, json!({ "method": "POST" })).await,
        "Error::Denied"
    );
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_request_cannot_pretend_to_be_for_another_site() {
    let server = Server::answering("200 OK", "", "").await;
    let with_user = server
        .url("/")
        .replace("127.0.0.1", "admin:secret@127.0.0.1");
    let seen = fetch(&with_user, &any(&server), json!({})).await;
    assert!(seen.contains("user name"), "{seen}");
    for header in ["Host", "Content-Length", "Transfer-Encoding", "Connection"] {
        let seen = fetch(
            &server.url("/"),
            &any(&server),
            json!({ "headers": [header, "x"] }),
        )
        .await;
        assert!(seen.contains("the host's to set"), "{header}: {seen}");
    }
    let seen = fetch(
        &server.url("/"),
        &any(&server),
        json!({ "method": "CONNECT" }),
    )
    .await;
    assert!(seen.contains("not an HTTP method"), "{seen}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn redirects_are_followed_when_wanted() {
    let end = Server::answering("200 OK", "", "the end").await;
    let headers = format!("location: {}\r\n", end.url("/end"));
    let start = Server::answering("302 Found", &headers, "").await;

    let both = json!([any(&start), any(&end)]);
    let followed = fetch(&start.url("/"), "", json!({ "needs": both, "follow": "1" })).await;
    assert_eq!(followed, "200 \"the end\" truncated=false");
    let not_wanted = fetch(&start.url("/"), "", json!({ "needs": both })).await;
    assert_eq!(not_wanted, "302 \"\" truncated=false");
}

#[tokio::test]
async fn a_redirect_out_of_the_grant_is_denied() {
    let elsewhere = Server::answering("200 OK", "", "secret").await;
    let headers = format!("location: {}\r\n", elsewhere.url("/"));
    let start = Server::answering("307 Temporary Redirect", &headers, "").await;
    let seen = fetch(&start.url("/"), &any(&start), json!({ "follow": "5" })).await;
    assert_eq!(seen, "Error::Denied");
    assert_eq!((start.connections(), elsewhere.connections()), (1, 0));
}

#[tokio::test]
async fn a_redirect_to_another_site_loses_what_was_secret() {
    let end = Server::answering("200 OK", "", "").await;
    let headers = format!("location: {}\r\n", end.url("/"));
    let start = Server::answering("301 Moved Permanently", &headers, "").await;
    let more = json!({
        "needs": [any(&start), any(&end)], "follow": "1", "headers": ["Authorization", "Bearer x", "X-Probe", "yes"],
    });
    fetch(&start.url("/"), "", more).await;
    assert!(
        start.request().contains("authorization: Bearer x\r\n"),
        "{}",
        start.request()
    );
    assert!(
        !end.request().contains("authorization"),
        "{}",
        end.request()
    );
    assert!(
        end.request().contains("x-probe: yes\r\n"),
        "{}",
        end.request()
    );
}

#[tokio::test]
async fn a_circle_of_redirects_ends() {
    let server = Server::answering("302 Found", "location: /again\r\n", "").await;
    let seen = fetch(&server.url("/"), &any(&server), json!({ "follow": "3" })).await;
    assert!(seen.contains("more than 3 redirects"), "{seen}");
    assert_eq!(server.connections(), 4);
}
