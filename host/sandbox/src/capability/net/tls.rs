//! TLS, with the system's roots or those of a file, with a certificate of our own if the peer wants one, and on
//! request with whatever certificate the peer shows.

use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::identity::{Identity, PemFile};
use crate::bindings::imports::net;

/// Read once in the life of the process: the roots are files, and some hundreds of them.
static ROOTS: OnceCell<Arc<RootCertStore>> = OnceCell::const_new();
static VERIFYING: OnceCell<Arc<ClientConfig>> = OnceCell::const_new();
static UNVERIFYING: OnceCell<Arc<ClientConfig>> = OnceCell::const_new();

/// Shakes hands with `server_name` over `stream`.
pub(in crate::capability) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    server_name: &str,
    stream: S,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<S>, net::Error> {
    let host = server_name.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| net::Error::Tls(format!("`{host}` cannot stand in a certificate")))?;
    TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(|error| net::Error::Tls(error.to_string()))
}

/// Whether it is TLS that failed. Also after the handshake: a server that does not like our certificate says so later.
pub(in crate::capability) fn is_failure(error: &io::Error) -> bool {
    let source = error.get_ref();
    source.is_some_and(|source| source.is::<rustls::Error>())
}

/// The settings for `identity`; what most have in common is made once.
pub(in crate::capability) async fn config(
    verify: bool,
    identity: &Identity,
) -> Result<Arc<ClientConfig>, net::Error> {
    match identity {
        Identity {
            authorities: None,
            client: None,
        } => {
            let common = if verify { &VERIFYING } else { &UNVERIFYING };
            common
                .get_or_try_init(|| make(verify, identity))
                .await
                .cloned()
        }
        Identity { .. } => make(verify, identity).await,
    }
}

async fn make(verify: bool, identity: &Identity) -> Result<Arc<ClientConfig>, net::Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = if verify {
        let roots = match &identity.authorities {
            Some(file) => Arc::new(authorities(file)?),
            None => ROOTS.get_or_try_init(system_roots).await?.clone(),
        };
        WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
            .build()
            .map_err(|error| net::Error::Unusable(error.to_string()))?
    } else {
        Arc::new(AnyCertificate(provider.clone()))
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| net::Error::Unusable(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match &identity.client {
        None => builder.with_no_client_auth(),
        Some((certificates, key)) => builder
            .with_client_auth_cert(
                parse(certificates)?,
                PrivateKeyDer::from_pem_slice(&key.content)
                    .map_err(|error| useless(key, "private key", &error))?,
            )
            .map_err(|error| {
                net::Error::Unusable(format!(
                    "{} and {} do not go together: {error}",
                    certificates.path, key.path
                ))
            })?,
    };
    Ok(Arc::new(config))
}

async fn system_roots() -> Result<Arc<RootCertStore>, net::Error> {
    let found = spawn_blocking(rustls_native_certs::load_native_certs)
        .await
        .map_err(|error| net::Error::Unusable(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(net::Error::Unusable(
            "this host has no trusted certificates (package ca-certificates)".to_owned(),
        ));
    }
    Ok(Arc::new(roots))
}

fn authorities(file: &PemFile) -> Result<RootCertStore, net::Error> {
    let mut roots = RootCertStore::empty();
    for certificate in parse(file)? {
        roots.add(certificate).map_err(|error| {
            net::Error::Unusable(format!("a certificate in {}: {error}", file.path))
        })?;
    }
    Ok(roots)
}

/// At least one certificate.
fn parse(file: &PemFile) -> Result<Vec<CertificateDer<'static>>, net::Error> {
    let certificates = CertificateDer::pem_slice_iter(&file.content)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| useless(file, "certificate", &error))?;
    if certificates.is_empty() {
        return Err(useless(file, "certificate", &pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

fn useless(file: &PemFile, what: &str, error: &pem::Error) -> net::Error {
    net::Error::Unusable(format!("{} has no {what} in PEM form: {error}", file.path))
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
