//! TLS of the `http` capability against real servers with authorities of their own.

use rcgen::ExtendedKeyUsagePurpose;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::http::{Server, fetch, response};
use crate::tls::Authority;

/// A server that says "encrypted", with a certificate for localhost; with `clients`, it wants one from them.
async fn serve(authority: &Authority, clients: bool) -> Server {
    let answer = response("200 OK", "", "encrypted");
    Server::start(Some(answer), Some(authority.acceptor(clients))).await
}

fn url(host: &str, server: &Server) -> String {
    format!("https://{host}:{}/", server.port)
}

fn grant(url: &str) -> String {
    format!("http:GET {url}")
}

/// Fetches with the keys of `more`, of which those that name files are granted.
async fn fetch_with(url: &str, more: Value) -> String {
    let files = ["ca", "certificate", "key"].map(|key| more[key].as_str());
    let mut needs = vec![grant(url)];
    needs.extend(files.iter().flatten().map(|file| format!("read:{file}")));
    let mut config = json!({ "needs": needs });
    let keys = more.as_object().unwrap().clone();
    config.as_object_mut().unwrap().extend(keys);
    fetch(url, "", config).await
}

const FETCHED: &str = "200 \"encrypted\" truncated=false";

#[tokio::test]
async fn an_authority_of_its_own_vouches_for_a_server_and_its_name() {
    let authority = Authority::new();
    let server = serve(&authority, false).await;
    let ca = authority.path("ca.pem");
    let (named, numbered) = (url("localhost", &server), url("127.0.0.1", &server));
    assert_eq!(fetch_with(&named, json!({ "ca": ca })).await, FETCHED);

    let unknown = fetch_with(&named, json!({})).await;
    let told = "Error::Tls(\"invalid peer certificate: UnknownIssuer\")";
    assert_eq!(unknown, told);
    let seen = fetch_with(&numbered, json!({ "ca": ca })).await;
    assert!(
        seen.contains("not valid for name \\\"127.0.0.1\\\""),
        "{seen}"
    );
    let renamed = json!({ "ca": ca, "server-name": "localhost" });
    assert_eq!(fetch_with(&numbered, renamed).await, FETCHED);
    assert_eq!(
        fetch_with(&numbered, json!({ "verify": "no" })).await,
        FETCHED
    );
}

#[tokio::test]
async fn an_authority_vouches_for_nobody_else() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = serve(&authority, false).await;
    let ca = other.path("ca.pem");
    let seen = fetch_with(&url("localhost", &server), json!({ "ca": ca })).await;
    assert!(seen.starts_with("Error::Tls("), "{seen}");
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_the_one_of_the_files() {
    let authority = Authority::new();
    let server = serve(&authority, true).await;
    let url = url("localhost", &server);
    authority.sign("probe", ExtendedKeyUsagePurpose::ClientAuth);
    let [ca, certificate, key] =
        ["ca.pem", "probe.pem", "probe.key"].map(|file| authority.path(file));
    let files = json!({ "ca": ca, "certificate": certificate, "key": key });
    assert_eq!(fetch_with(&url, files).await, FETCHED);

    let without = fetch_with(&url, json!({ "ca": ca })).await;
    let told = "Error::Tls(\"received fatal alert: CertificateRequired\")";
    assert_eq!(without, told);

    let stranger = Authority::new();
    stranger.sign("probe", ExtendedKeyUsagePurpose::ClientAuth);
    let [certificate, key] = ["probe.pem", "probe.key"].map(|file| stranger.path(file));
    let strange = json!({ "ca": ca, "certificate": certificate, "key": key });
    let seen = fetch_with(&url, strange).await;
    assert!(
        seen.starts_with("Error::Tls(\"received fatal alert"),
        "{seen}"
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_told_by_its_name_and_nothing_is_sent() {
    let authority = Authority::new();
    let server = serve(&authority, true).await;
    let url = url("localhost", &server);
    for name in ["probe", "other"] {
        authority.sign(name, ExtendedKeyUsagePurpose::ClientAuth);
    }
    let [ca, certificate, other, gone] =
        ["ca.pem", "probe.pem", "other.key", "gone.key"].map(|file| authority.path(file));
    let unusable = |why: String| format!("Error::Unusable({why:?})");
    for (key, why) in [
        (
            &gone,
            format!("{gone} cannot be read: there is no such file"),
        ),
        (
            &ca,
            format!("{ca} has no private key in PEM form: no items found"),
        ),
        (
            &other,
            format!(
                "{certificate} and {other} do not go together: keys may not be consistent: KeyMismatch"
            ),
        ),
    ] {
        let files = json!({ "ca": ca, "certificate": certificate, "key": key });
        assert_eq!(fetch_with(&url, files).await, unusable(why));
    }
    let half = json!({ "ca": ca, "certificate": certificate });
    assert_eq!(
        fetch_with(&url, half).await,
        unusable("a client certificate and its key go together".to_owned())
    );
    // The grant for the URL is none for a file.
    let ungranted = json!({ "ca": ca, "needs": [grant(&url)] });
    assert_eq!(fetch(&url, "", ungranted).await, "Error::Denied");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_redirect_to_another_site_is_followed_as_nobody_and_by_its_own_name() {
    let authority = Authority::new();
    authority.sign("probe", ExtendedKeyUsagePurpose::ClientAuth);
    let [ca, certificate, key] =
        ["ca.pem", "probe.pem", "probe.key"].map(|file| authority.path(file));
    let leads_to = async |end: String| {
        let headers = format!("location: {end}\r\n");
        let answer = response("302 Found", &headers, "");
        let start = Server::start(Some(answer), Some(authority.acceptor(true))).await;
        let start = url("127.0.0.1", &start);
        let mut needs = vec![grant(&start), grant(&end)];
        needs.extend([&ca, &certificate, &key].map(|file| format!("read:{file}")));
        let config = json!({
            "ca": ca, "certificate": certificate, "key": key, "server-name": "localhost",
            "needs": needs, "follow": "1",
        });
        fetch(&start, "", config).await
    };
    let open = serve(&authority, false).await;
    assert_eq!(leads_to(url("localhost", &open)).await, FETCHED);
    let numbered = leads_to(url("127.0.0.1", &open)).await;
    assert!(numbered.contains("not valid for name"), "{numbered}");
    let closed = serve(&authority, true).await;
    assert_eq!(
        leads_to(url("localhost", &closed)).await,
        "Error::Tls(\"received fatal alert: CertificateRequired\")"
    );
}

#[tokio::test]
async fn a_plain_server_behind_https_is_a_tls_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://127.0.0.1:{}/",
        listener.local_addr().unwrap().port()
    );
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(response("400 Bad Request", "", "speak HTTP").as_bytes())
            .await
            .unwrap();
        // Keeps the connection open until the client has had enough.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let seen = fetch(&url, &format!("http:GET {url}"), json!({ "verify": "no" })).await;
    assert!(seen.starts_with("Error::Tls("), "{seen}");
}
