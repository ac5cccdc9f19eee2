//! Talking to an OCI registry, with a deadline for all of it. Only commands do that; the daemon has no part in it.

use std::env;
use std::error::Error;
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use clap::Args;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::RegistryOperation;
use oci_client::client::{Certificate, CertificateEncoding, Client, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError as OciError, OciErrorCode};
use oci_client::manifest::{OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciDescriptor};
use oci_client::secrets::RegistryAuth;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use tokio::io::AsyncWrite;
use zeroize::Zeroizing;

use crate::command::progress::{self, Progress};
use crate::exit::{Failure, chain};
use crate::store::{Artifact, Digest, Manifest, Reference};

/// Bytes of a file with a password.
const SECRET_MAX: u64 = 64 << 10;
const USER_AGENT: &str = concat!("vrrp-host/", env!("CARGO_PKG_VERSION"));

/// How to talk to a registry. Without a name, the password is the one that `docker login` has left.
#[derive(Args, Debug)]
pub(super) struct RegistryOptions {
    /// Talk HTTP without TLS, as with a registry on this host
    #[arg(long, conflicts_with = "ca_file")]
    plain_http: bool,
    /// PEM file with the authorities to trust instead of this host's own; also a registry on this host is spoken to with TLS then
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// How long everything may take
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Name to log in with
    #[arg(long, value_name = "NAME", requires = "password_file")]
    username: Option<String>,
    /// File with the password, `-` for standard input
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// File with a bearer token instead of name and password, `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "username")]
    token_file: Option<PathBuf>,
}

impl RegistryOptions {
    /// Runs `work` to its end or to the deadline.
    ///
    /// # Errors
    /// With those of `work`, or when the time is up.
    pub(super) fn run<T>(
        &self,
        what: &str,
        progress: &Progress,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::internal)?;
        let result = runtime.block_on(async {
            let work = progress::show(what, progress, Some(self.timeout), work);
            tokio::time::timeout(self.timeout, work).await
        });
        // A name that is still being looked up is not waited for.
        runtime.shutdown_background();
        result.unwrap_or_else(|_| {
            let timeout = humantime::format_duration(self.timeout);
            Err(Failure::temporary(format!(
                "{what}: not done after {timeout}{}; --timeout gives it longer",
                progress.so_far()
            )))
        })
    }

    /// The authorities to trust, when not those of this host.
    fn authorities(&self) -> Result<Vec<Certificate>, Failure> {
        let Some(path) = &self.ca_file else {
            return Ok(Vec::new());
        };
        let file = path.display();
        let pem = fs::read(path)
            .map_err(|error| Failure::usage(format!("cannot read {file}: {error}")))?;
        let certificates = CertificateDer::pem_slice_iter(&pem)
            .map(|certificate| {
                certificate.map(|certificate| Certificate {
                    encoding: CertificateEncoding::Der,
                    data: certificate.to_vec(),
                })
            })
            .collect::<Result<Vec<_>, _>>();
        let useless = |why: &dyn fmt::Display| {
            Failure::usage(format!("{file} has no certificate in PEM form: {why}"))
        };
        match certificates {
            Ok(none) if none.is_empty() => Err(useless(&pem::Error::NoItemsFound)),
            Ok(certificates) => Ok(certificates),
            Err(error) => Err(useless(&error)),
        }
    }

    fn credentials(&self, registry: &str) -> Result<RegistryAuth, Failure> {
        if let Some(file) = &self.token_file {
            return Ok(RegistryAuth::Bearer(secret(file)?.to_string()));
        }
        if let (Some(name), Some(file)) = (&self.username, &self.password_file) {
            return Ok(RegistryAuth::Basic(name.clone(), secret(file)?.to_string()));
        }
        docker_login(registry)
    }
}

