//! TLS of the `stream` capability against real servers with authorities of their own.

use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use vrrp_sandbox::{Grants, LogSource};

use crate::stream::{serve, talk};
use crate::support::{TestHost, patient, summary, try_check};

/// 2040-01-02 00:00:00 UTC.
const NOT_AFTER: i64 = 2_209_075_200;

/// An authority, and what it has signed, as files.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// Signs a certificate for `name` and leaves it in `NAME.pem`, with its key in `NAME.key`.
    pub(crate) fn sign(&self, name: &str, usage: ExtendedKeyUsagePurpose) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(2040, 1, 2);
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    pub(crate) fn path(&self, file: &str) -> String {
        let path: &Path = &self.folder.path().join(file);
        path.to_str().unwrap().to_owned()
    }

    /// A server's side, as localhost; with `clients`, it wants a certificate of this authority.
    pub(crate) fn acceptor(&self, clients: bool) -> TlsAcceptor {
        self.sign("localhost", ExtendedKeyUsagePurpose::ServerAuth);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if clients {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let chain = vec![CertificateDer::from_pem_file(self.path("localhost.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(self.path("localhost.key")).unwrap();
        TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
    }
}

/// A server that says "plain", hears "go", and goes on encrypted, as an echo.
async fn serve_with_start_tls(acceptor: TlsAcceptor) -> String {
    serve(move |mut client: TcpStream| {
        let acceptor = acceptor.clone();
        async move {
            client.write_all(b"plain").await.unwrap();
            // A client that has seen enough, or refuses the certificate, goes away.
            if client.read_exact(&mut [0; 2]).await.is_err() {
                return;
            }
            let Ok(mut stream) = acceptor.accept(client).await else {
                return;
            };
            let mut word = [0; 4];
            if stream.read_exact(&mut word).await.is_ok() {
                let _ = stream.write_all(&word).await;
                let _ = stream.shutdown().await;
            }
        }
    })
    .await
}

const CONVERSATION: [&str; 8] = [
    "read 5",
    "write go",
    "not-after",
    "tls localhost",
    "not-after",
    "write word",
    "read 10",
    "read 10",
];

#[tokio::test]
async fn a_conversation_turns_to_tls_in_the_middle_with_an_authority_of_its_own() {
    let authority = Authority::new();
    let address = serve_with_start_tls(authority.acceptor(false)).await;
    let ca = authority.path("ca.pem");
    let needs = [format!("tcp:{address}"), format!("read:{ca}")];
    let seen = talk(&address, &CONVERSATION, json!({ "ca": ca, "needs": needs })).await;
    assert_eq!(
        seen,
        format!(r#""plain"; written; None; encrypted; Some({NOT_AFTER}); written; "word"; """#)
    );
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_or_of_another_name_is_refused_unless_told_otherwise()
{
    let authority = Authority::new();
    let address = serve_with_start_tls(authority.acceptor(false)).await;
    let ca = authority.path("ca.pem");
    let needs = [format!("tcp:{address}"), format!("read:{ca}")];
    let steps = ["read 5", "write go", "tls localhost", "write x"];
    let seen = talk(&address, &steps, json!({})).await;
    assert!(
        seen.contains("Error::Tls(\"invalid peer certificate: UnknownIssuer\")"),
        "{seen}"
    );
    assert!(seen.ends_with("has ended in an error before\")"), "{seen}");

    let steps = ["read 5", "write go", "tls other.lan"];
    let seen = talk(&address, &steps, json!({ "ca": ca, "needs": needs })).await;
    assert!(
        seen.contains("Error::Tls(") && seen.contains("not valid for name"),
        "{seen}"
    );

    let seen = talk(&address, &steps, json!({ "verify": "no" })).await;
    assert!(seen.ends_with("; encrypted"), "{seen}");
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_the_one_of_the_files() {
    let authority = Authority::new();
    let address = serve_with_start_tls(authority.acceptor(true)).await;
    authority.sign("probe", ExtendedKeyUsagePurpose::ClientAuth);
    let [ca, certificate, key] =
        ["ca.pem", "probe.pem", "probe.key"].map(|file| authority.path(file));
    let mut needs = vec![format!("tcp:{address}")];
    needs.extend([&ca, &certificate, &key].map(|file| format!("read:{file}")));
    let files = json!({ "ca": ca, "certificate": certificate, "key": key, "needs": needs });
    let seen = talk(&address, &CONVERSATION, files).await;
    assert!(seen.contains(r#"; written; "word"; """#), "{seen}");

    let seen = talk(&address, &CONVERSATION, json!({ "ca": ca, "needs": needs })).await;
    let told = "Error::Tls(\"received fatal alert: CertificateRequired\")";
    assert!(seen.contains(told) && !seen.contains("\"word\""), "{seen}");
    let half = json!({ "ca": ca, "certificate": certificate, "needs": needs });
    let seen = talk(&address, &["tls localhost"], half).await;
    assert_eq!(
        seen,
        "Error::Unusable(\"a client certificate and its key go together\")"
    );
}

#[tokio::test]
async fn a_file_needs_a_grant_of_its_own() {
    let authority = Authority::new();
    let address = serve_with_start_tls(authority.acceptor(false)).await;
    let ca = authority.path("ca.pem");
    let other = authority.path("ca.pem.old");
    let needs = [format!("tcp:{address}"), format!("read:{other}")];
    let config = json!({ "do": "talk", "with": address, "steps": ["tls localhost"], "ca": ca, "needs": needs });
    let host = TestHost::new();
    let check = try_check(&host, "talker", config, Grants::FromConfig, patient())
        .await
        .unwrap();
    assert_eq!(summary(&check).await, "Error::Denied");
    let told = host.lines(LogSource::Sandbox).join("\n");
    assert!(told.contains(&format!("denied: read:{ca};")), "{told}");
    assert_eq!(host.files.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn files_are_read_by_the_broker_which_may_hang() {
    let authority = Authority::new();
    let address = serve_with_start_tls(authority.acceptor(false)).await;
    let ca = authority.path("ca.pem");
    let needs = [format!("tcp:{address}"), format!("read:{ca}")];
    let config = json!({
        "do": "talk", "with": address, "steps": ["tls localhost"], "ca": ca, "needs": needs, "timeout": "100",
    });
    let host = Arc::new(TestHost {
        hangs: true,
        ..TestHost::default()
    });
    let check = try_check(&host, "talker", config, Grants::FromConfig, patient())
        .await
        .unwrap();
    assert_eq!(
        summary(&check).await,
        format!("Error::Unusable(\"{ca} cannot be read: no answer in time\")")
    );
    assert_eq!(*host.files.lock().unwrap(), [ca]);
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_no_verdict_on_the_server() {
    let authority = Authority::new();
    let address = serve_with_start_tls(authority.acceptor(false)).await;
    let folder = authority.path("");
    let needs = [format!("tcp:{address}"), format!("read:{folder}")];
    let garbage = authority.path("garbage.pem");
    std::fs::write(&garbage, "-----BEGIN NONSENSE-----\n").unwrap();
    for (ca, why) in [
        (
            authority.path("gone.pem"),
            "cannot be read: there is no such file",
        ),
        (folder.clone(), "cannot be read: Is a directory"),
        (garbage, "garbage.pem has no certificate in PEM form"),
        (
            "own.pem".to_owned(),
            "`read:own.pem` is not a grant: the path is not absolute",
        ),
    ] {
        let steps = ["tls localhost", "read 5"];
        let seen = talk(&address, &steps, json!({ "ca": ca, "needs": needs })).await;
        assert!(
            seen.starts_with("Error::Unusable(") && seen.contains(why),
            "{seen}"
        );
        // Nothing was said to the server, so the conversation goes on.
        assert!(seen.ends_with("; \"plain\""), "{seen}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_or_says_nothing_is_an_error_in_time() {
    let address = serve(async |mut client: TcpStream| {
        client.write_all(b"220 mail.lan ESMTP\r\n").await.unwrap();
        let _ = client.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let seen = talk(&address, &["tls localhost"], json!({ "verify": "no" })).await;
    assert!(seen.starts_with("Error::Tls("), "{seen}");

    let address = serve(async |mut client: TcpStream| {
        let _ = client.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let short = json!({ "verify": "no", "timeout": "300" });
    let seen = talk(&address, &["tls localhost", "read 10"], short).await;
    assert_eq!(
        seen,
        "Error::Timeout; Error::Io(\"the conversation has ended in an error before\")"
    );
}
