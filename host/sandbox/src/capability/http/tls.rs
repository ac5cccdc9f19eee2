//! TLS with the system's roots, or on request with whatever certificate the peer shows.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Url;

use crate::bindings::imports::net;

/// Read once in the life of the process: the roots are files, and some hundreds of them.
static VERIFYING: OnceCell<Arc<ClientConfig>> = OnceCell::const_new();
static UNVERIFYING: OnceCell<Arc<ClientConfig>> = OnceCell::const_new();

/// Shakes hands with the URL's host over `tcp`.
pub(super) async fn connect(
    url: &Url,
    tcp: TcpStream,
    verify: bool,
) -> Result<TlsStream<TcpStream>, net::Error> {
    let config = if verify {
        VERIFYING.get_or_try_init(verifying).await?
    } else {
        UNVERIFYING.get_or_try_init(async || unverifying()).await?
    };
    let host = url
        .host_str()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| net::Error::Tls(format!("`{host}` cannot stand in a certificate")))?;
    TlsConnector::from(config.clone())
        .connect(name, tcp)
        .await
        .map_err(|error| net::Error::Tls(error.to_string()))
}

async fn verifying() -> Result<Arc<ClientConfig>, net::Error> {
    let found = spawn_blocking(rustls_native_certs::load_native_certs)
        .await
        .map_err(|error| net::Error::Tls(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(net::Error::Tls(
            "this host has no trusted certificates (package ca-certificates)".to_owned(),
        ));
    }
    let config = builder()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn unverifying() -> Result<Arc<ClientConfig>, net::Error> {
    let verifier = AnyCertificate(Arc::new(ring::default_provider()));
    let config = builder()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, net::Error> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| net::Error::Tls(error.to_string()))
}

/// Accepts every certificate, but only from a peer that holds its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
