//! The `udp` capability against real sockets on loopback.

use serde_json::{Value, json};
use tokio::net::UdpSocket;
use vrrp_sandbox::{Grants, LogSource};

use crate::support::{TestHost, patient, summary, try_check};

/// What the guest says of a datagram that it sent to `address`.
async fn exchange(address: &str, need: &str, more: Value) -> (String, String) {
    let mut config = json!({ "do": "datagram", "with": address, "send": "ask", "needs": [need] });
    let more = more.as_object().unwrap().clone();
    config.as_object_mut().unwrap().extend(more);
    let host = TestHost::new();
    let check = try_check(&host, "talker", config, Grants::FromConfig, patient())
        .await
        .unwrap();
    (
        summary(&check).await,
        host.lines(LogSource::Sandbox).join("\n"),
    )
}

/// Answers every datagram with `answer`, or with nothing; its address.
async fn serve(answer: Option<&'static str>) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut datagram = [0; 100];
        while let Ok((length, from)) = socket.recv_from(&mut datagram).await {
            assert_eq!(&datagram[..length], b"ask");
            if let Some(answer) = answer {
                // Not from where it was sent to, so it is not the answer.
                let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                stranger.send_to(b"forged", from).await.unwrap();
                socket.send_to(answer.as_bytes(), from).await.unwrap();
            }
        }
    });
    address
}

#[tokio::test]
async fn the_answer_of_the_peer_is_seen_and_no_other() {
    let address = serve(Some("tell")).await;
    let need = format!("udp:{address}");
    assert_eq!(exchange(&address, &need, json!({})).await.0, "\"tell\"");
    assert_eq!(
        exchange(&address, &need, json!({ "max": "3" })).await.0,
        "\"tel\""
    );

    let port = address.rsplit_once(':').unwrap().1;
    let by_name = format!("localhost:{port}");
    let (seen, _) = exchange(&by_name, &format!("udp:{by_name}"), json!({})).await;
    assert_eq!(seen, "\"tell\"");
}

#[tokio::test]
async fn silence_is_a_timeout_and_a_closed_port_refuses() {
    let address = serve(None).await;
    let need = format!("udp:{address}");
    let (seen, _) = exchange(&address, &need, json!({ "timeout": "200" })).await;
    assert_eq!(seen, "Error::Timeout");

    let unused = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = unused.local_addr().unwrap().to_string();
    drop(unused);
    let (seen, _) = exchange(&address, &format!("udp:{address}"), json!({})).await;
    assert_eq!(seen, "Error::Refused");
}

#[tokio::test]
async fn a_grant_is_for_its_port_and_its_protocol() {
    let address = serve(Some("tell")).await;
    for need in ["udp:127.0.0.1:1".to_owned(), format!("tcp:{address}")] {
        let (seen, told) = exchange(&address, &need, json!({})).await;
        assert_eq!(seen, "Error::Denied");
        assert!(
            told.contains(&format!(r#"allow = ["{need}", "udp:{address}"]"#)),
            "{told}"
        );
    }
}
