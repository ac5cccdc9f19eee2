//! The `stream` capability against real servers on loopback. What it does with TLS has its own file.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use vrrp_sandbox::{Grants, Limits, LoadError, LogSource, RunError};

use crate::support::{TestHost, listed, patient, run, summary, try_check};

/// A server on loopback that does `act` with everybody who connects; its address.
pub(crate) async fn serve<F: Future<Output = ()> + Send + 'static>(
    act: impl Fn(TcpStream) -> F + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(act(client));
        }
    });
    address
}

/// What the guest says of its steps.
pub(crate) async fn talk(address: &str, steps: &[&str], more: Value) -> String {
    let need = match address.starts_with('/') {
        true => format!("unix:{address}"),
        false => format!("tcp:{address}"),
    };
    talk_within(patient(), address, steps, json!({ "needs": [need] }), more).await
}

async fn talk_within(
    limits: Limits,
    address: &str,
    steps: &[&str],
    needs: Value,
    more: Value,
) -> String {
    let mut config = json!({ "do": "talk", "with": address, "steps": steps });
    for part in [needs, more] {
        let keys = part.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(keys);
    }
    let host = TestHost::new();
    let check = try_check(&host, "talker", config, Grants::FromConfig, limits)
        .await
        .unwrap();
    summary(&check).await
}

async fn echo(mut client: TcpStream) {
    let (mut read, mut write) = client.split();
    let _ = tokio::io::copy(&mut read, &mut write).await;
}

async fn never_answer(mut client: TcpStream) {
    let _ = client.read_to_end(&mut Vec::new()).await;
}

/// Ends a conversation with a reset rather than an end: what is unread is thrown away.
async fn reset(client: TcpStream) {
    client.set_zero_linger().unwrap();
}

#[tokio::test]
async fn a_conversation_goes_back_and_forth() {
    let address = serve(echo).await;
    let steps = [
        "peer",
        "write abc",
        "read 2",
        "read 10",
        "write d",
        "read 10",
        "not-after",
    ];
    assert_eq!(
        talk(&address, &steps, json!({})).await,
        format!("{address}; written; \"ab\"; \"c\"; written; \"d\"; None")
    );
}

#[tokio::test]
async fn the_end_of_a_conversation_is_nothing_to_read() {
    let address = serve(async |mut client: TcpStream| {
        client.write_all(b"bye").await.unwrap();
    })
    .await;
    let seen = talk(
        &address,
        &["read 10", "read 10", "read 10", "read 0"],
        json!({}),
    )
    .await;
    assert_eq!(
        seen,
        r#""bye"; ""; ""; Error::Unusable("a read of 0 bytes")"#
    );
}

#[tokio::test]
async fn a_unix_socket_is_granted_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("service.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            client.write_all(b"hello").await.unwrap();
        }
    });
    let path = path.to_str().unwrap();
    let seen = talk(path, &["peer", "read 10"], json!({})).await;
    assert_eq!(seen, format!("{path}; \"hello\""));

    let other = json!({ "needs": ["unix:/run/other.sock"] });
    let seen = talk_within(patient(), path, &[], other, json!({})).await;
    assert_eq!(seen, "Error::Denied");
    let gone = folder.path().join("gone.sock");
    let seen = talk(gone.to_str().unwrap(), &[], json!({})).await;
    assert!(seen.contains("No such file or directory"), "{seen}");
}

