//! Whom to trust, and who to be: the files that a module names for TLS.

use tokio::time::Instant;

use crate::bindings::imports::{files, net};
use crate::store::Call;

/// Bytes of a file with certificates or a key: the authorities of a whole operating system have a fifth of it.
const PEM_MAX: u32 = 1 << 20;

/// With nothing said, the roots of the system, and nobody.
#[derive(Clone, Debug, Default)]
pub(in crate::capability) struct Identity {
    /// Authorities to trust instead of the system's.
    pub(in crate::capability) authorities: Option<PemFile>,
    /// Our certificate with what leads to its authority, and its key.
    pub(in crate::capability) client: Option<(PemFile, PemFile)>,
}

/// A file that was read, in PEM form as far as anybody knows.
#[derive(Clone)]
pub(in crate::capability) struct PemFile {
    pub(in crate::capability) path: String,
    pub(in crate::capability) content: Vec<u8>,
}

/// The content may be a key.
impl std::fmt::Debug for PemFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PemFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// The same for a server that is not the one it was made for: it trusts the same, and is nobody.
    pub(in crate::capability) fn for_others(&self) -> Self {
        Self {
            authorities: self.authorities.clone(),
            client: None,
        }
    }
}

impl Call {
    /// Reads what `tls` names.
    pub(in crate::capability) async fn identity(
        &mut self,
        tls: &net::Tls,
        deadline: Instant,
    ) -> Result<Identity, net::Error> {
        let authorities = match &tls.ca_file {
            Some(path) => Some(self.pem_file(path, deadline).await?),
            None => None,
        };
        let client = match (&tls.client_certificate_file, &tls.client_key_file) {
            (Some(certificate), Some(key)) => Some((
                self.pem_file(certificate, deadline).await?,
                self.pem_file(key, deadline).await?,
            )),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(net::Error::Unusable(
                    "a client certificate and its key go together".to_owned(),
                ));
            }
        };
        Ok(Identity {
            authorities,
            client,
        })
    }

    /// The module gets to see nothing of it. The broker reads it, because a key is for root alone.
    async fn pem_file(&mut self, path: &str, deadline: Instant) -> Result<PemFile, net::Error> {
        self.require(&format!("read:{path}"))?;
        let unusable = |why: &str| net::Error::Unusable(format!("{path} cannot be read: {why}"));
        let content =
            self.read_file(path, PEM_MAX, deadline)
                .await
                .map_err(|error| match error {
                    files::Error::Denied => net::Error::Denied,
                    files::Error::NotFound => unusable("there is no such file"),
                    files::Error::TooLarge => unusable("it has more than 1 MiB"),
                    files::Error::Timeout => unusable("no answer in time"),
                    files::Error::Io(message) => unusable(&message),
                })?;
        Ok(PemFile {
            path: path.to_owned(),
            content,
        })
    }
}
