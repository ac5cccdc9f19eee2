//! Certificates for services and for those who ask them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};

/// A day.
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// An authority that nobody trusts who was not told to.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// One of this name.
    ///
    /// # Panics
    ///
    /// When no key can be made.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes what an authority of the same name has signed for an authority of its own.
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key can be made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("it signs itself");
        Self(issuer)
    }

    /// Its own certificate, as the file of this name.
    ///
    /// # Panics
    ///
    /// When the file cannot be written.
    pub fn write(&self, file: impl AsRef<Path>) {
        fs::write(file, self.0.pem()).expect("a file can be written");
    }

    /// Leaves in a folder the files `NAME.pem` and `NAME.key`: a certificate for either side of a conversation, and its key,
    /// which only root can read.
    ///
    /// # Panics
    ///
    /// When a file cannot be written.
    pub fn certify(&self, name: &str, valid_for: Duration, folder: impl AsRef<Path>) {
        let mut params = CertificateParams::new([name.to_owned()]).expect("it is a name");
        params.distinguished_name.push(DnType::CommonName, name);
        let end = SystemTime::now() + valid_for;
        let since_epoch = end
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("it is after 1970");
        params.not_after = date_time_ymd(1970, 1, 1) + since_epoch;
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.0).expect("it signs");
        let file = |end| folder.as_ref().join(format!("{name}.{end}"));
        fs::write(file("pem"), certificate.pem()).expect("a file can be written");
        fs::write(file("key"), key.serialize_pem()).expect("a file can be written");
        fs::set_permissions(file("key"), fs::Permissions::from_mode(0o600)).expect("it is ours");
    }
}