#[tokio::test]
async fn a_module_without_a_grant_is_not_loaded_and_one_with_another_is_denied() {
    let address = serve(echo).await;
    let config = |needs: &[&str]| json!({ "do": "talk", "with": address, "needs": needs });
    let load = async |allow: &[&str], needs: &[&str]| {
        let host = TestHost::new();
        try_check(&host, "talker", config(needs), listed(allow), patient()).await
    };
    let need = format!("tcp:{address}");
    let refused = load(&["udp:127.0.0.1:1"], &[&need]).await.unwrap_err();
    let LoadError::ImportNotGranted { import, hint } = refused else {
        panic!("{refused}");
    };
    assert_eq!(import, "vrrp-host:plugin/stream@0.1.0");
    assert_eq!(hint, format!(r#"allow = ["udp:127.0.0.1:1", "{need}"]"#));

    let host = TestHost::new();
    let allow = listed(&["udp:127.0.0.1:1", "tcp:127.0.0.1:1", "tcp:localhost:80"]);
    let check = try_check(&host, "talker", config(&[]), allow, patient())
        .await
        .unwrap();
    assert_eq!(summary(&check).await, "Error::Denied");
    let told = host.lines(LogSource::Sandbox).join("\n");
    let line =
        format!(r#"allow = ["udp:127.0.0.1:1", "tcp:127.0.0.1:1", "tcp:localhost:80", "{need}"]"#);
    assert!(
        told.contains(&format!("denied: {need}")) && told.contains(&line),
        "{told}"
    );
}

#[tokio::test]
async fn a_name_is_resolved_and_compared_by_what_it_is_called() {
    let address = serve(echo).await;
    let port = address.rsplit_once(':').unwrap().1;
    let by_name = format!("LocalHost:{port}");
    let needs = json!({ "needs": [format!("tcp:localhost:{port}")] });
    let seen = talk_within(patient(), &by_name, &["peer"], needs, json!({})).await;
    assert_eq!(seen, address);
}

#[tokio::test]
async fn what_is_no_address_is_told() {
    for address in ["127.0.0.1", "a b:80", "::1:80"] {
        let needs = json!({ "needs": ["tcp:127.0.0.1:80", "unix:/run/a", "udp:h:1"] });
        let seen = talk_within(patient(), address, &[], needs, json!({})).await;
        assert!(seen.starts_with("Error::Unusable(\"`tcp:"), "{seen}");
    }
}

#[tokio::test]
async fn a_peer_that_is_not_there_or_goes_away_is_told_as_it_is() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = unused.local_addr().unwrap().to_string();
    drop(unused);
    assert_eq!(talk(&address, &[], json!({})).await, "Error::Refused");

    let unknown = "does-not-exist.invalid:80";
    assert_eq!(talk(unknown, &[], json!({})).await, "Error::NameNotFound");

    let address = serve(reset).await;
    let seen = talk(&address, &["read 10"], json!({})).await;
    assert!(seen.contains("Connection reset by peer"), "{seen}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_timeout_and_the_conversation_goes_on() {
    let address = serve(never_answer).await;
    let started = Instant::now();
    let short = json!({ "timeout": "300" });
    let seen = talk(&address, &["write x", "read 10", "write y"], short).await;
    assert_eq!(seen, "written; Error::Timeout; written");
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );

    // The time of the run is the end of it, with enough left for a verdict.
    let limits = Limits {
        wall: Duration::from_secs(2),
        ..patient()
    };
    let needs = json!({ "needs": [format!("tcp:{address}")] });
    let long = json!({ "timeout": "60000" });
    let seen = talk_within(limits, &address, &["read 10"], needs, long).await;
    assert_eq!(seen, "Error::Timeout");
}

#[tokio::test]
async fn a_write_that_is_given_up_ends_the_conversation() {
    let address = serve(async |client: TcpStream| {
        // Takes nothing, so that the buffers fill.
        let _client = client;
        std::future::pending::<()>().await;
    })
    .await;
    let seen = talk(&address, &["flood", "write x"], json!({ "timeout": "300" })).await;
    assert_eq!(
        seen,
        "Some(Error::Timeout); Error::Io(\"the conversation has ended in an error before\")"
    );
}

#[tokio::test]
async fn conversations_are_handles() {
    let address = serve(never_answer).await;
    let host = TestHost::new();
    let limits = Limits {
        handles: 8,
        ..patient()
    };
    let needs = [format!("tcp:{address}")];
    let hoard = async |count: &str| {
        let config = json!({ "do": "hoard", "with": address, "count": count, "needs": needs });
        let check = try_check(&host, "talker", config, Grants::FromConfig, limits)
            .await
            .unwrap();
        run(&check).await.outcome
    };
    assert_eq!(hoard("4").await.unwrap().summary, "4 open");
    assert_eq!(hoard("20").await, Err(RunError::HandleLimit { limit: 8 }));
}

#[tokio::test]
async fn conversations_end_with_the_run() {
    let (ended, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let address = serve(move |mut client: TcpStream| {
        let ended = ended.clone();
        async move {
            let _ = client.read_to_end(&mut Vec::new()).await;
            ended.send(()).unwrap();
        }
    })
    .await;
    assert_eq!(talk(&address, &["write x"], json!({})).await, "written");
    let seen = tokio::time::timeout(Duration::from_secs(20), ends.recv()).await;
    assert_eq!(seen, Ok(Some(())));
}
