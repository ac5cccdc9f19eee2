use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::raw;
use crate::{ConfigErrors, Need};

/// How to talk TLS, as a table in a config. Files are read by the host: a module never sees a key.
#[crate::config]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// What the server's certificate has to be valid for, when that is not the host of the address.
    pub server_name: Option<String>,
    /// Whether the server's certificate has to be valid.
    #[serde(default = "yes")]
    pub verify: bool,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<String>,
    /// PEM file with the certificate to present when the server asks for one.
    pub client_certificate_file: Option<String>,
    /// PEM file with the key of that certificate.
    pub client_key_file: Option<String>,
}

fn yes() -> bool {
    true
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            server_name: None,
            verify: true,
            ca_file: None,
            client_certificate_file: None,
            client_key_file: None,
        }
    }
}

impl Tls {
    /// What it needs beside the connection: to read its files.
    pub fn needs(&self) -> impl Iterator<Item = Need> {
        self.files().map(|(_, file)| Need::read(file))
    }

    /// Reports what does not fit together, below the key `key` of the module's config.
    pub fn validate(&self, key: &str, errors: &mut ConfigErrors) {
        for (name, file) in self.files() {
            if !file.starts_with('/') || file.split('/').any(|part| part == "..") {
                errors.at([key, name], format!("write an absolute path, not {file:?}"));
            }
        }
        match (&self.client_certificate_file, &self.client_key_file) {
            (Some(_), None) => errors.at(
                [key, "client-certificate-file"],
                "its key is missing: add client-key-file",
            ),
            (None, Some(_)) => errors.at(
                [key, "client-key-file"],
                "its certificate is missing: add client-certificate-file",
            ),
            (Some(_), Some(_)) | (None, None) => {}
        }
        if !self.verify && self.ca_file.is_some() {
            errors.at(
                [key, "ca-file"],
                "nothing is verified: leave it out, or remove verify = false",
            );
        }
    }

    pub(crate) fn to_raw(&self) -> raw::Tls {
        raw::Tls {
            server_name: self.server_name.clone(),
            verify: self.verify,
            ca_file: self.ca_file.clone(),
            client_certificate_file: self.client_certificate_file.clone(),
            client_key_file: self.client_key_file.clone(),
        }
    }

    fn files(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("ca-file", &self.ca_file),
            ("client-certificate-file", &self.client_certificate_file),
            ("client-key-file", &self.client_key_file),
        ]
        .into_iter()
        .filter_map(|(name, file)| Some((name, file.as_deref()?)))
    }
}

/// A key `tls` in a config: `true`, `false`, or a table as [`Tls`] has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOption(pub Option<Tls>);

impl<'de> Deserialize<'de> for TlsOption {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TlsVisitor)
    }
}

struct TlsVisitor;

impl<'de> Visitor<'de> for TlsVisitor {
    type Value = TlsOption;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("true, false or a table such as { ca-file = \"/etc/ssl/own.pem\" }")
    }

    fn visit_bool<E: de::Error>(self, wanted: bool) -> Result<TlsOption, E> {
        Ok(TlsOption(wanted.then(Tls::default)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TlsOption, A::Error> {
        Tls::deserialize(MapAccessDeserializer::new(map)).map(|tls| TlsOption(Some(tls)))
    }
}

impl JsonSchema for TlsOption {
    fn schema_name() -> Cow<'static, str> {
        "TlsOption".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "boolean" }, generator.subschema_for::<Tls>()] })
    }
}