/// What `docker login` has left, in the file or with the helper that its file names.
fn docker_login(registry: &str) -> Result<RegistryAuth, Failure> {
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".docker"));
    let folder = env::var_os("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(home);
    let path = folder.unwrap_or_default().join("config.json");
    let failed = |problem: &str| {
        Failure::config(format!(
            "{}: {}; --username and --password-file do without it",
            path.display(),
            problem.trim_end()
        ))
    };
    let file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(RegistryAuth::Anonymous);
        }
        Err(error) => return Err(failed(&error.to_string())),
    };
    match docker_credential::get_credential_from_reader(file, registry) {
        Ok(DockerCredential::UsernamePassword(name, password)) => {
            Ok(RegistryAuth::Basic(name, password))
        }
        Ok(DockerCredential::IdentityToken(token)) => Ok(RegistryAuth::Bearer(token)),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(RegistryAuth::Anonymous),
        Err(error) => Err(failed(&error.to_string())),
    }
}

/// The first line of a file.
fn secret(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let read = if file == Path::new("-") {
        io::stdin().take(SECRET_MAX).read_to_string(&mut text)
    } else {
        fs::File::open(file).and_then(|file| file.take(SECRET_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
    let line = text.lines().next().unwrap_or_default();
    Ok(Zeroizing::new(line.to_owned()))
}

/// A registry that can be asked.
pub(super) struct Registry {
    client: Client,
    credentials: RegistryAuth,
    name: String,
}

/// A module as it came, with every digest checked.
#[derive(Debug)]
pub(super) struct Pulled {
    pub(super) manifest: Manifest,
    pub(super) component: Vec<u8>,
}

impl Registry {
    /// The registry of a reference. Nothing is asked yet.
    ///
    /// # Errors
    /// When the password or the file of authorities cannot be read.
    pub(super) fn of(reference: &Reference, options: &RegistryOptions) -> Result<Self, Failure> {
        // The only one we have; whoever was first has installed the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let on_this_host = reference.is_on_loopback() && options.ca_file.is_none();
        let plain = options.plain_http || on_this_host;
        let config = ClientConfig {
            protocol: if plain {
                ClientProtocol::Http
            } else {
                ClientProtocol::Https
            },
            tls_certs_only: options.authorities()?,
            connect_timeout: Some(options.timeout),
            user_agent: USER_AGENT,
            platform_resolver: None,
            ..ClientConfig::default()
        };
        Ok(Self {
            client: Client::try_from(config).map_err(|error| Failure::internal(chain(&error)))?,
            credentials: options.credentials(&reference.registry)?,
            name: reference.registry.clone(),
        })
    }

    /// Downloads a module into memory.
    ///
    /// # Errors
    /// When the registry does not give it, or gives something else.
    pub(super) async fn pull(
        &self,
        reference: &Reference,
        progress: &Progress,
    ) -> Result<Pulled, Failure> {
        let image = reference.to_oci();
        let failed = |error| self.failure(reference, &error);
        self.log_in(&image, RegistryOperation::Pull)
            .await
            .map_err(failed)?;
        let kinds = [OCI_IMAGE_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE];
        let (bytes, _) = self
            .client
            .pull_manifest_raw(&image, &self.credentials, &kinds)
            .await
            .map_err(failed)?;
        let no_module = |error| Failure::config(format!("{reference}: {}", chain(&error)));
        let manifest = Manifest::parse(bytes.to_vec()).map_err(no_module)?;
        progress.begin(manifest.size);
        let layer = OciDescriptor {
            digest: manifest.component.to_string(),
            size: i64::try_from(manifest.size).unwrap_or(i64::MAX),
            ..OciDescriptor::default()
        };
        let mut component = Bounded {
            bytes: Vec::new(),
            size: manifest.size,
            progress: progress.clone(),
        };
        self.client
            .pull_blob(&image, &layer, &mut component)
            .await
            .map_err(failed)?;
        let component = component.bytes;
        // The client compares with what the registry says and with the manifest; this is ours.
        if Digest::of(&component) != manifest.component {
            return Err(Failure::config(format!(
                "{reference}: the registry has given other bytes than {}",
                manifest.component
            )));
        }
        Ok(Pulled {
            manifest,
            component,
        })
    }

    /// Uploads a module.
    ///
    /// # Errors
    /// When the registry does not take it.
    pub(super) async fn push(
        &self,
        reference: &Reference,
        artifact: Artifact,
    ) -> Result<(), Failure> {
        let image = reference.to_oci();
        let failed = |error| self.failure(reference, &error);
        self.log_in(&image, RegistryOperation::Push)
            .await
            .map_err(failed)?;
        let Artifact {
            config,
            component,
            manifest,
        } = artifact;
        // The manifest comes last: a registry refuses one whose parts it does not have.
        for bytes in [component, config] {
            let digest = Digest::of(&bytes).to_string();
            self.client
                .push_blob(&image, bytes, &digest)
                .await
                .map_err(failed)?;
        }
        let kind = http::HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE);
        self.client
            .push_manifest_raw(&image, manifest.bytes, kind)
            .await
            .map(drop)
            .map_err(failed)
    }

    /// The client would go on without a password that is refused, and tell that something else is.
    async fn log_in(
        &self,
        image: &oci_client::Reference,
        operation: RegistryOperation,
    ) -> Result<(), OciError> {
        self.client
            .auth(image, &self.credentials, operation)
            .await
            .map(drop)
    }

    /// Whose turn it is to do what.
    fn failure(&self, reference: &Reference, error: &OciError) -> Failure {
        let name = &self.name;
        if let OciError::RequestError(error) = error
            && error.is_connect()
        {
            if let Some(why) = tls_failure(error) {
                return Failure::config(format!(
                    "{name} shows a certificate that is not good: {why}; --ca-file names the authority when it is one of your own"
                ));
            }
            return Failure::temporary(format!("no registry answers at {name}: {}", chain(error)));
        }
        if let OciError::UnauthorizedError { .. }
        | OciError::AuthenticationFailure(_)
        | OciError::ServerError {
            code: 401 | 403, ..
        } = error
        {
            return self.unauthorized();
        }
        // Only what we write into fails so.
        if let OciError::IoError(error) = error {
            return Failure::config(format!("{reference}: {error}"));
        }
        if let OciError::DigestError(error) = error {
            return Failure::config(format!(
                "{reference}: the registry has given something else: {}",
                chain(error)
            ));
        }
        if let OciError::RegistryError { envelope, .. } = error {
            let says = |codes: &[OciErrorCode]| {
                let mut errors = envelope.errors.iter();
                errors.any(|error| codes.contains(&error.code))
            };
            if says(&[OciErrorCode::Unauthorized, OciErrorCode::Denied]) {
                return self.unauthorized();
            }
            if says(&[
                OciErrorCode::ManifestUnknown,
                OciErrorCode::NameUnknown,
                OciErrorCode::NotFound,
            ]) {
                return Failure::config(format!("{name} has no {reference}"));
            }
            return Failure::config(format!("{reference}: {}", chain(error)));
        }
        Failure::temporary(format!("{reference}: {}", chain(error)))
    }

    fn unauthorized(&self) -> Failure {
        let name = &self.name;
        Failure::rights(match &self.credentials {
            RegistryAuth::Anonymous => format!(
                "{name} wants a password: --username and --password-file, or `docker login {name}`"
            ),
            RegistryAuth::Basic(user, _) => {
                format!("{name} refuses the name {user} with this password")
            }
            RegistryAuth::Bearer(_) => format!("{name} refuses the token"),
        })
    }
}

/// What TLS has against the certificate of a server that was connected to.
fn tls_failure<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let certificate = error
        .downcast_ref()
        .filter(|error| matches!(error, rustls::Error::InvalidCertificate(_)));
    // An error of input and output does not have what is in it for its source, but that one's.
    let within = error
        .downcast_ref::<io::Error>()
        .and_then(|error| Some(error.get_ref()? as &(dyn Error + 'static)));
    certificate.or_else(|| tls_failure(within.or_else(|| error.source())?))
}

/// Takes as many bytes as were announced, and not one more.
struct Bounded {
    bytes: Vec<u8>,
    size: u64,
    progress: Progress,
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let size = self.size;
        if (self.bytes.len() + bytes.len()) as u64 > size {
            let message = format!("the registry gives more than the {size} bytes it has announced");
            return Poll::Ready(Err(io::Error::other(message)));
        }
        self.bytes.extend_from_slice(bytes);
        self.progress.advance(bytes.len() as u64);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
